//! Health, readiness, status and metrics; merged with the adapters' routers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use dovvybuddy_core::guard::EmergencyGuard;
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::lanes::Running;
use dovvybuddy_core::store::{Backlog, Store, StoreError};
use dovvybuddy_core::supervise::{Progress, ProgressReport};
use dovvybuddy_core::{ChannelId, Clock, SystemClock, Timestamp};
use dovvybuddy_knowledge::Knowledge;
use dovvybuddy_llm::Chain;
use dovvybuddy_web::ApiError;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

/// A loop of our own that made no progress for this long is called stalled.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long readiness waits for the database.
const PING_BUDGET: Duration = Duration::from_secs(2);

/// What health and status are read from.
pub(crate) struct Health {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) intake: Intake,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) running: Arc<Running>,
    pub(crate) dispatch: Arc<Progress>,
    /// The loops, and how long each may show no progress.
    pub(crate) loops: Vec<(Arc<Progress>, Duration)>,
    pub(crate) models: Option<Arc<Chain>>,
    /// Vectors are made for the content.
    pub(crate) embeds: bool,
    pub(crate) lead_outlets: Vec<String>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) metrics_token: Option<SecretString>,
    pub(crate) closing: CancellationToken,
}

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ReadyBody {
    status: &'static str,
    version: &'static str,
    checks: Checks,
}

/// Only `database` and `dispatch` decide; the others inform.
#[derive(Serialize)]
struct Checks {
    database: &'static str,
    dispatch: &'static str,
    llm: &'static str,
    lead_capture: &'static str,
    knowledge: &'static str,
    embeddings: &'static str,
}

impl Checks {
    const fn starting() -> Self {
        let starting = "starting";
        Self {
            database: starting,
            dispatch: starting,
            llm: starting,
            lead_capture: starting,
            knowledge: starting,
            embeddings: starting,
        }
    }
}

#[derive(Serialize)]
struct StatusBody {
    version: &'static str,
    loops: Vec<ProgressReport>,
    turns_running: usize,
    queue: Option<QueueBody>,
    models: Vec<ModelBody>,
    channels: Vec<ChannelBody>,
    content: dovvybuddy_knowledge::Standing,
}

#[derive(Serialize)]
struct ChannelBody {
    id: String,
    /// `listening`; `stalled` when its loop shows no progress or keeps failing; `called` where divers come
    /// to us.
    state: &'static str,
    /// When it last brought a message.
    last_message: Option<String>,
}

impl ChannelBody {
    fn new((id, last): (ChannelId, Option<Timestamp>), loops: &[ProgressReport]) -> Self {
        let state = match loops.iter().find(|report| report.name == id.as_str()) {
            None => "called",
            Some(report) => word(report.stalled, "stalled", "listening"),
        };
        Self { id: id.to_string(), state, last_message: last.map(Timestamp::to_rfc3339) }
    }
}

#[derive(Serialize)]
struct ModelBody {
    name: String,
    /// `closed`: it answers; `open`: it rests after failures; `half_open`: it is being tried.
    breaker: &'static str,
}

