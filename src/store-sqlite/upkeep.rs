//! Care of the store itself.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::store::{Schema, StoreError, Upkeep};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;

use crate::fault::Outcome;
use crate::privacy::erase;
use crate::schema;
use crate::store::SqliteStore;

/// So long a write proves that writes can be made. Asking more often costs no write.
const PING: Duration = Duration::from_secs(1);

#[async_trait]
impl Upkeep for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let last = *self.pinged();
        if last.is_none_or(|last| last.elapsed() >= PING) {
            let at = self.inner.clock.now().as_millis();
            self.set_meta("ping", at).await?;
            *self.pinged() = Some(Instant::now());
        }
        Ok(self.read_ping().await?)
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        Ok(self.read_schema().await?)
    }

    /// Any commit of another process counts: a key revoked, a lead put into the outbox again.
    async fn changed(&self) -> Result<bool, StoreError> {
        let mut seen = self.inner.seen.lock().await;
        let version = self.data_version().await?;
        let before = seen.replace(version);
        let changed = before.is_some_and(|before| before != version);
        if changed {
            self.outbox_wake().notify_waiters();
        }
        Ok(changed)
    }

    fn whereabouts(&self) -> String {
        self.inner.path.display().to_string()
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.inner.dispatch {
            self.note_parked(self.lanes().under_way()).await?;
            self.set_meta("clean", 1).await?;
        }
        for task in &self.inner.tasks {
            task.abort();
        }
        // A daemon has to stop in time; what is left of a large file its next start does.
        let scrubbed = erase::scrub(&self.inner.options, !self.inner.dispatch).await;
        // Readers first: an open one would keep the log from being emptied.
        self.readers().close().await;
        self.writer().close().await?;
        Ok(scrubbed?)
    }
}

impl SqliteStore {
    /// Asked on the writing connection, where it moves only for commits of others.
    async fn data_version(&self) -> Outcome<i64> {
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                Ok(sqlx::query("PRAGMA data_version").fetch_one(conn).await?.try_get(0)?)
            })
            .await
    }

    pub(crate) async fn set_meta(&self, name: &'static str, value: i64) -> Outcome<()> {
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query(
                    "INSERT INTO meta (name, value) VALUES ($1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(conn)
                .await?;
                Ok(())
            })
            .await
    }

    fn pinged(&self) -> MutexGuard<'_, Option<Instant>> {
        self.inner.pinged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_ping(&self) -> Outcome<()> {
        sqlx::query("SELECT value FROM meta WHERE name = 'ping'").fetch_one(self.readers()).await?;
        Ok(())
    }

    async fn read_schema(&self) -> Outcome<Schema> {
        let mut conn = self.readers().acquire().await?;
        schema::read(&mut conn).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dovvybuddy_core::session::Session;
    use dovvybuddy_core::store::Sessions as _;
    use dovvybuddy_core::testkit::clock::{ManualClock, START, numbered};
    use dovvybuddy_core::{BotId, ChannelId, ConversationKey, SessionId};

    use super::*;
    use crate::OpenOptions;

    async fn store(dir: &tempfile::TempDir) -> SqliteStore {
        let options = OpenOptions {
            url_or_path: dir.path().join("x.db").display().to_string(),
            dispatch: true,
            max_waiting: 10,
            migrate: true,
            clock: Arc::new(ManualClock::default()),
        };
        SqliteStore::open(options).await.unwrap()
    }

    async fn remember(store: &SqliteStore, number: u64) -> Result<(), StoreError> {
        let conversation = ConversationKey {
            bot: BotId::default(),
            channel: ChannelId::new("web"),
            account: String::new(),
            conversation: format!("{number} {}", "x".repeat(500)),
        };
        store.open_session(&Session::open(SessionId(numbered(number)), conversation, START)).await
    }

    /// Changes how the writing connection behaves, such as on a disk that is full or read-only.
    async fn on_the_writer(store: &SqliteStore, sql: &'static str) {
        store
            .writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query(sql).fetch_optional(conn).await?;
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_full_database_refuses_writes_and_heals_when_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        remember(&store, 1).await.unwrap();
        on_the_writer(&store, "PRAGMA max_page_count = 1").await;
        let attempts = (2..200).map(|number| remember(&store, number));
        let refused = futures::future::join_all(attempts).await.into_iter().filter(Result::is_err).count();
        assert!(refused > 150, "{refused}");
        assert!(store.session_by_id(&BotId::default(), SessionId(numbered(1)), 1).await.unwrap().is_some());
        on_the_writer(&store, "PRAGMA max_page_count = 1000000").await;
        remember(&store, 500).await.unwrap();
        store.ping().await.unwrap();
    }

    /// Whoever asks all the time costs one write a second, and is told within seconds when writes fail.
    #[tokio::test]
    async fn a_ping_is_cheap_and_true() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        store.ping().await.unwrap();
        let refuse = "CREATE TEMP TRIGGER refuse BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'refused'); END";
        on_the_writer(&store, refuse).await;
        for _ in 0..5 {
            store.ping().await.unwrap();
        }
        let turned = tokio::time::Instant::now() + Duration::from_secs(5);
        while store.ping().await.is_ok() {
            assert!(tokio::time::Instant::now() < turned, "still green after 5 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        on_the_writer(&store, "DROP TRIGGER refuse").await;
        store.ping().await.unwrap();
    }

    /// A write that can't succeed takes none of its group down with it.
    #[tokio::test]
    async fn one_failing_write_spares_the_others_of_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let (fine, bad) = tokio::join!(
            futures::future::join_all((1..50).map(|number| remember(&store, number))),
            futures::future::join_all((1..20).map(|_| store.writer().write(
                async move |conn: &mut SqliteConnection| {
                    sqlx::query("INSERT INTO api_keys (id) VALUES (NULL)").execute(conn).await?;
                    Ok(())
                }
            ))),
        );
        assert!(fine.iter().all(Result::is_ok));
        assert!(bad.iter().all(Result::is_err));
        for number in 1..50 {
            assert!(store.session_by_id(&BotId::default(), SessionId(numbered(number)), 1).await.unwrap().is_some());
        }
    }
}
