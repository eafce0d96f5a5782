//! The Bot API of Telegram, faults included.
//!
//! Faithful where a bot can notice: a poll is held until something comes; an `offset` confirms and
//! removes what lies before it; a second poll ends the first with 409; a webhook is delivered in order
//! per chat until a 2xx, at the pace its `Retry-After` asks for; texts are measured in UTF-16 units
//! after their markup was taken out, and broken markup is refused in the server's own words. What it
//! does not have: media uploads, and everything a bot of words never calls.

mod deliver;
mod fault;
mod flood;
mod markup;
mod methods;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use fault::Fault;
pub use markup::{Parsed, length, parse_html};
pub use world::{Call, Person, Place, Shown};

use crate::served::{Served, serve};
use flood::Flood;
use world::{Chat, World, private};

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Something came, was confirmed, or was called.
    changed: Notify,
}

fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running platform. Dropped, it stops.
#[derive(Debug)]
pub struct FakeTelegram {
    served: Served,
    shared: Arc<Shared>,
    _delivery: DropGuard,
}

/// The bot's name.
pub const USERNAME: &str = "dovvy_test_bot";

/// Starts the platform with one bot of this token, such as `4242:secret`.
pub async fn start(addr: SocketAddr, token: &str) -> io::Result<FakeTelegram> {
    let shared = Arc::new(Shared { world: Mutex::new(World::new(token, USERNAME)), changed: Notify::new() });
    let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
    let served = serve(addr, router).await?;
    let stop = CancellationToken::new();
    let (stopped, delivering) = (stop.clone(), Arc::clone(&shared));
    tokio::spawn(async move {
        tokio::select! {
            () = deliver::run(delivering) => {}
            () = stopped.cancelled() => {}
        }
    });
    Ok(FakeTelegram { served, shared, _delivery: stop.drop_guard() })
}

