//! Power cuts between Telegram and its answer.

#[cfg(feature = "failpoints")]
use super::{DEPTH, TOKEN, ada, confirmed, messages, platform, setup};

/// Where the process dies, and how often the answer may be seen afterwards: only after a send whose
/// receipt was lost it may be seen twice.
#[cfg(feature = "failpoints")]
const POINTS: [(&str, usize); 6] =
    [("accepted", 1), ("claimed", 1), ("answered", 1), ("finished", 1), ("part_started", 1), ("part_sent", 2)];

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_an_answer_is_neither_lost_nor_doubled() {
    for (point, most) in POINTS {
        let platform = platform().await;
        let mut setup = setup(&platform);
        setup.set("FAILPOINT", &format!("{point}:1"));
        let daemon = setup.start().await;
        let (diver, place) = (ada(), platform.private(&ada()));
        platform.say(place, &diver, DEPTH);
        daemon.ended().await;
        assert!(setup.log_text().contains(&format!("failpoint {point} fired")), "{point}");
        setup.set("FAILPOINT", "none");
        let daemon = setup.start().await;
        messages(&platform, place, most).await;
        confirmed(&platform).await;
        platform.say(place, &diver, "/privacy");
        let shown = messages(&platform, place, most + 1).await;
        let answers = shown.iter().filter(|shown| shown.text.contains("Sources:")).count();
        assert_eq!((answers, shown.len()), (most, most + 1), "{point}: {shown:#?}");
        assert!(!setup.log_text().contains(TOKEN));
        daemon.kill().await;
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_while_an_emergency_is_stored_it_is_said_at_the_next_start() {
    let platform = platform().await;
    let mut setup = setup(&platform);
    setup.set("FAILPOINT", "emergency_stored:1");
    let daemon = setup.start().await;
    let (diver, place) = (ada(), platform.private(&ada()));
    platform.say(place, &diver, super::ALARM);
    daemon.ended().await;
    setup.set("FAILPOINT", "none");
    let daemon = setup.start().await;
    let shown = messages(&platform, place, 1).await;
    assert!(shown[0].text.contains("oxygen"), "{}", shown[0].text);
    confirmed(&platform).await;
    assert_eq!(platform.shown(place).len(), 1);
    daemon.kill().await;
}
