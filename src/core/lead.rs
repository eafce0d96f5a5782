//! Leads: a diver's request to be put in touch with a professional.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::ids::{BotId, LeadId, SessionId};
use crate::session::DiverProfile;
use crate::store::Notice;

/// A stored lead. It is written first and delivered from the outbox afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// The bot it came through.
    pub bot: BotId,
    /// What the diver wants.
    pub kind: LeadKind,
    /// The validated form, as the diver saw and sent it.
    pub data: Value,
    /// The session it came from.
    pub session: Option<SessionId>,
    /// The diver profile of that session.
    pub profile: DiverProfile,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Writes down what is to be sent of a lead, one notice for each configured outlet.
pub type LeadNotices = Arc<dyn Fn(&Lead) -> Vec<Notice> + Send + Sync>;

impl Lead {
    /// Everything in it as a list for people.
    pub fn lines(&self) -> String {
        let mut text = format!("- {}", self.kind.as_str());
        let form = self.data.as_object().into_iter().flatten();
        let form = form.map(|(name, value)| (name.replace('_', " "), plain(value)));
        for (name, value) in form.chain(self.profile.lines()) {
            text.extend(["\n- ", &name, ": ", &value]);
        }
        text
    }
}

/// A value as a person reads it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What a lead is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadKind {
    /// A course.
    Training,
    /// A trip.
    Trip,
}

impl LeadKind {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Trip => "trip",
        }
    }

    /// The inverse of [`Self::as_str`]; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Training, Self::Trip].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A lead with the state of its deliveries, for `leads list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadRecord {
    /// The lead.
    #[serde(flatten)]
    pub lead: Lead,
    /// One entry per outlet; empty when none is configured.
    pub deliveries: Vec<LeadDelivery>,
}

/// How far one delivery of a lead got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadDelivery {
    /// The outlet (`mail`, `lead-webhook`).
    pub outlet: String,
    /// `pending`, `send_started`, `sent`, `unknown` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure.
    pub error: Option<String>,
}
