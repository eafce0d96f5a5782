//! The chat page: static files, built in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::client::Client;
use crate::state::App;

const PAGE: &str = include_str!("index.html");
/// Where the page learns which session its cookie holds; script can't read the cookie.
const SESSION_SLOT: &str = "data-session=\"\"";

const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const STYLE: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const IMAGE: HeaderValue = HeaderValue::from_static("image/svg+xml");

/// The page and what it loads.
pub(crate) fn routes() -> Router<App> {
    let asset = |kind: HeaderValue, text: &'static str| {
        let tag = etag(text);
        get(move |headers: HeaderMap| {
            let (kind, tag) = (kind.clone(), tag.clone());
            async move { serve(&headers, kind, tag, text) }
        })
    };
    Router::new()
        .route("/", get(page))
        .route("/assets/chat.js", asset(SCRIPT, include_str!("chat.js")))
        .route("/assets/stream.js", asset(SCRIPT, include_str!("stream.js")))
        .route("/assets/markdown.js", asset(SCRIPT, include_str!("markdown.js")))
        .route("/assets/chat.css", asset(STYLE, include_str!("chat.css")))
        .route("/favicon.svg", asset(IMAGE, include_str!("favicon.svg")))
}

async fn page(State(state): State<App>, Extension(client): Extension<Arc<Client>>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let known = client.cookie.filter(|_| !state.closing.is_cancelled());
    let html = match known {
        Some(session) => PAGE.replacen(SESSION_SLOT, &format!("data-session=\"{session}\""), 1),
        None => PAGE.to_owned(),
    };
    (headers, html).into_response()
}

fn serve(headers: &HeaderMap, kind: HeaderValue, tag: HeaderValue, text: &'static str) -> Response {
    let fresh = headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let caching = [(CACHE_CONTROL, HeaderValue::from_static("no-cache")), (ETAG, tag)];
    if fresh {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, kind)], text).into_response()
}

/// Weak, because compression changes the bytes and not what they mean.
fn etag(text: &str) -> HeaderValue {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    let short = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    HeaderValue::try_from(format!("W/\"{short:016x}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_page_is_inline_or_foreign() {
        assert!(PAGE.contains(SESSION_SLOT));
        for forbidden in ["<style", "style=", "onclick", "onload", "javascript:", "//cdn", "https://"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        for script in PAGE.split("<script").skip(1) {
            assert!(script.contains("src=\"/assets/") && script.contains("></script>"), "{script}");
        }
    }

    #[test]
    fn no_script_of_ours_writes_html() {
        for script in [include_str!("chat.js"), include_str!("stream.js"), include_str!("markdown.js")] {
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!script.contains(forbidden), "{forbidden}");
            }
        }
    }
}
