//! Everything that may happen to the gateway, and the process in front of it: nothing is lost, nothing is
//! said twice.

use std::time::Duration;

use dovvybuddy_fakes::discord::Settings;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::discord_support::{QUESTION, ask, connected, platform, quick, said, until};

#[tokio::test]
async fn a_dropped_socket_is_resumed_where_ready_said() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    platform.drop_sockets();
    let answer = ask(&platform, ada, chat, "What is a safety stop?").await;
    assert!(answer.content.contains("stop"), "{}", answer.content);
    let counts = platform.counts();
    assert_eq!((counts.identified, counts.resumed, counts.resumed_elsewhere), (1, 1, 0));
    assert_eq!(platform.said(chat).len(), 2);
}

#[tokio::test]
async fn a_request_to_reconnect_is_followed() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    platform.ask_to_reconnect();
    until("it resumed", || platform.counts().resumed == 1).await;
    let ada = platform.user("ada", "en-US");
    ask(&platform, ada, platform.direct(ada), QUESTION).await;
    assert_eq!(platform.counts().identified, 1);
}

#[tokio::test]
async fn a_zombie_is_noticed_by_its_silence() {
    let settings = Settings { heartbeat: Duration::from_millis(400), ..quick() };
    let (platform, _setup, _daemon) = connected(settings).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    until("it beats", || platform.counts().heartbeats > 0).await;
    platform.zombie(true);
    platform.say(ada, chat, QUESTION);
    until("a new socket", || platform.counts().sockets >= 2).await;
    platform.zombie(false);
    said(&platform, chat, 1).await;
    ask(&platform, ada, chat, "What is a safety stop?").await;
    assert_eq!(platform.said(chat).len(), 2);
    assert_eq!(platform.counts().identified, 1, "the session was kept");
}

#[tokio::test]
async fn what_a_lost_session_missed_is_fetched() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    platform.invalidate_sessions(false);
    // No session hears this.
    platform.say(ada, chat, "What is a safety stop?");
    said(&platform, chat, 2).await;
    ask(&platform, ada, chat, "How long should I wait before flying after diving?").await;
    assert_eq!(platform.said(chat).len(), 3);
    assert_eq!(platform.counts().identified, 2);
}

