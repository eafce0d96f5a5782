//! The commands beside a daemon: content, backups, keys, a diver's data, measurements.

use serde_json::{Value, json};

use crate::support::{Setup, root};
use crate::wire::{PATIENCE, eventually};

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

fn count(report: &Value, key: &str) -> usize {
    match &report[key] {
        Value::Array(list) => list.len(),
        Value::Number(number) => usize::try_from(number.as_u64().unwrap()).unwrap(),
        other => panic!("{key} is {other} in {report}"),
    }
}

#[tokio::test]
async fn content_is_checked_line_by_line() {
    let setup = Setup::new();
    let corpus = root().join("content");
    let (code, out, err) = setup.run(&["content", "check", corpus.to_str().unwrap()]).await;
    assert_eq!(code, 0, "the corpus is sound: {out}{err}");
    setup.ok(&["content", "check"]).await;

    let setup = Setup::slice();
    setup.document("safety/broken.md", "---\ntitle: \"never closed\ndoc_type: [safety\n---\n# Broken\n");
    setup.document("safety/link.md", "---\ndoc_type: safety\ntitle: Link\nlast_updated: 2026-01-01\ndata_quality: compiled\n---\n# Link\n\n## A\nSee [there](nowhere/at-all.md).\n");
    setup.document("safety/type.md", "---\ndoc_type: safety\ntitle: Type\nlast_updated: yesterday\ndata_quality: perfect\n---\n# Type\n\n## A\nText.\n");
    let out = setup.fails(&["content", "check"]).await;
    let line = regex::Regex::new(r"(?m)^\S+\.md:\d+: \S.*$").unwrap();
    for file in ["safety/broken.md", "safety/link.md", "safety/type.md"] {
        assert!(out.lines().any(|l| l.contains(file) && line.is_match(l)), "{file} in {out}");
    }
    assert!(out.lines().any(|l| l.contains("safety/link.md:10: ")), "the line of the link: {out}");
    let (code, out, _) = setup.run(&["content", "check", "--json"]).await;
    assert_eq!(code, 1);
    serde_json::from_str::<Value>(&out).unwrap();
    setup.fails(&["content", "check", "no/such/directory"]).await;
}

