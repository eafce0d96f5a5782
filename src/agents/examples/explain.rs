//! Shows what guard and router make of messages, one a line on standard input:
//! `cargo run -p dovvybuddy-agents --example explain < messages.txt`

use std::io::BufRead as _;

use dovvybuddy_agents::{HeuristicRouter, Operator, RuleGuard};
use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::clock::{Clock as _, SystemClock};
use dovvybuddy_core::guard::{Assessment, EmergencyGuard as _, Heard};
use dovvybuddy_core::ids::{BotId, ChannelId, ConversationKey, DiverKey, SessionId};
use dovvybuddy_core::session::Session;

#[allow(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = RuleGuard::load(None, &Operator::default())?;
    let router = HeuristicRouter::new(&[]);
    for line in std::io::stdin().lock().lines() {
        let text = line?;
        let alarm = matches!(guard.assess(&text, &Heard::default()), Assessment::Emergency(_));
        let (route, margin) = router.weigh(&asked(&text));
        println!("{text}\n    {}{:?} by {margin:.2}, {:?}", if alarm { "ALARM " } else { "" }, route.to, route.lang);
        println!(
            "    intent {}, worry {:?}, also {:?}, names {:?}\n    query {:?}",
            route.intent, route.worry, route.also, route.names, route.query
        );
    }
    Ok(())
}

fn asked(text: &str) -> Asked {
    let (bot, channel) = (BotId::default(), ChannelId::new("terminal"));
    let conversation = ConversationKey {
        bot: bot.clone(),
        channel: channel.clone(),
        account: String::new(),
        conversation: "explain".into(),
    };
    let now = SystemClock.now();
    Asked {
        text: text.into(),
        session: Session::open(SessionId(SystemClock.uuid()), conversation, now),
        diver: DiverKey { bot, channel, account: String::new(), user: String::new() },
        locale: None,
        now,
        deadline: tokio::time::Instant::now(),
    }
}
