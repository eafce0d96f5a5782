//! What the platform remembers: chats, messages, waiting updates.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::fault::Fault;
use super::flood::Flood;
use super::markup;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The platform's id; their private chat has the same.
    pub id: i64,
    /// The first name.
    pub name: String,
    /// The language of their app, such as `pt-br`.
    pub language: Option<String>,
}

impl Person {
    /// Somebody.
    pub fn new(id: i64, name: &str, language: &str) -> Self {
        Self { id, name: name.to_owned(), language: Some(language.to_owned()) }
    }

    pub(super) fn json(&self) -> Value {
        let mut user = json!({ "id": self.id, "is_bot": false, "first_name": self.name });
        if let Some(language) = &self.language {
            user["language_code"] = json!(language);
        }
        user
    }
}

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The chat.
    pub chat: i64,
    /// The forum topic.
    pub topic: Option<i64>,
}

impl Place {
    /// A chat without topics.
    pub const fn chat(chat: i64) -> Self {
        Self { chat, topic: None }
    }

    /// A topic of a forum.
    pub const fn topic(chat: i64, topic: i64) -> Self {
        Self { chat, topic: Some(topic) }
    }
}

/// A message of the bot as it stands, edits included.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Where.
    pub place: Place,
    /// Its id in the chat.
    pub message_id: i64,
    /// What people read.
    pub text: String,
    /// What was sent, markup included.
    pub source: String,
    /// The parse mode it was sent with.
    pub parse_mode: Option<String>,
    /// What the text is marked up with.
    pub entities: Vec<Value>,
    /// The buttons as (label, data or address), row by row.
    pub buttons: Vec<(String, String)>,
    /// The message it replies to.
    pub reply_to: Option<i64>,
    /// How often it was edited.
    pub edits: u32,
    /// When it came.
    pub sent_at: Instant,
    /// When it was last changed.
    pub changed_at: Instant,
}

/// A call of the Bot API.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method, in lower case.
    pub method: String,
    /// Its parameters.
    pub parameters: Value,
    /// When it came.
    pub at: Instant,
    /// The status it was answered with; 0 while it is not.
    pub status: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) json: Value,
    pub(super) forum: bool,
    pub(super) topics: BTreeSet<i64>,
    /// Why the bot may not write here.
    pub(super) forbidden: Option<&'static str>,
    pub(super) migrated_to: Option<i64>,
    pub(super) next_message: i64,
    /// What people wrote.
    pub(super) heard: BTreeMap<i64, Value>,
    /// What the bot wrote.
    pub(super) shown: BTreeMap<i64, Shown>,
}

impl Chat {
    pub(super) fn new(json: Value) -> Self {
        Self {
            json,
            forum: false,
            topics: BTreeSet::new(),
            forbidden: None,
            migrated_to: None,
            next_message: 1,
            heard: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    pub(super) fn is_group(&self) -> bool {
        self.json["type"] != "private"
    }

    pub(super) fn number(&mut self) -> i64 {
        let number = self.next_message;
        self.next_message += 1;
        number
    }
}

#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) connections: usize,
    pub(super) last_error: Option<(u64, String)>,
}

/// Everything, behind one lock.
#[derive(Debug)]
pub(super) struct World {
    pub(super) token: String,
    pub(super) username: String,
    pub(super) revoked: bool,
    pub(super) chats: BTreeMap<i64, Chat>,
    pub(super) next_update: i64,
    pub(super) updates: VecDeque<Value>,
    /// The newest updates, confirmed or not.
    pub(super) brought: VecDeque<Value>,
    /// Updates the next poll gets once more, whatever was confirmed.
    pub(super) repeats: Vec<Value>,
    pub(super) allowed: Option<BTreeSet<String>>,
    pub(super) webhook: Option<Webhook>,
    /// The newest poll; an older one that still waits is told to go.
    pub(super) poll: u64,
    pub(super) calls: VecDeque<Call>,
    pub(super) call_number: usize,
    pub(super) faults: HashMap<String, VecDeque<Fault>>,
    pub(super) standing: HashMap<String, Fault>,
    pub(super) callbacks: BTreeMap<String, bool>,
    pub(super) commands: BTreeMap<String, Value>,
    pub(super) flood: Option<Flood>,
}

/// The calls that put words into a chat, and the name under which their common faults are kept.
const SPEAKING: [&str; 2] = ["sendmessage", "editmessagetext"];
pub(super) const WORDS: &str = "words";
/// How many updates can be brought again.
const MOST_BROUGHT: usize = 1_000;
/// What is kept of the calls.
const MOST_CALLS: usize = 100_000;

impl World {
    pub(super) fn new(token: &str, username: &str) -> Self {
        Self {
            token: token.to_owned(),
            username: username.to_owned(),
            revoked: false,
            chats: BTreeMap::new(),
            next_update: 812_300_001,
            updates: VecDeque::new(),
            brought: VecDeque::new(),
            repeats: Vec::new(),
            allowed: None,
            webhook: None,
            poll: 0,
            calls: VecDeque::new(),
            call_number: 0,
            faults: HashMap::new(),
            standing: HashMap::new(),
            callbacks: BTreeMap::new(),
            commands: BTreeMap::new(),
            flood: None,
        }
    }

