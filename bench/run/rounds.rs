//! Rounds that alternate between servers, and what their medians say.

use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_bench::generator::{self, Ask, Plan, Round};
use dovvybuddy_bench::latency::median;
use dovvybuddy_bench::{BoxError, corpus};

use crate::Bench;
use crate::report::Report;
use crate::servers::Server;

/// As many questions as the floor has vectors for.
const QUESTIONS: usize = 500;
const WARM_UP: Duration = Duration::from_secs(1);

/// A server among those compared.
pub(crate) struct Runner<'a> {
    pub(crate) name: &'static str,
    pub(crate) server: &'a Server,
    pub(crate) ask: Ask,
    /// Whether every message makes the search work.
    pub(crate) fresh_searches: bool,
}

impl<'a> Runner<'a> {
    pub(crate) fn chat(name: &'static str, server: &'a Server) -> Self {
        Self { name, server, ask: Ask::Chat, fresh_searches: false }
    }
}

/// All rounds of one server.
pub(crate) struct Rounds(Vec<Round>);

impl Rounds {
    /// The median of a figure.
    pub(crate) fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.median(|round| round.per_second)
    }

    pub(crate) fn cpu_ms(&self) -> f64 {
        self.median(|round| round.cpu_ms.unwrap_or_default())
    }

    /// The median of the ratios of rounds that followed one another.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().zip(&other.0);
        median(pairs.map(|(one, other)| one.per_second / other.per_second.max(f64::MIN_POSITIVE)).collect())
    }
}

/// Loads each server in turn, round after round; gives each one's rounds in the order of the runners.
pub(crate) async fn alternate(
    bench: &Bench,
    runners: &[Runner<'_>],
    conversations: usize,
    report: &mut Report,
) -> Result<Vec<Rounds>, BoxError> {
    let questions: Arc<[String]> = corpus::questions(QUESTIONS).into();
    let mut all: Vec<Rounds> = runners.iter().map(|_| Rounds(Vec::new())).collect();
    for number in 1..=bench.rounds {
        for (runner, rounds) in runners.iter().zip(&mut all) {
            let plan = Plan {
                addr: runner.server.addr,
                ask: runner.ask,
                conversations,
                warm_up: WARM_UP,
                duration: bench.duration,
                stagger: Duration::from_millis(200),
                questions: Arc::clone(&questions),
                fresh_searches: runner.fresh_searches,
                pid: Some(runner.server.pid()),
            };
            let round = generator::run(&plan).await;
            eprintln!(
                "  {} at {conversations}, round {number}: {:.0}/s, p50 {:.2} p99 {:.2} ms, {} errors, {} degraded",
                runner.name, round.per_second, round.latency.p50, round.latency.p99, round.errors, round.degraded
            );
            report.round(runner.name, conversations, number, &round)?;
            if round.turns == 0 {
                let why = round.first_error.unwrap_or_else(|| "no turn ended".to_owned());
                return Err(format!("{} at {conversations}: {why}", runner.name).into());
            }
            rounds.0.push(round);
        }
    }
    Ok(all)
}
