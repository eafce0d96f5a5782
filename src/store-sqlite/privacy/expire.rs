//! Retention: what is forgotten by itself.

use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::Retention;
use sqlx::sqlite::SqliteConnection;

use crate::fault::Outcome;
use crate::store::SqliteStore;

/// Event ids are kept at least as long as any platform repeats an event.
const EVENT_IDS: Duration = Duration::from_hours(8 * 24);
/// Vectors of words that no passage holds any more.
const ORPHANED_VECTORS: Duration = Duration::from_hours(90 * 24);
/// How many rows one write removes, so that messages never wait for a long clean-up.
const CHUNK: i64 = 500;

/// Each removes at most `$2` rows older than `$1`, and is repeated until it finds none.
const SESSIONS: &[&str] = &[
    "DELETE FROM messages WHERE id IN (SELECT m.id FROM sessions s JOIN messages m USING (conversation)
        WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM feedback WHERE turn IN (SELECT f.turn FROM sessions s JOIN turns t USING (conversation)
        JOIN feedback f ON f.turn = t.id WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM turns WHERE number IN (SELECT t.number FROM sessions s JOIN turns t USING (conversation)
        WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM interventions WHERE number IN (SELECT i.number FROM sessions s JOIN interventions i USING (conversation)
        WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM participants WHERE conversation IN (SELECT s.conversation FROM sessions s
        JOIN participants USING (conversation) WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM divers WHERE key IN (SELECT d.key FROM sessions s JOIN divers d ON d.user = s.id
        WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM sessions WHERE number IN (SELECT number FROM sessions s WHERE updated_at < $1
        AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.conversation = s.conversation AND i.covered_by IS NULL)
        LIMIT $2)",
    "DELETE FROM divers WHERE key IN (SELECT key FROM divers d WHERE updated_at < $1
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.diver = d.key)
        AND NOT EXISTS (SELECT 1 FROM identities i JOIN participants p USING (diver) WHERE i.person = d.key) LIMIT $2)",
    "DELETE FROM identities WHERE diver IN (SELECT diver FROM identities i WHERE linked_at < $1
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.diver = i.diver)
        AND NOT EXISTS (SELECT 1 FROM divers d WHERE d.key = i.person) LIMIT $2)",
    "DELETE FROM placeholders WHERE turn IN (SELECT turn FROM placeholders WHERE placed_at < $1 LIMIT $2)",
    "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE raised_at < $1 LIMIT $2)",
];
const EVENTS: &[&str] = &["DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox
    WHERE covered_by IS NOT NULL AND received_at < $1 ORDER BY seq LIMIT $2)"];
const OUTBOX: &[&str] = &[
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
        WHERE state IN ('sent', 'dead') AND lead IS NULL AND settled_at < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM message_statuses WHERE (conversation, receipt) IN
        (SELECT conversation, receipt FROM message_statuses WHERE at < $1 LIMIT $2)",
];
const LEADS: &[&str] = &[
    "DELETE FROM outbox WHERE id IN (SELECT o.id FROM leads l JOIN outbox o ON o.lead = l.id
        WHERE l.created_at < $1 LIMIT $2)",
    "DELETE FROM leads WHERE number IN (SELECT number FROM leads WHERE created_at < $1 LIMIT $2)",
];
const USAGE: &[&str] = &[
    "DELETE FROM usage WHERE number IN (SELECT number FROM usage WHERE at < $1 ORDER BY number LIMIT $2)",
    "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at < $1 ORDER BY number LIMIT $2)",
    "DELETE FROM reservations WHERE id IN (SELECT id FROM reservations
        WHERE day < date($1 / 1000, 'unixepoch') LIMIT $2)",
    "DELETE FROM spend WHERE (day, diver) IN (SELECT day, diver FROM spend
        WHERE day < date($1 / 1000, 'unixepoch') LIMIT $2)",
];
/// A limit that is whole again says nothing, nor does a code that is too old.
const LIMITS: &[&str] = &[
    "DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE arrival < $1 LIMIT $2)",
    "DELETE FROM link_codes WHERE (bot, selector) IN (SELECT bot, selector FROM link_codes WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM link_misses WHERE diver IN (SELECT diver FROM link_misses WHERE until < $1 LIMIT $2)",
];
const VECTORS: &[&str] = &["DELETE FROM content_embeddings WHERE rowid IN (SELECT e.rowid FROM content_embeddings e
    WHERE made_at < $1 AND NOT EXISTS (SELECT 1 FROM passages p WHERE p.hash = e.hash) LIMIT $2)"];

pub(super) async fn expire(store: &SqliteStore, now: Timestamp, retention: Retention) -> Outcome<u64> {
    let plan = [
        (SESSIONS, now.minus(retention.sessions)),
        (EVENTS, now.minus(retention.event_ids.max(EVENT_IDS))),
        (OUTBOX, now.minus(retention.outbox)),
        (LEADS, now.minus(retention.leads)),
        (USAGE, now.minus(retention.usage)),
        (LIMITS, now),
        (VECTORS, now.minus(ORPHANED_VECTORS)),
    ];
    let mut rows = 0;
    for (statements, before) in plan {
        for statement in statements {
            rows += all(store, statement, before).await?;
        }
    }
    // An erasure that a crash or a long read interrupted, or whose file is large.
    super::erase::scrub(&store.inner.options, true).await?;
    Ok(rows)
}

async fn all(store: &SqliteStore, statement: &'static str, before: Timestamp) -> Outcome<u64> {
    let mut rows = 0;
    loop {
        let recall = Arc::clone(store.recall());
        let removed = store
            .writer()
            .write_then(
                async move |conn: &mut SqliteConnection| {
                    let done = sqlx::query(statement).bind(before.as_millis()).bind(CHUNK).execute(conn).await?;
                    Ok(done.rows_affected())
                },
                move |removed: &u64| {
                    if *removed > 0 {
                        recall.forget_all();
                    }
                },
            )
            .await?;
        if removed == 0 {
            return Ok(rows);
        }
        rows += removed;
    }
}
