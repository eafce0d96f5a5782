//! `fake-graph`: WhatsApp, or Instagram or Messenger, on this machine, with a chat in the terminal.
//!
//! `cargo run -p dovvybuddy-fakes --bin fake-graph`, then start the daemon with
//! `WHATSAPP_ACCESS_TOKEN=token WHATSAPP_APP_SECRET=secret WHATSAPP_VERIFY_TOKEN=verify
//! DOVVYBUDDY_WHATSAPP__PHONE_NUMBER_ID=106540352242922
//! DOVVYBUDDY_WHATSAPP__GRAPH_URL=http://127.0.0.1:9004`, and write. With `--on instagram` or `--on messenger` it says
//! what the daemon needs instead.

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use dovvybuddy_fakes::graph::{self, FakeGraph, Fault, PHONE_NUMBER_ID, Product, Shown};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A messenger of your own: what you write goes to the bot, what it says is printed.
#[derive(Parser)]
#[command(after_help = "A line is a message. `!LABEL` presses the button whose label begins so, `~` sends a picture, \
`/quit` ends.")]
struct Arguments {
    /// The port to listen on.
    #[arg(long, default_value_t = 9004)]
    port: u16,
    /// Where the bot takes messages.
    #[arg(long, default_value = "http://127.0.0.1:8000/webhooks/whatsapp")]
    hook: String,
    /// The access token.
    #[arg(long, default_value = "token")]
    token: String,
    /// The app's secret.
    #[arg(long, default_value = "secret")]
    secret: String,
    /// Your number.
    #[arg(long, default_value = "14158675309")]
    number: String,
    /// Where you write.
    #[arg(long, value_enum, default_value = "whatsapp")]
    on: On,
    /// What goes wrong with the bot's next messages, each once: `130429`, `131047`, `429`, `503`, `hang`,
    /// `unanswered`.
    #[arg(long)]
    fault: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum On {
    Whatsapp,
    Instagram,
    Messenger,
}

impl On {
    const fn product(self) -> Option<Product> {
        match self {
            Self::Whatsapp => None,
            Self::Instagram => Some(Product::Instagram),
            Self::Messenger => Some(Product::Messenger),
        }
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, arguments.port).into();
    let platform = Arc::new(graph::start(address, &arguments.token, &arguments.secret).await?);
    platform.connect(&arguments.hook);
    for fault in &arguments.fault {
        let fault = read_fault(fault).ok_or_else(|| io::Error::other(format!("{fault} is no fault")))?;
        platform.fail([fault]);
    }
    println!("{}", introduction(&platform, &arguments));
    let printing = tokio::spawn(print(Arc::clone(&platform), arguments.number.clone()));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            _ = tokio::signal::ctrl_c() => break,
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
            Some(line) => act(&platform, arguments.on.product(), &arguments.number, line),
        }
    }
    printing.abort();
    Ok(())
}

/// Where the platform is, and what the daemon needs.
fn introduction(platform: &FakeGraph, arguments: &Arguments) -> String {
    let Some(on) = arguments.on.product() else {
        return format!(
            "Graph API at {}; the bot's number is {PHONE_NUMBER_ID}; you are {}",
            platform.url(),
            arguments.number
        );
    };
    let section = if on == Product::Instagram { "INSTAGRAM" } else { "MESSENGER" };
    let variables = [
        ("ACCOUNT_ID", on.account().to_owned()),
        ("ACCESS_TOKEN", on.token(&arguments.token)),
        ("APP_SECRET", arguments.secret.clone()),
        ("VERIFY_TOKEN", "verify".to_owned()),
        ("GRAPH_URL", platform.url()),
    ];
    let variables = variables.map(|(key, value)| format!("  DOVVYBUDDY_{section}__{key}={value} \\\n"));
    format!("Graph API at {}. In another terminal:\n\n{}  cargo run\n", platform.url(), variables.concat())
}

fn act(platform: &FakeGraph, on: Option<Product>, you: &str, line: &str) {
    if line == "~" {
        match on {
            Some(on) => platform.direct(on, you, serde_json::json!({ "attachments": [{ "type": "image" }] })),
            None => platform.bring(you, serde_json::json!({ "type": "image", "image": { "id": "1" } })),
        };
        return;
    }
    let Some(label) = line.strip_prefix('!') else {
        match on {
            Some(on) => platform.write(on, you, line),
            None => platform.say(you, line),
        };
        return;
    };
    let shown = platform.shown(you);
    let button = shown.iter().rev().find_map(|shown| shown.buttons.iter().find(|(text, _)| text.starts_with(label)));
    let Some((text, data)) = button else { return println!("no button begins with {label}") };
    match on {
        Some(on) => platform.choose(on, you, text, data),
        None => platform.press(you, text, data),
    };
}

/// Prints what is new, until it is stopped.
async fn print(platform: Arc<FakeGraph>, you: String) {
    let mut seen = 0;
    loop {
        let news = platform.until(Duration::from_hours(1), |p| Some(p.shown(&you)).filter(|s| s.len() > seen)).await;
        for Shown { kind, text, buttons, .. } in news.unwrap_or_default().into_iter().skip(seen) {
            seen += 1;
            println!("\n[{kind}] {text}");
            for (label, _) in buttons {
                println!("   [ {label} ]");
            }
        }
    }
}

fn read_fault(text: &str) -> Option<Fault> {
    Some(match text {
        "429" => Fault::TooMany(3),
        "503" => Fault::Unavailable,
        "hang" => Fault::Hang,
        "unanswered" => Fault::DoneUnanswered,
        code => Fault::Error(400, code.parse().ok()?),
    })
}
