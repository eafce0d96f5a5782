//! What the daemon adds to a model that takes 200 ms.

use dovvybuddy_bench::BoxError;
use dovvybuddy_bench::generator::Ask;

use crate::Bench;
use crate::daemon::{Daemon, Embeddings};
use crate::report::{Goal, Report};
use crate::rounds::{BY_MODEL, Rounds, Runner, alternate};
use crate::servers::{Floor, ModelPace, floor, model};

const SECTION: &str = "Added to a model of 200 ms";
const MODEL_MS: f64 = 200.0;

/// Conversations at once, and the goals for p50 and p99 in milliseconds.
const LOADS: [(usize, Goal, Goal); 2] =
    [(50, Goal::AtMost(4.0), Goal::AtMost(12.0)), (200, Goal::None, Goal::AtMost(80.0))];

/// The model by itself, the floor, the daemon's whole answers and its first tokens, in turns.
pub(crate) async fn measure(bench: &Bench, daemon: Option<&Daemon>, report: &mut Report) -> Result<(), BoxError> {
    let places = &bench.places;
    let fake = model(places, ModelPace::After200).await?;
    let whole = floor(places, Floor::WholeStreaming, fake.addr).await?;
    let full = match daemon {
        Some(daemon) => Some(daemon.start(places, Embeddings::Fake, Some(fake.addr)).await?),
        None => None,
    };
    let mut runners = vec![
        Runner { ask: Ask::Model, ..Runner::chat("generator and fake alone", &fake) },
        Runner::chat("floor", &whole),
    ];
    if let Some(full) = &full {
        let turn = Runner { fresh_searches: true, expects: BY_MODEL, ..Runner::chat("whole answer", full) };
        runners.push(turn);
        let stream = Runner::chat("first sentence", full);
        runners.push(Runner { ask: Ask::Stream, fresh_searches: true, expects: BY_MODEL, ..stream });
    }
    for (load, p50, p99) in LOADS {
        let rounds = alternate(bench, &runners, load, report).await?;
        for (i, (runner, rounds)) in runners.iter().zip(&rounds).enumerate() {
            // Only the daemon has goals.
            let goal = |goal| if i < 2 { Goal::None } else { goal };
            tell(runner.name, load, rounds, goal(p50), goal(p99), report);
        }
    }
    Ok(())
}

fn tell(name: &str, load: usize, rounds: &Rounds, p50: Goal, p99: Goal, report: &mut Report) {
    let (p50, p99) = (p50.unless_void(rounds.sound()), p99.unless_void(rounds.sound()));
    let added = |figure: fn(&dovvybuddy_bench::latency::Summary) -> f64| {
        rounds.median(|round| figure(&round.latency)) - MODEL_MS
    };
    report.figure(SECTION, format!("{name} at {load}, p50"), added(|latency| latency.p50), "ms", p50);
    report.figure(SECTION, format!("{name} at {load}, p99"), added(|latency| latency.p99), "ms", p99);
}
