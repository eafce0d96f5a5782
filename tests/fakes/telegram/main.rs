//! `fake-telegram`: the Bot API on this machine, with a chat in the terminal.
//!
//! `cargo run -p dovvybuddy-fakes --bin fake-telegram`, then start the daemon with
//! `TELEGRAM_BOT_TOKEN=4242:secret DOVVYBUDDY_TELEGRAM__API_URL=http://127.0.0.1:9003`, and write.

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use dovvybuddy_fakes::telegram::{self, FakeTelegram, Fault, Person, Place, Shown};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A Telegram of your own: what you write goes to the bot, what it says is printed.
#[derive(Parser)]
#[command(
    after_help = "A line is a message in your private chat. `#group TEXT` writes in a group, `#topic TEXT` in a \
forum topic, `!LABEL` presses the button whose label begins so, `~TEXT` edits your last message, `/quit` ends."
)]
struct Arguments {
    /// The port to listen on.
    #[arg(long, default_value_t = 9003)]
    port: u16,
    /// The bot's token.
    #[arg(long, default_value = "4242:secret")]
    token: String,
    /// The language of your app.
    #[arg(long, default_value = "en")]
    language: String,
    /// Enforce about one message a second per chat, as Telegram does.
    #[arg(long)]
    pace: bool,
    /// What goes wrong, as METHOD=FAULT: `sendMessage=429:3`, `getUpdates=502`, `sendMessage=400:text`, `…=hang`.
    /// Each is used once.
    #[arg(long)]
    fault: Vec<String>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, arguments.port).into();
    let platform = Arc::new(telegram::start(address, &arguments.token).await?);
    if arguments.pace {
        platform.enforce_pace();
    }
    for fault in &arguments.fault {
        let (method, fault) = fault
            .split_once('=')
            .and_then(|(method, fault)| Some((method, read_fault(fault)?)))
            .ok_or_else(|| io::Error::other(format!("{fault} is no METHOD=FAULT")))?;
        platform.fail(method, [fault]);
    }
    println!("Bot API at {}; the bot is @{}", platform.url(), telegram::USERNAME);
    let you = Person::new(1001, "You", &arguments.language);
    let forum = platform.forum(-1_003_001, "Forum", &[5]);
    let topic = forum.first().copied().ok_or_else(|| io::Error::other("the forum has no topic"))?;
    let places = [platform.private(&you), platform.group(-2001, "Dive club"), topic];
    let printing = tokio::spawn(print(Arc::clone(&platform), places));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut last = 0;
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            _ = tokio::signal::ctrl_c() => None,
        };
        match line.as_deref().map(str::trim) {
            // Without a terminal there is nobody to end it but a signal.
            None if io::stdin().is_terminal() => break,
            None => {
                tokio::signal::ctrl_c().await?;
                break;
            }
            Some("/quit") => break,
            Some("") => {}
            Some(line) => last = act(&platform, &you, places, last, line),
        }
    }
    printing.abort();
    Ok(())
}

/// Does what a line says; gives the id of the message that can be edited.
fn act(platform: &FakeTelegram, you: &Person, [private, group, topic]: [Place; 3], last: i64, line: &str) -> i64 {
    if let Some(label) = line.strip_prefix('!') {
        let pressed =
            [private, group, topic].into_iter().flat_map(|place| platform.shown(place)).rev().find_map(|shown| {
                let (_, data) = shown.buttons.iter().find(|(text, _)| text.starts_with(label))?;
                Some((shown.place, shown.message_id, data.clone()))
            });
        match pressed {
            Some((place, message, data)) => drop(platform.press(place, you, message, &data)),
            None => println!("no button begins with {label}"),
        }
        return last;
    }
    if let Some(text) = line.strip_prefix('~') {
        platform.edit(private, last, text);
        return last;
    }
    if let Some(text) = line.strip_prefix("#group ") {
        platform.say(group, you, text);
        return last;
    }
    if let Some(text) = line.strip_prefix("#topic ") {
        platform.say(topic, you, text);
        return last;
    }
    platform.say(private, you, line)
}

/// Prints what is new or changed, until it is stopped.
async fn print(platform: Arc<FakeTelegram>, places: [Place; 3]) {
    let mut seen: Vec<(Place, i64, u32)> = Vec::new();
    loop {
        let news = platform
            .until(Duration::from_hours(1), |p| {
                let all = places.iter().flat_map(|place| p.shown(*place));
                let new: Vec<Shown> = all.filter(|s| !seen.contains(&(s.place, s.message_id, s.edits))).collect();
                (!new.is_empty()).then_some(new)
            })
            .await;
        for shown in news.unwrap_or_default() {
            seen.push((shown.place, shown.message_id, shown.edits));
            let edited = if shown.edits > 0 { " (edited)" } else { "" };
            println!("\n[{} #{}]{edited} {}", shown.place.chat, shown.message_id, shown.text);
            for (label, _) in &shown.buttons {
                println!("   [ {label} ]");
            }
        }
    }
}

fn read_fault(text: &str) -> Option<Fault> {
    Some(match text.split_once(':').unwrap_or((text, "")) {
        ("429", seconds) => Fault::TooMany(seconds.parse().unwrap_or(3)),
        ("502", _) => Fault::BadGateway,
        ("garbled", _) => Fault::Garbled,
        ("hang", _) => Fault::Hang,
        ("unanswered", _) => Fault::DoneUnanswered,
        ("slow", millis) => Fault::Slow(Duration::from_millis(millis.parse().unwrap_or(2000))),
        (code, description) => Fault::Error(code.parse().ok()?, description.to_owned()),
    })
}
