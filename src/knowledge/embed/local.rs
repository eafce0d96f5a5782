//! The local model on a thread of its own, behind bounded queues.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::minilm::{self, MiniLm};
use super::{EmbedError, Embedder, MODEL_DIMENSION, MODEL_NAME, Urgency};

/// Queries that may wait.
const QUERY_QUEUE: usize = 512;
/// Background requests that may wait; each brings several texts.
const BACKGROUND_QUEUE: usize = 2;
/// Tokens computed at a time: large enough for the matrix products, small enough that a query which
/// comes meanwhile waits only a few tens of milliseconds.
const BATCH_TOKENS: usize = 512;
/// Queries computed together.
const BATCH_QUERIES: usize = 32;

type Vectors = Result<Vec<Vec<f32>>, EmbedError>;

struct Job {
    texts: Vec<String>,
    reply: oneshot::Sender<Vectors>,
}

#[derive(Debug, Clone)]
enum State {
    Loading,
    Ready,
    Failed(Arc<str>),
}

/// all-MiniLM-L6-v2 in this process. The model is loaded in the background; the thread ends when this
/// is dropped.
#[derive(Debug)]
pub struct LocalEmbedder {
    queries: mpsc::Sender<Job>,
    background: mpsc::Sender<Job>,
    state: watch::Receiver<State>,
}

impl LocalEmbedder {
    /// Starts the thread, which loads the model from `directory`. Must be called inside a runtime.
    pub fn start(directory: PathBuf) -> Result<Self, EmbedError> {
        let (queries, query_jobs) = mpsc::channel(QUERY_QUEUE);
        let (background, background_jobs) = mpsc::channel(BACKGROUND_QUEUE);
        let (report, state) = watch::channel(State::Loading);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("embeddings".to_owned())
            .spawn(move || match minilm::load(&directory) {
                Ok(model) => {
                    report.send_replace(State::Ready);
                    let mut worker = Worker { model, queries: query_jobs, background: background_jobs };
                    while let Some(turn) = runtime.block_on(worker.next()) {
                        worker.serve(turn);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the embedding model is not available");
                    report.send_replace(State::Failed(error.to_string().into()));
                }
            })
            .map_err(|error| EmbedError::Compute(error.to_string()))?;
        Ok(Self { queries, background, state })
    }

    async fn loaded(&self) -> Result<(), EmbedError> {
        let mut state = self.state.clone();
        let now = state.wait_for(|state| !matches!(state, State::Loading)).await.map_err(|_| EmbedError::Closed)?;
        match &*now {
            State::Failed(reason) => Err(EmbedError::Compute(reason.to_string())),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        MODEL_NAME
    }

    fn dimension(&self) -> usize {
        MODEL_DIMENSION
    }

    fn ready(&self) -> bool {
        matches!(*self.state.borrow(), State::Ready)
    }

    async fn embed(&self, texts: &[String], urgency: Urgency) -> Vectors {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        self.loaded().await?;
        let (reply, answer) = oneshot::channel();
        let job = Job { texts: texts.to_vec(), reply };
        match urgency {
            Urgency::Query => self.queries.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => EmbedError::Busy,
                mpsc::error::TrySendError::Closed(_) => EmbedError::Closed,
            })?,
            Urgency::Background => self.background.send(job).await.map_err(|_| EmbedError::Closed)?,
        }
        answer.await.map_err(|_| EmbedError::Closed)?
    }
}

enum Turn {
    Queries(Job),
    Background(Job),
}

struct Worker {
    model: MiniLm,
    queries: mpsc::Receiver<Job>,
    background: mpsc::Receiver<Job>,
}

impl Worker {
    async fn next(&mut self) -> Option<Turn> {
        tokio::select! {
            biased;
            Some(job) = self.queries.recv() => Some(Turn::Queries(job)),
            Some(job) = self.background.recv() => Some(Turn::Background(job)),
            else => None,
        }
    }

    fn serve(&mut self, turn: Turn) {
        match turn {
            Turn::Queries(first) => self.answer_queries(first),
            Turn::Background(job) => {
                let vectors = self.embed(&job.texts);
                // Nobody waiting any more is no failure.
                let _ = job.reply.send(vectors);
            }
        }
    }

    /// Answers a query, together with those that came meanwhile.
    fn answer_queries(&mut self, first: Job) {
        let mut jobs = vec![first];
        while jobs.len() < BATCH_QUERIES
            && let Ok(job) = self.queries.try_recv()
        {
            jobs.push(job);
        }
        jobs.retain(|job| !job.reply.is_closed());
        let tokens: Result<Vec<Vec<u32>>, EmbedError> =
            jobs.iter().flat_map(|job| &job.texts).map(|text| self.model.tokens(text)).collect();
        match tokens.and_then(|tokens| self.model.embed(&tokens)) {
            Ok(vectors) => {
                let mut vectors = vectors.into_iter();
                for job in jobs {
                    let own = vectors.by_ref().take(job.texts.len()).collect();
                    let _ = job.reply.send(Ok(own));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for job in jobs {
                    let _ = job.reply.send(Err(EmbedError::Compute(reason.clone())));
                }
            }
        }
    }

    /// Embeds background texts in batches of like length, letting queries through in between.
    fn embed(&mut self, texts: &[String]) -> Vectors {
        let mut tokens = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            tokens.push((at, self.model.tokens(text)?));
        }
        tokens.sort_by_key(|(_, tokens)| tokens.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = tokens;
        while !rest.is_empty() {
            let later = rest.split_off(fitting(&rest));
            let (places, batch): (Vec<usize>, Vec<Vec<u32>>) = std::mem::replace(&mut rest, later).into_iter().unzip();
            for (place, vector) in places.into_iter().zip(self.model.embed(&batch)?) {
                if let Some(slot) = vectors.get_mut(place) {
                    *slot = vector;
                }
            }
            if let Ok(query) = self.queries.try_recv() {
                self.answer_queries(query);
            }
        }
        Ok(vectors)
    }
}

/// How many of the texts make one batch; at least one.
fn fitting(texts: &[(usize, Vec<u32>)]) -> usize {
    let mut total = 0;
    let fits = texts.iter().take_while(|(_, tokens)| {
        total += tokens.len();
        total <= BATCH_TOKENS
    });
    fits.count().max(1)
}
