//! The spine alone: web channel, intake, lanes, turn and store as they are, around an agent that echoes.
//!
//! What it costs beyond the floor is the price of lanes, sessions, recovery and streams that can be
//! resumed. With `--slow-ms` the echo comes piece by piece, for thousands of open streams.

mod echo;
mod serve;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use dovvybuddy_bench::{BoxError, CONNECTIONS};
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::lanes::Lanes;
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::spine::{Ports, Spine, SpineSettings, Stops};
use dovvybuddy_core::store::Store;
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, Clock, SystemClock};
use dovvybuddy_store_postgres::{PostgresStore, Reckoning, is_postgres};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use dovvybuddy_web::{WebAdapter, WebConfig, WebParts, WebState};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::echo::{Calm, Echo, OneAgent, Plain};

/// Our spine around an agent that echoes.
#[derive(Parser)]
#[command(name = "bench-spine")]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9102")]
    bind: SocketAddr,
    /// The database file, or the address of a Postgres database; `sqlite::memory:` syncs nothing and shows what
    /// durability costs.
    #[arg(long)]
    db: PathBuf,
    /// Milliseconds between the pieces of the echo; 0 answers at once.
    #[arg(long, default_value_t = 0)]
    slow_ms: u64,
    /// How many pieces a slow echo has.
    #[arg(long, default_value_t = 12)]
    pieces: u32,
}

/// Turns at once, and messages that may wait.
const MOST: usize = 20_000;
/// Long enough for the slowest echo.
const BUDGET: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-spine: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), BoxError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open(args.db.to_string_lossy().into_owned(), Arc::clone(&clock)).await?;
    let echo = Echo { pause: Duration::from_millis(args.slow_ms), pieces: args.pieces };
    let (lanes, web) = compose(store, clock, echo)?;
    // A run ends with the process; nothing is ever stopped softly.
    tokio::spawn(lanes.run(CancellationToken::new()));
    let app = Router::new()
        .route("/health", get(async || Json(json!({"status": "healthy"}))))
        .merge(dovvybuddy_web::router(&web));
    let listener = tokio::net::TcpListener::bind(args.bind).await?;
    println!("listening on {}", listener.local_addr()?);
    serve::serve(listener, app).await;
    Ok(())
}

async fn open(address: String, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, BoxError> {
    if is_postgres(&address) {
        let options = dovvybuddy_store_postgres::OpenOptions {
            url: address,
            direct_url: None,
            connections: CONNECTIONS,
            dispatch: true,
            max_waiting: MOST,
            migrate: true,
            adoption: None,
            clock,
            reckoning: Reckoning::Database,
        };
        return Ok(Arc::new(PostgresStore::open(options).await?));
    }
    let options = OpenOptions { url_or_path: address, dispatch: true, max_waiting: MOST, migrate: true, clock };
    Ok(Arc::new(SqliteStore::open(options).await?))
}

/// The same constructor calls as the daemon's, with the echo in place of everything that thinks.
fn compose(store: Arc<dyn Store>, clock: Arc<dyn Clock>, echo: Echo) -> Result<(Arc<Lanes>, WebState), BoxError> {
    let adapter: Arc<dyn ChannelAdapter> = Arc::new(WebAdapter);
    let channels = HashMap::from([(adapter.id(), adapter)]);
    let closing = CancellationToken::new();
    let echo = Arc::new(echo);
    let ports = Ports {
        store: Arc::clone(&store),
        guard: Arc::new(Calm),
        router: echo.clone(),
        agents: Arc::new(OneAgent::default()),
        retriever: echo.clone(),
        answerer: echo,
        voice: Arc::new(Plain),
        clock: Arc::clone(&clock),
        channels,
        lead_notices: Arc::new(|_| Vec::new()),
        operator: None,
    };
    let settings = SpineSettings {
        diver_quota: Quota { per_minute: 0, burst: 1 },
        turn: TurnSettings { budget: BUDGET, least: Duration::from_secs(3), history: 20, passages: 6 },
        most_running: MOST,
        remembered: 100_000,
    };
    let Spine { intake, lanes, hearing, handover, .. } =
        Spine::new(ports, settings, Stops { closing: closing.clone(), ..Stops::default() });
    let web = WebState::new(WebParts {
        intake,
        store,
        guard: Arc::new(Calm),
        hearing,
        clock,
        bot: BotId::default(),
        retriever: Arc::new(Echo { pause: Duration::ZERO, pieces: 1 }),
        lead_notices: Arc::new(|_| Vec::new()),
        handover,
        shelf: None,
        config: WebConfig {
            public_url: None,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            diver_per_minute: 0,
            ip_per_minute: 0,
            leads_per_minute: 0,
            sessions_per_minute: 0,
            feedback_per_minute: 0,
            operator_name: None,
            operator_contact: None,
            sites: BTreeMap::new(),
            reply_within: Duration::from_mins(1),
            body_within: Duration::from_secs(15),
            most_streams: 20_000,
            most_sockets: 4_000,
            socket_idle: Duration::from_mins(1),
            drain: Duration::from_secs(20),
        },
        closing,
    })?;
    Ok((lanes, web))
}
