//! On the way out: a reply becomes messages, a message is sent or takes a placeholder's place.

use dovvybuddy_core::channel::{
    Action, Command, DeliveryKey, Origin, OutboundPart, Receipt, Rendering, SendError, TextLimit, TextUnit,
};
use dovvybuddy_core::reply::Safety;
use dovvybuddy_core::split::{prefix, split};
use dovvybuddy_core::styled::Styled;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::payloads::{EditMessageText, EditMessageTextSetters as _, SendMessage, SendMessageSetters as _};
use teloxide::types::{
    ChatId, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, MessageId, ParseMode, ReplyParameters,
    ThreadId,
};

use crate::Telegram;
use crate::api::CallError;
use crate::html::{escaped, html};
use crate::place::{Context, Place};

/// The longest text of one message, in UTF-16 units, after its markup was taken out.
pub(crate) const LONGEST: usize = 4096;
/// A label beyond this is cut off on a telephone.
const LONGEST_LABEL: usize = 40;
/// Stands where there is nothing to say, and where more is to come.
const ELLIPSIS: &str = "…";

/// So many units as Telegram counts.
pub(crate) const fn limit(most: usize) -> TextLimit {
    TextLimit { most, unit: TextUnit::Utf16 }
}

/// One message, as it is kept in the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The text in Telegram's HTML.
    html: String,
    /// The same without markup, should the platform refuse the markup.
    pub text: String,
    /// Rows of buttons: label and data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<Vec<(String, String)>>,
    /// It waits for no pace of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    urgent: bool,
}

/// The messages a reply is sent as.
pub(crate) fn render(rendering: &Rendering<'_>) -> Vec<Payload> {
    let reply = rendering.reply;
    let mut markdown = reply.text.clone();
    if let Some(question) = &reply.follow_up {
        markdown.push_str("\n\n");
        markdown.push_str(question);
    }
    let styled = Styled::read(&markdown);
    let mut parts: Vec<Payload> = split(styled.text(), limit(LONGEST))
        .into_iter()
        .map(|piece| Payload {
            html: html(&styled, &piece),
            text: styled.text().get(piece).unwrap_or_default().to_owned(),
            buttons: Vec::new(),
            urgent: reply.safety == Safety::Emergency,
        })
        .collect();
    if parts.is_empty() {
        parts.push(plain(ELLIPSIS));
    }
    if let Some(last) = parts.last_mut() {
        last.buttons = rows(rendering.actions);
    }
    parts
}

/// An unfinished text, cut to one message.
pub(crate) fn render_progress(text: &str) -> Payload {
    let styled = Styled::read(text);
    let room = LONGEST - 2;
    let end = prefix(styled.text(), limit(room));
    let piece = 0..end;
    let shown = styled.text().get(..end).unwrap_or_default();
    let open = if shown.ends_with(ELLIPSIS) { "" } else { " …" };
    Payload {
        html: format!("{}{open}", html(&styled, &piece)),
        text: format!("{shown}{open}"),
        buttons: Vec::new(),
        urgent: false,
    }
}

/// A message without markup.
pub(crate) fn plain(text: &str) -> Payload {
    Payload { html: escaped(text), text: text.to_owned(), buttons: Vec::new(), urgent: false }
}

fn label(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    let mut short: String = label.chars().take(LONGEST_LABEL - 1).collect();
    short.truncate(short.trim_end().len());
    short + ELLIPSIS
}

/// Thumbs stand side by side, everything else in a row of its own.
fn rows(actions: &[Action]) -> Vec<Vec<(String, String)>> {
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    let mut beside = false;
    for action in actions {
        let Some(data) = action.command.token() else { continue };
        let button = (label(&action.label), data);
        let thumb = matches!(action.command, Command::Rate { .. });
        match rows.last_mut() {
            Some(row) if thumb && beside => row.push(button),
            _ => rows.push(vec![button]),
        }
        beside = thumb;
    }
    rows
}

fn keyboard(payload: &Payload) -> InlineKeyboardMarkup {
    let button = |(label, data): &(String, String)| InlineKeyboardButton::callback(label, data);
    InlineKeyboardMarkup::new(payload.buttons.iter().map(|row| row.iter().map(button).collect::<Vec<_>>()))
}

const fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Plain,
}

