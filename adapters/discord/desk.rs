//! What every part of the adapter works with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dovvybuddy_core::{BotId, Clock};
use tokio::time::Instant;

use crate::api::{Api, ApiError};
use crate::events::ChannelEvent;
use crate::inbound::Place;
use crate::recent::Recent;
use crate::way::Way;

/// How long a sign of work may take.
const TYPING_PATIENCE: Duration = Duration::from_secs(2);

/// Typing that was shown this lately is still to be seen.
const TYPING_SHOWN: Duration = Duration::from_secs(3);
/// How long Discord may take to say what kind of place a channel is.
const PLACE_PATIENCE: Duration = Duration::from_secs(2);
/// As many channels are remembered as three large guilds have.
const MOST_PLACES: usize = 100_000;

/// The tools of one bot, and what is known for as long as the process lives.
pub(crate) struct Desk {
    pub(crate) api: Api,
    pub(crate) bot: BotId,
    /// How long a burst may settle.
    pub(crate) settle: Duration,
    /// The application's id, if it is configured.
    pub(crate) application: Option<String>,
    /// Ask for the words of messages that don't name the bot.
    pub(crate) message_content: bool,
    /// Interactions that got their first answer.
    pub(crate) answered: Recent,
    /// Urgent words that were said.
    pub(crate) said: Recent,
    /// The bot's user id, known from READY on.
    pub(crate) me: OnceLock<String>,
    /// Which channels are threads. A session that is resumed does not tell it again.
    pub(crate) places: Mutex<HashMap<String, Place>>,
    /// A session of this process began, and told of them.
    pub(crate) knows_places: AtomicBool,
    /// Where typing was shown last, and when.
    pub(crate) typing: Mutex<HashMap<String, Instant>>,
}

impl Desk {
    /// Shows that work goes on. An interaction shows it by itself.
    pub(crate) async fn show_typing(&self, way: &Way) {
        if way.ticket.is_some() || way.only_for.is_some() {
            return;
        }
        if !self.begin_typing(&way.channel) {
            return;
        }
        match tokio::time::timeout(TYPING_PATIENCE, self.api.typing(&way.channel)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "typing can't be shown"),
            Err(_) => tracing::debug!("typing can't be shown in time"),
        }
    }

    /// `false`: it is shown already.
    fn begin_typing(&self, channel: &str) -> bool {
        let now = Instant::now();
        let mut typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
        typing.retain(|_, at| now.duration_since(*at) < TYPING_SHOWN);
        typing.insert(channel.to_owned(), now).is_none()
    }

    /// A message of the bot takes its typing away.
    pub(crate) fn spoke(&self, channel: &str) {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
    }

    /// Remembers what kind of place a guild's channel is.
    pub(crate) fn learn_place(&self, channel: &ChannelEvent) {
        let place = if channel.is_thread() { Place::Thread } else { Place::Guild };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() < MOST_PLACES {
            places.insert(channel.id.clone(), place);
        }
    }

    /// What kind of place a guild's channel is; Discord is asked where no session of this process told it.
    pub(crate) async fn place_in_guild(&self, channel: &str) -> Place {
        if let Some(place) = self.known_place(channel) {
            return place;
        }
        if self.knows_places.load(Ordering::Relaxed) {
            return Place::Guild;
        }
        let found: Result<ChannelEvent, ApiError> = self.api.get(&format!("/channels/{channel}"), PLACE_PATIENCE).await;
        match found {
            Ok(found) => self.learn_place(&found),
            Err(error) => tracing::warn!(error = %error, "a channel is taken for an ordinary one"),
        }
        self.known_place(channel).unwrap_or(Place::Guild)
    }

    pub(crate) fn known_place(&self, channel: &str) -> Option<Place> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(channel).copied()
    }

    pub(crate) fn sender<'a>(&'a self, clock: &'a dyn Clock) -> crate::outbound::Sender<'a> {
        crate::outbound::Sender { desk: self, clock }
    }
}
