//! What was missed: when a session could not be resumed, messages are fetched over REST and take the same
//! way as live ones.
//!
//! The cursors are the inbox itself: the newest stored event of each conversation. Channels in which the
//! bot was never spoken to have none; for those whose newest message is younger than anything stored, the
//! newest stored event of all is taken. Direct chats that were opened while nobody listened can't be
//! found: Discord lists none to bots. Nothing older than a day is fetched, for it would be answered to
//! people who have long gone.
//!
//! One channel after another is asked about, those last spoken in first, and slowly enough that replies have
//! the most of the platform's limits. A channel in which somebody speaks meanwhile has its turn at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::{ChannelId, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

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
/// How long a channel is left alone after it was tried.
const REST: Duration = Duration::from_secs(5);
/// The pause between two channels: each takes two requests, and half of the fifty a second are left to replies. And the
/// pause where nothing was said for so long.
const PAUSE: Duration = Duration::from_millis(80);
const QUIET_PAUSE: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_hours(24 * 7);

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
    /// When it was tried last.
    tried: Option<Instant>,
}

impl Cursor {
    const fn new(after: u64, guild: bool) -> Self {
        Self { after, guild, tried: None }
    }
}

/// How much is still to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Nothing.
    Nothing,
    /// Only channels in which nothing was said for long.
    Quiet,
    /// Some in which people speak.
    Lively,
}

/// What is to be done about what is due.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// This channel is asked about; then so long a pause.
    Fetch(String, Duration),
    /// All were tried a moment ago.
    Rest(Duration),
    /// Nothing is due.
    Nothing,
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

    /// The next channel, the one last spoken in first; counts as tried. In those spoken in before `quiet` there is
    /// no hurry.
    fn next(&self, quiet: u64, now: Instant) -> Next {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |cursor: &Cursor| {
            cursor.tried.map_or(Duration::ZERO, |tried| (tried + REST).saturating_duration_since(now))
        };
        let ready = channels.iter_mut().filter(|(_, cursor)| left(cursor).is_zero());
        if let Some((channel, cursor)) = ready.max_by_key(|(_, cursor)| cursor.after) {
            cursor.tried = Some(now);
            return Next::Fetch(channel.clone(), if cursor.after < quiet { QUIET_PAUSE } else { PAUSE });
        }
        channels.values().map(left).min().map_or(Next::Nothing, Next::Rest)
    }

    /// How much is due.
    fn behind(&self, quiet: u64) -> Behind {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        match channels.values().map(|cursor| cursor.after).max() {
            None => Behind::Nothing,
            Some(latest) if latest < quiet => Behind::Quiet,
            Some(_) => Behind::Lively,
        }
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
        let mut newest = 0;
        let mut cursors: HashMap<String, Cursor> = HashMap::new();
        for (conversation, event) in stored {
            let Some(id) = snowflake(&event) else { continue };
            newest = newest.max(id);
            let (channel, guild) = (channel_of(&conversation.conversation), conversation.conversation.contains('/'));
            if channel.chars().all(|c| c.is_ascii_digit()) {
                let cursor = cursors.entry(channel.to_owned()).or_insert(Cursor::new(id, guild));
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
                self.due.add(&channel.id, Cursor::new(newest, !channel.is_thread()));
            }
        }
        tracing::debug!(guild = guild.id, channels = guild.channels.len(), "a guild is there");
    }

    /// How much of what was missed is still to be fetched.
    pub(crate) fn behind(&self) -> Behind {
        self.due.behind(self.quiet())
    }

    /// What was said before this is long ago.
    fn quiet(&self) -> u64 {
        snowflake_of(self.intake.clock().now().minus(QUIET))
    }

    /// Goes through what is due until the receiver stops.
    pub(crate) async fn keep_caught_up(self: Arc<Self>) {
        loop {
            let more = self.due.more.notified();
            let Ok(permit) = Arc::clone(&self.due.room).acquire_owned().await else { return };
            match self.due.next(self.quiet(), Instant::now()) {
                Next::Fetch(channel, pause) => {
                    self.fetch_soon(&channel, permit);
                    // Somewhere else it may be urgent.
                    let _ = tokio::time::timeout(pause.saturating_sub(PAUSE), more).await;
                    tokio::time::sleep(PAUSE).await;
                }
                Next::Rest(pause) => drop(tokio::time::timeout(pause, more).await),
                Next::Nothing => more.await,
            }
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
        let oldest = snowflake_of(self.intake.clock().now().minus(FURTHEST_BACK));
        let (mut after, mut taken) = (cursor.after.max(oldest), 0);
        let place = match self.desk.known_place(channel) {
            Some(place) => place,
            None if cursor.guild => Place::Guild,
            None => {
                let found: ChannelEvent = self.desk.api.get(&format!("/channels/{channel}"), PATIENCE).await?;
                let last = found.last_message_id.as_deref().and_then(snowflake).unwrap_or(0);
                if last <= after {
                    return Ok(0);
                }
                match (found.is_thread(), found.guild_id) {
                    (true, _) => Place::Thread,
                    (false, Some(_)) => Place::Guild,
                    (false, None) => Place::Direct,
                }
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_chats_are_asked_about_one_by_one_the_latest_first() {
        let (due, began, quiet) = (Due::default(), Instant::now(), 9_400);
        for n in 1..=10_000 {
            due.add(&n.to_string(), Cursor::new(n, false));
        }
        let mut asked = Vec::new();
        let minute = began + Duration::from_mins(1);
        while Instant::now() < minute {
            let Next::Fetch(channel, pause) = due.next(quiet, Instant::now()) else { panic!("much is due") };
            due.done(&channel);
            asked.push(channel.parse::<u64>().unwrap());
            tokio::time::advance(pause).await;
        }
        // 601 are lively: 12.5 a second. The others come one a second after them.
        assert!(asked.is_sorted_by(|a, b| a > b), "the latest first");
        assert_eq!((asked.len(), asked[0], asked[600]), (613, 10_000, 9_400));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_fetched_rests_before_it_is_tried_again() {
        let due = Due::default();
        assert_eq!(due.next(0, Instant::now()), Next::Nothing);
        due.add("1", Cursor::new(1, false));
        assert_eq!(due.next(0, Instant::now()), Next::Fetch("1".into(), PAUSE));
        assert_eq!(due.next(0, Instant::now()), Next::Rest(REST));
        tokio::time::advance(REST).await;
        assert_eq!(due.next(0, Instant::now()), Next::Fetch("1".into(), PAUSE));
        due.done("1");
        assert_eq!(due.next(0, Instant::now()), Next::Nothing);
    }
}