#[tokio::test]
async fn ingestion_takes_what_changed_and_a_daemon_notices() {
    let setup = Setup::slice();
    let first = setup.json(&["content", "ingest", "--json"]).await;
    assert_eq!(count(&first, "added"), 7, "{first}");
    setup.document("safety/bare.md", "# Bare\n\n## Words\nNo front matter here.\n");
    setup.document("safety/odd.md", "---\ndoc_type: nonsense\ntitle: Odd\n---\n# Odd\n\n## A\nText.\n");
    let (code, out, err) = setup.run(&["content", "ingest"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("safety/bare.md: no front matter") && err.contains("unknown doc_type `nonsense`"), "{err}");
    for file in ["safety/bare.md", "safety/odd.md"] {
        std::fs::remove_file(setup.content().join(file)).unwrap();
    }
    setup.ok(&["content", "ingest"]).await;
    let second = setup.json(&["content", "ingest", "--json"]).await;
    assert_eq!((count(&second, "added"), count(&second, "changed"), count(&second, "removed")), (0, 0, 0), "{second}");
    let status = setup.json(&["content", "status", "--json"]).await;
    assert_eq!(count(&status, "documents"), 7, "{status}");
    assert!(count(&status, "passages") >= 7, "{status}");

    let daemon = setup.start().await;
    let question = "What is the Wobbegrump reef hook made of?";
    let before = daemon.ask(None, question).await;
    assert_eq!(before["metadata"]["citations"], json!([]), "{before}");
    setup.document(
        "equipment/wobbegrump.md",
        "---\ndoc_type: equipment\ntitle: Wobbegrump reef hook\ndescription: What the Wobbegrump reef hook is made of.\nlast_updated: 2026-01-01\ndata_quality: compiled\n---\n# Wobbegrump reef hook\n\n## What it is made of\nThe Wobbegrump reef hook is made of blunt titanium and weighs 120 g.\n",
    );
    let edited = std::fs::read_to_string(setup.content().join("safety/safety-stop.md")).unwrap()
        + "\n## A new heading\nA new sentence about stops.\n";
    setup.document("safety/safety-stop.md", &edited);
    std::fs::remove_file(setup.content().join("destinations/komodo/batu-bolong.md")).unwrap();
    let third = setup.json(&["content", "ingest", "--json"]).await;
    assert_eq!((count(&third, "added"), count(&third, "changed"), count(&third, "removed")), (1, 1, 1), "{third}");
    let after = eventually("the daemon knows the new document", PATIENCE, async || {
        let answer = daemon.ask(None, question).await;
        answer["message"].as_str().unwrap().contains("titanium").then_some(answer)
    })
    .await;
    assert_ne!(after["metadata"]["versions"]["content"], before["metadata"]["versions"]["content"]);
    daemon.kill().await;

    let full = setup.json(&["content", "ingest", "--full", "--json"]).await;
    assert_eq!(count(&full, "unchanged"), 0, "{full}");
    setup.fails(&["content", "ingest", "no/such/directory"]).await;
}

#[tokio::test]
async fn a_backup_is_taken_while_serving_and_put_back() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let kept = daemon.ask(None, DEPTH).await;
    let kept = kept["sessionId"].as_str().unwrap();
    let copy = setup.home.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    let backup = ["backup", copy];
    let (made, ()) = tokio::join!(setup.ok(&backup), async {
        for _ in 0..10 {
            daemon.ask(None, "What is a safety stop?").await;
        }
    });
    assert!(made.contains(copy) || std::path::Path::new(copy).exists(), "{made}");
    setup.fails(&["backup", copy]).await;
    let later = daemon.ask(None, "What is nitrox?").await;
    let later = later["sessionId"].as_str().unwrap();
    daemon.ask(Some(kept), "And how old must one be?").await;

    let refused = setup.fails(&["restore", copy]).await;
    assert!(
        refused.contains("run") || refused.contains("lock") || refused.contains("use"),
        "not under a running daemon: {refused}"
    );
    assert_eq!(daemon.history(kept).await.len(), 4);
    daemon.terminate();
    daemon.ended().await;

    let garbage = setup.home.path().join("garbage.db");
    std::fs::write(&garbage, "no database").unwrap();
    for bad in [garbage.to_str().unwrap(), "missing.db", "content"] {
        setup.fails(&["restore", bad]).await;
    }
    setup.ok(&["restore", copy]).await;
    let daemon = setup.start().await;
    assert_eq!(daemon.history(kept).await.len(), 2, "as it was when the copy was made");
    assert_eq!(daemon.get(&format!("/api/sessions/{later}")).await.unwrap().status(), 404);
    daemon.ask(Some(kept), "And how old must one be?").await;
    daemon.kill().await;
}

#[tokio::test]
async fn keys_are_shown_once_listed_and_revoked() {
    let setup = Setup::slice();
    let made = setup.json(&["keys", "create", "front desk", "--json"]).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.len() >= 32);
    let text = setup.ok(&["keys", "create", "another", "--scope", "edit"]).await;
    assert!(text.trim().len() >= 32, "{text}");
    let list = setup.ok(&["keys", "list"]).await;
    assert!(list.contains("front desk") && list.contains(id) && list.contains("another"), "{list}");
    let list = setup.json(&["keys", "list", "--json"]).await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(key), "shown once");
    for file in ["", "-wal"] {
        let bytes = std::fs::read(format!("{}{file}", setup.database().display())).unwrap_or_default();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "stored hashed");
    }
    let daemon = setup.start().await;
    setup.ok(&["keys", "revoke", id]).await;
    let list = setup.json(&["keys", "list", "--json"]).await;
    let revoked = list.as_array().unwrap().iter().find(|k| k["id"] == id).cloned();
    assert!(revoked.is_none_or(|k| k.to_string().contains("revoked")), "{list}");
    setup.fails(&["keys", "revoke", "nonsense"]).await;
    daemon.kill().await;
}

