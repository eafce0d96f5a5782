//! The store's limit against `governor`, an implementation by others of the same algorithm.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::limit::{Charge, Quota};
use dovvybuddy_core::store::{Accepted, Inbox};
use dovvybuddy_core::testkit::clock::{ManualClock, START, numbered};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, DiverKey, SessionId, Timestamp, TurnId};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use governor::clock::FakeRelativeClock;
use governor::{Quota as TheirQuota, RateLimiter};
use proptest::prelude::*;

fn event(number: u64, at: Timestamp) -> Inbound {
    let (bot, channel) = (BotId::default(), ChannelId::new("web"));
    Inbound {
        turn: TurnId(numbered(number)),
        conversation: ConversationKey {
            bot: bot.clone(),
            channel: channel.clone(),
            account: String::new(),
            conversation: "c".into(),
        },
        sender: Sender {
            key: DiverKey { bot, channel, account: String::new(), user: "u".into() },
            name: None,
            locale: None,
            contact: None,
        },
        event_id: format!("e{number}"),
        fingerprint: None,
        content: Content::Text("x".into()),
        opens_conversation: false,
        received_at: at,
        ready_at: at,
        profile: None,
        state: None,
        context: serde_json::Value::Null,
    }
}

async fn ours(quota: Quota, gaps: &[u64]) -> Vec<bool> {
    let options = OpenOptions {
        url_or_path: "sqlite::memory:".into(),
        dispatch: true,
        max_waiting: 10_000,
        migrate: true,
        clock: Arc::new(ManualClock::default()),
    };
    let store = SqliteStore::open(options).await.expect("open");
    let charge = Charge { key: "k".into(), quota };
    let (mut at, mut allowed) = (START, Vec::new());
    for (number, gap) in (1..).zip(gaps) {
        at = at.plus(Duration::from_millis(*gap));
        let answer =
            store.accept(&event(number, at), SessionId(numbered(number)), Some(&charge)).await.expect("an answer");
        allowed.push(matches!(answer, Accepted::New { .. }));
    }
    allowed
}

fn theirs(quota: Quota, gaps: &[u64]) -> Vec<bool> {
    let burst = NonZeroU32::new(quota.burst).expect("a burst");
    let interval = quota.interval().expect("a limit");
    let limiter_quota = TheirQuota::with_period(interval).expect("a period").allow_burst(burst);
    let clock = FakeRelativeClock::default();
    let limiter = RateLimiter::direct_with_clock(limiter_quota, clock.clone());
    let decide = |gap: &u64| {
        clock.advance(Duration::from_millis(*gap));
        limiter.check().is_ok()
    };
    gaps.iter().map(decide).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Quotas that divide a minute into whole milliseconds: both decide alike on every arrival.
    #[test]
    fn decides_as_governor_does(
        per_minute in prop::sample::select(vec![1_u32, 2, 3, 5, 6, 10, 12, 20, 30, 60, 100, 120, 1000, 60_000]),
        burst in 1_u32..12,
        gaps in prop::collection::vec(prop_oneof![3 => Just(0_u64), 2 => 1_u64..50, 2 => 50_u64..5_000, 1 => 5_000_u64..200_000], 1..80),
    ) {
        let quota = Quota { per_minute, burst };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        prop_assert_eq!(runtime.block_on(ours(quota, &gaps)), theirs(quota, &gaps));
    }
}
