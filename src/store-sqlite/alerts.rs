//! What the operator is told until somebody has seen it.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::alert::{About, Alert, Alerts, EmergencyReport};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{AlertId, ConversationKey, DiverKey, Timestamp, TurnId};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, SqlitePool};

use crate::fault::{Fault, Outcome};
use crate::store::SqliteStore;
use crate::{leads, rows};

/// Stands for who saw an alert of which nothing is left to be told.
const NOBODY: &str = "";
/// How far the first look ever goes back.
const LOOK_BACK: Duration = Duration::from_hours(1);

/// Leads and emergencies beyond the marks of the last look. `$1`: how far back when there was none.
const ANYTHING_NEW: &str = "
SELECT EXISTS (SELECT 1 FROM leads
               WHERE number > coalesce((SELECT value FROM meta WHERE name = 'alerted_lead'), 0) AND created_at >= $1)
    OR EXISTS (SELECT 1 FROM turns
               WHERE number > coalesce((SELECT value FROM meta WHERE name = 'alerted_turn'), 0)
                 AND outcome = 'emergency' AND finished_at >= $1)";

const RAISE: &str = "
INSERT INTO alerts (kind, subject, raised_at, next_at)
SELECT 'lead', id, $2, $2 FROM leads
WHERE number > coalesce((SELECT value FROM meta WHERE name = 'alerted_lead'), 0) AND created_at >= $1
ORDER BY number ON CONFLICT DO NOTHING;

INSERT INTO alerts (kind, subject, conversation, raised_at, next_at)
SELECT 'emergency', id, conversation, $2, $2 FROM turns t
WHERE number > coalesce((SELECT value FROM meta WHERE name = 'alerted_turn'), 0)
  AND outcome = 'emergency' AND finished_at >= $1
  AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.conversation = t.conversation AND a.acknowledged_at IS NULL)
  AND number = (SELECT min(number) FROM turns f
                WHERE f.number > coalesce((SELECT value FROM meta WHERE name = 'alerted_turn'), 0)
                  AND f.outcome = 'emergency' AND f.finished_at >= $1 AND f.conversation = t.conversation)
ORDER BY number ON CONFLICT DO NOTHING;

INSERT INTO meta (name, value) VALUES ('alerted_lead', (SELECT coalesce(max(number), 0) FROM leads)),
                                      ('alerted_turn', (SELECT coalesce(max(number), 0) FROM turns))
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";

const DUE: &str = "
SELECT id, kind, subject, told, raised_at FROM alerts
WHERE acknowledged_at IS NULL AND next_at <= $1 ORDER BY id LIMIT $2";

const REPORT: &str = "
SELECT t.conversation, t.diver, t.reply, t.finished_at,
       (SELECT content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user')
FROM turns t WHERE t.id = $1";

/// A telling that is still on its way is not repeated. The parts belong to the lead or the turn, so that
/// they go with them when they are erased.
const SEND: &str = "
UPDATE alerts SET next_at = $2 WHERE id = $1 AND acknowledged_at IS NULL;

INSERT INTO outbox (lane, outlet, conversation, lead, turn, part, payload, context, urgent, state, next_at, created_at)
SELECT $3, $4, $3, CASE a.kind WHEN 'lead' THEN a.subject END, CASE a.kind WHEN 'emergency' THEN a.subject END,
       p.key, p.value, 'null', a.kind = 'emergency', 'pending', $6, $6
FROM alerts a, json_each($5) p
WHERE a.id = $1 AND a.acknowledged_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.lane = $3 AND o.outlet = $4
                  AND o.state IN ('pending', 'unknown', 'send_started') AND (o.lead = a.subject OR o.turn = a.subject))
ORDER BY p.key;

UPDATE alerts SET told = told + 1 WHERE id = $1 AND changes() > 0 RETURNING 1";

const SEE: &str = "
UPDATE alerts SET acknowledged_at = coalesce(acknowledged_at, $2), acknowledged_by = coalesce(acknowledged_by, $3)
WHERE id = $1 RETURNING acknowledged_by";

async fn report(pool: &SqlitePool, row: &SqliteRow) -> Outcome<Option<About>> {
    let subject: String = row.try_get(2)?;
    if row.try_get::<&str, _>(1)? == "lead" {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {} FROM leads WHERE id = $1", leads::COLUMNS));
        let found = sqlx::query(sql).bind(subject).fetch_optional(pool).await?;
        return Ok(found.as_ref().map(leads::lead).transpose()?.map(About::Lead));
    }
    let Some(found) = sqlx::query(REPORT).bind(&subject).fetch_optional(pool).await? else { return Ok(None) };
    Ok(Some(About::Emergency(emergency(rows::turn_id(&subject)?, &found)?)))
}

