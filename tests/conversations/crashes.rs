//! Power cuts: an accepted message is covered by exactly one reply, wherever the process dies.
//!
//! The oracle stands outside the process: it remembers what it sent under which idempotency key, what the
//! daemon said it has, and what it answered. After the restart it looks, before anybody sends anything again.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Daemon, Setup};
use crate::wire::{Live, PATIENCE};

#[cfg(feature = "failpoints")]
pub(crate) const POINTS: [&str; 4] = ["accepted", "claimed", "answered", "finished"];

async fn send(daemon: &Daemon, session: &str, key: &str, message: &str) -> Option<(StatusCode, Value)> {
    let response = daemon
        .client
        .post(format!("{}/api/chat", daemon.base))
        .header("Idempotency-Key", key)
        .json(&json!({ "message": message, "sessionId": session }))
        .send()
        .await
        .ok()?;
    let status = response.status();
    Some((status, response.json().await.ok()?))
}

async fn new_session(daemon: &Daemon) -> String {
    let session: Value = daemon.post("/api/sessions", &json!({})).await.json().await.unwrap();
    session["id"].as_str().unwrap().to_owned()
}

/// Repeats a request until it gets an answer; the key makes it the same message.
async fn insist(daemon: &Daemon, session: &str, key: &str, message: &str) -> Value {
    for _ in 0..40 {
        if let Some((StatusCode::OK, answer)) = send(daemon, session, key, message).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no answer to {message}");
}

/// Every message once, each followed by exactly one reply.
fn assert_covered_once(history: &[(String, String)], messages: &[String]) {
    for message in messages {
        let said = history.iter().filter(|(role, text)| role == "user" && text == message).count();
        assert_eq!(said, 1, "{message} stands {said} times in {history:#?}");
    }
    let turns = history.chunks(2);
    for turn in turns {
        let roles: Vec<&str> = turn.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant"], "in {history:#?}");
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_nothing_is_lost_or_doubled() {
    for point in POINTS {
        killed_at(point, Setup::new()).await;
    }
}

/// The second message kills the daemon at the point; the next one answers it.
#[cfg(feature = "failpoints")]
pub(crate) async fn killed_at(point: &str, mut setup: Setup) {
    let daemon = setup.start().await;
    let session = new_session(&daemon).await;
    daemon.terminate();
    assert!(daemon.ended().await.success());

    setup.set("FAILPOINT", &format!("{point}:2"));
    let daemon = setup.start().await;
    let first = "How deep can a PADI Open Water Diver go?".to_owned();
    let second = "How long should I wait before flying after diving?".to_owned();
    insist(&daemon, &session, "one", &first).await;
    assert!(send(&daemon, &session, "two", &second).await.is_none(), "{point}: the connection breaks");
    daemon.ended().await;
    assert!(setup.log_text().contains(&format!("failpoint {point} fired")));

    setup.set("FAILPOINT", "none");
    let daemon = setup.start().await;
    let answer = insist(&daemon, &session, "two", &second).await;
    let again = insist(&daemon, &session, "two", &second).await;
    assert_eq!(answer["metadata"]["turnId"], again["metadata"]["turnId"]);
    assert_covered_once(&daemon.history(&session).await, &[first, second]);
    daemon.kill().await;
}

/// Conversations that talk at once; each sends its next message as soon as the last one is answered.
const TALKS: usize = 8;
/// And after this pause: a session shows its newest 500 messages, and the oracle looks at all of them.
const PACE: Duration = Duration::from_millis(5);

/// What the oracle knows of one message.
struct Sent {
    key: String,
    text: String,
    /// Its stream began: the daemon said that it has the message.
    accepted: bool,
    /// Its stream ended: the reply.
    reply: Option<String>,
}

/// One conversation, as seen by its client.
struct Talk {
    session: String,
    sent: Vec<Sent>,
}

impl Talk {
    /// Sends message after message until the connection breaks.
    async fn go_on(&mut self, client: reqwest::Client, base: String, name: String, accepted: &Notify) {
        for n in 0.. {
            let key = format!("{name}-{n}");
            // One conversation is in an emergency, whose replies go another way.
            let question = if name.ends_with("-0") { "my buddy can't feel his legs" } else { "how deep may I dive" };
            let text = format!("Message {key}: {question} with Open Water?");
            self.sent.push(Sent { key: key.clone(), text: text.clone(), accepted: false, reply: None });
            let Some(sent) = self.sent.last_mut() else { return };
            let body = json!({ "message": text, "sessionId": self.session });
            let request = client.post(format!("{base}/api/chat/stream")).header("Idempotency-Key", key).json(&body);
            let response = match request.send().await {
                Ok(response) if response.status() == StatusCode::OK => response,
                Err(error) if error.is_connect() => {
                    // There was no daemon any more to hear it.
                    self.sent.pop();
                    return;
                }
                _ => return,
            };
            let mut events = Live::new(response);
            while let Some(event) = events.next().await {
                match event.kind() {
                    "route" => {
                        sent.accepted = true;
                        accepted.notify_waiters();
                    }
                    // An emergency is answered also when it can't be stored, and says so.
                    "final" if event.data["metadata"]["metadata"]["degraded"].to_string().contains("store") => {
                        sent.accepted = false;
                    }
                    "final" => sent.reply = event.data["content"].as_str().map(str::to_owned),
                    _ => {}
                }
            }
            if sent.reply.is_none() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Nobody sends anything again: what was accepted is answered, what was told stands, each once and in order.
    async fn check(&self, daemon: &Daemon) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let history = daemon.history(&self.session).await;
            let answered = |sent: &Sent| {
                let place = history.iter().position(|(_, text)| *text == sent.text);
                place.is_some_and(|place| history.get(place + 1).is_some_and(|(role, _)| role == "assistant"))
            };
            let owed: Vec<_> = self.sent.iter().filter(|sent| sent.accepted && !answered(sent)).collect();
            if owed.is_empty() {
                return self.compare(&history);
            }
            let lost: Vec<_> = owed.iter().map(|sent| &sent.text).collect();
            assert!(tokio::time::Instant::now() < deadline, "accepted and never answered: {lost:?} in {history:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn compare(&self, history: &[(String, String)]) {
        let there = |sent: &&Sent| history.iter().any(|(_, text)| *text == sent.text);
        let expected: Vec<&Sent> = self.sent.iter().filter(there).collect();
        let texts: Vec<String> = expected.iter().map(|sent| sent.text.clone()).collect();
        assert_covered_once(history, &texts);
        assert_eq!(history.len(), expected.len() * 2, "nothing else was said: {history:#?}");
        for (sent, turn) in expected.iter().zip(history.chunks(2)) {
            assert_eq!(turn.first().map(|(_, text)| text), Some(&sent.text), "the order stays");
            if let Some(reply) = &sent.reply {
                assert_eq!(turn.last().map(|(_, text)| text), Some(reply), "what was told stands");
            }
        }
    }

    /// The client comes back with what it has no answer to; the key makes it the same message.
    async fn ask_again(&mut self, daemon: &Daemon) {
        let Self { session, sent } = self;
        for sent in sent.iter_mut().filter(|sent| sent.reply.is_none()) {
            let answer = insist(daemon, session, &sent.key, &sent.text).await;
            sent.accepted = true;
            sent.reply = answer["message"].as_str().map(str::to_owned);
        }
    }
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// `SOAK_KILLS` and `SOAK_SEED` make it longer and another.
#[tokio::test]
async fn killed_at_random_moments_under_load_nothing_is_lost_or_doubled() {
    let kills = number_from("SOAK_KILLS", 5);
    let mut dice = Dice(number_from("SOAK_SEED", 42));
    let setup = Setup::new();
    let mut daemon = setup.start().await;
    let mut talks: Vec<Talk> = Vec::new();
    let (mut done, mut again, mut unanswered, mut unheard) = (0, 0, 0, 0);
    while done < kills {
        let mut talking = Vec::new();
        for _ in 0..TALKS {
            talking.push(Talk { session: new_session(&daemon).await, sent: Vec::new() });
        }
        let moment = Duration::from_millis(20 + dice.below(400));
        let (client, base) = (daemon.client.clone(), daemon.base.clone());
        let load = talking.iter_mut().enumerate();
        let accepted = Notify::new();
        let load = load.map(|(n, talk)| talk.go_on(client.clone(), base.clone(), format!("{done}-{n}"), &accepted));
        // How long a message waits for its acceptance depends on the machine; what comes after it is to be hit as well.
        let owes = unanswered == 0 && done > 0;
        let kill = async {
            tokio::time::sleep(moment).await;
            if owes {
                // The load itself may have ended: then the kill comes late, and says so below.
                let _ = tokio::time::timeout(PATIENCE, accepted.notified()).await;
            }
            daemon.kill().await;
        };
        tokio::join!(futures::future::join_all(load), kill);
        done += 1;
        let cut_off: Vec<&Sent> = talking.iter().filter_map(|talk| talk.sent.last()).collect();
        let cut_off: Vec<&Sent> = cut_off.into_iter().filter(|sent| sent.reply.is_none()).collect();
        assert!(!cut_off.is_empty(), "kill {done} hit a daemon at work");
        unanswered += cut_off.iter().filter(|sent| sent.accepted).count();
        unheard += cut_off.iter().filter(|sent| !sent.accepted).count();

        daemon = setup.start().await;
        // Sometimes again, while it still recovers.
        if done < kills && dice.below(4) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.below(100))).await;
            daemon.kill().await;
            (done, again) = (done + 1, again + 1);
            daemon = setup.start().await;
        }
        for talk in &mut talking {
            talk.check(&daemon).await;
            talk.ask_again(&daemon).await;
            talk.check(&daemon).await;
        }
        talks.append(&mut talking);
    }
    for talk in &talks {
        talk.check(&daemon).await;
    }
    daemon.kill().await;
    let messages: usize = talks.iter().map(|talk| talk.sent.len()).sum();
    println!(
        "{done} kills ({again} of them during a recovery), {messages} messages; when the daemon died, {unanswered} \
         were accepted and unanswered, {unheard} on their way"
    );
    assert!(unanswered > 0 || kills < 5, "no kill fell between the acceptance and the reply");
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_message_that_kills_three_times_is_set_aside_and_the_lane_goes_on() {
    let mut setup = Setup::new();
    let daemon = setup.start().await;
    let session = new_session(&daemon).await;
    daemon.terminate();
    daemon.ended().await;

    setup.set("FAILPOINT", "claimed:1");
    let message = "What is a safety stop?";
    let daemon = setup.start().await;
    assert!(send(&daemon, &session, "poison", message).await.is_none());
    daemon.ended().await;
    for _ in 0..2 {
        // The recovered message kills the process right after the start.
        let mut child = setup.command().arg("serve").stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    }

    setup.set("FAILPOINT", "none");
    let daemon = setup.start().await;
    let fallback = insist(&daemon, &session, "poison", message).await;
    assert_eq!(fallback["metadata"]["model"], "fixed");
    let next = insist(&daemon, &session, "next", "How deep can a PADI Open Water Diver go?").await;
    assert_ne!(next["metadata"]["model"], "fixed");
    daemon.kill().await;
}
