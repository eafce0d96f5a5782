//! Divers on Discord: direct chats, guilds, threads.

use std::time::Duration;

use dovvybuddy_core::testkit::at_most;
use dovvybuddy_fakes::discord::{Fault, Saying, Settings};
use dovvybuddy_fakes::model::Script;
use reqwest::StatusCode;
use tokio::time::Instant;

use crate::discord_support::{QUESTION, ask, connected, quick, said, until};
use crate::models;

#[tokio::test]
async fn a_diver_gets_cited_answers_in_a_direct_chat() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let began = Instant::now();
    let answer = ask(&platform, ada, chat, QUESTION).await;
    assert!(answer.content.contains("18") && answer.content.contains("Sources:"), "{}", answer.content);
    assert_eq!(answer.flags, 4, "no link previews");
    assert!(answer.nonce.is_some() && !answer.pinged && answer.reply_to.is_none());
    let sign = platform.typing(chat).first().copied().unwrap();
    assert!(sign <= answer.at && sign.duration_since(began) < Duration::from_secs(2), "typing comes first");

    let next = ask(&platform, ada, chat, "How long should I wait before flying after diving?").await;
    assert!(next.content.contains("hours"), "{}", next.content);
    let photo = platform.said(chat).len();
    platform.say_with(ada, chat, &Saying { attachments: 1, ..Saying::default() });
    let about_photo = said(&platform, chat, photo + 1).await;
    assert!(about_photo[photo].content.to_lowercase().contains("emergency"), "{}", about_photo[photo].content);
}

#[tokio::test]
async fn a_burst_is_answered_together() {
    let (platform, mut setup) = crate::discord_support::platform(quick()).await;
    setup.set("LANES__SETTLE_MS", "700");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    for text in ["hi", "I have a question", QUESTION] {
        platform.say(ada, chat, text);
    }
    let answer = &said(&platform, chat, 1).await[0];
    assert!(answer.content.contains("18"), "{}", answer.content);
    let after = ask(&platform, ada, chat, "What is a safety stop?").await;
    assert_eq!(platform.said(chat).len(), 2, "{after:?}");
}

#[tokio::test]
async fn in_a_guild_only_those_who_ask_are_answered() {
    let (platform, setup) = crate::discord_support::platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let robot = platform.other_bot("robot");
    platform.say(ada, channel, QUESTION);
    platform.mention(robot, channel, QUESTION);
    let naming = format!("<@{}> {QUESTION}", platform.bot());
    platform.say_with(ada, channel, &Saying { text: &naming, webhook: true, ..Saying::default() });

    let asked = platform.mention(ada, channel, QUESTION);
    let answer = said(&platform, channel, 1).await.swap_remove(0);
    assert_eq!(answer.reply_to, Some(asked), "{}", answer.content);
    assert!(!answer.pinged);

    let more =
        Saying { text: "And how long is a safety stop? @everyone", reply_to: Some(answer.id), ..Saying::default() };
    platform.say_with(ada, channel, &more);
    // Without Message Content a reply that does not name the bot comes without its words.
    let told = said(&platform, channel, 2).await;
    assert!(told[1].content.contains("mention me") && told[1].content.contains("emergency"), "{}", told[1].content);
    assert_eq!(platform.said(channel).len(), 2, "nobody else was answered: {told:?}");
}

#[tokio::test]
async fn a_thread_is_a_conversation_of_its_own() {
    let (platform, setup) = crate::discord_support::platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let thread = platform.thread(channel, "trip");
    platform.mention(ada, channel, QUESTION);
    said(&platform, channel, 1).await;
    for (place, knows) in [(channel, true), (thread, false)] {
        let before = platform.said(place).len();
        platform.slash(ada, place, "sources", &[]).await;
        let told = said(&platform, place, before + 1).await.swap_remove(before);
        assert_eq!(told.content.contains("open-water-diver.md"), knows, "{}", told.content);
    }
}

#[tokio::test]
async fn an_emergency_is_answered_at_once_though_the_channel_is_limited() {
    let (platform, mut setup) = crate::discord_support::platform(quick()).await;
    setup.set("LANES__SETTLE_MS", "5000");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    platform.say(ada, chat, "hello");
    let began = Instant::now();
    platform.say(ada, chat, "My buddy can't feel his legs after the dive");
    let answer = said(&platform, chat, 1).await.swap_remove(0);
    assert!(answer.content.contains("oxygen"), "{}", answer.content);
    assert!(answer.at.duration_since(began) < Duration::from_secs(2), "before the burst settles");
}

