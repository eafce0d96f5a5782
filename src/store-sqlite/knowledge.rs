//! The ingested content.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{
    ContentVersion, Document, DocumentState, Edition, KnowledgeBase, StoreError, StoredPassage,
};
use futures::TryStreamExt as _;
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::editions;
use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::SqliteStore;

/// How many vectors one write carries, so that embedding never holds up a message for long.
const CHUNK: usize = 200;

/// One hop per document.
const PUT: &str = "
DELETE FROM documents WHERE path = $1;

INSERT INTO documents (path, hash, title, doc_type, front_matter, ingested_at, root)
VALUES ($1, $2, $3, $4, $5, $6, $10);

INSERT INTO passages (path, position, section, text, hash)
SELECT $1, key, value ->> 0, value ->> 1, value ->> 2 FROM json_each($7) ORDER BY key;

INSERT INTO destinations (path, destination_id, data) SELECT $1, $8 ->> 'destination_id', $8 WHERE $8 IS NOT NULL;

INSERT INTO dive_sites (path, site_id, data) SELECT $1, $9 ->> 'site_id', $9 WHERE $9 IS NOT NULL";

/// What a passage takes from its document: title, type, front matter.
type About = (String, String, Arc<Map<String, Value>>);

/// Replaces documents with everything that hangs on them.
pub(crate) async fn put(conn: &mut SqliteConnection, documents: &[Document], at: Timestamp) -> Outcome<()> {
    for document in documents {
        let passages: Vec<[&str; 3]> =
            document.passages.iter().map(|p| [p.section.as_str(), p.text.as_str(), p.hash.as_str()]).collect();
        sqlx::query(PUT)
            .bind(&document.path)
            .bind(&document.hash)
            .bind(&document.title)
            .bind(&document.doc_type)
            .bind(serde_json::to_string(&document.front_matter)?)
            .bind(at.as_millis())
            .bind(serde_json::to_string(&passages)?)
            .bind(document.destination.as_ref().map(Value::to_string))
            .bind(document.dive_site.as_ref().map(Value::to_string))
            .bind(&document.root)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn put_vectors(
    conn: &mut SqliteConnection,
    model: &str,
    vectors: &[(i64, Vec<f32>)],
    at: Timestamp,
) -> Outcome<()> {
    for (passage, vector) in vectors {
        sqlx::query(
            "INSERT INTO content_embeddings (model, hash, dim, vector, made_at)
             SELECT $1, hash, $3, $4, $5 FROM passages WHERE id = $2
             ON CONFLICT (model, hash) DO UPDATE SET
                dim = excluded.dim, vector = excluded.vector, made_at = excluded.made_at",
        )
        .bind(model)
        .bind(passage)
        .bind(i64::try_from(vector.len()).unwrap_or(i64::MAX))
        .bind(to_bytes(vector))
        .bind(at.as_millis())
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Outcome<Vec<f32>> {
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Fault::corrupt("a vector's length"));
    }
    Ok(values.iter().copied().map(f32::from_le_bytes).collect())
}

#[async_trait]
impl KnowledgeBase for SqliteStore {
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError> {
        Ok(self.document_states().await?)
    }

    async fn publish(&self, edition: &Edition, at: Timestamp) -> Result<(), StoreError> {
        let edition = edition.clone();
        self.writer()
            .write(async move |conn: &mut SqliteConnection| editions::publish(conn, &edition, at).await)
            .await?;
        Ok(())
    }

    async fn versions(&self, root: &str) -> Result<Vec<ContentVersion>, StoreError> {
        Ok(self.content_versions(root).await?)
    }

    async fn roll_back(&self, root: &str, at: Timestamp) -> Result<Option<ContentVersion>, StoreError> {
        let name = root.to_owned();
        let done = self
            .writer()
            .write(async move |conn: &mut SqliteConnection| editions::roll_back(conn, &name, at).await)
            .await?;
        let live =
            if done { self.content_versions(root).await?.into_iter().find(|version| version.live) } else { None };
        Ok(live)
    }

    async fn passages(&self) -> Result<Vec<StoredPassage>, StoreError> {
        Ok(self.all_passages().await?)
    }

    async fn vectors(&self, model: &str, dimension: usize) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        Ok(self.vectors_of(model, dimension).await?)
    }

    async fn put_vectors(&self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<(), StoreError> {
        let at = self.inner.clock.now();
        for chunk in vectors.chunks(CHUNK) {
            let (model, chunk) = (model.to_owned(), chunk.to_vec());
            self.writer()
                .write(async move |conn: &mut SqliteConnection| put_vectors(conn, &model, &chunk, at).await)
                .await?;
        }
        Ok(())
    }

    async fn cached_vectors(&self, model: &str, hashes: &[String]) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        Ok(self.vectors_by_hash(model, hashes).await?)
    }

    async fn destinations(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.values("SELECT data FROM destinations ORDER BY path").await?)
    }

    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.values("SELECT data FROM dive_sites ORDER BY path").await?)
    }
}

