//! Both platforms under load. `scripts/soak` runs the whole figures; without variables these are samples.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use dovvybuddy_fakes::telegram::{Person, Place};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::time::{Instant, MissedTickBehavior};

use super::Both;
use crate::crashes::{Dice, number_from};
use crate::support::Daemon;
use crate::telegram::DEPTH;
use crate::wire::PATIENCE;

/// Divers on each platform; together they write fifty messages a second, each about one.
const DIVERS: usize = 25;
const BETWEEN: Duration = Duration::from_millis(20);

/// Somebody who writes, and how much they wrote.
struct Diver {
    at: At,
    said: usize,
}

enum At {
    Telegram(Person, Place),
    Discord { user: u64, chat: u64 },
}

impl Diver {
    fn on_telegram(both: &Both, n: usize) -> Self {
        let person = Person::new(i64::try_from(1_000 + n).unwrap(), &format!("Diver {n}"), "en");
        let place = both.telegram.private(&person);
        Self { at: At::Telegram(person, place), said: 0 }
    }

    fn on_discord(both: &Both, n: usize) -> Self {
        let user = both.discord.user(&format!("diver{n}"), "en-US");
        Self { at: At::Discord { user, chat: both.discord.direct(user) }, said: 0 }
    }

    fn say(&mut self, both: &Both, text: &str) {
        match &self.at {
            At::Telegram(person, place) => drop(both.telegram.say(*place, person, text)),
            At::Discord { user, chat } => drop(both.discord.say(*user, *chat, text)),
        }
        self.said += 1;
    }

    /// Replies that stand in the chat, and placeholders that were left behind.
    fn heard(&self, both: &Both) -> (usize, usize) {
        let texts: Vec<String> = match &self.at {
            At::Telegram(_, place) => both.telegram.shown(*place).into_iter().map(|shown| shown.text).collect(),
            At::Discord { chat, .. } => both.discord.said(*chat).into_iter().map(|said| said.content).collect(),
        };
        let left = texts.iter().filter(|text| text.ends_with('…')).count();
        (texts.len() - left, left)
    }
}

fn divers(both: &Both, on_each: usize) -> Vec<Diver> {
    let telegram = (0..on_each).map(|n| Diver::on_telegram(both, n));
    let mut all: Vec<Diver> = telegram.collect();
    all.extend((0..on_each).map(|n| Diver::on_discord(both, n)));
    all
}

fn all_say(both: &Both, divers: &mut [Diver]) {
    for diver in divers {
        diver.say(both, "hello");
    }
}

