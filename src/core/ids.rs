//! The names things go by: bots, channels, conversations, divers, sessions, turns.
//!
//! Every key begins with the bot's id, so that one daemon can serve several bots later without
//! re-keying anything stored.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One bot served by this daemon; `default` unless configured.
    BotId
);
name!(
    /// A channel divers write from: `web`, `terminal`, `telegram`, `webhook:<name>`…
    ChannelId
);
name!(
    /// An agent's id, as in the front matter of its prompt file.
    AgentId
);

impl Default for BotId {
    fn default() -> Self {
        Self::new("default")
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl $name {
            /// Reads the lower-case hyphenated form; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                let id = Uuid::try_parse(text).ok()?;
                (id.hyphenated().to_string() == text).then_some(Self(id))
            }
        }
    };
}

uuid_id!(
    /// One diver's running conversation, as the outside sees it.
    SessionId
);
uuid_id!(
    /// One message (or burst) of a diver and the one reply that covers it.
    TurnId
);
uuid_id!(
    /// A diver's request to be put in touch with a professional.
    LeadId
);

/// Something the operator is told until somebody acknowledges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub i64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AlertId {
    /// Reads what [`Self`] prints; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let id: i64 = text.parse().ok()?;
        (id.to_string() == text).then_some(Self(id))
    }
}

/// Where a conversation takes place. Turns and replies within one keep their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// The bot that is spoken to.
    pub bot: BotId,
    /// The channel it is spoken to on.
    pub channel: ChannelId,
    /// The bot's own account on that channel (a Telegram bot id, a WhatsApp number), empty where
    /// the channel has only one.
    pub account: String,
    /// The platform's conversation: chat, topic, thread; on the web the session id.
    pub conversation: String,
}

/// Who sent a message. Profiles and limits belong to this key, never to a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DiverKey {
    /// The bot that is spoken to.
    pub bot: BotId,
    /// The channel the diver is known on.
    pub channel: ChannelId,
    /// The bot's account on that channel; see [`ConversationKey::account`].
    pub account: String,
    /// The platform's id of the sender; on the anonymous web the session id.
    pub user: String,
}

impl ConversationKey {
    /// One string per key, and one key per string: fields carry their length, so that no field's
    /// content can imitate a separator.
    pub fn encode(&self) -> String {
        encode([self.bot.as_str(), self.channel.as_str(), &self.account, &self.conversation])
    }

    /// The key of somebody who writes here.
    pub fn diver(&self, user: impl Into<String>) -> DiverKey {
        let Self { bot, channel, account, .. } = self.clone();
        DiverKey { bot, channel, account, user: user.into() }
    }

    /// What the encoded keys of a bot's channel begin with, and no others.
    pub fn prefix(bot: &BotId, channel: &ChannelId) -> String {
        encode([bot.as_str(), channel.as_str()])
    }

    /// What the encoded keys of a bot begin with, and no others.
    pub fn of_bot(bot: &BotId) -> String {
        encode([bot.as_str()])
    }

    /// The inverse of [`Self::encode`]; `None` for anything it did not write.
    pub fn decode(text: &str) -> Option<Self> {
        let [bot, channel, account, conversation] = decode(text)?;
        Some(Self { bot: BotId(bot), channel: ChannelId(channel), account, conversation })
    }
}

impl DiverKey {
    /// As [`ConversationKey::encode`].
    pub fn encode(&self) -> String {
        encode([self.bot.as_str(), self.channel.as_str(), &self.account, &self.user])
    }

    /// As [`ConversationKey::decode`].
    pub fn decode(text: &str) -> Option<Self> {
        let [bot, channel, account, user] = decode(text)?;
        Some(Self { bot: BotId(bot), channel: ChannelId(channel), account, user })
    }
}

fn encode<const N: usize>(fields: [&str; N]) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(fields.iter().map(|f| f.len() + 4).sum());
    for field in fields {
        // Writing to a String can't fail.
        let _ = write!(out, "{}:{field}", field.len());
    }
    out
}

fn decode(mut text: &str) -> Option<[String; 4]> {
    let mut fields: [String; 4] = Default::default();
    for field in &mut fields {
        let (length, rest) = text.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let value = rest.get(..length)?;
        value.clone_into(field);
        text = rest.get(length..)?;
    }
    text.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: &str, conversation: &str) -> ConversationKey {
        ConversationKey {
            bot: BotId::default(),
            channel: ChannelId::new("web"),
            account: account.into(),
            conversation: conversation.into(),
        }
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        assert_ne!(key("a1:b", "c").encode(), key("a", "1:bc").encode());
        for k in [key("", ""), key("4:x", "潜水"), key("a:", ":b")] {
            assert_eq!(ConversationKey::decode(&k.encode()), Some(k));
        }
    }

    #[test]
    fn session_ids_are_lower_case_and_hyphenated() {
        assert!(SessionId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").is_some());
        assert!(SessionId::parse("6F9619FF-8B86-4D01-B42D-00CF4FC964FF").is_none());
        assert!(SessionId::parse("6f9619ff8b864d01b42d00cf4fc964ff").is_none());
    }
}
