//! What the operator is told until somebody has seen it.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::alert::{About, Alert, Alerts, EmergencyReport};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{AlertId, ConversationKey, Timestamp, TurnId};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::{PostgresStore, millis};

/// How far the first look ever goes back, and every other one before the one before it.
const LOOK_BACK: Duration = Duration::from_hours(1);

/// Stands for who saw an alert of which nothing is left to be told.
const NOBODY: &str = "";

const DUE: &str = "
SELECT id, kind, subject, told, raised_at FROM alerts
WHERE acknowledged_at IS NULL AND next_at <= $1 ORDER BY id LIMIT $2";

const REPORT: &str = "
SELECT t.conversation, t.diver, t.reply, t.finished_at,
       (SELECT content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user'
        LIMIT 1)
FROM turns t WHERE t.id = $1";

const SEE: &str = "
UPDATE alerts SET acknowledged_at = coalesce(acknowledged_at, $2), acknowledged_by = coalesce(acknowledged_by, $3)
WHERE id = $1 RETURNING acknowledged_by";

#[async_trait]
impl Alerts for PostgresStore {
    async fn raise_alerts(&self, now: Timestamp) -> Result<u64, StoreError> {
        let raise = || sqlx::query("SELECT dovvy_raise_alerts($1, $2)").bind(now.as_millis()).bind(millis(LOOK_BACK));
        let raised = self.row(raise).await?;
        Ok(raised.map_or(Ok(0), |row| rows::count(&row, 0))?)
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
        let told = self
            .row(|| {
                sqlx::query("SELECT dovvy_tell($1, $2, $3, $4, $5::text::json, $6)")
                    .bind(id.0)
                    .bind(again.as_millis())
                    .bind(to.encode())
                    .bind(to.channel.as_str().to_owned())
                    .bind(texts.clone())
                    .bind(now.as_millis())
            })
            .await?;
        self.inner.parts.ring();
        Ok(told.map_or(Ok(false), |row| row.try_get(0)).map_err(Fault::from)?)
    }

    async fn acknowledge(&self, id: AlertId, by: &str, at: Timestamp) -> Result<Option<String>, StoreError> {
        let seen = self.row(|| sqlx::query(SEE).bind(id.0).bind(at.as_millis()).bind(by.to_owned())).await?;
        Ok(seen.map(|row| row.try_get(0)).transpose().map_err(Fault::from)?)
    }
}

impl PostgresStore {
    async fn read_due_alerts(&self, now: Timestamp, limit: usize) -> Outcome<Vec<Alert>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = self.all(|| sqlx::query(DUE).bind(now.as_millis()).bind(limit)).await?;
        let mut alerts = Vec::with_capacity(due.len());
        for row in &due {
            let id = AlertId(row.try_get(0)?);
            match self.report(row).await? {
                Some(about) => {
                    alerts.push(Alert { id, about, told: rows::small(row, 3)?, raised_at: rows::moment(row, 4)? });
                }
                // What it was about was erased.
                None => drop(self.acknowledge(id, NOBODY, now).await.map_err(Fault)?),
            }
        }
        Ok(alerts)
    }

    async fn report(&self, row: &PgRow) -> Outcome<Option<About>> {
        let subject: String = row.try_get(2)?;
        if row.try_get::<&str, _>(1)? == "lead" {
            return Ok(self.read_lead(&subject).await?.map(About::Lead));
        }
        let Some(found) = self.row(|| sqlx::query(REPORT).bind(subject.clone())).await? else { return Ok(None) };
        Ok(Some(About::Emergency(emergency(rows::turn_id(&subject)?, &found)?)))
    }
}

/// An emergency from the columns of [`REPORT`].
pub(crate) fn emergency(turn: TurnId, row: &PgRow) -> Outcome<EmergencyReport> {
    let reply: Reply = rows::json(row, 2)?;
    Ok(EmergencyReport {
        turn,
        conversation: rows::conversation(row.try_get(0)?)?,
        diver: rows::diver(row.try_get(1)?)?,
        said: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        kind: reply.intent,
        at: rows::moment(row, 3)?,
    })
}
