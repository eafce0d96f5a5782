//! What an operator looks at: conversations, turns, ratings, open questions, figures, and who looked.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Pause, StoreError, Usage};
use crate::clock::Timestamp;
use crate::ids::{BotId, ChannelId, ConversationKey, SessionId, TurnId};
use crate::reply::Reply;

/// What an operator looks at. It is read only, and none of it stands in a diver's way.
#[async_trait]
pub trait Overview: Send + Sync + 'static {
    /// Conversations that pass the filter, the one last used first, from after `from`.
    async fn conversations(
        &self,
        bot: &BotId,
        filter: &ConversationFilter,
        from: Option<Place>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConversationSummary>, StoreError>;

    /// The newest turns of a conversation whose number is below `before`, newest first.
    async fn turns_of(
        &self,
        conversation: &ConversationKey,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<TurnRecord>, StoreError>;

    /// What was accepted in a conversation and has no reply yet: words and when they came, oldest first.
    async fn waiting_in(&self, conversation: &ConversationKey) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// Ratings, newest first.
    async fn ratings(&self, bot: &BotId, limit: usize) -> Result<Vec<RatingRecord>, StoreError>;

    /// Questions since then that the content did not cover, newest first.
    async fn open_questions(
        &self,
        bot: &BotId,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenQuestion>, StoreError>;

    /// Turns, tokens and cost since then, in steps of time by channel and agent, oldest first.
    async fn figures(&self, bot: &BotId, since: Timestamp, step: Duration) -> Result<Vec<Figure>, StoreError>;

    /// How long answers took since then, in steps of time, oldest first. Only turns that were answered count.
    async fn latencies(&self, bot: &BotId, since: Timestamp, step: Duration) -> Result<Vec<LatencyFigure>, StoreError>;

    /// A word that differs whenever something an operator looks at has changed.
    async fn mark(&self) -> Result<String, StoreError>;
}

/// Who looked at what and who changed what. Nothing in it is ever changed.
#[async_trait]
pub trait Audit: Send + Sync + 'static {
    /// Adds an entry.
    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Entries with a number below `before`, newest first.
    async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
}

/// Which conversations are wanted; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Of this channel.
    pub channel: Option<ChannelId>,
    /// In which this agent answered.
    pub agent: Option<String>,
    /// In which an emergency stands.
    pub emergency: bool,
    /// That a person has taken over.
    pub paused: bool,
    /// In which a question was not covered, or waits for a person.
    pub unanswered: bool,
}

/// Where a list of conversations goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the last one seen was used.
    pub updated_at: Timestamp,
    /// Its number.
    pub number: i64,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Its number; grows with each that is opened.
    pub number: i64,
    /// Its session.
    pub session: SessionId,
    /// Where it takes place.
    pub conversation: ConversationKey,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub updated_at: Timestamp,
    /// What the diver said last; empty before the first message.
    pub last_words: String,
    /// Who answered last.
    pub agent: Option<String>,
    /// Whether an emergency stands in it.
    pub emergency: bool,
    /// The pause that holds.
    pub pause: Option<Pause>,
    /// How many turns it has.
    pub turns: u64,
    /// How many of them were not covered by the content.
    pub not_covered: u64,
    /// How many messages wait for their reply.
    pub waiting: u64,
}

/// A turn with everything that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRecord {
    /// Its number; grows with each.
    pub number: i64,
    /// Its id.
    pub id: TurnId,
    /// Which try finished it.
    pub attempt: u32,
    /// How it ended; see [`super::Outcome::as_str`].
    pub outcome: String,
    /// What the diver said; `None` where nothing was, or it stands with a later turn.
    pub said: Option<String>,
    /// The reply.
    pub reply: Reply,
    /// What it used; `None` for words no message asked for, and after their retention.
    pub usage: Option<Usage>,
    /// The diver's rating, and the comment.
    pub rating: Option<(bool, Option<String>)>,
    /// When it was finished.
    pub finished_at: Timestamp,
}

/// A rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingRecord {
    /// The rated turn.
    pub turn: TurnId,
    /// Its session.
    pub session: SessionId,
    /// Where.
    pub channel: ChannelId,
    /// What was asked.
    pub said: Option<String>,
    /// What was answered.
    pub reply: String,
    /// Whether it helped.
    pub up: bool,
    /// What the diver says about it.
    pub comment: Option<String>,
    /// When it was rated.
    pub at: Timestamp,
}

/// A question the content did not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// Its session.
    pub session: SessionId,
    /// The words.
    pub text: String,
    /// When it was asked.
    pub at: Timestamp,
}

/// What was done in a step of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// When the step begins.
    pub at: Timestamp,
    /// On which channel.
    pub channel: String,
    /// By which agent.
    pub agent: String,
    /// How many turns.
    pub turns: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Their cost, in millionths of the configured currency.
    pub cost_micros: u64,
}

