//! The contract on Discord, over the gateway.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{ChannelAdapter, DeliveryKey, OutboundPart, Outlet as _, Rendering, SendError};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::testkit::channel_contract::{self, Platform};
use dovvybuddy_core::{AgentId, BotId, Clock as _, ConversationKey, Lang, SystemClock, TurnId};
use dovvybuddy_discord::{DiscordAdapter, DiscordConfig};
use dovvybuddy_fakes::discord::{self, Discord, Fault, Settings};

use crate::lab;

struct Gateway {
    platform: Discord,
    /// Divers and their direct chats, by name.
    divers: Mutex<HashMap<String, (u64, u64)>>,
    /// Those who have spoken.
    known: Mutex<HashSet<String>>,
}

impl Gateway {
    fn diver(&self, name: &str) -> (u64, u64) {
        let mut divers = self.divers.lock().unwrap();
        *divers.entry(name.to_owned()).or_insert_with(|| {
            let user = self.platform.user(name, "en-US");
            (user, self.platform.direct(user))
        })
    }
}

#[async_trait]
impl Platform for Gateway {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let config = config(&self.platform, dovvybuddy_discord::MOST_INVALID);
        Arc::new(DiscordAdapter::new(config, Arc::new(SystemClock)).unwrap())
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        let (user, channel) = self.diver(chat);
        // A direct chat that begins while nobody listens is told to no bot, and bots can't ask for it.
        if self.known.lock().unwrap().insert(chat.to_owned()) {
            let connected = async {
                while !self.platform.connected() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_mins(1), connected).await.expect("the gateway is connected");
        }
        self.platform.say(user, channel, text).to_string()
    }

    async fn bring_again(&self, event: &str) {
        self.platform.repeat(event.parse().unwrap());
    }

    /// Discord is told nothing of messages. Typing is shown when one is stored, and a reply comes after it.
    async fn acknowledged(&self, event: &str) -> bool {
        let event: u64 = event.parse().unwrap();
        let channels: Vec<u64> = self.divers.lock().unwrap().values().map(|(_, channel)| *channel).collect();
        channels.into_iter().any(|channel| {
            let said = self.platform.all_said(channel);
            let Some(message) = said.iter().find(|message| message.id == event) else { return false };
            let typed = self.platform.typing(channel).into_iter().any(|at| at >= message.at);
            typed || said.iter().any(|reply| reply.by_bot && reply.id > event)
        })
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        let (_, channel) = self.diver(chat);
        self.platform.said(channel).into_iter().map(|said| said.content).collect()
    }

    async fn fail_next(&self, faults: &[channel_contract::Fault]) {
        self.platform.fail_words(faults.iter().map(|fault| match *fault {
            channel_contract::Fault::Throttled(pause) => {
                Fault::RateLimited { retry_after: pause.as_secs_f64(), global: false }
            }
            channel_contract::Fault::Unavailable => Fault::Html502,
            channel_contract::Fault::AnswerLost => Fault::LoseAnswer,
            channel_contract::Fault::Refused => Fault::Status(400),
            channel_contract::Fault::Slow(pause) => Fault::Late(pause),
        }));
    }

    async fn lose(&self, chat: &str) {
        let (user, _) = self.diver(chat);
        self.platform.block(user);
    }
}

fn config(platform: &Discord, most_invalid: usize) -> DiscordConfig {
    DiscordConfig {
        token: Some(Settings::default().token.into()),
        api_url: platform.api_url(),
        application_id: None,
        public_key: None,
        gateway: true,
        message_content: false,
        settle: Duration::ZERO,
        bot: BotId::default(),
        most_invalid,
    }
}

async fn platform() -> impl Platform {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    // The limits themselves are tested elsewhere; here they would only take time.
    let settings =
        Settings { identify_apart: Duration::ZERO, bucket: (100, Duration::from_secs(1)), ..Settings::default() };
    let platform = discord::start(address, settings).await.unwrap();
    Gateway { platform, divers: Mutex::default(), known: Mutex::default() }
}

dovvybuddy_core::channel_contract!(lab, platform);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_at_random_no_chat_sees_its_replies_in_another_order() {
    crate::many::no_chat_sees_another_order(&platform().await).await;
}

/// Discord bans an address for ten minutes after too many requests that it refuses.
#[tokio::test]
async fn refused_again_and_again_the_bot_falls_silent_long_before_it_is_banned() {
    const MOST: usize = 12;
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let settings = Settings { most_invalid: MOST + 3, bucket: (100, Duration::from_secs(1)), ..Settings::default() };
    let platform = discord::start(address, settings).await.unwrap();
    let (_, channel) = platform.guild("Reef Club");
    platform.close_channel(channel);
    let open = platform.direct(platform.user("ada", "en-US"));
    let adapter = DiscordAdapter::new(config(&platform, MOST), Arc::new(SystemClock)).unwrap();
    let reply = Reply::fixed("Up to 18 m.", AgentId::new("safety"), Lang::En);
    let turn = TurnId(SystemClock.uuid());
    let payload = adapter.render(&Rendering { turn, reply: &reply, actions: &[] }).remove(0);
    let send = async |to: u64, row: i64| {
        let conversation = ConversationKey {
            bot: BotId::default(),
            channel: adapter.id(),
            account: String::new(),
            conversation: to.to_string(),
        };
        let (payload, context) = (payload.clone(), serde_json::Value::Null);
        let part = OutboundPart {
            conversation,
            payload,
            context,
            replaces: None,
            progress: false,
            written_at: SystemClock.now(),
        };
        adapter.send(&part, &DeliveryKey::outbox(row, 0)).await
    };
    send(open, 0).await.expect("all is well");
    for row in 1..=40 {
        let refused = send(channel, row).await;
        assert!(
            matches!(refused, Err(SendError::Gone | SendError::Rejected(_) | SendError::RetryAfter(_))),
            "{refused:?}"
        );
    }
    let refusals = || platform.requests().iter().filter(|request| request.status == 403).count();
    assert_eq!(refusals(), MOST, "then nothing was asked any more");
    let waits = send(open, 41).await;
    assert!(matches!(waits, Err(SendError::RetryAfter(pause)) if pause > Duration::from_mins(9)), "{waits:?}");
    assert_eq!((refusals(), platform.said(open).len()), (MOST, 1), "nobody was banned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_holds_up_nobody() {
    crate::many::a_clock_that_jumps_holds_up_nobody(&platform().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_away_for_an_hour_misses_nothing() {
    crate::many::a_platform_that_is_away_for_an_hour_misses_nothing(&platform().await).await;
}

/// Who reads the gateway too slowly is cut off by it, and hears the rest after a RESUME; or, where that is more than
/// the session keeps, by asking for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_flood_that_the_gateway_cuts_off_nothing_is_lost() {
    for replayed in [5_000, 8] {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let settings = Settings {
            identify_apart: Duration::ZERO,
            bucket: (100, Duration::from_secs(1)),
            waiting: 4,
            replayed,
            ..Settings::default()
        };
        let platform = discord::start(address, settings).await.unwrap();
        let platform = Gateway { platform, divers: Mutex::default(), known: Mutex::default() };
        crate::many::a_flood_is_answered(&platform).await;
        let counts = platform.platform.counts();
        assert!(counts.sockets > 1, "{counts:?}");
    }
}
