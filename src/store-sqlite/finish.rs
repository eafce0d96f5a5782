//! The one write that ends a turn.

use dovvybuddy_core::store::{self as turn, FinishedTurn, StoreError};
use dovvybuddy_core::{ConversationKey, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::fault::{Fault, Outcome};

/// Session, messages, turn, usage, profile, covered events: a program that runs inside the database for
/// each row inserted into `finishing`, so that the whole of it is one hop with one answer. Everything
/// hangs on the session's row: when the diver was erased meanwhile, nothing of the turn is kept.
pub(crate) const PROGRAM: &str = "
CREATE TEMP VIEW finishing AS SELECT
    NULL AS session, NULL AS turn, NULL AS state, NULL AS last_seen, NULL AS emergency, NULL AS
    raised, NULL AS restarts, NULL AS diver, NULL AS created_at, NULL AS at, NULL AS said, NULL
    AS asked_at, NULL AS reply_text, NULL AS attempt, NULL AS outcome, NULL AS reply, NULL AS
    agent, NULL AS model, NULL AS tokens, NULL AS cost_micros, NULL AS waited_ms, NULL AS
    route_ms, NULL AS search_ms, NULL AS first_piece_ms, NULL AS total_ms, NULL AS user, NULL AS
    profile, NULL AS covered, NULL AS stands_down;

CREATE TEMP TRIGGER finish INSTEAD OF INSERT ON finishing BEGIN
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
    SELECT NEW.diver, NEW.user, NEW.profile, NEW.at FROM sessions WHERE id = NEW.session AND NEW.profile <> '{}'
    ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at
        WHERE profile <> excluded.profile;

    UPDATE inbox SET covered_by = NEW.turn, event = NULL WHERE seq IN (SELECT value FROM json_each(NEW.covered));
END";

const FINISH: &str = "INSERT INTO finishing
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
            $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)";

/// The parts of a reply. The words of an erased diver are not sent any more; the answer to the command
/// that erased them is.
const PARTS: &str = "
INSERT INTO outbox (lane, outlet, conversation, diver, turn, part, payload, context,
                    urgent, command, state, next_at, created_at)
SELECT $1, $2, $1, $3, $4, key, value, $6, $7, $8 = '', 'pending', $9, $9 FROM json_each($5)
WHERE $8 = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = $10)
ORDER BY key";

/// A finished turn in the form of its rows.
pub(crate) struct Finish {
    pub(crate) turn: String,
    conversation: String,
    outlet: String,
    diver: String,
    user: String,
    attempt: u32,
    said: String,
    text: String,
    reply: String,
    agent: String,
    model: String,
    outcome: &'static str,
    /// `None` leaves the session's as it is.
    state: Option<String>,
    emergency: Option<String>,
    stands_down: bool,
    profile: String,
    usage: [i64; 7],
    parts: Option<String>,
    context: String,
    restarts: bool,
    created_at: Option<i64>,
    asked_at: i64,
    at: i64,
    /// An emergency: goes out first, and of the session only the alarm is written.
    urgent: bool,
}

impl Finish {
    pub(crate) fn new(
        turn: &FinishedTurn,
        conversation: &ConversationKey,
        asked_at: Timestamp,
        urgent: bool,
    ) -> Result<Self, StoreError> {
        Self::build(turn, conversation, asked_at, urgent).map_err(StoreError::from)
    }

    fn build(turn: &FinishedTurn, conversation: &ConversationKey, asked_at: Timestamp, urgent: bool) -> Outcome<Self> {
        let used = &turn.usage;
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Ok(Self {
            turn: turn.id.to_string(),
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
        })
    }

    /// Writes a turn that covers claimed events.
    pub(crate) async fn cover(&self, conn: &mut SqliteConnection, session: &str, sequence: &[i64]) -> Outcome<()> {
        let last = sequence.last().copied().unwrap_or(i64::MAX);
        let covered = serde_json::to_string(sequence)?;
        // Of other turns the session's emergency is not taken: it may be older than one raised meanwhile.
        let raised = if self.outcome == turn::Outcome::Emergency.as_str() { last } else { 0 };
        self.write(conn, session, last, raised, &covered).await
    }

    /// Writes a turn whose event `seq` was stored covered: an emergency.
    pub(crate) async fn run(&self, conn: &mut SqliteConnection, session: &str, seq: i64) -> Outcome<()> {
        self.write(conn, session, seq, seq, "[]").await
    }

    async fn write(
        &self,
        conn: &mut SqliteConnection,
        session: &str,
        last_seen: i64,
        raised: i64,
        covered: &str,
    ) -> Outcome<()> {
        let mut query = sqlx::query(FINISH)
            .bind(session)
            .bind(&self.turn)
            .bind(&self.state)
            .bind(last_seen)
            .bind(&self.emergency)
            .bind(raised)
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
            query = query.bind(figure);
        }
        query.bind(&self.user).bind(&self.profile).bind(covered).bind(self.stands_down).execute(&mut *conn).await?;
        if let Some(parts) = &self.parts {
            self.write_parts(conn, session, parts).await?;
        }
        Ok(())
    }

    async fn write_parts(&self, conn: &mut SqliteConnection, session: &str, parts: &str) -> Outcome<()> {
        sqlx::query(PARTS)
            .bind(&self.conversation)
            .bind(&self.outlet)
            .bind(&self.diver)
            .bind(&self.turn)
            .bind(parts)
            .bind(&self.context)
            .bind(self.urgent)
            .bind(&self.said)
            .bind(self.at)
            .bind(session)
            .execute(conn)
            .await?;
        Ok(())
    }
}

/// An array of the payloads' own texts, so that each is stored exactly as it was rendered.
fn parts_json(parts: &[serde_json::Value]) -> Outcome<String> {
    let texts: Vec<String> = parts.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    serde_json::to_string(&texts).map_err(Fault::from)
}
