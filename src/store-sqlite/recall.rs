//! Sessions that spoke lately, kept in memory so that a turn need not read what the last one wrote.
//!
//! The database stays the truth; this is a copy that is dropped whenever it might differ. A copy is made
//! by a read and carried forward by the writer after the commit of a turn, if the turn was built on that
//! very copy and changes nothing that the database decides (an emergency, a restart). Everything else
//! that touches a session drops the copy. A read that overlaps a write leaves none: it compares the
//! conversation's stamp from before with the one after. What other processes write is noticed by the
//! next message that comes in, before its turn reads.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::session::{DiverProfile, Message, Role, Session};
use dovvybuddy_core::store::{FinishedTurn, Outcome};

use serde_json::{Map, Value};

use crate::finish::Finish;

/// All copies together, about, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// A copy's own cost, and a message's beside its words, in bytes.
const ENTRY: usize = 1024;
const MESSAGE: usize = 64;
/// Stamps are shared by what hashes alike; a mistaken change only costs a read.
const STAMPS: usize = 4096;

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Recall {
    copies: Mutex<Copies>,
    most: usize,
}

#[derive(Debug)]
struct Copies {
    held: HashMap<Arc<str>, Copy>,
    /// Oldest use first.
    uses: BTreeMap<u64, Arc<str>>,
    /// Numbers uses and copies.
    count: u64,
    weight: usize,
    /// Grow with every write to a conversation, and to a diver's profile.
    conversations: Stamps,
    divers: Stamps,
    /// Grows when everything is dropped.
    age: u64,
}

#[derive(Debug)]
struct Copy {
    id: u64,
    used: u64,
    /// Without its messages.
    session: Session,
    diver: Arc<str>,
    /// The stamp of the diver at the time of the profile.
    profile: u64,
    messages: VecDeque<Message>,
    /// The most messages anyone asked for, and whether there are no earlier ones than those held.
    window: usize,
    whole: bool,
    /// The notes' size.
    notes: usize,
    weight: usize,
}

/// What a read has to show for its result to be kept.
#[derive(Debug)]
pub(crate) struct Ticket {
    conversation: u64,
    diver: u64,
    age: u64,
}

/// A turn's change to a copy, applied once it is committed.
#[derive(Debug)]
pub(crate) struct Step {
    conversation: Arc<str>,
    diver: Arc<str>,
    /// The copy it builds on; `None` drops whatever there is.
    base: Option<u64>,
    state: Map<String, Value>,
    notes: usize,
    /// `None` leaves the diver's as it is.
    profile: Option<DiverProfile>,
    created_at: Timestamp,
    updated_at: Timestamp,
    messages: Vec<Message>,
}

impl Recall {
    /// Without `on` nothing is ever kept: in a process that is not the one that writes the sessions.
    pub(crate) fn new(on: bool) -> Arc<Self> {
        let copies = Copies {
            held: HashMap::new(),
            uses: BTreeMap::new(),
            count: 0,
            weight: 0,
            conversations: Stamps::default(),
            divers: Stamps::default(),
            age: 0,
        };
        Arc::new(Self { copies: Mutex::new(copies), most: if on { MOST_BYTES } else { 0 } })
    }

