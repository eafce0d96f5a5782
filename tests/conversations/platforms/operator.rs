//! The operator's chat on either platform, end to end.

use std::time::Duration;

use dovvybuddy_fakes::telegram::Person;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Both;
use crate::discord_support::{said, until};
use crate::support::Daemon;
use crate::telegram::{self, ALARM};
use crate::wire::{PATIENCE, eventually};

/// How soon the operator knows.
const OF_A_LEAD: Duration = Duration::from_secs(10);
const OF_AN_EMERGENCY: Duration = Duration::from_secs(5);

async fn leave_a_lead(daemon: &Daemon) {
    let data = json!({ "name": "Ana Sol", "email": "ana@example.com", "destination": "Komodo" });
    let response = daemon.post("/api/leads", &json!({ "type": "trip", "data": data })).await;
    assert_eq!(response.status(), 201);
}

async fn doctor(both: &Both) -> Value {
    let (_, out, _) = both.setup.run(&["doctor", "--json"]).await;
    let findings: Value = serde_json::from_str(&out).unwrap();
    findings.as_array().unwrap().iter().find(|f| f["check"] == "operator chat").expect("it is looked at").clone()
}

#[tokio::test]
async fn a_telegram_group_is_told_in_its_language_until_somebody_has_seen_it() {
    let mut both = Both::new().await;
    let club = both.telegram.supergroup(-1007, "Duty");
    both.setup.set("OPERATOR__CHAT", "telegram:-1007").set("OPERATOR__LANGUAGE", "de");
    let daemon = both.start().await;
    let ada = both.discord.user("ada", "en-US");
    let chat = both.discord.direct(ada);
    let began = Instant::now();
    both.discord.say(ada, chat, ALARM);
    said(&both.discord, chat, 1).await;
    let alert = telegram::messages(&both.telegram, club, 1).await.pop().unwrap();
    println!("an emergency was told after {:?}", began.elapsed());
    assert!(began.elapsed() <= OF_AN_EMERGENCY, "{:?}", began.elapsed());
    assert!(alert.text.contains("NOTFALL") && alert.text.contains("can't feel his legs"), "{}", alert.text);

    let olga = Person::new(77, "Olga", "de");
    let query = telegram::press(&both.telegram, &olga, &alert, "ack:");
    telegram::answered(&both.telegram, &query).await;
    let seen = both.telegram.until(PATIENCE, |p| p.shown(club).pop().filter(|m| m.edits > 0)).await.expect("an edit");
    assert!(seen.text.contains("✓ Gesehen: Olga") && seen.text.contains("can't feel his legs"), "{}", seen.text);
    assert_eq!(seen.buttons, []);
    // Somebody whose screen still shows the button presses it too.
    let edits = both.telegram.calls_of("editMessageText").len();
    telegram::press(&both.telegram, &Person::new(78, "Otto", "de"), &alert, "ack:");
    until("who saw it is shown again", || both.telegram.calls_of("editMessageText").len() > edits).await;
    let seen = both.telegram.shown(club).pop().unwrap();
    assert!(seen.text.contains("✓ Gesehen: Olga") && !seen.text.contains("Otto"), "{}", seen.text);

    let began = Instant::now();
    leave_a_lead(&daemon).await;
    let lead = telegram::messages(&both.telegram, club, 2).await.pop().unwrap();
    println!("a lead was told after {:?}", began.elapsed());
    assert!(began.elapsed() <= OF_A_LEAD, "{:?}", began.elapsed());
    assert!(lead.text.contains("Ana Sol") && lead.text.contains("ana@example.com"), "{}", lead.text);
    daemon.kill().await;
    assert_eq!(doctor(&both).await["state"], "ok");
    both.setup.set("OPERATOR__CHAT", "telegram:-1008");
    assert_eq!(doctor(&both).await["state"], "fail");
}

#[tokio::test]
async fn a_discord_channel_is_told_and_a_second_operator_sees_who_took_it() {
    let mut both = Both::new().await;
    let (_, desk) = both.discord.guild("Duty");
    both.setup.set("OPERATOR__CHAT", &format!("discord:{desk}"));
    let daemon = both.start().await;
    let (ada, place) = (telegram::ada(), both.telegram.private(&telegram::ada()));
    let began = Instant::now();
    both.telegram.say(place, &ada, ALARM);
    let alert = said(&both.discord, desk, 1).await.swap_remove(0);
    println!("an emergency was told after {:?}", began.elapsed());
    assert!(began.elapsed() <= OF_AN_EMERGENCY, "{:?}", began.elapsed());
    assert!(alert.content.contains("EMERGENCY") && alert.content.contains("can't feel his legs"), "{}", alert.content);

    let (_, button) = alert.buttons.iter().find(|(_, id)| id.starts_with("ack:")).expect("a button");
    let olga = both.discord.user("olga", "en-US");
    both.discord.press(olga, alert.id, button).await;
    until("the alert shows who took it", || !both.discord.said(desk)[0].edits.is_empty()).await;
    let seen = both.discord.said(desk).swap_remove(0);
    assert!(seen.content.contains("✓ Seen: olga") && seen.content.contains("can't feel his legs"), "{}", seen.content);
    assert_eq!(seen.buttons, []);
    let otto = both.discord.user("otto", "en-US");
    both.discord.press(otto, alert.id, button).await;
    until("his press is answered", || both.discord.said(desk)[0].edits.len() > 1).await;
    let seen = both.discord.said(desk).swap_remove(0);
    assert!(seen.content.contains("✓ Seen: olga") && !seen.content.contains("otto"), "{}", seen.content);

    let began = Instant::now();
    leave_a_lead(&daemon).await;
    let lead = said(&both.discord, desk, 2).await.swap_remove(1);
    println!("a lead was told after {:?}", began.elapsed());
    assert!(began.elapsed() <= OF_A_LEAD, "{:?}", began.elapsed());
    assert!(lead.content.contains("Ana Sol"), "{}", lead.content);
    daemon.kill().await;
    assert_eq!(doctor(&both).await["state"], "ok");
    both.setup.set("OPERATOR__CHAT", "discord:1");
    assert_eq!(doctor(&both).await["state"], "fail");
}

/// Takes more than a minute: the first repeat comes after one.
#[tokio::test]
#[ignore = "takes more than a minute; scripts/soak runs it"]
async fn an_emergency_nobody_has_seen_is_told_again() {
    let mut both = Both::new().await;
    let club = both.telegram.supergroup(-1007, "Duty");
    both.setup.set("OPERATOR__CHAT", "telegram:-1007");
    let daemon = both.start().await;
    let ada = both.discord.user("ada", "en-US");
    both.discord.say(ada, both.discord.direct(ada), ALARM);
    let first = telegram::messages(&both.telegram, club, 1).await.pop().unwrap();
    let again =
        eventually("it is told again", Duration::from_secs(75), async || both.telegram.shown(club).get(1).cloned());
    let again = again.await;
    let apart = again.sent_at.duration_since(first.sent_at);
    assert!(apart >= Duration::from_secs(59), "{apart:?}");
    telegram::press(&both.telegram, &Person::new(77, "Olga", "en"), &again, "ack:");
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!(both.telegram.shown(club).len(), 2, "and no more once it was seen");
    daemon.kill().await;
}
