//! The API's own description, made from the code that answers.

use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::{about, admin, chat, feedback, leads, news, passages, sessions, stream, ws};

/// Where the description is served.
pub(crate) const DOCUMENT: &str = "/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "DovvyBuddy",
        description = "A diver-first assistant that answers from curated, cited dive knowledge. Fields are UTF-8 JSON, \
                       times RFC 3339 UTC. Unknown request fields are ignored.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        chat::chat, stream::chat_stream, stream::resume, ws::socket,
        sessions::open, sessions::read, sessions::remove, leads::leads, feedback::feedback,
        passages::passages, about::about, news::news,
        admin::auth::me, admin::conversations::list, admin::conversations::read, admin::conversations::reply,
        admin::conversations::pause, admin::conversations::resume, admin::lists::leads, admin::lists::feedback,
        admin::lists::unanswered, admin::lists::audit, admin::figures::figures, admin::export::export,
        admin::events::events, admin::shelf::entries, admin::shelf::preview, admin::shelf::publish,
        admin::shelf::replace, admin::shelf::remove, admin::shelf::undo,
        operation::health, operation::ready, operation::status, operation::metrics,
    ),
    tags(
        (name = "chat", description = "Asking and being answered"),
        (name = "sessions", description = "Conversations"),
        (name = "leads", description = "Being put in touch with a professional"),
        (name = "feedback", description = "Whether an answer helped"),
        (name = "page", description = "What a front end shows besides the conversation"),
        (name = "admin", description = "The operator's view; every request carries a key (`keys create`)"),
        (name = "operation", description = "For those who run the daemon"),
    ),
    modifiers(&Keys)
)]
struct Api;

/// How a key is sent.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An operator's API key")).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// What the daemon itself answers beside the web channel, described so that one document has it all.
mod operation {
    #![expect(dead_code, reason = "only their descriptions are used")]

    /// Whether the process lives.
    #[utoipa::path(get, path = "/health", tag = "operation",
        responses((status = 200, description = "`{\"status\":\"healthy\",\"version\"}`", body = Object)))]
    pub(super) fn health() {}

    /// Whether this replica can serve: the database answers and the dispatch loop moves.
    #[utoipa::path(get, path = "/ready", tag = "operation",
        responses(
            (status = 200, description = "`{\"status\":\"ready\",\"version\",\"checks\"}`", body = Object),
            (status = 503, description = "`{\"status\":\"not_ready\",\"version\",\"checks\"}`", body = Object)))]
    pub(super) fn ready() {}

    /// Each channel's progress, queue ages, models, content age.
    #[utoipa::path(get, path = "/status", tag = "operation",
        responses((status = 200, description = "The state of each part", body = Object)))]
    pub(super) fn status() {}

    /// Figures for Prometheus.
    #[utoipa::path(get, path = "/metrics", tag = "operation",
        responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
    pub(super) fn metrics() {}
}

/// The OpenAPI 3.1 description of the web channel, and of what the daemon answers beside it.
pub fn openapi() -> Document {
    Api::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_described_in_openapi_3_1() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, method) in [
            ("/api/chat", "post"),
            ("/api/chat/stream", "post"),
            ("/api/turns/{turnId}/events", "get"),
            ("/api/ws", "get"),
            ("/api/sessions", "post"),
            ("/api/sessions/{id}", "get"),
            ("/api/sessions/{id}", "delete"),
            ("/api/leads", "post"),
            ("/api/feedback", "post"),
            ("/api/passages", "get"),
            ("/api/about", "get"),
            ("/api/sessions/{id}/news", "get"),
            ("/api/admin/me", "get"),
            ("/api/admin/conversations", "get"),
            ("/api/admin/conversations/{id}", "get"),
            ("/api/admin/conversations/{id}/reply", "post"),
            ("/api/admin/conversations/{id}/pause", "post"),
            ("/api/admin/conversations/{id}/resume", "post"),
            ("/api/admin/leads", "get"),
            ("/api/admin/feedback", "get"),
            ("/api/admin/unanswered", "get"),
            ("/api/admin/audit", "get"),
            ("/api/admin/figures", "get"),
            ("/api/admin/export/{what}", "get"),
            ("/api/admin/events", "get"),
            ("/api/admin/entries", "get"),
            ("/api/admin/entries", "post"),
            ("/api/admin/entries/preview", "post"),
            ("/api/admin/entries/{id}", "put"),
            ("/api/admin/entries/{id}", "delete"),
            ("/api/admin/entries/{id}/undo", "post"),
            ("/health", "get"),
            ("/ready", "get"),
            ("/status", "get"),
            ("/metrics", "get"),
        ] {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
