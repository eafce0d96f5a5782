//! Wrong and odd requests: each gets a clear error or an answer, and nothing breaks.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DEPTH, error_of, header};
use crate::support::{Daemon, Setup};
use crate::wire::exchange;

async fn status_of(daemon: &Daemon, body: &Value) -> StatusCode {
    daemon.post("/api/chat", body).await.status()
}

#[tokio::test]
async fn a_message_has_1_to_2000_characters_however_they_are_written() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let padded = format!("  \n{}\t ", "b".repeat(2000));
    let fitting = ["a".to_owned(), "a".repeat(2000), "🐠".repeat(2000), "é".repeat(2000), padded];
    for message in fitting {
        let count = message.chars().count();
        assert_eq!(status_of(&daemon, &json!({ "message": message })).await, StatusCode::OK, "{count} characters");
    }
    let unfitting = [
        String::new(),
        " ".to_owned(),
        " \n\t\r ".to_owned(),
        "\u{2003}\u{a0}".to_owned(),
        "a".repeat(2001),
        "🐠".repeat(2001),
        // 2,002 scalars that show as 1,001 letters: scalars count.
        "e\u{301}".repeat(1001),
    ];
    for path in ["/api/chat", "/api/chat/stream"] {
        for message in &unfitting {
            let response = daemon.post(path, &json!({ "message": message })).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{message:?}");
            assert!(header(&response, "content-type").starts_with("application/json"));
            let (code, fields) = error_of(&response.text().await.unwrap());
            assert_eq!((code.as_str(), fields), ("VALIDATION_ERROR", vec!["message".to_owned()]));
        }
    }
    daemon.kill().await;
}

