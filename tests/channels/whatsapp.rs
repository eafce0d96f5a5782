//! The contract on WhatsApp.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::BotId;
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::testkit::channel_contract::{Fault, Platform};
use dovvybuddy_fakes::graph::{self, FakeGraph, PHONE_NUMBER_ID};
use dovvybuddy_whatsapp::{WhatsApp, WhatsAppConfig, graph as webhook};

use crate::door::Door;
use crate::lab;

struct Number {
    graph: FakeGraph,
    door: Door,
}

/// Nobody here shows a number.
fn person(chat: &str) -> String {
    format!("US.{chat}")
}

#[async_trait]
impl Platform for Number {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let config = WhatsAppConfig {
            bot: BotId::default(),
            phone_number_id: PHONE_NUMBER_ID.to_owned(),
            access_token: "token".into(),
            app_secret: "secret".into(),
            verify_token: "verify".into(),
            graph_url: self.graph.url(),
            template: None,
            settle: Duration::ZERO,
        };
        let adapter = Arc::new(WhatsApp::new(config).unwrap());
        self.door.lead_to(webhook::router(webhook::Accounts::default().whatsapp(Arc::clone(&adapter))));
        adapter
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        self.graph.say(&person(chat), text)
    }

    async fn bring_again(&self, event: &str) {
        self.graph.bring_again(event);
    }

    async fn acknowledged(&self, event: &str) -> bool {
        self.graph.acknowledged(event)
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        self.graph.shown(&person(chat)).into_iter().map(|shown| shown.text).collect()
    }

    async fn fail_next(&self, faults: &[Fault]) {
        self.graph.fail(faults.iter().map(|fault| match *fault {
            Fault::Throttled(wait) => graph::Fault::TooMany(u32::try_from(wait.as_secs()).unwrap()),
            Fault::Unavailable => graph::Fault::Unavailable,
            Fault::AnswerLost => graph::Fault::DoneUnanswered,
            Fault::Refused => graph::Fault::Error(400, 100),
            Fault::Slow(pause) => graph::Fault::Slow(pause),
        }));
    }

    async fn lose(&self, chat: &str) {
        self.graph.lose(&person(chat));
    }
}

async fn platform() -> impl Platform {
    let graph = graph::start("127.0.0.1:0".parse().unwrap(), "token", "secret").await.unwrap();
    let door = Door::open().await;
    graph.connect(&format!("http://{}{}", door.addr, webhook::PATH));
    Number { graph, door }
}

dovvybuddy_core::channel_contract!(lab, platform);
