//! `fake-discord`: Discord on this machine, to try the daemon without an account.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use dovvybuddy_fakes::discord::{self, Discord, Fault, Saying, Settings};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Discord on this machine: you are a diver with a direct chat and a guild channel, the daemon is the bot.
#[derive(Parser)]
struct Arguments {
    /// The port to listen on.
    #[arg(long, default_value_t = 9003)]
    port: u16,
    /// The token the daemon must show.
    #[arg(long, default_value = "fake-token")]
    token: String,
    /// The language of your client.
    #[arg(long, default_value = "en-US")]
    locale: String,
    /// The Message Content intent is switched on.
    #[arg(long)]
    message_content: bool,
    /// Interactions go to this address over HTTP instead of the gateway.
    #[arg(long)]
    endpoint: Option<String>,
}

const HELP: &str = "\
  any text            a direct message to the bot
  # text              a mention of the bot in the guild's channel
  ## text             said in the channel without mentioning the bot
  /ask words          a slash command in the direct chat; so /new /profile /sources /help …
  #/ask words         the same in the channel
  press LABEL         a button of the bot's last message
  !drop !zombie !invalid !reconnect !429 !down !up    what platforms do
  !photo              a picture without words";

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let settings =
        Settings { token: arguments.token.clone(), message_content: arguments.message_content, ..Settings::default() };
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, arguments.port).into();
    let platform = discord::start(address, settings).await?;
    let you = platform.user("you", &arguments.locale);
    let (_, channel) = platform.guild("Reef Club");
    let desk = Desk { you, direct: platform.direct(you), channel, platform };
    println!(
        "Discord at {url}. In another terminal:\n\n  DISCORD_TOKEN={token} DOVVYBUDDY_DISCORD__API_URL={url} \
         DOVVYBUDDY_DISCORD__PUBLIC_KEY={key} cargo run\n\n{HELP}\n",
        url = desk.platform.api_url(),
        token = arguments.token,
        key = discord::public_key(),
    );
    if let Some(endpoint) = &arguments.endpoint {
        println!("endpoint taken: {}", desk.platform.set_endpoint(endpoint).await);
    }
    desk.serve().await
}

struct Desk {
    platform: Discord,
    you: u64,
    direct: u64,
    channel: u64,
}

impl Desk {
    async fn serve(&self) -> io::Result<()> {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let mut shown = Vec::new();
        let mut listens = true;
        loop {
            tokio::select! {
                end = tokio::signal::ctrl_c() => return end,
                line = lines.next_line(), if listens => match line? {
                    Some(line) => self.obey(line.trim()).await,
                    None => listens = false,
                },
                _ = tick.tick() => self.show(&mut shown),
            }
        }
    }

    async fn obey(&self, line: &str) {
        let (platform, you) = (&self.platform, self.you);
        if let Some(fault) = line.strip_prefix('!') {
            return self.happen(fault);
        }
        let (place, rest) = match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with('#') => (self.channel, rest.trim_start()),
            _ => (self.direct, line),
        };
        if let Some(command) = rest.strip_prefix('/') {
            let (name, words) = command.split_once(' ').unwrap_or((command, ""));
            let option = if name == "link" { "code" } else { "question" };
            let options: Vec<(&str, &str)> = if words.is_empty() { Vec::new() } else { vec![(option, words)] };
            platform.slash(you, place, name, &options).await;
        } else if let Some(label) = rest.strip_prefix("press ") {
            let said = [platform.said(self.direct), platform.said(self.channel)].concat();
            let mut buttons = said.iter().rev().flat_map(|m| m.buttons.iter().map(move |b| (m.id, b)));
            match buttons.find(|(_, (name, _))| name.to_lowercase().contains(&label.to_lowercase())) {
                Some((message, (_, id))) => drop(platform.press(you, message, id).await),
                None => println!("there is no such button"),
            }
        } else if let Some(words) = line.strip_prefix("##") {
            platform.say(you, self.channel, words.trim());
        } else if place == self.channel {
            platform.mention(you, place, rest);
        } else if !rest.is_empty() {
            platform.say(you, place, rest);
        }
    }

    fn happen(&self, fault: &str) {
        let platform = &self.platform;
        match fault {
            "drop" => platform.drop_sockets(),
            "zombie" => platform.zombie(true),
            "invalid" => platform.invalidate_sessions(false),
            "reconnect" => platform.ask_to_reconnect(),
            "429" => platform.fail_next("/messages", Fault::RateLimited { retry_after: 3.0, global: false }),
            "down" => platform.down(true),
            "up" => {
                platform.down(false);
                platform.zombie(false);
            }
            "photo" => {
                platform.say_with(self.you, self.direct, &Saying { attachments: 1, ..Saying::default() });
            }
            _ => println!("{HELP}"),
        }
    }

    /// Prints what the bot said, and again what it changed.
    fn show(&self, shown: &mut Vec<(u64, usize)>) {
        for (place, channel) in [("direct", self.direct), ("channel", self.channel)] {
            for said in self.platform.said(channel) {
                let now = (said.id, said.edits.len());
                if shown.contains(&now) {
                    continue;
                }
                shown.push(now);
                let seen_by = if said.only_for.is_some() { ", only you see it" } else { "" };
                println!("[{place}{seen_by}] {}", said.content);
                for (label, _) in &said.buttons {
                    println!("    ( {label} )");
                }
            }
        }
    }
}
