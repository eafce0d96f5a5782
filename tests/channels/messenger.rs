//! The contract on Instagram and Messenger.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::BotId;
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::testkit::channel_contract::{Fault, Platform};
use dovvybuddy_fakes::graph::{self, FakeGraph};
use dovvybuddy_whatsapp::{Messenger, MessengerConfig, Product, graph as webhook};

use crate::door::Door;

struct Account {
    on: (Product, graph::Product),
    graph: FakeGraph,
    door: Door,
}

#[async_trait]
impl Platform for Account {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let (product, on) = self.on;
        let config = MessengerConfig {
            product,
            bot: BotId::default(),
            account_id: on.account().to_owned(),
            access_token: on.token("token").into(),
            app_secret: "secret".into(),
            verify_token: "verify".into(),
            graph_url: self.graph.url(),
            settle: Duration::ZERO,
        };
        let adapter = Arc::new(Messenger::new(config).unwrap());
        self.door.lead_to(webhook::router(webhook::Accounts::default().messenger(Arc::clone(&adapter))));
        adapter
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        self.graph.write(self.on.1, chat, text)
    }

    async fn bring_again(&self, event: &str) {
        self.graph.bring_again(event);
    }

    async fn acknowledged(&self, event: &str) -> bool {
        self.graph.acknowledged(event)
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        self.graph.shown(chat).into_iter().map(|shown| shown.text).collect()
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
        self.graph.lose(chat);
    }
}

async fn account(on: (Product, graph::Product)) -> impl Platform {
    let graph = graph::start("127.0.0.1:0".parse().unwrap(), "token", "secret").await.unwrap();
    let door = Door::open().await;
    graph.connect(&format!("http://{}{}", door.addr, webhook::PATH));
    Account { on, graph, door }
}

mod instagram {
    use super::{Platform, Product, account, graph};
    use crate::lab;

    async fn platform() -> impl Platform {
        account((Product::Instagram, graph::Product::Instagram)).await
    }

    dovvybuddy_core::channel_contract!(lab, platform);
}

mod page {
    use super::{Platform, Product, account, graph};
    use crate::lab;

    async fn platform() -> impl Platform {
        account((Product::Messenger, graph::Product::Messenger)).await
    }

    dovvybuddy_core::channel_contract!(lab, platform);
}
