//! The spine on a real store: intake, lanes, turns and outbox with scripted minds, on a channel whose
//! replies are fetched and on one whose replies are sent.

#![allow(missing_docs, reason = "tests describe themselves by their names")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::{ChannelAdapter, Content, Inbound, Outlet, SendError, Sender};
use dovvybuddy_core::delivery::Deliveries;
use dovvybuddy_core::events::{Follower, TurnEvent};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::reply::{Degraded, Reply};
use dovvybuddy_core::session::Role;
use dovvybuddy_core::spine::{self, Ports, SpineSettings, Stops};
use dovvybuddy_core::store::{Privacy as _, Sessions as _, Subject, Upkeep as _};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::testkit::at_most;
use dovvybuddy_core::testkit::channel_contract;
use dovvybuddy_core::testkit::chat::{self, FakeChat};
use dovvybuddy_core::testkit::minds::{Echo, KeysAloud, KnowsNothing, OneAgent, ScriptedGuard, ScriptedRouter};
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, DiverKey, SessionId, SystemClock, TurnId};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(8);
const SETTLE: Duration = Duration::from_millis(300);

struct Spine {
    store: Arc<SqliteStore>,
    intake: Intake,
    chat: Arc<FakeChat>,
    stop: CancellationToken,
    park: CancellationToken,
    tasks: JoinSet<()>,
    /// Removed when neither a spine nor a test wants it any more.
    _dir: Arc<TempDir>,
}

struct Setup {
    dir: Arc<TempDir>,
    quota: Quota,
}

impl Setup {
    fn new() -> Self {
        Self { dir: Arc::new(TempDir::new().unwrap()), quota: Quota { per_minute: 0, burst: 1 } }
    }

    async fn start(&self) -> Spine {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::open(OpenOptions {
            url_or_path: self.dir.path().join("spine.db").display().to_string(),
            dispatch: true,
            max_waiting: 1000,
            migrate: true,
            clock: Arc::clone(&clock),
        });
        let store = Arc::new(store.await.unwrap());
        let chat = Arc::new(FakeChat::default());
        let channel: Arc<dyn ChannelAdapter> = chat.clone();
        let channels = HashMap::from([(channel.id(), channel)]);
        let (stop, park) = (CancellationToken::new(), CancellationToken::new());
        let ports = Ports {
            store: store.clone(),
            guard: Arc::new(ScriptedGuard),
            router: Arc::new(ScriptedRouter),
            agents: Arc::new(OneAgent),
            retriever: Arc::new(KnowsNothing),
            answerer: Arc::new(Echo),
            voice: Arc::new(KeysAloud),
            clock: Arc::clone(&clock),
            channels,
            lead_notices: Arc::new(|_| Vec::new()),
            operator: None,
        };
        let (budget, least) = (Duration::from_secs(18), Duration::from_secs(2));
        let settings = SpineSettings {
            diver_quota: self.quota,
            turn: TurnSettings { budget, least, history: 20, passages: 6 },
            most_running: 100,
            remembered: 100,
        };
        let stops = Stops { closing: stop.clone(), park: park.clone() };
        let spine::Spine { intake, lanes, .. } = spine::Spine::new(ports, settings, stops);
        let outlet: Arc<dyn Outlet> = chat.clone();
        let deliveries = Arc::new(Deliveries {
            store: store.clone(),
            outlets: HashMap::from([(outlet.id(), outlet)]),
            clock: Arc::clone(&clock),
            progress: Progress::new("outbox", clock.now()),
            stopping: stop.clone(),
        });
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { lanes.run(token).await.unwrap() });
        let token = stop.clone();
        tasks.spawn(async move { deliveries.run(token).await.unwrap() });
        Spine { store, intake, chat, stop, park, tasks, _dir: Arc::clone(&self.dir) }
    }
}

impl Spine {
    /// An event on the channel whose replies are fetched; every conversation has its own diver.
    fn fetched(conversation: &str, id: &str, text: &str) -> Inbound {
        event("web", conversation, conversation, id, text, Duration::ZERO)
    }

    /// An event on the chat platform.
    fn sent(chat: &str, id: &str, text: &str) -> Inbound {
        event(chat::CHANNEL, chat, "diver", id, text, SETTLE)
    }

    async fn queue(&self, event: Inbound) -> Follower {
        match self.intake.accept(event).await.unwrap() {
            Admitted::Queued { events, .. } => events,
            _ => panic!("not queued"),
        }
    }

