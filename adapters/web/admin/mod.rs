//! The operator's view: its API under `/api/admin`, for those who hold a key.
//!
//! Every handler begins with an [`auth::Operator`]: whose key it is and what it allows. What is looked at is
//! noted before it is shown, and what is changed before the change is told.

pub(crate) mod auth;
pub(crate) mod conversations;
pub(crate) mod csv;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod figures;
pub(crate) mod lists;
pub(crate) mod query;
pub(crate) mod shelf;
pub(crate) mod turns;

use axum::Router;
use axum::routing::{get, post, put};

use crate::state::App;

/// Where the API of the operator's view begins.
pub(crate) const PREFIX: &str = "/api/admin/";

/// The API of the operator's view.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/admin/me", get(auth::me))
        .route("/api/admin/conversations", get(conversations::list))
        .route("/api/admin/conversations/{id}", get(conversations::read))
        .route("/api/admin/conversations/{id}/reply", post(conversations::reply))
        .route("/api/admin/conversations/{id}/pause", post(conversations::pause))
        .route("/api/admin/conversations/{id}/resume", post(conversations::resume))
        .route("/api/admin/leads", get(lists::leads))
        .route("/api/admin/feedback", get(lists::feedback))
        .route("/api/admin/unanswered", get(lists::unanswered))
        .route("/api/admin/audit", get(lists::audit))
        .route("/api/admin/figures", get(figures::figures))
        .route("/api/admin/export/{what}", get(export::export))
        .route("/api/admin/events", get(events::events))
        .route("/api/admin/entries", get(shelf::entries).post(shelf::publish))
        .route("/api/admin/entries/preview", post(shelf::preview))
        .route("/api/admin/entries/{id}", put(shelf::replace).delete(shelf::remove))
        .route("/api/admin/entries/{id}/undo", post(shelf::undo))
}