#[tokio::test]
async fn what_is_held_about_a_diver_is_exported_and_erased() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let said = "I am Open Water certified. How deep may Fizzlewump dive?";
    let answer = daemon.ask(None, said).await;
    let session = answer["sessionId"].as_str().unwrap();
    let lead = json!({ "type": "trip", "session_id": session, "data": { "name": "Ana", "email": "ana@example.com" } });
    assert_eq!(daemon.post("/api/leads", &lead).await.status(), 201);
    let held = setup.json(&["export", "--session", session]).await;
    let text = held.to_string();
    assert!(text.contains("Fizzlewump") && text.contains(session) && text.contains("ana@example.com"), "{held}");
    let by_diver = setup.json(&["export", "--channel", "web", "--user", session]).await;
    assert!(by_diver.to_string().contains("Fizzlewump"), "{by_diver}");

    setup.ok(&["erase", "--session", session]).await;
    setup.fails(&["export", "--session", session]).await;
    let leads = setup.ok(&["leads", "export"]).await;
    assert!(leads.contains("ana@example.com"), "leads go only if asked: {leads}");
    assert!(!leads.contains(session), "a lead that stays no longer names the conversation: {leads}");
    setup.fails(&["erase", "--session", session, "--leads"]).await;
    setup.fails(&["erase", "--session", session]).await;
    setup.fails(&["erase", "--channel", "web", "--user", "nobody"]).await;
    assert_eq!(daemon.get(&format!("/api/sessions/{session}")).await.unwrap().status(), 404);

    let other = daemon.ask(None, said).await;
    let other = other["sessionId"].as_str().unwrap();
    let lead = json!({ "type": "trip", "session_id": other, "data": { "name": "Bo", "email": "bo@example.com" } });
    assert_eq!(daemon.post("/api/leads", &lead).await.status(), 201);
    setup.ok(&["erase", "--session", other, "--leads"]).await;
    assert!(!setup.ok(&["leads", "export"]).await.contains("bo@example.com"));
    // A daemon that had heard the conversation has forgotten it.
    eventually("another session", PATIENCE, async || {
        let afterwards = daemon.ask(Some(session), "What is a safety stop?").await;
        (afterwards["sessionId"] != session).then_some(())
    })
    .await;
    daemon.kill().await;
}

#[tokio::test]
async fn measurements_print_the_agreed_documents() {
    let setup = Setup::slice();
    let file = |name: &str, text: &str| {
        let path = setup.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let routing = file(
        "routing.jsonl",
        "{\"id\":\"1\",\"text\":\"she cant move her right leg after the dive\",\"label\":\"emergency\",\"also\":[\"trip\"],\"lang\":\"en\"}\n\
         {\"id\":\"2\",\"text\":\"how common is dcs\",\"label\":\"safety\",\"lang\":\"en\",\"hard_negative\":true}\n\
         {\"id\":\"3\",\"text\":\"same for kids?\",\"history\":[{\"role\":\"user\",\"content\":\"depth limit after open water\"},{\"role\":\"assistant\",\"content\":\"18 m for adults.\"}],\"label\":\"certification\"}\n",
    );
    let rows = setup.home.path().join("rows.jsonl");
    let result = setup.json(&["eval", "routing", &routing, "--json", "--rows", rows.to_str().unwrap()]).await;
    assert_eq!(result["n"], 3);
    assert_eq!(result["emergency"]["recall"], 1.0);
    assert_eq!(result["emergency"]["false_positives_on_hard_negatives"], 0);
    for key in ["accuracy", "macro_f1", "by_label", "by_lang", "confusion"] {
        assert!(result.get(key).is_some(), "{key} in {result}");
    }
    assert!(
        result["latency_ms"]["p50"].is_number()
            && result["latency_ms"]["p95"].is_number()
            && result["emergency"]["precision"].is_number()
    );
    let lines = std::fs::read_to_string(rows).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["predicted"].is_string()), "{lines}");
    for (row, line) in rows.iter().zip(std::fs::read_to_string(&routing).unwrap().lines()) {
        let given: Value = serde_json::from_str(line).unwrap();
        assert!(given.as_object().unwrap().iter().all(|(key, value)| row[key] == *value), "{row} keeps {given}");
    }

    let docs = file(
        "docs.jsonl",
        "{\"id\":\"a\",\"title\":\"Turtles\",\"text\":\"Sea turtles breathe air.\"}\n{\"id\":\"b\",\"title\":\"Sharks\",\"text\":\"Sharks have gills and cartilage.\"}\n",
    );
    let queries = file("queries.jsonl", "{\"id\":\"q\",\"text\":\"what do turtles breathe\"}\n");
    let qrels = file("qrels.tsv", "query-id\tdoc-id\tgrade\nq\ta\t2\n");
    let result =
        setup.json(&["eval", "retrieval", "--docs", &docs, "--queries", &queries, "--qrels", &qrels, "--json"]).await;
    for key in ["mode", "ndcg@10", "recall@5", "recall@10", "recall@100", "mrr@10", "latency_ms", "index_seconds"] {
        assert!(result.get(key).is_some(), "{key} in {result}");
    }
    assert_eq!(result["ndcg@10"], 1.0);

    let answers = file(
        "answers.jsonl",
        "{\"id\":\"1\",\"question\":\"How deep can a PADI Open Water Diver go?\",\"must\":[[\"18 ?m\",\"60 ?ft\"]],\"must_not\":[\"unlimited\"]}\n\
         {\"id\":\"2\",\"question\":\"What is a safety stop?\",\"must\":[[\"never in any text\"]],\"must_not\":[]}\n",
    );
    let result = setup.json(&["eval", "answers", &answers, "--json"]).await;
    assert_eq!((&result["n"], &result["passed"]), (&json!(2), &json!(1)), "{result}");
    assert_eq!(result["pass_rate"], 0.5);
    assert_eq!(result["cited_rate"], 1.0);
    assert!(result.get("by_category").is_some());
    setup.fails(&["eval", "routing", "missing.jsonl"]).await;
    let broken = file("broken.jsonl", "not json\n");
    let said = setup.fails(&["eval", "routing", &broken]).await;
    assert!(said.contains('1'), "the line is named: {said}");
}

