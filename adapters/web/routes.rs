//! Which address leads where, and what every request passes on the way.

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa_swagger_ui::SwaggerUi;

use crate::error::ApiError;
use crate::state::WebState;
use crate::{about, admin, chat, client, docs, feedback, headers, leads, news, page, passages, sessions, stream, ws};

/// Everything the web channel answers, with JSON errors for unknown addresses and methods.
///
/// Serve it with connect info (`ConnectInfo<SocketAddr>`), or every client shares one address. Other
/// routes are merged into it; they have no layers of ours unless they went through [`guarded`], and
/// they must not bring a fallback of their own.
pub fn router(state: &WebState) -> Router {
    let app = &state.0;
    let swagger = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::new([docs::DOCUMENT]));
    let routes = Router::new()
        .route("/api/chat", post(chat::chat))
        .route("/api/chat/stream", post(stream::chat_stream))
        .route("/api/turns/{turn}/events", get(stream::resume))
        .route("/api/ws", get(ws::socket))
        .route("/api/sessions", post(sessions::open))
        .route("/api/sessions/{id}", get(sessions::read).delete(sessions::remove))
        .route("/api/sessions/{id}/news", get(news::news))
        .route("/api/leads", post(leads::leads))
        .route("/api/feedback", post(feedback::feedback))
        .route("/api/passages", get(passages::passages))
        .route("/api/about", get(about::about))
        .route(docs::DOCUMENT, get(docs::document))
        .merge(admin::routes())
        .merge(page::routes())
        .merge(swagger)
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .with_state(app.clone());
    let recognise = from_fn_with_state(app.clone(), client::recognise);
    guarded(routes.layer(ServiceBuilder::new().layer(headers::cors(app)).layer(recognise)), state)
}

/// Gives routes the security headers, compression, and the JSON error for a panic.
pub fn guarded(routes: Router, state: &WebState) -> Router {
    let clock = std::sync::Arc::clone(&state.0.clock);
    let panicked = move |panic: Box<dyn Any + Send>| -> Response<Body> {
        ApiError::internal(&*clock, &message(&*panic)).into_response()
    };
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.0.clone(), headers::secure))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(panicked));
    routes.layer(layers)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
