//! Starts a stand-in by hand.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use dovvybuddy_fakes::model::{self, Fault, Reply, Script};
use dovvybuddy_fakes::{smtp, webhook};

/// Stand-ins for the services `DovvyBuddy` talks to. Each runs until interrupted.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// An OpenAI-compatible model.
    Model {
        /// The port to listen on.
        #[arg(long, default_value_t = 9001)]
        port: u16,
        /// What it says.
        #[arg(long, value_enum, default_value_t = Says::Quote)]
        says: Says,
        /// Exactly this, instead of `--says`.
        #[arg(long)]
        text: Option<String>,
        /// What goes wrong.
        #[arg(long, value_enum, default_value_t = Goes::Well)]
        fault: Goes,
        /// Milliseconds until the first word.
        #[arg(long, default_value_t = 0)]
        first_token_ms: u64,
        /// Milliseconds between words.
        #[arg(long, default_value_t = 0)]
        between_ms: u64,
    },
    /// A mail server that prints what it takes.
    Smtp {
        /// The port to listen on.
        #[arg(long, default_value_t = 9025)]
        port: u16,
    },
    /// A receiver of webhooks that prints what comes.
    Webhook {
        /// The port to listen on.
        #[arg(long, default_value_t = 9002)]
        port: u16,
        /// The environment variable with the `whsec_…` secret by which signatures are checked.
        #[arg(long, default_value = "FAKE_WEBHOOK_SECRET")]
        secret_env: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Says {
    Quote,
    Echo,
    Lie,
    Obey,
}

#[derive(Clone, Copy, ValueEnum)]
enum Goes {
    Well,
    Instant,
    NoDone,
    NoEnd,
    Garble,
    Refuse,
    Unauthorized,
    RateLimited,
    ServerError,
    Html,
    Stall,
    Hang,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    match Arguments::parse().which {
        Which::Model { port, says, text, fault, first_token_ms, between_ms } => {
            let reply = text.map_or_else(|| reply(says), Reply::Text);
            let script = Script {
                reply,
                fault: self::fault(fault),
                first_token: Duration::from_millis(first_token_ms),
                between: Duration::from_millis(between_ms),
                packet: 0,
            };
            let model = model::start(here(port), script).await?;
            println!("model at {}", model.base_url());
            tokio::signal::ctrl_c().await?;
            println!("{:?}", model.counts());
        }
        Which::Smtp { port } => {
            let server = smtp::start(here(port)).await?;
            println!("mail server at {}", server.url());
            watch(|| server.mails().iter().map(|m| format!("{} -> {:?}\n{}", m.from, m.to, m.data)).collect()).await?;
        }
        Which::Webhook { port, secret_env } => {
            let secret = std::env::var(secret_env).ok();
            let receiver = webhook::start(here(port), secret.as_deref()).await?;
            println!("webhooks at {}", receiver.url());
            let show = |d: &webhook::Delivery| {
                format!("{} signed={:?} {} {}", d.path, d.signed, d.answered, String::from_utf8_lossy(&d.body))
            };
            watch(|| receiver.deliveries().iter().map(show).collect()).await?;
        }
    }
    Ok(())
}

fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Prints what is new twice a second until interrupted.
async fn watch(all: impl Fn() -> Vec<String>) -> io::Result<()> {
    let mut seen = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            end = tokio::signal::ctrl_c() => return end,
            _ = tick.tick() => {
                let lines = all();
                lines.iter().skip(seen).for_each(|line| println!("{line}"));
                seen = lines.len();
            }
        }
    }
}

fn reply(says: Says) -> Reply {
    match says {
        Says::Quote => Reply::Quote,
        Says::Echo => Reply::Echo,
        Says::Lie => Reply::Lie,
        Says::Obey => Reply::Obey,
    }
}

fn fault(goes: Goes) -> Fault {
    let status = |code, retry_after: Option<&str>| Fault::Status { code, retry_after: retry_after.map(str::to_owned) };
    match goes {
        Goes::Well => Fault::None,
        Goes::Instant => Fault::Instant,
        Goes::NoDone => Fault::NoDone,
        Goes::NoEnd => Fault::NoEnd,
        Goes::Garble => Fault::Garble,
        Goes::Refuse => Fault::Refuse,
        Goes::Unauthorized => status(401, None),
        Goes::RateLimited => status(429, Some("5")),
        Goes::ServerError => status(500, None),
        Goes::Html => Fault::Html,
        Goes::Stall => Fault::Stall,
        Goes::Hang => Fault::Hang,
    }
}
