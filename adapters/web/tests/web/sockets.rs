//! The same conversation over a WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{Answered, Server};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(server: &Server) -> Self {
        Self::from(server, None).await.expect("the socket opens")
    }

    /// Opens from a page of this origin, or tells the status of the refusal.
    async fn from(server: &Server, origin: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{}/api/ws", server.addr).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(server.addr).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn ask(&mut self, message: &str) {
        self.say(json!({"type": "message", "message": message})).await;
    }

    async fn frame(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.expect("a frame in time");
        next.and_then(Result::ok)
    }

    async fn next(&mut self) -> Value {
        loop {
            match self.frame().await.expect("the socket is open") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Events up to and with one that ends a turn.
    async fn turn(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let ends = matches!(event["type"].as_str(), Some("final" | "error"));
            events.push(event);
            if ends {
                return events;
            }
        }
    }

    /// Waits for the end, pings and events aside.
    async fn closed(&mut self) -> bool {
        loop {
            match self.frame().await {
                None | Some(Message::Close(_)) => return true,
                Some(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_conversation_streams_over_a_socket() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.ask("cite the depth").await;
    let events = socket.turn().await;
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["route", "safety", "token", "token", "token", "token", "citation", "citation", "final"]);
    let turn = events[0]["metadata"]["turnId"].as_str().unwrap();
    assert_eq!(events[2]["id"], format!("{turn}/1/3"));
    let session = events[0]["metadata"]["sessionId"].clone();
    socket.say(json!({"type": "message", "message": "two", "sessionId": session})).await;
    assert_eq!(socket.turn().await.last().unwrap()["metadata"]["sessionId"], session);
    let rest = server.get(&format!("/api/turns/{turn}/events?lastEventId={turn}/1/8")).await;
    assert!(rest.text.contains("\"final\""));
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_connect() {
    let server = Server::with(|config| config.cors_origins = vec!["https://shop.example".into()]).await;
    let own = format!("http://{}", server.addr);
    for origin in [None, Some(own.as_str()), Some("https://shop.example")] {
        assert!(Socket::from(&server, origin).await.is_ok(), "{origin:?}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "https://shop.example.evil.example"] {
        assert_eq!(Socket::from(&server, Some(origin)).await.err(), Some(403), "{origin}");
    }
    let plain = Answered::of(server.http.get(server.url("/api/ws")).send().await.unwrap()).await;
    assert_eq!((plain.status, plain.code()), (426, "UPGRADE_REQUIRED"));
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_socket_stays() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for (frame, code) in [
        (json!({"type": "message", "message": " "}), "VALIDATION_ERROR"),
        (json!({"type": "shout", "message": "hi"}), "VALIDATION_ERROR"),
        (json!({"message": "hi"}), "VALIDATION_ERROR"),
        (json!({"type": "message", "message": "hi", "idempotencyKey": ""}), "VALIDATION_ERROR"),
        (json!([]), "VALIDATION_ERROR"),
    ] {
        socket.say(frame.clone()).await;
        let event = socket.next().await;
        assert_eq!((&event["type"], &event["content"]), (&json!("error"), &json!(code)), "{frame}");
        assert!(event["metadata"]["details"][0]["field"].is_string());
    }
    socket.0.send(Message::text("{")).await.unwrap();
    assert_eq!(socket.next().await["content"], "MALFORMED_JSON");
    socket.ask("hi").await;
    assert_eq!(socket.turn().await.last().unwrap()["type"], "final");
}

#[tokio::test]
async fn an_emergency_does_not_wait_for_the_answer_before_it() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.ask("gate please").await;
    assert_eq!(socket.next().await["type"], "route");
    socket.ask("mayday").await;
    loop {
        let event = socket.next().await;
        if event["type"] == "final" {
            assert_eq!(event["metadata"]["metadata"]["emergency"], true);
            break;
        }
    }
}

#[tokio::test]
async fn messages_keep_their_order() {
    let server = Server::start().await;
    let session = server.chat("hi").await.session();
    let mut socket = Socket::open(&server).await;
    for word in ["one", "two", "three"] {
        socket.say(json!({"type": "message", "message": word, "sessionId": session})).await;
    }
    for word in ["one", "two", "three"] {
        let told = socket.turn().await;
        let turn = &told[0]["metadata"]["turnId"];
        assert!(
            told.iter().all(|e| e["id"].as_str().unwrap().starts_with(turn.as_str().unwrap())),
            "turns are told one by one"
        );
        assert_eq!(told.last().unwrap()["content"], word);
    }
    let held = server.get(&format!("/api/sessions/{session}")).await;
    let said: Vec<_> =
        held.json["conversation_history"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said[2..], ["one", "one", "two", "two", "three", "three"]);
}

#[tokio::test]
async fn a_repeat_with_its_key_is_the_same_turn() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    let frame = json!({"type": "message", "message": "hi", "idempotencyKey": "k"});
    socket.say(frame.clone()).await;
    let first = socket.turn().await;
    socket.say(frame).await;
    assert_eq!(socket.turn().await, first);
    let over_http = server.chat_with_key("k", json!({"message": "hi"})).await;
    assert_eq!(first[0]["metadata"]["turnId"], over_http.turn());
}

#[tokio::test]
async fn the_limit_counts_messages_and_lets_an_emergency_pass() {
    let server = Server::with(|config| config.ip_per_minute = 2).await;
    let mut socket = Socket::open(&server).await;
    socket.ask("one").await;
    assert_eq!(socket.turn().await.last().unwrap()["type"], "final");
    socket.ask("two").await;
    let refused = socket.next().await;
    assert_eq!(refused["content"], "RATE_LIMITED");
    assert!(refused["metadata"]["retryAfter"].as_u64().unwrap() >= 1);
    socket.ask("mayday").await;
    assert_eq!(socket.turn().await.last().unwrap()["metadata"]["agentType"], "safety");
    assert_eq!(Socket::from(&server, None).await.err(), Some(429));
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for _ in 0..12 {
        socket.ask("gate please").await;
    }
    loop {
        let event = socket.next().await;
        if event["type"] == "error" {
            assert_eq!(event["content"], "OVERLOADED");
            break;
        }
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_socket() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.0.send(Message::text("x".repeat(64 * 1024 + 1))).await.unwrap();
    let code = loop {
        match socket.frame().await.expect("it is told why") {
            Message::Close(frame) => break frame.map(|frame| u16::from(frame.code)),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(1009));
    assert!(socket.closed().await);
    let mut socket = Socket::open(&server).await;
    socket.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert!(socket.closed().await);
    assert_eq!(server.chat("hi").await.status, 200);
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_let_go() {
    let server = Server::with(|config| config.socket_idle = Duration::from_millis(300)).await;
    let mut socket = Socket::open(&server).await;
    assert!(matches!(socket.frame().await, Some(Message::Ping(_))));
    // Not reading means not answering pings.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(socket.closed().await);
}

#[tokio::test]
async fn only_so_many_sockets_are_open() {
    let server = Server::with(|config| config.most_sockets = 1).await;
    let first = Socket::open(&server).await;
    assert_eq!(Socket::from(&server, None).await.err(), Some(503));
    drop(first);
    let freed = async {
        while Socket::from(&server, None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), freed).await.expect("room again");
}

#[tokio::test]
async fn sockets_end_when_the_daemon_stops() {
    let server = Server::with(|config| config.drain = Duration::from_millis(200)).await;
    let mut idle = Socket::open(&server).await;
    let mut busy = Socket::open(&server).await;
    busy.ask("gate please").await;
    assert_eq!(busy.next().await["type"], "route");
    server.closing.cancel();
    assert!(idle.closed().await && busy.closed().await);
    tokio::time::timeout(Duration::from_secs(5), server.state.drained()).await.expect("no task remains");
}