#[tokio::test]
async fn sessions_that_can_not_be_resumed_are_given_up() {
    let (platform, _setup, _daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    platform.refuse_resumes(true);
    platform.drop_sockets();
    until("a new session", || platform.counts().identified == 2).await;
    ask(&platform, ada, chat, "What is a safety stop?").await;
}

#[tokio::test]
async fn a_platform_that_was_down_is_taken_up_again() {
    let (platform, _setup, daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    platform.down(true);
    platform.say(ada, chat, "What is a safety stop?");
    let answer = daemon.ask(None, QUESTION).await;
    assert!(answer["message"].as_str().unwrap().contains("18"), "the web goes on");
    platform.down(false);
    said(&platform, chat, 2).await;
    assert_eq!(platform.said(chat).len(), 2);
}

#[tokio::test]
async fn what_was_said_while_the_daemon_was_away_is_answered_once() {
    for forgotten in [false, true] {
        away_and_answered_once(forgotten).await;
    }
}

/// `forgotten`: the session is gone when the daemon comes back.
async fn away_and_answered_once(forgotten: bool) {
    let (platform, setup) = platform(quick()).await;
    let (guild, channel) = platform.guild("Reef Club");
    let quiet = platform.channel(guild, "quiet");
    let daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    let (ada, ben) = (platform.user("ada", "en-US"), platform.user("ben", "en-US"));
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    daemon.kill().await;
    until("the socket is gone", || !platform.connected()).await;

    platform.say(ada, chat, "What is a safety stop?");
    platform.say(ben, channel, "nice weather");
    platform.mention(ben, channel, QUESTION);
    if forgotten {
        platform.forget_sessions();
    }
    let daemon = setup.start().await;
    assert_eq!(said(&platform, chat, 2).await.len(), 2);
    assert_eq!(said(&platform, channel, 1).await.len(), 1);
    ask(&platform, ada, chat, "How long should I wait before flying after diving?").await;
    daemon.kill().await;

    let _daemon = setup.start().await;
    ask(&platform, ada, chat, "And how deep can a PADI Open Water Diver go?").await;
    assert_eq!((platform.said(chat).len(), platform.said(channel).len()), (4, 1));
    let listed = |channel: u64| platform.requests().iter().any(|r| r.path.contains(&format!("/{channel}/messages?")));
    assert!(!listed(quiet), "nothing is asked for where nothing was said");
}

#[tokio::test]
async fn a_first_word_that_nobody_heard_is_brought_by_the_session() {
    let (platform, setup, daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    ask(&platform, ada, platform.direct(ada), QUESTION).await;
    // Written while nothing can be stored, and while nobody runs: no list of direct chats tells of these.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut held = options.connect().await.unwrap();
    held.execute("BEGIN IMMEDIATE").await.unwrap();
    let [ben, eve] = ["ben", "eve"].map(|name| platform.user(name, "en-US"));
    let [unstored, unheard] = [ben, eve].map(|user| platform.direct(user));
    platform.say(ben, unstored, QUESTION);
    daemon.kill().await;
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    until("the socket is gone", || !platform.connected()).await;
    platform.say(eve, unheard, QUESTION);

    let before = platform.requests().len();
    let daemon = setup.start().await;
    for chat in [unstored, unheard] {
        assert!(said(&platform, chat, 1).await[0].content.contains("18"));
    }
    daemon.at_rest().await;
    let counts = platform.counts();
    assert_eq!((counts.identified, counts.resumed), (1, 1), "the session went on");
    let listed =
        platform.requests().into_iter().skip(before).filter(|r| r.method == "GET" && r.path.starts_with("/ch"));
    assert_eq!(listed.count(), 0, "so nothing had to be listed");
    daemon.kill().await;
}

#[tokio::test]
async fn a_gateway_that_takes_no_session_up_is_asked_for_a_new_one() {
    let (platform, setup, daemon) = connected(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    ask(&platform, ada, chat, QUESTION).await;
    daemon.at_rest().await;
    daemon.kill().await;
    until("the socket is gone", || !platform.connected()).await;
    platform.ignore_resumes(true);
    platform.say(ada, chat, "What is a safety stop?");
    let daemon = setup.start().await;
    assert_eq!(said(&platform, chat, 2).await.len(), 2);
    assert_eq!(platform.counts().identified, 2);
    daemon.kill().await;
}

#[tokio::test]
async fn many_known_chats_are_asked_about_one_after_another() {
    const CHATS: usize = 40;
    let (platform, setup, daemon) = connected(quick()).await;
    let divers: Vec<(u64, u64)> = (0..CHATS)
        .map(|n| {
            let user = platform.user(&format!("diver{n}"), "en-US");
            (user, platform.direct(user))
        })
        .collect();
    for (user, chat) in &divers {
        platform.say(*user, *chat, "hello");
    }
    until("all are answered", || divers.iter().all(|(_, chat)| platform.said(*chat).len() == 1)).await;
    daemon.at_rest().await;
    daemon.kill().await;
    until("the socket is gone", || !platform.connected()).await;
    platform.forget_sessions();
    let (user, chat) = divers[0];
    platform.say(user, chat, QUESTION);

    let before = platform.requests().len();
    let daemon = setup.start().await;
    let asked = || {
        let all = platform.requests().into_iter().skip(before);
        all.filter(|r| r.method == "GET" && r.path.starts_with("/channels/")).collect::<Vec<_>>()
    };
    assert_eq!(said(&platform, chat, 2).await.len(), 2, "what was missed");
    until("each was asked about", || asked().len() > CHATS).await;
    let asked = asked();
    let took = asked.last().unwrap().at - asked[0].at;
    assert!(took >= Duration::from_millis(2_800), "a dozen a second, and not all at once: {took:?}");
    // The second's requests are counted by the bot: the process before may have used some of the first one.
    let refused = asked.iter().filter(|request| request.status != 200).count();
    assert!(refused <= 1, "{asked:#?}");
    daemon.kill().await;
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_nothing_is_lost_and_nothing_said_twice() {
    use dovvybuddy_fakes::discord::Discord;

    use crate::support::{Daemon, Setup};

    /// What the next start finds to do, or the gateway tells again, would meet the next point before anybody wrote.
    async fn stopped(daemon: Daemon) {
        daemon.at_rest().await;
        daemon.terminate();
        assert!(daemon.ended().await.success());
    }

    async fn killed_at(point: &str, platform: &Discord, setup: &mut Setup, ada: u64, text: &str, done: usize) {
        let chat = platform.direct(ada);
        setup.set("FAILPOINT", &format!("{point}:1"));
        let daemon = setup.start().await;
        until("the gateway is connected", || platform.connected()).await;
        platform.say(ada, chat, text);
        assert!(!daemon.ended().await.success(), "{point}");
        assert!(setup.log_text().contains(&format!("failpoint {point} fired")), "{point}");
        until("the socket is gone", || !platform.connected()).await;

        setup.set("FAILPOINT", "none");
        let daemon = setup.start().await;
        said(platform, chat, done + 1).await;
        // What a second reply would come before.
        ask(platform, ada, chat, &format!("What is a safety stop? ({point})")).await;
        assert_eq!(platform.said(chat).len(), done + 2, "{point}: {:#?}", platform.said(chat));
        stopped(daemon).await;
        until("the socket is gone", || !platform.connected()).await;
    }

    let (platform, mut setup) = platform(quick()).await;
    let ada = platform.user("ada", "en-US");
    let chat = platform.direct(ada);
    let daemon = setup.start().await;
    until("the gateway is connected", || platform.connected()).await;
    ask(&platform, ada, chat, "hello").await;
    stopped(daemon).await;
    until("the socket is gone", || !platform.connected()).await;
    let mut done = 1;
    for point in ["accepted", "claimed", "answered", "finished", "part_started", "part_sent"] {
        killed_at(point, &platform, &mut setup, ada, QUESTION, done).await;
        done += 2;
    }
    let emergency = "My buddy can't feel his legs after the dive";
    killed_at("emergency_stored", &platform, &mut setup, ada, emergency, done).await;
}
