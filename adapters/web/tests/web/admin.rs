//! The operator's API: who may what, what is shown, and what a person's words come to.

use std::time::Duration;

use dovvybuddy_core::Clock as _;
use dovvybuddy_core::store::{ApiKey, Keys as _, Upkeep as _};
use dovvybuddy_web::key_hash;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answered, Server, read_events};

const PATIENCE: Duration = Duration::from_secs(10);
/// Everything that is only looked at.
const LOOKS: [&str; 9] =
    ["me", "conversations", "leads", "feedback", "unanswered", "audit", "figures", "export/leads", "events"];

/// Somebody with a key of this scope.
struct Key<'a> {
    server: &'a Server,
    secret: String,
}

impl Server {
    async fn key(&self, scope: &str) -> Key<'_> {
        let secret = format!("dvk_{}", self.clock.uuid());
        let id = self.clock.uuid().simple().to_string();
        let (name, scope) = (format!("Ana ({scope})"), scope.to_owned());
        let key = ApiKey { id, name, scope, created_at: self.clock.now(), revoked_at: None };
        self.store.add_key(&key, &key_hash(&secret)).await.unwrap();
        Key { server: self, secret }
    }
}

impl Key<'_> {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = self.server.url(&format!("/api/admin/{path}"));
        self.server.http.request(method, url).header("Authorization", format!("Bearer {}", self.secret))
    }

    async fn get(&self, path: &str) -> Answered {
        Answered::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answered {
        Answered::of(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }
}

impl Server {
    /// What no request waits for, once there are so many turns of it.
    async fn news(&self, session: &str, turns: usize) -> Answered {
        let look = async {
            loop {
                let news = self.get(&format!("/api/sessions/{session}/news")).await;
                if news.json["turns"].as_array().unwrap().len() >= turns {
                    return news;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("news in time")
    }

    /// The words of a turn that is over.
    async fn told(&self, turn: &Value) -> String {
        let look = async {
            loop {
                let path = format!("/api/turns/{}/events", turn["turnId"].as_str().unwrap());
                let mut stream = self.http.get(self.url(&path)).send().await.unwrap();
                let events = read_events(&mut stream, 3).await;
                if let Some(last) = events.iter().find(|event| event.kind() == "final") {
                    return last.data["content"].as_str().unwrap().to_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the turn ends")
    }

    async fn history(&self, session: &str) -> Vec<String> {
        let session = self.get(&format!("/api/sessions/{session}")).await;
        let history = session.json["conversation_history"].as_array().unwrap().clone();
        history.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_shown() {
    let server = Server::start().await;
    let session = server.chat("hello").await.session();
    let revoked = server.key("edit").await;
    let id = server.store.keys().await.unwrap()[0].id.clone();
    server.store.revoke_key(&id, server.clock.now()).await.unwrap();
    let unknown = Key { server: &server, secret: "dvk_guessed".into() };
    let odd = server.key("admin").await;
    let one = format!("conversations/{session}");
    for path in LOOKS.into_iter().chain([one.as_str(), "conversations/nonsense", "entries"]) {
        let bare = server.get(&format!("/api/admin/{path}")).await;
        assert_eq!((bare.status, bare.code(), bare.header("www-authenticate")), (401, "UNAUTHORIZED", Some("Bearer")));
        for key in [&revoked, &unknown, &odd] {
            assert_eq!(key.get(path).await.status, 401, "{path}");
        }
    }
    for scheme in ["Basic x", "Bearer", "Bearer ", "bearer\tx", "é"] {
        let request = server.http.get(server.url("/api/admin/me"));
        let header = reqwest::header::HeaderValue::from_bytes(scheme.as_bytes()).unwrap();
        assert_eq!(request.header("Authorization", header).send().await.unwrap().status(), 401, "{scheme}");
    }
}

#[tokio::test]
async fn each_role_may_what_it_says_and_no_more() {
    let server = Server::start().await;
    let session = server.chat("hello").await.session();
    let (read, reply, edit) = (server.key("read").await, server.key("reply").await, server.key("edit").await);
    for path in LOOKS.into_iter().filter(|path| *path != "events") {
        assert_eq!(read.get(path).await.status, 200, "{path}");
    }
    assert_eq!(read.get("me").await.json, json!({"name": "Ana (read)", "role": "read", "entries": false}));
    let words = json!({"text": "hello from Ana"});
    for what in ["reply", "pause", "resume"] {
        let refused = read.post(&format!("conversations/{session}/{what}"), words.clone()).await;
        assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{what}");
    }
    let entry = json!({"question": "q", "answer": "a"});
    for key in [&read, &reply] {
        assert_eq!(key.post("entries", entry.clone()).await.code(), "FORBIDDEN");
        assert_eq!(key.post("entries/preview", entry.clone()).await.code(), "FORBIDDEN");
        assert_eq!(key.post("entries/hours/undo", json!({})).await.code(), "FORBIDDEN");
        let removed = key.request(Method::DELETE, "entries/hours").send().await.unwrap();
        assert_eq!(removed.status(), 403);
        let put = key.request(Method::PUT, "entries/hours").json(&entry).send().await.unwrap();
        assert_eq!(put.status(), 403);
    }
    for key in [&reply, &edit] {
        assert_eq!(key.post(&format!("conversations/{session}/reply"), words.clone()).await.status, 201);
    }
    assert_eq!(edit.post("entries", entry).await.code(), "NOT_FOUND", "nothing can be published here");
}

#[tokio::test]
async fn a_conversation_is_shown_with_everything_about_its_turns() {
    let server = Server::start().await;
    let key = server.key("read").await;
    let first = server.chat("cite something").await;
    let session = first.session();
    server.post("/api/feedback", json!({"turnId": first.turn(), "rating": "down", "comment": "too short"})).await;
    server.chat_in(&session, "mayday").await;
    let list = key.get("conversations").await.json;
    let summary = &list["conversations"][0];
    assert_eq!((&summary["id"], &summary["channel"]), (&json!(session), &json!("web")));
    assert_eq!(
        (&summary["lastWords"], &summary["emergency"], &summary["turns"]),
        (&json!("mayday"), &json!(true), &json!(2))
    );
    let one = key.get(&format!("conversations/{session}")).await.json;
    assert_eq!(one["emergency"], "decompression_illness");
    let turn = &one["turns"][0];
    assert_eq!((&turn["said"], &turn["outcome"]), (&json!("cite something"), &json!("answered")));
    assert_eq!(turn["citations"][0]["source"], "certifications/1.md");
    assert_eq!(turn["usage"]["tokens"], 7);
    assert!(turn["usage"]["totalMs"].as_u64().is_some() && turn["usage"]["routeMs"].as_u64().is_some());
    assert_eq!(turn["rating"], json!({"up": false, "comment": "too short"}));
    assert_eq!(turn["versions"]["prompts"], "prompts-1");
    assert_eq!(one["turns"][1]["outcome"], "emergency");
    assert_eq!(key.get("feedback").await.json[0]["comment"], "too short");
    for query in ["emergency=true", "channel=web", "agent=safety"] {
        let found = key.get(&format!("conversations?{query}")).await.json;
        assert_eq!(found["conversations"].as_array().unwrap().len(), 1, "{query}");
    }
    for query in ["paused=true", "unanswered=true", "channel=telegram", "agent=trip"] {
        let found = key.get(&format!("conversations?{query}")).await.json;
        assert_eq!(found["conversations"], json!([]), "{query}");
    }
}

#[tokio::test]
async fn a_persons_words_reach_the_diver_and_the_bot_is_silent() {
    let server = Server::start().await;
    let key = server.key("reply").await;
    let session = server.chat("how deep?").await.session();
    let path = format!("conversations/{session}/reply");
    let sent = key.post(&path, json!({"text": "I am Ana. Tuesday works.", "minutes": 45})).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
    let news = server.news(&session, 2).await.json;
    assert_eq!(news["pausedUntil"], sent.json["pausedUntil"]);
    let kinds: Vec<_> = news["turns"].as_array().unwrap().iter().map(|turn| turn["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["notice", "reply"]);
    assert_eq!(server.told(&news["turns"][0]).await, "<with_person>");
    assert_eq!(server.told(&news["turns"][1]).await, "I am Ana. Tuesday works.");
    assert_eq!(news["turns"][1]["turnId"], sent.json["turnId"]);
    assert_eq!(server.chat_in(&session, "thanks").await.message(), "<passed_on>");
    let later = server.get(&format!("/api/sessions/{session}/news?after={}", news["after"])).await.json;
    assert_eq!((&later["turns"], &later["after"]), (&json!([]), &news["after"]));
    let one = key.get(&format!("conversations/{session}")).await.json;
    assert_eq!(one["pausedBy"], "Ana (reply)");
    let spoken = one["turns"].as_array().unwrap().iter().find(|turn| turn["outcome"] == "person").unwrap().clone();
    assert_eq!((&spoken["by"], &spoken["said"]), (&json!("Ana (reply)"), &Value::Null));
    let held = key.get("conversations?paused=true").await.json;
    assert_eq!(held["conversations"][0]["pausedBy"], "Ana (reply)");
}

#[tokio::test]
async fn what_is_left_when_a_person_gives_back_the_bot_answers() {
    let server = Server::start().await;
    let key = server.key("reply").await;
    let session = server.chat("how deep?").await.session();
    assert_eq!(key.post(&format!("conversations/{session}/pause"), json!({})).await.status, 200);
    assert_eq!(server.chat_in(&session, "how cold is it?").await.message(), "<passed_on>");
    let open = key.get("conversations?unanswered=true").await.json;
    assert_eq!(open["conversations"][0]["id"], json!(session));
    assert_eq!(key.post(&format!("conversations/{session}/resume"), json!({})).await.status, 204);
    let news = server.news(&session, 2).await.json;
    assert_eq!((&news["turns"][1]["kind"], &news["pausedUntil"]), (&json!("taken_up"), &Value::Null));
    assert_eq!(server.told(&news["turns"][1]).await, "how cold is it?");
    let history = server.history(&session).await;
    let asked = history.iter().filter(|words| *words == "how cold is it?").count();
    assert_eq!(asked, 2, "asked once and answered once: {history:?}");
    assert_eq!(server.chat_in(&session, "and now?").await.message(), "and now?");
    assert_eq!(key.post(&format!("conversations/{session}/resume"), json!({})).await.status, 204, "nothing to end");
}

#[tokio::test]
async fn an_emergency_waits_for_no_person() {
    let server = Server::start().await;
    let key = server.key("reply").await;
    let session = server.chat("how deep?").await.session();
    key.post(&format!("conversations/{session}/pause"), json!({"minutes": 1440})).await;
    let cry = server.chat_in(&session, "mayday").await;
    assert_eq!(cry.json["metadata"]["emergency"], true);
    assert_eq!(server.chat_in(&session, "all clear").await.message(), "Good to hear.");
    assert_eq!(server.chat_in(&session, "how deep?").await.message(), "<passed_on>", "the pause outlives it");
    server.clock.advance(Duration::from_hours(24));
    assert_eq!(server.chat_in(&session, "and now?").await.message().lines().next(), Some("and now?"), "it is over");
}

#[tokio::test]
async fn who_looked_at_what_is_noted() {
    let server = Server::start().await;
    let key = server.key("edit").await;
    let session = server.chat("how deep?").await.session();
    for _ in 0..3 {
        key.get(&format!("conversations/{session}")).await;
    }
    key.post(&format!("conversations/{session}/reply"), json!({"text": "hello"})).await;
    key.get("export/leads?format=csv").await;
    let audit = key.get("audit").await.json;
    let noted: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["action"].as_str().unwrap(), entry["subject"].as_str().unwrap(), entry["name"].as_str().unwrap())
        })
        .collect();
    let conversation = format!("conversation {session}");
    let expected = [
        ("list", "audit", "Ana (edit)"),
        ("export", "leads", "Ana (edit)"),
        ("reply", &conversation, "Ana (edit)"),
        ("read", &conversation, "Ana (edit)"),
    ];
    assert_eq!(noted, expected, "looking again is not noted again");
    server.store.close().await.unwrap();
    assert_eq!(key.get("feedback").await.status, 503, "what can't be noted is not shown");
}

#[tokio::test]
async fn odd_parameters_are_named_and_never_break_anything() {
    let server = Server::start().await;
    let key = server.key("edit").await;
    let session = server.chat("how deep?").await.session();
    for (path, field) in [
        ("conversations?limit=0", "limit"),
        ("conversations?limit=x", "limit"),
        ("conversations?cursor=1", "cursor"),
        ("conversations?paused=maybe", "paused"),
        ("leads?limit=99999", "limit"),
        ("unanswered?days=-1", "days"),
        ("audit?before=x", "before"),
        ("figures?days=1e3", "days"),
        ("export/leads?format=pdf", "format"),
    ] {
        let refused = key.get(path).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{path}");
    }
    for path in
        ["conversations?cursor=9223372036854775807.-1&channel=%00&agent=%ff", "audit?before=-9", "figures?days=366"]
    {
        assert_eq!(key.get(path).await.status, 200, "{path}");
    }
    for path in ["export/everything", "conversations/%00", "conversations/x", "nothing"] {
        assert_eq!(key.get(path).await.status, 404, "{path}");
    }
    let reply = format!("conversations/{session}/reply");
    for (body, field) in [
        (json!({}), "text"),
        (json!({"text": " "}), "text"),
        (json!({"text": "x".repeat(2001)}), "text"),
        (json!({"text": 7}), "text"),
        (json!({"text": "x", "minutes": 0}), "minutes"),
        (json!({"text": "x", "minutes": 1441}), "minutes"),
    ] {
        let refused = key.post(&reply, body.clone()).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{body}");
    }
    assert_eq!(server.get("/api/sessions/nonsense/news").await.code(), "SESSION_NOT_FOUND");
    assert_eq!(server.get(&format!("/api/sessions/{session}/news?after=x")).await.status, 422);
}

#[tokio::test]
async fn lists_can_be_taken_along() {
    let server = Server::start().await;
    let key = server.key("read").await;
    let turn = server.chat("=cmd()").await.turn();
    server.post("/api/feedback", json!({"turnId": turn, "rating": "up", "comment": "a, \"b\""})).await;
    let csv = key.get("export/feedback?format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.header("content-disposition").unwrap().starts_with("attachment; filename=\"feedback-"));
    let mut rows = csv.text.split("\r\n");
    assert_eq!(rows.next(), Some("turnId,sessionId,channel,said,reply,up,comment,at"));
    let row = rows.next().unwrap();
    assert!(row.contains(",'=cmd(),") && row.contains(",true,\"a, \"\"b\"\"\","), "{row}");
    let lines = key.get("export/conversations").await;
    let read: Value = serde_json::from_str(lines.text.trim()).unwrap();
    assert_eq!(read["lastWords"], "=cmd()");
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let server = Server::start().await;
    let key = server.key("read").await;
    let mut stream = key.request(Method::GET, "events").send().await.unwrap();
    let first = read_events(&mut stream, 1).await;
    server.chat("how deep?").await;
    let mut again = key.request(Method::GET, "events").header("Last-Event-ID", first[0].id.clone().unwrap());
    again = again.timeout(PATIENCE);
    let mut stream = again.send().await.unwrap();
    let next = read_events(&mut stream, 1).await;
    assert_ne!(next[0].id, first[0].id);
    assert_eq!(next[0].data, json!({"type": "changed"}), "that something changed, and nothing of what");
}

#[tokio::test]
async fn who_guesses_keys_is_limited_by_address_and_who_has_one_is_not() {
    let server = Server::with(|config| config.ip_per_minute = 5).await;
    let key = server.key("read").await;
    for _ in 0..20 {
        assert_eq!(key.get("me").await.status, 200);
    }
    let guess = Key { server: &server, secret: "dvk_guess".into() };
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(guess.get("me").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(key.get("me").await.status, 200);
}
