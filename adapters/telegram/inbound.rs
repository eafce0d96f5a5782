//! On the way in: an update of the platform becomes an event of a diver, or a change of a chat, or
//! nothing.
//!
//! Pure: what is known of the conversation so far plays no part here.

use dovvybuddy_core::channel::{Command, Content};
use dovvybuddy_core::wordless;
use serde::Deserialize as _;
use serde_json::Value;
use teloxide::types::{CallbackQuery, ChatMemberUpdated, MediaKind, Message, MessageEntityKind, MessageKind, User};

use crate::place::{Context, Place};
use crate::{commands, lenient};

/// Who we are on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Our id.
    pub(crate) id: u64,
    /// Our name, without the sign.
    pub(crate) username: String,
}

/// What an update says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// A diver said or pressed something that is meant for us.
    Event(Box<Event>),
    /// Somebody unknown pressed a button, which must be answered.
    Pressed(String),
    /// We were blocked, or removed from a group.
    Left(i64),
    /// We were let in again.
    Joined(i64),
    /// A group became a supergroup.
    Moved {
        /// Its id until now.
        from: i64,
        /// Its id from now on.
        to: i64,
    },
    /// Nothing for us.
    Nothing,
}

/// Something a diver said or pressed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Where.
    pub(crate) place: Place,
    /// Whether others read along.
    pub(crate) group: bool,
    /// Who.
    pub(crate) person: Person,
    /// What.
    pub(crate) content: Content,
    /// What is needed to answer.
    pub(crate) context: Context,
    /// The pressed button, which must be answered.
    pub(crate) pressed: Option<Pressed>,
    /// Words of ours that the message points at, beside its own.
    pub(crate) quoted: Option<String>,
    /// The album the message is a piece of.
    pub(crate) album: Option<String>,
    /// The message, where it may be edited later; `true` if it was.
    pub(crate) message: Option<(i32, bool)>,
}

/// A pressed button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pressed {
    /// The query that is answered.
    pub(crate) query: String,
    /// The message it stands under, with its words, if the platform still shows them.
    pub(crate) under: Option<(i32, String)>,
}

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The platform's id; a group's for somebody who writes in its name.
    pub(crate) id: String,
    /// Their private chat, if they are a person.
    pub(crate) private: Option<i64>,
    /// The name shown.
    pub(crate) name: Option<String>,
    /// The language of their app.
    pub(crate) locale: Option<String>,
    /// How to write to them.
    pub(crate) contact: Option<String>,
}

/// How much of a message somebody points at comes along.
const LONGEST_QUOTE: usize = 500;
/// The same of our own messages: enough for a term that is asked about.
const LONGEST_OWN_QUOTE: usize = 200;

/// Reads an update.
pub(crate) fn read(update: &Value, me: &Identity) -> News {
    let update = &lenient::completed(update);
    let content = |kind: &str| update.get(kind).filter(|value| value.is_object());
    if let Some(raw) = content("message") {
        return message(raw, me, false);
    }
    if let Some(raw) = content("edited_message") {
        return message(raw, me, true);
    }
    if let Some(raw) = content("callback_query") {
        return pressed(raw);
    }
    if let Some(raw) = content("my_chat_member") {
        return membership(raw);
    }
    News::Nothing
}

