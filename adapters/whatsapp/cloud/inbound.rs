//! On the way in: a batch of the platform becomes what divers said, and what became of our messages.
//!
//! Pure: what is known of a conversation plays no part here.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::{Command, Content, MessageStatus};
use serde_json::Value;

use super::number::{canonical, is_number};
use crate::message::{each, pressed, text};

/// What a batch says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// A diver said or pressed something.
    Said(Box<Event>),
    /// One of our messages got further, or failed.
    Status(Status),
    /// Somebody of the shop answered by telephone.
    Echo(Echo),
}

/// What staff wrote to a diver with the WhatsApp Business app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Echo {
    /// The platform's id of the message.
    pub(super) id: String,
    /// The diver.
    pub(super) person: String,
    /// The words; empty for pictures and the like.
    pub(super) text: String,
}

/// Something a diver said or pressed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// The platform's id of the message.
    pub(super) id: String,
    /// The key of the person.
    pub(super) person: String,
    /// The key they would have without their number, where the message carries both.
    pub(super) also: Option<String>,
    /// The person as the platform names them: this is written to.
    pub(super) to: String,
    /// The name shown.
    pub(super) name: Option<String>,
    /// What was said.
    pub(super) content: Content,
    /// When, by the platform's clock.
    pub(super) at: Option<Timestamp>,
}

/// What became of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The message.
    pub(super) receipt: String,
    /// Whom it went to.
    pub(super) person: String,
    /// How far it got.
    pub(super) reached: MessageStatus,
    /// When.
    pub(super) at: Option<Timestamp>,
    /// Why it failed.
    pub(super) why: Option<String>,
}

/// Reads a batch, as far as it concerns this number.
pub(super) fn read(batch: &Value, phone_number_id: &str) -> Vec<News> {
    let mut news = Vec::new();
    for change in each(&batch["entry"]).flat_map(|entry| each(&entry["changes"])) {
        let value = &change["value"];
        let ours = value["metadata"]["phone_number_id"].as_str().is_none_or(|id| id == phone_number_id);
        if !ours {
            continue;
        }
        match change["field"].as_str() {
            Some("messages") => {}
            Some("smb_message_echoes") => {
                news.extend(each(&value["message_echoes"]).filter_map(echo));
                continue;
            }
            _ => continue,
        }
        news.extend(each(&value["messages"]).filter_map(|message| said(message, &value["contacts"])));
        news.extend(each(&value["statuses"]).filter_map(status));
    }
    news
}

fn moment(of: &Value) -> Option<Timestamp> {
    let seconds = match &of["timestamp"] {
        Value::String(text) => text.parse().ok()?,
        other => other.as_i64()?,
    };
    Some(Timestamp::from_millis(i64::checked_mul(seconds, 1000)?))
}

/// Who a person is to us: their number where it is known, else the platform's id of them.
fn key(number: Option<&str>, user: Option<&str>) -> Option<String> {
    number.filter(|number| is_number(number)).map(canonical).or_else(|| user.or(number).map(str::to_owned))
}

fn said(message: &Value, contacts: &Value) -> Option<News> {
    let id = text(message, "id")?;
    let (number, user) = (text(message, "from"), text(message, "from_user_id"));
    let contact = each(contacts).find(|contact| {
        let named = |name: &str, known: Option<&str>| known.is_some() && contact[name].as_str() == known;
        named("wa_id", number) || named("user_id", user)
    });
    let of_contact = |name: &str| contact.and_then(|contact| text(contact, name));
    let (number, user) = (number.or_else(|| of_contact("wa_id")), user.or_else(|| of_contact("user_id")));
    let person = key(number, user)?;
    let profile = &contact.or_else(|| contacts.get(0)).unwrap_or(&Value::Null)["profile"];
    Some(News::Said(Box::new(Event {
        id: id.to_owned(),
        also: user.filter(|also| *also != person).map(str::to_owned),
        person,
        to: number.or(user)?.to_owned(),
        name: text(profile, "name").map(str::to_owned),
        content: content(message)?,
        at: moment(message),
    })))
}

