//! `POST /api/chat`: the answer's shape.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DEPTH, is_uuid_v4, keys};
use crate::support::Setup;

const METADATA: [&str; 13] = [
    "citations",
    "contextChunks",
    "degraded",
    "detectedIntent",
    "emergency",
    "grounding",
    "model",
    "outOfScope",
    "stateUpdates",
    "tokensUsed",
    "turnId",
    "versions",
    "sessionRestarted",
];

fn assert_shape(answer: &Value) {
    assert_eq!(keys(answer), ["agentType", "followUpQuestion", "message", "metadata", "sessionId"]);
    let message = answer["message"].as_str().unwrap();
    assert!(!message.trim().is_empty());
    assert!(is_uuid_v4(answer["sessionId"].as_str().unwrap()), "{answer}");
    assert!(["certification", "trip", "safety", "retrieval"].contains(&answer["agentType"].as_str().unwrap()));
    assert!(answer["followUpQuestion"].is_null() || answer["followUpQuestion"].is_string());

    let metadata = &answer["metadata"];
    for key in &METADATA[..12] {
        assert!(metadata.get(key).is_some(), "{key} is missing in {metadata}");
    }
    for key in keys(metadata) {
        assert!(METADATA.contains(&key), "{key} is not in the contract");
    }
    for key in ["turnId", "model", "detectedIntent"] {
        assert!(metadata[key].is_string(), "{key} in {metadata}");
    }
    for key in ["tokensUsed", "contextChunks"] {
        assert!(metadata[key].is_u64(), "{key} in {metadata}");
    }
    for key in ["emergency", "outOfScope"] {
        assert!(metadata[key].is_boolean(), "{key} in {metadata}");
    }
    for (key, value) in metadata["stateUpdates"].as_object().unwrap() {
        let known = ["cert_level", "context_mode", "location_known", "conditions_known", "last_intent"];
        assert!(known.contains(&key.as_str()), "{key}: {value}");
    }
    assert_eq!(keys(&metadata["versions"]), ["content", "prompts"]);
    assert_eq!(keys(&metadata["grounding"]), ["citationsCount", "hasVerifiedData", "ragInvoked"]);
    for word in metadata["degraded"].as_array().unwrap() {
        assert!(["llm", "embeddings", "store"].contains(&word.as_str().unwrap()));
    }
    assert_citations(message, metadata);
}

fn assert_citations(message: &str, metadata: &Value) {
    let citations = metadata["citations"].as_array().unwrap();
    assert_eq!(metadata["grounding"]["citationsCount"], citations.len());
    let mut numbers = Vec::new();
    for citation in citations {
        assert_eq!(keys(citation), ["n", "publisher", "score", "section", "source", "title", "updated"]);
        let n = citation["n"].as_u64().unwrap();
        assert!(n > numbers.last().copied().unwrap_or(0), "in the order of their marks: {citations:?}");
        numbers.push(n);
        let score = citation["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{score}");
        let source = citation["source"].as_str().unwrap();
        assert!(crate::support::root().join("content").join(source).is_file() && !source.starts_with('/'), "{source}");
        assert!(citation["updated"].as_str().unwrap().parse::<jiff::civil::Date>().is_ok(), "{citation}");
        assert!(message.contains(&format!("[{n}]")), "{message}");
    }
    let marks = regex::Regex::new(r"\[(\d+)\]").unwrap();
    for mark in marks.captures_iter(message) {
        let n: u64 = mark[1].parse().unwrap();
        assert!(numbers.contains(&n), "[{n}] points nowhere in {message}");
    }
    if !citations.is_empty() {
        let list = |c: &Value| format!("[{}] {}", c["n"], c["title"].as_str().unwrap());
        let sources = citations.iter().map(list).collect::<Vec<_>>().join("; ");
        assert!(message.ends_with(&format!("\n\nSources: {sources}")), "{message}");
    }
    let swallowed = regex::Regex::new(r"(?m)^\[\d+\]:").unwrap();
    assert!(!swallowed.is_match(message), "Markdown would swallow a line of {message}");
}

