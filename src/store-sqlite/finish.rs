//! The one write that ends a turn.

use dovvybuddy_core::store::{self as turn, FinishedTurn, StoreError};
use dovvybuddy_core::{ConversationKey, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::batch::{self, Question};
use crate::fault::{Fault, Outcome};

/// Session, messages, turn, usage, profile, covered events, parts: a program that runs inside the
/// database for each row inserted into `finishing`, so that a whole group is one hop. Everything hangs on
/// the session's row: when the diver was erased meanwhile, nothing of the turn is kept, and its words are
/// not sent any more; the answer to the command that erased them is. Rows without a turn only fill up a
/// statement; a turn that another process finished meanwhile changes nothing.
pub(crate) const PROGRAM: &str = "
CREATE TEMP VIEW finishing AS SELECT
    NULL AS session, NULL AS turn, NULL AS state, NULL AS last_seen, NULL AS emergency, NULL AS
    raised, NULL AS restarts, NULL AS diver, NULL AS created_at, NULL AS at, NULL AS said, NULL
    AS asked_at, NULL AS reply_text, NULL AS attempt, NULL AS outcome, NULL AS reply, NULL AS
    agent, NULL AS model, NULL AS tokens, NULL AS cost_micros, NULL AS waited_ms, NULL AS
    route_ms, NULL AS search_ms, NULL AS first_piece_ms, NULL AS total_ms, NULL AS user, NULL AS
    profile, NULL AS covered, NULL AS stands_down, NULL AS
    conversation, NULL AS outlet, NULL AS parts, NULL AS context, NULL AS urgent;

CREATE TEMP TRIGGER finish INSTEAD OF INSERT ON finishing
WHEN NEW.turn IS NOT NULL AND NOT EXISTS (SELECT 1 FROM turns WHERE id = NEW.turn) BEGIN
    UPDATE sessions SET
        state = coalesce(NEW.state, state),
        emergency = CASE WHEN NEW.raised > 0 THEN NEW.emergency WHEN NEW.stands_down AND emergency_seq <= NEW.last_seen THEN NULL ELSE emergency END,
        emergency_seq = max(emergency_seq, NEW.raised),
        epoch = epoch + NEW.restarts, diver = NEW.diver, created_at = coalesce(NEW.created_at, created_at), updated_at = NEW.at
    WHERE id = NEW.session;

    INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
    SELECT conversation, epoch, NEW.diver, NEW.turn, 'user', NEW.said, NEW.asked_at FROM sessions WHERE id = NEW.session AND NEW.said <> '';

    INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
    SELECT conversation, epoch, NEW.diver, NEW.turn, 'assistant', NEW.reply_text, NEW.at FROM sessions WHERE id = NEW.session AND NEW.said <> '';

    INSERT INTO turns (id, conversation, session, diver, attempt, outcome, reply, finished_at)
    SELECT NEW.turn, conversation, id, NEW.diver, NEW.attempt, NEW.outcome, NEW.reply, NEW.at FROM sessions WHERE id = NEW.session
    ON CONFLICT (id) DO NOTHING;

    INSERT INTO usage (turn, conversation, diver, agent, model, outcome, tokens, cost_micros,
                       waited_ms, route_ms, search_ms, first_piece_ms, total_ms, at)
    SELECT NEW.turn, conversation, NEW.diver, NEW.agent, NEW.model, NEW.outcome, NEW.tokens, NEW.cost_micros, NEW.waited_ms, NEW.route_ms, NEW.search_ms, NEW.first_piece_ms, NEW.total_ms, NEW.at FROM sessions WHERE id = NEW.session;

    INSERT INTO divers (key, user, profile, updated_at)
    SELECT coalesce((SELECT person FROM identities WHERE diver = NEW.diver), NEW.diver), NEW.user, NEW.profile, NEW.at FROM sessions WHERE id = NEW.session AND NEW.profile <> '{}'
    ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at
        WHERE profile <> excluded.profile;

    UPDATE inbox SET covered_by = NEW.turn, event = NULL WHERE seq IN (SELECT value FROM json_each(NEW.covered));

    INSERT INTO outbox (lane, outlet, conversation, diver, turn, part, payload, context,
                        urgent, command, state, next_at, created_at)
    SELECT NEW.conversation, NEW.outlet, NEW.conversation, NEW.diver, NEW.turn, key, value, NEW.context,
           NEW.urgent, NEW.said = '', 'pending', NEW.at, NEW.at
    FROM json_each(NEW.parts)
    WHERE NEW.parts IS NOT NULL AND (NEW.said = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = NEW.session))
    ORDER BY key;
END";

/// The values of a row of `finishing`.
pub(crate) const COLUMNS: usize = 34;

