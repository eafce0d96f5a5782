//! A daemon on a fake Discord.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dovvybuddy_fakes::discord::{self, Discord, Said, Settings};

use crate::support::{Daemon, Setup};
use crate::wire::PATIENCE;

/// What the content answers with 18 m.
pub(crate) const QUESTION: &str = "How deep can a PADI Open Water Diver go?";

pub(crate) fn quick() -> Settings {
    Settings { identify_apart: Duration::ZERO, ..Settings::default() }
}

/// The platform, and the setup of a daemon that uses it.
pub(crate) async fn platform(settings: Settings) -> (Discord, Setup) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let token = settings.token.clone();
    let platform = discord::start(address, settings).await.unwrap();
    let mut setup = Setup::slice();
    setup.set("DISCORD__API_URL", &platform.api_url());
    setup.set("LANES__SETTLE_MS", "0");
    setup.variable("DISCORD_TOKEN", &token);
    (platform, setup)
}

/// Both running and connected.
pub(crate) async fn connected(settings: Settings) -> (Discord, Setup, Daemon) {
    let (platform, setup) = platform(settings).await;
    let daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    (platform, setup, daemon)
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the bot said so many things in a channel, and returns them.
pub(crate) async fn said(platform: &Discord, channel: u64, count: usize) -> Vec<Said> {
    until(&format!("{count} replies"), || platform.said(channel).len() >= count).await;
    platform.said(channel)
}

/// Says something and waits for the one reply to it.
pub(crate) async fn ask(platform: &Discord, user: u64, channel: u64, text: &str) -> Said {
    let before = platform.said(channel).len();
    platform.say(user, channel, text);
    said(platform, channel, before + 1).await.swap_remove(before)
}