impl SqliteStore {
    async fn document_states(&self) -> Outcome<Vec<DocumentState>> {
        let found = sqlx::query("SELECT root, path, hash, ingested_at FROM documents ORDER BY path")
            .fetch_all(self.readers())
            .await?;
        let state = |row: &SqliteRow| {
            let ingested_at = Timestamp::from_millis(row.try_get(3)?);
            Ok(DocumentState { root: row.try_get(0)?, path: row.try_get(1)?, hash: row.try_get(2)?, ingested_at })
        };
        found.iter().map(state).collect()
    }

    async fn all_passages(&self) -> Outcome<Vec<StoredPassage>> {
        // One snapshot for both: a document must not change between its front matter and its passages.
        let mut reading = self.readers().begin().await?;
        let found =
            sqlx::query("SELECT path, title, doc_type, front_matter FROM documents").fetch_all(&mut *reading).await?;
        let mut documents: HashMap<String, About> = HashMap::new();
        for row in &found {
            let about = (row.try_get(1)?, row.try_get(2)?, Arc::new(rows::json(row, 3)?));
            documents.insert(row.try_get(0)?, about);
        }
        // Row by row: thousands of rows beside what is made of them would be the most memory a start takes.
        let mut found =
            sqlx::query("SELECT id, path, position, section, text, hash FROM passages ORDER BY path, position")
                .fetch(&mut *reading);
        let mut passages = Vec::new();
        while let Some(row) = found.try_next().await? {
            let path: String = row.try_get(1)?;
            let (title, doc_type, front_matter) =
                documents.get(&path).cloned().ok_or_else(|| Fault::corrupt("a passage without its document"))?;
            passages.push(StoredPassage {
                id: row.try_get(0)?,
                path,
                title,
                doc_type,
                front_matter,
                position: rows::small(&row, 2)?,
                section: row.try_get(3)?,
                text: row.try_get(4)?,
                hash: row.try_get(5)?,
            });
        }
        drop(found);
        reading.commit().await?;
        Ok(passages)
    }

    async fn vectors_of(&self, model: &str, dimension: usize) -> Outcome<Vec<(i64, Vec<f32>)>> {
        let mut found = sqlx::query(
            "SELECT p.id, e.vector FROM passages p JOIN content_embeddings e ON e.model = $1 AND e.hash = p.hash
             WHERE e.dim = $2 ORDER BY p.path, p.position",
        )
        .bind(model)
        .bind(i64::try_from(dimension).unwrap_or(i64::MAX))
        .fetch(self.readers());
        let mut vectors = Vec::new();
        while let Some(row) = found.try_next().await? {
            vectors.push((row.try_get(0)?, from_bytes(row.try_get(1)?)?));
        }
        Ok(vectors)
    }

    async fn vectors_by_hash(&self, model: &str, hashes: &[String]) -> Outcome<Vec<(String, Vec<f32>)>> {
        let found = sqlx::query(
            "SELECT hash, vector FROM content_embeddings
             WHERE model = $1 AND hash IN (SELECT value FROM json_each($2)) ORDER BY hash",
        )
        .bind(model)
        .bind(serde_json::to_string(hashes)?)
        .fetch_all(self.readers())
        .await?;
        found.iter().map(|row| Ok((row.try_get(0)?, from_bytes(row.try_get(1)?)?))).collect()
    }

    async fn values(&self, sql: &'static str) -> Outcome<Vec<Value>> {
        sqlx::query(sql).fetch_all(self.readers()).await?.iter().map(|row| rows::json(row, 0)).collect()
    }
}
