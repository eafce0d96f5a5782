//! What browsers and proxies see: origins, cookies, addresses, security headers, pages.

use serde_json::json;

use crate::server::{Answered, Server};

async fn send(request: reqwest::RequestBuilder) -> Answered {
    Answered::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_listed_origin_may_read_and_another_is_still_answered() {
    let server = Server::with(|config| config.cors_origins = vec!["https://shop.example".into()]).await;
    let ask = |origin: &str| {
        send(server.http.post(server.url("/api/chat")).header("Origin", origin).json(&json!({"message": "hi"})))
    };
    let listed = ask("https://shop.example").await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(listed.header("access-control-allow-credentials"), Some("true"));
    assert!(listed.header("access-control-expose-headers").unwrap().contains("retry-after"));
    let other = ask("https://evil.example").await;
    assert_eq!(other.status, 200);
    assert_eq!(other.header("access-control-allow-origin"), None);
    // Errors can be read too.
    let wrong = server.http.post(server.url("/api/chat")).header("Origin", "https://shop.example").json(&json!({}));
    let wrong = send(wrong).await;
    assert_eq!((wrong.status, wrong.header("access-control-allow-origin")), (422, Some("https://shop.example")));
}

#[tokio::test]
async fn a_preflight_is_answered_and_charges_nothing() {
    let server = Server::with(|config| {
        config.cors_origins = vec!["https://shop.example".into()];
        config.ip_per_minute = 1;
    })
    .await;
    for _ in 0..5 {
        let request = server
            .http
            .request(reqwest::Method::OPTIONS, server.url("/api/chat/stream"))
            .header("Origin", "https://shop.example")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type,idempotency-key");
        let answer = send(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
        assert!(answer.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    }
    assert_eq!(server.chat("hi").await.status, 200);
}

#[tokio::test]
async fn the_cookie_is_for_our_own_page_and_starts_no_session() {
    let server = Server::start().await;
    let first = server.chat("hi").await;
    let cookie = first.header("set-cookie").unwrap();
    let expected = format!("dovvybuddy_session={}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax", first.session());
    assert_eq!(cookie, expected);
    let with_cookie =
        server.http.post(server.url("/api/chat")).header("Cookie", cookie).json(&json!({"message": "hi"}));
    assert_ne!(send(with_cookie).await.session(), first.session());
}

#[tokio::test]
async fn a_spoofed_address_does_not_escape_the_limit() {
    let server = Server::with(|config| config.ip_per_minute = 3).await;
    let mut refused = 0;
    for n in 0..6 {
        let request = server.http.post(server.url("/api/chat")).header("X-Forwarded-For", format!("198.51.100.{n}"));
        refused += u32::from(send(request.json(&json!({"message": "hi"}))).await.status == 429);
    }
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let server = Server::with(|config| {
        config.ip_per_minute = 1;
        config.trusted_proxies = vec!["127.0.0.0/8".into()];
    })
    .await;
    let ask = |hops: &str| {
        let request = server.http.post(server.url("/api/chat")).header("X-Forwarded-For", hops.to_owned());
        send(request.header("X-Forwarded-Proto", "https").json(&json!({"message": "hi"})))
    };
    let first = ask("198.51.100.1").await;
    assert_eq!(first.status, 200);
    assert!(first.header("set-cookie").unwrap().ends_with("; Secure"));
    assert!(first.header("strict-transport-security").is_some());
    assert_eq!(ask("198.51.100.2").await.status, 200);
    // What the client wrote itself stands left of what the proxy saw.
    assert_eq!(ask("203.0.113.77, 198.51.100.1").await.status, 429);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start().await;
    let answers = [
        server.chat("hi").await,
        server.chat("").await,
        server.get("/api/nothing").await,
        server.get("/").await,
        server.get("/docs/").await,
        server.get("/widget.js").await,
        server.get("/api/about").await,
        server.post("/api/chat/stream", json!({"message": "hi"})).await,
    ];
    for answer in answers {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("permissions-policy").unwrap().contains("geolocation=()"));
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(answer.header("strict-transport-security"), None);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or_default();
        assert!(!scripts.contains("unsafe") && !policy.contains("http:") && !policy.contains('*'), "{policy}");
    }
}

/// What a page loads: the values of its `src` and `href`.
fn loads(page: &str) -> Vec<&str> {
    let named = |part: &&str| part.starts_with("/assets/") || *part == "/favicon.svg";
    page.split('"').filter(named).collect()
}

#[tokio::test]
async fn the_page_and_everything_it_names_is_there_and_kept() {
    let server = Server::start().await;
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(loads(&page.text).len(), 3);
    for part in loads(&page.text) {
        let asset = server.get(part).await;
        assert_eq!(asset.status, 200, "{part}");
        let kept = asset.header("cache-control").unwrap();
        assert_eq!(kept.contains("immutable"), part.starts_with("/assets/"), "{part}: {kept}");
        let again = server.http.get(server.url(part)).header("If-None-Match", asset.header("etag").unwrap());
        assert_eq!(send(again).await.status, 304);
    }
    // An address that names other content is no address of this one.
    assert_eq!(server.get("/assets/chat.0000000000000000.js").await.status, 404);
}

#[tokio::test]
async fn only_what_carries_the_pages_nonce_may_run() {
    let server = Server::start().await;
    let (one, two) = (server.get("/").await, server.get("/").await);
    let nonce = |page: &Answered| {
        let policy = page.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe"), "{policy}");
        policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned()
    };
    assert_ne!(nonce(&one), nonce(&two));
    let marked = format!("nonce=\"{}\"", nonce(&one));
    for script in one.text.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains(&marked), "{script}");
    }
}

