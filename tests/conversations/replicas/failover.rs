//! The primary dies and its standby takes over, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dovvybuddy_fakes::pair::Pair;
use reqwest::StatusCode;
use serde_json::json;

use super::{Fleet, QUESTION, Talk, go_on};
use crate::support::Setup;
use crate::wire::{PATIENCE, eventually};

const ALARM: &str = "my buddy can't feel his legs after the dive";

/// Clients, and how often each of them writes.
const TALKS: usize = 8;
const PACE: Duration = Duration::from_millis(100);

async fn doctor(setup: &Setup) -> String {
    let (_, told, _) = setup.run(&["doctor"]).await;
    told.lines().find(|line| line.contains("durability:")).unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// What was acknowledged is on the standby; what can't be taken is told so, but for emergencies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_nothing_acknowledged_is_lost_or_answered_twice() {
    let pair = Pair::start().await.unwrap();
    let setup = || {
        let mut setup = Setup::slice();
        setup.variable("DATABASE_URL", &pair.url());
        setup
    };
    let spare = setup();
    spare.ok(&["migrate"]).await;
    let told = doctor(&spare).await;
    assert!(told.starts_with("warn") && told.contains("asynchronous"), "{told}");
    pair.wait_for_standby().await.unwrap();
    let told = doctor(&spare).await;
    assert!(told.starts_with("ok"), "{told}");

    let fleet = Fleet::start(vec![setup(), setup()]).await;
    let mut all: Vec<Talk> = fleet.talks(TALKS).await;
    let (over, bases) = (AtomicBool::new(false), Arc::clone(&fleet.bases));
    let talking = go_on(&mut all, &bases, PACE, &over);
    let failing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.crash().await.unwrap();
        let question = json!({ "message": QUESTION });
        let (alarmed, refused) = tokio::join!(
            async {
                let asked = Instant::now();
                let alarm = fleet.any().ask(None, ALARM).await;
                (alarm, asked.elapsed())
            },
            fleet.any().post("/api/chat", &question),
        );
        let (alarm, took) = alarmed;
        assert_eq!(alarm["metadata"]["degraded"], json!(["store"]), "{alarm}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));

        pair.promote().await.unwrap();
        let promoted = Instant::now();
        for daemon in fleet.daemons.iter().flatten() {
            eventually("it is ready, unaided", PATIENCE, async || {
                (daemon.get("/ready").await.unwrap().status() == StatusCode::OK).then_some(())
            })
            .await;
        }
        println!("both replicas were ready {:?} after the promotion", promoted.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(talking, failing);
    let messages = fleet.check(&pair.url(), &all).await;
    println!("a failover, {messages} messages: 0 lost, 0 second turns, 0 inversions");
    fleet.end().await;
}