#[tokio::test]
async fn an_answer_has_the_agreed_shape_and_rests_on_the_corpus() {
    let setup = Setup::slice();
    let daemon = setup.start().await;

    let answer = daemon.ask(None, DEPTH).await;
    assert_shape(&answer);
    assert_eq!(answer["agentType"], "certification");
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
    assert_eq!(answer["metadata"]["model"], "extractive");
    assert_eq!(answer["metadata"]["tokensUsed"], 0);
    assert_eq!(answer["metadata"]["emergency"], false);
    assert_eq!(answer["metadata"]["grounding"]["ragInvoked"], true);
    assert_eq!(answer["metadata"]["grounding"]["hasVerifiedData"], true);
    let cited = answer["metadata"]["citations"].as_array().unwrap();
    assert!(cited.iter().any(|c| c["source"] == "certifications/padi/open-water-diver.md"), "{answer}");
    assert!(answer["metadata"]["contextChunks"].as_u64().unwrap() > 0);
    assert!(!answer["metadata"]["degraded"].as_array().unwrap().contains(&json!("llm")), "no model was configured");
    assert!(answer["metadata"].get("sessionRestarted").is_none_or(|restarted| restarted == false));

    let emergency = daemon.ask(None, "My buddy can't feel his legs after the dive").await;
    assert_shape(&emergency);
    assert_eq!(emergency["agentType"], "safety");
    assert_eq!(emergency["metadata"]["emergency"], true);

    let elsewhere = daemon.ask(None, "What is the best pizza in Naples?").await;
    assert_shape(&elsewhere);
    assert_eq!(elsewhere["agentType"], "retrieval");
    assert_eq!(elsewhere["metadata"]["outOfScope"], true);
    assert_eq!(elsewhere["metadata"]["citations"], json!([]));

    let uncovered = daemon.ask(None, "How cold is the water at Silfra in Iceland in degrees?").await;
    assert_shape(&uncovered);
    let trip = daemon.ask(None, "What is diving in Komodo like, and when should I go?").await;
    assert_shape(&trip);
    assert_eq!(trip["agentType"], "trip");
    let safety = daemon.ask(None, "How long should I wait before flying after diving?").await;
    assert_shape(&safety);
    assert_eq!(safety["agentType"], "safety");
    assert_eq!(safety["metadata"]["emergency"], false);
    daemon.kill().await;
}

/// With hundreds of names in the content (a wreck called President Coolidge, a reef called Washing Machine) words alone
/// find something for these.
#[tokio::test]
async fn what_only_sounds_like_the_content_is_still_another_subject() {
    let daemon = Setup::new().start().await;
    for question in ["Who is the president?", "How do I fix my washing machine?", "How tall is Mount Everest?"] {
        let answer = daemon.ask(None, question).await;
        assert_eq!(answer["metadata"]["outOfScope"], true, "{answer}");
        assert_eq!(answer["metadata"]["citations"], json!([]), "{answer}");
    }
    daemon.kill().await;
}

