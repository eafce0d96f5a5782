//! Remembers the vectors of recent queries.

use std::sync::Arc;

use async_trait::async_trait;
use moka::future::Cache;

use super::{EmbedError, Embedder, Urgency};

/// Queries remembered; 4,096 of 384 numbers take 6 MB.
const REMEMBERED: u64 = 4_096;

/// An embedder that computes a query it has seen only once. Background texts pass by.
pub struct CachedEmbedder {
    inner: Arc<dyn Embedder>,
    cache: Cache<String, Arc<[f32]>>,
}

impl CachedEmbedder {
    /// Puts a cache before `inner`.
    pub fn new(inner: Arc<dyn Embedder>) -> Self {
        Self { inner, cache: Cache::new(REMEMBERED) }
    }

    /// The vector of one query. Callers asking the same at the same time share one computation.
    pub async fn query(&self, text: &str) -> Result<Arc<[f32]>, Arc<EmbedError>> {
        let inner = &self.inner;
        self.cache
            .try_get_with_by_ref(text, async {
                let texts = [text.to_owned()];
                let mut vectors = inner.embed(&texts, Urgency::Query).await?;
                vectors.pop().map(Arc::from).ok_or(EmbedError::Closed)
            })
            .await
    }
}

#[async_trait]
impl Embedder for CachedEmbedder {
    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn ready(&self) -> bool {
        self.inner.ready()
    }

    async fn embed(&self, texts: &[String], urgency: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.inner.embed(texts, urgency).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(AtomicUsize);

    #[async_trait]
    impl Embedder for Counting {
        fn model(&self) -> &'static str {
            "counting"
        }

        fn dimension(&self) -> usize {
            1
        }

        async fn embed(&self, texts: &[String], _: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
            self.0.fetch_add(texts.len(), Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(texts.iter().map(|_| vec![1.0]).collect())
        }
    }

    #[tokio::test]
    async fn the_same_question_is_computed_once() {
        let counting = Arc::new(Counting(AtomicUsize::new(0)));
        let cached = CachedEmbedder::new(Arc::clone(&counting) as Arc<dyn Embedder>);
        let (left, right) = tokio::join!(cached.query("how deep"), cached.query("how deep"));
        assert_eq!(left.unwrap(), right.unwrap());
        cached.query("how old").await.unwrap();
        assert_eq!(counting.0.load(Ordering::SeqCst), 2);
    }
}
