//! On the way out: a reply becomes messages, and a message is sent.

use dovvybuddy_core::channel::{Action, DeliveryKey, OutboundPart, Receipt, Rendering, SendError};
use dovvybuddy_core::reply::Safety;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::WhatsApp;
use super::number::is_number;
use crate::api::CallError;
use crate::markup::pieces;
use crate::message::{Context, Payload, cut, offered, with_question};

/// The longest text of a message, and of one with buttons or a list under it.
pub(super) const LONGEST: usize = 4096;
const LONGEST_ABOVE_BUTTONS: usize = 1024;
/// How many buttons there may be, and how long what stands on one.
const MOST_BUTTONS: usize = 3;
const LONGEST_LABEL: usize = 20;
/// The same of a list's rows.
const MOST_ROWS: usize = 10;
const LONGEST_ROW: usize = 24;
const LONGEST_DESCRIPTION: usize = 72;
/// Opens a list, in every language.
const OPENS_LIST: &str = "☰";

/// The messages a reply is sent as.
pub(super) fn render(rendering: &Rendering<'_>) -> Vec<Payload> {
    let reply = rendering.reply;
    let buttons = buttons(rendering.actions);
    let markdown = with_question(&reply.text, reply.follow_up.as_deref(), &buttons);
    let last = if buttons.is_empty() { LONGEST } else { LONGEST_ABOVE_BUTTONS };
    let urgent = reply.safety == Safety::Emergency;
    let mut parts: Vec<Payload> = pieces(&markdown, LONGEST, last)
        .into_iter()
        .map(|piece| Payload { text: piece.marked, buttons: Vec::new(), urgent })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.buttons = buttons;
    }
    parts
}

/// What can be pressed, as buttons, or where there is more as rows of a list.
fn buttons(actions: &[Action]) -> Vec<(String, String)> {
    let shown = offered(actions, MOST_BUTTONS, MOST_ROWS);
    let longest = if shown.len() > MOST_BUTTONS { LONGEST_ROW + LONGEST_DESCRIPTION } else { LONGEST_LABEL };
    shown.into_iter().map(|(action, token)| (cut(&action.label, longest), token)).collect()
}

/// The body of the call that sends it.
fn message(to: &str, payload: &Payload) -> Value {
    let mut body = addressed(to);
    if payload.buttons.is_empty() {
        body["type"] = json!("text");
        body["text"] = json!({ "body": payload.text, "preview_url": false });
        return body;
    }
    body["type"] = json!("interactive");
    let action = if payload.buttons.len() <= MOST_BUTTONS {
        let button = |(title, id): &(String, String)| json!({ "type": "reply", "reply": { "id": id, "title": title } });
        json!({ "buttons": payload.buttons.iter().map(button).collect::<Vec<_>>() })
    } else {
        let rows: Vec<Value> = payload.buttons.iter().map(row).collect();
        json!({ "button": OPENS_LIST, "sections": [{ "rows": rows }] })
    };
    let kind = if payload.buttons.len() <= MOST_BUTTONS { "button" } else { "list" };
    body["interactive"] = json!({ "type": kind, "body": { "text": payload.text }, "action": action });
    body
}

/// A row shows the beginning large and the rest small.
fn row((label, id): &(String, String)) -> Value {
    let title = cut(label, LONGEST_ROW);
    if title == *label {
        return json!({ "id": id, "title": title });
    }
    json!({ "id": id, "title": title, "description": cut(label, LONGEST_DESCRIPTION) })
}

fn addressed(to: &str) -> Value {
    let mut body = json!({ "messaging_product": "whatsapp", "recipient_type": "individual" });
    // Somebody without a number is addressed by the platform's id of them.
    body[if is_number(to) { "to" } else { "recipient" }] = json!(to);
    body
}

impl WhatsApp {
    /// Sends a part.
    pub(super) async fn deliver(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let payload = Payload::deserialize(&part.payload).map_err(|e| SendError::Rejected(e.to_string()))?;
        let context = Context::deserialize(&part.context).unwrap_or_default();
        let person = &part.conversation.conversation;
        let to = context.to.as_deref().unwrap_or(person);
        let call = async {
            let now = self.line.intake().map(|intake| intake.clock().now());
            let open = now.is_none_or(|now| self.line.window.is_open(person, context.said_at, now));
            let sent = if open { self.api.send(&message(to, &payload)).await } else { Err(CallError::Closed) };
            let sent = match sent {
                Err(CallError::Closed) => self.send_template(to, key.part).await?,
                sent => sent?,
            };
            Ok(Receipt(sent["messages"][0]["id"].as_str().map(str::to_owned)))
        };
        self.line.deliver(part, key, &payload, call).await
    }

