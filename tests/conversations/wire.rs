//! Below the HTTP client: streams read event by event, sockets written byte by byte, waiting with a
//! deadline.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{Event, events};

/// How long anything may take on a machine that is busy with other tests. It costs nothing when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A `text/event-stream` that is still coming in.
pub(crate) struct Live {
    body: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: Vec<u8>,
}

impl Live {
    pub(crate) fn new(response: Response) -> Self {
        let body = response.bytes_stream().map(|piece| piece.map(|bytes| bytes.to_vec())).boxed();
        Self { body, buffer: Vec::new() }
    }

    /// The next event; `None` once the stream has ended or broken off.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).expect("events are UTF-8");
                // Comments keep the connection open and carry nothing.
                if let Some(event) = events(&block).pop() {
                    return Some(event);
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream goes on")?;
            self.buffer.extend(piece.ok()?);
        }
    }

    /// The next event of this type, skipping others.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if event.kind() == kind {
                return Some(event);
            }
        }
    }

    /// All that is left.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}

/// Opens a connection to a daemon at `base`.
pub(crate) async fn connect(base: &str) -> TcpStream {
    TcpStream::connect(base.trim_start_matches("http://")).await.unwrap()
}

/// Sends bytes as they are and returns everything that came back until the connection closed. Ask with
/// `Connection: close`.
pub(crate) async fn exchange(base: &str, request: &[u8]) -> String {
    let mut socket = connect(base).await;
    // A server that has seen enough may close before everything is written.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        while let Ok(n) = socket.read(&mut piece).await {
            if n == 0 {
                return;
            }
            answer.extend_from_slice(&piece[..n]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer and the end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Looks again and again until there is something, for at most `within`.
pub(crate) async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
