//! The store contract, on a file.
#![allow(clippy::expect_used, reason = "a test's way to fail")]

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::store::{Store, Upkeep as _};
use dovvybuddy_core::testkit::clock::ManualClock;
use dovvybuddy_core::testkit::store_contract::{Lab, MOST_WAITING, Stop};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};

struct Files {
    dir: tempfile::TempDir,
    store: Option<SqliteStore>,
}

impl Files {
    async fn open(dir: &tempfile::TempDir) -> SqliteStore {
        let options = OpenOptions {
            url_or_path: dir.path().join("test.db").display().to_string(),
            dispatch: true,
            max_waiting: MOST_WAITING,
            migrate: true,
            clock: Arc::new(ManualClock::default()),
        };
        SqliteStore::open(options).await.expect("the store opens")
    }
}

#[async_trait]
impl Lab for Files {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone().expect("open"))
    }

    async fn reopen(&mut self, how: Stop) {
        let store = self.store.take().expect("open");
        if how == Stop::Clean {
            store.close().await.expect("closed");
        }
        drop(store);
        self.store = Some(Self::open(&self.dir).await);
    }

    fn files(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.dir.path()).expect("the directory");
        files.map(|file| std::fs::read(file.expect("an entry").path()).expect("readable")).collect()
    }
}

async fn lab() -> impl Lab {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Some(Files::open(&dir).await);
    Files { dir, store }
}

dovvybuddy_core::store_contract!(lab);