impl Telegram {
    /// Sends a part, or puts it in a placeholder's place.
    pub(crate) async fn deliver(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let payload = Payload::deserialize(&part.payload).map_err(|e| SendError::Rejected(e.to_string()))?;
        let context = Context::deserialize(&part.context).unwrap_or_default();
        let place = Place::read(&part.conversation.conversation)
            .ok_or_else(|| SendError::Rejected("the conversation is none of Telegram's".to_owned()))?;
        let place = self.chats.now_at(place);
        if self.chats.is_gone(place.chat) {
            return Err(SendError::Gone);
        }
        let urgent = matches!(key.origin, Origin::Urgent(_)) || payload.urgent;
        if let Origin::Urgent(_) = key.origin
            && let Some(receipt) = self.urgent.get(key)
        {
            // The same words went out already; the event only came again because it could not be stored.
            return Ok(receipt);
        }
        let room = match (part.progress, urgent) {
            (true, _) => self.pace.progress(place.chat),
            (false, true) => Ok(()),
            (false, false) => self.pace.reply(place.chat),
        };
        room.map_err(SendError::RetryAfter)?;
        let receipt = self.put(place, &payload, &context, part.replaces.as_ref()).await?;
        if let Origin::Urgent(_) = key.origin {
            self.urgent.insert(*key, receipt.clone());
        }
        Ok(receipt)
    }

    /// Says something beside the outbox: a hint that needs no receipt.
    pub(crate) async fn say_beside(&self, place: Place, payload: &Payload, context: Context) -> Result<(), SendError> {
        self.put(place, payload, &context, None).await.map(drop)
    }

    async fn put(
        &self,
        place: Place,
        payload: &Payload,
        context: &Context,
        replaces: Option<&Receipt>,
    ) -> Result<Receipt, SendError> {
        let (mut place, mut form) = (place, Form::Html);
        let mut replaces = replaces.and_then(|receipt| receipt.0.as_deref()?.parse::<i32>().ok());
        // Each pass takes away one reason to fail: markup, the placeholder, the group's old id.
        for _ in 0..4 {
            let result = match replaces {
                Some(message) => self.api.call(&edit(place, message, payload, form)).await,
                None => self.api.call(&message(place, payload, *context, form)).await,
            };
            let error = match result {
                Ok(sent) => {
                    let id = sent["message_id"].as_i64().or(replaces.map(i64::from));
                    return Ok(Receipt(id.map(|id| id.to_string())));
                }
                Err(error) => error,
            };
            match (&error, replaces) {
                (CallError::Refused(why), Some(message)) if says(why, "message is not modified") => {
                    return Ok(Receipt(Some(message.to_string())));
                }
                (CallError::Refused(why), _) if form == Form::Html && says(why, "can't parse entities") => {
                    tracing::error!(error = %error, "the platform refused our markup; the text goes without");
                    form = Form::Plain;
                }
                (CallError::Refused(why), Some(_)) if NOT_THERE.iter().any(|gone| says(why, gone)) => replaces = None,
                (CallError::Migrated(to), _) => {
                    self.chats.moved(place.chat, *to);
                    place = Place { chat: *to, ..place };
                    replaces = None;
                }
                _ => return Err(self.judge(place.chat, error, replaces.is_some())),
            }
        }
        Err(SendError::Rejected("the platform refused every form of the message".to_owned()))
    }

    /// What a failed call means for the part.
    fn judge(&self, chat: i64, error: CallError, repeatable: bool) -> SendError {
        match error {
            CallError::Unauthorized => SendError::Unauthorized,
            CallError::Throttled(wait) => {
                self.pace.quiet(chat, wait);
                SendError::RetryAfter(wait)
            }
            CallError::Forbidden(_) => {
                self.chats.left(chat);
                SendError::Gone
            }
            CallError::Refused(why) if GONE.iter().any(|gone| says(&why, gone)) => SendError::Gone,
            CallError::Refused(why) | CallError::Conflict(why) => SendError::Rejected(why),
            CallError::Migrated(_) => SendError::Rejected("the group has become a supergroup".to_owned()),
            CallError::Unreachable(cause) => SendError::Transport(cause),
            // An edit may be repeated: the second changes nothing.
            CallError::Unknown(cause) if repeatable => SendError::Transport(cause),
            CallError::Unknown(cause) => SendError::Uncertain(cause),
        }
    }
}

