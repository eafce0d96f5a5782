//! On the way out: a reply becomes messages without markup, which neither app shows, with what can be pressed under
//! the last.

use std::ops::Range;

use dovvybuddy_core::channel::{Action, DeliveryKey, OutboundPart, Receipt, Rendering, SendError, TextLimit};
use dovvybuddy_core::reply::Safety;
use dovvybuddy_core::split::split;
use dovvybuddy_core::styled::Styled;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::Messenger;
use crate::api::CallError;
use crate::message::{Context, Payload, cut, offered, with_question};

/// How many quick replies there may be, and how long what stands on one.
const MOST_BUTTONS: usize = 13;
const LONGEST_LABEL: usize = 20;
/// Stands where there is nothing to say.
const ELLIPSIS: &str = "…";

/// The messages a reply is sent as.
pub(super) fn render(rendering: &Rendering<'_>, limit: TextLimit) -> Vec<Payload> {
    let reply = rendering.reply;
    let buttons = buttons(rendering.actions);
    let markdown = with_question(&reply.text, reply.follow_up.as_deref(), &buttons);
    let styled = Styled::read(&markdown);
    let urgent = reply.safety == Safety::Emergency;
    let pieces = split(styled.text(), limit);
    let text = |range: Range<usize>| styled.text().get(range).unwrap_or_default().to_owned();
    let mut parts: Vec<Payload> =
        pieces.into_iter().map(|range| Payload { text: text(range), buttons: Vec::new(), urgent }).collect();
    if parts.is_empty() {
        parts.push(Payload { text: ELLIPSIS.to_owned(), buttons: Vec::new(), urgent });
    }
    if let Some(last) = parts.last_mut() {
        last.buttons = buttons;
    }
    parts
}

fn buttons(actions: &[Action]) -> Vec<(String, String)> {
    let shown = offered(actions, MOST_BUTTONS, MOST_BUTTONS);
    shown.into_iter().map(|(action, token)| (cut(&action.label, LONGEST_LABEL), token)).collect()
}

/// The body of the call that sends it.
fn message(to: &str, payload: &Payload) -> Value {
    let mut message = json!({ "text": payload.text });
    if !payload.buttons.is_empty() {
        let quick =
            |(title, data): &(String, String)| json!({ "content_type": "text", "title": title, "payload": data });
        message["quick_replies"] = payload.buttons.iter().map(quick).collect();
    }
    json!({ "recipient": { "id": to }, "messaging_type": "RESPONSE", "message": message })
}

impl Messenger {
    /// Sends a part.
    pub(super) async fn deliver(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let payload = Payload::deserialize(&part.payload).map_err(|e| SendError::Rejected(e.to_string()))?;
        let context = Context::deserialize(&part.context).unwrap_or_default();
        let person = &part.conversation.conversation;
        let call = async {
            let now = self.line.intake().map(|intake| intake.clock().now());
            if !now.is_none_or(|now| self.line.window.is_open(person, context.said_at, now)) {
                return Err(CallError::Closed);
            }
            self.said.saying(person, &payload.text);
            let sent = self.api.send(&message(person, &payload)).await?;
            let id = sent["message_id"].as_str().map(str::to_owned);
            if let Some(id) = &id {
                self.said.said(id);
            }
            Ok(Receipt(id))
        };
        self.line.deliver(part, key, &payload, call).await
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::channel::Command;
    use dovvybuddy_core::reply::Reply;
    use dovvybuddy_core::{AgentId, Lang, TurnId};

    use super::super::Product;
    use super::*;

    fn rendered(text: &str, labels: &[&str], product: Product) -> Vec<Payload> {
        let turn = TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap();
        let reply = Reply::fixed(text, AgentId::new("certification"), Lang::En);
        let actions: Vec<Action> = labels.iter().map(|label| Action::new(*label, Command::FollowUp { turn })).collect();
        render(&Rendering { turn, reply: &reply, actions: &actions }, product.longest())
    }

    #[test]
    fn markup_goes_and_what_can_be_pressed_stays() {
        let parts = rendered("Up to **18 m** [1].", &["Would you like to hear how deep?"], Product::Messenger);
        assert_eq!(parts[0].text, "Up to 18 m [1].");
        let body = message("ana", &parts[0]);
        assert_eq!((&body["recipient"]["id"], &body["messaging_type"]), (&json!("ana"), &json!("RESPONSE")));
        assert_eq!(body["message"]["quick_replies"][0]["title"], "Would you like to h…");
    }

    #[test]
    fn instagram_counts_bytes() {
        let thai = "ดำน้ำลึกได้สิบแปดเมตร ".repeat(60);
        let parts = rendered(&thai, &["ต่อไป"], Product::Instagram);
        assert!(parts.len() > 3 && parts.iter().all(|part| part.text.len() <= 1000), "{}", parts.len());
        assert!(parts.iter().rev().skip(1).all(|part| part.buttons.is_empty()));
        assert_eq!(rendered(&thai, &[], Product::Messenger).len(), 1);
    }
}
