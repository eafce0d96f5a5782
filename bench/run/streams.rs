//! Thousands of streams open together: on the spine, whose echo is slow, and on the daemon, whose model is.

use std::time::Duration;

use dovvybuddy_bench::generator::{self, Ask};
use dovvybuddy_bench::{BoxError, corpus, slow};

use crate::Bench;
use crate::daemon::{Daemon, Embeddings};
use crate::report::{Goal, Report};
use crate::rounds::BY_MODEL;
use crate::servers::{ModelPace, Server, Sync, model, spine};

const SECTION: &str = "Slow streams open together";
/// Between the pieces of the spine's echo, of which there are twelve.
const PAUSE: Duration = Duration::from_secs(1);
/// The streams are opened over this time, well before the first of them ends.
const OPENING: Duration = Duration::from_secs(5);

/// Both servers, one after the other.
pub(crate) async fn measure(bench: &Bench, daemon: Option<&Daemon>, report: &mut Report) -> Result<(), BoxError> {
    let ours = spine(&bench.places, Some(PAUSE), Sync::Full).await?;
    hold(bench, "spine", &ours, None, report).await;
    drop(ours);
    let Some(daemon) = daemon else { return Ok(()) };
    let fake = model(&bench.places, ModelPace::Slow).await?;
    let full = daemon.start(&bench.places, Embeddings::Fake, Some(fake.addr)).await?;
    // The question's embedding and the search's result are remembered from here on; the rest of what
    // warms up is not what a stream costs.
    let warm = generator::Plan {
        addr: full.addr,
        ask: Ask::Stream,
        conversations: 16,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(2),
        stagger: Duration::ZERO,
        questions: corpus::questions(1).into(),
        fresh_searches: false,
        expects: None,
        pid: None,
        helpers: Vec::new(),
    };
    generator::run(&warm).await;
    hold(bench, "daemon", &full, BY_MODEL, report).await;
    Ok(())
}

async fn hold(bench: &Bench, name: &'static str, server: &Server, expects: Option<&'static str>, report: &mut Report) {
    let plan = slow::Plan {
        addr: server.addr,
        streams: bench.streams,
        opening: OPENING,
        pid: server.pid(),
        question: corpus::questions(1).concat(),
        expects,
    };
    let held = slow::run(&plan).await;
    eprintln!("  {name}: {} of {} open together, {} dropped", held.open_together, held.asked, held.dropped);
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let all = Goal::AtLeast(count(bench.streams));
    // With a model behind it each stream holds a connection of its own to that too.
    let kib = if expects.is_none() { Goal::AtMost(40.0) } else { Goal::None };
    let kib = kib.unless_void(held.open_together == bench.streams);
    report.figure(SECTION, format!("{name}, open together"), count(held.open_together), "streams", all);
    report.figure(SECTION, format!("{name}, dropped"), count(held.dropped), "streams", Goal::AtMost(0.0));
    report.figure(SECTION, format!("{name}, memory each"), held.kib_each, "KiB", kib);
    report.figure(SECTION, format!("{name}, memory before"), held.rss_before_kib / 1024.0, "MiB", Goal::None);
    report.figure(SECTION, format!("{name}, first token p50"), held.first_token.p50, "ms", Goal::None);
    report.figure(SECTION, format!("{name}, first token p99"), held.first_token.p99, "ms", Goal::None);
    if let Some(error) = held.first_error {
        report.note(format!("{name}, streams: {error}"));
    }
}
