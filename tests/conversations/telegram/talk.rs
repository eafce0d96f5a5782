//! A diver alone with the bot.

use std::time::Duration;

use dovvybuddy_core::testkit::at_most;
use dovvybuddy_fakes::model::Script;
use dovvybuddy_fakes::telegram::{FakeTelegram, Person};
use serde_json::json;

use super::{ALARM, DEPTH, FLYING, SOON, ada, answered, ask, confirmed, messages, platform, press, setup, start};
use crate::models;

#[tokio::test]
async fn a_whole_conversation() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));

    let hello = ask(&platform, place, &diver, "/start").await;
    assert!(hello.text.to_lowercase().contains("assistant"), "{}", hello.text);
    let answer = ask(&platform, place, &diver, DEPTH).await;
    assert!(answer.text.contains("18"), "{}", answer.text);
    assert!(answer.text.contains("[1]") && answer.text.contains("Sources:"), "{}", answer.text);
    assert_eq!(answer.parse_mode.as_deref(), Some("HTML"));
    assert!(answer.reply_to.is_none(), "in private nobody writes in between");
    let sources = ask(&platform, place, &diver, "/sources").await;
    assert!(sources.text.contains("open-water-diver.md"), "{}", sources.text);

    let up = press(&platform, &diver, &answer, "up:");
    answered(&platform, &up).await;
    let forged = platform.press(place, &diver, answer.message_id, "drop tables");
    answered(&platform, &forged).await;

    let export = ask(&platform, place, &diver, "/export").await;
    assert!(export.text.contains("Open Water"), "{}", export.text);
    // It may fill several messages; the last one closes the document.
    let closes = |p: &FakeTelegram| p.shown(place).last().is_some_and(|last| last.text.trim_end().ends_with('}'));
    assert!(platform.until(SOON, |p| closes(p).then_some(())).await.is_some(), "the export ends");
    assert!(export.entities.iter().any(|entity| entity["type"] == "pre"), "{:?}", export.entities);
    ask(&platform, place, &diver, "/forget").await;
    let nothing = ask(&platform, place, &diver, "/sources").await;
    assert!(!nothing.text.contains("open-water-diver.md"), "{}", nothing.text);
    confirmed(&platform).await;
    daemon.kill().await;
}

#[tokio::test]
async fn commands_are_registered_in_every_language() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let done = platform.until(SOON, |p| (!p.commands("zh").is_empty()).then_some(())).await;
    assert!(done.is_some());
    let names: Vec<String> = platform.commands("").into_iter().map(|(name, _)| name).collect();
    for expected in ["start", "help", "new", "profile", "sources", "link", "privacy", "export", "forget"] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
    let english = platform.commands("");
    for language in ["es", "de", "fr", "pt", "it", "id", "ja", "th", "ar", "zh"] {
        let theirs = platform.commands(language);
        assert_eq!(theirs.len(), english.len(), "{language}");
        assert_ne!(theirs[1].1, english[1].1, "{language} has words of its own");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn a_burst_is_answered_once_and_together() {
    let platform = platform().await;
    let setup = setup(&platform).with("LANES__SETTLE_MS", "400");
    let daemon = setup.start().await;
    let (diver, place) = (ada(), platform.private(&ada()));
    for piece in ["hi", "a question", DEPTH] {
        platform.say(place, &diver, piece);
    }
    let shown = messages(&platform, place, 1).await;
    assert!(shown[0].text.contains("18"), "{}", shown[0].text);
    // What comes next is the next answer, so nothing came in between.
    let next = ask(&platform, place, &diver, "/privacy").await;
    assert_eq!(platform.shown(place).len(), 2, "{next:#?}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_warning_of_ours_that_is_quoted_is_no_alarm() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let answer = ask(&platform, place, &diver, DEPTH).await;
    let quoting = |words: &str, quote: &str| {
        let replied = json!({ "message_id": answer.message_id, "from": { "id": 4242, "is_bot": true,
            "first_name": "DovvyBuddy", "username": "dovvy_test_bot" }, "chat": { "id": 7, "type": "private",
            "first_name": "Ada" }, "date": 1_790_000_000, "text": answer.text });
        json!({ "text": words, "reply_to_message": replied,
            "quote": { "text": quote, "position": 0, "is_manual": true } })
    };
    let warning = "My buddy can't feel his legs after the dive";
    platform.message(place, &diver, quoting("What is a safety stop?", warning));
    let calm = messages(&platform, place, 2).await.pop().unwrap();
    assert!(calm.text.contains("stop") && !calm.text.contains("oxygen"), "{}", calm.text);
    platform.message(place, &diver, quoting(ALARM, "18 m"));
    let alarm = messages(&platform, place, 3).await.pop().unwrap();
    assert!(alarm.text.contains("oxygen"), "what the diver says counts: {}", alarm.text);
    daemon.kill().await;
}

#[tokio::test]
async fn the_button_asks_what_the_diver_may_ask_next_and_a_question_back_is_none() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let answer = ask(&platform, place, &diver, DEPTH).await;
    assert!(answer.text.contains("how many dives have you logged?"), "it stands in the text: {}", answer.text);
    let next = answer.buttons.iter().find(|(_, data)| data.starts_with("follow:")).expect("a next question");
    assert_eq!(next.0, "What do I need before I can start?", "in the diver's words");
    let query = press(&platform, &diver, &answer, "follow:");
    answered(&platform, &query).await;
    let second = messages(&platform, place, 2).await.pop().unwrap();
    assert!(second.text.contains("Sources:"), "{}", second.text);
    let next = second.buttons.iter().find(|(_, data)| data.starts_with("follow:"));
    assert_ne!(next.map(|(label, _)| label.as_str()), Some("What do I need before I can start?"));
    daemon.kill().await;
}

#[tokio::test]
async fn an_album_gets_one_kind_sentence_and_a_caption_is_read() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let photo = json!([{ "file_id": "a", "file_unique_id": "b", "width": 9, "height": 9, "file_size": 9 }]);
    for _ in 0..3 {
        platform.message(place, &diver, json!({ "photo": photo, "media_group_id": "album" }));
    }
    let kind = messages(&platform, place, 1).await;
    assert!(kind[0].text.to_lowercase().contains("emergency"), "it says what to do: {}", kind[0].text);
    let voice = json!({ "voice": { "file_id": "a", "file_unique_id": "b", "duration": 3 } });
    platform.message(place, &diver, voice);
    messages(&platform, place, 2).await;
    platform.message(place, &diver, json!({ "photo": photo, "caption": ALARM }));
    let alarm = messages(&platform, place, 3).await;
    assert!(alarm[2].text.contains("oxygen"), "{}", alarm[2].text);
    daemon.kill().await;
}

