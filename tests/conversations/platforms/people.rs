//! A person of the shop takes a conversation over, on every platform of one daemon.

use std::time::Duration;

use dovvybuddy_fakes::graph::{self, FakeGraph, PHONE_NUMBER_ID};
use dovvybuddy_fakes::telegram::{Person, Place};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Both;
use crate::discord_support::{said, until};
use crate::models::anywhere;
use crate::support::Daemon;
use crate::telegram::{self, ALARM, DEPTH};
use crate::wire::{PATIENCE, eventually};

const SECRET: &str = "people-app-secret";
const NUMBER: &str = "14158675309";
const ROSA: &str = "Hi, this is Rosa from the shop. Bring your logbook.";

/// A diver's chat on one of the platforms.
enum Chat {
    Telegram(Person, Place),
    Discord { user: u64, chat: u64 },
    WhatsApp,
}

struct Shop {
    both: Both,
    graph: FakeGraph,
    daemon: Daemon,
    key: String,
}

impl Shop {
    async fn open() -> Self {
        let mut both = Both::new().await;
        let graph = graph::start(anywhere(), "people-token", SECRET).await.unwrap();
        both.setup.set("WHATSAPP__PHONE_NUMBER_ID", PHONE_NUMBER_ID).set("WHATSAPP__GRAPH_URL", &graph.url());
        both.setup.variable("WHATSAPP_ACCESS_TOKEN", "people-token").variable("WHATSAPP_APP_SECRET", SECRET);
        both.setup.variable("WHATSAPP_VERIFY_TOKEN", "people-verify");
        let made = both.setup.json(&["keys", "create", "Rosa", "--scope", "reply", "--json"]).await;
        let daemon = both.start().await;
        graph.connect(&format!("{}/webhooks/whatsapp", daemon.base));
        Self { both, graph, daemon, key: made["key"].as_str().unwrap().to_owned() }
    }

    fn say(&self, at: &Chat, text: &str) {
        match at {
            Chat::Telegram(person, place) => drop(self.both.telegram.say(*place, person, text)),
            Chat::Discord { user, chat } => drop(self.both.discord.say(*user, *chat, text)),
            Chat::WhatsApp => drop(self.graph.say(NUMBER, text)),
        }
    }

    fn shown(&self, at: &Chat) -> Vec<String> {
        match at {
            Chat::Telegram(_, place) => self.both.telegram.shown(*place).into_iter().map(|shown| shown.text).collect(),
            Chat::Discord { chat, .. } => self.both.discord.said(*chat).into_iter().map(|said| said.content).collect(),
            Chat::WhatsApp => self.graph.shown(NUMBER).into_iter().map(|shown| shown.text).collect(),
        }
    }

    /// The newest message once there are so many and it is no placeholder.
    async fn heard(&self, at: &Chat, count: usize) -> String {
        let finished = |shown: &[String]| shown.len() >= count && shown.last().is_some_and(|text| !text.ends_with('…'));
        until(&format!("{count} messages, there are {:#?}", self.shown(at)), || finished(&self.shown(at))).await;
        self.shown(at).pop().unwrap()
    }

    async fn admin(&self, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/api/admin/{path}", self.daemon.base);
        let request = match body {
            Some(body) => self.daemon.client.post(url).json(&body),
            None => self.daemon.client.get(url),
        };
        let response = request.bearer_auth(&self.key).send().await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }

    /// The session that a channel's one conversation has.
    async fn session(&self, channel: &str) -> String {
        let (status, found) = self.admin("conversations", None).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let all = found["conversations"].as_array().unwrap().iter();
        let ours: Vec<&Value> = all.filter(|one| one["channel"] == channel).collect();
        assert_eq!(ours.len(), 1, "{found}");
        ours[0]["id"].as_str().unwrap().to_owned()
    }
}

async fn taken_over_and_given_back(shop: &Shop, channel: &str, at: &Chat) {
    shop.say(at, "/privacy");
    shop.heard(at, 1).await;
    let session = shop.session(channel).await;
    let (status, body) = shop.admin(&format!("conversations/{session}/reply"), Some(json!({ "text": ROSA }))).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    eventually("her words arrive", PATIENCE, async || {
        shop.shown(at).iter().any(|text| text.contains(ROSA)).then_some(())
    })
    .await;
    shop.daemon.at_rest().await;
    let known = shop.shown(at).len();

    // The bot leaves the question to her, until she gives the conversation back.
    shop.say(at, DEPTH);
    eventually("the question waits for her", PATIENCE, async || {
        // A key may ask ten times a second.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let (_, found) = shop.admin(&format!("conversations/{session}"), None).await;
        let turns = found["turns"].to_string();
        (turns.contains(DEPTH) && found["pausedBy"] == "Rosa").then_some(())
    })
    .await;
    shop.daemon.at_rest().await;
    assert_eq!(shop.shown(at).len(), known, "{channel}: the bot is silent: {:#?}", shop.shown(at));
    let (status, body) = shop.admin(&format!("conversations/{session}/resume"), Some(json!({}))).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    let answer = shop.heard(at, known + 1).await;
    assert!(answer.contains("18"), "{channel}: {answer}");
    shop.daemon.at_rest().await;

    // An emergency does not wait for her.
    let pause = json!({ "minutes": 10 });
    let (status, body) = shop.admin(&format!("conversations/{session}/pause"), Some(pause)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    eventually("the diver is told", PATIENCE, async || (shop.shown(at).len() > known + 1).then_some(())).await;
    shop.daemon.at_rest().await;
    let known = shop.shown(at).len();
    shop.say(at, ALARM);
    let alarm = shop.heard(at, known + 1).await;
    assert!(alarm.contains("oxygen"), "{channel}: {alarm}");
    let (_, found) = shop.admin(&format!("conversations/{session}"), None).await;
    assert!(found["pausedBy"] == "Rosa" && found["emergency"].is_string(), "{found}");
}

#[tokio::test]
async fn what_staff_write_arrives_on_every_platform_and_the_bot_is_silent_but_for_an_emergency() {
    let shop = Shop::open().await;
    let ada = telegram::ada();
    let telegram = Chat::Telegram(ada.clone(), shop.both.telegram.private(&ada));
    taken_over_and_given_back(&shop, "telegram", &telegram).await;
    let user = shop.both.discord.user("ben", "en-US");
    let chat = shop.both.discord.direct(user);
    taken_over_and_given_back(&shop, "discord", &Chat::Discord { user, chat }).await;
    assert!(said(&shop.both.discord, chat, 1).await[0].only_for.is_none());
    taken_over_and_given_back(&shop, "whatsapp", &Chat::WhatsApp).await;
    shop.daemon.kill().await;
}
