//! On the way in: a batch becomes what divers said, what became of our messages, and what staff wrote.
//!
//! Pure: what is known of a conversation plays no part here.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::{Command, Content, MessageStatus};
use serde_json::Value;

use crate::message::{each, pressed, text};

/// What a batch says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// A diver said or pressed something.
    Said(Box<Event>),
    /// Messages of ours got further.
    Reached(Reached),
    /// The account wrote: staff, or we ourselves.
    Echo(Echo),
}

/// Something a diver said or pressed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// The platform's id of it.
    pub(super) id: String,
    /// The diver, as this account knows them.
    pub(super) person: String,
    /// What was said.
    pub(super) content: Content,
    /// When, by the platform's clock.
    pub(super) at: Option<Timestamp>,
}

/// What became of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) person: String,
    pub(super) receipt: String,
    pub(super) status: MessageStatus,
    pub(super) at: Option<Timestamp>,
}

/// What went out from the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) id: String,
    /// The diver it went to.
    pub(super) person: String,
    /// The words; empty for pictures and the like.
    pub(super) text: String,
}

/// Reads a batch, as far as it concerns this account.
pub(super) fn read(batch: &Value, account: &str) -> Vec<News> {
    let ours = each(&batch["entry"]).filter(|entry| entry["id"].as_str().is_none_or(|id| id == account));
    ours.flat_map(|entry| each(&entry["messaging"])).flat_map(|event| news(event, account)).collect()
}

fn news(event: &Value, account: &str) -> Vec<News> {
    let (Some(from), Some(to)) = (text(&event["sender"], "id"), text(&event["recipient"], "id")) else {
        return Vec::new();
    };
    let at = event["timestamp"].as_i64().map(Timestamp::from_millis);
    let message = &event["message"];
    if message["is_echo"] == true || from == account {
        let echo = text(message, "mid").map(|id| Echo {
            id: id.to_owned(),
            person: to.to_owned(),
            text: text(message, "text").unwrap_or_default().to_owned(),
        });
        return echo.map(News::Echo).into_iter().collect();
    }
    let said =
        |id: String, content: Content| vec![News::Said(Box::new(Event { id, person: from.to_owned(), content, at }))];
    if message.is_object() {
        let found = text(message, "mid").zip(content(message));
        return found.map(|(id, content)| said(id.to_owned(), content)).unwrap_or_default();
    }
    let postback = &event["postback"];
    if postback.is_object() {
        // Older versions of the platform give a press no id.
        let id = text(postback, "mid").map_or_else(|| format!("{}:{from}", event["timestamp"]), str::to_owned);
        return pressed_postback(postback).map(|content| said(id, content)).unwrap_or_default();
    }
    reached(event, from, at)
}

/// What a message says; `None` where nothing is left of it.
fn content(message: &Value) -> Option<Content> {
    if message["is_deleted"] == true {
        return None;
    }
    if let Some(data) = text(&message["quick_reply"], "payload") {
        return pressed(Some(data), text(message, "text"));
    }
    Some(match text(message, "text") {
        Some(words) => Content::written(words),
        // Pictures, voices, stickers, shared posts, and whatever comes later.
        None => Content::Unsupported { caption: None },
    })
}

fn pressed_postback(postback: &Value) -> Option<Content> {
    match text(postback, "payload") {
        // The name that the platform's own documents give the button before the first word.
        Some("GET_STARTED") => Some(Content::Command(Command::Help)),
        data => pressed(data, text(postback, "title")),
    }
}

