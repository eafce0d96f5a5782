//! From the start to the first answers on an ingested database, and memory at rest.

use std::path::Path;
use std::time::Duration;

use dovvybuddy_bench::latency::median;
use dovvybuddy_bench::{BoxError, process};
use tokio::time::{Instant, sleep};

use crate::Bench;
use crate::daemon::{Daemon, Embeddings};
use crate::report::{Goal, Report};
use crate::servers::Server;

const START: &str = "Start on 10,000 ingested passages";
const MEMORY: &str = "Memory at rest, 10,000 passages";
const STARTS: usize = 5;
/// What a start may take before it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until memory has settled after a start.
const REST: Duration = Duration::from_secs(4);

/// Starts the daemon a few times, then looks at its memory.
pub(crate) async fn measure(bench: &Bench, daemon: Option<&Daemon>, report: &mut Report) -> Result<(), BoxError> {
    let Some(daemon) = daemon else { return Ok(()) };
    let (mut healthy, mut ready) = (Vec::new(), Vec::new());
    for number in 1..=STARTS {
        let began = Instant::now();
        let mut server = daemon.spawn(&bench.places, Embeddings::Fake, None)?;
        server.answers("/health", PATIENCE).await?;
        let to_health = began.elapsed();
        server.answers("/ready", PATIENCE).await?;
        let to_ready = began.elapsed();
        eprintln!("  start {number}: /health after {to_health:?}, /ready after {to_ready:?}");
        healthy.push(to_health.as_secs_f64() * 1000.0);
        ready.push(to_ready.as_secs_f64() * 1000.0);
        server.stop().await?;
    }
    report.figure(START, "first 200 from /health", median(healthy), "ms", Goal::AtMost(100.0));
    report.figure(START, "first 200 from /ready", median(ready), "ms", Goal::AtMost(500.0));

    let server = daemon.start(&bench.places, Embeddings::None, None).await?;
    report.figure(MEMORY, "words alone", at_rest(server).await?, "MiB", Goal::None);
    let server = daemon.start(&bench.places, Embeddings::Fake, None).await?;
    report.figure(MEMORY, "with vectors, without the model", at_rest(server).await?, "MiB", Goal::AtMost(40.0));
    match &bench.model {
        Some(model) => with_model(bench, daemon, model, report).await?,
        None => {
            report.note("memory with the model: not measured, --model or DOVVYBUDDY_TEST_MODEL names none".to_owned());
        }
    }
    Ok(())
}

/// The vectors are not made anew: embedding the whole corpus would take minutes, and what counts is
/// the model in memory.
async fn with_model(bench: &Bench, daemon: &Daemon, model: &Path, report: &mut Report) -> Result<(), BoxError> {
    let file = model.to_string_lossy();
    daemon.command(&bench.places, Embeddings::Local, &["model", "fetch", "--file", &file])?;
    daemon.vectors_for_local_model(&bench.places).await?;
    let server = daemon.start(&bench.places, Embeddings::Local, None).await?;
    report.figure(MEMORY, "with vectors and the model", at_rest(server).await?, "MiB", Goal::AtMost(170.0));
    Ok(())
}

async fn at_rest(server: Server) -> Result<f64, BoxError> {
    sleep(REST).await;
    let kib = process::rss_kib(server.pid()).ok_or("its memory can't be read")?;
    eprintln!("  {:.1} MiB at rest", kib / 1024.0);
    server.stop().await?;
    Ok(kib / 1024.0)
}
