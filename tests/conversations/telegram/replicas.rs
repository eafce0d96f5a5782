//! Several replicas with one token: one polls, another takes over, and every message is answered once.

use std::time::{Duration, Instant};

use dovvybuddy_fakes::postgres::Database;

use super::{DEPTH, FLYING, ada, platform, setup};

const TAKEOVER: Duration = Duration::from_secs(15);

#[tokio::test]
async fn one_replica_polls_and_when_it_dies_another_does() {
    let (database, platform) = (Database::create().await.unwrap(), platform().await);
    let mut setups = [setup(&platform), setup(&platform), setup(&platform)];
    for setup in &mut setups {
        setup.database_is(&database);
    }
    let [one, two, three] = &setups;
    let (one, two, three) = tokio::join!(one.start(), two.start(), three.start());
    let (diver, place) = (ada(), platform.private(&ada()));
    let mut expected = 0;
    let mut ask = async |text: &str| {
        let asked = Instant::now();
        platform.say(place, &diver, text);
        expected += 1;
        let told = platform.until(TAKEOVER, |p| (p.shown(place).len() >= expected).then_some(())).await;
        assert!(told.is_some(), "no reply after {:?}", asked.elapsed());
    };
    ask(DEPTH).await;
    for setup in &setups {
        assert!(!setup.log_text().contains("another process polls"), "{}", setup.log_text());
    }
    // Whichever of them polled: with two gone it was one of those, or it is left.
    one.kill().await;
    ask(FLYING).await;
    two.kill().await;
    ask("And for how long is a safety stop?").await;
    assert_eq!(platform.shown(place).len(), 3, "each once");
    three.kill().await;
}