    fn lock(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session with its newest messages, or what a read needs to leave a copy.
    pub(crate) fn look(&self, conversation: &str, diver: &str, window: usize) -> Result<Session, Ticket> {
        let mut copies = self.lock();
        copies.look(conversation, diver, window).ok_or_else(|| Ticket {
            conversation: copies.conversations.get(conversation),
            diver: copies.divers.get(diver),
            age: copies.age,
        })
    }

    /// Keeps what was read with a window, unless something was written meanwhile. `notes` is the size of
    /// the session's state.
    pub(crate) fn keep(&self, ticket: &Ticket, diver: &str, session: &Session, window: usize, notes: usize) {
        let key: Arc<str> = session.conversation.encode().into();
        let mut copy = Copy {
            id: 0,
            used: 0,
            session: Session { history: Vec::new(), ..session.clone() },
            diver: diver.into(),
            profile: ticket.diver,
            messages: session.history.iter().cloned().collect(),
            window,
            whole: session.history.len() < window,
            notes,
            weight: 0,
        };
        copy.weigh();
        let mut copies = self.lock();
        if copies.age == ticket.age && copies.conversations.get(&key) == ticket.conversation {
            copies.put(key, copy, self.most);
        }
    }

    /// What a turn that is about to be written will change.
    pub(crate) fn step(&self, row: &Finish, turn: &FinishedTurn, asked_at: Timestamp) -> Step {
        let carried = turn.outcome != Outcome::Emergency && !turn.stands_down && !turn.restarts_session;
        let copies = self.lock();
        let copy = copies.held.get(row.conversation.as_str());
        let same = |copy: &&Copy| copy.session.id == turn.session.id && *copy.diver == *row.diver;
        let base = copy.filter(same).filter(|_| carried).map(|copy| copy.id);
        drop(copies);
        let said = (Role::User, &turn.said, asked_at);
        let replied = (Role::Assistant, &turn.reply.text, turn.at);
        let message = |(role, content, at): (Role, &String, Timestamp)| Message {
            role,
            content: content.clone(),
            created_at: at,
        };
        let spoke = base.is_some() && !turn.said.is_empty();
        Step {
            conversation: row.conversation.as_str().into(),
            diver: row.diver.as_str().into(),
            base,
            state: if base.is_some() { turn.session.state.clone() } else { Map::new() },
            notes: row.state.as_ref().map_or(0, String::len),
            profile: (row.profile != "{}").then(|| turn.session.profile.clone()),
            created_at: turn.session.created_at,
            updated_at: turn.at,
            messages: if spoke { [said, replied].map(message).into() } else { Vec::new() },
        }
    }

    /// The turn is committed. Runs before anyone hears of it.
    pub(crate) fn apply(&self, step: Step) {
        self.lock().apply(step, self.most);
    }

    /// Something else was written to the conversation.
    pub(crate) fn forget(&self, conversation: &str) {
        let mut copies = self.lock();
        copies.conversations.grow(conversation);
        copies.remove(conversation);
    }

    /// Anything may have been written.
    pub(crate) fn forget_all(&self) {
        let mut copies = self.lock();
        copies.age += 1;
        copies.weight = 0;
        copies.uses.clear();
        copies.held.clear();
    }
}

impl Copies {
    fn look(&mut self, conversation: &str, diver: &str, window: usize) -> Option<Session> {
        let now = self.divers.get(diver);
        let copy = self.held.get_mut(conversation)?;
        if *copy.diver != *diver || copy.profile != now || (window > copy.messages.len() && !copy.whole) {
            return None;
        }
        self.count += 1;
        if let Some(key) = self.uses.remove(&std::mem::replace(&mut copy.used, self.count)) {
            self.uses.insert(self.count, key);
        }
        let mut session = copy.session.clone();
        session.history = copy.messages.iter().skip(copy.messages.len().saturating_sub(window)).cloned().collect();
        Some(session)
    }

    fn put(&mut self, key: Arc<str>, mut copy: Copy, most: usize) {
        self.remove(&key);
        self.count += 1;
        (copy.id, copy.used) = (self.count, self.count);
        self.weight += copy.weight;
        self.uses.insert(copy.used, Arc::clone(&key));
        self.held.insert(key, copy);
        while self.weight > most {
            let Some((_, oldest)) = self.uses.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, conversation: &str) -> Option<Copy> {
        let copy = self.held.remove(conversation)?;
        self.uses.remove(&copy.used);
        self.weight = self.weight.saturating_sub(copy.weight);
        Some(copy)
    }

    fn apply(&mut self, step: Step, most: usize) {
        self.conversations.grow(&step.conversation);
        let copy = self.remove(&step.conversation).filter(|copy| Some(copy.id) == step.base);
        let now = self.divers.get(&step.diver);
        let known = |copy: &Copy| copy.profile == now && step.profile.as_ref() == Some(&copy.session.profile);
        if step.profile.is_some() && !copy.as_ref().is_some_and(known) {
            self.divers.grow(&step.diver);
        }
        let Some(mut copy) = copy else { return };
        if let Some(profile) = step.profile {
            copy.session.profile = profile;
            copy.profile = self.divers.get(&step.diver);
        }
        copy.session.state = step.state;
        copy.session.created_at = step.created_at;
        copy.session.updated_at = step.updated_at;
        copy.notes = step.notes;
        copy.messages.extend(step.messages);
        while copy.messages.len() > copy.window {
            copy.messages.pop_front();
            copy.whole = false;
        }
        copy.weigh();
        self.put(step.conversation, copy, most);
    }
}

impl Copy {
    fn weigh(&mut self) {
        let words: usize = self.messages.iter().map(|message| message.content.len() + MESSAGE).sum();
        self.weight = ENTRY + self.notes + words;
    }
}

/// Numbers that grow with every write to a key.
#[derive(Debug)]
struct Stamps {
    hasher: RandomState,
    counts: Vec<u64>,
}

impl Default for Stamps {
    fn default() -> Self {
        Self { hasher: RandomState::new(), counts: vec![0; STAMPS] }
    }
}

impl Stamps {
    fn slot(&self, key: &str) -> usize {
        usize::try_from(self.hasher.hash_one(key) % STAMPS as u64).unwrap_or(0)
    }

    fn get(&self, key: &str) -> u64 {
        self.counts.get(self.slot(key)).copied().unwrap_or(0)
    }

