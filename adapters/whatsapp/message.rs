//! What Meta's messengers have in common on the way in and out.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::{Action, Command, Content};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const ELLIPSIS: char = '…';

/// One message, as it is kept in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub(crate) text: String,
    /// What can be pressed under it: label and data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) buttons: Vec<(String, String)>,
    /// It waits for no pace of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) urgent: bool,
}

/// The text of a rendered part.
#[cfg(test)]
pub(crate) fn visible_text(payload: &Value) -> String {
    Payload::deserialize(payload).map(|payload| payload.text).unwrap_or_default()
}

/// What is needed to answer a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// The person as the platform names them.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// The message.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// When it was said.
    #[serde(default)]
    pub(crate) said_at: Option<Timestamp>,
}

/// As the outbox and the inbox keep it.
pub(crate) fn stored<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The items of a list, if it is one.
pub(crate) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A field's text, unless it is empty.
pub(crate) fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of[name].as_str().filter(|text| !text.is_empty())
}

/// What a pressed button means; one that is not ours says what stands on it.
pub(crate) fn pressed(data: Option<&str>, label: Option<&str>) -> Option<Content> {
    let command = data.and_then(Command::from_token).map(Content::Command);
    command.or_else(|| label.map(str::trim).filter(|label| !label.is_empty()).map(Content::written))
}

/// The markdown of a reply, with its question where no button shows that whole.
pub(crate) fn with_question(markdown: &str, question: Option<&str>, buttons: &[(String, String)]) -> String {
    let mut markdown = markdown.to_owned();
    if let Some(question) = question
        && !buttons.iter().any(|(label, _)| label == question)
    {
        markdown.extend(["\n\n", question]);
    }
    markdown
}

/// What can be pressed: at most `most`, ratings going first where there is more, for they help us and not the diver.
pub(crate) fn offered(actions: &[Action], comfortable: usize, most: usize) -> Vec<(&Action, String)> {
    let tokens = actions.iter().filter_map(|action| Some((action, action.command.token()?)));
    let mut shown: Vec<(&Action, String)> = tokens.collect();
    if shown.len() > comfortable {
        shown.retain(|(action, _)| !matches!(action.command, Command::Rate { .. }));
    }
    shown.truncate(most);
    shown
}

/// A label cut to so many UTF-16 units.
pub(crate) fn cut(label: &str, longest: usize) -> String {
    if label.encode_utf16().count() <= longest {
        return label.to_owned();
    }
    let mut short = String::new();
    for character in label.chars() {
        if short.encode_utf16().count() + character.len_utf16() >= longest {
            break;
        }
        short.push(character);
    }
    short.truncate(short.trim_end().len());
    short.push(ELLIPSIS);
    short
}
