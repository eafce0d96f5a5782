//! The store contract, on a real server over several connections.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test's way to fail")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::store::{Store, Upkeep as _};
use dovvybuddy_core::testkit::clock::ManualClock;
use dovvybuddy_core::testkit::store_contract::{Lab, MOST_WAITING, Stop};
use dovvybuddy_fakes::postgres::Database;
use dovvybuddy_store_postgres::{OpenOptions, PostgresStore, Reckoning};
use sqlx::{Connection as _, Row as _};

struct Server {
    store: Option<PostgresStore>,
    database: Database,
}

async fn open(database: &Database) -> PostgresStore {
    let (url, direct_url) = database.urls();
    let options = OpenOptions {
        url,
        direct_url,
        connections: 8,
        dispatch: true,
        max_waiting: MOST_WAITING,
        migrate: true,
        adoption: None,
        clock: Arc::new(ManualClock::default()),
        reckoning: Reckoning::Given,
    };
    PostgresStore::open(options).await.expect("the store opens")
}

/// Until the server has seen that a process ended, which frees its lock.
async fn until_seen(database: &Database) {
    let mut conn = database.connect().await.unwrap();
    loop {
        let held = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        if !sqlx::query(held).fetch_one(&mut conn).await.unwrap().get::<bool, _>(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    conn.close().await.unwrap();
}

#[async_trait]
impl Lab for Server {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone().expect("open"))
    }

    async fn reopen(&mut self, how: Stop) {
        let store = self.store.take().expect("open");
        if how == Stop::Clean {
            store.close().await.expect("closed");
        }
        drop(store);
        until_seen(&self.database).await;
        self.store = Some(open(&self.database).await);
    }

    fn files(&self) -> Vec<Vec<u8>> {
        // They are the server's.
        Vec::new()
    }
}

async fn lab() -> impl Lab {
    let database = Database::create().await.expect("a database");
    Server { store: Some(open(&database).await), database }
}

dovvybuddy_core::store_contract!(lab);