/// What the platform says of a message that can't be edited any more.
const NOT_THERE: [&str; 3] = ["message to edit not found", "message can't be edited", "message_id_invalid"];
/// What it says of a chat where nothing can be written any more.
const GONE: [&str; 8] = [
    "chat not found",
    "peer_id_invalid",
    "user is deactivated",
    "message thread not found",
    "topic_deleted",
    "topic_closed",
    "not enough rights to send",
    "chat_write_forbidden",
];

fn says(why: &str, words: &str) -> bool {
    why.to_lowercase().contains(words)
}

fn message(place: Place, payload: &Payload, context: Context, form: Form) -> SendMessage {
    let text = if form == Form::Html { &payload.html } else { &payload.text };
    let mut message = SendMessage::new(ChatId(place.chat), text).link_preview_options(no_preview());
    if form == Form::Html {
        message = message.parse_mode(ParseMode::Html);
    }
    if let Some(topic) = place.topic {
        message = message.message_thread_id(ThreadId(MessageId(topic)));
    }
    if let Some(to) = context.reply_to {
        message = message.reply_parameters(ReplyParameters::new(MessageId(to)).allow_sending_without_reply());
    }
    if payload.buttons.is_empty() { message } else { message.reply_markup(keyboard(payload)) }
}

fn edit(place: Place, message: i32, payload: &Payload, form: Form) -> EditMessageText {
    let text = if form == Form::Html { &payload.html } else { &payload.text };
    let mut edit =
        EditMessageText::new(ChatId(place.chat), MessageId(message), text).link_preview_options(no_preview());
    if form == Form::Html {
        edit = edit.parse_mode(ParseMode::Html);
    }
    if payload.buttons.is_empty() { edit } else { edit.reply_markup(keyboard(payload)) }
}

/// A message of ours with a note in the place of its buttons, once.
pub(crate) fn noted(place: Place, message: i32, text: &str, note: &str) -> EditMessageText {
    let text = text.strip_suffix(note).map_or(text, str::trim_end);
    let end = prefix(text, limit(LONGEST.saturating_sub(note.encode_utf16().count() + 2)));
    let text = text.get(..end).unwrap_or_default();
    edit(place, message, &plain(&format!("{text}\n\n{note}")), Form::Plain)
}

/// The text the platform counts of a rendered part.
pub fn visible_text(payload: &Value) -> String {
    Payload::deserialize(payload).map(|payload| payload.text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::reply::Reply;
    use dovvybuddy_core::{AgentId, Lang, TurnId};

    use super::*;

    fn turn() -> TurnId {
        TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap()
    }

    fn rendered(next: &str) -> Vec<Payload> {
        let mut reply = Reply::fixed("Up to **18 m** [1].", AgentId::new("certification"), Lang::En);
        reply.follow_up = Some("How many dives have you logged?".to_owned());
        let actions = [
            Action::new(next, Command::FollowUp { turn: turn() }),
            Action::new("👍", Command::Rate { turn: turn(), up: true }),
            Action::new("👎", Command::Rate { turn: turn(), up: false }),
            Action::new("Connect me", Command::Connect),
        ];
        render(&Rendering { turn: turn(), reply: &reply, actions: &actions })
    }

    #[test]
    fn buttons_stand_under_the_last_part() {
        let parts = rendered("And with AOW?");
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].html, "Up to <b>18 m</b> [1].\n\nHow many dives have you logged?");
        let labels: Vec<Vec<&str>> =
            parts[0].buttons.iter().map(|row| row.iter().map(|(label, _)| label.as_str()).collect()).collect();
        assert_eq!(labels, [vec!["And with AOW?"], vec!["👍", "👎"], vec!["Connect me"]]);
    }

    #[test]
    fn a_label_too_long_for_a_button_is_cut() {
        let parts = rendered("How does the deep adventure dive of the advanced course work?");
        let label = &parts[0].buttons[0][0].0;
        assert!(label.ends_with(ELLIPSIS) && label.chars().count() <= LONGEST_LABEL, "{label}");
    }

    #[test]
    fn progress_is_one_message_and_open_markup_is_closed() {
        let progress = render_progress("**Open Water");
        assert_eq!(progress.text, "**Open Water …");
        let long = render_progress(&"word ".repeat(2_000));
        assert!(long.text.encode_utf16().count() <= LONGEST);
        assert_eq!(render_progress("Looking …").text, "Looking …");
    }
}