/// An emergency from the columns of [`REPORT`].
pub(crate) fn emergency(turn: TurnId, row: &SqliteRow) -> Outcome<EmergencyReport> {
    let reply: Reply = rows::json(row, 2)?;
    Ok(EmergencyReport {
        turn,
        conversation: rows::conversation(row.try_get(0)?)?,
        diver: DiverKey::decode(row.try_get(1)?).ok_or_else(|| Fault::corrupt("a diver's key"))?,
        said: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        kind: reply.intent,
        at: Timestamp::from_millis(row.try_get(3)?),
    })
}

#[async_trait]
impl Alerts for SqliteStore {
    async fn raise_alerts(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.raise(now).await?)
    }

    async fn due_alerts(&self, now: Timestamp, limit: usize) -> Result<Vec<Alert>, StoreError> {
        Ok(self.read_due_alerts(now, limit).await?)
    }

    async fn send_alert(
        &self,
        id: AlertId,
        to: &ConversationKey,
        parts: &[Value],
        now: Timestamp,
        again: Timestamp,
    ) -> Result<bool, StoreError> {
        let texts: Vec<String> =
            parts.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(Fault::from)?;
        let texts = serde_json::to_string(&texts).map_err(Fault::from)?;
        let (lane, outlet, wake) = (to.encode(), to.channel.as_str().to_owned(), self.outbox_wake().clone());
        let write = async move |conn: &mut SqliteConnection| {
            let told = sqlx::query(SEND)
                .bind(id.0)
                .bind(again.as_millis())
                .bind(&lane)
                .bind(&outlet)
                .bind(&texts)
                .bind(now.as_millis())
                .fetch_all(conn)
                .await?;
            Ok(!told.is_empty())
        };
        Ok(self.writer().write_then(write, move |_: &bool| wake.notify_waiters()).await?)
    }

    async fn acknowledge(&self, id: AlertId, by: &str, at: Timestamp) -> Result<Option<String>, StoreError> {
        let by = by.to_owned();
        let write = async move |conn: &mut SqliteConnection| {
            let seen = sqlx::query(SEE).bind(id.0).bind(at.as_millis()).bind(&by).fetch_optional(conn).await?;
            Ok(seen.map(|row| row.try_get(0)).transpose()?)
        };
        Ok(self.writer().write(write).await?)
    }
}

impl SqliteStore {
    async fn raise(&self, now: Timestamp) -> Outcome<u64> {
        let looked =
            sqlx::query("SELECT 1 FROM meta WHERE name = 'alerted_lead'").fetch_optional(self.readers()).await?;
        let since = if looked.is_some() { 0 } else { now.minus(LOOK_BACK).as_millis() };
        let new = sqlx::query(ANYTHING_NEW).bind(since).fetch_one(self.readers()).await?;
        if looked.is_some() && !new.try_get::<bool, _>(0)? {
            return Ok(0);
        }
        let write = async move |conn: &mut SqliteConnection| {
            let before = sqlx::query("SELECT count(*) FROM alerts").fetch_one(&mut *conn).await?;
            sqlx::query(RAISE).bind(since).bind(now.as_millis()).execute(&mut *conn).await?;
            let after = sqlx::query("SELECT count(*) FROM alerts").fetch_one(conn).await?;
            Ok(rows::count(&after, 0)?.saturating_sub(rows::count(&before, 0)?))
        };
        self.writer().write(write).await
    }

    async fn read_due_alerts(&self, now: Timestamp, limit: usize) -> Outcome<Vec<Alert>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = sqlx::query(DUE).bind(now.as_millis()).bind(limit).fetch_all(self.readers()).await?;
        let mut alerts = Vec::with_capacity(due.len());
        for row in &due {
            let id = AlertId(row.try_get(0)?);
            match report(self.readers(), row).await? {
                Some(about) => alerts.push(Alert {
                    id,
                    about,
                    told: rows::small(row, 3)?,
                    raised_at: Timestamp::from_millis(row.try_get(4)?),
                }),
                // What it was about was erased.
                None => drop(self.acknowledge(id, NOBODY, now).await.map_err(Fault)?),
            }
        }
        Ok(alerts)
    }
}
