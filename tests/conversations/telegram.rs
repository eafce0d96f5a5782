//! Telegram: the real binary against a Telegram of our own.

mod crashes;
mod groups;
mod replicas;
mod talk;
mod trouble;
mod webhook;

use std::net::Ipv4Addr;

use dovvybuddy_fakes::telegram::{self, FakeTelegram, Person, Place, Shown};
use serde_json::Value;

use crate::support::{Daemon, Setup};
use crate::wire::PATIENCE as SOON;

pub(crate) const TOKEN: &str = "4242:telegram-test-token";
pub(crate) const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const FLYING: &str = "How long should I wait before flying after diving?";
pub(crate) const ALARM: &str = "My buddy can't feel his legs after the dive";

pub(crate) async fn platform() -> FakeTelegram {
    telegram::start((Ipv4Addr::LOCALHOST, 0).into(), TOKEN).await.unwrap()
}

/// A daemon that knows the platform; bursts don't settle unless a test says so.
fn setup(platform: &FakeTelegram) -> Setup {
    let mut setup = Setup::slice().with("LANES__SETTLE_MS", "0").with("TELEGRAM__API_URL", &platform.url());
    setup.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    setup
}

async fn start(platform: &FakeTelegram) -> (Setup, Daemon) {
    let setup = setup(platform);
    let daemon = setup.start().await;
    (setup, daemon)
}

pub(crate) fn ada() -> Person {
    Person::new(7, "Ada", "en")
}

/// The messages in a place once there are `n` of them and the newest is no placeholder any more.
pub(crate) async fn messages(platform: &FakeTelegram, place: Place, n: usize) -> Vec<Shown> {
    let finished = |shown: &[Shown]| shown.len() >= n && shown.last().is_some_and(|last| !last.text.ends_with('…'));
    let found = platform.until(SOON, |p| Some(p.shown(place)).filter(|shown| finished(shown))).await;
    found.unwrap_or_else(|| panic!("{n} messages expected, there are {:#?}", platform.shown(place)))
}

/// Says something and waits for the one message that answers it.
pub(crate) async fn ask(platform: &FakeTelegram, place: Place, from: &Person, text: &str) -> Shown {
    let before = platform.shown(place).len();
    platform.say(place, from, text);
    messages(platform, place, before + 1).await.pop().unwrap()
}

/// Presses the button whose data begins so.
pub(crate) fn press(platform: &FakeTelegram, from: &Person, shown: &Shown, data: &str) -> String {
    let button = shown.buttons.iter().find(|(_, token)| token.starts_with(data));
    let (_, token) = button.unwrap_or_else(|| panic!("no button {data} under {shown:#?}"));
    platform.press(shown.place, from, shown.message_id, token)
}

pub(crate) async fn answered(platform: &FakeTelegram, query: &str) {
    let done = platform.until(SOON, |p| p.pressed_was_answered(query).then_some(())).await;
    assert!(done.is_some(), "a pressed button is answered");
}

/// Waits until the platform has nothing left that it was not told to forget.
pub(crate) async fn confirmed(platform: &FakeTelegram) {
    let none = platform.until(SOON, |p| p.waiting().is_empty().then_some(())).await;
    assert!(none.is_some(), "unconfirmed: {:#?}", platform.waiting());
}

pub(crate) async fn status(daemon: &Daemon) -> Value {
    daemon.get("/status").await.unwrap().json().await.unwrap()
}