/// Whoever only looks must not change the schema under a daemon, nor beside an older program.
#[tokio::test]
async fn commands_that_read_leave_an_older_schema_alone() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let setup = Setup::slice();
    for command in [["leads", "list"], ["keys", "list"], ["content", "status"]] {
        setup.ok(&command).await;
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut connection = options.connect().await.unwrap();
    connection.execute("DELETE FROM _sqlx_migrations WHERE version > 1").await.unwrap();
    connection.close().await.unwrap();
    let commands: [&[&str]; 6] = [
        &["doctor"],
        &["leads", "list"],
        &["leads", "export"],
        &["keys", "list"],
        &["content", "status"],
        &["export", "--session", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
    ];
    for command in commands {
        let said = setup.fails(command).await;
        assert!(said.contains("dovvybuddy migrate"), "{command:?}: {said}");
    }
}

/// A command beside `serve --demo` leaves the demo's documents to it and knows nothing of them itself.
#[tokio::test]
async fn the_demo_belongs_to_the_daemon_that_serves_it() {
    const PRICE: &str = "What does the Zanzabuku course of the demo shop cost?";
    let mut setup = Setup::slice();
    let demo = setup.home.path().join("demo");
    std::fs::create_dir_all(&demo).unwrap();
    let faq = "---\ndoc_type: faq\ntitle: Prices of the Zanzabuku course\n---\n# Prices of the Zanzabuku course\n\n## What the Zanzabuku course costs\nThe Zanzabuku course costs 77 shells in the demo shop.\n";
    std::fs::write(demo.join("prices.md"), faq).unwrap();
    setup.set("DEMO_CONTENT_DIR", demo.to_str().unwrap());
    setup.argument("--demo");
    let daemon = setup.start().await;
    let says = |answer: Value| answer["message"].as_str().unwrap().contains("77 shells");
    assert!(says(daemon.ask(None, PRICE).await));
    let report = setup.json(&["content", "ingest", "--json"]).await;
    assert_eq!(count(&report, "removed"), 0, "{report}");
    assert!(!says(setup.json(&["ask", PRICE, "--json"]).await), "nobody else gets invented prices");
    assert!(says(daemon.ask(None, PRICE).await));
    daemon.kill().await;
}