    async fn reply(&self, event: Inbound) -> Arc<Reply> {
        let mut events = self.queue(event).await;
        events.reply(Instant::now() + PATIENCE).await.expect("a reply in time").0
    }

    async fn alarm(&self, event: Inbound) -> Arc<Reply> {
        match self.intake.accept(event).await.unwrap() {
            Admitted::Answered { reply, .. } => reply,
            _ => panic!("not answered at once"),
        }
    }

    async fn chat_parts(&self, n: usize) -> Vec<String> {
        let sent = tokio::time::timeout(PATIENCE, self.chat.wait_for(n)).await.expect("parts in time");
        sent.into_iter().map(|(_, text)| text).collect()
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, all).await.expect("tasks end in time");
        self.store.close().await.unwrap();
    }
}

fn event(channel: &str, conversation: &str, user: &str, id: &str, text: &str, settle: Duration) -> Inbound {
    let now = SystemClock.now();
    let (bot, channel) = (BotId::default(), ChannelId::new(channel));
    Inbound {
        turn: TurnId(SystemClock.uuid()),
        conversation: ConversationKey {
            bot: bot.clone(),
            channel: channel.clone(),
            account: String::new(),
            conversation: conversation.to_owned(),
        },
        sender: Sender {
            key: DiverKey { bot, channel, account: String::new(), user: user.to_owned() },
            name: None,
            locale: None,
            contact: None,
        },
        event_id: id.to_owned(),
        fingerprint: Some(text.to_owned()),
        content: Content::Text(text.to_owned()),
        opens_conversation: false,
        received_at: now,
        ready_at: now.plus(settle),
        profile: None,
        state: None,
        context: serde_json::Value::Null,
    }
}

#[test]
fn every_channel_renders_what_its_platform_takes() {
    let text = |part: &serde_json::Value| part.as_str().unwrap_or_default().to_owned();
    channel_contract::renders(&FakeChat::default(), text);
    channel_contract::renders(&dovvybuddy_web::WebAdapter, text);
    let (bot, session) = (BotId::default(), SessionId(SystemClock.uuid()));
    let screen = dovvybuddy_terminal::Screen::new(Box::new(std::io::sink()), false);
    let terminal = dovvybuddy_terminal::Terminal::new(bot, session, true, None, tokio::io::empty(), screen);
    channel_contract::renders(&terminal, text);
}

#[tokio::test]
async fn a_message_gets_one_reply_and_both_are_remembered() {
    let spine = Setup::new().start().await;
    let mut events = spine.queue(Spine::fetched("a", "1", "what is nitrox")).await;
    let mut tokens = String::new();
    let reply = loop {
        match events.next(Instant::now() + PATIENCE).await.expect("in time").event {
            TurnEvent::Token(text) => tokens.push_str(&text),
            TurnEvent::Final { reply, .. } => break reply,
            _ => {}
        }
    };
    assert!(reply.text.starts_with("what is nitrox"));
    assert_eq!(tokens, reply.text, "the released pieces are the reply");

    let event = Spine::fetched("a", "1", "");
    let session = spine.store.session(&event.conversation, &event.sender.key, 10).await.unwrap().unwrap();
    let roles: Vec<Role> = session.history.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant]);
    spine.stop().await;
}

#[tokio::test]
async fn what_the_content_surely_tells_is_answered_though_the_router_refuses_it() {
    let spine = Setup::new().start().await;
    let refused = spine.reply(Spine::fetched("a", "1", "a pizza")).await;
    assert!(refused.out_of_scope);
    let told = spine.reply(Spine::fetched("a", "2", "known pizza")).await;
    assert!(!told.out_of_scope && told.text.starts_with("known pizza"), "{told:?}");
    spine.stop().await;
}

#[tokio::test]
async fn a_burst_on_a_chat_platform_is_answered_once_together() {
    let spine = Setup::new().start().await;
    for (id, text) in [("1", "hi"), ("2", "my buddy"), ("3", "has a question")] {
        drop(spine.queue(Spine::sent("room", id, text)).await);
    }
    let parts = spine.chat_parts(1).await;
    assert_eq!(parts.first().map(String::as_str), Some("hi\nmy buddy\nhas a question"));
    spine.stop().await;
}

#[tokio::test]
async fn conversations_do_not_wait_for_each_other() {
    let spine = Setup::new().start().await;
    drop(spine.queue(Spine::fetched("slow one", "1", "slow answer")).await);
    let began = Instant::now();
    spine.reply(Spine::fetched("quick one", "2", "quick")).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    spine.park.cancel();
    spine.stop().await;
}

