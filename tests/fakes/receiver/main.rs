//! `fake-receiver`: what an operator's system would be, beside the daemon. It checks signatures and prints
//! what comes.
//!
//! `cargo run -p dovvybuddy-fakes --bin fake-receiver -- --secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`, then
//! start the daemon with `callback_url = "http://127.0.0.1:9005/hook"` and `outgoing.allow = ["127.0.0.1"]`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use dovvybuddy_fakes::webhook::{self, Answer, Delivery};

/// A receiver of webhooks: checks the signature of what comes, and prints it.
#[derive(Parser)]
struct Arguments {
    /// The port to listen on.
    #[arg(long, default_value_t = 9005)]
    port: u16,
    /// The secret by which deliveries are signed; without it none is checked. It is a secret for tests.
    #[arg(long)]
    secret: Option<String>,
    /// How the next deliveries are answered, one each: a status such as `500` or `410`, `429:5` with a
    /// `Retry-After`, `late:2000` milliseconds, `hang`.
    #[arg(long)]
    then: Vec<String>,
    /// Answer everything else with `{"ack":true}`, which ends the repeating of an emergency.
    #[arg(long)]
    ack: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, arguments.port).into();
    let receiver = webhook::start(address, arguments.secret.as_deref()).await?;
    for answer in &arguments.then {
        receiver.then([read(answer).ok_or_else(|| io::Error::other(format!("{answer} is no answer")))?]);
    }
    if arguments.ack {
        receiver.always(Answer::Body(r#"{"ack":true}"#.to_owned()));
    }
    println!("webhooks at {}", receiver.url());
    let mut seen = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            end = tokio::signal::ctrl_c() => return end,
            _ = tick.tick() => {
                let deliveries = receiver.deliveries();
                deliveries.iter().skip(seen).for_each(show);
                seen = deliveries.len();
            }
        }
    }
}

fn show(delivery: &Delivery) {
    let signed = match delivery.signed {
        Some(true) => "signature right",
        Some(false) => "SIGNATURE WRONG",
        None => "signature not checked",
    };
    let id = delivery.header("webhook-id").unwrap_or("no webhook-id");
    println!("\n{} {id}, {signed}, answered {}", delivery.path, delivery.answered);
    println!("{}", String::from_utf8_lossy(&delivery.body));
}

fn read(text: &str) -> Option<Answer> {
    Some(match text.split_once(':').unwrap_or((text, "")) {
        ("hang", _) => Answer::Hang,
        ("late", millis) => Answer::Late(Duration::from_millis(millis.parse().ok()?)),
        (status, "") => Answer::Status(status.parse().ok()?, None),
        (status, seconds) => Answer::Status(status.parse().ok()?, Some(seconds.parse().ok()?)),
    })
}
