//! The API's own description, made from the code that answers.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::error::ErrorBody;
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
        files::page, files::widget, files::admin, files::docs, files::document,
        called::generic, called::verify, called::meta, called::telegram, called::discord, called::twilio,
    ),
    tags(
        (name = "chat", description = "Asking and being answered"),
        (name = "sessions", description = "Conversations"),
        (name = "leads", description = "Being put in touch with a professional"),
        (name = "feedback", description = "Whether an answer helped"),
        (name = "page", description = "What a front end shows besides the conversation"),
        (name = "admin", description = "The operator's view; every request carries a key (`keys create`)"),
        (name = "channels", description = "What platforms call; each address is there when its channel is configured"),
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

    use super::ErrorBody;

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
        responses(
            (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
            (status = 401, description = "`metrics.token` is set and was not sent as `Authorization: Bearer`", body = ErrorBody)))]
    pub(super) fn metrics() {}
}

/// What a browser shows.
mod files {
    #![expect(dead_code, reason = "only their descriptions are used")]

    /// The chat page.
    #[utoipa::path(get, path = "/", tag = "page",
        responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
    pub(super) fn page() {}

    /// The widget for other sites.
    #[utoipa::path(get, path = "/widget.js", tag = "page",
        responses((status = 200, description = "A script", body = String, content_type = "text/javascript")))]
    pub(super) fn widget() {}

    /// The operator's view; what it shows needs a key.
    #[utoipa::path(get, path = "/admin", tag = "page",
        responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
    pub(super) fn admin() {}

    /// This description, for people.
    #[utoipa::path(get, path = "/docs", tag = "page",
        responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
    pub(super) fn docs() {}

    /// This description.
    #[utoipa::path(get, path = "/openapi.json", tag = "page",
        responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
    pub(super) fn document() {}
}

/// What platforms call.
mod called {
    #![expect(dead_code, reason = "only their descriptions are used")]

    use super::ErrorBody;

    /// A message of a generic webhook, signed by Standard Webhooks.
    #[utoipa::path(post, path = "/webhooks/{name}", tag = "channels",
        params(("name" = String, Path, description = "A webhook of `channels.webhook`"),
            ("webhook-id" = String, Header, description = "The event's id; a repeat makes no second turn"),
            ("webhook-timestamp" = String, Header, description = "Seconds since 1970"),
            ("webhook-signature" = String, Header, description = "`v1,` and the signature")),
        request_body(content = Object, description = "The message; see the manual"),
        responses(
            (status = 200, description = "The reply, where the webhook replies at once", body = Object),
            (status = 202, description = "Stored; the reply is delivered", body = Object),
            (status = 401, description = "The signature is missing or wrong; nothing was stored", body = ErrorBody),
            (status = 404, description = "No such webhook", body = ErrorBody),
            (status = 422, description = "Fields that can't be used", body = ErrorBody),
            (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
            (status = 503, description = "Overloaded, or the store is away; see Retry-After", body = ErrorBody)))]
    pub(super) fn generic() {}

    /// Meta's check of the address.
    #[utoipa::path(get, path = "/webhooks/whatsapp", tag = "channels",
        params(("hub.mode" = String, Query, description = "`subscribe`"),
            ("hub.verify_token" = String, Query, description = "The verify token"),
            ("hub.challenge" = String, Query, description = "What is sent back")),
        responses(
            (status = 200, description = "The challenge", body = String, content_type = "text/plain"),
            (status = 403, description = "The verify token is wrong")))]
    pub(super) fn verify() {}

    /// Messages of WhatsApp, Instagram and Messenger.
    #[utoipa::path(post, path = "/webhooks/whatsapp", tag = "channels", request_body = Object,
        responses(
            (status = 200, description = "Stored"),
            (status = 401, description = "The signature is missing or wrong"),
            (status = 503, description = "Not stored; come again")))]
    pub(super) fn meta() {}

    /// Updates of Telegram.
    #[utoipa::path(post, path = "/webhooks/telegram", tag = "channels", request_body = Object,
        responses(
            (status = 200, description = "Stored"),
            (status = 401, description = "The secret is missing or wrong"),
            (status = 503, description = "Not stored; come again")))]
    pub(super) fn telegram() {}

    /// Interactions of Discord.
    #[utoipa::path(post, path = "/webhooks/discord", tag = "channels", request_body = Object,
        responses(
            (status = 200, description = "The first answer", body = Object),
            (status = 401, description = "The signature is missing or wrong")))]
    pub(super) fn discord() {}

    /// Messages of Twilio.
    #[utoipa::path(post, path = "/webhooks/twilio", tag = "channels",
        request_body(content = String, content_type = "application/x-www-form-urlencoded"),
        responses(
            (status = 200, description = "Stored"),
            (status = 401, description = "The signature is missing or wrong"),
            (status = 503, description = "Not stored; come again")))]
    pub(super) fn twilio() {}
}

/// Sends the description. It is made when somebody asks for it: most daemons are never asked, and it takes megabytes.
pub(crate) async fn document() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
        // What consists of names and text can be written as JSON.
        serde_json::to_vec(&openapi()).map(Bytes::from).unwrap_or_default()
    });
    ([(CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
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
            ("/", "get"),
            ("/widget.js", "get"),
            ("/admin", "get"),
            ("/docs", "get"),
            ("/openapi.json", "get"),
            ("/webhooks/{name}", "post"),
            ("/webhooks/whatsapp", "get"),
            ("/webhooks/whatsapp", "post"),
            ("/webhooks/telegram", "post"),
            ("/webhooks/discord", "post"),
            ("/webhooks/twilio", "post"),
        ] {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
        assert!(document["paths"]["/metrics"]["get"]["responses"]["401"].is_object());
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
