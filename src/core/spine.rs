//! The spine: intake, lanes and turns, put together once around the ports, for the daemon, for tests
//! and for benchmarks.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::agent::{Agents, Answerer, Router, Voice};
use crate::alert::OperatorChat;
use crate::channel::ChannelAdapter;
use crate::clock::Clock;
use crate::events::Streams;
use crate::guard::EmergencyGuard;
use crate::handover::Handover;
use crate::hearing::Hearing;
use crate::ids::ChannelId;
use crate::intake::{Intake, Parts};
use crate::knowledge::Retriever;
use crate::lanes::{Lanes, Running};
use crate::lead::LeadNotices;
use crate::limit::{Dial, Quota};
use crate::store::Store;
use crate::supervise::Progress;
use crate::turn::{TurnSettings, Turns};

/// What the spine stands on.
#[derive(Clone)]
pub struct Ports {
    /// What is durable.
    pub store: Arc<dyn Store>,
    /// The first look at every message.
    pub guard: Arc<dyn EmergencyGuard>,
    /// Decides who answers.
    pub router: Arc<dyn Router>,
    /// The agents.
    pub agents: Arc<dyn Agents>,
    /// Finds passages.
    pub retriever: Arc<dyn Retriever>,
    /// Writes the answers.
    pub answerer: Arc<dyn Answerer>,
    /// The fixed sentences.
    pub voice: Arc<dyn Voice>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The channels by id.
    pub channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    /// Writes down what is to be sent of a lead that was taken in a chat.
    pub lead_notices: LeadNotices,
    /// Where the operator is told of leads and emergencies, if anywhere.
    pub operator: Option<OperatorChat>,
}

/// Figures to choose.
#[derive(Debug, Clone, Copy)]
pub struct SpineSettings {
    /// The limit of one diver across all channels.
    pub diver_quota: Quota,
    /// Figures of a turn.
    pub turn: TurnSettings,
    /// The most turns at once.
    pub most_running: usize,
    /// How many conversations the guard remembers without the store.
    pub remembered: u64,
}

/// The tokens that end it.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    /// Nothing new is taken in.
    pub closing: CancellationToken,
    /// Running turns are given back unfinished.
    pub park: CancellationToken,
}

/// The parts that others hold on to. [`Lanes::run`] makes it move.
#[derive(Clone)]
pub struct Spine {
    /// Where adapters hand in events.
    pub intake: Intake,
    /// Hands waiting messages to turns.
    pub lanes: Arc<Lanes>,
    /// The turns that run now.
    pub running: Arc<Running>,
    /// What was said lately.
    pub hearing: Arc<Hearing>,
    /// Gives conversations to people and takes them back.
    pub handover: Arc<Handover>,
    /// The limit of one diver, which may be changed.
    pub diver_quota: Arc<Dial>,
}

impl Spine {
    /// Puts the parts together. Nothing runs yet.
    pub fn new(ports: Ports, settings: SpineSettings, stops: Stops) -> Self {
        let streams = Arc::new(Streams::new(ports.store.clone()));
        let hearing = Arc::new(Hearing::new(settings.remembered));
        let running = Arc::new(Running::default());
        let handover = Arc::new(Handover {
            store: Arc::clone(&ports.store),
            channels: ports.channels.clone(),
            voice: Arc::clone(&ports.voice),
            clock: Arc::clone(&ports.clock),
            progress: Progress::new("handover", ports.clock.now()),
        });
        let diver_quota = Arc::new(Dial::new(settings.diver_quota));
        let intake = Intake::new(Parts {
            guard: Arc::clone(&ports.guard),
            router: Arc::clone(&ports.router),
            agents: Arc::clone(&ports.agents),
            history: settings.turn.history,
            store: Arc::clone(&ports.store),
            voice: Arc::clone(&ports.voice),
            clock: Arc::clone(&ports.clock),
            diver_quota: Arc::clone(&diver_quota),
            streams: Arc::clone(&streams),
            hearing: Arc::clone(&hearing),
            running: Arc::clone(&running),
            channels: ports.channels.clone(),
            operator: ports.operator.clone(),
            handover: Arc::clone(&handover),
            closing: stops.closing,
        });
        let lanes = Lanes {
            store: Arc::clone(&ports.store),
            running: Arc::clone(&running),
            clock: Arc::clone(&ports.clock),
            most: settings.most_running,
            progress: Progress::new("dispatch", ports.clock.now()),
            park: stops.park,
            turns: Turns { ports, streams, hearing: Arc::clone(&hearing), settings: settings.turn },
        };
        Self { intake, lanes: Arc::new(lanes), running, hearing, handover, diver_quota }
    }
}
