//! What Twilio brings: a form for each message, and one for each step of a message of ours.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use dovvybuddy_core::TurnId;
use dovvybuddy_core::channel::{Command, Content, Inbound, MessageStatus, Sender};
use dovvybuddy_core::intake::{Intake, Refusal};

use super::signature::{Fields, is_signed};
use super::{Context, OVER_WHATSAPP, Twilio};

/// The path Twilio calls.
pub const PATH: &str = "/webhooks/twilio";
/// Larger than any form of a message.
const LARGEST: usize = 64 * 1024;
/// When a message that can't be stored shall come again, in seconds.
const COME_AGAIN: &str = "2";
/// How long storing a message may take; Twilio waits 15 seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// "Nothing to say right now"; the reply comes by the API.
const NOTHING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// The address Twilio calls.
pub fn router(twilio: Arc<Twilio>) -> Router {
    Router::new().route(PATH, post(receive)).layer(DefaultBodyLimit::max(LARGEST)).with_state(twilio)
}

async fn receive(
    State(twilio): State<Arc<Twilio>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let url = twilio.called_at(&uri, header("host"));
    if !is_signed(&twilio.config.auth_token, header("x-twilio-signature"), &url, &fields) {
        tracing::warn!(url, "a call of Twilio is not believed; is http.public_url the address in its console?");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(intake) = twilio.intake() else { return come_again() };
    let taker = Arc::clone(&twilio);
    // Goes on even if Twilio does not wait for it: an emergency may be on its way out.
    let taken = twilio.tasks.spawn(async move { taker.take(&Form(fields), &intake).await });
    match tokio::time::timeout(PATIENCE, taken).await {
        Ok(Ok(true)) => ([(header::CONTENT_TYPE, "text/xml")], NOTHING).into_response(),
        _ => come_again(),
    }
}

fn come_again() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_AGAIN)]).into_response()
}

/// The fields by name; empty counts as absent.
struct Form(Fields);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

impl Twilio {
    /// The address Twilio signed: the public one with the query it called with.
    fn called_at(&self, uri: &Uri, host: &str) -> String {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        match &self.config.url {
            Some(url) => format!("{url}{query}"),
            None => format!("http://{host}{}{query}", uri.path()),
        }
    }

    /// Takes a form in; `true` when Twilio may forget it.
    async fn take(&self, form: &Form, intake: &Intake) -> bool {
        let Some(id) = form.get("MessageSid").or_else(|| form.get("SmsSid")) else { return true };
        // What became of a message of ours; a message of a diver has status "received", or none.
        if let Some(status) = form.get("MessageStatus").or_else(|| form.get("SmsStatus")).and_then(status) {
            return self.note(id, status, form, intake).await;
        }
        let Some((from, content)) = form.get("From").zip(content(form)) else { return true };
        let turn = self.again.get(id).unwrap_or_else(|| TurnId(intake.clock().uuid()));
        let inbound = self.inbound(turn, id, from, content, form, intake);
        self.window.heard(from, inbound.received_at);
        if let Some(us) = form.get("To") {
            self.ours.insert(from.to_owned(), us.to_owned());
        }
        match intake.accept(inbound).await {
            Ok(_) | Err(Refusal::Limited { .. } | Refusal::Conflict) => true,
            Err(refusal @ (Refusal::Overloaded | Refusal::Unavailable(_))) => {
                tracing::warn!(%turn, why = %refusal, "a message stays with Twilio for now");
                // When it comes again it is the same turn, so that nothing urgent is said twice.
                self.again.insert(id.to_owned(), turn);
                false
            }
        }
    }

    async fn note(&self, id: &str, status: MessageStatus, form: &Form, intake: &Intake) -> bool {
        if status == MessageStatus::Failed {
            tracing::warn!(code = form.get("ErrorCode"), "Twilio could not deliver a message");
        }
        let Some(to) = form.get("To") else { return true };
        let noted = intake.note_status(&self.conversation(to), id, status, intake.clock().now()).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error, "a status stays with Twilio for now");
        }
        noted.is_ok()
    }

    fn inbound(&self, turn: TurnId, id: &str, from: &str, content: Content, form: &Form, intake: &Intake) -> Inbound {
        let now = intake.clock().now();
        let settles = !matches!(content, Content::Command(_));
        let conversation = self.conversation(from);
        let context = Context { us: form.get("To").unwrap_or_default().to_owned(), said_at: Some(now) };
        let number = from.strip_prefix(OVER_WHATSAPP);
        let contact = number
            .map_or_else(|| from.to_owned(), |number| format!("https://wa.me/{}", number.trim_start_matches('+')));
        Inbound {
            turn,
            sender: Sender {
                key: conversation.diver(from),
                name: form.get("ProfileName").map(str::to_owned),
                locale: None,
                contact: Some(contact),
            },
            conversation,
            event_id: id.to_owned(),
            fingerprint: None,
            content,
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.config.settle) } else { now },
            profile: None,
            state: None,
            context: serde_json::to_value(context).unwrap_or_default(),
        }
    }
}

fn status(word: &str) -> Option<MessageStatus> {
    Some(match word {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => MessageStatus::Sent,
        "failed" | "undelivered" | "canceled" => MessageStatus::Failed,
        "delivered" => MessageStatus::Delivered,
        "read" => MessageStatus::Read,
        _ => return None,
    })
}

/// What a form says; `None` for nothing at all.
fn content(form: &Form) -> Option<Content> {
    if let Some(command) = form.get("ButtonPayload").and_then(Command::from_token) {
        return Some(Content::Command(command));
    }
    let words = form.get("Body");
    let media = form.get("NumMedia").is_some_and(|count| count != "0") || form.get("Latitude").is_some();
    match words {
        words if media => Some(Content::Unsupported { caption: words.map(str::to_owned) }),
        words => words.or_else(|| form.get("ButtonText")).map(Content::written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_says_words_media_or_a_button() {
        assert_eq!(
            content(&form(&[("Body", " How deep? "), ("NumMedia", "0")])),
            Some(Content::Text("How deep?".into()))
        );
        assert_eq!(content(&form(&[("Body", ""), ("NumMedia", "1")])), Some(Content::Unsupported { caption: None }));
        let caption = Some("my gauge".to_owned());
        assert_eq!(content(&form(&[("Body", "my gauge"), ("NumMedia", "2")])), Some(Content::Unsupported { caption }));
        assert_eq!(
            content(&form(&[("Body", "Trip"), ("ButtonPayload", "choose:trip")])),
            Some(Content::Command(Command::Choose("trip".into())))
        );
        assert_eq!(content(&form(&[("Body", "/profile")])), Some(Content::Command(Command::Profile)));
        assert_eq!(content(&form(&[])), None);
    }

    #[test]
    fn a_message_of_a_diver_is_no_status_of_ours() {
        assert_eq!(status("received"), None);
        assert_eq!(status("undelivered"), Some(MessageStatus::Failed));
        assert_eq!(status("read"), Some(MessageStatus::Read));
    }
}
