//! `GET /api/ws`: the stream's events as JSON text frames.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{DEPTH, is_uuid_v4};
use crate::support::{Daemon, Setup};
use crate::wire::PATIENCE;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(daemon: &Daemon, origin: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("{}/api/ws", daemon.base.replace("http://", "ws://")).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    Ok(tokio_tungstenite::connect_async(request).await?.0)
}

async fn say(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The frames up to the one that ends a turn.
async fn turn(socket: &mut Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a frame in time");
        match frame.expect("the socket stays open").unwrap() {
            Message::Text(text) => frames.push(serde_json::from_str::<Value>(&text).unwrap()),
            Message::Ping(_) | Message::Pong(_) => continue,
            other => panic!("{other:?}"),
        }
        let kind = frames.last().unwrap()["type"].as_str().unwrap();
        if kind == "final" || kind == "error" {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_conversation_goes_over_one_socket() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let mut socket = open(&daemon, None).await.unwrap();

    say(&mut socket, &json!({ "type": "message", "message": DEPTH })).await;
    let frames = turn(&mut socket).await;
    let kinds: Vec<&str> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["route", "safety", "token"]);
    assert_eq!(kinds.last(), Some(&"final"));
    let last = frames.last().unwrap();
    let tokens: String =
        frames.iter().filter(|f| f["type"] == "token").map(|f| f["content"].as_str().unwrap()).collect();
    assert_eq!(tokens, last["content"].as_str().unwrap());
    let session = last["metadata"]["sessionId"].as_str().unwrap();
    assert!(is_uuid_v4(session));

    let keyed = json!({ "type": "message", "message": "What is a safety stop?", "sessionId": session, "idempotencyKey": "one" });
    say(&mut socket, &keyed).await;
    let first = turn(&mut socket).await;
    say(&mut socket, &keyed).await;
    let repeat = turn(&mut socket).await;
    let turn_of = |frames: &[Value]| frames.last().unwrap()["metadata"]["metadata"]["turnId"].clone();
    assert_eq!(turn_of(&first), turn_of(&repeat));
    assert_eq!(daemon.history(session).await.len(), 4);

    say(&mut socket, &json!({ "type": "message", "message": "My buddy can't feel his legs", "sessionId": session }))
        .await;
    let alarm = turn(&mut socket).await;
    assert_eq!(alarm.last().unwrap()["metadata"]["agentType"], "safety");
    assert_eq!(alarm[1]["content"]["classification"], "emergency");
    daemon.kill().await;
}

#[tokio::test]
async fn odd_frames_get_an_error_and_break_nothing() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let odd = [
        "not json",
        "{}",
        "[]",
        "{\"type\":\"message\"}",
        "{\"type\":\"message\",\"message\":\"\"}",
        "{\"type\":\"message\",\"message\":7}",
        "{\"type\":\"dance\"}",
    ];
    for text in odd {
        let mut socket = open(&daemon, None).await.unwrap();
        socket.send(Message::text(text)).await.unwrap();
        let frames = turn(&mut socket).await;
        assert_eq!(frames.len(), 1, "{text}: {frames:?}");
        assert_eq!(frames[0]["type"], "error", "{text}");
        assert!(frames[0]["content"].is_string(), "the content of an error is a code: {frames:?}");
    }
    // Too large a message: an error or a close, not a hang.
    let mut socket = open(&daemon, None).await.unwrap();
    let large = json!({ "type": "message", "message": DEPTH, "padding": "x".repeat(1_000_000) });
    let _ = socket.send(Message::text(large.to_string())).await;
    let answer = tokio::time::timeout(PATIENCE, socket.next()).await.expect("no hang");
    let accepted = matches!(&answer, Some(Ok(Message::Text(text))) if !text.contains("error"));
    assert!(!accepted, "{answer:?}");
    daemon.ask(None, DEPTH).await;
    daemon.kill().await;
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_connect() {
    let setup = Setup::slice().with("HTTP__CORS_ORIGINS", "https://shop.example");
    let daemon = setup.start().await;
    let own = daemon.base.clone();
    for allowed in ["https://shop.example", &own] {
        let mut socket = open(&daemon, Some(allowed)).await.unwrap_or_else(|e| panic!("{allowed}: {e}"));
        say(&mut socket, &json!({ "type": "message", "message": DEPTH })).await;
        assert_eq!(turn(&mut socket).await.last().unwrap()["type"], "final");
    }
    for foreign in ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"] {
        match open(&daemon, Some(foreign)).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403, "{foreign}"),
            Err(other) => panic!("{foreign}: {other}"),
            Ok(_) => panic!("{foreign} was let in"),
        }
    }
    daemon.kill().await;
}

#[tokio::test]
async fn while_the_store_hangs_messages_do_not_pile_up_and_an_emergency_passes() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let mut socket = open(&daemon, None).await.unwrap();
    let mut held = crate::emergencies::lock(&setup).await;
    for n in 0..100 {
        say(&mut socket, &json!({ "type": "message", "message": format!("What is nitrox? {n}") })).await;
    }
    // All but those that wait are told at once, long before the store gives up.
    for n in 0..92 {
        let told = turn(&mut socket).await;
        assert_eq!(told.last().unwrap()["content"], "OVERLOADED", "{n}: {told:?}");
    }
    for _ in 0..6 {
        say(&mut socket, &json!({ "type": "message", "message": "My buddy can't feel his legs" })).await;
    }
    for n in 0..6 {
        let alarm = turn(&mut socket).await;
        assert_eq!(alarm.last().unwrap()["metadata"]["agentType"], "safety", "{n}: {alarm:?}");
    }
    sqlx::Executor::execute(&mut held, "ROLLBACK").await.unwrap();
    daemon.kill().await;
}
