//! Power cuts between a call and its reply.

#[cfg(feature = "failpoints")]
use super::{ALARM, Call, DEPTH, receiver, replies, said, say, setup, text, wait_for};

#[cfg(feature = "failpoints")]
const POINTS: [&str; 6] = ["accepted", "claimed", "answered", "finished", "part_started", "part_sent"];

/// A call whose connection may break; whether it was taken.
#[cfg(feature = "failpoints")]
async fn call(daemon: &crate::support::Daemon, id: &str, words: &str) -> bool {
    let call = Call::new(id, &said("c", words));
    let request = daemon
        .client
        .post(format!("{}/webhooks/crm", daemon.base))
        .header("content-type", "application/json")
        .header("webhook-id", &call.id)
        .header("webhook-timestamp", &call.at)
        .header("webhook-signature", call.signature.as_deref().unwrap_or_default())
        .body(call.body.clone());
    request.send().await.is_ok_and(|response| response.status() == 202)
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_a_reply_is_neither_lost_nor_doubled() {
    for point in POINTS {
        let receiver = receiver().await;
        let mut setup = setup(&receiver);
        setup.set("FAILPOINT", &format!("{point}:1"));
        let daemon = setup.start().await;
        let taken = call(&daemon, "msg_1", DEPTH).await;
        daemon.ended().await;
        assert!(setup.log_text().contains(&format!("failpoint {point} fired")), "{point}");
        setup.set("FAILPOINT", "none");
        let daemon = setup.start().await;
        if !taken {
            // As a sender does that got no answer.
            assert!(call(&daemon, "msg_1", DEPTH).await, "{point}");
        }
        assert!(text(&wait_for(&receiver, 1).await[0]).contains("18"), "{point}");
        say(&daemon, "msg_2", "c", "/privacy").await;
        let most = if point == "part_sent" { 3 } else { 2 };
        wait_for(&receiver, most).await;
        let mut ids: Vec<String> =
            receiver.deliveries().iter().map(|d| d.header("webhook-id").unwrap_or_default().to_owned()).collect();
        assert_eq!(ids.len(), most, "{point}: {ids:?}");
        ids.dedup();
        assert_eq!(ids.len(), 2, "{point}: one that comes twice has one id: {ids:?}");
        daemon.kill().await;
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_while_an_emergency_is_stored_it_is_said_at_the_next_start() {
    let receiver = receiver().await;
    let mut setup = setup(&receiver);
    setup.set("FAILPOINT", "emergency_stored:1");
    let daemon = setup.start().await;
    call(&daemon, "msg_1", ALARM).await;
    daemon.ended().await;
    setup.set("FAILPOINT", "none");
    let daemon = setup.start().await;
    assert!(text(&wait_for(&receiver, 1).await[0]).contains("oxygen"));
    assert!(call(&daemon, "msg_1", ALARM).await);
    say(&daemon, "msg_2", "d", "/privacy").await;
    wait_for(&receiver, 2).await;
    assert_eq!(replies(&receiver).len(), 2);
    daemon.kill().await;
}