/// What a message says; `None` for what is no message: a reaction, a notice of the platform.
fn content(message: &Value) -> Option<Content> {
    let kind = message["type"].as_str().unwrap_or_default();
    let of = &message[kind];
    Some(match kind {
        "text" => Content::written(text(of, "body")?),
        "interactive" => match [&of["button_reply"], &of["list_reply"]].into_iter().find(|reply| reply.is_object()) {
            Some(reply) => pressed(reply["id"].as_str(), reply["title"].as_str())?,
            None => Content::Unsupported { caption: None },
        },
        // A button of a template.
        "button" => pressed(of["payload"].as_str(), of["text"].as_str())?,
        "request_welcome" => Content::Command(Command::Help),
        "reaction" | "system" | "ephemeral" => return None,
        // Pictures, voices, files, places, contact cards, orders, and whatever comes later.
        _ => Content::Unsupported { caption: text(of, "caption").map(str::to_owned) },
    })
}

fn echo(message: &Value) -> Option<News> {
    let person = key(text(message, "to"), text(message, "to_user_id"))?;
    let words = message[message["type"].as_str().unwrap_or_default()].clone();
    let words = text(&words, "body").or_else(|| text(&words, "caption")).unwrap_or_default().to_owned();
    Some(News::Echo(Echo { id: text(message, "id")?.to_owned(), person, text: words }))
}

