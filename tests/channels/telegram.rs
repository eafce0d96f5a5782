//! The contract on Telegram, by long polls.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::BotId;
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::testkit::channel_contract::{self, Platform};
use dovvybuddy_fakes::telegram::{self, FakeTelegram, Fault, Person, Place};
use dovvybuddy_telegram::{Mode, Telegram, TelegramConfig};

use crate::{lab, number};

const TOKEN: &str = "4242:contract";

struct Polled(FakeTelegram);

fn diver(chat: &str) -> Person {
    Person::new(i64::try_from(number(chat)).unwrap(), chat, "en")
}

#[async_trait]
impl Platform for Polled {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let config = TelegramConfig {
            bot: BotId::default(),
            token: TOKEN.to_owned().into(),
            api_url: self.0.url(),
            mode: Mode::Polling,
            settle: Duration::ZERO,
        };
        Arc::new(Telegram::new(config).unwrap())
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        let diver = diver(chat);
        let place = self.0.private(&diver);
        self.0.say(place, &diver, text);
        self.0.newest_update().to_string()
    }

    async fn bring_again(&self, event: &str) {
        self.0.repeat(event.parse().unwrap());
    }

    async fn acknowledged(&self, event: &str) -> bool {
        let event: i64 = event.parse().unwrap();
        self.0.waiting().iter().all(|update| update["update_id"] != event)
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        self.0.shown(Place::chat(diver(chat).id)).into_iter().map(|shown| shown.text).collect()
    }

    async fn fail_next(&self, faults: &[channel_contract::Fault]) {
        self.0.fail_words(faults.iter().map(|fault| match *fault {
            channel_contract::Fault::Throttled(pause) => Fault::TooMany(u32::try_from(pause.as_secs()).unwrap()),
            channel_contract::Fault::Unavailable => Fault::Error(503, "Service Unavailable".to_owned()),
            channel_contract::Fault::AnswerLost => Fault::DoneGarbled,
            channel_contract::Fault::Refused => Fault::Error(400, "Bad Request: not this one".to_owned()),
            channel_contract::Fault::Slow(pause) => Fault::Slow(pause),
        }));
    }

    async fn lose(&self, chat: &str) {
        let diver = diver(chat);
        self.0.block(self.0.private(&diver), &diver);
    }
}

async fn platform() -> impl Platform {
    Polled(telegram::start((Ipv4Addr::LOCALHOST, 0).into(), TOKEN).await.unwrap())
}

dovvybuddy_core::channel_contract!(lab, platform);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_at_random_no_chat_sees_its_replies_in_another_order() {
    crate::many::no_chat_sees_another_order(&platform().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_holds_up_nobody() {
    crate::many::a_clock_that_jumps_holds_up_nobody(&platform().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_away_for_an_hour_misses_nothing() {
    crate::many::a_platform_that_is_away_for_an_hour_misses_nothing(&platform().await).await;
}
