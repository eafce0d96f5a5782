//! A replica that stands still in the middle of its work, on a platform that sends the same message twice if asked.

use std::time::Duration;

use dovvybuddy_fakes::postgres::Database;
use dovvybuddy_fakes::telegram::{FakeTelegram, Person, Place};
use serde_json::Value;

use super::{Fleet, seconds_from};
use crate::models;
use crate::postgres::on;
use crate::support::{Daemon, Setup};
use crate::telegram::{DEPTH, TOKEN, confirmed, platform};
use crate::wire::{PATIENCE, eventually};

/// Divers whose answers are being written when it stands still, and those who write meanwhile.
const BEFORE: i64 = 6;
const MEANWHILE: i64 = 6;

fn setup(database: &Database, platform: &FakeTelegram) -> Setup {
    let mut setup = on(database).with("LANES__SETTLE_MS", "0").with("TELEGRAM__API_URL", &platform.url());
    setup.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    setup
}

fn writes(platform: &FakeTelegram, n: i64) -> Place {
    let person = Person::new(500 + n, &format!("Diver {n}"), "en");
    let place = platform.private(&person);
    platform.say(place, &person, DEPTH);
    place
}

async fn running(daemon: &Daemon) -> u64 {
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    status["turns_running"].as_u64().unwrap()
}

/// Whoever works on the most.
async fn busiest(fleet: &Fleet) -> usize {
    let mut all = Vec::new();
    for (n, daemon) in fleet.daemons.iter().enumerate() {
        all.push((running(daemon.as_ref().unwrap()).await, n));
    }
    all.into_iter().max().unwrap().1
}

/// How long whoever woke up is watched for what it still does.
const AFTERWARDS: Duration = Duration::from_secs(3);

fn texts(platform: &FakeTelegram, places: &[Place]) -> Vec<Vec<String>> {
    places.iter().map(|place| platform.shown(*place).into_iter().map(|shown| shown.text).collect()).collect()
}

/// Every place has a reply that is no placeholder.
fn answered(platform: &FakeTelegram, places: &[Place]) -> bool {
    texts(platform, places).iter().all(|texts| texts.iter().any(|text| !text.ends_with('…')))
}

/// `REPLICA_STANDSTILL` seconds, more than the ten after which it is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stood_still_and_wakes_up_sends_nothing_twice() {
    let (database, platform) = (Database::create().await.unwrap(), platform().await);
    let model = models::start(models::slow(Duration::from_secs(5))).await;
    let setups = (0..3).map(|_| {
        let mut setup = setup(&database, &platform);
        models::with_model(&mut setup, &model);
        setup
    });
    let fleet = Fleet::start(setups.collect()).await;
    let mut places: Vec<Place> = (0..BEFORE).map(|n| writes(&platform, n)).collect();
    // On a busy machine the first reply may be whole before the last is begun; half of them at once are enough.
    eventually("the models write", PATIENCE, async || {
        (model.counts().in_flight >= BEFORE.unsigned_abs() / 2).then_some(())
    })
    .await;
    let still = busiest(&fleet).await;
    let asleep = fleet.daemons[still].as_ref().unwrap();
    asleep.signal("STOP");
    places.extend((BEFORE..BEFORE + MEANWHILE).map(|n| writes(&platform, n)));
    tokio::time::sleep(seconds_from("REPLICA_STANDSTILL", 14)).await;
    asleep.signal("CONT");

    let told = platform.until(PATIENCE, |p| answered(p, &places).then_some(())).await;
    assert!(told.is_some(), "everybody has a reply: {:#?}", texts(&platform, &places));
    confirmed(&platform).await;
    for daemon in fleet.daemons.iter().flatten() {
        daemon.at_rest().await;
    }
    let shown = texts(&platform, &places);
    assert!(shown.iter().all(|texts| texts.len() == 1), "each once: {shown:#?}");
    tokio::time::sleep(AFTERWARDS).await;
    assert_eq!(texts(&platform, &places), shown, "nothing is written over a reply");
    assert!(answered(&platform, &places), "{shown:#?}");
    let turns = super::counted(&database.url(), "SELECT count(*) FROM turns").await;
    assert_eq!(turns, BEFORE + MEANWHILE);
    fleet.end().await;
}
