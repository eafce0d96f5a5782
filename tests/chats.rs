//! What divers do in a chat besides asking: buttons, being put in touch, joining channels; and what the
//! operator's chat is told. With scripted minds on a real store; sentences are said by their keys.

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

use dovvybuddy_core::alert::{AlertDesk, OperatorChat};
use dovvybuddy_core::channel::{ChannelAdapter, Command, Content, Inbound, Outlet, Sender};
use dovvybuddy_core::delivery::Deliveries;
use dovvybuddy_core::handover::Handover;
use dovvybuddy_core::intake::{Admitted, Intake};
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::session::Session;
use dovvybuddy_core::spine::{Ports, Spine, SpineSettings, Stops};
use dovvybuddy_core::store::{Leads as _, Pauses as _, Privacy as _, Sessions as _, Subject};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::testkit::chat::{CHANNEL, FakeChat};
use dovvybuddy_core::testkit::minds::{Echo, KeysAloud, KnowsNothing, OneAgent, ScriptedGuard, ScriptedRouter};
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, DiverKey, Lang, SystemClock, TurnId};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(15);

struct House {
    store: Arc<SqliteStore>,
    intake: Intake,
    handover: Arc<Handover>,
    chat: Arc<FakeChat>,
    _tasks: JoinSet<()>,
}

