//! Tells the other replicas that this one lives, buries those that do not, and listens to what they tell.

use std::sync::Weak;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::time::timeout;

use crate::fault::{Fault, Outcome};
use crate::store::{Inner, PostgresStore, millis};

/// How often a replica says that it lives, and how long that counts. One that stands still, or that the network
/// cut off, is given up after this; one whose process ended at once, by its lock.
const BEAT: Duration = Duration::from_secs(2);
const LIFE: Duration = Duration::from_secs(10);
/// How long a beat may take; then the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);
/// The class of the locks by which a process is known to live; a constant of the schema.
const LIVES: i32 = 1_685_482_103;

impl PostgresStore {
    /// This process among those that hand out work. The first call makes it one of them.
    pub(crate) async fn me(&self) -> Outcome<i64> {
        let me = self.inner.me.get_or_try_init(|| self.join()).await?;
        Ok(*me)
    }

    async fn join(&self) -> Outcome<i64> {
        let mut conn = self.inner.direct.clone().connect().await?;
        let row = sqlx::query("INSERT INTO replicas (alive_until) VALUES (dovvy_now() + $1) RETURNING id")
            .bind(millis(LIFE))
            .fetch_one(&mut conn)
            .await?;
        let me: i64 = row.try_get(0)?;
        show(&mut conn, me).await?;
        // What a dead predecessor held is free before the first claim.
        beat(&self.inner, &mut conn, me).await?;
        count(&self.inner).await;
        let inner = std::sync::Arc::downgrade(&self.inner);
        self.inner.keep(tokio::spawn(pulse(Weak::clone(&inner), conn, me)).abort_handle());
        if self.inner.dispatch {
            self.inner.keep(tokio::spawn(listen(inner)).abort_handle());
        }
        Ok(me)
    }

    /// Reads how often something changed, so that only later changes are told.
    pub(crate) async fn look_for_changes(&self) -> Outcome<()> {
        let read = || sqlx::query("SELECT coalesce(max(value), 0)::bigint FROM meta WHERE name = 'changes'");
        let row = self.row(read).await?.ok_or_else(|| Fault::corrupt("the count of changes"))?;
        self.inner.changes.begin(row.try_get(0)?);
        Ok(())
    }

    /// Puts the count of what waits right.
    pub(crate) async fn recount(&self) {
        count(&self.inner).await;
    }
}

/// Takes the lock that the end of this process frees.
async fn show(conn: &mut PgConnection, me: i64) -> Outcome<()> {
    let number = i32::try_from(me).map_err(|_| Fault::unavailable("the numbers of replicas are used up"))?;
    sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(LIVES).bind(number).execute(&mut *conn).await?;
    sqlx::query("UPDATE replicas SET watched = true WHERE id = $1").bind(me).execute(conn).await?;
    Ok(())
}

async fn beat(inner: &Inner, conn: &mut PgConnection, me: i64) -> Outcome<()> {
    let beat = sqlx::query("SELECT changes, buried FROM dovvy_beat($1, $2)").bind(me).bind(millis(LIFE));
    let row = timeout(PATIENCE, beat.fetch_one(conn))
        .await
        .map_err(|_| Fault::unavailable("the database did not answer in time"))??;
    inner.changes.heard(row.try_get(0)?);
    let buried: i64 = row.try_get(1)?;
    if buried > 0 {
        tracing::warn!(replicas = buried, "a replica died; its work is taken over");
        inner.work.ring();
        inner.parts.ring();
    }
    Ok(())
}

async fn pulse(inner: Weak<Inner>, conn: PgConnection, me: i64) {
    let mut conn = Some(conn);
    loop {
        tokio::time::sleep(if conn.is_some() { BEAT } else { PAUSE }).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.connections.trim();
        let lives = async {
            let mut held = if let Some(held) = conn.take() {
                held
            } else {
                let mut fresh = timeout(PATIENCE, inner.direct.clone().connect())
                    .await
                    .map_err(|_| Fault::unavailable("the database did not answer in time"))??;
                show(&mut fresh, me).await?;
                fresh
            };
            beat(&inner, &mut held, me).await?;
            Ok::<_, Fault>(held)
        };
        match lives.await {
            Ok(held) => {
                conn = Some(held);
                count(&inner).await;
            }
            Err(fault) => tracing::warn!(error = %fault.0, "the database was not told that this replica lives"),
        }
    }
}

/// Counts what waits.
async fn count(inner: &Inner) {
    let before = inner.queue.before();
    let counted = async {
        let mut conn = inner.connections.borrow().await?;
        let row = sqlx::query("SELECT coalesce(sum(waiting), 0)::bigint FROM lanes WHERE first_seq IS NOT NULL")
            .fetch_one(conn.begin())
            .await?;
        conn.settle();
        Ok::<_, sqlx::Error>(row)
    };
    if let Ok(Ok(row)) = timeout(PATIENCE, counted).await
        && let Ok(waiting) = row.try_get(0)
    {
        inner.queue.counted(before, waiting);
    }
}

/// Hears what other replicas tell. Whatever was missed while not connected is looked for once.
async fn listen(inner: Weak<Inner>) {
    loop {
        let Some(direct) = inner.upgrade().map(|inner| inner.direct.clone()) else { return };
        if let Err(error) = hear(&inner, direct).await {
            tracing::warn!(error = %error, "notifications can't be heard; the database is asked every second");
        }
        tokio::time::sleep(BEAT).await;
    }
}

async fn hear(inner: &Weak<Inner>, direct: sqlx::postgres::PgConnectOptions) -> Result<(), sqlx::Error> {
    let pool =
        PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(direct).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("dovvybuddy").await?;
    loop {
        let told = listener.try_recv().await?;
        let Some(inner) = inner.upgrade() else { return Ok(()) };
        match told.as_ref().map(|told| told.payload().split_once(' ').unwrap_or((told.payload(), ""))) {
            Some(("changes", count)) => inner.changes.heard(count.parse().unwrap_or(0)),
            Some(("parts", _)) => inner.parts.ring(),
            Some(("work", _)) => inner.work.ring(),
            Some(("alarm", what)) => inner.alarms.told(what),
            Some(("pauses", _)) => inner.paused.changed(),
            Some(_) => {}
            None => {
                inner.work.ring();
                inner.parts.ring();
                inner.paused.changed();
            }
        }
    }
}
