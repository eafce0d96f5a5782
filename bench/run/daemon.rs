//! The real daemon over a corpus of 10,000 passages.
//!
//! Vectors come from the fake model's embeddings endpoint, so that nothing is fetched and every run has
//! the same ones; after the warm-up the questions' embeddings come from the daemon's cache.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_bench::{BoxError, corpus};
use dovvybuddy_core::SystemClock;
use dovvybuddy_core::store::{KnowledgeBase as _, Upkeep as _};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::servers::{ModelPace, Places, Server, Start, free_address, model};

const PROGRAM: &str = "dovvybuddy";
/// The name and size of the fake's embeddings.
const FAKE_MODEL: &str = "bench";
const DIMENSION: usize = 384;
/// Vectors copied in one write.
const BATCH: usize = 500;
const PASSAGES: u64 = 10_000;
/// How long ingesting and embedding the corpus may take.
const INGESTION: Duration = Duration::from_mins(2);

/// Who embeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embeddings {
    /// The fake model.
    Fake,
    /// The local model in the daemon's process.
    Local,
    /// Nobody.
    None,
}

/// The daemon's data, ready to be served.
pub(crate) struct Daemon {
    /// Answers for embeddings; its address is in the database's settings.
    embedder: Server,
    content: PathBuf,
    data: PathBuf,
}

impl Daemon {
    /// Writes and ingests the corpus.
    pub(crate) async fn prepare(places: &Places) -> Result<Self, BoxError> {
        places.program(PROGRAM)?;
        let content = places.work.join("content");
        corpus::write(&content)?;
        let daemon =
            Self { embedder: model(places, ModelPace::Instant).await?, content, data: places.work.join("data") };
        let began = Instant::now();
        daemon.command(places, Embeddings::Fake, &["content", "ingest"])?;
        while began.elapsed() < INGESTION {
            let status = daemon.command(places, Embeddings::Fake, &["--json", "content", "status"])?;
            let status: Value = serde_json::from_slice(&status)?;
            let count = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
            if count("embedded") >= PASSAGES {
                eprintln!("  {} passages ingested and embedded in {:?}", count("passages"), began.elapsed());
                return Ok(daemon);
            }
            sleep(Duration::from_millis(500)).await;
        }
        Err("the corpus was not embedded in time".into())
    }

    /// Runs a command of the daemon and gives what it printed.
    pub(crate) fn command(&self, places: &Places, embeddings: Embeddings, args: &[&str]) -> Result<Vec<u8>, BoxError> {
        let output = Command::new(places.program(PROGRAM)?)
            .args(args)
            .env_clear()
            .envs(self.environment(embeddings, free_address()?))
            .current_dir(&places.work)
            .output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("{PROGRAM} {}: {}", args.join(" "), told.trim()).into())
    }

    /// Starts serving without waiting for an answer. `model` answers; without one, extraction does.
    pub(crate) fn spawn(
        &self,
        places: &Places,
        embeddings: Embeddings,
        model: Option<SocketAddr>,
    ) -> Result<Server, BoxError> {
        let addr = free_address()?;
        let mut args: Vec<OsString> = vec!["serve".into()];
        if let Some(model) = model {
            let config = places.work.join(format!("model-{}.toml", model.port()));
            std::fs::write(&config, model_config(model))?;
            args.extend(["--config".into(), config.into()]);
        }
        Server::spawn(places, Start { program: PROGRAM, args, env: self.environment(embeddings, addr), addr })
    }

    /// Starts serving and waits until it is ready.
    pub(crate) async fn start(
        &self,
        places: &Places,
        embeddings: Embeddings,
        model: Option<SocketAddr>,
    ) -> Result<Server, BoxError> {
        let mut server = self.spawn(places, embeddings, model)?;
        server.answers("/ready", INGESTION).await.map_err(|error| format!("{PROGRAM}: {error}"))?;
        Ok(server)
    }

    /// Copies the fake's vectors to the local model's name, so that it has nothing to embed.
    pub(crate) async fn vectors_for_local_model(&self, places: &Places) -> Result<(), BoxError> {
        let status = self.command(places, Embeddings::Local, &["--json", "content", "status"])?;
        let status: Value = serde_json::from_slice(&status)?;
        let model = status.get("model").and_then(Value::as_str).ok_or("the local model has no name")?;
        let store = SqliteStore::open(OpenOptions {
            url_or_path: self.data.join("dovvybuddy.db").to_string_lossy().into_owned(),
            dispatch: false,
            max_waiting: 1,
            migrate: false,
            clock: Arc::new(SystemClock),
        })
        .await?;
        let vectors = store.vectors(FAKE_MODEL, DIMENSION).await?;
        for some in vectors.chunks(BATCH) {
            store.put_vectors(model, some).await?;
        }
        store.close().await?;
        Ok(())
    }

    fn environment(&self, embeddings: Embeddings, addr: SocketAddr) -> Vec<(&'static str, OsString)> {
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prompts");
        let mut env: Vec<(&'static str, OsString)> = vec![
            ("DOVVYBUDDY_HTTP__BIND", addr.to_string().into()),
            ("DOVVYBUDDY_DATA_DIR", self.data.clone().into()),
            ("DOVVYBUDDY_CONTENT_DIR", self.content.clone().into()),
            ("DOVVYBUDDY_PROMPTS_DIR", prompts.into()),
            ("DOVVYBUDDY_LIMITS__DIVER_PER_MINUTE", "0".into()),
            ("DOVVYBUDDY_LIMITS__IP_PER_MINUTE", "0".into()),
            ("DOVVYBUDDY_LANES__MOST_WAITING", "20000".into()),
            ("DOVVYBUDDY_EMBEDDINGS__FETCH", "false".into()),
            ("RUST_LOG", "warn".into()),
        ];
        match embeddings {
            Embeddings::Fake => env.extend([
                ("DOVVYBUDDY_EMBEDDINGS__PROVIDER", "openai".into()),
                ("DOVVYBUDDY_EMBEDDINGS__BASE_URL", format!("http://{}/v1", self.embedder.addr).into()),
                ("DOVVYBUDDY_EMBEDDINGS__MODEL", FAKE_MODEL.into()),
                ("DOVVYBUDDY_EMBEDDINGS__DIMENSION", DIMENSION.to_string().into()),
            ]),
            Embeddings::Local => env.push(("DOVVYBUDDY_EMBEDDINGS__PROVIDER", "local".into())),
            Embeddings::None => env.push(("DOVVYBUDDY_EMBEDDINGS__PROVIDER", "none".into())),
        }
        env
    }
}

fn model_config(addr: SocketAddr) -> String {
    format!(
        "[[llm.models]]\nname = \"bench\"\nbase_url = \"http://{addr}/v1\"\nmodel = \"bench\"\n\
         first_token_timeout = 20\ntotal_timeout = 30\nmax_concurrency = 20000\n"
    )
}
