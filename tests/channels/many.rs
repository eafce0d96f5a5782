//! Many chats at once, a platform that throttles and dawdles, and a clock that jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dovvybuddy_core::store::Store;
use dovvybuddy_core::testkit::channel_contract::{Fault, PATIENCE, Platform, Stage};
use dovvybuddy_core::testkit::store_contract::Lab as _;
use dovvybuddy_core::{Clock, SystemClock, Timestamp};
use tokio::time::{Instant, sleep};

use crate::{lab, open_by};

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The numbered words of a chat's replies, in the order they stand there.
async fn numbers(platform: &dyn Platform, chat: &str) -> Vec<usize> {
    let shown = platform.shown(chat).await;
    let words = shown.iter().flat_map(|message| message.split_whitespace());
    words.filter_map(|word| word.strip_prefix('m')?.parse().ok()).collect()
}

/// Waits until the last message of every chat is answered; gives up when nothing more comes.
async fn all_answered(platform: &dyn Platform, store: &dyn Store, chats: &[String], messages: usize) {
    let (mut known, mut since) = (0, Instant::now());
    loop {
        let mut count = 0;
        for chat in chats {
            count += numbers(platform, chat).await.len();
        }
        if count >= chats.len() * messages {
            return;
        }
        if count > known {
            (known, since) = (count, Instant::now());
        }
        let stored = store.backlog(SystemClock.now()).await;
        assert!(since.elapsed() < PATIENCE, "{count} of {} were answered; {stored:?}", chats.len() * messages);
        sleep(Duration::from_millis(250)).await;
    }
}

/// `ORDER_CHATS` and `ORDER_MESSAGES` make it more: 200 and 50 is the figure.
pub(crate) async fn no_chat_sees_another_order(platform: &dyn Platform) {
    let (chats, messages) = (number_from("ORDER_CHATS", 8), number_from("ORDER_MESSAGES", 6));
    let chats: Vec<String> = (0..chats).map(|n| format!("c{n}")).collect();
    let lab = lab().await;
    let mut dice = Dice(7);
    let stage = Stage::start(lab.store(), platform);
    let mut faults = 0;
    for message in 0..messages {
        for chat in &chats {
            platform.say(chat, &format!("m{message}")).await;
            // One send in five is throttled, and as many take their time.
            let fault = match dice.below(10) {
                0 | 1 => Fault::Throttled(Duration::from_secs(1)),
                2 | 3 => Fault::Slow(Duration::from_millis(dice.below(800))),
                _ => continue,
            };
            faults += 1;
            platform.fail_next(&[fault]).await;
        }
        sleep(Duration::from_millis(dice.below(100))).await;
    }
    all_answered(platform, &*lab.store(), &chats, messages).await;
    let mut inversions = 0;
    for chat in &chats {
        let said = numbers(platform, chat).await;
        inversions += said.iter().zip(said.iter().skip(1)).filter(|(one, next)| one > next).count();
        assert_eq!(said, (0..messages).collect::<Vec<_>>(), "{chat}");
    }
    println!("{} chats with {messages} messages each, {faults} faults: {inversions} inversions", chats.len());
    stage.end().await;
}

/// All at once, more than anybody reads at once.
pub(crate) async fn a_flood_is_answered(platform: &dyn Platform) {
    const MESSAGES: usize = 150;
    let lab = lab().await;
    let stage = Stage::start(lab.store(), platform);
    let chat = ["one".to_owned()];
    // Of a chat that nobody ever heard of, a session that begins anew could not know.
    platform.say(&chat[0], "m0").await;
    all_answered(platform, &*lab.store(), &chat, 1).await;
    for message in 1..MESSAGES {
        platform.say(&chat[0], &format!("m{message}")).await;
    }
    all_answered(platform, &*lab.store(), &chat, MESSAGES).await;
    assert_eq!(numbers(platform, &chat[0]).await, (0..MESSAGES).collect::<Vec<_>>());
    stage.end().await;
}

/// The system's clock, moved.
#[derive(Default)]
struct Moved(AtomicI64);

impl Moved {
    fn by(&self, duration: Duration, ahead: bool) {
        let millis = i64::try_from(duration.as_millis()).unwrap();
        self.0.store(if ahead { millis } else { -millis }, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.0.load(Ordering::SeqCst))
    }

    fn uuid(&self) -> uuid::Uuid {
        SystemClock.uuid()
    }
}

/// Ahead by an hour, back by an hour, and true again: nobody waits for the hour.
pub(crate) async fn a_clock_that_jumps_holds_up_nobody(platform: &dyn Platform) {
    const HOUR: Duration = Duration::from_hours(1);
    const SOON: Duration = Duration::from_secs(15);
    let clock = Arc::new(Moved::default());
    let lab = open_by(clock.clone()).await;
    let store: Arc<dyn Store> = lab.store();
    let stage = Stage::start_by(clock.clone(), store, platform);
    let answered = async |message: usize| {
        let began = Instant::now();
        while !numbers(platform, "one").await.contains(&message) {
            assert!(began.elapsed() < SOON, "m{message}: {:?}", platform.shown("one").await);
            sleep(Duration::from_millis(20)).await;
        }
    };
    platform.say("one", "m0").await;
    answered(0).await;
    clock.by(HOUR, true);
    platform.say("one", "m1").await;
    answered(1).await;
    // Put off while the clock is ahead, and due when it is not any more.
    platform.fail_next(&[Fault::Throttled(Duration::from_secs(2))]).await;
    platform.say("one", "m2").await;
    sleep(Duration::from_millis(500)).await;
    clock.by(HOUR, false);
    platform.say("one", "m3").await;
    answered(2).await;
    answered(3).await;
    clock.by(Duration::ZERO, true);
    platform.say("one", "m4").await;
    answered(4).await;
    assert_eq!(numbers(platform, "one").await, [0, 1, 2, 3, 4]);
    stage.end().await;
}

/// Away for an hour of the daemon's clock: nothing is given up, and all comes in its order.
pub(crate) async fn a_platform_that_is_away_for_an_hour_misses_nothing(platform: &dyn Platform) {
    const STEP: Duration = Duration::from_mins(5);
    const STEPS: u32 = 12;
    let clock = Arc::new(Moved::default());
    let lab = open_by(clock.clone()).await;
    let store: Arc<dyn Store> = lab.store();
    let stage = Stage::start_by(clock.clone(), store, platform);
    platform.fail_next(&vec![Fault::Unavailable; STEPS as usize]).await;
    let began = Instant::now();
    for message in 0..3 {
        platform.say("one", &format!("m{message}")).await;
    }
    let mut steps = 0;
    while numbers(platform, "one").await.len() < 3 {
        assert!(began.elapsed() < PATIENCE, "{:?}", platform.shown("one").await);
        sleep(Duration::from_millis(250)).await;
        steps += 1;
        clock.by(STEP * steps, true);
    }
    assert!(steps >= STEPS - 2, "it was away for {steps} times five minutes");
    assert_eq!(numbers(platform, "one").await, [0, 1, 2]);
    stage.end().await;
}
