//! The way back: what a reply needs to reach whoever asked. Travels with the message as its context.

use dovvybuddy_core::{ConversationKey, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long an interaction's token can be used, less a minute for the way.
pub(crate) const TICKET_LASTS: Duration = Duration::from_mins(14);

/// The way back to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// The channel, thread or direct chat it was said in.
    pub(crate) channel: String,
    /// The message that the reply points at; none in direct chats, where it would only be noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<String>,
    /// The slash command or button it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<Ticket>,
    /// The only person who may read the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only_for: Option<String>,
}

/// The right to answer an interaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The interaction's id.
    pub(crate) id: String,
    /// The application it was given to.
    pub(crate) application: String,
    /// Its token.
    pub(crate) token: String,
    /// When it reached us.
    pub(crate) since: Timestamp,
}

impl Ticket {
    /// Whether its token can still be used.
    pub(crate) fn good(&self, now: Timestamp) -> bool {
        now.since(self.since) < TICKET_LASTS
    }
}

impl Way {
    /// The way to a place, without any message to answer.
    pub(crate) fn to(channel: impl Into<String>) -> Self {
        Self { channel: channel.into(), reply_to: None, ticket: None, only_for: None }
    }

    /// Reads a context; without one, the conversation tells the place.
    pub(crate) fn read(context: &Value, conversation: &ConversationKey) -> Self {
        serde_json::from_value(context.clone()).unwrap_or_else(|_| Self::to(channel_of(&conversation.conversation)))
    }

    /// As a context.
    pub(crate) fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The channel of a conversation: everything before the diver's part.
pub(crate) fn channel_of(conversation: &str) -> &str {
    conversation.split_once('/').map_or(conversation, |(channel, _)| channel)
}
