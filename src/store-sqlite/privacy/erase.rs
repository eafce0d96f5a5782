//! Removal of everything held about a subject.

use std::sync::Arc;

use dovvybuddy_core::store::Subject;
use sqlx::sqlite::SqliteConnection;

use super::{Held, everyone, held};
use crate::fault::Outcome;
use crate::lanes::Lanes;
use crate::store::SqliteStore;

/// In the order of what hangs on what. `$1` conversations, `$2` sessions, `$3` the diver, `$4` whether
/// everything in the conversations is the subject's, `$5` leads too.
const ERASE: &[&str] = &[
    "DELETE FROM alerts WHERE kind = 'emergency' AND subject IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    // What the operator is still to be told.
    "DELETE FROM outbox WHERE (state IN ('pending', 'unknown', 'send_started') OR state = 'dead')
        AND conversation NOT IN (SELECT value FROM json_each($1)) AND turn IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    "DELETE FROM placeholders WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM feedback WHERE turn IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    "DELETE FROM turns WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM messages WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM inbox WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    // The answer to the command that erases is still to be sent; it goes when it is.
    "DELETE FROM outbox WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)
        AND NOT (command AND state IN ('pending', 'unknown', 'send_started'))",
    "DELETE FROM usage WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM participants WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    // A group keeps its session as long as somebody else spoke in it, without what was noted meanwhile.
    "DELETE FROM sessions WHERE conversation IN (SELECT value FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.conversation = sessions.conversation)",
    "UPDATE outbox SET turn = NULL, diver = NULL
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "UPDATE sessions SET state = '{}', emergency = NULL, diver = NULL
        WHERE conversation IN (SELECT value FROM json_each($1)) AND diver = $3",
    "DELETE FROM divers WHERE key = $3",
    "DELETE FROM limits WHERE key = $3",
    "DELETE FROM reservations WHERE diver = $3 AND $3 <> ''",
    "DELETE FROM spend WHERE diver = $3 AND $3 <> ''",
    "DELETE FROM link_codes WHERE diver = $3 OR redeemed_by = $3",
    "DELETE FROM link_misses WHERE diver = $3",
    "DELETE FROM identities WHERE diver = $3",
    "DELETE FROM alerts WHERE $5 AND kind = 'lead' AND subject IN
        (SELECT id FROM leads WHERE session IN (SELECT value FROM json_each($2)))",
    "DELETE FROM outbox WHERE $5 AND lead IN
        (SELECT id FROM leads WHERE session IN (SELECT value FROM json_each($2)))",
    "DELETE FROM leads WHERE $5 AND session IN (SELECT value FROM json_each($2))",
];

pub(super) async fn erase(store: &SqliteStore, subject: &Subject, leads_too: bool) -> Outcome<u64> {
    let (subject, lanes, recall) = (subject.clone(), Arc::clone(store.lanes()), Arc::clone(store.recall()));
    let (rows, _) = store
        .writer()
        .write_then(
            async move |conn: &mut SqliteConnection| {
                let (mut rows, mut gone) = (0, Vec::new());
                for subject in everyone(conn, &subject).await? {
                    let held = held(conn, &subject).await?;
                    rows += delete(conn, &held, leads_too).await?;
                    gone.push(held);
                }
                Ok((rows, gone))
            },
            move |(_, gone): &(u64, Vec<Held>)| {
                for held in gone {
                    forget(&lanes, held);
                }
                recall.forget_all();
            },
        )
        .await?;
    scrub(store).await?;
    Ok(rows)
}

async fn delete(conn: &mut SqliteConnection, held: &Held, leads_too: bool) -> Outcome<u64> {
    let (conversations, sessions, diver, whole) = held.parameters()?;
    let mut rows = 0;
    for statement in ERASE {
        let done = sqlx::query(*statement)
            .bind(&conversations)
            .bind(&sessions)
            .bind(&diver)
            .bind(whole)
            .bind(leads_too)
            .execute(&mut *conn)
            .await?;
        rows += done.rows_affected();
    }
    if rows > 0 {
        // Stays set should the process end before the files are clean; the next clean-up sees it.
        sqlx::query("INSERT INTO meta (name, value) VALUES ('scrub', 1) ON CONFLICT (name) DO UPDATE SET value = 1")
            .execute(conn)
            .await?;
    }
    Ok(rows)
}

fn forget(lanes: &Lanes, held: &Held) {
    for conversation in &held.conversations {
        lanes.erase(conversation, |event| {
            held.whole || held.diver.as_deref() == Some(event.sender.key.encode().as_str())
        });
    }
}

/// Removes what deleting leaves in the files, if an erasure still owes it. `secure_delete` overwrote the
/// deleted rows and every page that became free; what it does not reach are copies that stayed behind in
/// a page when the tree moved rows to its neighbours, and older versions of pages in the log. Rewriting
/// the file removes the first, emptying the log the second.
pub(super) async fn scrub(store: &SqliteStore) -> Outcome<()> {
    let owed = sqlx::query("SELECT 1 FROM meta WHERE name = 'scrub' AND value = 1");
    if owed.fetch_optional(store.readers()).await?.is_none() {
        return Ok(());
    }
    store.writer().vacuum().await?;
    store.writer().checkpoint(true).await?;
    store.set_meta("scrub", 0).await
}
