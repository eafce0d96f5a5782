//! The database: its schema, how safe it keeps what was acknowledged, and what it holds.

use std::time::Duration;

use dovvybuddy_core::store::{DocumentState, Store, StoreError};
use dovvybuddy_core::{Clock as _, SystemClock};
use dovvybuddy_store_sqlite::known_version;

use super::super::open_store_to_read;
use super::{Finding, OLD_CONTENT};
use crate::compose;
use crate::config::Config;

/// All that can be asked of it.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let store = match open_store_to_read(config).await {
        Ok(store) => store,
        Err(error @ StoreError::OlderSchema { .. }) => {
            return vec![Finding::fail("schema", error.to_string(), "run dovvybuddy migrate, or start serve")];
        }
        Err(error @ StoreError::NewerSchema { .. }) => {
            return vec![Finding::fail("schema", error.to_string(), "install the version that wrote this database")];
        }
        Err(error) => {
            return vec![Finding::fail("database", error.to_string(), "check database.url and the directory")];
        }
    };
    let mut findings = Vec::new();
    findings.push(match store.ping().await {
        Ok(()) => Finding::ok("database", store.whereabouts()),
        Err(error) => Finding::fail("database", error.to_string(), "check space and permissions"),
    });
    findings.push(schema(&*store).await);
    if config.on_postgres() {
        findings.push(durability(config).await);
    }
    findings.push(match store.documents().await {
        Ok(documents) if documents.is_empty() => {
            Finding::warn("content", "nothing is ingested yet", "run `dovvybuddy content ingest`, or start the daemon")
        }
        Ok(documents) => content_age(&documents),
        Err(error) => Finding::fail("content", error.to_string(), "run `dovvybuddy content ingest --full`"),
    });
    findings
}

/// The same numbers count on every store.
async fn schema(store: &dyn Store) -> Finding {
    let (found, known) = match store.schema().await {
        Ok(found) => (found, known_version()),
        Err(error) => return Finding::fail("schema", error.to_string(), "run `dovvybuddy migrate`"),
    };
    let text = format!("version {}, for programs that know {} or later", found.version, found.oldest_program);
    if found.version > known {
        let text = format!("{text}; this one knows {known}");
        return Finding::warn("schema", text, "go on to the version that brought it; until then all works as before");
    }
    Finding::ok("schema", text)
}

/// How safe an acknowledged message is on a Postgres server, and whether what waits for news can hear it.
async fn durability(config: &Config) -> Finding {
    const CHECK: &str = "durability";
    let kept = match compose::postgres(config, false, false).await {
        Ok(store) => store.durability().await,
        Err(error) => Err(error),
    };
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => return Finding::fail(CHECK, error.to_string(), "check database.url and its role"),
    };
    let server = format!("Postgres {}, pgvector {}", kept.version, kept.pgvector);
    if kept.synchronous_commit == "off" {
        let text = format!("{server}; synchronous_commit is off: a crash of the server loses what was acknowledged");
        return Finding::warn(CHECK, text, "set synchronous_commit = on");
    }
    if kept.standbys > 0 && !kept.waits_for_standby {
        let text = format!("{server}; replication is asynchronous: what was acknowledged can die with the primary");
        return Finding::warn(CHECK, text, "name a standby in synchronous_standby_names, or accept it");
    }
    if config.database.direct_url.is_none() && config.database_address().contains(":6432") {
        let text = format!("{server}; port 6432 is usually PgBouncer's, whose transactions share connections");
        return Finding::warn(CHECK, text, "set database.direct_url to an address past it");
    }
    Finding::ok(CHECK, server)
}

fn content_age(documents: &[DocumentState]) -> Finding {
    let newest = documents.iter().map(|document| document.ingested_at).max();
    let age = newest.map_or(Duration::ZERO, |at| SystemClock.now().since(at));
    if age > OLD_CONTENT {
        return Finding::warn(
            "content",
            format!("nothing changed for {} days", age.as_secs() / 86_400),
            "look it over",
        );
    }
    Finding::ok("content", format!("{} documents", documents.len()))
}
