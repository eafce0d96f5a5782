//! Acknowledging while nothing else moves.

use std::time::{Duration, Instant};

use dovvybuddy_fakes::model::{Fault, Script};
use futures::future::join_all;

use super::{Call, receiver, said, setup};

/// How many calls a second, for how long. A build that is not optimised reads each message a hundred times slower,
/// beside other tests.
const RATE: u32 = if cfg!(debug_assertions) { 10 } else { 100 };
const SECONDS: u32 = 5;
/// The slowest hundredth.
const P99: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_at_once_while_every_model_hangs() {
    let receiver = receiver().await;
    let model = crate::models::start(Script::failing(Fault::Hang)).await;
    let mut setup = setup(&receiver);
    crate::models::with_model(&mut setup, &model);
    let daemon = setup.start().await;
    let began = Instant::now();
    let calls = (0..RATE * SECONDS).map(|n| {
        let daemon = &daemon;
        async move {
            tokio::time::sleep_until((began + Duration::from_secs(1) * n / RATE).into()).await;
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
    assert!(at(990) <= P99, "p99 {:?}", at(990));
    daemon.kill().await;
}