/// How long answers took in a step of time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyFigure {
    /// When the step begins.
    pub at: Timestamp,
    /// How many answers.
    pub turns: u64,
    /// From receipt to the first released piece: half of them were as quick, and 95 of 100.
    pub first_p50: u64,
    /// See [`Self::first_p50`].
    pub first_p95: u64,
    /// From receipt to the whole reply.
    pub total_p50: u64,
    /// See [`Self::total_p50`].
    pub total_p95: u64,
}

impl LatencyFigure {
    /// The figures of each step, in order, from the step's beginning in milliseconds since 1970, the time to the first
    /// piece and to the whole reply of every answer.
    pub fn of_steps(answers: impl IntoIterator<Item = (i64, u64, u64)>) -> Vec<Self> {
        let mut steps = BTreeMap::<i64, (Vec<u64>, Vec<u64>)>::new();
        for (at, first, total) in answers {
            let (firsts, totals) = steps.entry(at).or_default();
            firsts.push(first);
            totals.push(total);
        }
        let figure = |(at, (mut first, mut total)): (i64, (Vec<u64>, Vec<u64>))| {
            first.sort_unstable();
            total.sort_unstable();
            Self {
                at: Timestamp::from_millis(at),
                turns: u64::try_from(total.len()).unwrap_or(u64::MAX),
                first_p50: percentile(&first, 50),
                first_p95: percentile(&first, 95),
                total_p50: percentile(&total, 50),
                total_p95: percentile(&total, 95),
            }
        };
        steps.into_iter().map(figure).collect()
    }
}

/// Somebody looked at something, or changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The key's id.
    pub key: String,
    /// The key's name.
    pub name: String,
    /// What was done, as a short stable word.
    pub action: String,
    /// To what.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// An entry with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Grows with each.
    pub number: i64,
    /// The entry.
    pub entry: AuditEntry,
}

/// The value below which `share` percent of sorted values lie (nearest rank); 0 of none.
fn percentile(sorted: &[u64], share: usize) -> u64 {
    let rank = (sorted.len() * share).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// Questions that read alike but for case, punctuation and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionGroup {
    /// The newest of them, as it was asked.
    pub text: String,
    /// How many.
    pub count: usize,
    /// When the newest was asked.
    pub last_at: Timestamp,
    /// The sessions they were asked in, newest first, each once; at most [`MOST_SESSIONS`].
    pub sessions: Vec<SessionId>,
}

/// How many sessions a group of questions names.
pub const MOST_SESSIONS: usize = 5;

/// Groups open questions, newest first as they come, by what they ask: the most frequent first, then the newest.
pub fn grouped(questions: Vec<OpenQuestion>) -> Vec<QuestionGroup> {
    let mut places = std::collections::HashMap::<String, usize>::new();
    let mut groups: Vec<QuestionGroup> = Vec::new();
    for question in questions {
        let place = *places.entry(plain_form(&question.text)).or_insert(groups.len());
        let Some(group) = groups.get_mut(place) else {
            groups.push(QuestionGroup {
                text: question.text,
                count: 1,
                last_at: question.at,
                sessions: vec![question.session],
            });
            continue;
        };
        group.count += 1;
        if !group.sessions.contains(&question.session) && group.sessions.len() < MOST_SESSIONS {
            group.sessions.push(question.session);
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse((group.count, group.last_at)));
    groups
}

/// Letters and digits in lower case, words apart by one space.
fn plain_form(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\u{2019}' && c != '\'');
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    if words.is_empty() { text.trim().to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::clock::{START, numbered};

    fn asked(session: u64, text: &str, second: u64) -> OpenQuestion {
        OpenQuestion {
            session: SessionId(numbered(session)),
            text: text.into(),
            at: START.plus(Duration::from_secs(second)),
        }
    }

    #[test]
    fn questions_that_read_alike_are_one_and_the_frequent_come_first() {
        let groups = grouped(vec![
            asked(1, "Do you rent scooters?", 9),
            asked(2, "Is there parking", 8),
            asked(3, "do you  rent scooters", 7),
            asked(3, "DO YOU RENT SCOOTERS!!", 6),
            asked(4, "???", 5),
        ]);
        let told: Vec<_> = groups.iter().map(|group| (group.text.as_str(), group.count)).collect();
        assert_eq!(told, [("Do you rent scooters?", 3), ("Is there parking", 1), ("???", 1)]);
        assert_eq!(groups[0].sessions, [SessionId(numbered(1)), SessionId(numbered(3))]);
        assert_eq!(groups[0].last_at, START.plus(Duration::from_secs(9)));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 95), 0);
        assert_eq!(percentile(&[7], 50), 7);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 2);
        assert_eq!(percentile(&(1..=100).collect::<Vec<_>>(), 95), 95);
    }
}
