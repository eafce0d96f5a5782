//! A platform that is away: the other channels don't notice, and it comes back without a hand.

use std::time::{Duration, Instant};

use dovvybuddy_fakes::telegram::Fault;

use super::Both;
use crate::crashes::number_from;
use crate::discord_support::{QUESTION, ask, said, until};
use crate::telegram::{self, DEPTH};
use crate::wire::{PATIENCE, eventually};

/// What a daemon of ours calls.
const CALLS: [&str; 6] =
    ["getMe", "getUpdates", "sendMessage", "editMessageText", "sendChatAction", "answerCallbackQuery"];
/// A pause of the longest kind with its jitter, and a turn.
const SOON_AGAIN: Duration = Duration::from_secs(50);

/// `OUTAGE_SECONDS` makes it longer.
#[tokio::test]
async fn while_telegram_is_away_nobody_else_notices_and_it_comes_back_by_itself() {
    let both = Both::new().await;
    let daemon = both.start().await;
    let (ada, place) = (telegram::ada(), both.telegram.private(&telegram::ada()));
    telegram::ask(&both.telegram, place, &ada, DEPTH).await;
    let ben = both.discord.user("ben", "en-US");
    let chat = both.discord.direct(ben);

    // One message is taken in before, and must be answered after; one comes meanwhile.
    both.telegram.fail_always("sendMessage", Some(Fault::BadGateway));
    both.telegram.say(place, &ada, "/privacy");
    telegram::confirmed(&both.telegram).await;
    for call in CALLS {
        both.telegram.fail_always(call, Some(Fault::BadGateway));
    }
    both.telegram.say(place, &ada, "/profile");
    let until_then = Instant::now() + Duration::from_secs(number_from("OUTAGE_SECONDS", 4));
    while Instant::now() < until_then {
        let began = Instant::now();
        daemon.ask(None, DEPTH).await;
        ask(&both.discord, ben, chat, QUESTION).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(daemon.get("/ready").await.unwrap().status(), 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for call in CALLS {
        both.telegram.fail_always(call, None);
    }
    let mended = Instant::now();
    let shown = telegram::messages(&both.telegram, place, 3).await;
    println!("all was answered {:?} after the platform came back", mended.elapsed());
    assert!(mended.elapsed() <= SOON_AGAIN, "{:?}", mended.elapsed());
    assert!(shown[2].text.contains("remember"), "in their order: {shown:#?}");
    daemon.kill().await;
}

/// `OUTAGE_SECONDS` makes it longer.
#[tokio::test]
async fn while_discord_is_away_nobody_else_notices_and_it_comes_back_by_itself() {
    let both = Both::new().await;
    let daemon = both.start().await;
    let (ada, place) = (telegram::ada(), both.telegram.private(&telegram::ada()));
    let ben = both.discord.user("ben", "en-US");
    let chat = both.discord.direct(ben);
    ask(&both.discord, ben, chat, QUESTION).await;
    both.discord.down(true);
    both.discord.say(ben, chat, "What is a safety stop?");
    let until_then = Instant::now() + Duration::from_secs(number_from("OUTAGE_SECONDS", 4));
    while Instant::now() < until_then {
        let began = Instant::now();
        telegram::ask(&both.telegram, place, &ada, "/privacy").await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(daemon.get("/ready").await.unwrap().status(), 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    both.discord.down(false);
    let mended = Instant::now();
    let told = said(&both.discord, chat, 2).await;
    println!("what was said meanwhile was answered {:?} after the platform came back", mended.elapsed());
    assert!(mended.elapsed() <= SOON_AGAIN, "{:?}", mended.elapsed());
    assert!(told[1].content.contains("stop"), "{told:#?}");
    daemon.kill().await;
}

/// A poll that never comes back: the loop is alive and deaf.
#[tokio::test]
#[ignore = "takes more than a minute; scripts/soak runs it"]
async fn a_deaf_loop_shows_within_a_minute_and_is_started_again_within_ninety_seconds() {
    let both = Both::new().await;
    let daemon = both.start().await;
    let (ada, place) = (telegram::ada(), both.telegram.private(&telegram::ada()));
    telegram::ask(&both.telegram, place, &ada, "/privacy").await;
    both.telegram.fail_always("getUpdates", Some(Fault::Hang));
    let deaf = Instant::now();
    let ours = async || {
        let status = telegram::status(&daemon).await;
        let channel = status["channels"].as_array()?.iter().find(|c| c["id"] == "telegram")?.clone();
        let restarts = status["loops"].as_array()?.iter().find(|l| l["name"] == "telegram")?["restarts"].as_u64()?;
        Some((channel["state"].as_str()?.to_owned(), restarts))
    };
    let others = ["discord", "dispatch", "outbox"];
    eventually("it shows", Duration::from_mins(2), async || ours().await.filter(|(state, _)| state == "stalled")).await;
    println!("shown after {:?}", deaf.elapsed());
    // The poll that was under way may have been held for 25 s before.
    assert!(deaf.elapsed() <= Duration::from_secs(60 + 25), "{:?}", deaf.elapsed());
    eventually("it is started again", Duration::from_mins(2), async || ours().await.filter(|(_, n)| *n > 0)).await;
    println!("started again after {:?}", deaf.elapsed());
    assert!(deaf.elapsed() <= Duration::from_secs(90 + 25), "{:?}", deaf.elapsed());
    assert_eq!(daemon.get("/ready").await.unwrap().status(), 200);
    let status = telegram::status(&daemon).await;
    for other in others {
        let other = status["loops"].as_array().unwrap().iter().find(|l| l["name"] == other).unwrap();
        assert_eq!((&other["restarts"], &other["stalled"]), (&0.into(), &false.into()), "{other}");
    }
    both.telegram.fail_always("getUpdates", None);
    both.telegram.say(place, &ada, "/profile");
    let again = both.telegram.until(PATIENCE * 2, |p| (p.shown(place).len() == 2).then_some(())).await;
    assert!(again.is_some(), "it hears again");
    until("nothing waits", || both.telegram.waiting().is_empty()).await;
    daemon.kill().await;
}
