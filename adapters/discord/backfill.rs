//! What was missed: after a restart, or when a session could not be resumed, messages are fetched over
//! REST and take the same way as live ones.
//!
//! The cursors are the inbox itself: the newest stored event of each conversation. Channels in which the
//! bot was never spoken to have none; for those whose newest message is younger than anything stored, the
//! newest stored event of all is taken. Direct chats that were opened while nobody listened can't be
//! found: Discord lists none to bots. Nothing older than a day is fetched, for it would be answered to
//! people who have long gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::{ChannelId, Timestamp};
use tokio::sync::{Notify, Semaphore};

use crate::CHANNEL;
use crate::api::ApiError;
use crate::events::{ChannelEvent, GuildEvent, MessageEvent};
use crate::inbound::{Place, snowflake};
use crate::receiver::Receiver;
use crate::way::channel_of;

/// How far back it goes.
const FURTHEST_BACK: Duration = Duration::from_hours(24);
/// Snowflakes count milliseconds from the first second of 2015.
const EPOCH_OF_SNOWFLAKES: i64 = 1_420_070_400_000;
/// The most that a listing gives, and the most listings per channel.
const PAGE: usize = 100;
const MOST_PAGES: usize = 20;
/// So many channels are caught up at once.
const AT_ONCE: usize = 4;
/// How long a listing may wait for its bucket.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing is tried after Discord could not be reached.
const REST: Duration = Duration::from_secs(5);

/// The channels that must be caught up, and from where.
#[derive(Debug)]
pub(crate) struct Due {
    channels: Mutex<HashMap<String, Cursor>>,
    /// The newest event stored at all.
    newest: Mutex<u64>,
    more: Notify,
    room: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    after: u64,
    /// Known from the conversation's key.
    guild: bool,
}

impl Default for Due {
    fn default() -> Self {
        Self {
            channels: Mutex::default(),
            newest: Mutex::default(),
            more: Notify::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Due {
    pub(crate) fn is_due(&self, channel: &str) -> bool {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).contains_key(channel)
    }

    fn add(&self, channel: &str, cursor: Cursor) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).entry(channel.to_owned()).or_insert(cursor);
        self.more.notify_one();
    }

    fn cursor(&self, channel: &str) -> Option<Cursor> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).get(channel).copied()
    }

    fn done(&self, channel: &str) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
    }

    /// Those due, the ones last spoken in first.
    fn in_order(&self) -> Vec<String> {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<(u64, String)> = channels.iter().map(|(id, cursor)| (cursor.after, id.clone())).collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        due.into_iter().map(|(_, id)| id).collect()
    }

    fn newest(&self) -> u64 {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The snowflake of a moment.
fn snowflake_of(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millis() - EPOCH_OF_SNOWFLAKES).unwrap_or(0) << 22
}

impl Receiver {
    /// Looks up from where each channel must be caught up. Call it before live events of a new session
    /// are taken.
    pub(crate) async fn look_for_gaps(&self) {
        let stored = match self.intake.newest_events(&self.desk.bot, &ChannelId::new(CHANNEL)).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(error = %error, "where to catch up from can't be read; what was missed stays missed");
                return;
            }
        };
        let oldest = snowflake_of(self.intake.clock().now().minus(FURTHEST_BACK));
        let mut newest = 0;
        let mut cursors: HashMap<String, Cursor> = HashMap::new();
        for (conversation, event) in stored {
            let Some(id) = snowflake(&event) else { continue };
            newest = newest.max(id);
            let (channel, guild) = (channel_of(&conversation.conversation), conversation.conversation.contains('/'));
            if channel.chars().all(|c| c.is_ascii_digit()) {
                let cursor = cursors.entry(channel.to_owned()).or_insert(Cursor { after: oldest, guild });
                cursor.after = cursor.after.max(id);
            }
        }
        *self.due.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        for (channel, cursor) in cursors {
            self.due.add(&channel, cursor);
        }
    }

    /// Learns the places of a guild, and which of them have messages that nobody saw.
    pub(crate) fn enter_guild(&self, guild: &GuildEvent) {
        let newest = self.due.newest();
        for channel in guild.channels.iter().chain(&guild.threads) {
            self.desk.learn_place(channel);
            let last = channel.last_message_id.as_deref().and_then(snowflake).unwrap_or(0);
            if newest > 0 && last > newest {
                let oldest = snowflake_of(self.intake.clock().now().minus(FURTHEST_BACK));
                self.due.add(&channel.id, Cursor { after: newest.max(oldest), guild: !channel.is_thread() });
            }
        }
        tracing::debug!(guild = guild.id, channels = guild.channels.len(), "a guild is there");
    }

    /// Goes through what is due until the receiver stops.
    pub(crate) async fn keep_caught_up(self: Arc<Self>) {
        loop {
            let more = self.due.more.notified();
            let due = self.due.in_order();
            if due.is_empty() {
                more.await;
                continue;
            }
            for channel in due {
                let Ok(permit) = Arc::clone(&self.due.room).acquire_owned().await else { return };
                self.fetch_soon(&channel, permit);
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// Fetches what was missed in a channel; leaves it due when that can't be done now.
    pub(crate) async fn catch_up(&self, channel: &str) {
        let Some(cursor) = self.due.cursor(channel) else { return };
        match self.fetch(channel, cursor).await {
            Ok(fetched) => {
                self.due.done(channel);
                if fetched > 0 {
                    tracing::info!(fetched, "messages that were missed are fetched");
                    metrics::counter!("dovvybuddy_discord_fetched_total").increment(fetched);
                }
            }
            // Left, closed or deleted: there is nothing to fetch any more.
            Err(ApiError::Refused { .. }) => self.due.done(channel),
            Err(error) => tracing::warn!(error = %error, "what was missed in a channel can't be fetched yet"),
        }
    }

    /// Takes in everything in a channel after the cursor, oldest first. Returns how many were for us.
    async fn fetch(&self, channel: &str, cursor: Cursor) -> Result<u64, ApiError> {
        let place = match self.desk.known_place(channel) {
            Some(place) => place,
            None if cursor.guild => Place::Guild,
            None => {
                let found: ChannelEvent = self.desk.api.get(&format!("/channels/{channel}"), PATIENCE).await?;
                let last = found.last_message_id.as_deref().and_then(snowflake).unwrap_or(0);
                if last <= cursor.after {
                    return Ok(0);
                }
                match (found.is_thread(), found.guild_id) {
                    (true, _) => Place::Thread,
                    (false, Some(_)) => Place::Guild,
                    (false, None) => Place::Direct,
                }
            }
        };
        let (mut after, mut taken) = (cursor.after, 0);
        for _ in 0..MOST_PAGES {
            let path = format!("/channels/{channel}/messages?after={after}&limit={PAGE}");
            let mut page: Vec<MessageEvent> = self.desk.api.get(&path, PATIENCE).await?;
            page.sort_by_key(|message| snowflake(&message.id));
            for message in &page {
                if let Some(event) = self.translate(message, place) {
                    self.store(channel, &event).await;
                    taken += 1;
                }
                after = after.max(snowflake(&message.id).unwrap_or(0));
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(taken)
    }
}