fn status(status: &Value) -> Option<News> {
    let reached = match status["status"].as_str()? {
        "sent" => MessageStatus::Sent,
        "failed" => MessageStatus::Failed,
        "delivered" => MessageStatus::Delivered,
        "read" | "played" => MessageStatus::Read,
        _ => return None,
    };
    let error = &status["errors"][0];
    let why = (reached == MessageStatus::Failed)
        .then(|| format!("{}: {}", error["code"], error["title"].as_str().unwrap_or("unknown")));
    Some(News::Status(Status {
        receipt: text(status, "id")?.to_owned(),
        person: key(text(status, "recipient_id"), text(status, "recipient_user_id"))?,
        reached,
        at: moment(status),
        why,
    }))
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::TurnId;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn batch(message: &Value) -> Value {
        let contacts = json!([{ "profile": { "name": "Ana" }, "wa_id": "5511987654321", "user_id": "BR.1" }]);
        let metadata = json!({ "display_phone_number": "1555", "phone_number_id": "77" });
        let value = json!({ "messaging_product": "whatsapp", "metadata": metadata, "contacts": contacts, "messages": [message] });
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }] })
    }

    fn event(message: &Value) -> Event {
        match read(&batch(message), "77").remove(0) {
            News::Said(event) => *event,
            News::Status(_) | News::Echo(_) => panic!("no message"),
        }
    }

    fn content_of(kind: &str, of: &Value) -> Content {
        event(&json!({ "from": "1", "id": "wamid.1", "timestamp": "1790000000", "type": kind, kind: of })).content
    }

    #[test]
    fn words_are_read_with_who_said_them() {
        let text = json!({ "from": "551187654321", "id": "wamid.1", "timestamp": "1790000000", "type": "text",
            "text": { "body": "How deep?" }, "context": { "from": "1555", "id": "wamid.0" } });
        let event = event(&text);
        assert_eq!((event.person.as_str(), event.to.as_str()), ("5511987654321", "551187654321"));
        assert_eq!((event.name.as_deref(), event.id.as_str()), (Some("Ana"), "wamid.1"));
        assert_eq!(event.content, Content::Text("How deep?".into()));
        assert_eq!(event.at, Some(Timestamp::from_millis(1_790_000_000_000)));
    }

    #[test]
    fn who_hides_their_number_is_known_by_their_id() {
        let contacts = json!([{ "profile": { "name": "Ana" }, "user_id": "US.13491" }]);
        let message = json!({ "from_user_id": "US.13491", "id": "w", "timestamp": "1", "type": "text", "text": { "body": "hi" } });
        let value = json!({ "metadata": { "phone_number_id": "77" }, "contacts": contacts, "messages": [message] });
        let news = read(&json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] }), "77");
        let [News::Said(event)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!((event.person.as_str(), event.to.as_str()), ("US.13491", "US.13491"));
    }

    #[test]
    fn a_message_that_carries_number_and_id_proves_them_one_person() {
        let said = |message: &Value, contact: &Value| {
            let value =
                json!({ "metadata": { "phone_number_id": "77" }, "contacts": [contact], "messages": [message] });
            let batch = json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] });
            let News::Said(event) = read(&batch, "77").remove(0) else { panic!("a message") };
            (event.person, event.also)
        };
        let text = |of: Value| {
            let mut message = json!({ "id": "w", "type": "text", "text": { "body": "hi" } });
            message.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
            message
        };
        let both = Some("US.1".to_owned());
        let ana = json!({ "wa_id": "14158675309", "user_id": "US.1" });
        assert_eq!(said(&text(json!({ "from": "14158675309" })), &ana), ("14158675309".into(), both.clone()));
        let named = text(json!({ "from": "14158675309", "from_user_id": "US.1" }));
        assert_eq!(said(&named, &json!({})), ("14158675309".into(), both));
        let another = json!({ "wa_id": "4915112345678", "user_id": "US.2" });
        assert_eq!(said(&text(json!({ "from": "14158675309" })), &another).1, None, "somebody else's contact");
        assert_eq!(
            said(&text(json!({ "from_user_id": "US.1" })), &json!({ "user_id": "US.1" })),
            ("US.1".into(), None)
        );
    }

    #[test]
    fn every_kind_of_message_has_its_meaning() {
        let turn = TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap();
        let pressed =
            json!({ "type": "button_reply", "button_reply": { "id": format!("follow:{turn}"), "title": "More" } });
        assert_eq!(content_of("interactive", &pressed), Content::Command(Command::FollowUp { turn }));
        let listed = json!({ "type": "list_reply", "list_reply": { "id": "choose:trip", "title": "A trip" } });
        assert_eq!(content_of("interactive", &listed), Content::Command(Command::Choose("trip".into())));
        let forged = json!({ "type": "button_reply", "button_reply": { "id": "drop table", "title": "Yes" } });
        assert_eq!(content_of("interactive", &forged), Content::Text("Yes".into()));
        assert_eq!(
            content_of("button", &json!({ "payload": "x", "text": "Call me" })),
            Content::Text("Call me".into())
        );
        let picture = json!({ "id": "1", "mime_type": "image/jpeg", "caption": "my regulator" });
        assert_eq!(content_of("image", &picture), Content::Unsupported { caption: Some("my regulator".into()) });
        for kind in
            ["audio", "video", "document", "sticker", "location", "contacts", "order", "unsupported", "hologram"]
        {
            assert_eq!(content_of(kind, &json!({})), Content::Unsupported { caption: None }, "{kind}");
        }
        assert_eq!(content_of("text", &json!({ "body": "/profile" })), Content::Command(Command::Profile));
        let reaction = json!({ "from": "1", "id": "w", "type": "reaction", "reaction": { "message_id": "wamid.0", "emoji": "👍" } });
        assert!(read(&batch(&reaction), "77").is_empty());
    }

    #[test]
    fn other_numbers_and_other_fields_are_none_of_ours() {
        let message = json!({ "from": "14158675309", "id": "w", "type": "text", "text": { "body": "hi" } });
        assert!(read(&batch(&message), "78").is_empty());
        let mut other = batch(&message);
        other["entry"][0]["changes"][0]["field"] = json!("account_update");
        assert!(read(&other, "77").is_empty());
    }

    #[test]
    fn what_staff_answered_by_telephone_is_heard() {
        let echo = json!({ "from": "15550100", "to": "551187654321", "id": "wamid.E", "timestamp": "1790000000",
            "type": "text", "text": { "body": "Hi, this is Rosa." } });
        let value = json!({ "metadata": { "phone_number_id": "77" }, "message_echoes": [echo] });
        let news =
            read(&json!({ "entry": [{ "changes": [{ "field": "smb_message_echoes", "value": value }] }] }), "77");
        let echo = Echo { id: "wamid.E".into(), person: "5511987654321".into(), text: "Hi, this is Rosa.".into() };
        assert_eq!(news, [News::Echo(echo)]);
    }

    #[test]
    fn statuses_say_how_far_a_message_got() {
        let failed = json!({ "id": "wamid.9", "status": "failed", "timestamp": "1790000000", "recipient_id": "551187654321",
            "errors": [{ "code": 131_047, "title": "Re-engagement message" }] });
        let value =
            json!({ "metadata": { "phone_number_id": "77" }, "statuses": [failed, { "id": "x", "status": "warped" }] });
        let news = read(&json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] }), "77");
        let [News::Status(status)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!((status.reached, status.person.as_str()), (MessageStatus::Failed, "5511987654321"));
        assert_eq!(status.why.as_deref(), Some("131047: Re-engagement message"));
    }

    fn json_of_any_kind() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("entry"),
            Just("changes"),
            Just("value"),
            Just("field"),
            Just("messages"),
            Just("statuses"),
            Just("contacts"),
            Just("text"),
            Just("type"),
            Just("id"),
            Just("from"),
            Just("timestamp"),
            Just("interactive"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((word.clone(), inner), 0..5)
                    .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(batch in json_of_any_kind()) {
            let _ = read(&batch, "77");
        }
    }
}
