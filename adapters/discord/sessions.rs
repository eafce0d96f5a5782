//! The gateway's sessions, kept beyond the process: a RESUME brings everything that came since, and with it
//! direct chats that began while nobody listened, of which no REST route tells a bot.
//!
//! What is kept of a session is the newest event before which everything is stored. Some events come again
//! after a crash; they were taken in before, and make no second turn. A session that began with something still
//! to be fetched says so, lest a RESUME takes the place of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::backfill::Behind;

/// A session that can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Discord's id of it.
    pub(crate) id: String,
    /// The event after which it goes on.
    pub(crate) sequence: u64,
    /// Where it is resumed.
    pub(crate) address: Option<String>,
    /// How many shards there were.
    pub(crate) shards: u32,
    /// The bot's user id, which only READY tells.
    pub(crate) me: String,
}

/// What is left for the next process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Word {
    /// Nothing from before the sessions is still to be fetched.
    caught_up: bool,
    shards: BTreeMap<u32, Saved>,
}

/// The sessions of a bot, by shard.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<u32, Session>,
    /// Counts the sessions of this process, for their events are numbered alike.
    opened: u64,
    /// As it was left last.
    left: String,
}

#[derive(Debug)]
struct Session {
    opened: u64,
    saved: Saved,
    /// Events that are not stored yet, those of the shard's earlier sessions among them.
    pending: BTreeSet<(u64, u64)>,
}

impl Session {
    /// As it may be taken up after a crash; `None` while something of an earlier session is not stored, which
    /// this one would not bring again.
    fn safe(&self) -> Option<Saved> {
        let sequence = match self.pending.first() {
            Some((opened, _)) if *opened != self.opened => return None,
            Some((_, sequence)) => sequence.saturating_sub(1),
            None => self.saved.sequence,
        };
        Some(Saved { sequence, ..self.saved.clone() })
    }
}

/// An event on its way to the store. Dropped before it is stored, it stays due.
#[derive(Debug)]
pub(crate) struct Pending {
    sessions: Arc<Sessions>,
    shard: u32,
    event: (u64, u64),
}

impl Pending {
    /// It is stored, or was not for us.
    pub(crate) fn done(self) {
        if let Some(session) = self.sessions.state().shards.get_mut(&self.shard) {
            session.pending.remove(&self.event);
        }
    }
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins.
    pub(crate) fn open(&self, shard: u32, saved: Saved) {
        let mut state = self.state();
        state.opened += 1;
        let opened = state.opened;
        let pending = state.shards.remove(&shard).map(|earlier| earlier.pending).unwrap_or_default();
        state.shards.insert(shard, Session { opened, saved, pending });
    }

    /// An event was heard.
    pub(crate) fn heard(&self, shard: u32, sequence: u64) {
        if let Some(session) = self.state().shards.get_mut(&shard) {
            session.saved.sequence = session.saved.sequence.max(sequence);
        }
    }

    /// An event was heard that is to be stored.
    pub(crate) fn pending(self: &Arc<Self>, shard: u32, sequence: u64) -> Pending {
        let mut state = self.state();
        let event = match state.shards.get_mut(&shard) {
            Some(session) => {
                session.pending.insert((session.opened, sequence));
                (session.opened, sequence)
            }
            None => (0, sequence),
        };
        Pending { sessions: Arc::clone(self), shard, event }
    }

    /// The bot's user id and the session to begin with, if it is of as many shards.
    pub(crate) fn take_up(&self, shard: u32, shards: u32) -> Option<Saved> {
        let state = self.state();
        state.shards.get(&shard).filter(|held| held.saved.shards == shards)?.safe()
    }

    /// What to leave for the next process, if it is not what was left last.
    pub(crate) fn word(&self, behind: Behind) -> Option<String> {
        let state = self.state();
        let safe = |(shard, held): (&u32, &Session)| Some((*shard, held.safe()?));
        let kept = state.shards.iter().filter(|_| behind != Behind::Lively).filter_map(safe);
        let word = Word { caught_up: behind == Behind::Nothing, shards: kept.collect() };
        let word = serde_json::to_string(&word).ok()?;
        (word != state.left).then_some(word)
    }

