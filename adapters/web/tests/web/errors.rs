//! Bad input, and what it is told.

use std::time::Duration;

use dovvybuddy_core::store::Upkeep as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Answered, Server};

async fn raw(server: &Server, kind: Option<&str>, body: Vec<u8>) -> Answered {
    let mut request = server.http.post(server.url("/api/chat")).body(body);
    if let Some(kind) = kind {
        request = request.header("Content-Type", kind);
    }
    Answered::of(request.send().await.unwrap()).await
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn broken_json_is_malformed() {
    let server = Server::start().await;
    for body in [&b"{"[..], b"", b"{\"message\":\"\xff\xfe\"}", b"{\"message\":\"\\ud800\"}", b"message=hi"] {
        let answer = raw(&server, JSON, body.to_vec()).await;
        assert_eq!((answer.status, answer.code()), (400, "MALFORMED_JSON"), "{body:?}");
    }
    let deep = format!("{{\"message\":\"hi\",\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(raw(&server, JSON, deep.into_bytes()).await.status, 400);
}

#[tokio::test]
async fn another_type_than_json_is_refused() {
    let server = Server::start().await;
    let body = br#"{"message":"hi"}"#;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")] {
        let answer = raw(&server, kind, body.to_vec()).await;
        assert_eq!((answer.status, answer.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind:?}");
    }
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"] {
        assert_eq!(raw(&server, Some(kind), body.to_vec()).await.status, 200, "{kind}");
    }
}

fn sized(bytes: usize) -> Vec<u8> {
    let frame = br#"{"message":"hi","x":""}"#.len();
    format!(r#"{{"message":"hi","x":"{}"}}"#, "x".repeat(bytes - frame)).into_bytes()
}

#[tokio::test]
async fn a_body_over_64_kib_is_too_large_also_in_chunks() {
    let server = Server::start().await;
    assert_eq!(raw(&server, JSON, sized(64 * 1024)).await.status, 200);
    for bytes in [64 * 1024 + 1, 300 * 1024] {
        let declared = raw(&server, JSON, sized(bytes)).await;
        assert_eq!((declared.status, declared.code()), (413, "PAYLOAD_TOO_LARGE"));
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> = sized(bytes).chunks(1000).map(|c| Ok(c.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
        let request = server.http.post(server.url("/api/chat")).header("Content-Type", "application/json").body(body);
        let chunked = Answered::of(request.send().await.unwrap()).await;
        assert_eq!((chunked.status, chunked.code()), (413, "PAYLOAD_TOO_LARGE"));
    }
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let server = Server::start().await;
    for (body, fields) in [
        (json!({}), vec!["message"]),
        (json!({"message": ""}), vec!["message"]),
        (json!({"message": " \n\t\u{3000}"}), vec!["message"]),
        (json!({"message": null}), vec!["message"]),
        (json!({"message": 7}), vec!["message"]),
        (json!({"message": "x".repeat(2001)}), vec!["message"]),
        (json!({"message": "hi", "sessionId": 1}), vec!["sessionId"]),
        (
            json!({"message": [], "diver_profile": "x", "sessionState": 1}),
            vec!["message", "diver_profile", "sessionState"],
        ),
        (json!([]), vec!["body"]),
        (json!("hi"), vec!["body"]),
    ] {
        let answer = server.post("/api/chat", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (422, "VALIDATION_ERROR"), "{body}");
        assert_eq!(answer.fields(), fields, "{body}");
        assert!(answer.json["error"].as_str().unwrap().ends_with('.'));
    }
    let long = "k".repeat(256);
    for key in ["", "a\tb", &long] {
        let answer = server.chat_with_key(key, json!({"message": "hi"})).await;
        assert_eq!(answer.fields(), ["Idempotency-Key"], "{key:?}");
    }
    assert_eq!(server.chat_with_key(&"k".repeat(255), json!({"message": "hi"})).await.status, 200);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_told_in_json() {
    let server = Server::start().await;
    for path in ["/api/nothing", "/api", "/admin/nothing", "/api/chat/", "/%ff"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND"), "{path}");
    }
    for path in ["/api/chat", "/api/leads", "/api/feedback"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code()), (405, "METHOD_NOT_ALLOWED"), "{path}");
        assert!(answer.header("allow").unwrap().contains("POST"));
    }
    for path in ["/api/turns/%ff/events", "/api/sessions/%ff"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path} {}", answer.text);
        assert!(answer.json["code"].is_string(), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_panic_is_an_error_with_an_id_and_nothing_of_the_inside() {
    let server = Server::start().await;
    let answer = server.get("/panics").await;
    assert_eq!((answer.status, answer.code()), (500, "INTERNAL_ERROR"));
    assert_eq!(answer.json["id"].as_str().unwrap().len(), 36);
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn without_the_store_everything_says_so() {
    let server = Server::start().await;
    let known = server.chat("hi").await;
    server.store.close().await.unwrap();
    let session = known.session();
    let lead = json!({"type": "trip", "data": {"name": "A", "email": "a@example.com"}});
    let answers = [
        server.chat("hi").await,
        server.chat_in(&session, "hi").await,
        server.post("/api/sessions", json!({})).await,
        server.get(&format!("/api/sessions/{session}")).await,
        server.get(&format!("/api/turns/{}/events", known.turn())).await,
        server.post("/api/leads", lead).await,
        server.post("/api/feedback", json!({"turnId": known.turn(), "rating": "up"})).await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (503, "STORE_UNAVAILABLE"), "{}", answer.text);
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let server = Server::with(|config| config.body_within = Duration::from_millis(400)).await;
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    let head = "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let (mut reading, mut writing) = socket.split();
    let trickle = async {
        loop {
            if writing.write_all(b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut buffer = [0; 4096];
    let answer = async {
        let read = reading.read(&mut buffer).await.unwrap();
        reply.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    };
    tokio::select! {
        () = answer => {}
        () = trickle => {}
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("no answer"),
    }
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert!(reply.contains("REQUEST_TIMEOUT"), "{reply}");
}
