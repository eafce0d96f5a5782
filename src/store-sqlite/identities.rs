//! One diver, many channels: codes, and what joining two identities brings together.

use async_trait::async_trait;
use dovvybuddy_core::identity::{CODE_LIFE, Identities, KeptCode, LinkCode, MOST_TRIES, Proof, Redeemed};
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{DiverKey, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::SqliteStore;

/// Limits: who has less left counts. Spending: the sum. Both then stand under `$1`, and all identities of
/// `$2` belong to it.
const JOIN: &str = "
INSERT INTO limits (key, arrival) SELECT $1, arrival FROM limits WHERE key = $2
ON CONFLICT (key) DO UPDATE SET arrival = max(arrival, excluded.arrival);
DELETE FROM limits WHERE key = $2;

INSERT INTO spend (day, diver, tokens, cost_micros) SELECT day, $1, tokens, cost_micros FROM spend WHERE diver = $2
ON CONFLICT (day, diver) DO UPDATE SET
    tokens = tokens + excluded.tokens, cost_micros = cost_micros + excluded.cost_micros;
DELETE FROM spend WHERE diver = $2 AND $2 <> '';
UPDATE reservations SET diver = $1 WHERE diver = $2;

UPDATE identities SET person = $1 WHERE person = $2;
INSERT INTO identities (diver, person, linked_at) VALUES ($1, $1, $3), ($2, $1, $3)
ON CONFLICT (diver) DO UPDATE SET person = excluded.person";

/// The key a diver's profile, limits and spending stand under.
pub(crate) async fn person(conn: &mut SqliteConnection, diver: &str) -> Outcome<String> {
    let found = sqlx::query("SELECT person FROM identities WHERE diver = $1").bind(diver).fetch_optional(conn).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?.unwrap_or_else(|| diver.to_owned()))
}

/// Every identity of the person behind a diver, encoded; that of the profile first.
pub(crate) async fn all(conn: &mut SqliteConnection, diver: &str) -> Outcome<Vec<String>> {
    let person = person(&mut *conn, diver).await?;
    let found = sqlx::query("SELECT diver FROM identities WHERE person = $1 AND diver <> $1 ORDER BY diver")
        .bind(&person)
        .fetch_all(conn)
        .await?;
    let others = found.iter().map(|row| Ok(row.try_get(0)?)).collect::<Outcome<Vec<String>>>()?;
    Ok(std::iter::once(person).chain(others).collect())
}

async fn offer(conn: &mut SqliteConnection, diver: &str, bot: &str, code: &LinkCode, expires: i64) -> Outcome<bool> {
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
async fn prove(conn: &mut SqliteConnection, by: &str, bot: &str, code: &LinkCode, now: i64) -> Outcome<Option<Proof>> {
    let found = sqlx::query(
        "SELECT diver, secret, redeemed_by FROM link_codes
         WHERE bot = $1 AND selector = $2 AND expires_at > $3 AND misses < $4",
    )
    .bind(bot)
    .bind(code.selector())
    .bind(now)
    .bind(MOST_TRIES)
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

async fn redeem(
    conn: &mut SqliteConnection,
    by: &DiverKey,
    code: Option<&LinkCode>,
    now: Timestamp,
) -> Outcome<Redeemed> {
    let (key, now) = (by.encode(), now.as_millis());
    let barred = sqlx::query("SELECT 1 FROM link_misses WHERE diver = $1 AND misses >= $2 AND until > $3")
        .bind(&key)
        .bind(MOST_TRIES)
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
                "INSERT INTO link_misses (diver, misses, until) VALUES ($1, 1, $2)
                 ON CONFLICT (diver) DO UPDATE SET
                     misses = CASE WHEN until > $3 THEN misses + 1 ELSE 1 END,
                     until = CASE WHEN until > $3 THEN until ELSE excluded.until END",
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
async fn unite(conn: &mut SqliteConnection, keep: &str, other: &str, now: i64) -> Outcome<()> {
    let (keep, other) = (person(&mut *conn, keep).await?, person(&mut *conn, other).await?);
    if keep == other { Ok(()) } else { join(conn, &keep, &other, now).await }
}

async fn join(conn: &mut SqliteConnection, keep: &str, other: &str, now: i64) -> Outcome<()> {
    let found = sqlx::query("SELECT key, profile, updated_at FROM divers WHERE key IN ($1, $2) ORDER BY updated_at")
        .bind(keep)
        .bind(other)
        .fetch_all(&mut *conn)
        .await?;
    let mut profile = DiverProfile::default();
    let mut updated_at = now;
    for row in &found {
        profile.merge(rows::json(row, 1)?);
        updated_at = row.try_get(2)?;
    }
    sqlx::query(JOIN).bind(keep).bind(other).bind(now).execute(&mut *conn).await?;
    sqlx::query("DELETE FROM divers WHERE key = $1").bind(other).execute(&mut *conn).await?;
    if found.is_empty() {
        return Ok(());
    }
    let user = DiverKey::decode(keep).ok_or_else(|| Fault::corrupt("a diver's key"))?.user;
    sqlx::query(
        "INSERT INTO divers (key, user, profile, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at",
    )
    .bind(keep)
    .bind(user)
    .bind(serde_json::to_string(&profile)?)
    .bind(updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Identities for SqliteStore {
    async fn offer_link(&self, diver: &DiverKey, code: &LinkCode, expires: Timestamp) -> Result<bool, StoreError> {
        let (key, bot) = (diver.encode(), diver.bot.as_str().to_owned());
        let (code, expires) = (code.clone(), expires.as_millis());
        let write = async move |conn: &mut SqliteConnection| offer(conn, &key, &bot, &code, expires).await;
        Ok(self.writer().write(write).await?)
    }

    async fn redeem_link(
        &self,
        by: &DiverKey,
        code: Option<&LinkCode>,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let (by, code, recall) = (by.clone(), code.cloned(), self.recall().clone());
        let write = async move |conn: &mut SqliteConnection| redeem(conn, &by, code.as_ref(), now).await;
        // Sessions kept in memory hold the profiles of before.
        Ok(self.writer().write_then(write, move |_: &Redeemed| recall.forget_all()).await?)
    }

    async fn unite(&self, keep: &DiverKey, other: &DiverKey, now: Timestamp) -> Result<(), StoreError> {
        let (keep, other, recall) = (keep.encode(), other.encode(), self.recall().clone());
        let write = async move |conn: &mut SqliteConnection| unite(conn, &keep, &other, now.as_millis()).await;
        Ok(self.writer().write_then(write, move |(): &()| recall.forget_all()).await?)
    }

    async fn identities(&self, diver: &DiverKey) -> Result<Vec<DiverKey>, StoreError> {
        Ok(self.read_identities(diver).await?)
    }
}

impl SqliteStore {
    async fn read_identities(&self, diver: &DiverKey) -> Outcome<Vec<DiverKey>> {
        let mut reading = self.readers().acquire().await?;
        let keys = all(&mut reading, &diver.encode()).await?;
        keys.iter().map(|key| DiverKey::decode(key).ok_or_else(|| Fault::corrupt("a diver's key"))).collect()
    }
}
