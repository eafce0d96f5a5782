//! The platform's own pace: about one message a second in a chat, twenty a minute in a group.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How many messages a chat takes at once before the pace counts.
const BURST: usize = 3;
const GROUP_PER_MINUTE: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);

/// Counts what was sent, edits included.
#[derive(Debug, Default)]
pub(super) struct Flood {
    sent: HashMap<i64, VecDeque<Instant>>,
}

impl Flood {
    /// Counts one more; `Err` with the seconds to wait if that is too fast.
    pub(super) fn count(&mut self, chat: i64, group: bool, now: Instant) -> Result<(), u32> {
        let sent = self.sent.entry(chat).or_default();
        while sent.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            sent.pop_front();
        }
        let second = Duration::from_secs(1);
        let window = second * u32::try_from(BURST).unwrap_or(1);
        let lately = sent.iter().filter(|at| now.duration_since(**at) < window).count();
        if lately > BURST {
            return Err(2);
        }
        if group && sent.len() >= GROUP_PER_MINUTE {
            let wait = sent.front().map_or(MINUTE, |at| MINUTE.saturating_sub(now.duration_since(*at)));
            return Err(u32::try_from(wait.as_secs()).unwrap_or(60) + 1);
        }
        sent.push_back(now);
        Ok(())
    }
}
