//! What Discord tells us, read tolerantly: only the fields that are used, and nothing that a new kind of
//! message, channel or component could break.

use serde::{Deserialize, Deserializer};
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
    pub(crate) kind: u32,
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
    pub(crate) kind: u32,
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
    #[serde(default)]
    pub(crate) resume_gateway_url: Option<String>,
}

/// What `GET /gateway/bot` tells.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recommended {
    pub(crate) url: String,
    #[serde(default = "one_shard")]
    pub(crate) shards: u32,
    #[serde(default)]
    pub(crate) session_start_limit: StartLimit,
}

/// How many sessions may begin; the defaults are those of a small bot.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct StartLimit {
    pub(crate) total: u32,
    pub(crate) remaining: u32,
    pub(crate) reset_after: u64,
    pub(crate) max_concurrency: u16,
}

impl Default for StartLimit {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60 * 1_000;
        Self { total: 1_000, remaining: 1_000, reset_after: DAY, max_concurrency: 1 }
    }
}

const fn one_shard() -> u32 {
    1
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
    pub(crate) kind: u32,
    #[serde(default, deserialize_with = "or_default")]
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

/// Where null stands, as where nothing stands.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_missing_or_new_does_not_make_the_bot_deaf() {
        let told: Recommended = from_value(json!({ "url": "wss://gateway" })).unwrap();
        assert_eq!((told.shards, told.session_start_limit.remaining), (1, 1_000));
        assert_eq!(told.session_start_limit.max_concurrency, 1);
        let ready: ReadyEvent = from_value(json!({ "user": { "id": "9" }, "session_id": "s" })).unwrap();
        assert_eq!(ready.resume_gateway_url, None);
        let new = json!({ "id": "1", "channel_id": "2", "author": { "id": "3" }, "type": 70_000 });
        assert_eq!(from_value::<MessageEvent>(new).unwrap().kind, 70_000);
        let none = json!({ "id": "1", "type": 3, "token": "t", "data": null });
        assert_eq!(from_value::<InteractionEvent>(none).unwrap().data.custom_id, "");
    }
}
