//! Discord, as far as a bot can tell: REST with its limits, the gateway with its sessions, interactions.
//!
//! A test starts one, makes people speak, and looks at what the bot said; `fake-discord` is the same as
//! a program. Point the daemon at it with `DOVVYBUDDY_DISCORD__API_URL` and `DISCORD_TOKEN`.
//!
//! Faithful where a bot could go wrong: rate-limit buckets and headers, the limit over all routes, the
//! ban for invalid requests, the nonce rule, length and component checks, mentions that would notify,
//! the 3 seconds and 15 minutes of interactions, HELLO to RESUME, sessions that are invalidated, sockets
//! that turn into zombies, and what an application without the Message Content intent does not see.

mod faults;
mod gateway;
mod interactions;
mod limits;
mod messages;
mod rest;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::served::{Served, serve};
pub use world::{Counts, Fault, Request};
use world::{Kind, Message, Shared, User, World, lock, snowflake};

/// Figures of the platform; the defaults are Discord's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: String,
    /// How often a client must send a heartbeat.
    pub heartbeat: Duration,
    /// How many requests fit a bucket, and how long it takes to fill again.
    pub bucket: (u32, Duration),
    /// Requests a second over all routes.
    pub per_second: u32,
    /// Invalid requests in ten minutes that bring a ban.
    pub most_invalid: usize,
    /// The shards that `GET /gateway/bot` recommends.
    pub shards: u64,
    /// How far two IDENTIFYs must stand apart.
    pub identify_apart: Duration,
    /// As many events wait for a socket that is slow to read; with more it is cut off.
    pub waiting: usize,
    /// As many events a session keeps for a RESUME.
    pub replayed: usize,
    /// The privileged Message Content intent is switched on in the developer portal.
    pub message_content: bool,
    /// How long an interaction waits for its first answer.
    pub answer_within: Duration,
    /// How long an interaction's token is good.
    pub token_lasts: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: "fake-token".to_owned(),
            heartbeat: Duration::from_millis(41_250),
            bucket: (5, Duration::from_secs(5)),
            per_second: 50,
            most_invalid: 10_000,
            shards: 1,
            identify_apart: Duration::from_secs(5),
            waiting: 4_096,
            replayed: 5_000,
            message_content: false,
            answer_within: Duration::from_secs(3),
            token_lasts: Duration::from_mins(15),
        }
    }
}

/// A message as a test sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Its id.
    pub id: u64,
    /// Where it stands.
    pub channel: u64,
    /// The bot said it.
    pub by_bot: bool,
    /// Its words now.
    pub content: String,
    /// How often it was edited, and when last.
    pub edits: Vec<Instant>,
    /// Its nonce.
    pub nonce: Option<String>,
    /// `1 << 2`: link previews are suppressed.
    pub flags: u64,
    /// The message it replies to.
    pub reply_to: Option<u64>,
    /// Its buttons as (label, custom id or address).
    pub buttons: Vec<(String, String)>,
    /// Only this user sees it.
    pub only_for: Option<u64>,
    /// It would have notified somebody it names.
    pub pinged: bool,
    /// When it was made.
    pub at: Instant,
}

impl From<&Message> for Said {
    fn from(message: &Message) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let buttons = message.components.as_array().into_iter().flatten();
        let buttons = buttons.flat_map(|row| row["components"].as_array().cloned().unwrap_or_default());
        Self {
            id: message.id,
            channel: message.channel,
            by_bot: false,
            content: message.content.clone(),
            edits: message.edits.iter().map(|(at, _)| *at).collect(),
            nonce: message.nonce.clone(),
            flags: message.flags,
            reply_to: message.reference,
            buttons: buttons
                .map(|b| (text(&b["label"]), text(if b["url"].is_string() { &b["url"] } else { &b["custom_id"] })))
                .collect(),
            only_for: message.ephemeral_for,
            pinged: message.pinged,
            at: message.at,
        }
    }
}

/// What somebody says, beyond the words.
#[derive(Debug, Clone, Default)]
pub struct Saying<'a> {
    /// The words.
    pub text: &'a str,
    /// The message this replies to.
    pub reply_to: Option<u64>,
    /// How many files come with it.
    pub attachments: usize,
    /// It comes from a webhook.
    pub webhook: bool,
}

/// How an interaction was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// How long the first answer took.
    pub after: Duration,
    /// The type of the first answer: 4 words, 5 "is thinking", 6 nothing to see, 7 an edit, 9 a form.
    pub kind: u64,
    /// Only the user sees it.
    pub ephemeral: bool,
    /// The message that came of it.
    pub message: Option<Said>,
    /// What the first answer carried.
    pub data: Value,
}

