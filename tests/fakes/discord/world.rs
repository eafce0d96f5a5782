//! What exists on the fake platform: people, places, messages, interactions, gateway sessions.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Settings;
use super::limits::Limits;

/// The privileged intent without which most messages come empty.
pub(super) const MESSAGE_CONTENT: u64 = 1 << 15;
pub(super) const GUILDS: u64 = 1;
pub(super) const GUILD_MESSAGES: u64 = 1 << 9;
pub(super) const DIRECT_MESSAGES: u64 = 1 << 12;
/// Snowflakes count milliseconds from the first second of 2015.
const EPOCH_OF_SNOWFLAKES: i64 = 1_420_070_400_000;
/// The pattern of every request that puts words into a channel.
pub(super) const WORDS: &str = "words";

/// A person or a bot.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) bot: bool,
    pub(super) locale: String,
    /// Direct messages from the bot are refused.
    pub(super) blocks_bot: bool,
}

/// What kind of place a channel is; the numbers are Discord's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text = 0,
    Direct = 1,
    Thread = 11,
}

#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) guild: Option<u64>,
    pub(super) parent: Option<u64>,
    pub(super) recipient: Option<u64>,
    /// The bot may not speak here.
    pub(super) closed: bool,
    pub(super) messages: Vec<Message>,
    pub(super) typing: Vec<Instant>,
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) author: u64,
    pub(super) content: String,
    pub(super) nonce: Option<String>,
    pub(super) flags: u64,
    pub(super) reference: Option<u64>,
    pub(super) components: Value,
    pub(super) attachments: usize,
    pub(super) webhook: bool,
    /// Visible to this user alone.
    pub(super) ephemeral_for: Option<u64>,
    /// It would have notified people it names.
    pub(super) pinged: bool,
    pub(super) at: Instant,
    pub(super) edits: Vec<(Instant, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Interaction {
    pub(super) id: u64,
    pub(super) user: u64,
    pub(super) channel: u64,
    pub(super) body: Value,
    pub(super) born: Instant,
    /// When it was first answered, and with which type of callback.
    pub(super) answered: Option<(Instant, u64)>,
    pub(super) ephemeral: bool,
    /// The message that the first answer made.
    pub(super) original: Option<u64>,
    /// A modal or autocompletion that the callback carried.
    pub(super) data: Value,
}

/// What a socket's task is told.
#[derive(Debug, Clone)]
pub(super) enum Out {
    Payload(Value),
    Close(u16),
    /// Gone without a word.
    Drop,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) seq: u64,
    pub(super) intents: u64,
    pub(super) shard: (u64, u64),
    pub(super) events: VecDeque<Value>,
    pub(super) socket: Option<mpsc::Sender<Out>>,
}

/// A request that came, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path after `/api/v10`, with its query.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
    /// When.
    pub at: Instant,
}

/// How one request goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// This status with Discord's error body.
    Status(u16),
    /// 429 with this `retry_after` in seconds.
    RateLimited {
        /// Seconds, with fractions.
        retry_after: f64,
        /// The limit over all routes.
        global: bool,
    },
    /// No answer at all.
    Hang,
    /// It is done, and the answer is lost on the way.
    LoseAnswer,
    /// What a load balancer says when nobody is behind it.
    Html502,
    /// It takes this long.
    Late(Duration),
}

/// Figures of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sockets that were opened.
    pub sockets: usize,
    /// IDENTIFY commands that were taken.
    pub identified: usize,
    /// RESUME commands that succeeded.
    pub resumed: usize,
    /// RESUME commands at another address than READY named.
    pub resumed_elsewhere: usize,
    /// RESUME commands for a session that is gone.
    pub refused_resumes: usize,
    /// Heartbeats.
    pub heartbeats: usize,
}

/// What becomes of a RESUME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumes {
    Taken,
    Refused,
    Ignored,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) token: Option<String>,
    pub(super) application: u64,
    pub(super) bot: u64,
    pub(super) users: BTreeMap<u64, User>,
    pub(super) guilds: BTreeMap<u64, String>,
    pub(super) channels: BTreeMap<u64, Channel>,
    pub(super) interactions: HashMap<String, Interaction>,
    pub(super) sessions: HashMap<String, Session>,
    pub(super) commands: Value,
    pub(super) limits: Limits,
    pub(super) faults: Vec<(String, Fault)>,
    pub(super) requests: Vec<Request>,
    pub(super) counts: Counts,
    /// Sockets stay open but nothing comes from them any more.
    pub(super) zombie: bool,
    pub(super) resumes: Resumes,
    /// Nobody answers: connections are closed, requests get 502.
    pub(super) down: bool,
    /// When IDENTIFYs of each concurrency key were last taken.
    pub(super) identified_at: HashMap<u64, Instant>,
    /// Where interactions go instead of the gateway.
    pub(super) endpoint: Option<String>,
    pub(super) base: String,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next snowflake: ordered, unique, and telling the time.
