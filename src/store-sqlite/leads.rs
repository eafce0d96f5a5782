//! Leads and how far their deliveries got.

use std::collections::HashMap;

use async_trait::async_trait;
use dovvybuddy_core::lead::{Lead, LeadDelivery, LeadKind, LeadRecord};
use dovvybuddy_core::store::{Leads, Notice, StoreError};
use dovvybuddy_core::{BotId, LeadId, SessionId, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, SqlitePool};

use crate::fault::{Fault, Outcome};
use crate::outbox::write_notices;
use crate::rows;
use crate::store::SqliteStore;

/// The order of columns [`lead`] reads.
pub(crate) const COLUMNS: &str = "id, bot, kind, data, session, profile, created_at";

pub(crate) fn lead(row: &SqliteRow) -> Outcome<Lead> {
    let kind = LeadKind::parse(row.try_get(2)?).ok_or_else(|| Fault::corrupt("a lead's kind"))?;
    Ok(Lead {
        id: rows::lead_id(row.try_get(0)?)?,
        bot: BotId::new(row.try_get::<String, _>(1)?),
        kind,
        data: rows::json(row, 3)?,
        session: row.try_get::<Option<&str>, _>(4)?.map(rows::session_id).transpose()?,
        profile: rows::json(row, 5)?,
        created_at: Timestamp::from_millis(row.try_get(6)?),
    })
}

async fn insert(conn: &mut SqliteConnection, lead: &Lead, deliveries: &[Notice]) -> Outcome<()> {
    let added = sqlx::query(
        "INSERT INTO leads (id, bot, kind, data, session, profile, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
    )
    .bind(lead.id.to_string())
    .bind(lead.bot.as_str())
    .bind(lead.kind.as_str())
    .bind(serde_json::to_string(&lead.data)?)
    .bind(lead.session.map(|session: SessionId| session.to_string()))
    .bind(serde_json::to_string(&lead.profile)?)
    .bind(lead.created_at.as_millis())
    .execute(&mut *conn)
    .await?;
    if added.rows_affected() > 0 {
        write_notices(conn, &lead.bot, &lead.id.to_string(), deliveries, lead.created_at).await?;
    }
    Ok(())
}

async fn resend(conn: &mut SqliteConnection, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Outcome<bool> {
    let id = id.to_string();
    let found = sqlx::query("SELECT bot FROM leads WHERE id = $1").bind(&id).fetch_optional(&mut *conn).await?;
    let Some(row) = found else { return Ok(false) };
    let bot = BotId::new(row.try_get::<String, _>(0)?);
    write_notices(conn, &bot, &id, deliveries, at).await?;
    Ok(true)
}

/// The newest delivery of each outlet, by lead.
async fn deliveries(pool: &SqlitePool, leads: &[Lead]) -> Outcome<HashMap<String, Vec<LeadDelivery>>> {
    let ids: Vec<String> = leads.iter().map(|lead| lead.id.to_string()).collect();
    let found = sqlx::query(
        "SELECT lead, outlet, state, attempts, error, max(id) FROM outbox
         WHERE lead IN (SELECT value FROM json_each($1)) GROUP BY lead, outlet ORDER BY lead, outlet",
    )
    .bind(serde_json::to_string(&ids)?)
    .fetch_all(pool)
    .await?;
    let mut by_lead: HashMap<String, Vec<LeadDelivery>> = HashMap::new();
    for row in &found {
        by_lead.entry(row.try_get(0)?).or_default().push(LeadDelivery {
            outlet: row.try_get(1)?,
            state: row.try_get(2)?,
            attempts: rows::small(row, 3)?,
            error: row.try_get(4)?,
        });
    }
    Ok(by_lead)
}

async fn newest(pool: &SqlitePool, bot: &BotId, limit: usize) -> Outcome<Vec<LeadRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM leads WHERE bot = $1 ORDER BY number DESC LIMIT $2"));
    let found =
        sqlx::query(sql).bind(bot.as_str()).bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(pool).await?;
    let leads = found.iter().map(lead).collect::<Outcome<Vec<_>>>()?;
    let mut by_lead = deliveries(pool, &leads).await?;
    Ok(leads
        .into_iter()
        .map(|lead| LeadRecord { deliveries: by_lead.remove(&lead.id.to_string()).unwrap_or_default(), lead })
        .collect())
}

#[async_trait]
impl Leads for SqliteStore {
    async fn add_lead(&self, lead: &Lead, deliveries: &[Notice]) -> Result<(), StoreError> {
        let (lead, deliveries) = (lead.clone(), deliveries.to_vec());
        let wake = self.outbox_wake().clone();
        self.writer()
            .write_then(
                async move |conn: &mut SqliteConnection| insert(conn, &lead, &deliveries).await,
                move |()| wake.notify_waiters(),
            )
            .await?;
        Ok(())
    }

    async fn leads(&self, bot: &BotId, limit: usize) -> Result<Vec<LeadRecord>, StoreError> {
        Ok(newest(self.readers(), bot, limit).await?)
    }

    async fn resend_lead(&self, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Result<bool, StoreError> {
        let deliveries = deliveries.to_vec();
        let wake = self.outbox_wake().clone();
        Ok(self
            .writer()
            .write_then(
                async move |conn: &mut SqliteConnection| resend(conn, id, &deliveries, at).await,
                move |_: &bool| wake.notify_waiters(),
            )
            .await?)
    }
}
