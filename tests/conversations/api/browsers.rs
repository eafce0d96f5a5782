//! What browsers see: pages under a strict policy, origins, the cookie.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{DEPTH, header};
use crate::support::{Daemon, Setup};

const OURS: &str = "https://shop.example";

fn assert_strict(response: &reqwest::Response, page: &str) {
    let policy = header(response, "content-security-policy");
    assert!(policy.contains("default-src"), "{page}: {policy}");
    let lax = |directive: &str| {
        directive.contains("unsafe-inline") || directive.contains("unsafe-eval") || directive.contains('*')
    };
    // Swagger UI sets styles from its script; on our own pages nothing is inline.
    let excused = |directive: &str| page == "/docs" && directive.trim().starts_with("style-src");
    assert!(policy.split(';').all(|directive| !lax(directive) || excused(directive)), "{page}: {policy}");
    assert!(policy.contains("frame-ancestors") || !header(response, "x-frame-options").is_empty(), "{page}");
    assert_eq!(header(response, "x-content-type-options"), "nosniff", "{page}");
    assert_ne!(header(response, "referrer-policy"), "", "{page}");
}

#[tokio::test]
async fn pages_keep_to_a_strict_policy_and_load_nothing_from_elsewhere() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let inline =
        regex::Regex::new(r"(?is)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\son[a-z]+\s*=|\sstyle\s*=|javascript:").unwrap();
    let loads =
        regex::Regex::new(r#"(?i)<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*["']?([^"'\s>]+)"#)
            .unwrap();
    for page in ["/", "/docs"] {
        let response = daemon.get(page).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        assert!(header(&response, "content-type").starts_with("text/html"), "{page}");
        assert_strict(&response, page);
        let at = response.url().clone();
        let html = response.text().await.unwrap();
        if let Some(found) = inline.find(&html) {
            panic!("{page} has something inline: {}", found.as_str());
        }
        let mut loaded = 0;
        for address in loads.captures_iter(&html).map(|c| c[1].to_owned()).filter(|a| !a.starts_with("data:")) {
            let url = at.join(&address).unwrap();
            assert!(url.as_str().starts_with(&daemon.base), "{page} loads {url}");
            let resource = daemon.client.get(url.clone()).send().await.unwrap();
            assert_eq!(resource.status(), StatusCode::OK, "{url}");
            assert_eq!(header(&resource, "x-content-type-options"), "nosniff", "{url}");
            loaded += 1;
        }
        assert!(loaded > 0, "{page} has a script");
    }
    let api = daemon.post("/api/chat", &json!({ "message": DEPTH })).await;
    assert_eq!(header(&api, "x-content-type-options"), "nosniff");
    daemon.kill().await;
}

async fn from_origin(daemon: &Daemon, origin: &str) -> reqwest::Response {
    let request = daemon.client.post(format!("{}/api/chat", daemon.base)).header("Origin", origin);
    request.json(&json!({ "message": DEPTH })).send().await.unwrap()
}

#[tokio::test]
async fn listed_origins_get_headers_and_nobody_is_refused() {
    let mut setup = Setup::slice();
    setup.set("HTTP__CORS_ORIGINS", &format!("{OURS},http://localhost:3000"));
    let daemon = setup.start().await;

    for listed in [OURS, "http://localhost:3000"] {
        let response = from_origin(&daemon, listed).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "access-control-allow-origin"), listed);
        assert_eq!(header(&response, "access-control-allow-credentials"), "true");
        assert!(header(&response, "vary").to_lowercase().contains("origin"));
    }
    for foreign in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"] {
        let response = from_origin(&daemon, foreign).await;
        assert_eq!(response.status(), StatusCode::OK, "front ends proxy with their own Origin");
        assert_eq!(header(&response, "access-control-allow-origin"), "", "{foreign}");
    }
    let preflight = async |origin: &str| {
        let request =
            daemon.client.request(Method::OPTIONS, format!("{}/api/chat", daemon.base)).header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        request.header("Access-Control-Request-Headers", "content-type,idempotency-key").send().await.unwrap()
    };
    let allowed = preflight(OURS).await;
    assert!(allowed.status().is_success());
    assert_eq!(header(&allowed, "access-control-allow-origin"), OURS);
    assert!(header(&allowed, "access-control-allow-methods").contains("POST"));
    let headers = header(&allowed, "access-control-allow-headers").to_lowercase();
    assert!(headers.contains("content-type") && headers.contains("idempotency-key"), "{headers}");
    let refused = preflight("https://evil.example").await;
    assert_eq!(header(&refused, "access-control-allow-origin"), "");
    daemon.kill().await;
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_starts_no_session_by_itself() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let response = daemon.post("/api/chat", &json!({ "message": DEPTH })).await;
    let cookie = header(&response, "set-cookie").to_owned();
    let lower = cookie.to_lowercase();
    for attribute in ["httponly", "samesite=lax", "max-age=86400", "path=/"] {
        assert!(lower.contains(attribute), "{attribute} in {cookie}");
    }
    assert!(!lower.contains("secure"), "not behind TLS: {cookie}");
    let answer: Value = response.json().await.unwrap();
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.contains(answer["sessionId"].as_str().unwrap()), "{cookie}");

    let again = daemon.client.post(format!("{}/api/chat", daemon.base)).header("Cookie", pair);
    let again: Value = again.json(&json!({ "message": DEPTH })).send().await.unwrap().json().await.unwrap();
    assert_ne!(again["sessionId"], answer["sessionId"], "no sessionId starts a new session, cookie or not");

    // Whoever isn't trusted can't claim TLS.
    let spoofed = daemon.client.post(format!("{}/api/chat", daemon.base)).header("X-Forwarded-Proto", "https");
    let spoofed = spoofed.json(&json!({ "message": DEPTH })).send().await.unwrap();
    assert!(!header(&spoofed, "set-cookie").to_lowercase().contains("secure"));
    daemon.kill().await;

    let setup = setup.with("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let daemon = setup.start().await;
    let behind = daemon.client.post(format!("{}/api/chat", daemon.base)).header("X-Forwarded-Proto", "https");
    let behind = behind.json(&json!({ "message": DEPTH })).send().await.unwrap();
    assert!(header(&behind, "set-cookie").contains("Secure"), "behind TLS");
    daemon.kill().await;

    let setup = setup.with("HTTP__PUBLIC_URL", "https://bot.example");
    let daemon = setup.start().await;
    let response = Client::new()
        .post(format!("{}/api/chat", daemon.base))
        .json(&json!({ "message": DEPTH }))
        .send()
        .await
        .unwrap();
    assert!(header(&response, "set-cookie").contains("Secure"));
    daemon.kill().await;
}
