//! What every channel adapter must do, as tests.
//!
//! [`renders`] needs the adapter alone. The rules need its platform: a fake of it that the adapter talks to
//! as to the real one, and a store. An adapter's test file is a [`Platform`], a
//! [`Lab`](super::store_contract::Lab) and one line:
//!
//! ```ignore
//! dovvybuddy_core::channel_contract!(my_lab, my_platform);
//! ```
//!
//! where `async fn my_lab() -> impl Lab` opens an empty store and `async fn my_platform() -> impl Platform`
//! starts a fresh fake. Each rule becomes a test of its name.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::channel::{Action, ChannelAdapter, Command, Delivery, Rendering};
use crate::ids::{AgentId, TurnId};
use crate::lang::Lang;
use crate::reply::Reply;
use crate::testkit::clock::numbered;

pub mod rules;
mod stage;

pub use stage::{PATIENCE, Stage};

/// A fake platform with the adapter that talks to it.
#[async_trait]
pub trait Platform: Send + Sync {
    /// A new adapter, as a restarted daemon makes one. The platform stays as it is.
    fn adapter(&self) -> Arc<dyn ChannelAdapter>;

    /// A diver says something in a private chat. Returns the platform's name of the event. Chats that were
    /// never named before come into being.
    async fn say(&self, chat: &str, text: &str) -> String;

    /// The platform brings an event once more, as they do.
    async fn bring_again(&self, event: &str);

    /// Whether the platform was told that the event arrived. Where a platform is told nothing, whatever the
    /// adapter shows when it is stored, and never before, stands for it.
    async fn acknowledged(&self, event: &str) -> bool;

    /// The words of the bot that a diver sees in a chat now, message by message: edits applied, markup
    /// read, buttons left out.
    async fn shown(&self, chat: &str) -> Vec<String>;

    /// The next calls that send or edit a message go wrong like this, one each.
    async fn fail_next(&self, faults: &[Fault]);

    /// The next calls that send or edit a message into this chat go wrong, all of them, until the end.
    async fn lose(&self, chat: &str);
}

/// How a call to a platform goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It asks to wait; nothing was sent.
    Throttled(Duration),
    /// It is down; nothing was sent.
    Unavailable,
    /// It did what it was asked, and the answer was lost on the way.
    AnswerLost,
    /// It refuses the message for good.
    Refused,
    /// It does it, but takes so long.
    Slow(Duration),
}

/// Makes a test of every rule; `$lab` names an `async fn() -> impl Lab`, `$platform` an
/// `async fn() -> impl Platform`.
#[macro_export]
macro_rules! channel_contract {
    ($lab:ident, $platform:ident) => {
        $crate::channel_contract!(@rules $lab, $platform,
            a_message_is_answered_in_its_chat,
            messages_keep_their_order,
            a_long_reply_is_split_and_whole,
            a_repeated_event_is_answered_once,
            a_throttled_reply_arrives_once,
            a_platform_that_was_down_gets_the_reply_once,
            a_lost_answer_doubles_at_most_what_can_not_be_recognised,
            a_refused_reply_holds_up_nothing,
            a_chat_that_is_gone_holds_up_no_other,
            a_slow_platform_holds_up_only_its_chat,
            what_is_not_stored_is_not_acknowledged,
            a_crash_between_any_two_steps_loses_nothing,
            a_crash_while_a_reply_is_written_leaves_one_reply,
            a_stop_ends_in_time,
        );
    };
    (@rules $lab:ident, $platform:ident, $($rule:ident,)*) => {
        mod channel {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let mut lab = super::$lab().await;
                    let platform = super::$platform().await;
                    $crate::testkit::channel_contract::rules::$rule(&mut lab, &platform).await;
                }
            )*
        }
    };
}

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
