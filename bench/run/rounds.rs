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
    /// The model's process, if the server calls it.
    pub(crate) model: Option<&'a Server>,
    /// Whether every message makes the search work.
    pub(crate) fresh_searches: bool,
    /// What every answer must hold.
    pub(crate) expects: Option<&'static str>,
}

/// An answer that the fake model wrote, and one composed without it.
pub(crate) const BY_MODEL: Option<&str> = Some("\"model\":\"bench\"");
pub(crate) const BY_EXTRACTION: Option<&str> = Some("\"model\":\"extractive\"");

impl<'a> Runner<'a> {
    pub(crate) fn chat(name: &'static str, server: &'a Server) -> Self {
        Self { name, server, ask: Ask::Chat, model: None, fresh_searches: false, expects: None }
    }

    /// The same, calling this model.
    pub(crate) fn calling(self, model: &'a Server) -> Self {
        Self { model: Some(model), ..self }
    }
}

/// All rounds of one server.
pub(crate) struct Rounds(Vec<Round>);

impl Rounds {
    /// Whether every answer was what it should be; a goal is met only by such rounds.
    pub(crate) fn sound(&self) -> bool {
        self.0.iter().all(|round| round.errors == 0 && round.degraded == 0)
    }

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

    /// How many turns the same CPU time would give, compared with another server: what the ratio of
    /// turns a second comes to when CPU is all that is scarce. Other load on the machine hardly moves it.
    pub(crate) fn thrift_to(&self, other: &Self) -> f64 {
        let all = |round: &Round| round.cpu_in_all_ms.unwrap_or_default();
        other.median(all) / self.median(all).max(f64::MIN_POSITIVE)
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
                expects: runner.expects,
                pid: Some(runner.server.pid()),
                helpers: runner.model.map(Server::pid).into_iter().collect(),
            };
            let round = generator::run(&plan).await;
            eprintln!(
                "  {} at {conversations}, round {number}: {:.0}/s, p50 {:.2} p99 {:.2} ms, CPU {:.3} of {:.3} ms, {} errors, {} degraded",
                runner.name,
                round.per_second,
                round.latency.p50,
                round.latency.p99,
                round.cpu_ms.unwrap_or_default(),
                round.cpu_in_all_ms.unwrap_or_default(),
                round.errors,
                round.degraded
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