fn membership(raw: &Value) -> News {
    match ChatMemberUpdated::deserialize(raw) {
        Ok(change) if change.new_chat_member.is_present() => News::Joined(change.chat.id.0),
        Ok(change) => News::Left(change.chat.id.0),
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &serde_json::Error) -> News {
    tracing::warn!(error = wordless(error), "an update has a form nobody here knows; it is left out");
    News::Nothing
}

fn pressed(raw: &Value) -> News {
    let query = match pressed_query(raw) {
        Ok(query) => query,
        Err(error) => {
            let nothing = unreadable(&error);
            return raw["id"].as_str().map_or(nothing, |query| News::Pressed(query.to_owned()));
        }
    };
    let message = query.message.as_ref();
    let regular = message.and_then(|message| message.regular_message());
    let topic = regular.filter(|m| m.is_topic_message).and_then(|m| m.thread_id);
    // Without a message nobody knows where it stood: the answer goes to whoever pressed.
    let chat = message.map(|message| message.chat().id.0).or_else(|| i64::try_from(query.from.id.0).ok());
    let Some(chat) = chat else { return News::Pressed(query.id.0) };
    let group = message.is_some_and(|message| !message.chat().is_private());
    // A button nobody made gives an empty command, but is answered like any other.
    let command = query.data.as_deref().and_then(Command::from_token);
    News::Event(Box::new(Event {
        place: Place { chat, topic: topic.map(|topic| topic.0.0) },
        group,
        person: person(&query.from),
        content: command.map_or_else(|| Content::Text(String::new()), Content::Command),
        context: Context { reply_to: message.filter(|_| group).map(|message| message.id().0) },
        pressed: Some(Pressed {
            query: query.id.0.clone(),
            under: regular.and_then(|m| Some((m.id.0, m.text()?.to_owned()))),
        }),
        quoted: None,
        album: None,
        message: None,
    }))
}

/// A press, if need be without what the message under it says.
fn pressed_query(raw: &Value) -> serde_json::Result<CallbackQuery> {
    CallbackQuery::deserialize(raw).or_else(|error| {
        let mut without = raw.clone();
        if without["message"].is_object() {
            without["message"] = lenient::plain(&raw["message"]);
        }
        CallbackQuery::deserialize(without).map_err(|_| error)
    })
}

/// A message, if need be with nothing but its words.
fn any_message(raw: &Value) -> serde_json::Result<Message> {
    Message::deserialize(raw).or_else(|error| {
        let words = |name: &str| raw[name].as_str().is_some_and(|words| !words.is_empty());
        if !words("text") && !words("caption") {
            return Err(error);
        }
        let message = Message::deserialize(lenient::plain(raw)).map_err(|_| error)?;
        tracing::debug!("of an update in an unknown form only the words are read");
        Ok(message)
    })
}

fn message(raw: &Value, me: &Identity, edited: bool) -> News {
    let message = match any_message(raw) {
        Ok(message) => message,
        Err(error) => return unreadable(&error),
    };
    if let Some(to) = message.migrate_to_chat_id() {
        return News::Moved { from: message.chat.id.0, to: to.0 };
    }
    // Told on both sides: what is said in the new group must not come before it.
    if let Some(from) = message.migrate_from_chat_id() {
        return News::Moved { from: from.0, to: message.chat.id.0 };
    }
    if message.chat.is_channel() || message.is_automatic_forward() || message.via_bot.is_some() {
        return News::Nothing;
    }
    let Some(person) = author(&message) else { return News::Nothing };
    let group = !message.chat.is_private();
    let Some(words) = Words::of(&message, raw, group) else { return News::Nothing };
    let called = commands::called(words.text, &me.username);
    if called == commands::Called::SomebodyElse || (group && called == commands::Called::Unknown) {
        return News::Nothing;
    }
    let commanded = matches!(called, commands::Called::Us(_));
    if group && !commanded && !addressed(&message, &words, me) {
        return News::Nothing;
    }
    let content = match called {
        commands::Called::Us(content) => content,
        commands::Called::Unknown => commands::unknown(words.text),
        _ => spoken(&message, &words, me),
    };
    News::Event(Box::new(Event {
        place: Place {
            chat: message.chat.id.0,
            topic: message.thread_id.filter(|_| message.is_topic_message).map(|topic| topic.0.0),
        },
        group,
        person,
        content,
        context: Context { reply_to: group.then_some(message.id.0) },
        pressed: None,
        quoted: own_quote(&message, me),
        album: message.media_group_id().map(|album| album.0.clone()),
        message: Some((message.id.0, edited)),
    }))
}

/// The words of a message, and where they are marked.
struct Words<'a> {
    text: &'a str,
    entities: &'a [teloxide::types::MessageEntity],
    /// Beside the words there is something we can't read.
    media: bool,
}

impl<'a> Words<'a> {
    /// `None` for the platform's own notices: somebody joined, a title changed.
    fn of(message: &'a Message, raw: &'a Value, group: bool) -> Option<Self> {
        match &message.kind {
            MessageKind::Common(common) => {
                let media = !matches!(common.media_kind, MediaKind::Text(_));
                let text = message.text().or_else(|| message.caption()).unwrap_or_default();
                let entities = message.entities().or_else(|| message.caption_entities()).unwrap_or_default();
                Some(Self { text, entities, media })
            }
            MessageKind::Dice(_) => Some(Self { text: "", entities: &[], media: true }),
            // A form that is newer than the types: its words still count.
            MessageKind::Empty {} => {
                let field = |name: &str| raw.get(name).and_then(Value::as_str);
                match (field("text"), field("caption")) {
                    (Some(text), _) => Some(Self { text, entities: &[], media: false }),
                    (None, Some(text)) => Some(Self { text, entities: &[], media: true }),
                    (None, None) => (!group).then_some(Self { text: "", entities: &[], media: true }),
                }
            }
            _ => None,
        }
    }
}

/// In groups: whether the message is meant for us. Commands are looked at elsewhere.
fn addressed(message: &Message, words: &Words<'_>, me: &Identity) -> bool {
    mentions(words, me).next().is_some() || points_at_us(message, me)
}