#[tokio::test]
async fn a_repeat_is_the_same_turn_and_another_text_under_its_id_a_conflict() {
    let spine = Setup::new().start().await;
    let first = Spine::fetched("a", "same", "question");
    let turn = first.turn;
    spine.reply(first).await;
    match spine.intake.accept(Spine::fetched("a", "same", "question")).await.unwrap() {
        Admitted::Repeat { turn: repeated, mut events, .. } => {
            assert_eq!(repeated, turn);
            assert!(events.reply(Instant::now() + PATIENCE).await.is_some());
        }
        _ => panic!("a repeat makes no second turn"),
    }
    let other = spine.intake.accept(Spine::fetched("a", "same", "something else")).await;
    assert!(matches!(other, Err(Refusal::Conflict)));
    spine.stop().await;
}

#[tokio::test]
async fn an_emergency_answers_at_once_and_cuts_short_what_runs() {
    let spine = Setup::new().start().await;
    let mut running = spine.queue(Spine::fetched("a", "1", "slow answer")).await;
    while !matches!(running.next(Instant::now() + PATIENCE).await.expect("it runs").event, TurnEvent::Token(_)) {}
    let began = Instant::now();
    let alarm = spine.alarm(Spine::fetched("a", "2", "mayday, my buddy can't feel his legs")).await;
    assert!(began.elapsed() < at_most(Duration::from_millis(500)));
    assert_eq!(alarm.text, "Get help now. (1)");
    let (cut, _) = running.reply(Instant::now() + PATIENCE).await.expect("the cut turn ends");
    assert!(cut.text.ends_with("<cut_short>"), "{}", cut.text);
    spine.stop().await;
}

#[tokio::test]
async fn an_emergency_stands_across_a_restart_until_it_is_called_off() {
    let setup = Setup::new();
    let spine = setup.start().await;
    spine.alarm(Spine::fetched("a", "1", "mayday")).await;
    spine.stop().await;

    let spine = setup.start().await;
    let again = spine.alarm(Spine::fetched("a", "2", "I feel fine now")).await;
    assert_eq!(again.text, "Get help now. (2)");
    let off = spine.reply(Spine::fetched("a", "3", "all clear")).await;
    assert_eq!(off.text, "Good to hear.");
    let next = spine.reply(Spine::fetched("a", "4", "what is nitrox")).await;
    assert!(next.text.starts_with("what is nitrox"));
    spine.stop().await;
}

#[tokio::test]
async fn an_emergency_in_the_joined_pieces_of_a_burst_stands_too() {
    let setup = Setup::new();
    let spine = setup.start().await;
    // The scripted guard only sees the whole word.
    let answer = spine.reply(Spine::fetched("a", "0", "hello")).await;
    assert_eq!(answer.text, "<greeting>\n\n<introduction>");
    for (id, text) in [("1", "may"), ("2", "mayday")] {
        let _ = spine.intake.accept(Spine::sent("room", id, text)).await.unwrap();
    }
    let parts = spine.chat_parts(1).await;
    assert!(parts.iter().any(|part| part.starts_with("Get help now.")), "{parts:?}");
    spine.stop().await;
}

#[tokio::test]
async fn with_the_store_gone_an_emergency_is_still_answered() {
    let spine = Setup::new().start().await;
    spine.store.close().await.unwrap();
    let fetched = spine.alarm(Spine::fetched("a", "1", "mayday")).await;
    assert_eq!(fetched.degraded, [Degraded::Store]);
    let sent = spine.intake.accept(Spine::sent("room", "2", "mayday")).await;
    assert!(matches!(sent, Err(Refusal::Unavailable(_))), "the platform is not told that it arrived");
    assert_eq!(spine.chat_parts(1).await, ["Get help now. (1)"]);
    let calm = spine.intake.accept(Spine::fetched("b", "3", "what is nitrox")).await;
    assert!(matches!(calm, Err(Refusal::Unavailable(_))));
}

