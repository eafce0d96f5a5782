//! What a diver can do besides writing: commands, and the buttons under a reply.
//!
//! A button is an [`Action`]: a label in the diver's language and the [`Command`] it gives. The core
//! decides which are offered; an adapter shows them as its platform can, sends [`Command::token`] along
//! as the button's data, and hands in what [`Command::from_token`] reads when one is pressed.

use serde::{Deserialize, Serialize};

use crate::ids::{AlertId, TurnId};
use crate::phrase::Phrase;

/// Commands every channel offers; the adapter knows how its platform spells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// First contact or a request for help: who is speaking and what it can do.
    Help,
    /// Forget the conversation so far and begin anew.
    New,
    /// Show what is remembered of the diver.
    Profile,
    /// Show the sources of the last answer.
    Sources,
    /// Say what is kept and for how long.
    Privacy,
    /// Hand over everything held about the diver.
    Export,
    /// Remove everything held about the diver.
    Forget,
    /// Join this identity with the diver's identity on another channel. Without a code: give one that
    /// is to be entered there. With a code: redeem it here.
    Link(Option<String>),
    /// Be put in touch with a professional: begins the lead flow.
    Connect,
    /// Stop the lead flow.
    Cancel,
    /// Answers a step of the lead flow by one of the choices its reply offered.
    Choose(String),
    /// The button under an emergency reply.
    NotAnEmergency,
    /// Asks what the reply of that turn offered to ask next. Becomes a turn of the diver's words.
    FollowUp {
        /// The turn whose reply offered it.
        turn: TurnId,
    },
    /// Rates a reply. Is noted at once and makes no turn.
    Rate {
        /// The rated turn.
        turn: TurnId,
        /// Whether it helped.
        up: bool,
    },
    /// Says that an alert was seen. Counts only from the operator's chat; is noted at once and makes no
    /// turn.
    Acknowledge {
        /// The alert.
        alert: AlertId,
    },
}

/// The commands a platform lists, with what describes them, in this order. `ask` takes a question where
/// commands are the way to ask one.
pub const MENU: [(&str, Phrase); 12] = [
    ("start", Phrase::MenuStart),
    ("ask", Phrase::MenuAsk),
    ("new", Phrase::MenuNew),
    ("profile", Phrase::MenuProfile),
    ("sources", Phrase::MenuSources),
    ("connect", Phrase::MenuConnect),
    ("cancel", Phrase::MenuCancel),
    ("link", Phrase::MenuLink),
    ("privacy", Phrase::MenuPrivacy),
    ("export", Phrase::MenuExport),
    ("forget", Phrase::MenuForget),
    ("help", Phrase::MenuHelp),
];

/// The longest token, in bytes: what Telegram takes as a button's data. Discord takes 100 characters,
/// WhatsApp 256.
pub const LONGEST_TOKEN: usize = 64;

impl Command {
    /// The command of that name, without the slash; the same words on every channel.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "help" | "start" => Self::Help,
            "new" => Self::New,
            "profile" => Self::Profile,
            "sources" => Self::Sources,
            "privacy" => Self::Privacy,
            "export" => Self::Export,
            "forget" => Self::Forget,
            "link" => Self::Link(None),
            "connect" => Self::Connect,
            "cancel" => Self::Cancel,
            "not-an-emergency" | "not_an_emergency" => Self::NotAnEmergency,
            _ => return None,
        })
    }

    /// The command of that name with what was written after it: `/link CODE`, and `/start PAYLOAD` as it
    /// comes from a link into a chat (`connect`, `link`, `profile`…, or `link-CODE`).
    pub fn spoken(name: &str, rest: &str) -> Option<Self> {
        let rest = rest.trim();
        match name {
            "link" if !rest.is_empty() => Some(Self::Link(Some(rest.to_owned()))),
            "start" => Some(match rest.split_once('-') {
                Some(("link", code)) => Self::Link(Some(code.to_owned())),
                _ => Self::named(rest).unwrap_or(Self::Help),
            }),
            _ => Self::named(name),
        }
    }

    /// Whether the answer is for the sender alone. Said in a group, the adapter hands it in with a
    /// conversation that only the sender reads.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Profile | Self::Export | Self::Forget | Self::Link(_) | Self::Connect)
    }

    /// The command as a button's data: ASCII, at most [`LONGEST_TOKEN`] bytes. `None` for what no button
    /// gives: a code to redeem, a choice longer than any step offers.
    pub fn token(&self) -> Option<String> {
        let token = match self {
            Self::Help => "help".to_owned(),
            Self::New => "new".to_owned(),
            Self::Profile => "profile".to_owned(),
            Self::Sources => "sources".to_owned(),
            Self::Privacy => "privacy".to_owned(),
            Self::Export => "export".to_owned(),
            Self::Forget => "forget".to_owned(),
            Self::Link(None) => "link".to_owned(),
            Self::Link(Some(_)) => return None,
            Self::Connect => "connect".to_owned(),
            Self::Cancel => "cancel".to_owned(),
            Self::NotAnEmergency => "not-an-emergency".to_owned(),
            Self::Choose(choice) => format!("choose:{choice}"),
            Self::FollowUp { turn } => format!("follow:{turn}"),
            Self::Rate { turn, up: true } => format!("up:{turn}"),
            Self::Rate { turn, up: false } => format!("down:{turn}"),
            Self::Acknowledge { alert } => format!("ack:{alert}"),
        };
        (token.is_ascii() && token.len() <= LONGEST_TOKEN).then_some(token)
    }

    /// The inverse of [`Self::token`]; `None` for anything it did not write.
    pub fn from_token(token: &str) -> Option<Self> {
        let Some((name, value)) = token.split_once(':') else {
            return Self::named(token).filter(|command| command.token().as_deref() == Some(token));
        };
        let turn = || TurnId::parse(value);
        Some(match name {
            "choose" => Self::Choose(value.to_owned()),
            "follow" => Self::FollowUp { turn: turn()? },
            "up" => Self::Rate { turn: turn()?, up: true },
            "down" => Self::Rate { turn: turn()?, up: false },
            "ack" => Self::Acknowledge { alert: AlertId::parse(value)? },
            _ => return None,
        })
    }
}

