//! The ingested content.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{
    ADOPTED, ContentVersion, Document, DocumentState, Edition, KnowledgeBase, StoreError, StoredPassage,
};
use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ask::{LONG, Question, Repeat, Step, transaction};
use crate::editions;
use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::PostgresStore;

/// How many vectors one write carries.
const CHUNK: usize = 200;

/// One trip per document. Deleting comes first, by itself: of one statement's parts none sees what another did.
const PUT: &str = "
WITH document AS (
    INSERT INTO documents (path, hash, title, doc_type, front_matter, ingested_at, root)
    VALUES ($1, $2, $3, $4, $5, $6, $9) RETURNING path
), texts AS (
    INSERT INTO passages (path, position, section, text, hash)
    SELECT d.path, p.ordinality - 1, p.value ->> 0, p.value ->> 1, p.value ->> 2
    FROM document d, json_array_elements($7::text::json) WITH ORDINALITY p ORDER BY p.ordinality
), place AS (
    INSERT INTO destinations (path, destination_id, data)
    SELECT path, $8::text::json ->> 'destination_id', $8 FROM document WHERE $8 IS NOT NULL
)
INSERT INTO dive_sites (path, site_id, data)
SELECT path, $10::text::json ->> 'site_id', $10 FROM document WHERE $10 IS NOT NULL";

/// What another program's tables said of a place, once a document describes it.
const SUPERSEDE: &str = "
DELETE FROM documents WHERE root = $1 AND root <> $2 AND path IN (
    SELECT path FROM destinations WHERE destination_id = $3::text::json ->> 'destination_id'
    UNION ALL SELECT path FROM dive_sites WHERE site_id = $4::text::json ->> 'site_id')";

const PUT_VECTORS: &str = "
INSERT INTO content_embeddings AS e (model, hash, dim, vector, made_at)
SELECT $1, hash, $3, $4::real[]::vector, $5 FROM passages WHERE id = $2
ON CONFLICT (model, hash) DO UPDATE SET dim = excluded.dim, vector = excluded.vector, made_at = excluded.made_at";

/// What a passage takes from its document: title, type, front matter.
type About = (String, String, Arc<Map<String, Value>>);

/// One process ingests at a time, so that two that read the same directory do not meet at a document.
pub(crate) async fn alone(conn: &mut PgConnection) -> Step<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(1685482102, 3)").execute(conn).await?;
    Ok(())
}

/// Replaces documents with everything that hangs on them.
pub(crate) async fn put(conn: &mut PgConnection, documents: &[Document], at: Timestamp) -> Step<()> {
    for document in documents {
        let passages: Vec<[String; 3]> = document
            .passages
            .iter()
            .map(|p| [&p.section, &p.text, &p.hash].map(|text| rows::words(text).into_owned()))
            .collect();
        sqlx::query("DELETE FROM documents WHERE path = $1").bind(&document.path).execute(&mut *conn).await?;
        let (destination, dive_site) =
            [&document.destination, &document.dive_site].map(|place| place.as_ref().map(Value::to_string)).into();
        if destination.is_some() || dive_site.is_some() {
            sqlx::query(SUPERSEDE)
                .bind(ADOPTED)
                .bind(&document.root)
                .bind(&destination)
                .bind(&dive_site)
                .execute(&mut *conn)
                .await?;
        }
        sqlx::query(PUT)
            .bind(&document.path)
            .bind(&document.hash)
            .bind(rows::words(&document.title).into_owned())
            .bind(&document.doc_type)
            .bind(serde_json::to_string(&document.front_matter)?)
            .bind(at.as_millis())
            .bind(serde_json::to_string(&passages)?)
            .bind(destination)
            .bind(&document.root)
            .bind(dive_site)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn put_vectors(
    store: &PostgresStore,
    conn: &mut PgConnection,
    model: &str,
    vectors: &[(i64, Vec<f32>)],
    at: Timestamp,
) -> Step<()> {
    for (passage, vector) in vectors {
        sqlx::query(PUT_VECTORS)
            .bind(model)
            .bind(passage)
            .bind(i64::try_from(vector.len()).unwrap_or(i64::MAX))
            .bind(vector)
            .bind(at.as_millis())
            .execute(&mut *conn)
            .await?;
    }
    changed(store, conn).await
}

/// The last step of a write that other processes hold in memory.
pub(crate) async fn changed(store: &PostgresStore, conn: &mut PgConnection) -> Step<()> {
    sqlx::query("SELECT dovvy_changed()").execute(conn).await?;
    // Before the commit, so that nobody here takes it for somebody else's.
    store.inner.changes.made();
    Ok(())
}

#[async_trait]
impl KnowledgeBase for PostgresStore {
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError> {
        Ok(self.document_states().await?)
    }

    async fn publish(&self, edition: &Edition, at: Timestamp) -> Result<(), StoreError> {
        Ok(transaction!(self, Repeat::Harmless, LONG, |conn| editions::publish(self, conn, edition, at))?)
    }

    async fn versions(&self, root: &str) -> Result<Vec<ContentVersion>, StoreError> {
        Ok(self.content_versions(root).await?)
    }

    async fn roll_back(&self, root: &str, at: Timestamp) -> Result<Option<ContentVersion>, StoreError> {
        // A second time would go back one version more.
        let done = transaction!(self, Repeat::IfUndone, LONG, |conn| editions::roll_back(self, conn, root, at))?;
        let live =
            if done { self.content_versions(root).await?.into_iter().find(|version| version.live) } else { None };
        Ok(live)
    }

    async fn passages(&self) -> Result<Vec<StoredPassage>, StoreError> {
        Ok(self.all_passages().await?)
    }

    async fn vectors(&self, model: &str, dimension: usize) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        let dimension = i64::try_from(dimension).unwrap_or(i64::MAX);
        let found = self
            .long(|| {
                sqlx::query(
                    "SELECT p.id, e.vector::real[] FROM passages p
                     JOIN content_embeddings e ON e.model = $1 AND e.hash = p.hash
                     WHERE e.dim = $2 ORDER BY p.path, p.position",
                )
                .bind(model.to_owned())
                .bind(dimension)
            })
            .await?;
        let vector = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        Ok(found.iter().map(vector).collect::<Outcome<Vec<_>>>()?)
    }

    async fn put_vectors(&self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<(), StoreError> {
        let at = self.inner.clock.now();
        for chunk in vectors.chunks(CHUNK) {
            transaction!(self, Repeat::Harmless, LONG, |conn| put_vectors(self, conn, model, chunk, at))?;
        }
        Ok(())
    }

    async fn cached_vectors(&self, model: &str, hashes: &[String]) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        let found = self
            .long(|| {
                sqlx::query(
                    "SELECT hash, vector::real[] FROM content_embeddings WHERE model = $1 AND hash = ANY ($2)
                     ORDER BY hash",
                )
                .bind(model.to_owned())
                .bind(hashes.to_vec())
            })
            .await?;
        let vector = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        Ok(found.iter().map(vector).collect::<Outcome<Vec<_>>>()?)
    }

    async fn destinations(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.values("SELECT data FROM destinations ORDER BY path").await?)
    }

    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.values("SELECT data FROM dive_sites ORDER BY path").await?)
    }
}

