//! What every channel adapter must do, as far as it can be told without its platform.
//!
//! The rules about receiving (acknowledge only after [`crate::intake::Intake::accept`] returned) need
//! the adapter's own fake of its platform; a channel's test file has those beside a call of
//! [`renders`].

use crate::channel::{Action, ChannelAdapter, Command, Delivery, Rendering};
use crate::ids::{AgentId, TurnId};
use crate::lang::Lang;
use crate::reply::Reply;
use crate::testkit::clock::numbered;

/// Replies that have broken a renderer somewhere: empty, long without a break, many bytes a character,
/// markup left open, fences across a split.
fn awkward() -> Vec<String> {
    vec![
        "One line.".to_owned(),
        "word ".repeat(5_000),
        "x".repeat(12_000),
        "潜水は楽しい。".repeat(2_000),
        "🤿🏽‍♂️".repeat(3_000),
        "**bold [link](https://example.com \"".repeat(400),
        format!("```\n{}\n```", "code\n".repeat(3_000)),
        "<b>&amp;</b> _*[]()~`>#+-=|{}.!".repeat(300),
        "a\n\n\n\nb\n\u{0}\u{202e}c".to_owned(),
    ]
}

/// A fetched channel renders nothing. Where replies are sent, a reply is rendered into the same parts
/// every time, at least one, and the text of each fits the platform.
///
/// `text` reads the text that the platform counts out of a rendered part.
pub fn renders(adapter: &dyn ChannelAdapter, text: impl Fn(&serde_json::Value) -> String) {
    let capabilities = adapter.capabilities();
    let turn = TurnId(numbered(1));
    let actions = [
        Action::new("👍", Command::Rate { turn, up: true }),
        Action::new("Which way to the certificate is the shortest one for me? ".repeat(4), Command::FollowUp { turn }),
    ];
    for reply in awkward().into_iter().map(|text| Reply::fixed(text, AgentId::new("retrieval"), Lang::En)) {
        let rendering = Rendering { turn, reply: &reply, actions: &actions };
        let parts = adapter.render(&rendering);
        assert_eq!(parts, adapter.render(&rendering), "rendering is repeatable");
        if capabilities.delivery == Delivery::Fetched {
            assert!(parts.is_empty(), "a fetched channel renders nothing");
            continue;
        }
        assert!(!parts.is_empty(), "every reply is sent");
        for part in &parts {
            let length = capabilities.longest_text.unit.measure(&text(part));
            let most = capabilities.longest_text.most;
            assert!(length <= most, "a part of {length} exceeds {most}");
        }
    }
}
