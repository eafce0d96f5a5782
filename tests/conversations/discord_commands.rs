//! Slash commands and buttons, over the gateway and over signed HTTP.

use std::time::Duration;

use dovvybuddy_fakes::discord::{self, Answered, Discord};
use reqwest::StatusCode;
use serde_json::json;

use crate::discord_support::{QUESTION, ask, connected, platform, quick, said, until};
use crate::support::Daemon;

const THINKING: u64 = 5;

/// Waits until an interaction was answered in words.
pub(crate) async fn answered(platform: &Discord, token: &str) -> Answered {
    let words = |a: &Answered| a.message.as_ref().is_some_and(|m| !m.content.is_empty());
    until("words for an interaction", || platform.answered(token).is_some_and(|a| words(&a))).await;
    platform.answered(token).unwrap()
}

#[tokio::test]
async fn commands_are_registered_in_the_divers_languages() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    until("the commands", || platform.commands().as_array().is_some_and(|c| !c.is_empty())).await;
    let commands = platform.commands();
    let names: Vec<&str> = commands.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ask", "new", "profile", "sources", "link", "privacy", "export", "forget", "help"]);
    assert_eq!(commands[0]["name_localizations"]["de"], "frage");
    assert_ne!(commands[0]["description_localizations"]["ja"], commands[0]["description"]);
}

#[tokio::test]
async fn a_question_by_command_is_acknowledged_in_time_and_answered_for_all() {
    let (platform, setup) = platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let token = platform.slash(ada, channel, "ask", &[("question", QUESTION)]).await;
    let answer = answered(&platform, &token).await;
    assert_eq!((answer.kind, answer.ephemeral), (THINKING, false));
    assert!(answer.after < Duration::from_secs(3), "{:?}", answer.after);
    let message = answer.message.unwrap();
    assert!(message.content.contains("18") && message.only_for.is_none(), "{message:?}");
    assert_eq!(platform.said(channel).len(), 1);
}

#[tokio::test]
async fn private_commands_are_answered_for_the_sender_alone_in_their_language() {
    let (platform, setup) = platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let berta = platform.user("berta", "de");
    for name in ["profile", "privacy", "export", "help", "forget"] {
        let token = platform.slash(berta, channel, name, &[]).await;
        let answer = answered(&platform, &token).await;
        assert_eq!((answer.kind, answer.ephemeral), (THINKING, true), "{name}");
        let message = answer.message.unwrap();
        assert_eq!(message.only_for, Some(berta), "{name}: {message:?}");
        if name == "help" {
            assert!(message.content.contains("Tauch"), "{}", message.content);
        }
    }
}

#[tokio::test]
async fn an_emergency_by_command_is_answered_at_once() {
    let (platform, setup) = platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    let words = "My buddy can't feel his legs after the dive";
    let token = platform.slash(ada, channel, "ask", &[("question", words)]).await;
    let answer = answered(&platform, &token).await;
    assert!(answer.message.unwrap().content.contains("oxygen"));
}

#[tokio::test]
async fn forged_buttons_and_unknown_commands_do_nothing() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let answer = ask(&platform, ada, chat, QUESTION).await;
    let pressed = platform.press(ada, answer.id, "forget:everyone").await;
    until("an answer to the press", || platform.answered(&pressed).is_some()).await;
    assert_eq!(platform.answered(&pressed).unwrap().kind, 6);
    let token = platform.slash(ada, chat, "dance", &[]).await;
    assert!(answered(&platform, &token).await.ephemeral);
}

/// A daemon that takes interactions over HTTP.
async fn over_http() -> (Discord, crate::support::Setup, Daemon) {
    let (platform, mut setup) = platform(quick()).await;
    setup.set("DISCORD__PUBLIC_KEY", &discord::public_key());
    let daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let taken = platform.set_endpoint(&format!("{}/webhooks/discord", daemon.base)).await;
    assert!(taken, "PING is answered, and a bad signature refused");
    (platform, setup, daemon)
}