#[tokio::test]
async fn an_edit_counts_when_its_words_changed() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let message = platform.say(place, &diver, DEPTH);
    messages(&platform, place, 1).await;
    platform.edit(place, message, DEPTH);
    platform.edit(place, message, FLYING);
    let shown = messages(&platform, place, 2).await;
    assert_eq!(shown.len(), 2);
    assert!(shown[1].text.contains("18 h") || shown[1].text.contains("hours"), "{}", shown[1].text);
    daemon.kill().await;
}

#[tokio::test]
async fn a_long_answer_comes_in_parts_that_telegram_takes() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    for _ in 0..5 {
        ask(&platform, place, &diver, DEPTH).await;
    }
    platform.say(place, &diver, "/export");
    let shown = messages(&platform, place, 7).await;
    let export = &shown[5..];
    for part in export {
        assert!(part.text.encode_utf16().count() <= 4096);
        assert!(part.entities.iter().any(|entity| entity["type"] == "pre"), "code stays code in every part");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn while_a_model_writes_the_diver_sees_it_grow_in_one_message() {
    let platform = platform().await;
    let slow =
        Script { first_token: Duration::from_millis(1200), between: Duration::from_millis(60), ..Script::default() };
    let model = models::start(slow).await;
    let mut setup = setup(&platform);
    models::with_model(&mut setup, &model);
    let daemon = setup.start().await;
    let (diver, place) = (ada(), platform.private(&ada()));
    platform.say(place, &diver, DEPTH);
    let placeholder = platform.until(SOON, |p| p.shown(place).pop()).await.expect("a placeholder");
    assert!(!placeholder.text.contains("Sources"), "{}", placeholder.text);
    let last = platform.until(SOON, |p| p.shown(place).pop().filter(|shown| shown.text.contains("Sources"))).await;
    let last = last.expect("the placeholder becomes the answer");
    assert_eq!(last.message_id, placeholder.message_id);
    assert_eq!(platform.shown(place).len(), 1);
    let edits: Vec<_> = platform.calls_of("editMessageText").into_iter().filter(|call| call.status == 200).collect();
    for pair in edits[..edits.len() - 1].windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= Duration::from_millis(1400), "edits are spaced: {gap:?}");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn the_first_sign_comes_at_once() {
    let platform = platform().await;
    let setup = setup(&platform).with("LANES__SETTLE_MS", "1500");
    let daemon = setup.start().await;
    let mut waits = Vec::new();
    for id in 100..140 {
        let diver = Person::new(id, "Diver", "en");
        let place = platform.private(&diver);
        let began = std::time::Instant::now();
        platform.say(place, &diver, DEPTH);
        let typing = |call: &dovvybuddy_fakes::telegram::Call| call.parameters["chat_id"] == id;
        let seen = platform.until(SOON, |p| p.calls_of("sendChatAction").into_iter().find(typing)).await;
        waits.push(seen.expect("typing").at.duration_since(began));
    }
    waits.sort();
    let p95 = waits[waits.len() * 95 / 100];
    println!("first visible sign: p50 {:?}, p95 {p95:?}", waits[waits.len() / 2]);
    assert!(p95 <= at_most(Duration::from_millis(300)), "p95 {p95:?}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_lead_is_taken_step_by_step_and_can_be_called_off() {
    let platform = platform().await;
    let (setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let answer = ask(&platform, place, &diver, DEPTH).await;
    let query = press(&platform, &diver, &answer, "connect");
    answered(&platform, &query).await;
    let first = messages(&platform, place, 2).await.pop().unwrap();
    let query = press(&platform, &diver, &first, "cancel");
    answered(&platform, &query).await;
    messages(&platform, place, 3).await;
    let leads: serde_json::Value = setup.json(&["leads", "list", "--json"]).await;
    assert_eq!(leads.as_array().map(Vec::len), Some(0), "{leads}");
    daemon.kill().await;
}
