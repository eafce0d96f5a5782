//! The chat page, the widget and the operator's view: static files, built in.

mod assets;
pub(crate) mod words;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use dovvybuddy_core::Lang;
use dovvybuddy_core::SessionId;
use serde::Serialize;

use crate::about::About;
use crate::client::Client;
use crate::error::ApiError;
use crate::passages::parameter;
use crate::state::{App, Inner};
use assets::{ADMIN_SCRIPT, ADMIN_STYLE, ICON, Keep, PAGE_SCRIPT, PAGE_STYLE, WIDGET};

const PAGE: &str = include_str!("index.html");
const ADMIN: &str = include_str!("admin/index.html");

/// The page and what it loads.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(page))
        .route("/admin", get(admin))
        .route("/widget.js", get(widget))
        .route("/assets/{name}", get(asset))
        .route("/favicon.svg", get(|headers: HeaderMap| async move { ICON.answer(&headers, Keep::AWhile) }))
}

/// What the page knows when it starts. Script can't read the cookie.
#[derive(Serialize)]
struct Start {
    session: Option<SessionId>,
    #[serde(flatten)]
    about: About,
}

async fn page(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wanted = query.and_then(|query| parameter(&query, "lang"));
    let lang = words::negotiate(wanted.as_deref(), &headers);
    let session = client.cookie.filter(|_| !state.closing.is_cancelled());
    let nonce = state.clock.uuid().simple().to_string();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("accept-language, cookie")),
        (CONTENT_SECURITY_POLICY, policy(&nonce)),
    ];
    (headers, html(&state, lang, session, &nonce)).into_response()
}

/// The operator's view. It knows nothing until somebody logs in.
async fn admin(State(state): State<App>) -> Response {
    let nonce = state.clock.uuid().simple().to_string();
    let values = [("{{nonce}}", &*nonce), ("{{style}}", &*ADMIN_STYLE.digest), ("{{script}}", &*ADMIN_SCRIPT.digest)];
    let page = values.iter().fold(ADMIN.to_owned(), |page, (slot, value)| page.replace(slot, value));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, policy(&nonce)),
    ];
    (headers, page).into_response()
}

/// What the page may load: the script and the style that carry its nonce, and answers of the API.
fn policy(nonce: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(crate::headers::PAGE_POLICY)
}

fn html(state: &Inner, lang: Lang, session: Option<SessionId>, nonce: &str) -> String {
    let start = Start { session, about: About::new(state, lang) };
    let start = serde_json::to_string(&start).unwrap_or_default();
    let values = [
        ("{{lang}}", lang.code()),
        ("{{dir}}", words::direction(lang)),
        ("{{nonce}}", nonce),
        ("{{style}}", &*PAGE_STYLE.digest),
        ("{{script}}", &*PAGE_SCRIPT.digest),
        ("{{description}}", words::word(lang, "intro")),
        ("{{loading}}", words::word(lang, "loading")),
        ("{{noscript}}", words::word(lang, "noscript")),
    ];
    let page = values.iter().fold(PAGE.to_owned(), |page, (slot, value)| page.replace(slot, &escaped(value)));
    // Last, so that nothing inside it is taken for a slot.
    page.replacen("{{start}}", &escaped(&start), 1)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The script a host page embeds. It may be loaded from anywhere, also by pages that are isolated.
async fn widget(headers: HeaderMap) -> Response {
    let mut response = WIDGET.answer(&headers, Keep::AWhile);
    let anywhere = HeaderValue::from_static("cross-origin");
    response.headers_mut().insert(HeaderName::from_static("cross-origin-resource-policy"), anywhere);
    response
}

/// A file under an address that names its content.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let known = [
        (&PAGE_SCRIPT, "chat", "js"),
        (&PAGE_STYLE, "chat", "css"),
        (&ADMIN_SCRIPT, "admin", "js"),
        (&ADMIN_STYLE, "admin", "css"),
    ];
    let found = known.into_iter().find(|(asset, first, last)| name == format!("{first}.{}.{last}", asset.digest));
    found.map_or_else(|| ApiError::NotFound.into_response(), |(asset, ..)| asset.answer(&headers, Keep::Forever))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_page_is_inline_or_foreign() {
        for forbidden in ["<style", "style=", "onclick", "onload", "javascript:", "//cdn", "https://"] {
            assert!(!PAGE.contains(forbidden) && !ADMIN.contains(forbidden), "{forbidden}");
        }
        for script in [PAGE, ADMIN].iter().flat_map(|page| page.split("<script").skip(1)) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src=\"/assets/") || tag.contains("type=\"application/json\""), "{tag}");
            assert!(tag.contains("nonce=\"{{nonce}}\""), "{tag}");
        }
    }

    #[test]
    fn text_put_into_the_page_stays_text() {
        assert_eq!(escaped("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
