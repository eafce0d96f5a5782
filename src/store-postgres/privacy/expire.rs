//! Retention: what is forgotten by itself.

use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::Retention;

use crate::fault::Outcome;
use crate::store::PostgresStore;

/// Event ids are kept at least as long as any platform repeats an event.
const EVENT_IDS: Duration = Duration::from_hours(8 * 24);
/// Vectors of words that no passage holds any more.
const ORPHANED_VECTORS: Duration = Duration::from_hours(90 * 24);
/// How many rows one write removes, so that no lock is held for long.
const CHUNK: i64 = 500;

/// Each removes at most `$2` rows older than `$1`, and is repeated until it finds none.
const SESSIONS: &[&str] = &[
    "DELETE FROM messages WHERE (conversation, epoch, id) IN (SELECT m.conversation, m.epoch, m.id FROM sessions s
        JOIN messages m ON m.conversation = s.conversation WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM feedback WHERE turn IN (SELECT f.turn FROM sessions s JOIN turns t ON t.conversation = s.conversation
        JOIN feedback f ON f.turn = t.id WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM turns WHERE id IN (SELECT t.id FROM sessions s JOIN turns t ON t.conversation = s.conversation
        WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM interventions WHERE number IN (SELECT i.number FROM sessions s
        JOIN interventions i ON i.conversation = s.conversation WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM participants WHERE (diver, conversation) IN (SELECT p.diver, p.conversation FROM sessions s
        JOIN participants p ON p.conversation = s.conversation WHERE s.updated_at < $1 LIMIT $2)",
    "DELETE FROM divers WHERE key IN (SELECT d.key FROM sessions s JOIN divers d ON d.account = s.id
        WHERE s.updated_at < $1 LIMIT $2)",
    // A lane that somebody works on, or a message that waits, keeps its session.
    "DELETE FROM sessions WHERE conversation IN (SELECT s.conversation FROM sessions s WHERE s.updated_at < $1
        AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.conversation = s.conversation AND l.first_seq IS NOT NULL)
        LIMIT $2)",
    "DELETE FROM divers WHERE key IN (SELECT d.key FROM divers d WHERE d.updated_at < $1
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.diver = d.key)
        AND NOT EXISTS (SELECT 1 FROM identities i JOIN participants p ON p.diver = i.diver WHERE i.person = d.key)
        LIMIT $2)",
    "DELETE FROM identities WHERE diver IN (SELECT i.diver FROM identities i WHERE i.linked_at < $1
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.diver = i.diver)
        AND NOT EXISTS (SELECT 1 FROM divers d WHERE d.key = i.person) LIMIT $2)",
    "DELETE FROM placeholders WHERE turn IN (SELECT turn FROM placeholders WHERE placed_at < $1 LIMIT $2)",
    "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE raised_at < $1 LIMIT $2)",
];
/// The first does not count: the rows of the second are what was held.
const EVENTS: &[&str] = &[
    "DELETE FROM event_ids WHERE event_key IN (SELECT i.event_key FROM inbox i
        JOIN event_ids e ON e.event_key = i.event_key AND e.conversation = i.conversation
        WHERE i.covered_by IS NOT NULL AND i.received_at < $1 LIMIT $2)",
    "DELETE FROM inbox WHERE (conversation, seq) IN (SELECT conversation, seq FROM inbox
        WHERE covered_by IS NOT NULL AND received_at < $1 LIMIT $2)",
];
const OUTBOX: &[&str] = &[
    "DELETE FROM outbox WHERE (lane, id) IN (SELECT lane, id FROM outbox
        WHERE state IN ('sent', 'dead') AND lead IS NULL AND settled_at < $1 LIMIT $2)",
    "DELETE FROM message_statuses WHERE (conversation, receipt) IN
        (SELECT conversation, receipt FROM message_statuses WHERE at < $1 LIMIT $2)",
];
const LEADS: &[&str] = &[
    "DELETE FROM outbox WHERE (lane, id) IN (SELECT o.lane, o.id FROM leads l JOIN outbox o ON o.lead = l.id
        WHERE l.created_at < $1 LIMIT $2)",
    "DELETE FROM leads WHERE id IN (SELECT id FROM leads WHERE created_at < $1 LIMIT $2)",
];
const USAGE: &[&str] = &[
    "DELETE FROM usage WHERE number IN (SELECT number FROM usage WHERE at < $1 LIMIT $2)",
    "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at < $1 LIMIT $2)",
    "DELETE FROM reservations WHERE id IN (SELECT id FROM reservations
        WHERE day < to_char(to_timestamp($1 / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') LIMIT $2)",
    "DELETE FROM spend WHERE (day, diver) IN (SELECT day, diver FROM spend
        WHERE day < to_char(to_timestamp($1 / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') LIMIT $2)",
];
/// A limit that is whole again says nothing, nor does a code that is too old.
const LIMITS: &[&str] = &[
    "DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE arrival < $1 LIMIT $2)",
    "DELETE FROM link_codes WHERE (bot, selector) IN
        (SELECT bot, selector FROM link_codes WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM link_misses WHERE diver IN (SELECT diver FROM link_misses WHERE until < $1 LIMIT $2)",
];
const VECTORS: &[&str] = &["DELETE FROM content_embeddings WHERE (model, hash) IN
    (SELECT e.model, e.hash FROM content_embeddings e
     WHERE made_at < $1 AND NOT EXISTS (SELECT 1 FROM passages p WHERE p.hash = e.hash) LIMIT $2)"];
/// Lanes that nothing waits in, of conversations that are no more. They hold nothing of anybody.
const LANES: &str = "DELETE FROM lanes WHERE conversation IN (SELECT l.conversation FROM lanes l
    WHERE l.first_seq IS NULL AND l.holder IS NULL AND l.ready_at < $1
      AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.conversation = l.conversation) LIMIT $2 FOR UPDATE SKIP LOCKED)";

pub(super) async fn expire(store: &PostgresStore, now: Timestamp, retention: Retention) -> Outcome<u64> {
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
            let removed = all(store, statement, before).await?;
            // An event's id and its row in the inbox are one thing.
            rows += if statement.starts_with("DELETE FROM event_ids") { 0 } else { removed };
        }
    }
    all(store, LANES, now).await?;
    Ok(rows)
}

async fn all(store: &PostgresStore, statement: &'static str, before: Timestamp) -> Outcome<u64> {
    let mut rows = 0;
    loop {
        let removed = store.touched(|| sqlx::query(statement).bind(before.as_millis()).bind(CHUNK)).await?;
        if removed == 0 {
            return Ok(rows);
        }
        rows += removed;
    }
}