impl House {
    async fn open() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::open(OpenOptions {
            url_or_path: "sqlite::memory:".into(),
            dispatch: true,
            max_waiting: 100,
            migrate: true,
            clock: Arc::clone(&clock),
        });
        let store = Arc::new(store.await.unwrap());
        let chat = Arc::new(FakeChat::default());
        let channel: Arc<dyn ChannelAdapter> = chat.clone();
        let ports = Ports {
            store: store.clone(),
            guard: Arc::new(ScriptedGuard),
            router: Arc::new(ScriptedRouter),
            agents: Arc::new(OneAgent),
            retriever: Arc::new(KnowsNothing),
            answerer: Arc::new(Echo),
            voice: Arc::new(KeysAloud),
            clock: Arc::clone(&clock),
            channels: HashMap::from([(channel.id(), Arc::clone(&channel))]),
            lead_notices: Arc::new(|_| Vec::new()),
            operator: OperatorChat::parse("fake-chat:desk"),
        };
        let (budget, least) = (Duration::from_secs(18), Duration::from_secs(2));
        let settings = SpineSettings {
            diver_quota: Quota { per_minute: 0, burst: 1 },
            turn: TurnSettings { budget, least, history: 20, passages: 6 },
            most_running: 100,
            remembered: 100,
        };
        let stop = CancellationToken::new();
        let Spine { intake, lanes, handover, .. } = Spine::new(ports, settings, Stops::default());
        let outlet: Arc<dyn Outlet> = chat.clone();
        let deliveries = Arc::new(Deliveries {
            store: store.clone(),
            outlets: HashMap::from([(outlet.id(), outlet)]),
            clock: Arc::clone(&clock),
            progress: Progress::new("outbox", clock.now()),
            stopping: stop.clone(),
        });
        let desk = Arc::new(AlertDesk {
            store: store.clone(),
            channel,
            chat: ConversationKey {
                bot: BotId::default(),
                channel: ChannelId::new(CHANNEL),
                account: String::new(),
                conversation: "desk".into(),
            },
            voice: Arc::new(KeysAloud),
            lang: Lang::En,
            clock: Arc::clone(&clock),
            progress: Progress::new("alerts", clock.now()),
        });
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { lanes.run(token).await.unwrap() });
        let token = stop.clone();
        tasks.spawn(async move { deliveries.run(token).await.unwrap() });
        let (token, hands) = (stop.clone(), Arc::clone(&handover));
        tasks.spawn(async move { hands.run(token).await.unwrap() });
        tasks.spawn(async move { desk.run(stop).await.unwrap() });
        Self { store, intake, handover, chat, _tasks: tasks }
    }

    async fn hand_in(&self, user: &str, content: Content) -> Admitted {
        let now = SystemClock.now();
        let (bot, channel) = (BotId::default(), ChannelId::new(CHANNEL));
        let event = Inbound {
            turn: TurnId(SystemClock.uuid()),
            conversation: ConversationKey {
                bot: bot.clone(),
                channel: channel.clone(),
                account: String::new(),
                conversation: user.to_owned(),
            },
            sender: Sender {
                key: DiverKey { bot, channel, account: String::new(), user: user.to_owned() },
                name: Some("Ana Sol".into()),
                locale: None,
                contact: Some("@ana".into()),
            },
            event_id: SystemClock.uuid().to_string(),
            fingerprint: None,
            content,
            opens_conversation: false,
            received_at: now,
            ready_at: now,
            profile: Some(DiverProfile { concerns: vec!["asthma".into()], dives: Some(12), ..DiverProfile::default() }),
            state: None,
            context: serde_json::Value::Null,
        };
        self.intake.accept(event).await.unwrap()
    }

    /// What the diver is told in their chat, all parts of it.
    async fn told(&self, user: &str, content: Content) -> String {
        let before = self.said_to(user).len();
        let reply = match self.hand_in(user, content).await {
            Admitted::Queued { mut events, .. } => {
                events.reply(tokio::time::Instant::now() + PATIENCE).await.expect("a reply in time").0
            }
            Admitted::Answered { reply, .. } => reply,
            _ => panic!("neither queued nor answered"),
        };
        let parts = reply.text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).count();
        self.after(user, before, parts).await
    }

    async fn says(&self, user: &str, words: &str) -> String {
        self.told(user, Content::Text(words.into())).await
    }

    async fn presses(&self, user: &str, command: Command) -> String {
        self.told(user, Content::Command(command)).await
    }

    async fn chooses(&self, user: &str, choice: &str) -> String {
        self.presses(user, Command::Choose(choice.into())).await
    }

    fn said_to(&self, user: &str) -> Vec<String> {
        self.chat.sent().into_iter().filter(|(at, _)| at == user).map(|(_, text)| text).collect()
    }

    async fn after(&self, user: &str, before: usize, parts: usize) -> String {
        let more = async {
            while self.said_to(user).len() < before + parts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.expect("an answer in time");
        self.said_to(user).split_off(before).join("\n")
    }

    /// The buttons under the diver's last reply; the operator's are not meant.
    fn buttons(&self) -> Vec<String> {
        let mut all = self.chat.buttons().into_iter();
        all.rfind(|labels| *labels != ["<button_seen>"]).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_diver_is_put_in_touch_step_by_step() {
    let house = House::open().await;
    assert_eq!(house.presses("ana", Command::Connect).await, "<lead_kind>");
    assert_eq!(house.buttons(), ["<button_training>", "<button_trip>", "<button_cancel>"]);
    assert_eq!(house.chooses("ana", "trip").await, "<lead_name>");
    assert_eq!(house.buttons(), ["Ana Sol", "<button_cancel>"]);
    assert_eq!(house.says("ana", "Ana").await, "<lead_reach>");
    assert_eq!(house.says("ana", "by pigeon").await, "<lead_reach_again>");
    assert_eq!(house.chooses("ana", "here").await, "<lead_wish>");
    let shown = house.says("ana", "Komodo in May").await;
    for line in ["<lead_confirm>", ": Ana", "fake-chat: @ana", "Komodo in May", "<field_dives>: 12", "<lead_send>"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(!shown.contains("asthma"), "worries stay out: {shown}");
    assert!(house.store.leads(&BotId::default(), 9).await.unwrap().is_empty(), "nothing before it is confirmed");
    assert_eq!(house.chooses("ana", "send").await, "<lead_sent>");
    let leads = house.store.leads(&BotId::default(), 9).await.unwrap();
    let data = serde_json::json!({"name": "Ana", "chat": "fake-chat: @ana", "message": "Komodo in May"});
    assert_eq!((leads.len(), &leads[0].lead.data), (1, &data));
    assert_eq!((leads[0].lead.profile.dives, leads[0].lead.profile.concerns.len()), (Some(12), 0));
    assert_eq!(house.chooses("ana", "send").await, "<button_expired>", "once is enough");
}

#[tokio::test]
async fn worries_go_along_when_the_diver_adds_them() {
    let house = House::open().await;
    house.presses("ana", Command::Connect).await;
    house.chooses("ana", "training").await;
    house.chooses("ana", "name").await;
    house.says("ana", "ana@example.com").await;
    house.chooses("ana", "skip").await;
    assert!(house.chooses("ana", "add-concerns").await.contains("asthma"));
    // Buttons by their words, for platforms that have none.
    assert_eq!(house.says("ana", "<button_send>").await, "<lead_sent>");
    let leads = house.store.leads(&BotId::default(), 9).await.unwrap();
    assert_eq!(leads[0].lead.profile.concerns, ["asthma"]);
}

#[tokio::test]
async fn an_emergency_passes_through_the_lead_flow_and_ends_it() {
    let house = House::open().await;
    house.presses("ana", Command::Connect).await;
    house.chooses("ana", "trip").await;
    assert!(house.says("ana", "mayday").await.starts_with("Get help now."));
    assert_eq!(house.buttons(), ["<button_not_an_emergency>"]);
    assert_eq!(house.presses("ana", Command::NotAnEmergency).await, "<stood_down>");
    assert!(house.says("ana", "apples").await.contains("apples"), "no name any more");
    assert!(house.store.leads(&BotId::default(), 9).await.unwrap().is_empty());
}

/// The button leaves no words behind, so nothing in the conversation tells the guard that it is over but the session.
#[tokio::test]
async fn what_was_said_before_the_button_raises_no_alarm_after_it() {
    let house = House::open().await;
    assert!(house.says("ana", "mayday").await.starts_with("Get help now."));
    assert!(house.says("ana", "still apples").await.starts_with("Get help now."));
    assert_eq!(house.presses("ana", Command::NotAnEmergency).await, "<stood_down>");
    let answer = house.says("ana", "still apples").await;
    assert!(answer.contains("apples"), "{answer}");
    assert!(house.says("ana", "mayday again").await.starts_with("Get help now."), "a new one counts");
}

#[tokio::test]
async fn the_flow_can_be_stopped() {
    let house = House::open().await;
    assert_eq!(house.presses("ana", Command::Cancel).await, "<nothing_to_cancel>");
    house.presses("ana", Command::Connect).await;
    assert_eq!(house.presses("ana", Command::Cancel).await, "<lead_cancelled>");
    assert!(house.says("ana", "apples").await.contains("apples"));
}

#[tokio::test]
async fn a_rating_makes_no_message() {
    let house = House::open().await;
    house.says("ana", "apples").await;
    assert_eq!(house.buttons(), ["👍", "👎"]);
    let asked = Content::Text("pears".into());
    let Admitted::Queued { turn, mut events, .. } = house.hand_in("ana", asked).await else { panic!("queued") };
    events.reply(tokio::time::Instant::now() + PATIENCE).await.expect("a reply");
    house.after("ana", 2, 1).await;
    let before = house.said_to("ana").len();
    let rate = Content::Command(Command::Rate { turn, up: true });
    assert!(matches!(house.hand_in("ana", rate).await, Admitted::Noted { say, .. } if say == "<rating_noted>"));
    let unknown = Content::Command(Command::Rate { turn: TurnId(SystemClock.uuid()), up: true });
    assert!(matches!(house.hand_in("ana", unknown).await, Admitted::Noted { say, .. } if say == "<button_expired>"));
    assert_eq!(house.says("ana", "plums").await, "plums");
    assert_eq!(house.said_to("ana").len(), before + 1, "nothing was said about the ratings");
}

#[tokio::test]
async fn a_code_joins_two_chats() {
    let house = House::open().await;
    let given = house.presses("ana-one", Command::Link(None)).await;
    let code = given.rsplit(' ').next().unwrap().to_owned();
    assert!(given.contains("<link_code>") && code.len() == 9, "{given}");
    assert_eq!(house.presses("ana-one", Command::Link(Some(code.clone()))).await, "<link_own>");
    assert_eq!(house.presses("ana-two", Command::Link(Some("nonsense".into()))).await, "<link_failed>");
    assert_eq!(house.presses("ana-two", Command::Link(Some(code.to_lowercase()))).await, "<linked>");
    assert_eq!(house.presses("eve", Command::Link(Some(code))).await, "<link_failed>");
    house.says("ana-one", "apples").await;
    let (bot, channel) = (BotId::default(), ChannelId::new(CHANNEL));
    let other = DiverKey { bot, channel, account: String::new(), user: "ana-two".into() };
    let held = house.store.export(&Subject::Diver(other)).await.unwrap().expect("held").to_string();
    assert!(held.contains("apples"), "{held}");
    assert!(house.presses("ana-two", Command::Profile).await.contains("<field_dives>: 12"));
}

#[tokio::test]
async fn the_operator_is_told_and_says_that_it_was_seen() {
    let house = House::open().await;
    house.says("ana", "mayday").await;
    let told = house.after("desk", 0, 3).await;
    assert!(told.contains("<alert_emergency>") && told.contains("mayday"), "{told}");
    assert!(house.chat.buttons().contains(&vec!["<button_seen>".to_owned()]));
    let seen = |alert| Content::Command(Command::Acknowledge { alert });
    let first = dovvybuddy_core::AlertId(1);
    let by_the_diver = house.hand_in("ana", seen(first)).await;
    assert!(matches!(by_the_diver, Admitted::Noted { say, .. } if say == "<button_expired>"));
    let by_the_operator = house.hand_in("desk", seen(first)).await;
    let Admitted::Noted { say, note } = by_the_operator else { panic!("noted") };
    assert_eq!((say.as_str(), note.as_deref()), ("<alert_seen>", Some("✓ <button_seen>: Ana Sol")));
}

impl House {
    async fn session(&self, user: &str) -> Session {
        let (bot, channel) = (BotId::default(), ChannelId::new(CHANNEL));
        let key = DiverKey { bot: bot.clone(), channel: channel.clone(), account: String::new(), user: user.into() };
        let at = ConversationKey { bot, channel, account: String::new(), conversation: user.into() };
        self.store.session(&at, &key, 20).await.unwrap().expect("a session")
    }

    /// Ana writes to the diver; the bot is silent for so long.
    async fn ana_writes(&self, user: &str, words: &str, pause: Duration) {
        let until = SystemClock.now().plus(pause);
        self.handover.reply(&self.session(user).await, words, until, "Ana").await.unwrap().expect("said");
    }

    /// The words of the reply that covers a message.
    async fn covered_by(&self, user: &str, words: &str) -> String {
        let Admitted::Queued { mut events, .. } = self.hand_in(user, Content::Text(words.into())).await else {
            panic!("not queued")
        };
        events.reply(tokio::time::Instant::now() + PATIENCE).await.expect("a reply in time").0.text.clone()
    }
}

const LONG: Duration = Duration::from_mins(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_person_takes_over_and_the_bot_is_silent() {
    let house = House::open().await;
    house.says("ana", "how deep?").await;
    let before = house.said_to("ana").len();
    house.ana_writes("ana", "Tuesday works.", LONG).await;
    assert_eq!(house.after("ana", before, 2).await, "<with_person>\nTuesday works.");
    assert_eq!(house.covered_by("ana", "and Wednesday?").await, "<passed_on>");
    house.ana_writes("ana", "That too.", LONG).await;
    assert_eq!(house.after("ana", before + 2, 1).await, "That too.", "told once, and no word of the bot between");
    let history: Vec<_> = house.session("ana").await.history.into_iter().map(|message| message.content).collect();
    assert!(history.contains(&"That too.".to_owned()), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_is_answered_whoever_has_the_conversation() {
    let house = House::open().await;
    house.says("ana", "how deep?").await;
    let before = house.said_to("ana").len();
    house.handover.take_over(&house.session("ana").await, SystemClock.now().plus(LONG), "Ana").await.unwrap();
    assert_eq!(house.after("ana", before, 1).await, "<with_person>");
    assert_eq!(house.says("ana", "mayday").await, "Get help now. (1)");
    assert_eq!(house.says("ana", "all clear").await, "Good to hear.");
    assert_eq!(house.covered_by("ana", "how deep now?").await, "<passed_on>", "the person still has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_left_open_the_bot_takes_up() {
    let house = House::open().await;
    house.says("ana", "how deep?").await;
    house.ana_writes("ana", "One moment.", LONG).await;
    house.covered_by("ana", "are you there?").await;
    house.covered_by("ana", "how cold?").await;
    let before = house.said_to("ana").len();
    assert!(house.handover.hand_back(&house.session("ana").await.conversation, "Ana").await.unwrap());
    assert_eq!(house.after("ana", before, 1).await, "are you there?\nhow cold?", "both, in one answer");
    assert_eq!(house.says("ana", "how far?").await, "how far?", "and goes on as always");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_by_itself_and_what_was_answered_stays_answered() {
    let house = House::open().await;
    house.says("ana", "how deep?").await;
    house.handover.take_over(&house.session("ana").await, SystemClock.now().plus(LONG), "Ana").await.unwrap();
    assert_eq!(house.covered_by("ana", "are you there?").await, "<passed_on>");
    house.ana_writes("ana", "Yes.", Duration::from_millis(300)).await;
    let conversation = house.session("ana").await.conversation;
    let over = async {
        while house.store.paused(&conversation, SystemClock.now()).await.unwrap().is_some()
            || !house.store.ended_pauses(SystemClock.now(), 9).await.unwrap().is_empty()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("the pause ends");
    let before = house.said_to("ana").len();
    assert_eq!(house.says("ana", "how cold?").await, "how cold?", "nothing of before is answered again");
    assert_eq!(house.said_to("ana").len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_who_write_on_their_own_telephone_are_heard() {
    let house = House::open().await;
    house.says("ana", "how deep?").await;
    let sent = house.said_to("ana").len();
    house.intake.overheard(&house.session("ana").await.conversation, "18 m, says Ben", "staff").await.unwrap();
    assert_eq!(house.covered_by("ana", "thanks").await, "<passed_on>");
    let history: Vec<_> = house.session("ana").await.history.into_iter().map(|message| message.content).collect();
    assert!(history.contains(&"18 m, says Ben".to_owned()), "{history:?}");
    assert_eq!(house.said_to("ana").len(), sent, "their words stand there already, and ours would be too many");
}
