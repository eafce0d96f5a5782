//! Thousands of streams that are open together: how many hold, and what each costs the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{ClientError, Connection, post};
use crate::generator::holds;
use crate::latency::{Latencies, Summary};
use crate::process;

/// A stream that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often memory and open streams are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Streams to open.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who is asked.
    pub addr: SocketAddr,
    /// How many streams.
    pub streams: usize,
    /// They are opened evenly over this time.
    pub opening: Duration,
    /// The server's process.
    pub pid: u32,
    /// What is asked.
    pub question: String,
    /// What every stream must hold, such as the model's name; one without it was not slow.
    pub expects: Option<&'static str>,
}

/// What became of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many were to be opened.
    pub asked: usize,
    /// The most that were open together.
    pub open_together: usize,
    /// Those that reached their `final` event.
    pub finished: usize,
    /// Those that did not, or were answered otherwise than expected.
    pub dropped: usize,
    /// Milliseconds from the request to the first token.
    pub first_token: Summary,
    /// The server's memory before, KiB.
    pub rss_before_kib: f64,
    /// The server's memory while the most were open, KiB.
    pub rss_open_kib: f64,
    /// The difference by stream, KiB.
    pub kib_each: f64,
    /// The first failure, for a person to read.
    pub first_error: Option<String>,
}

/// Opens the streams, reads each to its end.
pub async fn run(plan: &Plan) -> Report {
    let open = Arc::new(AtomicUsize::new(0));
    let rss_before_kib = process::rss_kib(plan.pid).unwrap_or_default();
    let mut streams = JoinSet::new();
    for number in 0..plan.streams {
        let share = plan.opening.mul_f64(ratio(number, plan.streams));
        streams.spawn(follow(plan.clone(), share, Arc::clone(&open)));
    }

    let mut report = Report { asked: plan.streams, rss_before_kib, ..Report::default() };
    let mut first_tokens = Latencies::default();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            ended = streams.join_next() => match ended {
                Some(Ok(Ok(first_token))) => {
                    report.finished += 1;
                    first_tokens.add(first_token);
                }
                Some(Ok(Err(error))) => report.fault(error.to_string()),
                Some(Err(error)) => report.fault(error.to_string()),
                None => break,
            },
            _ = look.tick() => report.look(open.load(Ordering::Relaxed), plan.pid),
        }
    }
    report.first_token = first_tokens.summary();
    let open = u32::try_from(report.open_together.max(1)).unwrap_or(u32::MAX);
    report.kib_each = (report.rss_open_kib - report.rss_before_kib) / f64::from(open);
    report
}

impl Report {
    fn fault(&mut self, what: String) {
        self.dropped += 1;
        self.first_error.get_or_insert(what);
    }

    fn look(&mut self, open: usize, pid: u32) {
        if open > 0 && open >= self.open_together {
            let now = process::rss_kib(pid).unwrap_or_default();
            // While as many stay open, the most memory counts.
            self.rss_open_kib = if open > self.open_together { now } else { now.max(self.rss_open_kib) };
            self.open_together = open;
        }
    }
}

/// Why a stream did not hold.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("status {0}: {1}")]
    Status(u16, String),
    #[error("the stream ended without its final event: {0}")]
    Unfinished(String),
    #[error("the stream was answered otherwise than expected: {0}")]
    Unexpected(String),
    #[error("the stream took too long")]
    TooLong,
}

async fn follow(plan: Plan, after: Duration, open: Arc<AtomicUsize>) -> Result<Duration, StreamError> {
    sleep(after).await;
    timeout(PATIENCE, follow_one(&plan, &open)).await.map_err(|_| StreamError::TooLong)?
}

async fn follow_one(plan: &Plan, open: &AtomicUsize) -> Result<Duration, StreamError> {
    let mut request = Vec::new();
    let body = serde_json::json!({"message": plan.question}).to_string();
    post(&mut request, "/api/chat/stream", body.as_bytes());
    let mut connection = Connection::open(plan.addr).await?;
    let asked = Instant::now();
    let mut answer = Vec::new();
    let status = connection.send(&request).await?;
    drop(request);
    if status != 200 {
        connection.read_all(&mut answer).await?;
        return Err(StreamError::Status(status, shown(&answer)));
    }
    let _counted = Counted::enter(open);
    let mut first_token = None;
    while connection.read(&mut answer).await? {
        if first_token.is_none() && holds(&answer, b"\"type\":\"token\"") {
            first_token = Some(asked.elapsed());
        }
    }
    if plan.expects.is_some_and(|expected| !holds(&answer, expected.as_bytes())) {
        return Err(StreamError::Unexpected(shown(&answer)));
    }
    match first_token {
        Some(first_token) if holds(&answer, b"\"type\":\"final\"") => Ok(first_token),
        _ => Err(StreamError::Unfinished(shown(&answer))),
    }
}

/// Counts as open while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn enter(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).chars().take(300).collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap_or(0)) / f64::from(u32::try_from(whole.max(1)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_at_the_most_open_streams() {
        let mut report = Report::default();
        let me = std::process::id();
        report.look(10, me);
        report.look(0, me);
        report.look(4, me);
        assert_eq!(report.open_together, 10);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_drops_every_stream() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let plan = Plan {
            addr,
            streams: 3,
            opening: Duration::ZERO,
            pid: std::process::id(),
            question: "?".to_owned(),
            expects: None,
        };
        let report = run(&plan).await;
        assert_eq!((report.finished, report.dropped), (0, 3));
        assert!(report.first_error.is_some());
    }
}
