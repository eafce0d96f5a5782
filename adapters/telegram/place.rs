//! Chats and topics: where a conversation takes place, and what became of its chat.

use std::time::Duration;

use moka::sync::Cache;
use serde::{Deserialize, Serialize};

/// Where messages are written: a chat, or a topic of a forum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The chat; groups have negative ids.
    pub(crate) chat: i64,
    /// The topic.
    pub(crate) topic: Option<i32>,
}

impl Place {
    /// The name of the conversation: `chat`, or `chat/topic`.
    pub(crate) fn name(self) -> String {
        match self.topic {
            None => self.chat.to_string(),
            Some(topic) => format!("{}/{topic}", self.chat),
        }
    }

    /// The inverse of [`Self::name`].
    pub(crate) fn read(name: &str) -> Option<Self> {
        match name.split_once('/') {
            None => Some(Self { chat: name.parse().ok()?, topic: None }),
            Some((chat, topic)) => Some(Self { chat: chat.parse().ok()?, topic: Some(topic.parse().ok()?) }),
        }
    }
}

/// What is needed to answer a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Context {
    /// The message that is answered, in groups, where others write in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<i32>,
}

/// How many chats are remembered as gone or moved; what is forgotten the platform tells again.
const REMEMBERED: u64 = 10_000;
/// For how long.
const MEMORY: Duration = Duration::from_hours(24);

/// What became of chats. Kept in memory alone: after a restart the platform says it again.
pub(crate) struct Chats {
    gone: Cache<i64, ()>,
    moved: Cache<i64, i64>,
}

impl Default for Chats {
    fn default() -> Self {
        let gone = Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        let moved = Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        Self { gone, moved }
    }
}

impl Chats {
    /// We were blocked or removed.
    pub(crate) fn left(&self, chat: i64) {
        self.gone.insert(chat, ());
    }

    /// We may write there again.
    pub(crate) fn joined(&self, chat: i64) {
        self.gone.invalidate(&chat);
    }

    /// Whether writing there is in vain.
    pub(crate) fn is_gone(&self, chat: i64) -> bool {
        self.gone.contains_key(&chat)
    }

    /// A group became a supergroup.
    pub(crate) fn moved(&self, from: i64, to: i64) {
        self.moved.insert(from, to);
    }

    /// Where a conversation takes place by now.
    pub(crate) fn now_at(&self, place: Place) -> Place {
        self.moved.get(&place.chat).map_or(place, |chat| Place { chat, ..place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_conversation_of_its_own() {
        for place in [Place { chat: -1001, topic: Some(5) }, Place { chat: 7, topic: None }] {
            assert_eq!(Place::read(&place.name()), Some(place));
        }
        assert_eq!(Place::read("x"), None);
    }
}