impl From<(String, &'static str)> for ModelBody {
    fn from((name, breaker): (String, &'static str)) -> Self {
        Self { name, breaker }
    }
}

#[derive(Serialize)]
struct QueueBody {
    waiting: u64,
    oldest_seconds: f64,
    outbox_pending: u64,
    outbox_unknown: u64,
    outbox_dead: u64,
}

impl From<Backlog> for QueueBody {
    fn from(backlog: Backlog) -> Self {
        Self {
            waiting: backlog.waiting,
            oldest_seconds: backlog.oldest.as_secs_f64(),
            outbox_pending: backlog.outbox_pending,
            outbox_unknown: backlog.outbox_unknown,
            outbox_dead: backlog.outbox_dead,
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What can be said before the parts are put together: the process lives, and everything else comes.
pub(crate) fn starting_router(guard: Arc<dyn EmergencyGuard>) -> Router {
    dovvybuddy_web::starting(guard, Arc::new(SystemClock)).route("/health", get(healthy)).route(
        "/ready",
        get(async || {
            let body = ReadyBody { status: "not_ready", version: VERSION, checks: Checks::starting() };
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }),
    )
}

async fn healthy() -> Json<HealthBody> {
    Json(HealthBody { status: "healthy", version: VERSION })
}

/// `/health`, `/ready`, `/status`, `/metrics` unless it has an address of its own, and what platforms call.
pub(crate) fn router(health: Arc<Health>, metrics_here: bool, called: Router) -> Router {
    let router = Router::new().route("/health", get(healthy)).route("/ready", get(ready)).route("/status", get(status));
    let router = if metrics_here { router.route("/metrics", get(metrics)) } else { router };
    router.with_state(health).merge(called).method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
}

/// `/metrics` alone, for an address of its own.
pub(crate) fn metrics_router(health: Arc<Health>) -> Router {
    let router = Router::new().route("/metrics", get(metrics)).with_state(health);
    router.method_not_allowed_fallback(async || ApiError::MethodNotAllowed).fallback(async || ApiError::NotFound)
}

/// Whether this replica can serve: the database answers and the dispatch loop moves. A model or a
/// platform that is down does not take it out of the load balancer.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    let database = matches!(tokio::time::timeout(PING_BUDGET, health.store.ping()).await, Ok(Ok(())));
    let dispatch = health.dispatch.idle(health.clock.now()) < PATIENCE;
    let open = !health.closing.is_cancelled();
    let knowledge = health.knowledge.standing();
    let checks = Checks {
        database: word(database, "ok", "unavailable"),
        dispatch: match (open, dispatch) {
            (false, _) => "stopping",
            (true, true) => "ok",
            (true, false) => "stalled",
        },
        llm: match &health.models {
            None => "extractive",
            Some(models) if models.healthy() => "ok",
            Some(_) => "resting",
        },
        lead_capture: word(health.lead_outlets.is_empty(), "stored", "delivered"),
        knowledge: word(knowledge.passages > 0, "ok", "empty"),
        embeddings: match (health.embeds, knowledge.embedded >= knowledge.passages) {
            (false, _) => "none",
            (true, true) => "ok",
            (true, false) => "pending",
        },
    };
    let ready = database && dispatch && open;
    let body = ReadyBody { status: word(ready, "ready", "not_ready"), version: VERSION, checks };
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(body)).into_response()
}

async fn status(State(health): State<Arc<Health>>) -> Json<StatusBody> {
    let now = health.clock.now();
    let loops: Vec<_> = health.loops.iter().map(|(progress, patience)| progress.report(now, *patience)).collect();
    let channels = health.intake.channels().into_iter().map(|channel| ChannelBody::new(channel, &loops)).collect();
    Json(StatusBody {
        version: VERSION,
        loops,
        turns_running: health.running.count(),
        queue: health.backlog().await.ok().map(QueueBody::from),
        models: health.models.iter().flat_map(|chain| chain.status()).map(ModelBody::from).collect(),
        channels,
        content: health.knowledge.standing(),
    })
}

async fn metrics(State(health): State<Arc<Health>>, headers: HeaderMap) -> Response {
    if !health.may_read_metrics(&headers) {
        return ApiError::Unauthorized.into_response();
    }
    health.gauge().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.metrics.render()).into_response()
}

impl Health {
    fn may_read_metrics(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.metrics_token else { return true };
        let given =
            headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes())))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let look = self.store.backlog(self.clock.now());
        tokio::time::timeout(PING_BUDGET, look)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
    }

    /// Figures that are read when someone looks, not when something happens.
    #[expect(clippy::cast_precision_loss, reason = "counts shown as floating point, as Prometheus does")]
    async fn gauge(&self) {
        let now = self.clock.now();
        metrics::gauge!("dovvybuddy_turns_running").set(self.running.count() as f64);
        for (progress, patience) in &self.loops {
            let stalled = if progress.stalled(now, *patience) { 1.0 } else { 0.0 };
            metrics::gauge!("dovvybuddy_task_stalled", "task" => progress.name().to_owned()).set(stalled);
            metrics::gauge!("dovvybuddy_task_idle_seconds", "task" => progress.name().to_owned())
                .set(progress.idle(now).as_secs_f64());
        }
        let knowledge = self.knowledge.standing();
        metrics::gauge!("dovvybuddy_passages").set(knowledge.passages as f64);
        if let Some(age) = days_since(&knowledge.updated, now) {
            metrics::gauge!("dovvybuddy_content_age_days").set(age);
        }
        let backlog = self.backlog().await;
        metrics::gauge!("dovvybuddy_database_up").set(if backlog.is_ok() { 1.0 } else { 0.0 });
        if let Ok(backlog) = backlog {
            metrics::gauge!("dovvybuddy_queue_waiting").set(backlog.waiting as f64);
            metrics::gauge!("dovvybuddy_queue_oldest_seconds").set(backlog.oldest.as_secs_f64());
            for (state, parts) in [
                ("pending", backlog.outbox_pending),
                ("unknown", backlog.outbox_unknown),
                ("dead", backlog.outbox_dead),
            ] {
                metrics::gauge!("dovvybuddy_outbox_parts", "state" => state).set(parts as f64);
            }
        }
    }
}

/// Whole days from a date such as `2026-05-01` to `now`.
fn days_since(date: &str, now: Timestamp) -> Option<f64> {
    let date: jiff::civil::Date = date.parse().ok()?;
    let today: jiff::civil::Date = now.day().parse().ok()?;
    Some(f64::from(date.until(today).ok()?.get_days()))
}

const fn word(condition: bool, yes: &'static str, no: &'static str) -> &'static str {
    if condition { yes } else { no }
}
