//! Turns a second and CPU a turn: floor, spine, full turn, and the price of a sync.

use dovvybuddy_bench::BoxError;

use crate::Bench;
use crate::daemon::{Daemon, Embeddings};
use crate::report::{Goal, Report};
use crate::rounds::{BY_EXTRACTION, BY_MODEL, Rounds, Runner, alternate};
use crate::servers::{Floor, ModelPace, Server, Sync, floor, model, spine};

const LOADS: [usize; 2] = [50, 256];
const SECTION: &str = "Turns a second";
const CPU: &str = "CPU by stage, 50 at once";

/// Floor, spine and daemon in turns.
pub(crate) async fn measure(bench: &Bench, daemon: Option<&Daemon>, report: &mut Report) -> Result<(), BoxError> {
    let places = &bench.places;
    let fake = model(places, ModelPace::Instant).await?;
    let whole = floor(places, Floor::Whole, fake.addr).await?;
    let streaming = floor(places, Floor::WholeStreaming, fake.addr).await?;
    let bare = floor(places, Floor::Spine, fake.addr).await?;
    let ours = spine(places, None, Sync::Full).await?;
    let full = match daemon {
        Some(daemon) => Some(daemon.start(places, Embeddings::Fake, Some(fake.addr)).await?),
        None => None,
    };
    let mut runners = vec![
        Runner::chat("floor", &whole).calling(&fake),
        Runner::chat("floor, streaming model", &streaming).calling(&fake),
        Runner::chat("bare floor", &bare),
        Runner::chat("spine", &ours),
    ];
    if let Some(full) = &full {
        runners.push(Runner {
            fresh_searches: true,
            expects: BY_MODEL,
            ..Runner::chat("full turn", full).calling(&fake)
        });
    }
    let mut cpu_of_full = None;
    for load in LOADS {
        let rounds = alternate(bench, &runners, load, report).await?;
        tell(&runners, &rounds, load, report);
        if load == LOADS[0] {
            cpu_of_full = rounds.get(4).map(|full| (full.cpu_ms(), full.sound()));
            if let Some(spine) = rounds.get(3) {
                report.figure(
                    CPU,
                    "HTTP, guard's place, store, lanes (the spine)",
                    spine.cpu_ms(),
                    "ms/turn",
                    Goal::None,
                );
            }
        }
    }
    drop(runners);
    if let (Some(daemon), Some(full), Some(cpu)) = (daemon, full, cpu_of_full) {
        stages(bench, daemon, &ours, full, cpu, report).await?;
    }
    Ok(())
}

fn tell(runners: &[Runner<'_>], rounds: &[Rounds], load: usize, report: &mut Report) {
    for (runner, rounds) in runners.iter().zip(rounds) {
        let goal = Goal::None.unless_void(rounds.sound());
        report.figure(SECTION, format!("{} at {load}", runner.name), rounds.per_second(), "turns/s", goal);
        report.figure(SECTION, format!("{} at {load}, CPU", runner.name), rounds.cpu_ms(), "ms/turn", goal);
    }
    let [floor, streaming, bare, spine, rest @ ..] = rounds else { return };
    let mut ratio = |name: &str, of: &Rounds, to: &Rounds, goal: Goal| {
        let sound = of.sound() && to.sound();
        let (goal, none) = (goal.unless_void(sound), Goal::None.unless_void(sound));
        report.figure(SECTION, format!("{name} at {load}"), of.ratio_to(to), "of it", goal);
        report.figure(SECTION, format!("{name} at {load}, by CPU of all"), of.thrift_to(to), "of it", none);
    };
    ratio("spine ÷ floor", spine, floor, Goal::AtLeast(0.6));
    ratio("spine ÷ bare floor", spine, bare, Goal::None);
    if let Some(full) = rest.first() {
        ratio("full turn ÷ floor", full, floor, Goal::AtLeast(0.3));
        ratio("full turn ÷ floor with a streaming model", full, streaming, Goal::None);
        ratio("full turn ÷ spine", full, spine, Goal::None);
    }
}

/// What routing, searching, answering and the model's call cost, each by leaving the next one out.
async fn stages(
    bench: &Bench,
    daemon: &Daemon,
    spine: &Server,
    full: Server,
    (cpu_of_full, sound): (f64, bool),
    report: &mut Report,
) -> Result<(), BoxError> {
    let runner = Runner { expects: BY_MODEL, ..Runner::chat("full turn, search remembered", &full) };
    let remembered = alternate(bench, &[runner], LOADS[0], report).await?;
    full.stop().await?;
    let extracting = daemon.start(&bench.places, Embeddings::Fake, None).await?;
    let runners = [
        Runner { fresh_searches: true, expects: BY_EXTRACTION, ..Runner::chat("extracting", &extracting) },
        Runner::chat("spine again", spine),
    ];
    let rounds = alternate(bench, &runners, LOADS[0], report).await?;
    let ([remembered], [extracting, spine]) = (remembered.as_slice(), rounds.as_slice()) else { return Ok(()) };
    let by_model = Goal::None.unless_void(sound && remembered.sound());
    let by_extraction = Goal::None.unless_void(extracting.sound());
    let thinking = extracting.cpu_ms() - spine.cpu_ms();
    for (name, figure, goal) in [
        ("search (full turn − search remembered)", cpu_of_full - remembered.cpu_ms(), by_model),
        ("guard, routing, search, extraction (extracting − spine)", thinking, by_extraction),
        ("the whole turn with a model", cpu_of_full, by_model),
        ("the whole turn by extraction", extracting.cpu_ms(), by_extraction),
    ] {
        report.figure(CPU, name, figure, "ms/turn", goal);
    }
    report.figure(SECTION, "full turn by extraction at 50", extracting.per_second(), "turns/s", by_extraction);
    Ok(())
}

/// What syncing every commit costs, against syncing at checkpoints and against never syncing.
pub(crate) async fn durability(bench: &Bench, report: &mut Report) -> Result<(), BoxError> {
    const SECTION: &str = "The price of a sync, 50 at once";
    let places = &bench.places;
    let fake = model(places, ModelPace::Instant).await?;
    let full = floor(places, Floor::Spine, fake.addr).await?;
    let normal = floor(places, Floor::SpineNormal, fake.addr).await?;
    let synced = spine(places, None, Sync::Full).await?;
    let relaxed = spine(places, None, Sync::Normal).await?;
    let unsynced = spine(places, None, Sync::Off).await?;
    let runners = [
        Runner::chat("spine, FULL", &synced),
        Runner::chat("spine, NORMAL", &relaxed),
        Runner::chat("spine, OFF", &unsynced),
        Runner::chat("bare floor, FULL", &full),
        Runner::chat("bare floor, NORMAL", &normal),
    ];
    let rounds = alternate(bench, &runners, 50, report).await?;
    let [synced, relaxed, unsynced, full, normal] = rounds.as_slice() else { return Ok(()) };
    let lost = |with: &Rounds, without: &Rounds| (1.0 - with.ratio_to(without)) * 100.0;
    report.figure(
        SECTION,
        "spine, FULL instead of NORMAL",
        lost(synced, relaxed),
        "% fewer",
        Goal::AtMost(10.0).unless_void(synced.sound() && relaxed.sound()),
    );
    report.figure(SECTION, "spine, FULL instead of OFF", lost(synced, unsynced), "% fewer", Goal::None);
    report.figure(SECTION, "bare floor, FULL instead of NORMAL", lost(full, normal), "% fewer", Goal::None);
    Ok(())
}