#[allow(clippy::disallowed_methods, reason = "the platform has a wall clock of its own")]
pub(super) fn snowflake() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let millis = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let millis = i64::try_from(millis).unwrap_or(i64::MAX) - EPOCH_OF_SNOWFLAKES;
    let now = u64::try_from(millis).unwrap_or(0) << 22;
    let next = |last: u64| Some(now.max(last + 1));
    LAST.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).map_or(now, |last| now.max(last + 1))
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let (application, bot) = (snowflake(), snowflake());
        let itself = User { id: bot, name: "Dovvy".into(), bot: true, locale: "en-US".into(), blocks_bot: false };
        Self {
            token: Some(settings.token.clone()),
            limits: Limits::new(&settings),
            settings,
            application,
            bot,
            users: BTreeMap::from([(bot, itself)]),
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            interactions: HashMap::new(),
            sessions: HashMap::new(),
            commands: Value::Array(Vec::new()),
            faults: Vec::new(),
            requests: Vec::new(),
            counts: Counts::default(),
            zombie: false,
            resumes: Resumes::Taken,
            down: false,
            identified_at: HashMap::new(),
            endpoint: None,
            base: String::new(),
        }
    }

    pub(super) fn add_channel(&mut self, kind: Kind, name: &str, guild: Option<u64>, parent: Option<u64>) -> u64 {
        let id = snowflake();
        let channel = Channel {
            id,
            kind,
            name: name.to_owned(),
            guild,
            parent,
            recipient: None,
            closed: false,
            messages: Vec::new(),
            typing: Vec::new(),
        };
        self.channels.insert(id, channel);
        id
    }

    /// The direct channel between the bot and a user, opened if need be.
    pub(super) fn direct(&mut self, user: u64) -> u64 {
        if let Some(channel) = self.channels.values().find(|c| c.recipient == Some(user)) {
            return channel.id;
        }
        let id = self.add_channel(Kind::Direct, "", None, None);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.recipient = Some(user);
        }
        id
    }

    pub(super) fn message(&self, id: u64) -> Option<&Message> {
        self.channels.values().flat_map(|c| &c.messages).find(|m| m.id == id)
    }

    pub(super) fn message_mut(&mut self, id: u64) -> Option<&mut Message> {
        self.channels.values_mut().flat_map(|c| &mut c.messages).find(|m| m.id == id)
    }

    /// Sends an event to every session that may see it, and keeps it for their RESUME. `direct` events
    /// go to shard 0, others to the shard of their guild.
    pub(super) fn dispatch(&mut self, event: &str, guild: Option<u64>, needs: u64, data: impl Fn(u64) -> Value) {
        for session in self.sessions.values_mut() {
            let (shard, shards) = session.shard;
            if session.intents & needs != needs || guild.map_or(0, |g| (g >> 22) % shards) != shard {
                continue;
            }
            session.seq += 1;
            let payload = serde_json::json!({ "op": 0, "t": event, "s": session.seq, "d": data(session.intents) });
            session.events.push_back(payload.clone());
            if session.events.len() > self.settings.replayed {
                session.events.pop_front();
            }
            if !self.zombie
                && let Some(socket) = &session.socket
                && socket.try_send(Out::Payload(payload)).is_err()
            {
                // Who reads too slowly loses the socket, and asks by RESUME for what it did not hear.
                session.socket = None;
            }
        }
    }

    /// Tells every open socket.
    pub(super) fn tell_sockets(&self, out: &Out) {
        for socket in self.sessions.values().filter_map(|session| session.socket.as_ref()) {
            let _ = socket.try_send(out.clone());
        }
    }

    /// The fault that was ordered for this request, taken off the list.
    pub(super) fn fault(&mut self, request: &str) -> Option<Fault> {
        let speaks = !request.starts_with("GET ") && request.contains("/messages");
        let meant = |pattern: &str| if pattern == WORDS { speaks } else { request.contains(pattern) };
        let found = self.faults.iter().position(|(pattern, _)| meant(pattern))?;
        Some(self.faults.remove(found).1)
    }
}