/// A button under a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What stands on it, in the diver's language. An adapter whose platform allows less cuts it short.
    pub label: String,
    /// What pressing it does.
    pub command: Command,
}

impl Action {
    /// A button that gives `command`.
    pub fn new(label: impl Into<String>, command: Command) -> Self {
        Self { label: label.into(), command }
    }
}

/// The steps of the lead flow as a numbered list, for a platform without buttons: the flow understands the
/// numbers and the labels as words. Empty where there is nothing to choose.
pub fn numbered_choices(actions: &[Action]) -> String {
    let choice = |action: &&Action| matches!(action.command, Command::Choose(_) | Command::Cancel);
    let lines = actions.iter().filter(choice).enumerate();
    lines.map(|(n, action)| format!("{}. {}", n + 1, action.label)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_pressed_button_gives_the_command_it_was_made_of() {
        let turn = TurnId(Uuid::from_u128(7));
        let buttons = [
            Command::Help,
            Command::Connect,
            Command::Cancel,
            Command::NotAnEmergency,
            Command::Link(None),
            Command::Choose("training".into()),
            Command::FollowUp { turn },
            Command::Rate { turn, up: true },
            Command::Rate { turn, up: false },
            Command::Acknowledge { alert: AlertId(i64::MAX) },
        ];
        for command in buttons {
            let token = command.token().unwrap();
            assert!(token.len() <= LONGEST_TOKEN, "{token}");
            assert_eq!(Command::from_token(&token), Some(command));
        }
    }

    #[test]
    fn forged_buttons_give_nothing() {
        for token in ["", "start", "up:", "up:1", "follow:x", "ack:-x", "ack:+1", "link:CODE", "forget:all", "drop"] {
            assert_eq!(Command::from_token(token), None, "{token}");
        }
        assert_eq!(Command::Link(Some("CODE".into())).token(), None);
        assert_eq!(Command::Choose("x".repeat(60)).token(), None);
        assert_eq!(Command::Choose("é".into()).token(), None);
    }

    #[test]
    fn choices_are_numbered_as_the_flow_counts_them() {
        let turn = TurnId(Uuid::from_u128(7));
        let actions = [
            Action::new("A course", Command::Choose("training".into())),
            Action::new("A trip", Command::Choose("trip".into())),
            Action::new("Cancel", Command::Cancel),
        ];
        assert_eq!(numbered_choices(&actions), "1. A course\n2. A trip\n3. Cancel");
        assert_eq!(numbered_choices(&[Action::new("👍", Command::Rate { turn, up: true })]), "");
    }

    #[test]
    fn words_after_a_command_are_understood() {
        assert_eq!(Command::spoken("link", " ABCD-EFGH "), Some(Command::Link(Some("ABCD-EFGH".into()))));
        assert_eq!(Command::spoken("link", ""), Some(Command::Link(None)));
        assert_eq!(Command::spoken("start", "connect"), Some(Command::Connect));
        assert_eq!(Command::spoken("start", "link-ABCD-EFGH"), Some(Command::Link(Some("ABCD-EFGH".into()))));
        assert_eq!(Command::spoken("start", "campaign7"), Some(Command::Help));
        assert_eq!(Command::spoken("new", "please"), Some(Command::New));
        assert_eq!(Command::spoken("dance", ""), None);
    }
}