/// Waits until everybody has a reply to each message; gives up when nothing more comes for a minute.
async fn all_answered(both: &Both, divers: &[Diver]) {
    let heard = || divers.iter().map(|diver| diver.heard(both).0.min(diver.said)).sum::<usize>();
    let said: usize = divers.iter().map(|diver| diver.said).sum();
    let (mut known, mut since) = (heard(), Instant::now());
    while known < said {
        let now = heard();
        if now > known {
            (known, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "{} of {said} were never answered", said - known);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn database(path: &Path) -> SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(connection).await.unwrap().try_get(0).unwrap()
}

/// The parts that were on their way when the daemon died, by conversation.
async fn on_their_way(both: &Both) -> HashMap<String, i64> {
    let mut connection = database(&both.setup.database()).await;
    let rows = sqlx::query("SELECT conversation, count(*) FROM outbox WHERE state = 'send_started' GROUP BY 1");
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| (row.try_get(0).unwrap(), row.try_get(1).unwrap())).collect()
}

/// Everybody speaks in turn, for so long.
async fn talk(both: &Both, divers: &mut [Diver], turn: &mut usize, how_long: Duration) {
    let end = Instant::now() + how_long;
    let mut tick = tokio::time::interval(BETWEEN);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < end {
        tick.tick().await;
        let count = divers.len();
        // Neighbours in line are on different platforms.
        let next = (*turn % count) / 2 + (*turn % 2) * (count / 2);
        let text = if turn.is_multiple_of(20) { DEPTH } else { "hello" };
        divers[next].say(both, text);
        *turn += 1;
    }
}

/// `PLATFORM_KILLS` and `SOAK_SEED` make it longer and another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_nothing_is_lost_or_doubled_on_either_platform() {
    let kills = number_from("PLATFORM_KILLS", 3);
    let mut dice = Dice(number_from("SOAK_SEED", 42));
    let both = Both::new().await;
    let mut daemon = both.start().await;
    let mut divers = divers(&both, DIVERS);
    // A direct chat on Discord that begins while nobody listens is told to no bot.
    all_say(&both, &mut divers);
    all_answered(&both, &divers).await;
    let (mut turn, mut uncertain, mut busy) = (0, 0, 0);
    for _ in 0..kills {
        talk(&both, &mut divers, &mut turn, Duration::from_millis(dice.below(1_500))).await;
        daemon.kill().await;
        let parts = on_their_way(&both).await;
        assert!(parts.values().all(|parts| *parts == 1), "one part at a time in a conversation: {parts:?}");
        uncertain += parts.keys().filter(|key| key.contains("telegram")).count();
        busy += usize::from(!parts.is_empty());
        daemon = both.setup.start().await;
    }
    all_answered(&both, &divers).await;
    daemon.at_rest().await;
    let (mut doubled, mut left) = (0, 0);
    for diver in &divers {
        let (heard, placeholders) = diver.heard(&both);
        match &diver.at {
            At::Telegram(..) => {
                (doubled, left) = (doubled + heard - diver.said, left + placeholders);
                assert!(u64::try_from(heard - diver.said + placeholders).unwrap() <= kills);
            }
            At::Discord { .. } => assert_eq!((heard, placeholders), (diver.said, 0), "Discord has a key"),
        }
    }
    assert!(doubled <= uncertain, "{doubled} were doubled, {uncertain} marked");
    check_turns(&daemon, &both, &divers).await;
    daemon.kill().await;
    let said: usize = divers.iter().map(|diver| diver.said).sum();
    println!(
        "{kills} kills, {busy} of them while parts were on their way; {said} messages, none lost, no second turn; on \
         Telegram {uncertain} parts uncertain and marked, {doubled} doubled, {left} placeholders left; on Discord none"
    );
}

/// Every message made one turn.
async fn check_turns(_daemon: &Daemon, both: &Both, divers: &[Diver]) {
    let said: i64 = divers.iter().map(|diver| i64::try_from(diver.said).unwrap()).sum();
    let mut connection = database(&both.setup.database()).await;
    for sql in [
        "SELECT count(*) FROM inbox",
        "SELECT count(*) FROM inbox WHERE covered_by IS NOT NULL",
        "SELECT count(DISTINCT covered_by) FROM inbox",
        "SELECT count(*) FROM turns",
    ] {
        assert_eq!(number(&mut connection, sql).await, said, "{sql}");
    }
    connection.close().await.unwrap();
}

/// Resident memory in bytes.
fn memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// `IDLE_CHATS` makes them more, on both platforms together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_that_are_known_and_idle_cost_little_memory() {
    const MOST: u64 = 20 * 1024 * 1024;
    let chats = usize::try_from(number_from("IDLE_CHATS", 60)).unwrap();
    let both = Both::new().await;
    let daemon = both.start().await;
    let mut first = divers(&both, 50);
    all_say(&both, &mut first);
    all_answered(&both, &first).await;
    daemon.at_rest().await;
    let before = memory(&daemon);
    let mut others: Vec<Diver> = Vec::new();
    for n in 0..chats / 2 {
        others.push(Diver::on_telegram(&both, 1_000 + n));
        others.push(Diver::on_discord(&both, 1_000 + n));
    }
    let most_waiting = 200;
    for some in others.chunks_mut(most_waiting) {
        all_say(&both, some);
        all_answered(&both, some).await;
    }
    daemon.at_rest().await;
    let grown = memory(&daemon).saturating_sub(before);
    println!("{chats} known idle chats: {} KB more than {} KB before", grown / 1024, before / 1024);
    assert!(grown <= MOST, "{grown} bytes");
    daemon.kill().await;
}
