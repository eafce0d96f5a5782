//! `dovvybuddy`: command line → configuration → composition → run.

mod cli;
mod commands;
mod compose;
mod config;
mod http;
mod lifecycle;
mod output;
mod receive;
mod redact;
mod reload;
mod second_opinion;
mod server;
mod stall;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failed(&error),
    };
    let code = runtime.block_on(commands::run(cli));
    // Blocking work that nobody waits for any more must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}
