//! Before everything is there: whoever writes is told to come back, except in an emergency, whose words need nothing
//! but the guard.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use dovvybuddy_core::events::events_of;
use dovvybuddy_core::guard::{Assessment, EmergencyGuard, Heard};
use dovvybuddy_core::reply::{Degraded, Reply};
use dovvybuddy_core::session::StoredTurn;
use dovvybuddy_core::{Clock, SessionId, TurnId};

use crate::body;
use crate::client::locale;
use crate::error::ApiError;
use crate::request::ChatRequest;
use crate::stream::whole;
use crate::wire::ChatResponse;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// Hears emergencies while the rest of the daemon is put together.
#[derive(Clone)]
struct Porter {
    guard: Arc<dyn EmergencyGuard>,
    clock: Arc<dyn Clock>,
}

/// What is answered until [`crate::router`] can be: emergencies by their words, anything else by 503.
pub fn starting(guard: Arc<dyn EmergencyGuard>, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/api/chat", post(chat))
        .route("/api/chat/stream", post(stream))
        .fallback(|| async { ApiError::Overloaded })
        .method_not_allowed_fallback(|| async { ApiError::Overloaded })
        .with_state(Porter { guard, clock })
}

async fn chat(State(porter): State<Porter>, request: Request) -> Result<Response, ApiError> {
    let alarm = porter.hear(request).await?;
    Ok(Json(ChatResponse::new(alarm.id, alarm.session, &alarm.reply)).into_response())
}

async fn stream(State(porter): State<Porter>, request: Request) -> Result<Response, ApiError> {
    Ok(whole(&events_of(&porter.hear(request).await?)))
}

impl Porter {
    /// The answer to an emergency, which nobody keeps; anything else is refused.
    async fn hear(&self, request: Request<Body>) -> Result<StoredTurn, ApiError> {
        let (parts, body) = request.into_parts();
        let asked = read(&parts.headers, body).await?;
        let (guard, message) = (Arc::clone(&self.guard), asked.message);
        let heard = Heard { locale: locale(&parts.headers), ..Heard::default() };
        // The first message may still have to wait for the lexicons, which are read on this very occasion.
        let assessed = tokio::task::spawn_blocking(move || guard.assess(&message, &heard)).await;
        match assessed.map_err(|panicked| ApiError::internal(&*self.clock, &panicked))? {
            Assessment::Emergency(alarm) => Ok(self.answer(alarm.reply(), asked.session_id.as_deref())),
            Assessment::Calm | Assessment::StoodDown { .. } => Err(ApiError::Overloaded),
        }
    }

    fn answer(&self, mut reply: Reply, session: Option<&str>) -> StoredTurn {
        reply.degraded.push(Degraded::Store);
        let session = session.and_then(SessionId::parse).unwrap_or_else(|| SessionId(self.clock.uuid()));
        let (id, finished_at) = (TurnId(self.clock.uuid()), self.clock.now());
        tracing::warn!(turn = %id, "an emergency was answered before the start was complete; it is not stored");
        metrics::counter!("dovvybuddy_emergencies_total", "kind" => reply.intent.clone()).increment(1);
        StoredTurn { id, session, attempt: 1, reply, finished_at }
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<ChatRequest, ApiError> {
    ChatRequest::read(body::json_object(BODY_WITHIN, headers, body).await?)
}
