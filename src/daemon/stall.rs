//! A connection that is given up when its client no longer takes what is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client has to take [`LEAST`]. A stall is noticed after twice that at the latest, which
/// together stays under the 35 s after which a slow client must be gone.
const WINDOW: Duration = Duration::from_secs(15);
/// Bytes that a client whose connection is full takes per window, or it is let go. A telephone at the
/// edge of its network takes a hundred times as much.
const LEAST: usize = 4 * 1024;

/// Ends writes with [`io::ErrorKind::TimedOut`] when the other side takes too little for too long.
///
/// As long as the system takes everything at once, nothing is measured. A client that never reads would
/// otherwise hold its task, its request and their buffers for ever.
pub(crate) struct Impatient<S> {
    stream: S,
    waiting: Option<Waiting>,
}

/// Something is to be written and the connection is full.
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> Impatient<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, waiting: None }
    }

    /// Books what a write did; one that must wait may do so until the window ends.
    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.taken = waiting.taken.saturating_add(bytes);
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.overdue(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Ready once a whole window passed in which too little was taken.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self.waiting.get_or_insert_with(|| Waiting { until: Box::pin(sleep(WINDOW)), taken: 0 });
        loop {
            ready!(waiting.until.as_mut().poll(cx));
            if waiting.taken < LEAST {
                return Poll::Ready(());
            }
            waiting.taken = 0;
            waiting.until.as_mut().reset(Instant::now() + WINDOW);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once everything was written: whoever caught up starts afresh.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.waiting = None;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn connection(room: usize) -> (Impatient<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(room);
        (Impatient::new(ours), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_let_go() {
        let (mut ours, _theirs) = connection(64);
        let began = Instant::now();
        let error = ours.write_all(&[7; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= 2 * WINDOW, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_trickles_is_let_go_too() {
        let (mut ours, mut theirs) = connection(64);
        let reader = tokio::spawn(async move {
            let mut byte = [0; 1];
            while theirs.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let began = Instant::now();
        let error = ours.write_all(&[7; 4096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= 2 * WINDOW, "{:?}", began.elapsed());
        drop(ours);
        reader.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_slow_but_steady_gets_everything() {
        let (mut ours, mut theirs) = connection(1024);
        let reader = tokio::spawn(async move {
            let (mut chunk, mut got) = ([0; 1024], 0);
            loop {
                tokio::time::sleep(Duration::from_secs(3)).await;
                match theirs.read(&mut chunk).await.unwrap() {
                    0 => return got,
                    n => got += n,
                }
            }
        });
        ours.write_all(&vec![7; 100 * 1024]).await.unwrap();
        ours.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), 100 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn who_caught_up_may_be_quiet_for_as_long_as_it_likes() {
        let (mut ours, mut theirs) = connection(64);
        let mut all = [0; 80];
        let (wrote, read) = tokio::join!(ours.write_all(&[7; 80]), theirs.read_exact(&mut all));
        wrote.unwrap();
        read.unwrap();
        ours.flush().await.unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
        ours.write_all(&[7; 64]).await.unwrap();
        let (wrote, read) = tokio::join!(ours.write_all(&[7; 16]), theirs.read_exact(&mut all));
        wrote.unwrap();
        read.unwrap();
    }
}
