//! The widget's requests: whose pages may make them, and how many.

use std::collections::BTreeMap;

use dovvybuddy_web::SiteConfig;
use reqwest::Method;
use serde_json::json;

use crate::server::{Answered, Server};

async fn shop() -> Server {
    let shop = SiteConfig { origins: vec!["https://shop.example".into()], messages_per_minute: 2, leads_per_minute: 1 };
    Server::with(|config| config.sites = BTreeMap::from([("shop".to_owned(), shop)])).await
}

/// A request as the widget makes it from a page of `origin`.
async fn ask(server: &Server, site: &str, origin: &str, message: &str) -> Answered {
    let request = server.http.post(server.url("/api/chat")).header("Origin", origin).header("X-Dovvybuddy-Site", site);
    Answered::of(request.json(&json!({"message": message})).send().await.unwrap()).await
}

#[tokio::test]
async fn a_sites_pages_may_ask_and_get_no_cookie() {
    let server = shop().await;
    let answer = ask(&server, "shop", "https://shop.example", "hi").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let preflight = server
        .http
        .request(Method::OPTIONS, server.url("/api/chat/stream"))
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,x-dovvybuddy-site");
    let preflight = Answered::of(preflight.send().await.unwrap()).await;
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("x-dovvybuddy-site"));
}

#[tokio::test]
async fn another_page_with_the_key_and_a_page_with_another_key_are_refused() {
    let server = shop().await;
    let stolen = ask(&server, "shop", "https://evil.example", "hi").await;
    assert_eq!((stolen.status, stolen.code()), (403, "ORIGIN_NOT_ALLOWED"));
    let guessed = ask(&server, "shop2", "https://shop.example", "hi").await;
    assert_eq!((guessed.status, guessed.code()), (403, "SITE_UNKNOWN"));
    let about = server.http.get(server.url("/api/about")).header("X-Dovvybuddy-Site", "shop2");
    assert_eq!(about.send().await.unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_site_over_its_limit_is_told_so_and_an_emergency_still_gets_through() {
    let server = shop().await;
    for _ in 0..2 {
        assert_eq!(ask(&server, "shop", "https://shop.example", "hi").await.status, 200);
    }
    let refused = ask(&server, "shop", "https://shop.example", "hi").await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"));
    assert!(
        refused.header("retry-after").is_some() && refused.header("ratelimit-policy").unwrap().starts_with("\"site\"")
    );
    let emergency = ask(&server, "shop", "https://shop.example", "mayday").await;
    assert_eq!((emergency.status, emergency.json["metadata"]["emergency"].as_bool()), (200, Some(true)));
    // Who is no visitor of that site pays nothing for it.
    assert_eq!(server.chat("hi").await.status, 200);
}

#[tokio::test]
async fn the_widget_may_be_loaded_from_anywhere() {
    let server = Server::start().await;
    let widget = server.get("/widget.js").await;
    assert_eq!((widget.status, widget.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert_eq!(widget.header("cross-origin-resource-policy"), Some("cross-origin"));
}