/// What the platform is told to do: people who write, and chats that change.
impl FakeTelegram {
    /// For `telegram.api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.served.addr)
    }

    /// Opens the private chat of a person, who has started the bot.
    pub fn private(&self, person: &Person) -> Place {
        lock(&self.shared).chats.entry(person.id).or_insert_with(|| Chat::new(private(person)));
        Place::chat(person.id)
    }

    /// A basic group with the bot in it.
    pub fn group(&self, id: i64, title: &str) -> Place {
        self.room(id, &json!({ "id": id, "type": "group", "title": title }), &[]);
        Place::chat(id)
    }

    /// A supergroup with the bot in it.
    pub fn supergroup(&self, id: i64, title: &str) -> Place {
        self.room(id, &json!({ "id": id, "type": "supergroup", "title": title }), &[]);
        Place::chat(id)
    }

    /// A supergroup with topics.
    pub fn forum(&self, id: i64, title: &str, topics: &[i64]) -> Vec<Place> {
        self.room(id, &json!({ "id": id, "type": "supergroup", "title": title, "is_forum": true }), topics);
        topics.iter().map(|topic| Place::topic(id, *topic)).collect()
    }

    fn room(&self, id: i64, chat: &Value, topics: &[i64]) {
        let mut room = Chat::new(chat.clone());
        room.forum = !topics.is_empty();
        room.topics = topics.iter().copied().collect();
        // Topics have the ids of the messages that opened them.
        room.next_message = topics.iter().max().map_or(1, |last| last + 1);
        lock(&self.shared).chats.insert(id, room);
    }

    /// A person writes; gives the message's id.
    pub fn say(&self, place: Place, from: &Person, text: &str) -> i64 {
        self.message(place, from, json!({ "text": text }))
    }

    /// A person sends a message with these fields of the Bot API; gives its id.
    pub fn message(&self, place: Place, from: &Person, fields: Value) -> i64 {
        self.change(|world| {
            let message = world.heard(place, from, fields);
            let id = message["message_id"].as_i64().unwrap_or_default();
            world.push("message", &message);
            id
        })
    }

    /// A person replies to a message, of theirs or of the bot.
    pub fn reply(&self, place: Place, from: &Person, to: i64, text: &str) -> i64 {
        let replied = lock(&self.shared).message(place.chat, to).unwrap_or(Value::Null);
        self.message(place, from, json!({ "text": text, "reply_to_message": replied }))
    }

    /// A person changes what they wrote.
    pub fn edit(&self, place: Place, message_id: i64, text: &str) {
        self.change(|world| {
            let Some(chat) = world.chats.get_mut(&place.chat) else { return };
            let Some(message) = chat.heard.get_mut(&message_id) else { return };
            message["text"] = json!(text);
            message["edit_date"] = json!(world::unix_time());
            let message = message.clone();
            world.push("edited_message", &message);
        });
    }

    /// A person presses a button of the bot's message; gives the query's id.
    pub fn press(&self, place: Place, from: &Person, message_id: i64, data: &str) -> String {
        self.change(|world| {
            let id = format!("{}", 9_000_000 + world.callbacks.len());
            world.callbacks.insert(id.clone(), false);
            let message = world.message(place.chat, message_id).unwrap_or(Value::Null);
            let query = json!({
                "id": id, "from": from.json(), "message": message, "chat_instance": place.chat.to_string(), "data": data,
            });
            world.push("callback_query", &query);
            id
        })
    }

    /// Queues an update that is told word for word; gives its id.
    pub fn update(&self, kind: &str, content: &Value) -> i64 {
        self.change(|world| world.push(kind, content))
    }

    /// A person blocks the bot, or a group removes it.
    pub fn block(&self, place: Place, by: &Person) {
        self.membership(place, by, "member", "kicked");
    }

    /// A person takes the block back.
    pub fn unblock(&self, place: Place, by: &Person) {
        self.membership(place, by, "kicked", "member");
    }

    fn membership(&self, place: Place, by: &Person, old: &str, new: &str) {
        self.change(|world| {
            let bot = world.bot();
            let Some(chat) = world.chats.get_mut(&place.chat) else { return };
            let why =
                if chat.is_group() { "bot was kicked from the group chat" } else { "bot was blocked by the user" };
            chat.forbidden = (new == "kicked").then_some(why);
            let member = |status: &str| match status {
                "kicked" => json!({ "status": status, "user": bot, "until_date": 0 }),
                _ => json!({ "status": status, "user": bot }),
            };
            let change = json!({
                "chat": chat.json, "from": by.json(), "date": world::unix_time(),
                "old_chat_member": member(old), "new_chat_member": member(new),
            });
            world.push("my_chat_member", &change);
        });
    }

    /// A group becomes a supergroup under another id; both sides of the news are told.
    pub fn migrate(&self, from: i64, to: i64, by: &Person) {
        self.change(|world| {
            let Some(chat) = world.chats.get_mut(&from) else { return };
            chat.migrated_to = Some(to);
            let mut json = chat.json.clone();
            json["id"] = json!(to);
            json["type"] = json!("supergroup");
            world.chats.insert(to, Chat::new(json));
            for (chat, field, other) in [(from, "migrate_to_chat_id", to), (to, "migrate_from_chat_id", from)] {
                let message = world.heard(Place::chat(chat), by, json!({ field: other }));
                world.push("message", &message);
            }
        });
    }

    /// The next calls of a method go wrong like this, one each.
    pub fn fail(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.entry(method.to_lowercase()).or_default().extend(faults);
    }

    /// The next calls that send or edit a message go wrong like this, one each.
    pub fn fail_words(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.entry(world::WORDS.to_owned()).or_default().extend(faults);
    }

    /// The id of the newest update.
    pub fn newest_update(&self) -> i64 {
        lock(&self.shared).next_update - 1
    }

    /// The next poll gets an update once more, confirmed or not, as happens when the platform has trouble.
    pub fn repeat(&self, update: i64) {
        self.change(|world| {
            let found = world.brought.iter().find(|brought| brought["update_id"] == update).cloned();
            world.repeats.extend(found);
        });
    }

    /// Every call of a method goes wrong like this until told otherwise; `None` mends it.
    pub fn fail_always(&self, method: &str, fault: Option<Fault>) {
        let mut world = lock(&self.shared);
        match fault {
            Some(fault) => drop(world.standing.insert(method.to_lowercase(), fault)),
            None => drop(world.standing.remove(&method.to_lowercase())),
        }
    }

    /// The token is no longer valid, or valid again.
    pub fn revoke(&self, revoked: bool) {
        self.change(|world| world.revoked = revoked);
    }

    /// Sends faster than about one a second per chat, or twenty a minute per group, get a 429.
    pub fn enforce_pace(&self) {
        lock(&self.shared).flood = Some(Flood::default());
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut lock(&self.shared));
        self.shared.changed.notify_waiters();
        changed
    }
}

