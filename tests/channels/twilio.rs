//! The contract on Twilio.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::BotId;
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::testkit::channel_contract::{Fault, Platform};
use dovvybuddy_fakes::twilio::{self as fake, ACCOUNT, FakeTwilio};
use dovvybuddy_whatsapp::{Twilio, TwilioConfig, twilio};

use crate::door::Door;
use crate::lab;

struct Account {
    twilio: FakeTwilio,
    door: Door,
}

fn person(chat: &str) -> String {
    format!("whatsapp:+{}", chat.bytes().map(|byte| byte.to_string()).collect::<String>())
}

#[async_trait]
impl Platform for Account {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let config = TwilioConfig {
            bot: BotId::default(),
            account_sid: ACCOUNT.to_owned(),
            auth_token: "token".into(),
            api_url: self.twilio.url(),
            url: None,
            from: None,
            settle: Duration::ZERO,
        };
        let adapter = Arc::new(Twilio::new(config).unwrap());
        self.door.lead_to(twilio::router(Arc::clone(&adapter)));
        adapter
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        self.twilio.say(&person(chat), text)
    }

    async fn bring_again(&self, event: &str) {
        self.twilio.bring_again(event);
    }

    async fn acknowledged(&self, event: &str) -> bool {
        self.twilio.acknowledged(event)
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        self.twilio.sent(&person(chat)).into_iter().map(|sent| sent.body).collect()
    }

    async fn fail_next(&self, faults: &[Fault]) {
        self.twilio.fail(faults.iter().map(|fault| match *fault {
            Fault::Throttled(wait) => fake::Fault::TooMany(u32::try_from(wait.as_secs()).unwrap()),
            Fault::Unavailable => fake::Fault::Unavailable,
            Fault::AnswerLost => fake::Fault::DoneUnanswered,
            Fault::Refused => fake::Fault::Error(400, 21_617),
            Fault::Slow(pause) => fake::Fault::Slow(pause),
        }));
    }

    async fn lose(&self, chat: &str) {
        self.twilio.lose(&person(chat));
    }
}

async fn platform() -> impl Platform {
    let twilio = fake::start("127.0.0.1:0".parse().unwrap(), "token").await.unwrap();
    let door = Door::open().await;
    twilio.connect(&format!("http://{}{}", door.addr, twilio::PATH));
    Account { twilio, door }
}

dovvybuddy_core::channel_contract!(lab, platform);
