//! What the operator's systems are told of: finished turns, emergencies, leads, ratings.
//!
//! News is derived from what is stored, never written beside it, as [`crate::alert`]s are: so no path of a
//! message can forget to tell, and none is lost in a crash. [`Chronicle::announce`] puts what is to be sent
//! into the outbox and moves the marks in one write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::alert::EmergencyReport;
use crate::channel::BoxError;
use crate::clock::{Clock, Timestamp};
use crate::ids::{BotId, ConversationKey, SessionId, TurnId};
use crate::lead::Lead;
use crate::reply::Reply;
use crate::store::{Notice, Store, StoreError};
use crate::supervise::Progress;

/// How often is looked for something new.
const LOOK: Duration = Duration::from_secs(1);
/// How much of each kind is told at a time.
const AT_ONCE: usize = 200;
/// What is older is no news any more: somebody switched events on again.
const STALE: Duration = Duration::from_hours(28);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A turn is over.
    Turn(TurnReport),
    /// A message was answered as an emergency.
    Emergency(EmergencyReport),
    /// A diver asks to be put in touch.
    Lead(Lead),
    /// A diver rated a reply.
    Feedback(Rating),
}

/// A finished turn, without the diver's words.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnReport {
    /// The turn.
    pub turn: TurnId,
    /// Where it was.
    pub conversation: ConversationKey,
    /// Its session.
    pub session: SessionId,
    /// The reply.
    pub reply: Reply,
    /// How it ended, as [`crate::store::Outcome::as_str`] names it.
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

/// A diver's rating of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// The rated turn.
    pub turn: TurnId,
    /// Where it was.
    pub conversation: ConversationKey,
    /// Whether it helped.
    pub up: bool,
    /// What the diver said to it.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How far news was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The number of the last turn.
    pub turn: i64,
    /// The same of leads.
    pub lead: i64,
    /// The same of ratings.
    pub rating: i64,
}

/// What was not told yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Untold {
    /// Where the marks stand.
    pub from: Marks,
    /// Where they are to stand when this was told.
    pub to: Marks,
    /// The news, each kind oldest first.
    pub news: Vec<News>,
}

/// News and how far it was told.
#[async_trait]
pub trait Chronicle: Send + Sync + 'static {
    /// What was stored since the marks, at most `limit` of each kind, without what is older than `since`. The
    /// first call ever begins with what is stored from then on.
    async fn untold(&self, since: Timestamp, limit: usize) -> Result<Untold, StoreError>;

    /// Puts notices into the outbox and moves the marks, unless somebody else moved them meanwhile: then
    /// nothing is written and `false` returned. A notice goes when what it is about is erased.
    async fn announce(
        &self,
        bot: &BotId,
        untold: &Untold,
        notices: &[(About, Notice)],
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A turn.
    Turn(TurnId),
    /// A lead, by its id.
    Lead(String),
}

impl News {
    /// What a notice of it is about.
    pub fn about(&self) -> About {
        match self {
            Self::Turn(report) => About::Turn(report.turn),
            Self::Emergency(report) => About::Turn(report.turn),
            Self::Feedback(rating) => About::Turn(rating.turn),
            Self::Lead(lead) => About::Lead(lead.id.to_string()),
        }
    }
}

/// Writes down what is to be sent of a piece of news, if anything.
pub type WriteNews = Arc<dyn Fn(&News) -> Option<Notice> + Send + Sync>;

/// Tells the operator's systems.
pub struct Herald {
    /// Where news is kept.
    pub store: Arc<dyn Store>,
    /// Writes down what is to be sent of a piece of news, if anything.
    pub write: WriteNews,
    /// Whose news.
    pub bot: BotId,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The loop's watermark.
    pub progress: Arc<Progress>,
}

impl Herald {
    /// Tells until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        while !stop.is_cancelled() {
            self.progress.tick(self.clock.now());
            match self.tell().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(error = %error, "news can't be read or written"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Tells what is new; whether there was anything.
    pub async fn tell(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let untold = self.store.untold(now.minus(STALE), AT_ONCE).await?;
        if untold.from == untold.to {
            return Ok(false);
        }
        let notices: Vec<(About, Notice)> =
            untold.news.iter().filter_map(|news| Some((news.about(), (self.write)(news)?))).collect();
        self.store.announce(&self.bot, &untold, &notices, now).await
    }
}
