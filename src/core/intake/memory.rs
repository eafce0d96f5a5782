//! What the entrance remembers by itself, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use crate::clock::Timestamp;
use crate::ids::{ChannelId, ConversationKey};

/// When each channel last brought something: its progress, seen from inside.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<HashMap<ChannelId, Timestamp>>);

impl Arrivals {
    pub(super) fn note(&self, channel: &ChannelId, at: Timestamp) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get_mut(channel) {
            Some(moment) => *moment = at,
            None => drop(last.insert(channel.clone(), at)),
        }
    }

    /// When a channel last brought something in this process.
    pub(super) fn last(&self, channel: &ChannelId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(channel).copied()
    }
}

/// Between two requests to slow down in a chat: the window of the limit itself.
const WINDOW: Duration = Duration::from_mins(1);

/// Remembers which chats were asked to slow down, so that a flood gets one notice per window.
pub(super) struct SlowDownNotices(Cache<ConversationKey, Timestamp>);

impl Default for SlowDownNotices {
    fn default() -> Self {
        Self(Cache::new(10_000))
    }
}

impl SlowDownNotices {
    /// Whether this is the first refusal of a window.
    pub(super) fn first(&self, conversation: &ConversationKey, now: Timestamp) -> bool {
        // A clock that was put back by more than a window begins another.
        let said = |at: &Timestamp| now.since(*at) < WINDOW && at.since(now) < WINDOW;
        let asked = self.0.entry_by_ref(conversation).and_compute_with(|last| match last {
            Some(last) if said(last.value()) => Op::Nop,
            _ => Op::Put(now),
        });
        matches!(asked, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BotId;

    #[test]
    fn a_flood_is_asked_to_slow_down_once_a_minute() {
        let chat = |name: &str| ConversationKey {
            bot: BotId::default(),
            channel: ChannelId::new("telegram"),
            account: String::new(),
            conversation: name.to_owned(),
        };
        let (notices, began) = (SlowDownNotices::default(), Timestamp::from_millis(1_000_000_000));
        let asked = |chat: &ConversationKey, second: u64| notices.first(chat, began.plus(Duration::from_secs(second)));
        let seconds: Vec<u64> = (0..=120).filter(|second| asked(&chat("1"), *second)).collect();
        assert_eq!(seconds, [0, 60, 120]);
        assert!(asked(&chat("2"), 120), "another chat knows nothing of it");
        assert!(notices.first(&chat("1"), began.minus(Duration::from_hours(1))), "the clock was put back");
    }
}