fn points_at_us(message: &Message, me: &Identity) -> bool {
    // In a topic every message points at the one that opened it.
    let replied = message.reply_to_message().filter(|replied| replied.forum_topic_created().is_none());
    replied.and_then(|replied| replied.from.as_ref()).is_some_and(|author| author.id.0 == me.id)
}

/// Where we are mentioned, as byte ranges of the words.
fn mentions<'a>(words: &'a Words<'_>, me: &'a Identity) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
    let ours = |text: &str| text.strip_prefix('@').is_some_and(|name| name.eq_ignore_ascii_case(&me.username));
    let marked = words.entities.iter().filter_map(move |entity| {
        let range = bytes(words.text, entity.offset, entity.length)?;
        match &entity.kind {
            MessageEntityKind::Mention if ours(words.text.get(range.clone())?) => Some(range),
            MessageEntityKind::TextMention { user } if user.id.0 == me.id => Some(range),
            _ => None,
        }
    });
    // Where nothing is marked, the words themselves are looked through.
    let unmarked = words.text.match_indices('@').filter_map(move |(at, _)| {
        let rest = words.text.get(at..)?;
        let end = rest.char_indices().skip(1).find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_');
        let end = end.map_or(rest.len(), |(end, _)| end);
        ours(rest.get(..end)?).then_some(at..at + end)
    });
    let marked_at_all = !words.entities.is_empty();
    marked.chain(unmarked.filter(move |_| !marked_at_all))
}

/// The bytes of a stretch that is counted in UTF-16 units.
fn bytes(text: &str, offset: usize, length: usize) -> Option<std::ops::Range<usize>> {
    let place = |units: usize| {
        let mut seen = 0;
        for (at, character) in text.char_indices() {
            if seen == units {
                return Some(at);
            }
            seen += character.len_utf16();
        }
        (seen == units).then_some(text.len())
    };
    Some(place(offset)?..place(offset.checked_add(length)?)?)
}

/// Words as they are handed in: without our name, with what they point at.
fn spoken(message: &Message, words: &Words<'_>, me: &Identity) -> Content {
    let mut text = words.text.to_owned();
    let mut named: Vec<_> = mentions(words, me).collect();
    named.sort_by_key(|range| std::cmp::Reverse(range.start));
    for range in named {
        text.replace_range(range, "");
    }
    let mut text = text.trim().trim_start_matches([',', ':']).trim().to_owned();
    if let Some(quoted) = quoted(message, me) {
        text = format!("“{quoted}”\n{text}");
    }
    let text = text.trim().to_owned();
    if words.media {
        return Content::Unsupported { caption: (!text.is_empty()).then_some(text) };
    }
    // Only our name: somebody wants to know who we are.
    if text.is_empty() { Content::Command(Command::Help) } else { Content::Text(text) }
}

/// What the message points at, as far as the conversation does not hold it already.
fn quoted(message: &Message, me: &Identity) -> Option<String> {
    let replied = message.reply_to_message().filter(|replied| replied.forum_topic_created().is_none());
    let own = replied.and_then(|replied| replied.from.as_ref()).is_some_and(|author| author.id.0 == me.id);
    let quote = message.quote().map(|quote| quote.text.as_str());
    let text = if own {
        return None;
    } else if message.chat.is_private() {
        quote?
    } else {
        let whole = replied.and_then(|replied| replied.text().or_else(|| replied.caption()));
        quote.or(whole)?
    };
    let text: String = text.trim().chars().take(LONGEST_QUOTE).collect();
    (!text.is_empty()).then_some(text)
}

/// A stretch of a message of ours that is asked about: the conversation holds the message, but not which
/// words of it are meant.
fn own_quote(message: &Message, me: &Identity) -> Option<String> {
    let author = message.reply_to_message().and_then(|replied| replied.from.as_ref());
    author.filter(|author| author.id.0 == me.id)?;
    let text = message.quote()?.text.trim();
    (!text.is_empty() && text.chars().count() <= LONGEST_OWN_QUOTE).then(|| text.to_owned())
}

/// Who wrote it; `None` for other bots.
fn author(message: &Message) -> Option<Person> {
    if let Some(chat) = &message.sender_chat {
        // An administrator who writes in the group's name.
        let name = chat.title().map(str::to_owned);
        return Some(Person { id: chat.id.0.to_string(), private: None, name, locale: None, contact: None });
    }
    message.from.as_ref().filter(|user| !user.is_bot).map(person)
}

fn person(user: &User) -> Person {
    let contact = user.mention().unwrap_or_else(|| format!("tg://user?id={}", user.id.0));
    Person {
        id: user.id.0.to_string(),
        private: i64::try_from(user.id.0).ok(),
        name: Some(user.full_name()).filter(|name| !name.trim().is_empty()),
        locale: user.language_code.clone(),
        contact: Some(contact),
    }
}

#[cfg(test)]
mod tests;