#[tokio::test]
async fn interactions_over_http_are_answered_as_those_of_the_gateway() {
    let (platform, _setup, _daemon) = over_http().await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let token = platform.slash(ada, chat, "ask", &[("question", QUESTION)]).await;
    let answer = answered(&platform, &token).await;
    assert_eq!(answer.kind, THINKING);
    assert!(answer.message.unwrap().content.contains("18"));
}

/// The key alone switches them on: an interaction brings the right to answer it.
#[tokio::test]
async fn interactions_over_http_need_no_token() {
    let (platform, mut setup) = platform(quick()).await;
    setup.set("DISCORD__PUBLIC_KEY", &discord::public_key());
    setup.variable("DISCORD_TOKEN", "");
    let daemon = setup.start().await;
    assert!(platform.set_endpoint(&format!("{}/webhooks/discord", daemon.base)).await);
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let token = platform.slash(ada, chat, "ask", &[("question", QUESTION)]).await;
    let answer = answered(&platform, &token).await;
    assert!(answer.message.unwrap().content.contains("18"));
    let token = platform.slash(ada, chat, "ask", &[("question", "My buddy can't feel his legs after the dive")]).await;
    let answer = answered(&platform, &token).await;
    assert!(answer.message.unwrap().content.contains("oxygen"));
    assert!(!platform.connected() && platform.requests().iter().all(|request| request.status != 401));
}

#[tokio::test]
async fn a_request_that_discord_did_not_sign_is_refused_and_leaves_nothing() {
    let (platform, _setup, daemon) = over_http().await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let body = json!({
        "id": "80", "application_id": platform.application().to_string(), "type": 2, "token": "forged", "version": 1,
        "channel_id": chat.to_string(), "user": { "id": ada.to_string(), "username": "ada" },
        "data": { "id": "1", "name": "forget", "type": 1 },
    })
    .to_string();
    let at = "1795161600";
    let good = discord::sign(at, body.as_bytes());
    let mut mutated = good.clone().into_bytes();
    mutated[5] = if mutated[5] == b'0' { b'1' } else { b'0' };
    let mutated = String::from_utf8(mutated).unwrap();
    for (signature, timestamp) in [(mutated.as_str(), at), (good.as_str(), "1795161601"), ("", at), ("zz", at)] {
        let request = daemon.client.post(format!("{}/webhooks/discord", daemon.base)).body(body.clone());
        let request = request.header("X-Signature-Ed25519", signature).header("X-Signature-Timestamp", timestamp);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let unsigned = daemon.client.post(format!("{}/webhooks/discord", daemon.base)).body(body);
    assert_eq!(unsigned.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    ask(&platform, ada, chat, QUESTION).await;
    assert_eq!(said(&platform, chat, 1).await.len(), 1);
}

#[tokio::test]
async fn the_buttons_under_an_answer_do_what_they_say() {
    let (platform, setup) = platform(quick()).await;
    let (_, channel) = platform.guild("Reef Club");
    let _daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let ada = platform.user("ada", "en-US");
    platform.mention(ada, channel, QUESTION);
    let answer = said(&platform, channel, 1).await.swap_remove(0);
    let button = |begins: &str| {
        let found = answer.buttons.iter().find(|(_, id)| id.starts_with(begins));
        found.unwrap_or_else(|| panic!("no {begins} in {:?}", answer.buttons)).1.clone()
    };
    let rated = platform.press(ada, answer.id, &button("up:")).await;
    let thanks = answered(&platform, &rated).await;
    assert!(thanks.ephemeral && thanks.kind == 4, "{thanks:?}");

    // Names and addresses are not asked for where everybody reads.
    let pressed = platform.press(ada, answer.id, &button("connect")).await;
    assert!(answered(&platform, &pressed).await.ephemeral);
    let first = said(&platform, platform.direct(ada), 1).await.swap_remove(0);
    assert!(!first.buttons.is_empty() && first.content.contains("course"), "{first:?}");
    assert_eq!(platform.said(channel).iter().filter(|m| m.only_for.is_none()).count(), 1);
}
