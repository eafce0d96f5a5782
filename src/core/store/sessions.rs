//! Sessions and their turns.

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::ids::{BotId, ConversationKey, DiverKey, SessionId, TurnId};
use crate::session::{Session, StoredTurn};

/// Sessions and their turns.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// The conversation's session with its newest `window` messages; `None` if never opened.
    /// The profile is that of `diver`, never of a group. Expired sessions are returned as they are: the
    /// caller decides.
    async fn session(
        &self,
        conversation: &ConversationKey,
        diver: &DiverKey,
        window: usize,
    ) -> Result<Option<Session>, StoreError>;

    /// The same by its id, with the profile of the diver who last spoke in it.
    async fn session_by_id(&self, bot: &BotId, id: SessionId, window: usize) -> Result<Option<Session>, StoreError>;

    /// Opens a session nobody has spoken in yet, with what its client told of the diver. Only channels
    /// whose divers are their conversations (the anonymous web) can do so before a word is said.
    async fn open_session(&self, session: &Session) -> Result<(), StoreError>;

    /// The platform gave a conversation another name: its session, with all that belongs to it, goes on
    /// under `to`, unless one stands there already. `false`, and nothing done, while a message in it waits
    /// for its answer. Repeatable.
    async fn move_session(&self, from: &ConversationKey, to: &ConversationKey) -> Result<bool, StoreError>;

    /// A finished turn.
    async fn turn(&self, id: TurnId) -> Result<Option<StoredTurn>, StoreError>;

    /// Keeps a rating; `false` if there is no such turn. A repeat replaces the earlier one.
    async fn rate(&self, turn: TurnId, up: bool, comment: Option<&str>, at: Timestamp) -> Result<bool, StoreError>;

    /// Whether other processes may answer what this one accepted, so that whoever waits for a turn has to look for
    /// it here, too.
    fn shared(&self) -> bool {
        false
    }
}
