//! Stands between a program and Postgres and counts round trips: whatever the client waits for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::BoxError;

/// Messages after which a client waits for an answer: Sync ends an extended query, Query is a simple one. See
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
const WAITS: [u8; 2] = [b'S', b'Q'];

/// A running counter; it ends with the process.
pub struct Counter {
    /// Where it listens.
    pub addr: SocketAddr,
    trips: Arc<AtomicU64>,
}

impl Counter {
    /// Listens, and passes every connection on to `server`.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start(server: SocketAddr) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (addr, trips) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    // A broken connection ends on both sides; there is nobody to tell.
                    let _ = pass(client, server, &counted).await;
                });
            }
        });
        Ok(Self { addr, trips })
    }

    /// How many there were so far.
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, server: SocketAddr, trips: &AtomicU64) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from, mut back), (mut answers, mut to)) = (client.into_split(), server.into_split());
    let asking = async {
        let (mut count, mut piece) = (Count::default(), vec![0; 64 * 1024]);
        loop {
            let read = from.read(&mut piece).await?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            trips.fetch_add(count.feed(bytes), Ordering::Relaxed);
            to.write_all(bytes).await?;
        }
        to.shutdown().await
    };
    let answering = async { tokio::io::copy(&mut answers, &mut back).await };
    let (asked, _) = tokio::join!(asking, answering);
    asked
}

/// Reads the frames of a client's side, however they are cut.
#[derive(Default)]
struct Count {
    /// The first frame has no type: it asks to begin.
    begun: bool,
    head: Vec<u8>,
    /// Bytes of the frame that are still to come.
    rest: usize,
}

impl Count {
    fn feed(&mut self, bytes: &[u8]) -> u64 {
        let (mut trips, mut bytes) = (0, bytes);
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some((first, others)) = bytes.split_first() {
                self.head.push(*first);
                bytes = others;
            }
            trips += self.frame();
        }
        trips
    }

    /// Takes a whole head apart.
    fn frame(&mut self) -> u64 {
        let (kind, length) = match (self.begun, self.head.as_slice()) {
            (true, [kind, a, b, c, d]) => (Some(*kind), u32::from_be_bytes([*a, *b, *c, *d])),
            (false, [a, b, c, d]) => (None, u32::from_be_bytes([*a, *b, *c, *d])),
            _ => return 0,
        };
        // The length counts itself.
        self.rest = usize::try_from(length).unwrap_or(0).saturating_sub(4);
        self.head.clear();
        // A request for TLS is eight bytes long and is followed by another beginning.
        self.begun = kind.is_some() || length != 8;
        u64::from(kind.is_some_and(|kind| WAITS.contains(&kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind], length.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn trips_are_counted_however_the_bytes_are_cut() {
        let begin = [&12_u32.to_be_bytes()[..], &[0, 3, 0, 0], b"user"].concat();
        let talk =
            [begin, frame(b'P', b"SELECT Q S"), frame(b'B', b""), frame(b'S', b""), frame(b'Q', b"BEGIN S")].concat();
        for cut in 1..talk.len() {
            let mut count = Count::default();
            assert_eq!(talk.chunks(cut).map(|piece| count.feed(piece)).sum::<u64>(), 2, "{cut}");
        }
    }

    #[test]
    fn a_request_for_tls_comes_before_the_beginning() {
        let ask = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
        let begin = [8_u32.to_be_bytes(), 196_608_u32.to_be_bytes()].concat();
        let mut count = Count::default();
        assert_eq!(count.feed(&ask), 0);
        assert!(!count.begun);
        let longer = [9_u32.to_be_bytes().as_slice(), &begin[4..], &[0]].concat();
        assert_eq!(count.feed(&[longer, frame(b'S', b"")].concat()), 1);
    }
}