#[tokio::test]
async fn limits_delay_a_reply_by_no_more_than_asked_and_others_not_at_all() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let (ada, ben) = (platform.user("ada", "en-US"), platform.user("ben", "en-US"));
    let (hers, his) = (platform.direct(ada), platform.direct(ben));
    let limited = Fault::RateLimited { retry_after: 3.0, global: false };
    platform.fail_next(&format!("POST /channels/{hers}/messages"), limited);
    platform.say(ada, hers, QUESTION);
    until("the refusal", || platform.requests().iter().any(|r| r.status == 429)).await;
    let refused = Instant::now();
    ask(&platform, ben, his, QUESTION).await;
    assert!(refused.elapsed() < Duration::from_millis(2_500), "others don't wait");
    let answer = said(&platform, hers, 1).await.swap_remove(0);
    let delay = answer.at.duration_since(refused);
    assert!(delay >= Duration::from_millis(2_900) && delay <= Duration::from_millis(3_500), "{delay:?}");
}

#[tokio::test]
async fn buckets_are_respected_before_discord_has_to_say_so() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    for n in 0..8 {
        platform.say(ada, chat, &format!("Question {n}: what is a safety stop?"));
    }
    assert_eq!(said(&platform, chat, 8).await.len(), 8);
    let refused: Vec<_> = platform.requests().into_iter().filter(|r| r.status == 429).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn an_answer_lost_on_the_way_makes_no_second_message() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    platform.fail_next(&format!("POST /channels/{chat}/messages"), Fault::LoseAnswer);
    ask(&platform, ada, chat, QUESTION).await;
    let sends = || platform.requests().iter().filter(|r| r.method == "POST" && r.path.ends_with("/messages")).count();
    until("the repeat", || sends() >= 2).await;
    ask(&platform, ada, chat, "What is a safety stop?").await;
    assert_eq!(platform.said(chat).len(), 2);
}

#[tokio::test]
async fn whoever_blocks_the_bot_delays_nobody() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let (ada, ben) = (platform.user("ada", "en-US"), platform.user("ben", "en-US"));
    let (hers, his) = (platform.direct(ada), platform.direct(ben));
    platform.block(ada);
    platform.say(ada, hers, QUESTION);
    ask(&platform, ben, his, QUESTION).await;
    until("the refused message", || platform.requests().iter().any(|r| r.status == 403)).await;
    assert!(platform.said(hers).is_empty());
}

#[tokio::test]
async fn a_revoked_token_does_not_disturb_the_web_and_a_good_one_is_noticed() {
    let (platform, _setup, daemon) = connected(quick()).await;
    platform.revoke_token();
    until("the token is refused", || platform.requests().iter().any(|r| r.status == 401)).await;
    let answer = daemon.ask(None, QUESTION).await;
    assert!(answer["message"].as_str().unwrap().contains("18"));
    assert_eq!(daemon.get("/ready").await.unwrap().status(), StatusCode::OK);
    let refused = platform.requests().iter().filter(|r| r.status == 401).count();
    assert!(refused < 10, "a refused token is not tried {refused} times");

    platform.restore_token();
    until("the gateway is connected again", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
}

/// Whatever stands between us and Discord may say so once by mistake.
#[tokio::test]
async fn one_401_holds_up_no_emergency_of_somebody_else() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let [ada, ben] = ["ada", "ben"].map(|name| platform.user(name, "en-US"));
    let [hers, his] = [ada, ben].map(|user| platform.direct(user));
    platform.fail_words([Fault::Status(401)]);
    platform.say(ada, hers, QUESTION);
    until("it is refused", || platform.requests().iter().any(|r| r.status == 401)).await;
    platform.say(ben, his, "My buddy can't feel his legs after the dive");
    let began = Instant::now();
    said(&platform, his, 1).await;
    assert!(began.elapsed() < Duration::from_secs(4), "the emergency waited {:?}", began.elapsed());
    said(&platform, hers, 1).await;
    assert!(began.elapsed() < Duration::from_secs(12), "the answer waited {:?}", began.elapsed());
}

#[tokio::test]
async fn the_first_sign_comes_at_once() {
    let (platform, mut setup) = crate::discord_support::platform(quick()).await;
    setup.set("LANES__SETTLE_MS", "1500");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let mut waits = Vec::new();
    for n in 0..40 {
        let diver = platform.user(&format!("diver{n}"), "en-US");
        let chat = platform.direct(diver);
        let began = Instant::now();
        platform.say(diver, chat, QUESTION);
        until("typing", || !platform.typing(chat).is_empty()).await;
        waits.push(platform.typing(chat)[0].duration_since(began));
    }
    waits.sort();
    let p95 = waits[waits.len() * 95 / 100];
    println!("first visible sign: p50 {:?}, p95 {p95:?}", waits[waits.len() / 2]);
    assert!(p95 <= at_most(Duration::from_millis(300)), "p95 {p95:?}");
}

