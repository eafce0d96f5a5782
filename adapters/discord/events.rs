//! What Discord tells us, read tolerantly: only the fields that are used, and nothing that a new kind of
//! message, channel or component could break.

use serde::Deserialize;
use serde_json::Value;

/// Somebody who writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) global_name: Option<String>,
    #[serde(default)]
    pub(crate) bot: bool,
}

impl Person {
    /// The name others see.
    pub(crate) fn shown(&self) -> &str {
        self.global_name.as_deref().unwrap_or(&self.username)
    }
}

/// A message, from the gateway or a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct MessageEvent {
    pub(crate) id: String,
    pub(crate) channel_id: String,
    /// Absent in direct messages, and in listings.
    #[serde(default)]
    pub(crate) guild_id: Option<String>,
    pub(crate) author: Person,
    #[serde(default)]
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) mentions: Vec<Person>,
    #[serde(default)]
    pub(crate) attachments: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(crate) sticker_items: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(crate) webhook_id: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: u8,
    #[serde(default)]
    pub(crate) referenced_message: Option<Referenced>,
}

/// The message that one replies to.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Referenced {
    pub(crate) author: Person,
}

/// A place to write in.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ChannelEvent {
    pub(crate) id: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: u8,
    #[serde(default)]
    pub(crate) guild_id: Option<String>,
    #[serde(default)]
    pub(crate) last_message_id: Option<String>,
}

impl ChannelEvent {
    /// A thread of whatever kind: of announcements, public, private.
    pub(crate) const fn is_thread(&self) -> bool {
        matches!(self.kind, 10..=12)
    }
}

/// What READY tells.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadyEvent {
    pub(crate) user: Person,
    pub(crate) session_id: String,
    pub(crate) resume_gateway_url: String,
}

/// What `GUILD_CREATE` tells.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GuildEvent {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) channels: Vec<ChannelEvent>,
    #[serde(default)]
    pub(crate) threads: Vec<ChannelEvent>,
}

/// A slash command or a pressed button.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct InteractionEvent {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) application_id: String,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    #[serde(default)]
    pub(crate) data: InteractionData,
    #[serde(default)]
    pub(crate) guild_id: Option<String>,
    #[serde(default)]
    pub(crate) channel_id: Option<String>,
    #[serde(default)]
    pub(crate) channel: Option<ChannelEvent>,
    #[serde(default)]
    pub(crate) member: Option<Member>,
    #[serde(default)]
    pub(crate) user: Option<Person>,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) locale: Option<String>,
    /// The message whose button was pressed.
    #[serde(default)]
    pub(crate) message: Option<Pressed>,
}

/// A message with buttons.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Pressed {
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    pub(crate) content: String,
}

/// Somebody in a guild.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Member {
    #[serde(default)]
    pub(crate) user: Option<Person>,
}

/// What was asked or pressed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct InteractionData {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) options: Vec<Choice>,
    #[serde(default)]
    pub(crate) custom_id: String,
}

/// An option of a command.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) value: Value,
}

impl InteractionEvent {
    /// Who it comes from.
    pub(crate) fn person(&self) -> Option<&Person> {
        self.member.as_ref().and_then(|member| member.user.as_ref()).or(self.user.as_ref())
    }

    /// Whether the button stood under a message that only its reader sees.
    pub(crate) fn pressed_in_private(&self) -> bool {
        const EPHEMERAL: u64 = 1 << 6;
        self.message.as_ref().is_some_and(|message| message.flags & EPHEMERAL != 0)
    }

    /// The words given as an option.
    pub(crate) fn option(&self, name: &str) -> &str {
        self.data.options.iter().find(|option| option.name == name).and_then(|o| o.value.as_str()).unwrap_or_default()
    }
}
