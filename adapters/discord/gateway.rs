//! The gateway: shards as Discord recommends, each with its session, resumed where it can be.
//!
//! The protocol itself (HELLO, jittered heartbeats, zombies, IDENTIFY's limits, RESUME at the address
//! that READY named) is `twilight-gateway`'s. It hands over one event after another and reads no further
//! until asked: order is kept, and a full house pushes back to the socket. serenity, the better known
//! library, starts a task per event, which keeps neither; its shard can't be driven from outside, knows
//! no resume address, and its REST client sleeps through limits while a reply waits.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::channel::{BoxError, ChannelError};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::wordless;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twilight_gateway::error::{ReceiveMessageError, ReceiveMessageErrorType};
use twilight_gateway::queue::InMemoryQueue;
use twilight_gateway::{CloseFrame, ConfigBuilder, Intents, Message, Session, Shard, ShardId, ShardState};

use crate::CHANNEL;
use crate::api::{Api, ApiError};
use crate::events::{ChannelEvent, GuildEvent, InteractionEvent, MessageEvent, ReadyEvent, Recommended};
use crate::interactions::Interactions;
use crate::receiver::Receiver;
use crate::sessions::{Saved, Sessions};

/// Heartbeats are answered about every 41 s; a shard that was silent for longer than this is ill.
const SILENCE: Duration = Duration::from_secs(50);
/// How often the watermark is moved while all shards are well.
const TICK: Duration = Duration::from_secs(5);
/// After so many connections in a row that came to nothing, the session is dropped.
const MOST_FAILURES: u32 = 3;
/// The longest pause between two connections.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long closing may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the gateway may be silent when a session is to be taken up again.
const RESUME_PATIENCE: Duration = Duration::from_secs(5);
/// How often is noted where the sessions go on, and how long that may take.
const NOTE: Duration = Duration::from_secs(1);
const NOTE_PATIENCE: Duration = Duration::from_secs(2);

/// With which session a connection begins, and where.
type Again = Option<(Session, Option<String>)>;

/// The gateway of one bot.
pub(crate) struct Gateway {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) interactions: Arc<Interactions>,
    pub(crate) sessions: Arc<Sessions>,
    /// When each shard last gave a sign of life.
    pub(crate) seen: Mutex<HashMap<u32, Instant>>,
}

/// Asks Discord where the gateway is, and with that whether the token is good.
pub(crate) async fn look_up(api: &Api) -> Result<Recommended, ChannelError> {
    api.get("/gateway/bot", Duration::from_secs(10)).await.map_err(failed)
}

