//! A daemon's spine around one adapter, with scripted minds, that can be killed and started again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Platform;
use crate::agent::{Answer, Answerer, Brief, Release};
use crate::channel::{ChannelAdapter, Outlet};
use crate::clock::{Clock, SystemClock};
use crate::delivery::Deliveries;
use crate::limit::Quota;
use crate::spine::{Ports, Spine, SpineSettings, Stops};
use crate::store::Store;
use crate::supervise::{CHANNEL_PATIENCE, Progress, supervise};
use crate::testkit::minds::{Echo, KeysAloud, KnowsNothing, OneAgent, ScriptedGuard, ScriptedRouter};
use crate::turn::TurnSettings;

/// How long anything may take before a rule is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running spine; dropped, it dies without a word.
pub struct Stage {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Stage {
    /// Starts on the system's clock.
    pub fn start(store: Arc<dyn Store>, platform: &dyn Platform) -> Self {
        Self::start_by(Arc::new(SystemClock), store, platform)
    }

    /// Starts on this clock.
    pub fn start_by(clock: Arc<dyn Clock>, store: Arc<dyn Store>, platform: &dyn Platform) -> Self {
        let adapter = platform.adapter();
        let channels: HashMap<_, Arc<dyn ChannelAdapter>> = HashMap::from([(adapter.id(), Arc::clone(&adapter))]);
        let ports = Ports {
            store: Arc::clone(&store),
            guard: Arc::new(ScriptedGuard),
            router: Arc::new(ScriptedRouter),
            agents: Arc::new(OneAgent),
            retriever: Arc::new(KnowsNothing),
            answerer: Arc::new(Talker),
            voice: Arc::new(KeysAloud),
            clock: Arc::clone(&clock),
            channels,
            lead_notices: Arc::new(|_| Vec::new()),
            operator: None,
        };
        let settings = SpineSettings {
            diver_quota: Quota { per_minute: 0, burst: 1 },
            turn: TurnSettings {
                budget: Duration::from_secs(18),
                least: Duration::from_secs(2),
                history: 10,
                passages: 4,
            },
            most_running: 50,
            remembered: 100,
        };
        let stop = CancellationToken::new();
        let stops = Stops { closing: stop.clone(), ..Stops::default() };
        let Spine { intake, lanes, .. } = Spine::new(ports, settings, stops);
        let outlet: Arc<dyn Outlet> = adapter.clone();
        let deliveries = Arc::new(Deliveries {
            store,
            outlets: HashMap::from([(outlet.id(), outlet)]),
            clock: Arc::clone(&clock),
            progress: Progress::new("outbox", clock.now()),
            stopping: stop.clone(),
        });
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { lanes.run(token).await.expect("lanes run") });
        let token = stop.clone();
        tasks.spawn(async move { deliveries.run(token).await.expect("deliveries run") });
        let progress = Progress::new("channel", clock.now());
        let (token, watched) = (stop.clone(), Arc::clone(&progress));
        tasks.spawn(async move {
            let start = |stop| {
                let (adapter, intake, progress) = (Arc::clone(&adapter), intake.clone(), Arc::clone(&progress));
                async move { adapter.run(intake, progress, stop).await.map_err(Into::into) }
            };
            supervise(watched, CHANNEL_PATIENCE, clock, token, start).await;
        });
        Self { stop, tasks }
    }

    /// Kills it where it stands.
    pub async fn crash(mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Asks it to stop and waits until it has.
    pub async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no task panicked");
        }
    }
}

/// Repeats what was asked; `long N` makes a reply of N numbered words, `slowly …` takes three seconds over
/// them.
struct Talker;

#[async_trait]
impl Answerer for Talker {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        let asked = &brief.asked.text;
        let count = asked.strip_prefix("long ").and_then(|count| count.parse::<usize>().ok());
        let slowly = asked.strip_prefix("slowly ");
        let words: Vec<String> = match (count, slowly) {
            (Some(count), _) => (0..count).map(|n| format!("w{n}")).collect(),
            (None, Some(rest)) => rest.split(' ').map(str::to_owned).collect(),
            (None, None) => return Echo.answer(brief, release).await,
        };
        let pause = slowly.map_or(Duration::ZERO, |_| Duration::from_secs(3) / u32::try_from(words.len()).unwrap_or(1));
        let mut text = String::new();
        for (n, word) in words.iter().enumerate() {
            let piece = if n == 0 { word.clone() } else { format!(" {word}") };
            release.piece(&piece);
            text.push_str(&piece);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Answer {
            text,
            model: "talker".into(),
            tokens_used: 0,
            cost_micros: 0,
            citations: Vec::new(),
            follow_up: None,
            covered: true,
            degraded: Vec::new(),
        }
    }
}