/// What the platform shows.
impl FakeTelegram {
    /// The bot's messages in a place as they stand, oldest first.
    pub fn shown(&self, place: Place) -> Vec<Shown> {
        let world = lock(&self.shared);
        let Some(chat) = world.chats.get(&place.chat) else { return Vec::new() };
        chat.shown.values().filter(|shown| shown.place == place).cloned().collect()
    }

    /// Every call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared).calls.iter().cloned().collect()
    }

    /// The calls of one method.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        let method = method.to_lowercase();
        self.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// The updates that were not confirmed.
    pub fn waiting(&self) -> Vec<Value> {
        lock(&self.shared).updates.iter().cloned().collect()
    }

    /// Whether a pressed button was answered.
    pub fn pressed_was_answered(&self, query: &str) -> bool {
        lock(&self.shared).callbacks.get(query).copied().unwrap_or(false)
    }

    /// The commands registered for a language; the empty one is the default.
    pub fn commands(&self, language: &str) -> Vec<(String, String)> {
        let world = lock(&self.shared);
        let list = world.commands.get(language).and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.iter().map(|command| (text(&command["command"]), text(&command["description"]))).collect()
    }

    /// Waits until `look` finds something; looks after every change.
    pub async fn until<T>(&self, within: Duration, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(self) {
                return Some(found);
            }
            tokio::time::timeout_at(deadline.into(), changed).await.ok()?;
        }
    }
}

async fn receive(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let parameters = parameters(&uri, &headers, &body);
    let path = uri.path().trim_start_matches('/');
    let (token, method) = path.strip_prefix("bot").and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let method = method.to_lowercase();
    let (number, fault) = {
        let mut world = lock(&shared);
        if world.revoked || token != world.token {
            let number = world.note(&method, &parameters);
            world.answered(number, 401);
            return fault::error(401, "Unauthorized", None);
        }
        (world.note(&method, &parameters), world.fault(&method))
    };
    shared.changed.notify_waiters();
    let honest = match &fault {
        Some(fault) if !fault.takes_effect() => None,
        _ if method == "getupdates" => Some(get_updates(&shared, &parameters).await),
        _ => {
            let result = lock(&shared).call(&method, &parameters);
            Some(match result {
                Ok(result) => fault::done(&result),
                Err((code, description, parameters)) => fault::error(code, &description, parameters),
            })
        }
    };
    let response = match (fault, honest) {
        (None, Some(honest)) => honest,
        (Some(fault), honest) => {
            shared.changed.notify_waiters();
            fault.spoil(honest).await
        }
        (None, None) => fault::error(500, "Internal Server Error", None),
    };
    lock(&shared).answered(number, response.status().as_u16());
    shared.changed.notify_waiters();
    response
}

/// Holds the poll until something comes, its time is over, or another poll takes its place.
async fn get_updates(shared: &Shared, parameters: &Value) -> Response {
    const CONFLICT: &str =
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    const HOOKED: &str =
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    let seconds = parameters["timeout"].as_u64().or_else(|| parameters["timeout"].as_str()?.parse().ok()).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(seconds.min(50));
    let mine = {
        let mut world = lock(shared);
        world.poll += 1;
        world.poll
    };
    shared.changed.notify_waiters();
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut world = lock(shared);
            if world.webhook.is_some() {
                return fault::error(409, HOOKED, None);
            }
            if world.poll != mine {
                return fault::error(409, CONFLICT, None);
            }
            if world.revoked {
                return fault::error(401, "Unauthorized", None);
            }
            let updates = world.take(parameters);
            if !updates.is_empty() || Instant::now() >= deadline {
                return fault::done(&Value::from(updates));
            }
        }
        let _ = tokio::time::timeout_at(deadline.into(), changed).await;
    }
}

/// Parameters come as JSON, as a form, or in the address.
fn parameters(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Value {
    let mut all = Map::new();
    let pairs = |bytes: &[u8]| -> Vec<(String, Value)> {
        // Anything but words is JSON there too.
        let read = |key: &str, value: &str| match serde_json::from_str(value) {
            Ok(read) if key != "text" => read,
            _ => Value::from(value),
        };
        url::form_urlencoded::parse(bytes).map(|(key, value)| (key.to_string(), read(&key, &value))).collect()
    };
    all.extend(pairs(uri.query().unwrap_or_default().as_bytes()));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
            all.extend(object);
        }
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        all.extend(pairs(body));
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests;