    fn grow(&mut self, key: &str) {
        let slot = self.slot(key);
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::reply::Reply;
    use dovvybuddy_core::store::Usage;
    use dovvybuddy_core::testkit::clock::{START, numbered};
    use dovvybuddy_core::{AgentId, BotId, ChannelId, ConversationKey, DiverKey, SessionId, TurnId};

    use super::*;

    fn key(name: &str) -> ConversationKey {
        ConversationKey {
            bot: BotId::default(),
            channel: ChannelId::new("web"),
            account: String::new(),
            conversation: name.into(),
        }
    }

    fn diver() -> DiverKey {
        DiverKey { bot: BotId::default(), channel: ChannelId::new("web"), account: String::new(), user: "ada".into() }
    }

    fn session(name: &str) -> Session {
        Session::open(SessionId(numbered(1)), key(name), START)
    }

    fn turn(session: Session) -> FinishedTurn {
        FinishedTurn {
            id: TurnId(numbered(2)),
            attempt: 1,
            diver: diver(),
            said: "q".into(),
            reply: Reply::fixed("a".to_owned(), AgentId::new("retrieval"), dovvybuddy_core::Lang::default()),
            outcome: Outcome::Answered,
            session,
            stands_down: false,
            restarts_session: false,
            usage: Usage::default(),
            parts: Vec::new(),
            context: Value::Null,
            at: START,
        }
    }

    fn step(recall: &Recall, turn: &FinishedTurn) -> Step {
        let row = Finish::new(turn, &turn.session.conversation, START, &[1]).unwrap();
        recall.step(&row, turn, START)
    }

    fn look(recall: &Recall, name: &str, window: usize) -> Result<Session, Ticket> {
        recall.look(&key(name).encode(), &diver().encode(), window)
    }

    fn keep(recall: &Recall, name: &str, window: usize) {
        let ticket = look(recall, name, window).unwrap_err();
        recall.keep(&ticket, &diver().encode(), &session(name), window, 2);
    }

    #[test]
    fn a_turn_carries_the_copy_forward() {
        let recall = Recall::new(true);
        keep(&recall, "c", 3);
        for expected in [2, 3] {
            let step = step(&recall, &turn(look(&recall, "c", 3).unwrap()));
            recall.apply(step);
            assert_eq!(look(&recall, "c", 3).unwrap().history.len(), expected);
        }
        assert!(look(&recall, "c", 4).is_err(), "earlier messages are not held");
        assert_eq!(look(&recall, "c", 1).unwrap().history[0].role, Role::Assistant);
    }

    #[test]
    fn a_read_that_overlaps_a_write_leaves_no_copy() {
        let recall = Recall::new(true);
        let changes: [&dyn Fn(); 3] = [&|| recall.forget(&key("c").encode()), &|| recall.forget_all(), &|| {
            recall.apply(step(&recall, &turn(session("c"))));
        }];
        for change in changes {
            let ticket = look(&recall, "c", 3).unwrap_err();
            change();
            recall.keep(&ticket, &diver().encode(), &session("c"), 3, 2);
            assert!(look(&recall, "c", 3).is_err());
        }
    }

    /// What the database decides is read from there, and so is what was written to another copy.
    #[test]
    fn a_turn_that_can_not_be_carried_drops_the_copy() {
        let recall = Recall::new(true);
        let changes: [&dyn Fn(&mut FinishedTurn); 4] = [
            &|turn| turn.restarts_session = true,
            &|turn| turn.stands_down = true,
            &|turn| turn.outcome = Outcome::Emergency,
            &|turn| turn.session.id = SessionId(numbered(9)),
        ];
        for change in changes {
            keep(&recall, "c", 3);
            let mut turn = turn(look(&recall, "c", 3).unwrap());
            change(&mut turn);
            recall.apply(step(&recall, &turn));
            assert!(look(&recall, "c", 3).is_err());
        }
        keep(&recall, "c", 3);
        let step = step(&recall, &turn(look(&recall, "c", 3).unwrap()));
        recall.forget(&key("c").encode());
        keep(&recall, "c", 3);
        recall.apply(step);
        assert!(look(&recall, "c", 3).is_err());
    }

    #[test]
    fn a_profile_learned_elsewhere_drops_the_copies_that_hold_the_old_one() {
        let recall = Recall::new(true);
        keep(&recall, "here", 3);
        keep(&recall, "there", 3);
        let mut learned = turn(look(&recall, "here", 3).unwrap());
        learned.session.profile.dives = Some(7);
        recall.apply(step(&recall, &learned));
        assert_eq!(look(&recall, "here", 3).unwrap().profile.dives, Some(7));
        assert!(look(&recall, "there", 3).is_err());
    }

    #[test]
    fn the_copies_are_bounded_and_the_oldest_goes_first() {
        let recall = Recall::new(true);
        let mut large = session("");
        large.history = vec![Message { role: Role::User, content: "x".repeat(MOST_BYTES / 4), created_at: START }];
        for name in ["1", "2", "3", "4", "5"] {
            large.conversation = key(name);
            let ticket = look(&recall, name, 3).unwrap_err();
            recall.keep(&ticket, &diver().encode(), &large, 3, 2);
            let _ = look(&recall, "1", 3);
        }
        let held: Vec<&str> =
            ["1", "2", "3", "4", "5"].into_iter().filter(|name| look(&recall, name, 3).is_ok()).collect();
        assert_eq!(held, ["1", "4", "5"]);
        assert!(recall.lock().weight <= MOST_BYTES);
    }

    #[test]
    fn a_process_that_does_not_dispatch_keeps_nothing() {
        let recall = Recall::new(false);
        keep(&recall, "c", 3);
        assert!(look(&recall, "c", 3).is_err());
    }
}