    pub(super) fn bot_id(&self) -> i64 {
        self.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1)
    }

    pub(super) fn bot(&self) -> Value {
        json!({ "id": self.bot_id(), "is_bot": true, "first_name": "DovvyBuddy", "username": self.username })
    }

    /// A call comes; its number tells it apart.
    pub(super) fn note(&mut self, method: &str, parameters: &Value) -> usize {
        if self.calls.len() == MOST_CALLS {
            self.calls.pop_front();
        }
        let call = Call { method: method.to_owned(), parameters: parameters.clone(), at: Instant::now(), status: 0 };
        self.calls.push_back(call);
        self.call_number += 1;
        self.call_number
    }

    pub(super) fn answered(&mut self, number: usize, status: u16) {
        let gone = self.call_number - self.calls.len();
        if let Some(call) = number.checked_sub(gone + 1).and_then(|index| self.calls.get_mut(index)) {
            call.status = status;
        }
    }

    pub(super) fn fault(&mut self, method: &str) -> Option<Fault> {
        let mut next = |name: &str| self.faults.get_mut(name).and_then(VecDeque::pop_front);
        let ordered = next(method).or_else(|| if SPEAKING.contains(&method) { next(WORDS) } else { None });
        ordered.or_else(|| self.standing.get(method).cloned())
    }

    /// Queues an update of this kind, if the bot asked for such; gives its id.
    pub(super) fn push(&mut self, kind: &str, content: &Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        if self.allowed.as_ref().is_none_or(|allowed| allowed.contains(kind)) {
            let update = json!({ "update_id": id, kind: content });
            if self.brought.len() == MOST_BROUGHT {
                self.brought.pop_front();
            }
            self.brought.push_back(update.clone());
            self.updates.push_back(update);
        }
        id
    }

    /// A message of a person, with what else it carries; gives it as the Bot API shows it.
    pub(super) fn heard(&mut self, place: Place, from: &Person, fields: Value) -> Value {
        let chat = self.chats.entry(place.chat).or_insert_with(|| Chat::new(private(from)));
        let id = chat.number();
        let mut message = json!({ "message_id": id, "from": from.json(), "chat": chat.json, "date": unix_time() });
        if let Some(topic) = place.topic {
            message["message_thread_id"] = json!(topic);
            message["is_topic_message"] = json!(true);
        }
        if let (Some(message), Value::Object(fields)) = (message.as_object_mut(), fields) {
            message.extend(fields);
        }
        for (text, entities) in [("text", "entities"), ("caption", "caption_entities")] {
            let found = message[text].as_str().map(markup::found_in).unwrap_or_default();
            if !found.is_empty() && message[entities].is_null() {
                message[entities] = Value::from(found);
            }
        }
        chat.heard.insert(id, message.clone());
        message
    }

    /// A message of either side, as it appears inside another one.
    pub(super) fn message(&self, chat: i64, message_id: i64) -> Option<Value> {
        let known = self.chats.get(&chat)?;
        if let Some(heard) = known.heard.get(&message_id) {
            return Some(heard.clone());
        }
        known.shown.get(&message_id).map(|shown| self.json_of(shown))
    }

    /// A message of the bot as the Bot API shows it.
    pub(super) fn json_of(&self, shown: &Shown) -> Value {
        let chat = self.chats.get(&shown.place.chat).map_or(Value::Null, |chat| chat.json.clone());
        let mut message = json!({
            "message_id": shown.message_id, "from": self.bot(), "chat": chat, "date": unix_time(), "text": shown.text,
        });
        if !shown.entities.is_empty() {
            message["entities"] = json!(shown.entities);
        }
        if let Some(topic) = shown.place.topic {
            message["message_thread_id"] = json!(topic);
            message["is_topic_message"] = json!(true);
        }
        message
    }
}

pub(super) fn private(person: &Person) -> Value {
    json!({ "id": person.id, "type": "private", "first_name": person.name })
}

#[allow(clippy::disallowed_methods, reason = "a stand-in for a platform has the platform's clock")]
pub(super) fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
