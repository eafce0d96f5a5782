//! What divers said lately in each conversation, kept in memory so that the emergency guard can read a
//! message in its light even when the store is gone.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::guard::{Heard, StandingEmergency};
use crate::ids::ConversationKey;
use crate::session::Session;

/// How many messages of a conversation are read from the store for it: replies stand between the diver's.
pub const WINDOW: usize = 8;
/// How many messages of the diver's are kept.
const KEPT: usize = 4;
/// How much of each message is kept, in characters.
const LONGEST: usize = 600;

/// A bounded memory of recent conversations.
pub struct Hearing {
    conversations: Cache<ConversationKey, Arc<Heard>>,
}

impl Hearing {
    /// Remembers at most `conversations` of them, each for a day after its last message.
    pub fn new(conversations: u64) -> Self {
        let conversations = Cache::builder().max_capacity(conversations).time_to_idle(Duration::from_hours(24)).build();
        Self { conversations }
    }

    /// What was heard, if this conversation is remembered.
    pub fn recall(&self, conversation: &ConversationKey) -> Option<Arc<Heard>> {
        self.conversations.get(conversation)
    }

    /// Takes over what the store knows of a conversation.
    pub fn learn(&self, session: &Session) -> Arc<Heard> {
        let mut heard =
            Heard { standing: session.emergency.clone(), region: session.profile.region.clone(), ..Heard::default() };
        session.said().for_each(|text| push(&mut heard, text));
        let heard = Arc::new(heard);
        self.conversations.insert(session.conversation.clone(), Arc::clone(&heard));
        heard
    }

    /// A conversation in which nothing was said before is remembered from now on.
    pub fn open(&self, conversation: &ConversationKey) {
        self.change(conversation, |_| {});
    }

    /// Appends what the diver said in a conversation that is remembered. Of another one nothing is known, and
    /// half a memory would hide what the store knows.
    pub fn add(&self, conversation: &ConversationKey, text: &str) {
        if self.recall(conversation).is_some() {
            self.change(conversation, |heard| push(heard, text));
        }
    }

    /// An emergency stands.
    pub fn stand(&self, conversation: &ConversationKey, standing: StandingEmergency) {
        self.change(conversation, |heard| heard.standing = Some(standing));
    }

    /// An emergency was called off: what was said before must not make it out again.
    pub fn stand_down(&self, conversation: &ConversationKey) {
        self.change(conversation, |heard| {
            heard.standing = None;
            heard.said.clear();
        });
    }

    /// Forgets a conversation: it was erased or begun anew.
    pub fn forget(&self, conversation: &ConversationKey) {
        self.conversations.invalidate(conversation);
    }

    /// Forgets everything; what is still true is learned again from the store.
    pub fn clear(&self) {
        self.conversations.invalidate_all();
    }

    fn change(&self, conversation: &ConversationKey, change: impl FnOnce(&mut Heard)) {
        self.conversations.entry_by_ref(conversation).and_upsert_with(|known| {
            let mut heard = known.map(|entry| Heard::clone(entry.value())).unwrap_or_default();
            change(&mut heard);
            Arc::new(heard)
        });
    }
}

fn push(heard: &mut Heard, text: &str) {
    if text.is_empty() {
        return;
    }
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    heard.said.push(text.get(..end).unwrap_or(text).to_owned());
    let surplus = heard.said.len().saturating_sub(KEPT);
    heard.said.drain(..surplus);
}
