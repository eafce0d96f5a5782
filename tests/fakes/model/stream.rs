//! The answer as server-sent events, with the faults of real providers.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{Fault, Script, Under, reply};

/// A packet of the body: bytes after a pause, a broken connection, or silence.
enum Packet {
    After(Duration, Bytes),
    Broken,
    Silence,
}

/// Streams `text`.
pub(super) fn answer(script: &Script, request: &Value, text: &str, under: Under) -> Response {
    let packets = packets(script, request, text);
    let body = stream::unfold((packets.into_iter(), under), |(mut packets, under)| async move {
        let item: Result<Bytes, io::Error> = match packets.next()? {
            Packet::After(pause, bytes) => {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Ok(bytes)
            }
            Packet::Broken => {
                // What was written has to leave before the connection breaks.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Packet::Silence => std::future::pending().await,
        };
        Some((item, (packets, under)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body.boxed())).into_response()
}

fn packets(script: &Script, request: &Value, text: &str) -> Vec<Packet> {
    let events = events(script, request, text);
    let limit = match script.fault {
        Fault::Cut(bytes) | Fault::Break(bytes) => bytes,
        _ => usize::MAX,
    };
    let mut left = limit;
    let mut out = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let pause = if number == 0 { script.first_token } else { script.between };
        let bytes = event.as_bytes();
        let bytes = bytes.get(..bytes.len().min(left)).unwrap_or(bytes);
        left -= bytes.len();
        if script.packet == 0 {
            out.push(Packet::After(pause, Bytes::copy_from_slice(bytes)));
        } else {
            let parts = bytes.chunks(script.packet).enumerate();
            out.extend(parts.map(|(n, part)| {
                Packet::After(if n == 0 { pause } else { Duration::ZERO }, Bytes::copy_from_slice(part))
            }));
        }
        if left == 0 {
            break;
        }
        if script.fault == Fault::Stall && number == events.len() / 2 {
            out.push(Packet::Silence);
            break;
        }
    }
    if matches!(script.fault, Fault::Break(_)) {
        out.push(Packet::Broken);
    }
    out
}

fn events(script: &Script, request: &Value, text: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        event(
            &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"], "choices": choices}),
        )
    };
    let mut out = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    if script.fault == Fault::Refuse {
        out.push(chunk(json!({"refusal": "I can't help with that."}), Value::Null));
    } else if script.fault == Fault::Instant {
        out.push(chunk(json!({"content": text}), Value::Null));
    } else {
        out.extend(text.split_inclusive(' ').map(|word| chunk(json!({"content": word}), Value::Null)));
    }
    if script.fault == Fault::Garble {
        out.insert(3.min(out.len()), "data: {\"choices\":[{\"delta\":{\"con\n\n".to_owned());
    }
    if script.fault == Fault::ErrorInside {
        let place = out.len() / 2;
        out.insert(
            place,
            event(&json!({"error": {"code": 502, "message": "upstream https://internal.example failed"}})),
        );
    }
    if script.fault == Fault::NoEnd {
        return out;
    }
    let reason = if script.fault == Fault::Length { "length" } else { "stop" };
    out.push(chunk(json!({}), json!(reason)));
    if request["stream_options"]["include_usage"].as_bool() == Some(true) {
        out.push(event(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": request["model"], "choices": [], "usage": reply::usage(request, text)})));
    }
    if script.fault != Fault::NoDone {
        out.push("data: [DONE]\n\n".to_owned());
    }
    out
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}
