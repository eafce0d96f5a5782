//! What the entrance remembers by itself, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::channel::Inbound;
use crate::clock::Timestamp;
use crate::ids::{ChannelId, DiverKey};

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

/// Remembers who was asked to slow down, so that a flood gets one notice per window.
pub(super) struct SlowDownNotices(Cache<DiverKey, Timestamp>);

impl Default for SlowDownNotices {
    fn default() -> Self {
        Self(Cache::new(10_000))
    }
}

impl SlowDownNotices {
    /// Whether this is the first refusal of a window that lasts `window`.
    pub(super) fn first(&self, event: &Inbound, window: Duration) -> bool {
        let diver = &event.sender.key;
        if self.0.get(diver).is_some_and(|until| event.received_at < until) {
            return false;
        }
        self.0.insert(diver.clone(), event.received_at.plus(window));
        true
    }
}