impl PostgresStore {
    /// The rows of a read that may be large.
    pub(crate) async fn long(&self, build: impl Fn() -> Question + Send + Sync) -> Outcome<Vec<PgRow>> {
        self.rows(Repeat::Harmless, LONG, |_| build()).await
    }

    async fn document_states(&self) -> Outcome<Vec<DocumentState>> {
        let read = || sqlx::query("SELECT root, path, hash, ingested_at FROM documents ORDER BY path");
        let state = |row: &PgRow| {
            let ingested_at = rows::moment(row, 3)?;
            Ok(DocumentState { root: row.try_get(0)?, path: row.try_get(1)?, hash: row.try_get(2)?, ingested_at })
        };
        self.long(read).await?.iter().map(state).collect()
    }

    async fn all_passages(&self) -> Outcome<Vec<StoredPassage>> {
        let (about, texts) = transaction!(self, Repeat::Harmless, LONG, |conn| read_all(conn))?;
        let mut documents: HashMap<String, About> = HashMap::new();
        for row in &about {
            let about = (row.try_get(1)?, row.try_get(2)?, Arc::new(rows::json(row, 3)?));
            documents.insert(row.try_get(0)?, about);
        }
        let mut passages = Vec::with_capacity(texts.len());
        for row in &texts {
            let path: String = row.try_get(1)?;
            let (title, doc_type, front_matter) =
                documents.get(&path).cloned().ok_or_else(|| Fault::corrupt("a passage without its document"))?;
            passages.push(StoredPassage {
                id: row.try_get(0)?,
                path,
                title,
                doc_type,
                front_matter,
                position: rows::small(row, 2)?,
                section: row.try_get(3)?,
                text: row.try_get(4)?,
                hash: row.try_get(5)?,
            });
        }
        Ok(passages)
    }

    async fn values(&self, sql: &'static str) -> Outcome<Vec<Value>> {
        self.long(|| sqlx::query(sql)).await?.iter().map(|row| rows::json(row, 0)).collect()
    }
}

/// Documents and passages of one snapshot: a document must not change between its front matter and its passages.
async fn read_all(conn: &mut PgConnection) -> Step<(Vec<PgRow>, Vec<PgRow>)> {
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *conn).await?;
    let about = sqlx::query("SELECT path, title, doc_type, front_matter FROM documents").fetch_all(&mut *conn).await?;
    let texts = sqlx::query("SELECT id, path, position, section, text, hash FROM passages ORDER BY path, position")
        .fetch_all(conn)
        .await?;
    Ok((about, texts))
}