/// Why a shard's connection ended.
enum Ended {
    /// It may be tried again, with the session if there is one.
    Lost,
    /// The daemon stops.
    Stopped,
    /// Trying again is of no use.
    Fatal(Fatal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fatal {
    Unauthorized,
    /// An intent that is not switched on in the developer portal.
    Intents,
    Other(u16),
}

impl Gateway {
    /// Runs all shards until `stop`.
    pub(crate) async fn run(
        self: Arc<Self>,
        recommended: Recommended,
        progress: Arc<Progress>,
        stop: CancellationToken,
    ) -> Result<(), ChannelError> {
        let clock = Arc::clone(self.receiver.intake.clock());
        if !self.read_word().await {
            self.receiver.look_for_gaps().await;
        }
        let limit = recommended.session_start_limit;
        let queue = InMemoryQueue::new(
            limit.max_concurrency,
            limit.remaining.min(limit.total),
            Duration::from_millis(limit.reset_after),
            limit.total,
        );
        let shards = recommended.shards.max(1);
        let mut running = JoinSet::new();
        for shard in 0..shards {
            self.sign_of_life(shard);
            let (gateway, queue, stop) = (Arc::clone(&self), queue.clone(), stop.clone());
            let address = recommended.url.clone();
            running.spawn(async move { gateway.keep_shard(shard, shards, address, queue, stop).await });
        }
        let mut tick = tokio::time::interval(TICK);
        let mut note = tokio::time::interval(NOTE);
        loop {
            tokio::select! {
                ended = running.join_next() => match ended {
                    Some(Ok(Ok(()))) if stop.is_cancelled() => {}
                    Some(Ok(Ok(()))) => return Err(ChannelError::Failed("a shard ended".into())),
                    Some(Ok(Err(error))) => return Err(error),
                    Some(Err(error)) => return Err(ChannelError::Failed(error.into())),
                    None => return Ok(()),
                },
                _ = tick.tick() => {
                    if self.all_well(Instant::now()) {
                        progress.tick(clock.now());
                    }
                }
                _ = note.tick() => self.leave_word().await,
            }
        }
    }

    /// Begins with the sessions that this process or another left. Without them Discord is asked for new ones, and
    /// what was missed is fetched. `false`: something is to be fetched in any case.
    async fn read_word(&self) -> bool {
        let word = tokio::time::timeout(NOTE_PATIENCE, self.receiver.intake.word(&self.name())).await;
        match word {
            Ok(Ok(word)) => return self.sessions.begin_with(&word.unwrap_or_default()),
            Ok(Err(error)) => tracing::warn!(error = %error, "where the gateway's sessions go on can't be read"),
            Err(_) => tracing::warn!("where the gateway's sessions go on can't be read in time"),
        }
        false
    }

    /// Leaves where the sessions go on.
    pub(crate) async fn leave_word(&self) {
        let Some(word) = self.sessions.word(self.receiver.behind()) else { return };
        let name = self.name();
        let left = self.receiver.intake.leave_word(&name, &word);
        match tokio::time::timeout(NOTE_PATIENCE, left).await {
            Ok(Ok(())) => self.sessions.left(word),
            Ok(Err(error)) => tracing::debug!(error = %error, "where the gateway's sessions go on can't be kept"),
            Err(_) => tracing::debug!("where the gateway's sessions go on can't be kept in time"),
        }
    }

    fn name(&self) -> String {
        format!("{CHANNEL}:{}:sessions", self.receiver.desk.bot)
    }

    fn sign_of_life(&self, shard: u32) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(shard, Instant::now());
    }

    fn all_well(&self, now: Instant) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).values().all(|at| now.duration_since(*at) < SILENCE)
    }

    async fn keep_shard(
        &self,
        number: u32,
        shards: u32,
        address: String,
        queue: InMemoryQueue,
        stop: CancellationToken,
    ) -> Result<(), ChannelError> {
        let mut failures = 0;
        let mut content = self.receiver.desk.message_content;
        let mut again = self.taken_up(number, shards);
        loop {
            let mut shard = self.connect(number, shards, &address, &queue, content, again.take());
            let ended = self.listen(&mut shard, (number, shards), &mut failures, &stop).await;
            match ended {
                Ended::Stopped => {
                    let _ = tokio::time::timeout(LAST_WORDS, say_goodbye(&mut shard)).await;
                    return Ok(());
                }
                Ended::Fatal(Fatal::Unauthorized) => return Err(ChannelError::Unauthorized),
                Ended::Fatal(Fatal::Intents) if content => {
                    tracing::warn!(
                        "Message Content is not switched on in the developer portal: messages that neither name \
                         the bot nor reply to it with a ping stay unread"
                    );
                    content = false;
                }
                Ended::Fatal(why) => {
                    return Err(ChannelError::Failed(format!("the gateway refused us: {why:?}").into()));
                }
                Ended::Lost => {
                    if failures < MOST_FAILURES
                        && let Some(session) = shard.session()
                    {
                        again = Some((session.clone(), shard.resume_url().map(str::to_owned)));
                    }
                    let pause = LONGEST_PAUSE.min(Duration::from_millis(250) * 2u32.saturating_pow(failures.min(10)));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            }
        }
    }

    /// The session that was left.
    fn taken_up(&self, number: u32, shards: u32) -> Again {
        let saved = self.sessions.take_up(number, shards)?;
        let _ = self.receiver.desk.me.set(saved.me);
        Some((Session::new(saved.sequence, saved.id), saved.address))
    }

    fn connect(
        &self,
        number: u32,
        shards: u32,
        address: &str,
        queue: &InMemoryQueue,
        content: bool,
        again: Again,
    ) -> Shard {
        let mut intents = Intents::GUILDS | Intents::GUILD_MESSAGES | Intents::DIRECT_MESSAGES;
        intents.set(Intents::MESSAGE_CONTENT, content);
        let token = self.receiver.desk.api.token().unwrap_or_default().to_owned();
        let mut config =
            ConfigBuilder::new(token, intents).proxy_url(address.trim_end_matches('/').to_owned()).queue(queue.clone());
        if let Some((session, address)) = again {
            config = config.session(session);
            if let Some(address) = address {
                config = config.resume_url(address);
            }
        }
        Shard::with_config(ShardId::new(number, shards), config.build())
    }

    /// Hands on what a shard hears.
    async fn listen(
        &self,
        shard: &mut Shard,
        (number, shards): (u32, u32),
        failures: &mut u32,
        stop: &CancellationToken,
    ) -> Ended {
        loop {
            let resuming = shard.state() == ShardState::Resuming;
            let heard = tokio::select! {
                heard = shard.next() => heard,
                () = stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep(RESUME_PATIENCE), if resuming => {
                    tracing::warn!(shard = number, "the gateway does not take the session up; a new one is asked for");
                    *failures = MOST_FAILURES;
                    return Ended::Lost;
                }
            };
            match heard {
                Some(Ok(Message::Text(text))) => {
                    self.sign_of_life(number);
                    if self.hand_on(&text, number, shards).await {
                        *failures = 0;
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| frame.code);
                    tracing::info!(shard = number, ?code, "the gateway's connection ended");
                    if let Some(fatal) = fatal(code, shard.state()) {
                        return Ended::Fatal(fatal);
                    }
                    *failures += 1;
                    if *failures >= MOST_FAILURES {
                        return Ended::Lost;
                    }
                }
                Some(Err(error)) => {
                    // The library wants more of READY than we need.
                    if let (ReceiveMessageErrorType::Deserializing { event }, ShardState::Identifying) =
                        (error.kind(), shard.state())
                        && self.hand_on(event, number, shards).await
                    {
                        *failures = 0;
                        continue;
                    }
                    tracing::warn!(shard = number, error = told(&error), "the gateway can't be used");
                    if shard.state() != ShardState::Active {
                        *failures += 1;
                        return Ended::Lost;
                    }
                }
                None => return Ended::Fatal(Fatal::Other(0)),
            }
        }
    }

    /// `true` when the session stands.
    async fn hand_on(&self, text: &str, number: u32, shards: u32) -> bool {
        let frame: Frame<'_> = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(event = kind(text), error = wordless(&error), "an event of the gateway can't be read");
                return false;
            }
        };
        let (Some(event), Some(data), Some(sequence)) = (frame.t.as_deref(), frame.d, frame.s) else { return false };
        match event {
            "READY" => {
                if let Some(ready) = read::<ReadyEvent>(event, data) {
                    self.begin(ready, sequence, number, shards).await;
                }
                tracing::info!(message_content = self.receiver.desk.message_content, "the gateway is ready");
                return true;
            }
            "RESUMED" => {
                self.sessions.heard(number, sequence);
                tracing::info!("the gateway's session is resumed");
                return true;
            }
            "MESSAGE_CREATE" => {
                if let Some(message) = read::<MessageEvent>(event, data) {
                    let pending = self.sessions.pending(number, sequence);
                    self.receiver.take(message, pending).await;
                }
            }
            "INTERACTION_CREATE" => {
                if let Some(interaction) = read::<InteractionEvent>(event, data)
                    && let Some(permit) = self.receiver.room().await
                {
                    let interactions = Arc::clone(&self.interactions);
                    self.receiver.tasks.spawn(async move {
                        interactions.answer(&interaction).await;
                        drop(permit);
                    });
                }
            }
            "GUILD_CREATE" => {
                if let Some(guild) = read::<GuildEvent>(event, data) {
                    self.receiver.enter_guild(&guild);
                }
            }
            "THREAD_CREATE" | "CHANNEL_CREATE" => {
                if let Some(channel) = read::<ChannelEvent>(event, data) {
                    self.receiver.desk.learn_place(&channel);
                }
            }
            _ => {}
        }
        self.sessions.heard(number, sequence);
        false
    }

    /// A session begins, which knows nothing of what came before it.
    async fn begin(&self, ready: ReadyEvent, sequence: u64, shard: u32, shards: u32) {
        let desk = &self.receiver.desk;
        let _ = desk.me.set(ready.user.id.clone());
        desk.knows_places.store(true, Ordering::Relaxed);
        self.receiver.look_for_gaps().await;
        let (id, address) = (ready.session_id, ready.resume_gateway_url);
        self.sessions.open(shard, Saved { id, sequence, address, shards, me: ready.user.id });
        // Before anything is heard in it: a crash may be the next thing.
        self.leave_word().await;
    }
}

