//! Versions of the content: published whole, kept for a while, and returned to.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{ContentVersion, Document, Edition, VERSIONS_KEPT};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::Outcome;
use crate::knowledge::put;
use crate::rows;
use crate::store::SqliteStore;

const KEEP_REVISION: &str = "
INSERT INTO content_revisions (root, path, hash, document) VALUES ($1, $2, $3, $4)
ON CONFLICT (root, path, hash) DO UPDATE SET document = excluded.document";

/// The next version, unless it is the live one already.
const ADD_VERSION: &str = "
INSERT INTO content_versions (root, number, version, published_at)
SELECT $1, 1 + coalesce((SELECT max(number) FROM content_versions WHERE root = $1), 0), $2, $3
WHERE $2 IS NOT (SELECT version FROM content_versions
    WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT 1)
RETURNING number";

const ADD_DOCUMENTS: &str = "
INSERT INTO content_version_documents (root, number, path, hash)
SELECT root, $2, path, hash FROM documents WHERE root = $1";

const FORGET_OLD: &str = "
DELETE FROM content_versions WHERE root = $1
    AND number NOT IN (SELECT number FROM content_versions
        WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT $2)
    AND number NOT IN (SELECT number FROM content_versions
        WHERE root = $1 AND withdrawn_at IS NOT NULL ORDER BY number DESC LIMIT $2);

DELETE FROM content_revisions WHERE root = $1 AND NOT EXISTS (SELECT 1 FROM content_version_documents d
    WHERE d.root = $1 AND d.path = content_revisions.path AND d.hash = content_revisions.hash)";

const VERSIONS: &str = "
SELECT v.version, v.published_at, v.withdrawn_at,
    (SELECT count(*) FROM content_version_documents d WHERE d.root = v.root AND d.number = v.number),
    v.number IS (SELECT max(number) FROM content_versions WHERE root = $1 AND withdrawn_at IS NULL)
FROM content_versions v WHERE v.root = $1 ORDER BY v.number DESC";

const STANDING: &str = "
SELECT number FROM content_versions WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT 2";

const REMOVE_OTHERS: &str = "
DELETE FROM documents WHERE root = $1 AND NOT EXISTS (SELECT 1 FROM content_version_documents d
    WHERE d.root = $1 AND d.number = $2 AND d.path = documents.path AND d.hash = documents.hash)";

const MISSING: &str = "
SELECT r.document FROM content_version_documents d JOIN content_revisions r USING (root, path, hash)
WHERE d.root = $1 AND d.number = $2 AND NOT EXISTS (SELECT 1 FROM documents l WHERE l.root = $1 AND l.path = d.path)
ORDER BY d.path";

/// Replaces and removes documents, and keeps the whole as a version.
pub(crate) async fn publish(conn: &mut SqliteConnection, edition: &Edition, at: Timestamp) -> Outcome<()> {
    sqlx::query("DELETE FROM documents WHERE path IN (SELECT value FROM json_each($2)) AND root IN ($1, '')")
        .bind(&edition.root)
        .bind(serde_json::to_string(&edition.removed)?)
        .execute(&mut *conn)
        .await?;
    put(conn, &edition.put, at).await?;
    for document in &edition.put {
        sqlx::query(KEEP_REVISION)
            .bind(&edition.root)
            .bind(&document.path)
            .bind(&document.hash)
            .bind(serde_json::to_string(document)?)
            .execute(&mut *conn)
            .await?;
    }
    let added = sqlx::query(ADD_VERSION)
        .bind(&edition.root)
        .bind(&edition.version)
        .bind(at.as_millis())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = added {
        sqlx::query(ADD_DOCUMENTS).bind(&edition.root).bind(row.try_get::<i64, _>(0)?).execute(&mut *conn).await?;
    }
    sqlx::query(FORGET_OLD)
        .bind(&edition.root)
        .bind(i64::try_from(VERSIONS_KEPT).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
    Ok(())
}

/// Withdraws the live version for the one before it; `false` without one.
pub(crate) async fn roll_back(conn: &mut SqliteConnection, root: &str, at: Timestamp) -> Outcome<bool> {
    let standing = sqlx::query(STANDING).bind(root).fetch_all(&mut *conn).await?;
    let [live, before] = standing.as_slice() else { return Ok(false) };
    let (live, before): (i64, i64) = (live.try_get(0)?, before.try_get(0)?);
    sqlx::query("UPDATE content_versions SET withdrawn_at = $3 WHERE root = $1 AND number = $2")
        .bind(root)
        .bind(live)
        .bind(at.as_millis())
        .execute(&mut *conn)
        .await?;
    sqlx::query(REMOVE_OTHERS).bind(root).bind(before).execute(&mut *conn).await?;
    let missing = sqlx::query(MISSING).bind(root).bind(before).fetch_all(&mut *conn).await?;
    let documents = missing.iter().map(|row| rows::json(row, 0)).collect::<Outcome<Vec<Document>>>()?;
    put(conn, &documents, at).await?;
    Ok(true)
}

impl SqliteStore {
    pub(crate) async fn content_versions(&self, root: &str) -> Outcome<Vec<ContentVersion>> {
        let found = sqlx::query(VERSIONS).bind(root).fetch_all(self.readers()).await?;
        let version = |row: &SqliteRow| {
            Ok(ContentVersion {
                version: row.try_get(0)?,
                published_at: Timestamp::from_millis(row.try_get(1)?),
                withdrawn_at: row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_millis),
                documents: rows::small(row, 3)?,
                live: row.try_get(4)?,
            })
        };
        found.iter().map(version).collect()
    }
}
