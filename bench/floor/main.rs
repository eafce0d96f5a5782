//! The floor: the least a turn needs, in a bare axum program.
//!
//! One turn = POST, de-duplicate and store the message durably, the five nearest of 10,000 × 384
//! vectors, one call of a model, store the reply durably, answer. No lanes, no session, no routing, no
//! recovery, nobody to resume: what our program costs beyond this is the price of its promises.

mod log;
mod model;
mod search;
mod tables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use dovvybuddy_bench::BoxError;
use dovvybuddy_core::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::json;

use crate::log::{Log, Stored, Synchronous};
use crate::model::Model;
use crate::search::Vectors;
use crate::tables::Tables;

/// A bare program that does the least a turn needs.
#[derive(Parser)]
#[command(name = "bench-floor")]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9101")]
    bind: SocketAddr,
    /// The database file, made if it is not there; or the address of a Postgres database.
    #[arg(long)]
    db: String,
    /// The model's base address, e.g. `http://127.0.0.1:9001/v1`.
    #[arg(long, required_unless_present = "no_model")]
    model: Option<String>,
    /// Ask the model for a stream, as the daemon does.
    #[arg(long)]
    model_stream: bool,
    /// No model: the floor of the spine, which echoes.
    #[arg(long)]
    no_model: bool,
    /// No search.
    #[arg(long)]
    no_search: bool,
    /// How durable a commit is.
    #[arg(long, value_enum, default_value_t = Synchronous::Full)]
    synchronous: Synchronous,
}

struct Floor {
    log: Place,
    vectors: Option<Vectors>,
    model: Option<Model>,
}

/// Where messages and replies are kept.
enum Place {
    File(Log),
    Tables(Tables),
}

impl Place {
    async fn accept(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        match self {
            Self::File(log) => log.accept(event, session, text, at).await,
            Self::Tables(tables) => tables.accept(event, session, text, at).await,
        }
    }

    async fn finish(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        match self {
            Self::File(log) => log.finish(event, session, text, at).await,
            Self::Tables(tables) => tables.finish(event, session, text, at).await,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    message: String,
    session_id: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-floor: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), BoxError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let vectors = (!args.no_search).then(Vectors::generate);
    if let Some(vectors) = &vectors {
        println!("a scan takes {:?}", vectors.time_of_a_scan());
    }
    let model = args.model.filter(|_| !args.no_model).map(|base| Model::new(&base, args.model_stream)).transpose()?;
    let log = if args.db.starts_with("postgres") {
        Place::Tables(Tables::open(&args.db).await?)
    } else {
        Place::File(Log::open(&PathBuf::from(&args.db), args.synchronous)?)
    };
    let floor = Arc::new(Floor { log, vectors, model });
    let app = Router::new()
        .route("/health", get(async || Json(json!({"status": "healthy"}))))
        .route("/api/chat", post(chat))
        .with_state(floor);
    let listener = tokio::net::TcpListener::bind(args.bind).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn chat(State(floor): State<Arc<Floor>>, headers: HeaderMap, Json(asked): Json<Asked>) -> Response {
    match turn(&floor, &headers, asked).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn turn(floor: &Floor, headers: &HeaderMap, asked: Asked) -> Result<Response, BoxError> {
    let turn = SystemClock.uuid().to_string();
    let session = asked.session_id.unwrap_or_else(|| SystemClock.uuid().to_string());
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let event = key.map_or_else(|| turn.clone(), |key| format!("{session}:{key}"));
    if floor.log.accept(&event, &session, &asked.message, SystemClock.now().as_millis()).await? == Stored::Known {
        return Ok((StatusCode::CONFLICT, "this message was taken before").into_response());
    }
    let nearest = floor.vectors.as_ref().map(|vectors| vectors.nearest(&asked.message)).unwrap_or_default();
    let reply = match &floor.model {
        Some(model) => model.answer(&asked.message, &nearest).await?,
        None => asked.message,
    };
    floor.log.finish(&event, &session, &reply, SystemClock.now().as_millis()).await?;
    let answer = json!({"message": reply, "sessionId": session, "metadata": {"turnId": turn, "passages": nearest}});
    Ok(Json(answer).into_response())
}
