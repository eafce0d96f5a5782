//! Versions of the content: published whole, kept for a while, and returned to.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{ContentVersion, Document, Edition, VERSIONS_KEPT};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ask::Step;
use crate::fault::Outcome;
use crate::knowledge::{alone, changed, put};
use crate::rows;
use crate::store::PostgresStore;

const REMOVE: &str = "DELETE FROM documents WHERE path = ANY ($2) AND root IN ($1, '')";

const KEEP_REVISION: &str = "
INSERT INTO content_revisions (root, path, hash, document) VALUES ($1, $2, $3, $4)
ON CONFLICT (root, path, hash) DO UPDATE SET document = excluded.document";

/// The next version, unless it is the live one already.
const ADD_VERSION: &str = "
INSERT INTO content_versions (root, number, version, published_at)
SELECT $1, 1 + coalesce((SELECT max(number) FROM content_versions WHERE root = $1), 0), $2, $3
WHERE $2 IS DISTINCT FROM (SELECT version FROM content_versions
    WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT 1)
RETURNING number";

const ADD_DOCUMENTS: &str = "
INSERT INTO content_version_documents (root, number, path, hash)
SELECT root, $2, path, hash FROM documents WHERE root = $1";

const FORGET_VERSIONS: &str = "
DELETE FROM content_versions WHERE root = $1
    AND number NOT IN (SELECT number FROM content_versions
        WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT $2)
    AND number NOT IN (SELECT number FROM content_versions
        WHERE root = $1 AND withdrawn_at IS NOT NULL ORDER BY number DESC LIMIT $2)";

const FORGET_REVISIONS: &str = "
DELETE FROM content_revisions r WHERE root = $1 AND NOT EXISTS (SELECT 1 FROM content_version_documents d
    WHERE d.root = $1 AND d.path = r.path AND d.hash = r.hash)";

const VERSIONS: &str = "
SELECT v.version, v.published_at, v.withdrawn_at,
    (SELECT count(*) FROM content_version_documents d WHERE d.root = v.root AND d.number = v.number),
    v.number IS NOT DISTINCT FROM (SELECT max(number) FROM content_versions WHERE root = $1 AND withdrawn_at IS NULL)
FROM content_versions v WHERE v.root = $1 ORDER BY v.number DESC";

const STANDING: &str = "
SELECT number FROM content_versions WHERE root = $1 AND withdrawn_at IS NULL ORDER BY number DESC LIMIT 2";

const WITHDRAW: &str = "UPDATE content_versions SET withdrawn_at = $3 WHERE root = $1 AND number = $2";

const REMOVE_OTHERS: &str = "
DELETE FROM documents l WHERE root = $1 AND NOT EXISTS (SELECT 1 FROM content_version_documents d
    WHERE d.root = $1 AND d.number = $2 AND d.path = l.path AND d.hash = l.hash)";

const MISSING: &str = "
SELECT r.document FROM content_version_documents d JOIN content_revisions r USING (root, path, hash)
WHERE d.root = $1 AND d.number = $2 AND NOT EXISTS (SELECT 1 FROM documents l WHERE l.root = $1 AND l.path = d.path)
ORDER BY d.path";

/// Replaces and removes documents, and keeps the whole as a version.
pub(crate) async fn publish(
    store: &PostgresStore,
    conn: &mut PgConnection,
    edition: &Edition,
    at: Timestamp,
) -> Step<()> {
    alone(&mut *conn).await?;
    sqlx::query(REMOVE).bind(&edition.root).bind(&edition.removed).execute(&mut *conn).await?;
    put(&mut *conn, &edition.put, at).await?;
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
    let kept = i64::try_from(VERSIONS_KEPT).unwrap_or(i64::MAX);
    sqlx::query(FORGET_VERSIONS).bind(&edition.root).bind(kept).execute(&mut *conn).await?;
    sqlx::query(FORGET_REVISIONS).bind(&edition.root).execute(&mut *conn).await?;
    changed(store, conn).await
}

/// Withdraws the live version for the one before it; `false` without one.
pub(crate) async fn roll_back(store: &PostgresStore, conn: &mut PgConnection, root: &str, at: Timestamp) -> Step<bool> {
    alone(&mut *conn).await?;
    let standing = sqlx::query(STANDING).bind(root).fetch_all(&mut *conn).await?;
    let [live, before] = standing.as_slice() else { return Ok(false) };
    let (live, before): (i64, i64) = (live.try_get(0)?, before.try_get(0)?);
    sqlx::query(WITHDRAW).bind(root).bind(live).bind(at.as_millis()).execute(&mut *conn).await?;
    sqlx::query(REMOVE_OTHERS).bind(root).bind(before).execute(&mut *conn).await?;
    let missing = sqlx::query(MISSING).bind(root).bind(before).fetch_all(&mut *conn).await?;
    let documents = missing.iter().map(|row| rows::json(row, 0)).collect::<Outcome<Vec<Document>>>()?;
    put(&mut *conn, &documents, at).await?;
    changed(store, conn).await?;
    Ok(true)
}

impl PostgresStore {
    pub(crate) async fn content_versions(&self, root: &str) -> Outcome<Vec<ContentVersion>> {
        let found = self.long(|| sqlx::query(VERSIONS).bind(root.to_owned())).await?;
        let version = |row: &PgRow| {
            Ok(ContentVersion {
                version: row.try_get(0)?,
                published_at: rows::moment(row, 1)?,
                withdrawn_at: row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_millis),
                documents: rows::small(row, 3)?,
                live: row.try_get(4)?,
            })
        };
        found.iter().map(version).collect()
    }
}