/// A finished turn in the form of its rows.
pub(crate) struct Finish {
    pub(crate) turn: String,
    session: String,
    pub(crate) conversation: String,
    outlet: String,
    pub(crate) diver: String,
    user: String,
    attempt: u32,
    said: String,
    text: String,
    reply: String,
    agent: String,
    model: String,
    outcome: &'static str,
    /// `None` leaves the session's as it is.
    pub(crate) state: Option<String>,
    emergency: Option<String>,
    stands_down: bool,
    pub(crate) profile: String,
    usage: [i64; 7],
    parts: Option<String>,
    context: String,
    restarts: bool,
    created_at: Option<i64>,
    asked_at: i64,
    at: i64,
    /// An emergency: goes out first, and of the session only the alarm is written.
    urgent: bool,
    /// The newest message the turn knew.
    last_seen: i64,
    /// The message that raised an emergency, or 0.
    raised: i64,
    /// The covered events.
    covered: String,
}

impl Finish {
    /// A turn that covers claimed events.
    pub(crate) fn new(
        turn: &FinishedTurn,
        conversation: &ConversationKey,
        asked_at: Timestamp,
        sequence: &[i64],
    ) -> Result<Self, StoreError> {
        Ok(Self::build(turn, conversation, asked_at, Some(sequence))?)
    }

    /// A turn whose event is stored covered with it: an emergency.
    pub(crate) fn answered(
        turn: &FinishedTurn,
        conversation: &ConversationKey,
        asked_at: Timestamp,
    ) -> Result<Self, StoreError> {
        Ok(Self::build(turn, conversation, asked_at, None)?)
    }

    fn build(
        turn: &FinishedTurn,
        conversation: &ConversationKey,
        asked_at: Timestamp,
        claimed: Option<&[i64]>,
    ) -> Outcome<Self> {
        let urgent = claimed.is_none();
        let last_seen = claimed.and_then(|sequence| sequence.last().copied()).unwrap_or(i64::MAX);
        let used = &turn.usage;
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Ok(Self {
            turn: turn.id.to_string(),
            session: turn.session.id.to_string(),
            conversation: conversation.encode(),
            outlet: conversation.channel.as_str().to_owned(),
            diver: turn.diver.encode(),
            user: turn.diver.user.clone(),
            attempt: turn.attempt,
            said: turn.said.clone(),
            text: turn.reply.text.clone(),
            reply: serde_json::to_string(&turn.reply)?,
            agent: turn.reply.agent.as_str().to_owned(),
            model: turn.reply.model.clone(),
            outcome: turn.outcome.as_str(),
            state: if urgent { None } else { Some(serde_json::to_string(&turn.session.state)?) },
            emergency: turn.session.emergency.as_ref().map(serde_json::to_string).transpose()?,
            stands_down: turn.stands_down,
            profile: if urgent { "{}".to_owned() } else { serde_json::to_string(&turn.session.profile)? },
            usage: [
                i64::from(used.tokens),
                count(used.cost_micros),
                count(used.waited_ms),
                count(used.route_ms),
                count(used.search_ms),
                count(used.first_piece_ms),
                count(used.total_ms),
            ],
            parts: if turn.parts.is_empty() { None } else { Some(parts_json(&turn.parts)?) },
            context: serde_json::to_string(&turn.context)?,
            restarts: turn.restarts_session,
            created_at: (!urgent).then_some(turn.session.created_at.as_millis()),
            asked_at: asked_at.as_millis(),
            at: turn.at.as_millis(),
            urgent,
            last_seen,
            // Of other turns the session's emergency is not taken: it may be older than one raised meanwhile.
            raised: if turn.outcome == turn::Outcome::Emergency { last_seen } else { 0 },
            covered: serde_json::to_string(claimed.unwrap_or_default())?,
        })
    }

    /// Writes a turn whose event `seq` was stored covered.
    pub(crate) async fn run(&mut self, conn: &mut SqliteConnection, session: &str, seq: i64) -> Outcome<()> {
        session.clone_into(&mut self.session);
        (self.last_seen, self.raised) = (seq, seq);
        batch::finish(conn, self).await
    }

    /// One row of `finishing`.
    pub(crate) fn bind(&self, question: Question) -> Question {
        let mut question = question
            .bind(&self.session)
            .bind(&self.turn)
            .bind(&self.state)
            .bind(self.last_seen)
            .bind(&self.emergency)
            .bind(self.raised)
            .bind(self.restarts)
            .bind(&self.diver)
            .bind(self.created_at)
            .bind(self.at)
            .bind(&self.said)
            .bind(self.asked_at)
            .bind(&self.text)
            .bind(self.attempt)
            .bind(self.outcome)
            .bind(&self.reply)
            .bind(&self.agent)
            .bind(&self.model);
        for figure in self.usage {
            question = question.bind(figure);
        }
        question
            .bind(&self.user)
            .bind(&self.profile)
            .bind(&self.covered)
            .bind(self.stands_down)
            .bind(&self.conversation)
            .bind(&self.outlet)
            .bind(&self.parts)
            .bind(&self.context)
            .bind(self.urgent)
    }
}

/// An array of the payloads' own texts, so that each is stored exactly as it was rendered.
fn parts_json(parts: &[serde_json::Value]) -> Outcome<String> {
    let texts: Vec<String> = parts.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    serde_json::to_string(&texts).map_err(Fault::from)
}