    /// What the platform allows in place of words that come too late: one approved template for the reply.
    async fn send_template(&self, to: &str, part: u16) -> Result<Value, CallError> {
        let Some((name, language)) = self.config.template.as_ref().filter(|_| part == 0) else {
            return Err(CallError::Closed);
        };
        let mut body = addressed(to);
        body["type"] = json!("template");
        body["template"] = json!({ "name": name, "language": { "code": language } });
        tracing::info!("the conversation has closed; the template goes out instead");
        self.api.send(&body).await
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::channel::Command;
    use dovvybuddy_core::reply::Reply;
    use dovvybuddy_core::{AgentId, Lang, TurnId};

    use super::*;

    fn turn() -> TurnId {
        TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap()
    }

    fn rates() -> [Action; 2] {
        [true, false].map(|up| Action::new(if up { "👍" } else { "👎" }, Command::Rate { turn: turn(), up }))
    }

    fn rendered(text: &str, question: Option<&str>, more: &[Action]) -> Vec<Payload> {
        let mut reply = Reply::fixed(text, AgentId::new("certification"), Lang::En);
        reply.follow_up = question.map(str::to_owned);
        let follow = question.map(|question| Action::new(question, Command::FollowUp { turn: turn() }));
        let actions: Vec<Action> = follow.into_iter().chain(more.iter().cloned()).collect();
        render(&Rendering { turn: turn(), reply: &reply, actions: &actions })
    }

    fn labels(payload: &Payload) -> Vec<&str> {
        payload.buttons.iter().map(|(label, _)| label.as_str()).collect()
    }

    #[test]
    fn follow_up_and_ratings_stand_under_an_answer() {
        let parts = rendered("Up to **18 m** [1].", Some("And with AOW?"), &rates());
        assert_eq!(parts[0].text, "Up to *18 m* [1].");
        assert_eq!(labels(&parts[0]), ["And with AOW?", "👍", "👎"]);
        let body = message("14158675309", &parts[0]);
        assert_eq!((&body["type"], &body["to"]), (&json!("interactive"), &json!("14158675309")));
        assert_eq!(body["interactive"]["action"]["buttons"][0]["reply"]["title"], "And with AOW?");
    }

    #[test]
    fn three_buttons_are_the_most_and_the_ratings_yield() {
        let more = [rates().to_vec(), vec![Action::new("Connect me with a professional", Command::Connect)]].concat();
        let parts = rendered("Up to 18 m.", Some("Would you like to hear how the deep dive works?"), &more);
        assert_eq!(labels(&parts[0]), ["Would you like to h…", "Connect me with a p…"]);
        assert!(parts[0].text.ends_with("Would you like to hear how the deep dive works?"));
        assert!(parts[0].buttons.iter().all(|(label, id)| label.encode_utf16().count() <= 20 && id.len() <= 256));
    }

    #[test]
    fn more_choices_than_buttons_are_a_list() {
        let choose = |word: &str, label: &str| Action::new(label, Command::Choose(word.to_owned()));
        let long = "Add my worries and what I said of my health";
        let choices =
            [choose("a", "One"), choose("b", "Two"), choose("c", long), Action::new("Cancel", Command::Cancel)];
        let parts = rendered("What shall it be?", None, &choices);
        let body = message("US.1349", &parts[0]);
        assert_eq!((&body["recipient"], &body["to"]), (&json!("US.1349"), &Value::Null));
        let rows = &body["interactive"]["action"]["sections"][0]["rows"];
        assert_eq!(rows.as_array().unwrap().len(), 4);
        assert_eq!(rows[2]["description"], long);
        assert!(rows[2]["title"].as_str().unwrap().encode_utf16().count() <= LONGEST_ROW);
    }

    #[test]
    fn a_long_answer_ends_in_a_message_short_enough_for_its_buttons() {
        let parts = rendered(&"A sentence of some length. ".repeat(400), None, &rates());
        let (last, before) = parts.split_last().unwrap();
        assert!(last.text.len() <= LONGEST_ABOVE_BUTTONS && last.buttons.len() == 2);
        assert!(before.iter().all(|part| part.buttons.is_empty() && part.text.len() <= LONGEST));
    }
}
