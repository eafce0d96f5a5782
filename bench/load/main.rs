//! The load generator by hand, e.g. `bench-load chat 127.0.0.1:8000 --conversations 50 --seconds 10`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use dovvybuddy_bench::generator::{self, Ask};
use dovvybuddy_bench::{BoxError, corpus, slow};

/// Asks a server on this machine as many divers would.
#[derive(Parser)]
#[command(name = "bench-load")]
struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Whole answers of POST /api/chat.
    Chat(Load),
    /// Time to the first token of POST /api/chat/stream.
    Stream(Load),
    /// A model's endpoint itself.
    Model(Load),
    /// Opens many slow streams and holds them.
    Slow(SlowLoad),
}

#[derive(clap::Args)]
struct Load {
    /// Who is asked.
    addr: SocketAddr,
    /// Conversations at once.
    #[arg(long, default_value_t = 50)]
    conversations: usize,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The server's process id, to read its CPU time.
    #[arg(long)]
    pid: Option<u32>,
    /// Make every search a new one, while the questions repeat.
    #[arg(long)]
    fresh_searches: bool,
}

#[derive(clap::Args)]
struct SlowLoad {
    /// Who is asked.
    addr: SocketAddr,
    /// The server's process id, to read its memory.
    #[arg(long)]
    pid: u32,
    /// Streams.
    #[arg(long, default_value_t = 9000)]
    streams: usize,
    /// Seconds over which they are opened.
    #[arg(long, default_value_t = 4.0)]
    opening: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse().mode).await {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the figures; whether there was no error.
async fn run(mode: Mode) -> Result<bool, BoxError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    match mode {
        Mode::Chat(load) => ask(Ask::Chat, load).await,
        Mode::Stream(load) => ask(Ask::Stream, load).await,
        Mode::Model(load) => ask(Ask::Model, load).await,
        Mode::Slow(load) => hold(load).await,
    }
}

async fn ask(ask: Ask, load: Load) -> Result<bool, BoxError> {
    let plan = generator::Plan {
        addr: load.addr,
        ask,
        conversations: load.conversations,
        warm_up: Duration::try_from_secs_f64(load.warm_up)?,
        duration: Duration::try_from_secs_f64(load.seconds)?,
        stagger: Duration::from_millis(200),
        questions: corpus::questions(500).into(),
        fresh_searches: load.fresh_searches,
        expects: None,
        pid: load.pid,
        helpers: Vec::new(),
    };
    let round = generator::run(&plan).await;
    let latency = round.latency;
    println!("{} turns, {:.0} a second", round.turns, round.per_second);
    println!("p50 {:.2} ms  p90 {:.2}  p99 {:.2}  max {:.2}", latency.p50, latency.p90, latency.p99, latency.max);
    if let Some(cpu) = round.cpu_ms {
        println!("{cpu:.3} ms of the server's CPU a turn");
    }
    println!("{} errors, {} degraded", round.errors, round.degraded);
    if let Some(error) = &round.first_error {
        println!("first error: {error}");
    }
    Ok(round.errors == 0)
}

async fn hold(load: SlowLoad) -> Result<bool, BoxError> {
    let plan = slow::Plan {
        addr: load.addr,
        streams: load.streams,
        opening: Duration::try_from_secs_f64(load.opening)?,
        pid: load.pid,
        question: corpus::questions(1).concat(),
        expects: None,
    };
    let report = slow::run(&plan).await;
    println!(
        "{} of {} open together, {} finished, {} dropped",
        report.open_together, report.asked, report.finished, report.dropped
    );
    println!(
        "{:.1} KiB each; first token p50 {:.1} ms, p99 {:.1} ms",
        report.kib_each, report.first_token.p50, report.first_token.p99
    );
    if let Some(error) = &report.first_error {
        println!("first error: {error}");
    }
    Ok(report.dropped == 0)
}