/// Messenger names each message that arrived; both name one that was read, Messenger only up to when.
fn reached(event: &Value, person: &str, at: Option<Timestamp>) -> Vec<News> {
    let one = |receipt: &str, status| {
        News::Reached(Reached { person: person.to_owned(), receipt: receipt.to_owned(), status, at })
    };
    let delivered = each(&event["delivery"]["mids"]).filter_map(Value::as_str);
    let read = text(&event["read"], "mid").map(|receipt| one(receipt, MessageStatus::Read));
    delivered.map(|receipt| one(receipt, MessageStatus::Delivered)).chain(read).collect()
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::TurnId;
    use serde_json::json;

    use super::*;

    fn batch(event: &Value) -> Value {
        let mut event = event.clone();
        let ends =
            json!({ "sender": { "id": "ana" }, "recipient": { "id": "77" }, "timestamp": 1_790_000_000_123_i64 });
        for (name, value) in ends.as_object().unwrap() {
            if event[name].is_null() {
                event[name] = value.clone();
            }
        }
        json!({ "object": "instagram", "entry": [{ "id": "77", "time": 1, "messaging": [event] }] })
    }

    fn content_of(event: &Value) -> Option<Content> {
        match read(&batch(event), "77").pop()? {
            News::Said(event) => Some(event.content),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_are_read_with_who_said_them_and_when() {
        let news = read(&batch(&json!({ "message": { "mid": "m1", "text": "How deep?" } })), "77");
        let at = Some(Timestamp::from_millis(1_790_000_000_123));
        let content = Content::Text("How deep?".into());
        assert_eq!(news, [News::Said(Box::new(Event { id: "m1".into(), person: "ana".into(), content, at }))]);
    }

    #[test]
    fn every_kind_of_message_has_its_meaning() {
        let turn = TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap();
        let quick = json!({ "message": { "mid": "m", "text": "More", "quick_reply": { "payload": format!("follow:{turn}") } } });
        assert_eq!(content_of(&quick), Some(Content::Command(Command::FollowUp { turn })));
        let forged = json!({ "message": { "mid": "m", "text": "Yes", "quick_reply": { "payload": "drop table" } } });
        assert_eq!(content_of(&forged), Some(Content::Text("Yes".into())));
        let picture = json!({ "message": { "mid": "m", "attachments": [{ "type": "image" }] } });
        assert_eq!(content_of(&picture), Some(Content::Unsupported { caption: None }));
        assert_eq!(content_of(&json!({ "message": { "mid": "m", "is_deleted": true } })), None);
        let pressed = json!({ "postback": { "mid": "m", "title": "A trip", "payload": "choose:trip" } });
        assert_eq!(content_of(&pressed), Some(Content::Command(Command::Choose("trip".into()))));
        let started = json!({ "postback": { "title": "Get Started", "payload": "GET_STARTED" } });
        assert_eq!(content_of(&started), Some(Content::Command(Command::Help)));
        let News::Said(event) = read(&batch(&started), "77").remove(0) else { panic!("said") };
        assert_eq!(event.id, "1790000000123:ana");
        for other in [json!({ "reaction": { "mid": "m", "action": "react" } }), json!({ "referral": { "ref": "x" } })] {
            assert_eq!(read(&batch(&other), "77"), []);
        }
    }

    #[test]
    fn what_the_account_wrote_is_an_echo_to_the_diver() {
        let ends = json!({ "sender": { "id": "77" }, "recipient": { "id": "ana" } });
        for told in [json!({ "mid": "e", "text": "Hi", "is_echo": true }), json!({ "mid": "e", "text": "Hi" })] {
            let mut event = ends.clone();
            event["message"] = told;
            let echo = Echo { id: "e".into(), person: "ana".into(), text: "Hi".into() };
            assert_eq!(read(&batch(&event), "77"), [News::Echo(echo)]);
        }
    }

    #[test]
    fn what_arrived_and_was_read_is_told_by_message() {
        let delivered = json!({ "delivery": { "mids": ["a", "b"], "watermark": 1 } });
        let receipts = |event: &Value| -> Vec<(String, MessageStatus)> {
            let news = read(&batch(event), "77").into_iter();
            news.map(|news| match news {
                News::Reached(reached) => (reached.receipt, reached.status),
                other => panic!("{other:?}"),
            })
            .collect()
        };
        let [a, b] = ["a", "b"].map(|id| (id.to_owned(), MessageStatus::Delivered));
        assert_eq!(receipts(&delivered), [a, b]);
        assert_eq!(receipts(&json!({ "read": { "mid": "a" } })), [("a".to_owned(), MessageStatus::Read)]);
        assert_eq!(receipts(&json!({ "read": { "watermark": 1 } })), []);
    }

    #[test]
    fn other_accounts_are_none_of_ours() {
        assert_eq!(read(&batch(&json!({ "message": { "mid": "m", "text": "hi" } })), "78"), []);
    }
}
