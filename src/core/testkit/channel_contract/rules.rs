//! The rules.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::stage::{PATIENCE, Stage};
use super::{Fault, Platform};
use crate::testkit::store_contract::{Lab, Stop};

const LOOK: Duration = Duration::from_millis(20);

/// Every word the diver sees in a chat, in order.
async fn words(platform: &dyn Platform, chat: &str) -> Vec<String> {
    let shown = platform.shown(chat).await;
    shown.iter().flat_map(|message| message.split_whitespace()).map(str::to_owned).collect()
}

async fn times(platform: &dyn Platform, chat: &str, word: &str) -> usize {
    words(platform, chat).await.iter().filter(|shown| *shown == word).count()
}

/// Waits until a word stands in a chat.
async fn wait_for(platform: &dyn Platform, chat: &str, word: &str) {
    let seen = async {
        while times(platform, chat, word).await == 0 {
            sleep(LOOK).await;
        }
    };
    let came = timeout(PATIENCE, seen).await.is_ok();
    assert!(came, "{word} never came; in {chat} stands {:?}", platform.shown(chat).await);
}

/// Waits until the platform was told that an event arrived.
async fn wait_for_receipt(platform: &dyn Platform, event: &str) {
    let told = async {
        while !platform.acknowledged(event).await {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, told).await.expect("the platform is told that the event arrived");
}

/// Says a last word and waits for its answer: what was said before is answered by then.
async fn settle(platform: &dyn Platform, chat: &str) {
    platform.say(chat, "thelastword").await;
    wait_for(platform, chat, "thelastword").await;
}

/// A diver and the bot have spoken before.
async fn make_known(lab: &dyn Lab, platform: &dyn Platform, chat: &str) {
    let stage = Stage::start(lab.store(), platform);
    platform.say(chat, "thefirstword").await;
    wait_for(platform, chat, "thefirstword").await;
    stage.end().await;
}

/// The reply goes where the message came from, and nowhere else.
pub async fn a_message_is_answered_in_its_chat(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    let event = platform.say("one", "apples").await;
    platform.say("two", "pears").await;
    wait_for(platform, "one", "apples").await;
    wait_for(platform, "two", "pears").await;
    wait_for_receipt(platform, &event).await;
    assert_eq!((times(platform, "one", "pears").await, times(platform, "two", "apples").await), (0, 0));
    stage.end().await;
}

/// Within a chat answers come in the order of the messages.
pub async fn messages_keep_their_order(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    for n in 0..6 {
        for chat in ["one", "two", "three"] {
            platform.say(chat, &format!("m{n}")).await;
        }
    }
    for chat in ["one", "two", "three"] {
        wait_for(platform, chat, "m5").await;
        let mut said = words(platform, chat).await;
        said.retain(|word| word.starts_with('m'));
        assert_eq!(said, ["m0", "m1", "m2", "m3", "m4", "m5"], "{chat}");
    }
    stage.end().await;
}

/// Longer than a message may be: several, with every word once and in order.
pub async fn a_long_reply_is_split_and_whole(lab: &mut dyn Lab, platform: &dyn Platform) {
    let limit = platform.adapter().capabilities().longest_text;
    let stage = Stage::start(lab.store(), platform);
    platform.say("one", "long 2500").await;
    wait_for(platform, "one", "w2499").await;
    let shown = platform.shown("one").await;
    assert!(shown.len() > 1 || limit.most == usize::MAX, "it is too long for one message");
    for message in &shown {
        assert!(limit.unit.measure(message) <= limit.most, "{} are too many", limit.unit.measure(message));
    }
    let mut said = words(platform, "one").await;
    said.retain(|word| word.starts_with('w'));
    let all: Vec<String> = (0..2500).map(|n| format!("w{n}")).collect();
    assert_eq!(said, all);
    stage.end().await;
}

/// Platforms bring events twice.
pub async fn a_repeated_event_is_answered_once(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    let event = platform.say("one", "apples").await;
    platform.bring_again(&event).await;
    wait_for(platform, "one", "apples").await;
    platform.bring_again(&event).await;
    settle(platform, "one").await;
    assert_eq!(times(platform, "one", "apples").await, 1);
    stage.end().await;
}

/// A platform that asks to wait is waited for, not much longer, and the reply comes once.
pub async fn a_throttled_reply_arrives_once(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.fail_next(&[Fault::Throttled(Duration::from_secs(1))]).await;
    let began = Instant::now();
    platform.say("one", "apples").await;
    wait_for(platform, "one", "apples").await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    settle(platform, "one").await;
    assert_eq!(times(platform, "one", "apples").await, 1);
    stage.end().await;
}

/// A platform that was down gets what it missed.
pub async fn a_platform_that_was_down_gets_the_reply_once(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.fail_next(&[Fault::Unavailable, Fault::Unavailable]).await;
    platform.say("one", "apples").await;
    wait_for(platform, "one", "apples").await;
    settle(platform, "one").await;
    assert_eq!(times(platform, "one", "apples").await, 1);
    stage.end().await;
}

/// Where the platform recognises a repeat nothing is doubled; elsewhere one message may be.
pub async fn a_lost_answer_doubles_at_most_what_can_not_be_recognised(lab: &mut dyn Lab, platform: &dyn Platform) {
    let most = if platform.adapter().capabilities().idempotent_sends { 1 } else { 2 };
    let stage = Stage::start(lab.store(), platform);
    platform.fail_next(&[Fault::AnswerLost]).await;
    platform.say("one", "apples").await;
    wait_for(platform, "one", "apples").await;
    settle(platform, "one").await;
    let came = times(platform, "one", "apples").await;
    assert!((1..=most).contains(&came), "{came} times");
    stage.end().await;
}

/// What a platform will never take is given up, and the conversation goes on.
pub async fn a_refused_reply_holds_up_nothing(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.fail_next(&[Fault::Refused]).await;
    platform.say("one", "apples").await;
    // Some adapters send a refused message in another form; where they don't, the next one is refused, too.
    for word in ["pears", "plums"] {
        platform.say("one", word).await;
    }
    wait_for(platform, "one", "plums").await;
    assert!(times(platform, "one", "apples").await <= 1);
    stage.end().await;
}

/// Being blocked or removed is nobody else's matter.
pub async fn a_chat_that_is_gone_holds_up_no_other(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.lose("gone").await;
    platform.say("gone", "apples").await;
    platform.say("one", "pears").await;
    wait_for(platform, "one", "pears").await;
    assert!(platform.shown("gone").await.is_empty());
    stage.end().await;
}

/// A call that takes its time delays no other chat.
pub async fn a_slow_platform_holds_up_only_its_chat(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.fail_next(&[Fault::Slow(Duration::from_secs(5))]).await;
    platform.say("slow", "apples").await;
    // The slow call is the next one in any case; a moment makes it this chat's.
    sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    platform.say("one", "pears").await;
    wait_for(platform, "one", "pears").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    wait_for(platform, "slow", "apples").await;
    assert_eq!(times(platform, "slow", "apples").await, 1);
    stage.end().await;
}

/// Acknowledged means stored: a store that is away leaves the event with the platform. In a chat that is
/// known: where a platform tells an event once, it can be asked for what was missed only there.
pub async fn what_is_not_stored_is_not_acknowledged(lab: &mut dyn Lab, platform: &dyn Platform) {
    make_known(lab, platform, "one").await;
    let store = lab.store();
    store.close().await.expect("closed");
    let stage = Stage::start(store, platform);
    let event = platform.say("one", "apples").await;
    sleep(Duration::from_secs(1)).await;
    assert!(!platform.acknowledged(&event).await);
    stage.crash().await;
    lab.reopen(Stop::Crash).await;
    let stage = Stage::start(lab.store(), platform);
    wait_for(platform, "one", "apples").await;
    wait_for_receipt(platform, &event).await;
    stage.end().await;
}

/// Killed at different moments: every message is answered, and once where the platform recognises repeats.
pub async fn a_crash_between_any_two_steps_loses_nothing(lab: &mut dyn Lab, platform: &dyn Platform) {
    let most = if platform.adapter().capabilities().idempotent_sends { 1 } else { 2 };
    make_known(lab, platform, "one").await;
    let moments = [0, 1, 2, 4, 7, 12, 20, 35, 60, 100, 180, 300];
    for (n, after) in moments.into_iter().enumerate() {
        let stage = Stage::start(lab.store(), platform);
        platform.say("one", &format!("m{n}")).await;
        sleep(Duration::from_millis(after)).await;
        stage.crash().await;
        lab.reopen(Stop::Crash).await;
        // One crash for each message: what was running in three is set aside, and rightly so.
        let stage = Stage::start(lab.store(), platform);
        wait_for(platform, "one", &format!("m{n}")).await;
        stage.crash().await;
        lab.reopen(Stop::Crash).await;
    }
    let stage = Stage::start(lab.store(), platform);
    settle(platform, "one").await;
    for n in 0..moments.len() {
        let came = times(platform, "one", &format!("m{n}")).await;
        assert!((1..=most).contains(&came), "m{n} came {came} times: {:?}", platform.shown("one").await);
    }
    stage.end().await;
}

/// Killed while the text grows: in the end it stands there once, and where a placeholder can be edited
/// nothing unfinished is left.
pub async fn a_crash_while_a_reply_is_written_leaves_one_reply(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.say("one", "slowly apples and pears and plums").await;
    sleep(Duration::from_millis(2200)).await;
    stage.crash().await;
    lab.reopen(Stop::Crash).await;
    let stage = Stage::start(lab.store(), platform);
    wait_for(platform, "one", "plums").await;
    settle(platform, "one").await;
    assert_eq!(times(platform, "one", "plums").await, 1, "{:?}", platform.shown("one").await);
    assert_eq!(times(platform, "one", "apples").await, 1, "{:?}", platform.shown("one").await);
    stage.end().await;
}

/// A stop is not waited for.
pub async fn a_stop_ends_in_time(lab: &mut dyn Lab, platform: &dyn Platform) {
    let stage = Stage::start(lab.store(), platform);
    platform.say("one", "apples").await;
    wait_for(platform, "one", "apples").await;
    timeout(Duration::from_secs(5), stage.end()).await.expect("the adapter stops");
}
