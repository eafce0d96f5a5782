//! Prompts, content and limits change while the daemon runs; what is broken leaves all as it was.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Daemon, Setup};
use crate::wire::{PATIENCE, eventually};

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

async fn says(daemon: &Daemon, question: &str, words: &str) {
    eventually(&format!("it says {words:?}"), PATIENCE, async || {
        let answer = daemon.ask(None, question).await;
        answer["message"].as_str().unwrap().contains(words).then_some(())
    })
    .await;
}

async fn logs(setup: &Setup, words: &str) {
    eventually(&format!("the log says {words:?}"), PATIENCE, async || setup.log_text().contains(words).then_some(()))
        .await;
}

/// A setup with prompts of its own.
fn own_prompts() -> Setup {
    let mut setup = Setup::slice();
    let prompts = setup.home.path().join("prompts");
    std::fs::create_dir_all(prompts.join("phrases")).unwrap();
    setup.set("PROMPTS_DIR", prompts.to_str().unwrap());
    setup
}

fn greet(setup: &Setup, toml: &str) {
    std::fs::write(setup.home.path().join("prompts/phrases/en.toml"), toml).unwrap();
}

#[tokio::test]
async fn a_changed_file_is_taken_over_and_a_broken_one_is_not() {
    let setup = own_prompts();
    greet(&setup, "greeting = \"Ahoy, diver!\"\n");
    let daemon = setup.start().await;
    says(&daemon, "Hello!", "Ahoy, diver!").await;

    greet(&setup, "greeting = \"Welcome aboard!\"\n");
    says(&daemon, "Hello!", "Welcome aboard!").await;
    greet(&setup, "gretting = \"Broken\"\n");
    logs(&setup, "the phrases can't be used; those before stay").await;
    says(&daemon, "Hello!", "Welcome aboard!").await;

    let text = |bar| {
        format!(
            "---\ntitle: Zanzabuku valves\ndoc_type: safety\n---\n# Zanzabuku valves\n\nA zanzabuku valve opens at {bar} bar.\n"
        )
    };
    let question = "At what pressure does a zanzabuku valve open?";
    setup.document("safety/zanzabuku.md", &text(77));
    says(&daemon, question, "77 bar").await;
    setup.document("safety/zanzabuku.md", "---\ntitle: [Zanzabuku\n---\nA zanzabuku valve opens at 99 bar.\n");
    logs(&setup, "a document was left out").await;
    says(&daemon, question, "77 bar").await;
    setup.document("safety/zanzabuku.md", &text(88));
    says(&daemon, question, "88 bar").await;
    daemon.kill().await;
}

/// Broken emergency replies are told, and those in use stay, the operator's own words among them.
#[tokio::test]
async fn an_emergencys_words_survive_a_slip_in_their_file() {
    let setup = own_prompts();
    let file = setup.content().join("emergency/replies/en.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let own = shipped.replace("100 % oxygen", "100 % oxygen from the yellow case");
    assert_ne!(own, shipped);
    let alarm = "my buddy can't feel his legs after the dive";
    let daemon = setup.start().await;
    std::fs::write(&file, &own).unwrap();
    logs(&setup, "content ingested").await;
    says(&daemon, alarm, "yellow case").await;
    std::fs::write(&file, "this is no TOML").unwrap();
    logs(&setup, "the emergency replies can't be used; those before stay").await;
    says(&daemon, alarm, "yellow case").await;
    daemon.kill().await;
}

/// How many of `n` messages of one diver are taken.
async fn taken(daemon: &Daemon, n: usize) -> usize {
    let body = json!({ "message": DEPTH, "sessionId": daemon.session().await });
    let mut taken = 0;
    for _ in 0..n {
        let response = daemon.post("/api/chat", &body).await;
        taken += usize::from(response.status() == StatusCode::OK);
    }
    taken
}

#[tokio::test]
async fn limits_change_on_a_signal_and_what_can_t_change_is_named() {
    let mut setup = Setup::slice();
    setup.unset("LIMITS__DIVER_PER_MINUTE");
    setup.unset("LIMITS__SESSIONS_PER_MINUTE");
    let limits = |burst| format!("[limits]\ndiver_per_minute = 1\ndiver_burst = {burst}\nsessions_per_minute = 0\n");
    setup.file(&limits(2));
    let daemon = setup.start().await;
    assert_eq!(taken(&daemon, 5).await, 2);

    setup.file(&format!("{}\n[lanes]\nmost_running = 7\n", limits(4)));
    daemon.signal("HUP");
    logs(&setup, "changed limits are in force").await;
    logs(&setup, "changed settings need a restart").await;
    assert!(setup.log_text().contains("lanes.most_running"));
    assert_eq!(taken(&daemon, 6).await, 4);

    setup.file("[limits\ndiver_burst = 9\n");
    daemon.signal("HUP");
    logs(&setup, "the configuration can't be used; all stays as it was").await;
    assert_eq!(taken(&daemon, 6).await, 4);
    let health: Value = daemon.get("/health").await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "healthy");
    daemon.terminate();
    assert!(daemon.ended().await.success());
}