    /// It was left.
    pub(crate) fn left(&self, word: String) {
        self.state().left = word;
    }

    /// Begins with what was left, by this process or another. What this process still held is gone with its loop,
    /// and comes again. `false`: something from before these sessions is still to be fetched.
    pub(crate) fn begin_with(&self, word: &str) -> bool {
        let left: Word = serde_json::from_str(word).unwrap_or_default();
        let mut state = self.state();
        word.clone_into(&mut state.left);
        state.shards.clear();
        for (shard, saved) in left.shards {
            state.opened += 1;
            let opened = state.opened;
            state.shards.insert(shard, Session { opened, saved, pending: BTreeSet::new() });
        }
        left.caught_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> Saved {
        Saved { id: id.into(), sequence: 1, address: Some("ws://resume".into()), shards: 1, me: "9".into() }
    }

    fn left(sessions: &Sessions) -> Vec<(String, u64)> {
        let again = Sessions::default();
        again.begin_with(&sessions.word(Behind::Nothing).unwrap_or_default());
        again.take_up(0, 1).map(|saved| (saved.id, saved.sequence)).into_iter().collect()
    }

    #[test]
    fn a_session_goes_on_before_the_first_event_that_is_not_stored() {
        let sessions = Arc::new(Sessions::default());
        sessions.open(0, session("a"));
        let [second, third] = [2, 3].map(|sequence| {
            sessions.heard(0, sequence);
            sessions.pending(0, sequence)
        });
        sessions.heard(0, 4);
        assert_eq!(left(&sessions), [("a".to_owned(), 1)]);
        third.done();
        assert_eq!(left(&sessions), [("a".to_owned(), 1)]);
        second.done();
        assert_eq!(left(&sessions), [("a".to_owned(), 4)]);
    }

    #[test]
    fn what_was_dropped_unstored_stays_due() {
        let sessions = Arc::new(Sessions::default());
        sessions.open(0, session("a"));
        sessions.heard(0, 2);
        drop(sessions.pending(0, 2));
        sessions.heard(0, 3);
        assert_eq!(left(&sessions), [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_new_session_is_not_taken_up_while_the_one_before_holds_something() {
        let sessions = Arc::new(Sessions::default());
        sessions.open(0, session("a"));
        sessions.heard(0, 5);
        let old = sessions.pending(0, 5);
        sessions.open(0, session("b"));
        assert_eq!(left(&sessions), [], "it would not bring what the first one brought");
        sessions.heard(0, 5);
        let same_number = sessions.pending(0, 5);
        old.done();
        assert_eq!(left(&sessions), [("b".to_owned(), 4)]);
        same_number.done();
        assert_eq!(left(&sessions), [("b".to_owned(), 5)]);
    }

    #[test]
    fn only_news_is_left_and_only_for_as_many_shards() {
        let sessions = Sessions::default();
        sessions.open(0, session("a"));
        let word = sessions.word(Behind::Nothing).unwrap();
        sessions.left(word.clone());
        assert_eq!(sessions.word(Behind::Nothing), None);
        let again = Sessions::default();
        assert!(again.begin_with(&word));
        assert_eq!((again.word(Behind::Nothing), again.take_up(0, 2)), (None, None));
        assert_eq!(again.take_up(0, 1), Some(session("a")));
        assert!(!again.begin_with("no JSON"));
        assert_eq!(again.take_up(0, 1), None);
    }

    #[test]
    fn what_is_still_to_be_fetched_is_not_forgotten() {
        let sessions = Sessions::default();
        sessions.open(0, session("a"));
        let again = Sessions::default();
        assert!(!again.begin_with(&sessions.word(Behind::Quiet).unwrap()));
        assert_eq!(again.take_up(0, 1), Some(session("a")));
        assert!(!again.begin_with(&sessions.word(Behind::Lively).unwrap()));
        assert_eq!(again.take_up(0, 1), None, "a new session looks for all that was missed");
    }
}