/// Leaves without giving the session up, which the next start takes up again.
async fn say_goodbye(shard: &mut Shard) {
    shard.close(CloseFrame::RESUME);
    while let Some(Ok(heard)) = shard.next().await {
        if matches!(heard, Message::Close(_)) {
            return;
        }
    }
}

/// A payload of the gateway.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    t: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
    #[serde(default)]
    s: Option<u64>,
}

fn read<'a, T: Deserialize<'a>>(event: &str, data: &'a RawValue) -> Option<T> {
    serde_json::from_str(data.get())
        .inspect_err(|error| tracing::warn!(event, error = wordless(error), "an event of Discord can't be read"))
        .ok()
}

/// What is wrong with the gateway, without the words of a message: the library would quote the whole event.
fn told(error: &ReceiveMessageError) -> String {
    match error.kind() {
        ReceiveMessageErrorType::Deserializing { event } => format!("an event can't be read: {}", kind(event)),
        _ => error.to_string(),
    }
}

/// The kind of an event, as far as it can be told.
fn kind(text: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| event.get(name);
    let op = field("op").and_then(serde_json::Value::as_u64).map_or_else(|| "unknown".to_owned(), |op| op.to_string());
    let name = field("t").and_then(serde_json::Value::as_str);
    let name = name.filter(|t| t.len() <= 40 && t.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    format!("op {op}, {}, {} bytes", name.unwrap_or("no name"), text.len())
}

/// Close codes after which trying again is of no use.
fn fatal(code: Option<u16>, state: ShardState) -> Option<Fatal> {
    match code {
        Some(4004) => Some(Fatal::Unauthorized),
        Some(4013 | 4014) => Some(Fatal::Intents),
        Some(code) if state == ShardState::FatallyClosed => Some(Fatal::Other(code)),
        _ => None,
    }
}

fn failed(error: ApiError) -> ChannelError {
    match error {
        ApiError::Unauthorized => ChannelError::Unauthorized,
        error => ChannelError::Failed(BoxError::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_is_told_without_its_words() {
        for text in [
            r#"{"op":"x","t":"MESSAGE_CREATE","s":7,"d":{"content":"I take pills"}}"#,
            r#"{"op":0,"t":"MESSAGE_CREATE","s":7,"d":{"content":"I take pills""#,
            r#"{"op":0,"t":"I take pills","s":7}"#,
            "I take pills",
        ] {
            assert!(!kind(text).contains("pills"), "{}", kind(text));
        }
        assert_eq!(kind(r#"{"op":0,"t":"READY"}"#), "op 0, READY, 20 bytes");
    }
}
