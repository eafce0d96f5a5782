//! All benchmarks in one run: builds, starts servers, loads them in turns, compares, cleans up.
//!
//! Absolute figures differ from machine to machine and from minute to minute; what counts are ratios
//! between rounds that alternate within one run.

mod added;
mod daemon;
mod postgres;
mod report;
mod retrieval;
mod rounds;
mod servers;
mod start;
mod streams;
mod throughput;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use dovvybuddy_bench::BoxError;
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon::Daemon;
use crate::report::Report;
use crate::servers::Places;

/// Measures the floor, the spine and the daemon beside each other.
#[derive(Parser)]
#[command(name = "bench-run")]
struct Args {
    /// Only these sections.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Rounds of each server; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds a round counts, after one second of warm-up.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Streams to hold open.
    #[arg(long, default_value_t = 9000)]
    streams: usize,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench/figures.json")]
    json: PathBuf,
    /// Where the databases lie meanwhile: a real disk, or syncing costs nothing.
    #[arg(long, default_value = "target/bench/work")]
    dir: PathBuf,
    /// Use the programs as they lie beside this one.
    #[arg(long)]
    no_build: bool,
    /// A Postgres server whose role may create databases, for the sections about it; it should be on this machine,
    /// and write as it would in earnest.
    #[arg(long)]
    postgres: Option<String>,
    /// The local embedding model (a wheel, a directory or a file), for memory with the model; else
    /// the environment's `DOVVYBUDDY_TEST_MODEL`.
    #[arg(long)]
    model: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Floor, spine and full turn: turns a second, CPU a turn.
    Throughput,
    /// What syncing every commit costs.
    Durability,
    /// What the daemon adds to a model that takes 200 ms.
    Added,
    /// Thousands of slow streams, open together.
    Streams,
    /// From the start to the first answers, and memory at rest.
    Start,
    /// Spine and floor on Postgres: turns a second, trips and the database's CPU a turn. Needs `--postgres`.
    Postgres,
    /// Search over 100,000 passages that Postgres holds. Needs `--postgres`.
    Retrieval,
}

/// What every section needs.
struct Bench {
    places: Places,
    rounds: usize,
    duration: Duration,
    streams: usize,
    model: Option<PathBuf>,
    postgres: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = tokio::select! {
        ended = run(Args::parse()) => ended,
        // Dropping the run ends its servers and removes its databases.
        () = interrupted() => Err("interrupted".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-run: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    if !args.no_build {
        build()?;
    }
    let bench = Bench {
        places: Places::make(&args.dir)?,
        rounds: args.rounds.max(1),
        duration: Duration::try_from_secs_f64(args.seconds)?,
        streams: args.streams,
        postgres: args.postgres,
        model: args.model.or_else(|| std::env::var_os("DOVVYBUDDY_TEST_MODEL").map(PathBuf::from)),
    };
    let mut report = Report::new();
    let measured = measure(&bench, &args.only, &mut report).await;
    report.print();
    report.write(&args.json)?;
    println!("\nwritten to {}", args.json.display());
    measured
}

/// Runs the sections; one that fails is told and does not keep the others.
async fn measure(bench: &Bench, only: &[Section], report: &mut Report) -> Result<(), BoxError> {
    let on_postgres = |section: &Section| matches!(section, Section::Postgres | Section::Retrieval);
    let daemon = if !only.is_empty() && only.iter().all(on_postgres) {
        None
    } else {
        match Daemon::prepare(&bench.places).await {
            Ok(daemon) => Some(daemon),
            Err(error) => {
                report.note(format!("the daemon is left out: {error}"));
                None
            }
        }
    };
    let daemon = daemon.as_ref();
    let mut failed = 0;
    for section in Section::value_variants() {
        if !only.is_empty() && !only.contains(section) || only.is_empty() && on_postgres(section) {
            continue;
        }
        eprintln!("{section:?} …");
        let result = match section {
            Section::Throughput => throughput::measure(bench, daemon, report).await,
            Section::Durability => throughput::durability(bench, report).await,
            Section::Added => added::measure(bench, daemon, report).await,
            Section::Streams => streams::measure(bench, daemon, report).await,
            Section::Start => start::measure(bench, daemon, report).await,
            Section::Postgres => postgres::measure(bench, report).await,
            Section::Retrieval => retrieval::measure(bench, report).await,
        };
        if let Err(error) = result {
            failed += 1;
            report.note(format!("{section:?} failed: {error}"));
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} sections failed").into()) }
}

/// Builds everything that is measured, as it is released.
fn build() -> Result<(), BoxError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new("cargo")
        .args(["build", "--release", "-p", "dovvybuddy-bench", "-p", "dovvybuddy", "-p", "dovvybuddy-fakes"])
        .current_dir(root)
        .status()?;
    if status.success() { Ok(()) } else { Err("the build failed".into()) }
}
