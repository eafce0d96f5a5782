//! Among others: groups, topics, and what is private there.

use dovvybuddy_fakes::telegram::Person;

use super::{ALARM, DEPTH, SOON, ada, ask, confirmed, messages, platform, start};

#[tokio::test]
async fn in_a_group_it_speaks_when_spoken_to() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let diver = ada();
    let club = platform.supergroup(-1001, "Dive club");
    platform.say(club, &diver, "Who dives tomorrow?");
    platform.say(club, &diver, DEPTH);
    let question = platform.say(club, &diver, &format!("@dovvy_test_bot {DEPTH}"));
    let shown = messages(&platform, club, 1).await;
    assert_eq!(shown.len(), 1, "nobody else was answered");
    assert!(shown[0].text.contains("18"), "{}", shown[0].text);
    assert_eq!(shown[0].reply_to, Some(question), "the answer stands under its question");
    platform.reply(club, &Person::new(8, "Ben", "en"), shown[0].message_id, "And an advanced open water diver?");
    let next = messages(&platform, club, 2).await;
    assert!(next[1].text.contains("30"), "{}", next[1].text);
    platform.say(club, &diver, &format!("@dovvy_test_bot {ALARM}"));
    let alarm = messages(&platform, club, 3).await;
    assert!(alarm[2].text.contains("oxygen"), "{}", alarm[2].text);
    confirmed(&platform).await;
    daemon.kill().await;
}

#[tokio::test]
async fn each_topic_is_a_session_of_its_own() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let diver = ada();
    let [trips, gear] = platform.forum(-1002, "Forum", &[5, 6])[..] else { panic!("two topics") };
    let answer = ask(&platform, trips, &diver, &format!("@dovvy_test_bot {DEPTH}")).await;
    assert_eq!(answer.place, trips);
    let sources = ask(&platform, trips, &diver, "/sources").await;
    assert!(sources.text.contains("open-water-diver.md"), "{}", sources.text);
    let elsewhere = ask(&platform, gear, &diver, "/sources").await;
    assert!(!elsewhere.text.contains("open-water-diver.md"), "nothing was asked here: {}", elsewhere.text);
    daemon.kill().await;
}

#[tokio::test]
async fn what_is_private_is_answered_in_private_or_pointed_there() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (ada, ben) = (ada(), Person::new(8, "Ben", "de"));
    let club = platform.supergroup(-1003, "Dive club");
    let private = platform.private(&ada);
    platform.say(club, &ada, "/profile");
    messages(&platform, private, 1).await;
    assert!(platform.shown(club).is_empty(), "{:#?}", platform.shown(club));
    // Ben never started the bot; it may not write to him first.
    platform.say(club, &ben, "/export@dovvy_test_bot");
    let hint = messages(&platform, club, 1).await;
    assert!(hint[0].text.contains("https://t.me/dovvy_test_bot?start=export"), "{}", hint[0].text);
    confirmed(&platform).await;
    daemon.kill().await;
}

#[tokio::test]
async fn a_group_that_becomes_a_supergroup_is_answered_where_it_is_now() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let diver = ada();
    let club = platform.group(-9, "Dive club");
    ask(&platform, club, &diver, &format!("@dovvy_test_bot {DEPTH}")).await;
    // The question still comes from the old group, the answer meets the new one.
    platform.say(club, &diver, &format!("@dovvy_test_bot {DEPTH}"));
    platform.migrate(-9, -1009, &diver);
    let moved = dovvybuddy_fakes::telegram::Place::chat(-1009);
    let found = platform.until(SOON, |p| (p.shown(moved).len() + p.shown(club).len() == 2).then_some(())).await;
    assert!(found.is_some(), "{:#?}", platform.shown(moved));
    let sources = ask(&platform, moved, &diver, "/sources").await;
    assert!(sources.text.contains("open-water-diver.md"), "what was said is remembered: {}", sources.text);
    let next = ask(&platform, moved, &diver, &format!("@dovvy_test_bot {DEPTH}")).await;
    assert!(next.text.contains("18"), "{}", next.text);
    confirmed(&platform).await;
    daemon.kill().await;
}

#[tokio::test]
async fn who_blocks_it_is_left_in_peace_and_welcome_again() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    ask(&platform, place, &diver, DEPTH).await;
    platform.say(place, &diver, "/privacy");
    platform.block(place, &diver);
    confirmed(&platform).await;
    let ben = Person::new(8, "Ben", "en");
    ask(&platform, platform.private(&ben), &ben, DEPTH).await;
    let refused = platform.calls_of("sendMessage").iter().filter(|call| call.status == 403).count();
    assert!(refused <= 1, "it does not insist: {refused}");
    platform.unblock(place, &diver);
    let again = ask(&platform, place, &diver, DEPTH).await;
    assert!(again.text.contains("18"), "{}", again.text);
    daemon.kill().await;
}
