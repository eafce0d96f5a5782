//! Shows what guard and router make of messages, one a line on standard input:
//! `cargo run -p dovvybuddy-agents --example explain < messages.txt`
//!
//! Messages parted by ` | ` are said one after another, and shown with what the guard answers.

use std::io::BufRead as _;

use dovvybuddy_agents::{HeuristicRouter, Operator, RuleGuard};
use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::clock::{Clock as _, SystemClock};
use dovvybuddy_core::guard::{Assessment, EmergencyGuard as _, Heard};
use dovvybuddy_core::ids::{BotId, ChannelId, ConversationKey, DiverKey, SessionId};
use dovvybuddy_core::session::{Message, Role, Session};

/// What stands between the messages of a conversation.
const NEXT: &str = " | ";
/// So many of the features that decide are shown.
const MOST: usize = 14;

#[allow(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = RuleGuard::load(None, &Operator::default())?;
    let router = HeuristicRouter::new(&[]);
    for line in std::io::stdin().lock().lines() {
        let text = line?;
        if text.contains(NEXT) {
            conversation(&guard, &router, &text);
            continue;
        }
        let alarm = matches!(guard.assess(&text, &Heard::default()), Assessment::Emergency(_));
        let (route, margin) = router.weigh(&asked(&text));
        println!("{text}\n    {}{:?} by {margin:.2}, {:?}", if alarm { "ALARM " } else { "" }, route.to, route.lang);
        let (concepts, shares) = guard.explain(&text);
        let sum: f32 = shares.iter().map(|(_, share)| share).sum();
        let most: Vec<String> = shares.iter().take(MOST).map(|(name, share)| format!("{name} {share:+.1}")).collect();
        println!("    read {}\n    sum {sum:+.1}: {}", concepts.join(" "), most.join(", "));
        println!(
            "    intent {}, worry {:?}, also {:?}, names {:?}\n    query {:?}",
            route.intent, route.worry, route.also, route.names, route.query
        );
    }
    Ok(())
}

/// What the guard answers to messages that are said one after another, and what the router makes of each.
#[allow(clippy::print_stdout, reason = "it is what the program is for")]
fn conversation(guard: &RuleGuard, router: &HeuristicRouter, line: &str) {
    let mut heard = Heard::default();
    let mut turn = asked("");
    for text in line.split(NEXT) {
        println!("> {text}");
        match guard.assess(text, &heard) {
            Assessment::Emergency(alarm) => {
                println!("{}\n", alarm.text);
                heard.standing = Some(alarm.standing);
            }
            Assessment::StoodDown { reply, .. } => {
                println!("(stood down) {}\n", reply.unwrap_or_default());
                heard.standing = None;
            }
            Assessment::Calm => println!("(calm)\n"),
        }
        heard.said.push(text.to_owned());
        text.clone_into(&mut turn.text);
        let route = router.route_now(&turn);
        println!("    {:?}, intent {}, names {:?}\n    query {:?}\n", route.to, route.intent, route.names, route.query);
        turn.session.profile.merge(route.learned);
        let said = Message { role: Role::User, content: text.to_owned(), created_at: turn.now };
        turn.session.history.push(said);
    }
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
        typed: text.into(),
        session: Session::open(SessionId(SystemClock.uuid()), conversation, now),
        diver: DiverKey { bot, channel, account: String::new(), user: String::new() },
        locale: None,
        now,
        deadline: tokio::time::Instant::now(),
    }
}