#[tokio::test]
async fn while_a_model_writes_the_diver_sees_it_grow_in_one_message() {
    let (platform, mut setup) = crate::discord_support::platform(quick()).await;
    let slow =
        Script { first_token: Duration::from_millis(1200), between: Duration::from_millis(60), ..Script::default() };
    let model = models::start(slow).await;
    models::with_model(&mut setup, &model);
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    platform.say(ada, chat, QUESTION);
    let placeholder = said(&platform, chat, 1).await.swap_remove(0);
    assert!(!placeholder.content.contains("Sources"), "{}", placeholder.content);
    until("the placeholder becomes the answer", || platform.said(chat)[0].content.contains("Sources")).await;
    let answer = platform.said(chat);
    assert_eq!((answer.len(), answer[0].id), (1, placeholder.id));
    assert!(answer[0].edits.len() >= 2, "it grew: {:?}", answer[0].edits);
    let progress = &answer[0].edits[..answer[0].edits.len() - 1];
    for pair in progress.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(gap >= Duration::from_millis(1400), "edits are spaced: {gap:?}");
    }
    assert!(!answer[0].buttons.is_empty(), "the finished answer has its buttons");
}

#[tokio::test]
async fn as_many_shards_as_discord_recommends_share_the_guilds() {
    let (platform, setup) = crate::discord_support::platform(Settings { shards: 2, ..quick() }).await;
    let (first, one) = platform.guild("Reef Club");
    // A guild belongs to a shard by its number; the next ones come a millisecond later.
    let mut other = platform.guild("Wreck Club");
    while (other.0 >> 22) % 2 == (first >> 22) % 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        other = platform.guild("Wreck Club");
    }
    let _daemon = setup.start().await;
    until("both shards identified", || platform.counts().identified == 2).await;
    let ada = platform.user("ada", "en-US");
    for channel in [one, other.1] {
        platform.mention(ada, channel, QUESTION);
        assert!(said(&platform, channel, 1).await[0].content.contains("18"));
    }
    ask(&platform, ada, platform.direct(ada), QUESTION).await;
    assert_eq!(platform.counts().identified, 2);
}

#[tokio::test]
async fn with_message_content_a_reply_without_a_ping_is_read() {
    let settings = Settings { message_content: true, ..quick() };
    let (platform, mut setup) = crate::discord_support::platform(settings).await;
    setup.set("DISCORD__MESSAGE_CONTENT", "true");
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    platform.mention(ada, channel, QUESTION);
    let answer = said(&platform, channel, 1).await.swap_remove(0);
    platform.say(ada, channel, "nobody is asked here");
    let unpinged = Saying { text: "And how long is a safety stop?", reply_to: Some(answer.id), ..Saying::default() };
    platform.say_with(ada, channel, &unpinged);
    let told = said(&platform, channel, 2).await;
    assert!(told[1].content.contains("stop") && !told[1].content.contains("mention me"), "{}", told[1].content);
}

#[tokio::test]
async fn without_the_intent_it_goes_on_and_doctor_says_what_it_can_not_see() {
    let (platform, mut setup) = crate::discord_support::platform(quick()).await;
    setup.set("DISCORD__MESSAGE_CONTENT", "true");
    let daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    assert!(setup.log_text().contains("Message Content is not switched on"));
    let ada = platform.user("ada", "en-US");
    ask(&platform, ada, platform.direct(ada), QUESTION).await;
    daemon.kill().await;
    for (asked, state) in [("true", "warn"), ("false", "ok")] {
        setup.set("DISCORD__MESSAGE_CONTENT", asked);
        let (_, out, _) = setup.run(&["doctor", "--json"]).await;
        let findings: serde_json::Value = serde_json::from_str(&out).unwrap();
        let ours = findings.as_array().unwrap().iter().find(|f| f["check"] == "discord").unwrap();
        assert_eq!(ours["state"], state, "{ours}");
        assert!(ours["text"].as_str().unwrap().contains("name"), "{ours}");
    }
}

#[tokio::test]
async fn a_long_private_answer_goes_on_in_the_direct_chat_and_makes_no_second_message() {
    let (platform, setup) = crate::discord_support::platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    platform.fail_next(&format!("POST /channels/{chat}/messages"), Fault::LoseAnswer);
    let token = platform.slash(ada, channel, "export", &[]).await;
    let first = crate::discord_commands::answered(&platform, &token).await;
    assert_eq!(first.message.unwrap().only_for, Some(ada));
    let sends = || platform.requests().iter().filter(|r| r.path == format!("/channels/{chat}/messages")).count();
    until("the repeat", || sends() >= 3).await;
    ask(&platform, ada, chat, "What is a safety stop?").await;
    let told = platform.said(chat);
    let mut nonces: Vec<_> = told.iter().map(|m| m.nonce.clone().expect("a nonce")).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), told.len());
    assert_eq!(platform.said(channel).len(), 1, "nobody else reads along");
}