#[tokio::test]
async fn with_the_store_gone_a_platform_that_hangs_does_not_hold_up_its_adapter() {
    let spine = Setup::new().start().await;
    spine.store.close().await.unwrap();
    spine.chat.hang();
    tokio::time::pause();
    let began = Instant::now();
    let sent = spine.intake.accept(Spine::sent("room", "1", "mayday")).await;
    assert!(matches!(sent, Err(Refusal::Unavailable(_))), "the platform brings it again");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_turn_that_panics_ends_in_the_fallback_and_the_lane_goes_on() {
    let spine = Setup::new().start().await;
    let reply = spine.reply(Spine::fetched("a", "1", "panic")).await;
    assert!(reply.text.contains("<fallback>"));
    let next = spine.reply(Spine::fetched("a", "2", "go on")).await;
    assert!(next.text.starts_with("go on"));
    spine.stop().await;
}

#[tokio::test]
async fn a_flood_gets_one_notice_and_emergencies_pass() {
    let setup = Setup { quota: Quota { per_minute: 1, burst: 1 }, ..Setup::new() };
    let spine = setup.start().await;
    drop(spine.queue(Spine::sent("room", "1", "first")).await);
    for id in ["2", "3", "4"] {
        let refused = spine.intake.accept(Spine::sent("room", id, "more")).await;
        assert!(matches!(refused, Err(Refusal::Limited { .. })));
    }
    drop(spine.intake.accept(Spine::sent("room", "5", "mayday")).await.unwrap());
    // The running burst is cut short by the alarm, so it may or may not have been answered before.
    let sent = spine.chat_parts(2).await;
    assert_eq!(sent.iter().filter(|text| *text == "<slow_down>").count(), 1, "{sent:?}");
    assert!(sent.iter().any(|text| text.starts_with("Get help now.")), "{sent:?}");
    spine.stop().await;
}

#[tokio::test]
async fn parts_keep_their_order_when_the_platform_is_slow_and_failing() {
    let spine = Setup::new().start().await;
    let second = || SendError::RetryAfter(Duration::from_millis(30));
    spine.chat.fail_next([second(), SendError::Transport("down".into()), second()]);
    drop(spine.queue(Spine::sent("room", "1", "one\n\ntwo\n\nthree")).await);
    let parts = spine.chat_parts(4).await;
    assert_eq!(parts, ["one", "two", "three", "<introduction>"]);
    spine.stop().await;
}

#[tokio::test]
async fn what_was_parked_is_taken_up_at_the_next_start() {
    let setup = Setup::new();
    let spine = setup.start().await;
    let event = Spine::fetched("a", "1", "slow answer");
    let turn = event.turn;
    let mut running = spine.queue(event).await;
    while !matches!(running.next(Instant::now() + PATIENCE).await.expect("it runs").event, TurnEvent::Token(_)) {}
    spine.stop.cancel();
    spine.park.cancel();
    spine.stop().await;

    let spine = setup.start().await;
    let mut events = spine.intake.follow(turn, None);
    let first = events.next(Instant::now() + PATIENCE).await.expect("it is taken up");
    assert_eq!((first.turn, first.at.attempt), (turn, 2), "a client of then can tell the new words from the old");
    spine.park.cancel();
    spine.stop().await;
}

#[tokio::test]
async fn whoever_follows_a_later_message_of_a_burst_gets_the_reply_too() {
    let spine = Setup::new().start().await;
    let mut first = spine.queue(Spine::sent("room", "1", "hi")).await;
    let mut later = spine.queue(Spine::sent("room", "2", "what is nitrox")).await;
    let deadline = Instant::now() + PATIENCE;
    let (first, later) = tokio::join!(first.reply(deadline), later.reply(deadline));
    assert_eq!(first.expect("a reply").0.text, later.expect("the same reply").0.text);
    spine.stop().await;
}

#[tokio::test]
async fn whoever_follows_a_waiting_message_that_is_erased_is_told() {
    let spine = Setup::new().start().await;
    let session = SessionId(SystemClock.uuid());
    let conversation = session.to_string();
    drop(spine.queue(Spine::fetched(&conversation, "1", "slow answer")).await);
    let event = Spine::fetched(&conversation, "2", "never answered");
    let mut waiting = spine.queue(event.clone()).await;
    let held = spine.store.session(&event.conversation, &event.sender.key, 0).await.unwrap().expect("open");
    let subject = Subject::Session(event.conversation.bot.clone(), held.id);
    assert!(spine.store.erase(&subject, false).await.unwrap() > 0);
    spine.intake.forget(&event.conversation);
    let told = waiting.next(Instant::now() + PATIENCE).await.expect("told in time");
    assert_eq!(told.event, TurnEvent::Failed);
    spine.park.cancel();
    spine.stop().await;
}
