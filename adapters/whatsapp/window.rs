//! The 24 hours after a diver's last message in which WhatsApp takes free text. Outside of them it takes
//! approved templates only.

use std::time::Duration;

use dovvybuddy_core::Timestamp;
use moka::sync::Cache;

/// How long a conversation stays open; a little less than the platform's day, for the message's own way.
const OPEN: Duration = Duration::from_mins(24 * 60 - 1);
/// How many conversations are remembered.
const REMEMBERED: u64 = 50_000;

/// When divers last wrote, as far as this process knows.
pub(crate) struct Window(Cache<String, Timestamp>);

impl Default for Window {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(OPEN).build())
    }
}

impl Window {
    /// A diver wrote.
    pub(crate) fn heard(&self, conversation: &str, at: Timestamp) {
        if self.0.get(conversation).is_none_or(|last| last < at) {
            self.0.insert(conversation.to_owned(), at);
        }
    }

    /// Whether free text still reaches the diver whose message of `said_at` is answered; where nothing was
    /// said, only the platform knows.
    pub(crate) fn is_open(&self, conversation: &str, said_at: Option<Timestamp>, now: Timestamp) -> bool {
        let last = [self.0.get(conversation), said_at].into_iter().flatten().max();
        last.is_none_or(|last| now.since(last) < OPEN)
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::testkit::clock::START;

    use super::*;

    #[test]
    fn a_conversation_closes_a_day_after_the_last_message() {
        let window = Window::default();
        let day = Duration::from_hours(24);
        assert!(window.is_open("c", Some(START), START.plus(Duration::from_mins(24 * 60 - 2))));
        assert!(!window.is_open("c", Some(START), START.plus(day)));
        window.heard("c", START.plus(day));
        window.heard("c", START);
        assert!(window.is_open("c", Some(START), START.plus(day)), "a newer message opened it again");
        assert!(window.is_open("nobody", None, START));
    }
}
