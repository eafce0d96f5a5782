use async_trait::async_trait;

use super::*;
use crate::clock::Timestamp;
use crate::ids::{BotId, ChannelId, DiverKey};
use crate::session::Session;
use crate::store::StoreError;

/// A store in which nothing ever ends.
struct Nothing;

#[async_trait]
impl Sessions for Nothing {
    async fn session(&self, _: &ConversationKey, _: &DiverKey, _: usize) -> Result<Option<Session>, StoreError> {
        Ok(None)
    }

    async fn session_by_id(&self, _: &BotId, _: SessionId, _: usize) -> Result<Option<Session>, StoreError> {
        Ok(None)
    }

    async fn open_session(&self, _: &Session) -> Result<(), StoreError> {
        Ok(())
    }

    async fn move_session(&self, _: &ConversationKey, _: &ConversationKey) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn turn(&self, _: TurnId) -> Result<Option<StoredTurn>, StoreError> {
        Ok(None)
    }

    async fn rate(&self, _: TurnId, _: bool, _: Option<&str>, _: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }
}

fn conversation() -> ConversationKey {
    ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("web"),
        account: String::new(),
        conversation: "c".into(),
    }
}

#[tokio::test]
async fn a_log_is_kept_no_longer_than_somebody_holds_it() {
    let streams = Arc::new(Streams::new(Arc::new(Nothing)));
    let turn = TurnId(uuid::Uuid::from_u128(1));
    let log = streams.open(turn, &conversation());
    let follower = streams.follow(turn, None).holding(log);
    assert_eq!(streams.open.lock().unwrap().len(), 1);
    drop(follower);
    assert_eq!(streams.open.lock().unwrap().len(), 0, "a message that was erased leaves nothing behind");

    let old = streams.open(turn, &conversation());
    streams.close(turn);
    let new = streams.open(turn, &conversation());
    drop(old);
    assert!(Arc::ptr_eq(&new, &streams.open(turn, &conversation())), "the old one's end is not the new one's");
}

#[tokio::test]
async fn a_parked_try_and_the_next_are_told_apart() {
    let streams = Arc::new(Streams::new(Arc::new(Nothing)));
    let turn = TurnId(uuid::Uuid::from_u128(1));
    let log = streams.open(turn, &conversation());
    log.begin(1);
    log.push(TurnEvent::Token("Nitrox is".into()));
    let seen = Some(Cursor { attempt: 1, n: 1 });
    log.begin(2);
    log.push(TurnEvent::Token("By nitrox".into()));
    let mut follower = streams.follow(turn, seen);
    let next = follower.next(Instant::now() + Duration::from_secs(5)).await.expect("the new try's first event");
    assert_eq!((next.at, next.event), (Cursor { attempt: 2, n: 1 }, TurnEvent::Token("By nitrox".into())));
}

fn route(agent: &str) -> TurnEvent {
    TurnEvent::Route { agent: AgentId::new(agent), confidence: 0.9, session: SessionId(uuid::Uuid::from_u128(2)) }
}

/// Who will answer is told at once. What the turn says later agrees with it, or follows in the same place, so that
/// every event stands where the stored turn will have it.
#[tokio::test]
async fn what_was_foretold_is_said_again_only_where_it_was_wrong() {
    let streams = Arc::new(Streams::new(Arc::new(Nothing)));
    let soon = || Instant::now() + Duration::from_secs(5);
    for (said, again) in [("trip", false), ("safety", true)] {
        // What was foretold of a turn is remembered: each case is a turn of its own.
        let turn = TurnId(uuid::Uuid::from_u128(1 + u128::from(again)));
        let log = streams.open(turn, &conversation());
        let mut follower =
            streams.follow(turn, None).holding(Arc::clone(&log)).foretelling(std::future::ready(route("trip")));
        let first = follower.next(soon()).await.expect("it does not wait for the turn");
        assert_eq!((first.at, first.event), (Cursor { attempt: 1, n: 1 }, route("trip")));
        log.begin(1);
        assert_eq!(follower.next(Instant::now() + Duration::from_millis(20)).await, None, "once");
        // The turn's router saw more of the conversation; what was said about the same agent stands.
        let confidence = log.route(&AgentId::new(said), 0.7, SessionId(uuid::Uuid::from_u128(2)));
        assert!((confidence - if again { 0.7 } else { 0.9 }).abs() < f32::EPSILON);
        log.push(TurnEvent::Safety(Safety::None));
        let mut next = follower.next(soon()).await.expect("the turn's own events");
        if again {
            assert_eq!(next.at, Cursor { attempt: 1, n: 1 });
            assert!(matches!(next.event, TurnEvent::Route { agent, .. } if agent.as_str() == said));
            next = follower.next(soon()).await.expect("what follows it");
        }
        assert_eq!((next.at, next.event), (Cursor { attempt: 1, n: 2 }, TurnEvent::Safety(Safety::None)));
    }
}

#[tokio::test]
async fn a_turn_that_has_spoken_is_not_foretold() {
    let streams = Arc::new(Streams::new(Arc::new(Nothing)));
    let turn = TurnId(uuid::Uuid::from_u128(1));
    let log = streams.open(turn, &conversation());
    log.begin(2);
    log.push(route("safety"));
    let mut follower = streams.follow(turn, None).foretelling(std::future::ready(route("trip")));
    let first = follower.next(Instant::now() + Duration::from_secs(5)).await.expect("the turn's event");
    assert_eq!((first.at, first.event), (Cursor { attempt: 2, n: 1 }, route("safety")));
}

/// Whoever was told has left; the turn keeps to it all the same.
#[tokio::test]
async fn what_was_foretold_outlives_its_follower() {
    let streams = Arc::new(Streams::new(Arc::new(Nothing)));
    let turn = TurnId(uuid::Uuid::from_u128(1));
    let log = streams.open(turn, &conversation());
    let mut follower = streams.follow(turn, None).holding(log).foretelling(std::future::ready(route("trip")));
    follower.next(Instant::now() + Duration::from_secs(5)).await.expect("foretold");
    drop(follower);
    let log = streams.open(turn, &conversation());
    log.begin(1);
    let confidence = log.route(&AgentId::new("trip"), 0.7, SessionId(uuid::Uuid::from_u128(2)));
    assert!((confidence - 0.9).abs() < f32::EPSILON);
    drop(log);
    streams.close(turn);
    streams.foretold.run_pending_tasks();
    assert!(streams.open.lock().unwrap().is_empty() && streams.foretold.entry_count() == 0, "nothing is left");
}
