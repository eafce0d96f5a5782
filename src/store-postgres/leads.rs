//! Leads and how far their deliveries got.

use std::collections::HashMap;

use async_trait::async_trait;
use dovvybuddy_core::lead::{Lead, LeadDelivery, LeadKind, LeadRecord};
use dovvybuddy_core::store::{Leads, Notice, StoreError};
use dovvybuddy_core::{BotId, LeadId, SessionId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ask::{BUDGET, Repeat, Step, notify, transaction};
use crate::fault::{Fault, Outcome};
use crate::outbox::write_notices;
use crate::rows;
use crate::store::PostgresStore;

const BY_ID: &str = "SELECT id, bot, kind, data, session, profile, created_at FROM leads WHERE id = $1";
const NEWEST: &str = "
SELECT id, bot, kind, data, session, profile, created_at FROM leads WHERE bot = $1 ORDER BY number DESC LIMIT $2";

/// The newest delivery of each outlet, by lead.
const DELIVERIES: &str = "
SELECT DISTINCT ON (lead, outlet) lead, outlet, state, attempts, error FROM outbox
WHERE lead = ANY ($1) ORDER BY lead, outlet, id DESC";

/// A lead from the columns that [`BY_ID`] names.
pub(crate) fn lead(row: &PgRow) -> Outcome<Lead> {
    let kind = LeadKind::parse(row.try_get(2)?).ok_or_else(|| Fault::corrupt("a lead's kind"))?;
    Ok(Lead {
        id: rows::lead_id(row.try_get(0)?)?,
        bot: BotId::new(row.try_get::<String, _>(1)?),
        kind,
        data: rows::json(row, 3)?,
        session: row.try_get::<Option<&str>, _>(4)?.map(rows::session_id).transpose()?,
        profile: rows::json(row, 5)?,
        created_at: rows::moment(row, 6)?,
    })
}

async fn insert(conn: &mut PgConnection, lead: &Lead, deliveries: &[Notice]) -> Step<()> {
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

async fn resend(conn: &mut PgConnection, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Step<bool> {
    let id = id.to_string();
    let found = sqlx::query("SELECT bot FROM leads WHERE id = $1").bind(&id).fetch_optional(&mut *conn).await?;
    let Some(row) = found else { return Ok(false) };
    let bot = BotId::new(row.try_get::<String, _>(0)?);
    write_notices(&mut *conn, &bot, &id, deliveries, at).await?;
    notify(conn, "parts").await?;
    Ok(true)
}

#[async_trait]
impl Leads for PostgresStore {
    async fn add_lead(&self, lead: &Lead, deliveries: &[Notice]) -> Result<(), StoreError> {
        transaction!(self, Repeat::Harmless, BUDGET, |conn| insert(conn, lead, deliveries))?;
        self.inner.parts.ring();
        Ok(())
    }

    async fn leads(&self, bot: &BotId, limit: usize) -> Result<Vec<LeadRecord>, StoreError> {
        Ok(self.newest(bot, limit).await?)
    }

    async fn resend_lead(&self, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Result<bool, StoreError> {
        let found = transaction!(self, Repeat::IfUndone, BUDGET, |conn| resend(conn, id, deliveries, at))?;
        self.inner.parts.ring();
        Ok(found)
    }
}

impl PostgresStore {
    /// One lead.
    pub(crate) async fn read_lead(&self, id: &str) -> Outcome<Option<Lead>> {
        self.row(|| sqlx::query(BY_ID).bind(id.to_owned())).await?.as_ref().map(lead).transpose()
    }

    async fn newest(&self, bot: &BotId, limit: usize) -> Outcome<Vec<LeadRecord>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.all(|| sqlx::query(NEWEST).bind(bot.as_str().to_owned()).bind(limit)).await?;
        let leads = found.iter().map(lead).collect::<Outcome<Vec<_>>>()?;
        let ids: Vec<String> = leads.iter().map(|lead| lead.id.to_string()).collect();
        let found = self.all(|| sqlx::query(DELIVERIES).bind(ids.clone())).await?;
        let mut by_lead: HashMap<String, Vec<LeadDelivery>> = HashMap::new();
        for row in &found {
            by_lead.entry(row.try_get(0)?).or_default().push(LeadDelivery {
                outlet: row.try_get(1)?,
                state: row.try_get(2)?,
                attempts: rows::small(row, 3)?,
                error: row.try_get(4)?,
            });
        }
        let record =
            |lead: Lead| LeadRecord { deliveries: by_lead.remove(&lead.id.to_string()).unwrap_or_default(), lead };
        Ok(leads.into_iter().map(record).collect())
    }
}
