//! Headers every response carries, and the session cookie.

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use dovvybuddy_core::SessionId;
use dovvybuddy_core::session::SESSION_IDLE;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::client::{Client, peer, speaks_tls};
use crate::sites::SITE_HEADER;
use crate::state::{App, Inner};

/// The cookie in which the web channel keeps the session's id for its own page.
pub(crate) const SESSION_COOKIE: &str = "dovvybuddy_session";

/// What answers that are no pages may load: nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// What the chat page may load: its own script, style and requests.
pub(crate) const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// What the API's documentation may load. Swagger UI sets style attributes, never inline script.
pub(crate) const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The features no page of ours uses.
const NO_FEATURES: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
);

/// Adds the security headers that a handler did not set itself.
pub(crate) async fn secure(State(state): State<App>, request: Request, next: Next) -> Response {
    let tls = speaks_tls(&state, peer(request.extensions()), request.headers());
    let docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = match (docs, page) {
        (true, _) => DOCS_POLICY,
        (false, true) => PAGE_POLICY,
        (false, false) => NOTHING,
    };
    let mut set = |name: HeaderName, value: HeaderValue| {
        response.headers_mut().entry(name).or_insert(value);
    };
    set(CONTENT_SECURITY_POLICY, policy);
    set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set(HeaderName::from_static("permissions-policy"), NO_FEATURES);
    set(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if tls {
        set(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Lets the configured origins read answers. It adds headers and refuses nobody.
pub(crate) fn cors(state: &Inner) -> CorsLayer {
    let origins =
        state.origins.iter().chain(state.sites.origins()).filter_map(|origin| HeaderValue::try_from(origin).ok());
    let name = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE, Method::OPTIONS])
        .allow_headers([
            CONTENT_TYPE,
            name("idempotency-key"),
            name("last-event-id"),
            name("x-requested-with"),
            SITE_HEADER,
        ])
        .expose_headers(["retry-after", "ratelimit", "ratelimit-policy"].map(name))
        .max_age(std::time::Duration::from_mins(10))
}

/// Sets the session's cookie for as long as a session lives.
pub(crate) fn keep_session(headers: &mut HeaderMap, client: &Client, session: SessionId) {
    // A widget's visitor gets no cookie: the host page keeps the id.
    if client.site {
        return;
    }
    let cookie = cookie(client.tls, &session.to_string(), SESSION_IDLE.as_secs());
    if let Ok(value) = HeaderValue::try_from(cookie) {
        headers.append(SET_COOKIE, value);
    }
}

/// Removes the session's cookie.
pub(crate) fn drop_session(headers: &mut HeaderMap, client: &Client) {
    if let Ok(value) = HeaderValue::try_from(cookie(client.tls, "", 0)) {
        headers.append(SET_COOKIE, value);
    }
}

fn cookie(tls: bool, value: &str, seconds: u64) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_secure_behind_tls_only() {
        assert_eq!(cookie(false, "x", 86_400), "dovvybuddy_session=x; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax");
        assert!(cookie(true, "x", 86_400).ends_with("; Secure"));
    }
}
