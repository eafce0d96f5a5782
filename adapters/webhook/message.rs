//! What a system posts for a diver.

use serde_json::Value;

/// The longest text, in characters after trimming.
const LONGEST_TEXT: usize = 2000;
/// The longest name of a conversation, user or message, in characters.
const LONGEST_NAME: usize = 200;
/// The longest language tag.
const LONGEST_LOCALE: usize = 35;

/// A diver's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) conversation: String,
    pub(crate) user: String,
    pub(crate) name: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) text: String,
    pub(crate) id: Option<String>,
}

/// A field that can't be used, by its dotted path, and what is wrong with it.
pub type WrongField = (String, String);

impl Message {
    /// Reads a body; all wrong fields are told at once.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<WrongField>> {
        if !body.is_object() {
            return Err(vec![("body".to_owned(), "must be a JSON object".to_owned())]);
        }
        let mut fields = Fields::default();
        let user = body.get("user").unwrap_or(&Value::Null);
        if !user.is_object() {
            fields.wrong("user", "must be an object with an id");
        }
        let message = Self {
            conversation: fields.required(body, "conversation", "conversation", LONGEST_NAME),
            user: if user.is_object() { fields.required(user, "id", "user.id", LONGEST_NAME) } else { String::new() },
            name: fields.optional(user, "name", "user.name", LONGEST_NAME),
            locale: fields.optional(user, "locale", "user.locale", LONGEST_LOCALE),
            text: fields.required(body, "text", "text", LONGEST_TEXT),
            id: match fields.optional(body, "messageId", "messageId", LONGEST_NAME) {
                None => fields.optional(body, "message_id", "messageId", LONGEST_NAME),
                named => named,
            },
        };
        if fields.wrong.is_empty() { Ok(message) } else { Err(fields.wrong) }
    }
}

#[derive(Default)]
struct Fields {
    wrong: Vec<WrongField>,
}

impl Fields {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.wrong.push((path.to_owned(), message.into()));
    }

    fn required(&mut self, of: &Value, name: &str, path: &str, most: usize) -> String {
        match self.optional(of, name, path, most) {
            Some(text) => text,
            None if self.wrong.iter().any(|(wrong, _)| wrong == path) => String::new(),
            None => {
                self.wrong(path, "must not be empty");
                String::new()
            }
        }
    }

    /// A text without blanks around it; blank counts as none. A NUL, which some databases can't hold, is
    /// replaced.
    fn optional(&mut self, of: &Value, name: &str, path: &str, most: usize) -> Option<String> {
        let text = match of.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => text.trim(),
            Some(_) => {
                self.wrong(path, "must be a text");
                return None;
            }
        };
        if text.chars().count() > most {
            self.wrong(path, format!("must have at most {most} characters"));
            return None;
        }
        (!text.is_empty()).then(|| text.replace('\0', "\u{fffd}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(body: &Value) -> Vec<String> {
        Message::read(body).err().unwrap_or_default().into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn a_message_is_read_with_what_it_says_of_its_user() {
        let body = json!({ "conversation": " room-7 ", "user": { "id": "u1", "name": "Ana", "locale": "pt-BR", "x": 1 },
            "text": " hi\u{0} ", "messageId": "m1", "unknown": [] });
        let message = Message::read(&body).unwrap();
        assert_eq!((message.conversation.as_str(), message.user.as_str()), ("room-7", "u1"));
        assert_eq!((message.text.as_str(), message.id.as_deref()), ("hi\u{fffd}", Some("m1")));
        assert_eq!((message.name.as_deref(), message.locale.as_deref()), (Some("Ana"), Some("pt-BR")));
    }

    #[test]
    fn wrong_fields_are_named_all_at_once() {
        assert_eq!(wrong(&json!([])), ["body"]);
        assert_eq!(wrong(&json!({})), ["user", "conversation", "text"]);
        let user = json!({ "id": " " });
        assert_eq!(wrong(&json!({ "conversation": "c", "user": user, "text": "  " })), ["user.id", "text"]);
        let user = json!({ "id": "u", "name": 7 });
        assert_eq!(
            wrong(&json!({ "conversation": "c".repeat(201), "user": user, "text": "é".repeat(2001) })),
            ["conversation", "user.name", "text"]
        );
        assert!(wrong(&json!({ "conversation": "c", "user": { "id": "u" }, "text": "é".repeat(2000) })).is_empty());
    }
}