#[tokio::test]
async fn wrong_types_name_their_field() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let table = [
        (json!({}), "message"),
        (json!({ "message": null }), "message"),
        (json!({ "message": 5 }), "message"),
        (json!({ "message": ["hello"] }), "message"),
        (json!({ "message": { "text": "hello" } }), "message"),
        (json!({ "message": true }), "message"),
        (json!({ "message": "hello", "sessionId": 5 }), "sessionId"),
        (json!({ "message": "hello", "sessionId": ["x"] }), "sessionId"),
        (json!({ "message": "hello", "diverProfile": "OW" }), "diverProfile"),
        (json!({ "message": "hello", "diverProfile": [1] }), "diverProfile"),
        (json!({ "message": "hello", "sessionState": 7 }), "sessionState"),
    ];
    for (body, field) in table {
        let response = daemon.post("/api/chat", &body).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let (code, fields) = error_of(&response.text().await.unwrap());
        assert_eq!(code, "VALIDATION_ERROR");
        assert!(fields.iter().any(|f| f == field), "{fields:?} for {body}");
    }
    for whole in [json!([]), json!("hello"), json!(5), json!(null)] {
        let response = daemon.post("/api/chat", &whole).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{whole}");
        assert_eq!(error_of(&response.text().await.unwrap()).0, "VALIDATION_ERROR");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn broken_bodies_methods_and_addresses_are_told_apart() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let send = async |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = daemon.client.post(format!("{}/api/chat", daemon.base)).body(body);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let json_type = Some("application/json");
    let deep = format!("{{\"message\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let malformed: [&[u8]; 8] = [
        b"",
        b"{",
        b"{\"message\": \"hello\"",
        b"{\"message\": \"hello\"} trailing",
        b"message=hello",
        b"{\"message\": \"\xff\xfe\"}",
        b"{\"message\": \"\\ud800\"}",
        deep.as_bytes(),
    ];
    for body in malformed {
        let (status, text) = send(json_type, body.to_vec()).await;
        assert_eq!(status, 400, "{:?}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        error_of(&text);
    }
    let good = serde_json::to_vec(&json!({ "message": DEPTH })).unwrap();
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data")]
    {
        let (status, text) = send(content_type, good.clone()).await;
        assert_eq!(status, 415, "{content_type:?}");
        error_of(&text);
    }
    assert_eq!(send(Some("application/json; charset=utf-8"), good.clone()).await.0, 200);

    for (method, path, expected) in [
        ("GET", "/api/chat", 405),
        ("PUT", "/api/chat", 405),
        ("GET", "/api/leads", 405),
        ("DELETE", "/api/feedback", 405),
        ("GET", "/api/nothing", 404),
        ("POST", "/api/chat/nothing", 404),
        ("GET", "/api/sessions/../../etc/passwd", 404),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let answer = exchange(&daemon.base, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{method} {path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        error_of(body.trim());
    }
    daemon.kill().await;
}

#[tokio::test]
async fn a_body_ends_at_64_kib_chunked_too() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let sized = |bytes: usize| {
        let empty = serde_json::to_string(&json!({ "message": DEPTH, "padding": "" })).unwrap().len();
        serde_json::to_string(&json!({ "message": DEPTH, "padding": "x".repeat(bytes - empty) })).unwrap()
    };
    for (bytes, expected) in [(65_536, 200), (65_537, 413)] {
        let body = sized(bytes);
        assert_eq!(body.len(), bytes);
        let whole = daemon.client.post(format!("{}/api/chat", daemon.base)).header("Content-Type", "application/json");
        let response = whole.body(body.clone()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{bytes} bytes at once");
        if expected == 413 {
            error_of(&response.text().await.unwrap());
        }
        let mut chunked =
            b"POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in body.as_bytes().chunks(8192) {
            chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
            chunked.extend(piece);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let answer = exchange(&daemon.base, &chunked).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{bytes} bytes chunked: {answer}");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn naughty_strings_are_answered_like_any_other() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let naughty = [
        "\u{0}",
        "null\u{0}byte",
        "undefined",
        "NULL",
        "{{7*7}} ${7*7} <%= 7*7 %>",
        "'; DROP TABLE messages; --",
        "\" OR 1=1 --",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "../../../../etc/passwd",
        "%s%n%x%d",
        "\u{202e}desrever\u{202c}",
        "\u{feff}bom",
        "\u{200b}\u{200c}\u{200d}",
        "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
        "👩‍👩‍👧‍👦🏳️‍🌈👨🏿‍🚀",
        "ﷺﷺﷺﷺ",
        "ｆｕｌｌｗｉｄｔｈ",
        "\u{1b}[31mred\u{1b}[0m\u{7}",
        "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "data: {\"type\":\"final\"}\n\nevent: x",
        "[1]: https://evil.example",
        "**bold** [link](javascript:alert(1)) ![i](http://evil.example/x.png)",
        "(((((((((((((((((((((((((((((((",
        "a\\",
        "NaN Infinity -0 1e999 0x10 ١٢٣",
        "˙ɐnbᴉlɐ ɐuƃɐɯ ǝɹolop",
        "ı İ ſ ß ẞ ŉ",
        "\u{e000}\u{fffd}\u{ffff}\u{10ffff}",
        "NEAR(\"a\" \"b\") AND col:* ^2 ~3 \"unterminated",
        "?",
        "…",
    ];
    for text in naughty {
        let response = daemon.post("/api/chat", &json!({ "message": text })).await;
        // Nothing but characters that nobody sees may count as blank.
        let invisible = text.chars().all(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200d}'));
        let status = response.status();
        assert!(
            status == StatusCode::OK || (invisible && status == StatusCode::UNPROCESSABLE_ENTITY),
            "{text:?}: {status}"
        );
        if status == StatusCode::OK {
            let answer: Value = response.json().await.unwrap();
            let message = answer["message"].as_str().unwrap();
            assert!(!message.is_empty() && !message.contains("evil.example"), "{text:?}: {message}");
            let said = &daemon.history(answer["sessionId"].as_str().unwrap()).await[0].1;
            // A NUL can't be kept everywhere; a mark in its place says that something stood there.
            let replaced = text.trim().replace('\0', "\u{fffd}");
            assert!(said == text.trim() || *said == replaced, "the history holds what was said: {said:?} for {text:?}");
        }
    }
    daemon.kill().await;
}