/// A running platform. Dropped, it stops.
#[derive(Debug)]
pub struct Discord {
    served: Served,
    shared: Shared,
    client: reqwest::Client,
}

/// Starts the platform.
pub async fn start(addr: SocketAddr, settings: Settings) -> io::Result<Discord> {
    let shared = Shared::new(std::sync::Mutex::new(World::new(settings)));
    let router = Router::new()
        .route("/gateway/", any(gateway::open))
        .route("/resume/", any(gateway::open))
        .fallback(rest::handle)
        .with_state(Shared::clone(&shared));
    let served = serve(addr, router).await?;
    lock(&shared).base = format!("http://{}", served.addr);
    Ok(Discord { served, shared, client: reqwest::Client::new() })
}

/// The key that signs interactions sent over HTTP. It protects nothing.
fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The public half of the key that signs interactions, in hexadecimal.
pub fn public_key() -> String {
    hexadecimal(&signing_key().verifying_key().to_bytes())
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Signs a body with a timestamp as interactions are signed.
pub fn sign(timestamp: &str, body: &[u8]) -> String {
    interactions::sign(&signing_key(), timestamp, body)
}

impl Discord {
    /// What `discord.api_url` must be.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.served.addr)
    }

    /// The bot's user id.
    pub fn bot(&self) -> u64 {
        lock(&self.shared).bot
    }

    /// The application's id.
    pub fn application(&self) -> u64 {
        lock(&self.shared).application
    }

    /// A person whose client speaks this language, such as `de` or `pt-BR`.
    pub fn user(&self, name: &str, locale: &str) -> u64 {
        self.add_user(name, locale, false)
    }

    /// Another bot.
    pub fn other_bot(&self, name: &str) -> u64 {
        self.add_user(name, "en-US", true)
    }

    fn add_user(&self, name: &str, locale: &str, bot: bool) -> u64 {
        let id = snowflake();
        let user = User { id, name: name.to_owned(), bot, locale: locale.to_owned(), blocks_bot: false };
        lock(&self.shared).users.insert(id, user);
        id
    }

    /// The direct channel of a person with the bot.
    pub fn direct(&self, user: u64) -> u64 {
        lock(&self.shared).direct(user)
    }

    /// A guild, and a text channel in it.
    pub fn guild(&self, name: &str) -> (u64, u64) {
        let mut world = lock(&self.shared);
        let guild = snowflake();
        world.guilds.insert(guild, name.to_owned());
        let channel = world.add_channel(Kind::Text, "general", Some(guild), None);
        (guild, channel)
    }

    /// Another text channel of a guild.
    pub fn channel(&self, guild: u64, name: &str) -> u64 {
        lock(&self.shared).add_channel(Kind::Text, name, Some(guild), None)
    }

    /// A thread under a channel; bots in the guild are told.
    pub fn thread(&self, parent: u64, name: &str) -> u64 {
        let mut world = lock(&self.shared);
        let guild = world.channels.get(&parent).and_then(|c| c.guild);
        let id = world.add_channel(Kind::Thread, name, guild, Some(parent));
        let event = world.channels.get(&id).map_or(Value::Null, wire::channel);
        world.dispatch("THREAD_CREATE", guild, world::GUILDS, |_| event.clone());
        id
    }

    /// Somebody says something; returns the message's id.
    pub fn say(&self, user: u64, channel: u64, text: &str) -> u64 {
        self.say_with(user, channel, &Saying { text, ..Saying::default() })
    }

    /// Somebody speaks to the bot by name.
    pub fn mention(&self, user: u64, channel: u64, text: &str) -> u64 {
        self.say(user, channel, &format!("<@{}> {text}", self.bot()))
    }

    /// As [`Self::say`], with a reply, files, or from a webhook.
    pub fn say_with(&self, user: u64, channel: u64, saying: &Saying<'_>) -> u64 {
        let mut world = lock(&self.shared);
        let mut message = messages::bare(channel, user, saying.text);
        message.reference = saying.reply_to;
        message.attachments = saying.attachments;
        message.webhook = saying.webhook;
        let id = message.id;
        messages::add(&mut world, message);
        id
    }

    /// Brings an event to the open sockets once more, as a redelivery does.
    pub fn repeat(&self, message: u64) {
        let mut world = lock(&self.shared);
        let Some(message) = world.message(message).cloned() else { return };
        let guild = world.channels.get(&message.channel).and_then(|c| c.guild);
        let value = wire::message(&world, &message, u64::MAX);
        world.dispatch("MESSAGE_CREATE", guild, 0, |_| value.clone());
    }

    /// A slash command with its options as (name, value). Over HTTP where an endpoint is set, which this
    /// then waits for. Returns the interaction's token.
    pub async fn slash(&self, user: u64, channel: u64, name: &str, options: &[(&str, &str)]) -> String {
        let options: Vec<Value> =
            options.iter().map(|(name, value)| json!({ "name": name, "type": 3, "value": value })).collect();
        let data = json!({ "id": snowflake().to_string(), "name": name, "type": 1, "options": options });
        self.interact(user, channel, 2, &data, None).await
    }

    /// A press on a button of a message. Returns the interaction's token.
    pub async fn press(&self, user: u64, message: u64, custom_id: &str) -> String {
        let channel = lock(&self.shared).message(message).map_or(0, |m| m.channel);
        let data = json!({ "component_type": 2, "custom_id": custom_id });
        self.interact(user, channel, 3, &data, Some(message)).await
    }

    async fn interact(&self, user: u64, channel: u64, kind: u64, data: &Value, message: Option<u64>) -> String {
        let (token, endpoint) = {
            let mut world = lock(&self.shared);
            let token = interactions::create(&mut world, user, channel, kind, data, message);
            let endpoint = world.endpoint.clone();
            if endpoint.is_none() {
                interactions::dispatch(&mut world, &token);
            }
            (token, endpoint)
        };
        if let Some(endpoint) = endpoint {
            interactions::post(&self.shared, &self.client, &endpoint, &token).await;
        }
        token
    }

    /// Where interactions go from now on, instead of the gateway. As the platform does, it is tried
    /// first: a PING must be answered, a bad signature refused. `false`: it was not taken.
    pub async fn set_endpoint(&self, url: &str) -> bool {
        let body = json!({ "type": 1, "id": "1", "application_id": "1", "token": "t", "version": 1 }).to_string();
        let send = async |signature: String| {
            let request = self
                .client
                .post(url)
                .header("X-Signature-Ed25519", signature)
                .header("X-Signature-Timestamp", "1795161600")
                .header("Content-Type", "application/json")
                .body(body.clone());
            request.send().await.ok()
        };
        let refused = send("00".repeat(64)).await.is_some_and(|r| r.status().as_u16() == 401);
        let Some(answer) = send(sign("1795161600", body.as_bytes())).await else { return false };
        let pong = answer.status().is_success() && answer.json::<Value>().await.is_ok_and(|v| v["type"] == json!(1));
        let taken = refused && pong;
        if taken {
            lock(&self.shared).endpoint = Some(url.to_owned());
        }
        taken
    }

    /// How an interaction was answered so far.
    pub fn answered(&self, token: &str) -> Option<Answered> {
        let world = lock(&self.shared);
        let interaction = world.interactions.get(token)?;
        let (at, kind) = interaction.answered?;
        Some(Answered {
            after: at.duration_since(interaction.born),
            kind,
            ephemeral: interaction.ephemeral,
            message: interaction.original.and_then(|id| world.message(id)).map(Said::from),
            data: interaction.data.clone(),
        })
    }

    /// Everything said in a channel, oldest first.
    pub fn all_said(&self, channel: u64) -> Vec<Said> {
        let world = lock(&self.shared);
        let messages = world.channels.get(&channel).map(|c| c.messages.as_slice()).unwrap_or_default();
        messages.iter().map(|m| Said { by_bot: m.author == world.bot, ..Said::from(m) }).collect()
    }

    /// What the bot said in a channel; what it still thinks about is left out.
    pub fn said(&self, channel: u64) -> Vec<Said> {
        let mut said = self.all_said(channel);
        said.retain(|m| m.by_bot && !m.content.is_empty());
        said
    }

    /// When the bot was seen typing in a channel.
    pub fn typing(&self, channel: u64) -> Vec<Instant> {
        lock(&self.shared).channels.get(&channel).map(|c| c.typing.clone()).unwrap_or_default()
    }

    /// The registered commands.
    pub fn commands(&self) -> Value {
        lock(&self.shared).commands.clone()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).requests.clone()
    }

    /// Figures of the gateway.
    pub fn counts(&self) -> Counts {
        lock(&self.shared).counts
    }

    /// Whether a session is open and its socket connected.
    pub fn connected(&self) -> bool {
        lock(&self.shared).sessions.values().any(|session| session.socket.is_some())
    }
}
