//! The channel contract: on a chat platform in memory, one whose messages stay as they are and one whose
//! messages can be edited; and on Telegram, Discord, WhatsApp, Instagram, Messenger, Twilio and generic webhooks, over
//! real sockets against fakes of them.

#![allow(missing_docs, reason = "tests describe themselves by their names")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod discord;
mod door;
mod many;
mod messenger;
mod telegram;
mod twilio;
mod webhook;
mod whatsapp;

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::store::{Store, Upkeep as _};
use dovvybuddy_core::testkit::channel_contract::Platform;
use dovvybuddy_core::testkit::chat::{FakeChat, FakePlatform};
use dovvybuddy_core::testkit::store_contract::{Lab, Stop};
use dovvybuddy_core::{Clock, SystemClock};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use tempfile::TempDir;

struct Files {
    dir: TempDir,
    clock: Arc<dyn Clock>,
    store: Option<SqliteStore>,
}

async fn open(dir: &TempDir, clock: Arc<dyn Clock>) -> SqliteStore {
    let options = OpenOptions {
        url_or_path: dir.path().join("channels.db").display().to_string(),
        dispatch: true,
        max_waiting: 20_000,
        migrate: true,
        clock,
    };
    SqliteStore::open(options).await.unwrap()
}

#[async_trait]
impl Lab for Files {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone().unwrap())
    }

    async fn reopen(&mut self, how: Stop) {
        let store = self.store.take().unwrap();
        if how == Stop::Clean {
            store.close().await.unwrap();
        }
        drop(store);
        self.store = Some(open(&self.dir, Arc::clone(&self.clock)).await);
    }

    fn files(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

async fn lab() -> impl Lab {
    open_by(Arc::new(SystemClock)).await
}

async fn open_by(clock: Arc<dyn Clock>) -> impl Lab {
    let dir = TempDir::new().unwrap();
    let store = Some(open(&dir, Arc::clone(&clock)).await);
    Files { dir, clock, store }
}

mod plain {
    use super::{Arc, FakeChat, FakePlatform, Platform, lab};

    async fn platform() -> impl Platform {
        FakePlatform(Arc::new(FakeChat::default()))
    }

    dovvybuddy_core::channel_contract!(lab, platform);
}

mod editing {
    use std::time::Duration;

    use super::{Arc, FakeChat, FakePlatform, Platform, lab};

    async fn platform() -> impl Platform {
        FakePlatform(Arc::new(FakeChat::editing(Duration::from_millis(300))))
    }

    dovvybuddy_core::channel_contract!(lab, platform);
}

/// A number for each chat that the rules name.
fn number(chat: &str) -> usize {
    let names = ["one", "two", "three", "slow", "gone"];
    let place = names.iter().position(|name| *name == chat);
    let counted = chat.strip_prefix('c').and_then(|n| n.parse::<usize>().ok()).map(|n| n + 100);
    1 + place.or(counted).expect("a chat of the rules, or c1, c2 and so on")
}