/// Nobody is in danger, and the numbers are at hand before somebody is.
#[tokio::test]
async fn whom_to_call_is_told_with_the_numbers_of_the_region() {
    let setup = Setup::slice().with("OPERATOR__EMERGENCY_CONTACTS", "Boat +20 100 000");
    let daemon = setup.start().await;
    let egypt = daemon.ask(None, "What number do I call for a diving accident in Egypt?").await;
    assert_eq!(egypt["agentType"], "safety", "{egypt}");
    let text = egypt["message"].as_str().unwrap();
    for number in ["123 (ambulance)", "DAN Europe +39 06 4211 8685", "Boat +20 100 000"] {
        assert!(text.contains(number), "{number}: {text}");
    }
    let session = egypt["sessionId"].as_str();
    let next = daemon.ask(session, DEPTH).await;
    assert_ne!(next["metadata"]["citations"], json!([]), "no emergency stands: {next}");

    let german = daemon.ask(None, "Welche Nummer rufe ich bei einem Tauchunfall auf Malta an?").await;
    let text = german["message"].as_str().unwrap();
    assert!(text.starts_with("Wenn das ein Notfall ist") && text.contains("112"), "{text}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_session_goes_on_under_its_id_and_only_under_ids_that_were_issued() {
    let setup = Setup::slice();
    let daemon = setup.start().await;

    let first = daemon.ask(None, DEPTH).await;
    let session = first["sessionId"].as_str().unwrap();
    let second = daemon.ask(Some(session), "And with the advanced course?").await;
    assert_eq!(second["sessionId"], session);
    let roles: Vec<String> = daemon.history(session).await.into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);

    let snake = json!({ "message": "How old must one be?", "session_id": session, "diver_profile": { "cert_level": "OW" },
        "session_state": { "last_intent": "age" }, "something_else": [1, 2] });
    let third = daemon.post("/api/chat", &snake).await;
    assert_eq!(third.status(), StatusCode::OK);
    assert_eq!(third.json::<Value>().await.unwrap()["sessionId"], session);

    let unknown = "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b";
    for never_issued in [unknown, "not-a-uuid", "", "../../etc/passwd", &"x".repeat(5000)] {
        let answer = daemon.ask(Some(never_issued), DEPTH).await;
        let given = answer["sessionId"].as_str().unwrap();
        assert!(is_uuid_v4(given) && given != never_issued && given != session, "{given} for {never_issued}");
    }
    let nobody: Value =
        daemon.post("/api/chat", &json!({ "message": DEPTH, "sessionId": null })).await.json().await.unwrap();
    assert_ne!(nobody["sessionId"], session);
    daemon.kill().await;
}

#[tokio::test]
async fn what_is_known_of_the_diver_is_kept_with_the_session() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let profile =
        json!({ "certificationLevel": "OW", "cert_level": "OW", "diveCount": "many", "interests": { "odd": true } });
    let body =
        json!({ "message": DEPTH, "diverProfile": profile, "sessionState": { "contextMode": 5, "last_intent": null } });
    let answer = daemon.post("/api/chat", &body).await;
    assert_eq!(answer.status(), StatusCode::OK, "wrong types inside the profile fail nothing");
    let answer: Value = answer.json().await.unwrap();

    let told =
        daemon.ask(answer["sessionId"].as_str(), "I am PADI Open Water certified. What comes next for me?").await;
    let path = format!("/api/sessions/{}", answer["sessionId"].as_str().unwrap());
    let session: Value = daemon.get(&path).await.unwrap().json().await.unwrap();
    assert!(session["diver_profile"].is_object(), "{session}");
    let known = format!("{} {}", session["diver_profile"], told["metadata"]["stateUpdates"]);
    assert!(known.contains("OW") || known.to_lowercase().contains("open"), "the certificate was told: {known}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_question_is_found_inside_what_people_write_around_it() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let wordy = [
        ("Hi! I am Ana from Madrid. How deep can a PADI Open Water Diver go? Thanks a lot in advance!", "18 m"),
        ("My husband bought a new camera yesterday. What is a safety stop and how long is it?", "3"),
        ("how deep can a padi open water diver go", "18 m"),
        ("HOW DEEP CAN A PADI OPEN WATER DIVER GO???", "18 m"),
        ("how deep can a padi openwater diver go", "18 m"),
    ];
    for (message, fact) in wordy {
        let answer = daemon.ask(None, message).await;
        assert!(answer["message"].as_str().unwrap().contains(fact), "{message}: {}", answer["message"]);
        assert!(!answer["metadata"]["citations"].as_array().unwrap().is_empty(), "{message}");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn how_the_sea_is_today_is_not_made_up_from_what_is_usual() {
    let daemon = Setup::slice().start().await;
    for text in ["what's the visibility at Blue Corner today?", "did anyone see mantas in Komodo yesterday?"] {
        let answer = daemon.ask(None, text).await;
        assert!(answer["message"].as_str().unwrap().contains("no live"), "{answer}");
        assert_eq!(answer["metadata"]["detectedIntent"], "live", "{answer}");
        assert_eq!(answer["metadata"]["citations"], json!([]), "{answer}");
    }
    let answer = daemon.ask(None, "I dive tomorrow. How deep can a PADI Open Water Diver go?").await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
    let alarm = daemon.ask(None, "Is the sea flat today? My buddy can't feel his legs after the dive").await;
    assert_eq!(alarm["metadata"]["emergency"], true, "{alarm}");
}