#[tokio::test]
async fn the_page_speaks_the_languages_of_its_reader() {
    let server = Server::start().await;
    let with = |path: &str, wanted: &str| send(server.http.get(server.url(path)).header("Accept-Language", wanted));
    assert!(with("/", "de-AT,en;q=0.5").await.text.contains("<html lang=\"de\" dir=\"ltr\">"));
    assert!(with("/?lang=ar", "de").await.text.contains("<html lang=\"ar\" dir=\"rtl\">"));
    assert!(with("/?lang=%22%3E%3Cscript%3E", "nl").await.text.contains("<html lang=\"en\" dir=\"ltr\">"));
    let about = with("/api/about?lang=th", "de").await.json;
    assert_eq!((about["lang"].as_str(), about["languages"].as_array().unwrap().len()), (Some("th"), 11));
}

#[tokio::test]
async fn the_page_learns_its_session_from_the_cookie() {
    let server = Server::start().await;
    let session = server.chat("hi").await.session();
    let with = |cookie: String| send(server.http.get(server.url("/")).header("Cookie", cookie));
    let known = with(format!("a=b; dovvybuddy_session={session}")).await;
    assert_eq!(start(&known.text)["session"], session);
    let forged = with("dovvybuddy_session=\"><script>alert(1)</script>".into()).await;
    assert!(start(&forged.text)["session"].is_null() && !forged.text.contains("alert(1)"));
}

#[tokio::test]
async fn an_operators_name_can_not_end_the_attribute_it_stands_in() {
    let name = "\"></head><script>alert(1)//{{lang}}&quot;";
    let server = Server::with(|config| config.operator_name = Some(name.into())).await;
    let page = server.get("/").await.text;
    assert!(!page.contains("<script>alert"));
    assert_eq!(start(&page)["operator"]["name"], name);
}

/// What the page is given to start with: JSON in an attribute.
fn start(page: &str) -> serde_json::Value {
    let (value, _) = page.split_once("id=\"start\" content=\"").unwrap().1.split_once('"').unwrap();
    let plain = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&plain).unwrap()
}

#[tokio::test]
async fn a_citation_leads_to_its_passage() {
    let server = Server::start().await;
    let passage = server.get("/api/passages?source=certifications%2F1.md&section=Depth").await;
    assert_eq!((passage.status, passage.json["title"].as_str()), (200, Some("Title 1")));
    assert_eq!(passage.json["text"], "Depth: what a diver should know.");
    // A document is cited once, with all its headings that were used.
    let both = server.get("/api/passages?source=certifications/1.md&section=Depth%3B+Time").await;
    assert!(both.json["text"].as_str().unwrap().contains("### Time\n\nTime: what"), "{}", both.text);
    let gone = server.get("/api/passages?source=certifications/1.md&section=Gone").await;
    assert_eq!((gone.status, gone.code()), (404, "PASSAGE_NOT_FOUND"));
    assert_eq!(server.get("/api/passages?section=Depth").await.fields(), ["source"]);
    let outside = server.get("/api/passages?source=../../etc/passwd").await;
    assert_eq!(outside.status, 404);
}

#[tokio::test]
async fn the_description_and_its_viewer_are_served() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await;
    assert_eq!(document.json["openapi"], "3.1.0");
    assert_eq!(document.json, serde_json::to_value(dovvybuddy_web::openapi()).unwrap());
    let redirect = server.get("/docs").await;
    assert_eq!((redirect.status, redirect.header("location")), (303, Some("/docs/")));
    let viewer = server.get("/docs/").await;
    assert_eq!(viewer.status, 200);
    for script in viewer.text.split("<script").skip(1) {
        assert!(script.contains("src="), "inline script: {script}");
    }
    assert!(server.get("/docs/swagger-initializer.js").await.text.contains("/openapi.json"));
}
