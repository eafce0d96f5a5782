//! Acknowledging while nothing else moves.

use std::time::{Duration, Instant};

use dovvybuddy_core::testkit::at_most;
use dovvybuddy_fakes::model::{Fault, Script};
use futures::future::join_all;

use super::{Call, receiver, said, setup};
use crate::crashes::number_from;

/// How many calls a second make the figure, and for how long.
const RATE: u64 = 100;
const SECONDS: u32 = 5;

/// The slowest hundredth.
const P99: Duration = Duration::from_millis(100);

/// `ACK_RATE` makes it more: 100 is the figure. A build that is not optimised takes fewer beside other tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_at_once_while_every_model_hangs() {
    let receiver = receiver().await;
    let model = crate::models::start(Script::failing(Fault::Hang)).await;
    let mut setup = setup(&receiver);
    crate::models::with_model(&mut setup, &model);
    let daemon = setup.start().await;
    let rate = u32::try_from(number_from("ACK_RATE", if cfg!(debug_assertions) { 10 } else { RATE })).unwrap();
    let began = Instant::now();
    let calls = (0..rate * SECONDS).map(|n| {
        let daemon = &daemon;
        async move {
            tokio::time::sleep_until((began + Duration::from_secs(1) * n / rate).into()).await;
            let call = Call::new(&format!("msg_{n}"), &said(&format!("room-{n}"), "What is a safety stop for?"));
            let sent = Instant::now();
            assert_eq!(call.post(daemon).await.status(), 202);
            sent.elapsed()
        }
    });
    let mut took = join_all(calls).await;
    took.sort_unstable();
    let at = |permille: usize| took[(took.len() * permille / 1000).min(took.len() - 1)];
    println!("acknowledged: p50 {:?}, p99 {:?}, most {:?}", at(500), at(990), at(999));
    assert!(at(990) <= at_most(P99), "p99 {:?}", at(990));
    daemon.kill().await;
}
