//! What a diver's message looks like on the wire.

use dovvybuddy_core::channel::{Command, Content};
use dovvybuddy_core::session::DiverProfile;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::form::Form;

/// The longest message, in Unicode scalar values after trimming.
const LONGEST: usize = 2000;

/// A diver's message. Field names are accepted in snake case too; unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatRequest {
    /// The message, 1 to 2000 characters; leading and trailing white space does not count.
    #[schema(pattern = r"^\s*\S([\s\S]{0,1998}\S)?\s*$", example = "What is the depth limit for Open Water divers?")]
    pub(crate) message: String,
    /// The session to go on with. Without it, or with one we never issued, a new one begins.
    #[schema(required = false)]
    pub(crate) session_id: Option<String>,
    /// What the client knows of the diver.
    #[schema(required = false, value_type = Object)]
    pub(crate) diver_profile: Option<Map<String, Value>>,
    /// The client's own notes on the conversation.
    #[schema(required = false, value_type = Object)]
    pub(crate) session_state: Option<Map<String, Value>>,
}

impl ChatRequest {
    /// Reads and checks the fields.
    pub(crate) fn read(mut form: Form) -> Result<Self, ApiError> {
        let message = match form.string(&["message"]) {
            Some(text) => text.trim().to_owned(),
            None => String::new(),
        };
        let request = Self {
            session_id: form.string(&["sessionId", "session_id"]),
            diver_profile: form.object(&["diverProfile", "diver_profile"]),
            session_state: form.object(&["sessionState", "session_state"]),
            message,
        };
        request.check_message(&mut form);
        form.finish()?;
        Ok(request)
    }

    fn check_message(&self, form: &mut Form) {
        if self.message.is_empty() && !form.complains_of("message") {
            form.wrong("message", "must not be empty");
        }
        if self.message.chars().count() > LONGEST {
            form.wrong("message", format!("must be at most {LONGEST} characters long"));
        }
    }

    /// A command, or words.
    pub(crate) fn content(&self) -> Content {
        command(&self.message).map_or_else(|| Content::Text(self.message.clone()), Content::Command)
    }

    /// The profile in the domain's words.
    pub(crate) fn profile(&self) -> Option<DiverProfile> {
        self.diver_profile.clone().map(DiverProfile::read)
    }

    /// The client's notes.
    pub(crate) fn state(&self) -> Option<Value> {
        self.session_state.clone().map(Value::Object)
    }
}

/// The commands, as they are typed on every channel.
fn command(message: &str) -> Option<Command> {
    Command::named(&message.strip_prefix('/')?.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<ChatRequest, Vec<String>> {
        let form = crate::body::parse(value.to_string().as_bytes()).unwrap();
        ChatRequest::read(form).map_err(|error| match error {
            ApiError::Invalid(details) => details.into_iter().map(|d| d.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn length_is_counted_in_scalars_after_trimming() {
        assert!(read(&json!({"message": format!("  {}\n", "🤿".repeat(2000))})).is_ok());
        assert_eq!(read(&json!({"message": "🤿".repeat(2001)})).unwrap_err(), ["message"]);
        for blank in ["", "   ", "\n\t\u{3000}"] {
            assert_eq!(read(&json!({"message": blank})).unwrap_err(), ["message"]);
        }
    }

    #[test]
    fn wrong_types_are_named_once_each() {
        let wrong = json!({"message": 7, "sessionId": {}, "diver_profile": [], "sessionState": "x"});
        assert_eq!(read(&wrong).unwrap_err(), ["message", "sessionId", "diver_profile", "sessionState"]);
        assert_eq!(read(&json!({})).unwrap_err(), ["message"]);
        assert!(read(&json!({"message": "hi", "sessionId": null, "diverProfile": null})).is_ok());
    }

    #[test]
    fn only_a_whole_message_is_a_command() {
        assert_eq!(command("/Forget"), Some(Command::Forget));
        assert_eq!(command("/forget everything you know"), None);
        assert_eq!(command("what does /help do"), None);
    }
}
