//! What every channel must render, rendered for Discord.

#![allow(missing_docs, reason = "tests describe themselves by their names")]

use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::BotId;
use dovvybuddy_core::testkit::channel_contract;
use dovvybuddy_core::testkit::clock::ManualClock;
use dovvybuddy_discord::{DiscordAdapter, DiscordConfig};

#[test]
fn every_reply_is_rendered_into_parts_that_discord_takes() {
    let config = DiscordConfig {
        token: Some("token".to_owned().into()),
        api_url: "http://127.0.0.1:1".to_owned(),
        application_id: None,
        public_key: None,
        gateway: true,
        message_content: false,
        settle: Duration::ZERO,
        bot: BotId::default(),
        most_invalid: dovvybuddy_discord::MOST_INVALID,
    };
    let discord = DiscordAdapter::new(config, Arc::new(ManualClock::default())).unwrap();
    channel_contract::renders(&discord, |part| part["content"].as_str().unwrap().to_owned());
}
