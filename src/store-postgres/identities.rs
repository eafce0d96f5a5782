//! One diver, many channels: codes, and what joining two identities brings together.

use async_trait::async_trait;
use dovvybuddy_core::identity::{CODE_LIFE, Identities, KeptCode, LinkCode, MOST_TRIES, Proof, Redeemed};
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{DiverKey, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ask::{BUDGET, Repeat, Step, transaction};
use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::PostgresStore;

/// Every identity of the person behind a diver; that of the profile first.
const ALL: &str = "
SELECT p FROM dovvy_person($1) p
UNION ALL (SELECT diver FROM identities WHERE person = dovvy_person($1) AND diver <> dovvy_person($1) ORDER BY diver)";

/// The key a diver's profile, limits and spending stand under.
async fn person(conn: &mut PgConnection, diver: &str) -> Step<String> {
    Ok(sqlx::query("SELECT dovvy_person($1)").bind(diver).fetch_one(conn).await?.try_get(0)?)
}

/// Every identity of the person behind a diver, encoded.
pub(crate) async fn all(conn: &mut PgConnection, diver: &str) -> Step<Vec<String>> {
    let found = sqlx::query(ALL).bind(diver).fetch_all(conn).await?;
    Ok(found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

async fn offer(conn: &mut PgConnection, diver: &str, bot: &str, code: &LinkCode, expires: i64) -> Step<bool> {
    let now = Timestamp::from_millis(expires).minus(CODE_LIFE).as_millis();
    sqlx::query("DELETE FROM link_codes WHERE expires_at <= $1 OR diver = $2 AND redeemed_by IS NULL")
        .bind(now)
        .bind(diver)
        .execute(&mut *conn)
        .await?;
    let kept = sqlx::query(
        "INSERT INTO link_codes (bot, selector, secret, diver, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (bot, selector) DO NOTHING",
    )
    .bind(bot)
    .bind(code.selector())
    .bind(code.secret())
    .bind(diver)
    .bind(expires)
    .execute(conn)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// What a code proves; what it does to the code is written.
async fn prove(conn: &mut PgConnection, by: &str, bot: &str, code: &LinkCode, now: i64) -> Step<Option<Proof>> {
    let found = sqlx::query(
        "SELECT diver, secret, redeemed_by FROM link_codes
         WHERE bot = $1 AND selector = $2 AND expires_at > $3 AND misses < $4 FOR UPDATE",
    )
    .bind(bot)
    .bind(code.selector())
    .bind(now)
    .bind(i64::from(MOST_TRIES))
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let kept = KeptCode { giver: row.try_get(0)?, secret: row.try_get(1)?, redeemed_by: row.try_get(2)? };
    let proof = kept.proof(code, by);
    let effect = match proof {
        Proof::Mistyped => sqlx::query("UPDATE link_codes SET misses = misses + 1 WHERE bot = $1 AND selector = $2"),
        Proof::Of(_) => sqlx::query("UPDATE link_codes SET redeemed_by = $3 WHERE bot = $1 AND selector = $2"),
        Proof::Again | Proof::Own | Proof::Used => return Ok(Some(proof)),
    };
    let effect = effect.bind(bot).bind(code.selector());
    let effect = if matches!(proof, Proof::Of(_)) { effect.bind(by) } else { effect };
    effect.execute(conn).await?;
    Ok(Some(proof))
}

async fn redeem(conn: &mut PgConnection, by: &DiverKey, code: Option<&LinkCode>, now: Timestamp) -> Step<Redeemed> {
    let (key, now) = (by.encode(), now.as_millis());
    // Whoever tries several codes at once is counted one after another.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind(&key).execute(&mut *conn).await?;
    let barred = sqlx::query("SELECT 1 FROM link_misses WHERE diver = $1 AND misses >= $2 AND until > $3")
        .bind(&key)
        .bind(i64::from(MOST_TRIES))
        .bind(now)
        .fetch_optional(&mut *conn)
        .await?;
    if barred.is_some() {
        return Ok(Redeemed::TooManyTries);
    }
    let proof = match code {
        Some(code) => prove(&mut *conn, &key, by.bot.as_str(), code, now).await?,
        None => None,
    };
    match proof {
        Some(Proof::Again) => Ok(Redeemed::Linked),
        Some(Proof::Own) => Ok(Redeemed::Own),
        Some(Proof::Of(giver)) => {
            unite(&mut *conn, &giver, &key, now).await?;
            sqlx::query("DELETE FROM link_misses WHERE diver = $1").bind(&key).execute(conn).await?;
            Ok(Redeemed::Linked)
        }
        Some(Proof::Used | Proof::Mistyped) | None => {
            // A window begins with its first miss.
            sqlx::query(
                "INSERT INTO link_misses AS m (diver, misses, until) VALUES ($1, 1, $2)
                 ON CONFLICT (diver) DO UPDATE SET
                     misses = CASE WHEN m.until > $3 THEN m.misses + 1 ELSE 1 END,
                     until = CASE WHEN m.until > $3 THEN m.until ELSE excluded.until END",
            )
            .bind(&key)
            .bind(Timestamp::from_millis(now).plus(CODE_LIFE).as_millis())
            .bind(now)
            .execute(conn)
            .await?;
            Ok(Redeemed::Wrong)
        }
    }
}

/// Makes two divers one person, if they are not.
async fn unite(conn: &mut PgConnection, keep: &str, other: &str, now: i64) -> Step<()> {
    let (keep, other) = (person(&mut *conn, keep).await?, person(&mut *conn, other).await?);
    if keep == other { Ok(()) } else { join(conn, &keep, &other, now).await }
}

async fn join(conn: &mut PgConnection, keep: &str, other: &str, now: i64) -> Step<()> {
    let found =
        sqlx::query("SELECT profile, updated_at FROM divers WHERE key IN ($1, $2) ORDER BY updated_at FOR UPDATE")
            .bind(keep)
            .bind(other)
            .fetch_all(&mut *conn)
            .await?;
    let mut profile = DiverProfile::default();
    let mut updated_at = now;
    for row in &found {
        profile.merge(rows::json(row, 0)?);
        updated_at = row.try_get(1)?;
    }
    sqlx::query("SELECT dovvy_join($1, $2, $3)").bind(keep).bind(other).bind(now).execute(&mut *conn).await?;
    sqlx::query("DELETE FROM divers WHERE key = $1").bind(other).execute(&mut *conn).await?;
    if found.is_empty() {
        return Ok(());
    }
    let account = rows::diver(keep)?.user;
    sqlx::query(
        "INSERT INTO divers (key, account, profile, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at",
    )
    .bind(keep)
    .bind(account)
    .bind(serde_json::to_string(&profile)?)
    .bind(updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Identities for PostgresStore {
    async fn offer_link(&self, diver: &DiverKey, code: &LinkCode, expires: Timestamp) -> Result<bool, StoreError> {
        let (key, bot, expires) = (diver.encode(), diver.bot.as_str(), expires.as_millis());
        Ok(transaction!(self, Repeat::Harmless, BUDGET, |conn| offer(conn, &key, bot, code, expires))?)
    }

    async fn redeem_link(
        &self,
        by: &DiverKey,
        code: Option<&LinkCode>,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        Ok(transaction!(self, Repeat::Harmless, BUDGET, |conn| redeem(conn, by, code, now))?)
    }

    async fn unite(&self, keep: &DiverKey, other: &DiverKey, now: Timestamp) -> Result<(), StoreError> {
        let (keep, other, now) = (keep.encode(), other.encode(), now.as_millis());
        Ok(transaction!(self, Repeat::Harmless, BUDGET, |conn| unite(conn, &keep, &other, now))?)
    }

    async fn identities(&self, diver: &DiverKey) -> Result<Vec<DiverKey>, StoreError> {
        let found = self.all(|| sqlx::query(ALL).bind(diver.encode())).await?;
        let key = |row: &sqlx::postgres::PgRow| rows::diver(row.try_get::<&str, _>(0).map_err(Fault::from)?);
        Ok(found.iter().map(key).collect::<Outcome<Vec<_>>>()?)
    }
}
