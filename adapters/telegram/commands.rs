//! How commands are written on Telegram, and how the platform learns of them.

use dovvybuddy_core::Lang;
use dovvybuddy_core::channel::{Command, Content};
use dovvybuddy_core::intake::Intake;
use teloxide::payloads::{SetMyCommands, SetMyCommandsSetters as _};
use teloxide::types::BotCommand;

use crate::Telegram;
use crate::api::CallError;

/// Whom a text calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Called {
    /// Nobody: it is no command.
    Nobody,
    /// Us.
    Us(Content),
    /// Us, or nobody in particular, by a name we don't know.
    Unknown,
    /// Another bot.
    SomebodyElse,
}

/// Reads `/name rest` and `/name@bot rest`.
pub(crate) fn called(text: &str, username: &str) -> Called {
    let Some((name, bot, rest)) = parts(text) else { return Called::Nobody };
    if bot.is_some_and(|bot| !bot.eq_ignore_ascii_case(username)) {
        return Called::SomebodyElse;
    }
    // Whoever writes a sentence after it wants to be heard, most of all in an emergency.
    let sentence = rest.split_whitespace().nth(1).is_some();
    match Command::spoken(&name, rest) {
        Some(Command::Help | Command::New) if sentence => Called::Us(Content::Text(rest.to_owned())),
        Some(command) => Called::Us(Content::Command(command)),
        None if bot.is_some() || name == "ask" => Called::Us(unknown(text)),
        None => Called::Unknown,
    }
}

/// A command of no name we know: what is said with it counts, else help.
pub(crate) fn unknown(text: &str) -> Content {
    match parts(text) {
        Some((_, _, rest)) if !rest.is_empty() => Content::Text(rest.to_owned()),
        _ => Content::Command(Command::Help),
    }
}

/// Name, addressed bot, and the rest.
fn parts(text: &str) -> Option<(String, Option<&str>, &str)> {
    let text = text.trim_start().strip_prefix('/')?;
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (name, bot) = word.split_once('@').map_or((word, None), |(name, bot)| (name, Some(bot)));
    let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named.then(|| (name.to_ascii_lowercase(), bot, rest.trim()))
}

/// The payload of a deep link that gives a command, for [`Command::spoken`].
pub(crate) fn payload(command: &Command) -> String {
    match command {
        Command::Link(Some(code)) => format!("link-{code}"),
        command => command.token().filter(|token| !token.contains(':')).unwrap_or_else(|| "help".to_owned()),
    }
}

impl Telegram {
    /// Tells the platform our commands in every language; English is for all others.
    pub(crate) async fn register_commands(&self, intake: &Intake) -> Result<(), CallError> {
        for lang in Lang::ALL {
            // A question is simply written here.
            let menu = intake.menu(lang).into_iter().filter(|(name, _)| *name != "ask");
            let menu = menu.map(|(name, description)| BotCommand::new(name, description));
            let commands = SetMyCommands::new(menu);
            let commands = if lang == Lang::default() { commands } else { commands.language_code(lang.code()) };
            self.api.call(&commands).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Called {
        called(text, "dovvy_bot")
    }

    #[test]
    fn commands_are_read_as_they_are_written() {
        assert_eq!(read("/profile"), Called::Us(Content::Command(Command::Profile)));
        assert_eq!(read("/Profile@Dovvy_Bot please"), Called::Us(Content::Command(Command::Profile)));
        assert_eq!(read("/start"), Called::Us(Content::Command(Command::Help)));
        assert_eq!(read("/start connect"), Called::Us(Content::Command(Command::Connect)));
        assert_eq!(read("/link AB12"), Called::Us(Content::Command(Command::Link(Some("AB12".into())))));
        assert_eq!(read("/profile@other_bot"), Called::SomebodyElse);
        assert_eq!(read("/weather"), Called::Unknown);
        assert_eq!(read("and/or"), Called::Nobody);
        assert_eq!(read("/ 5 m"), Called::Nobody);
    }

    #[test]
    fn a_sentence_after_a_command_is_heard() {
        let words = Content::Text("my buddy is not breathing".into());
        assert_eq!(read("/help my buddy is not breathing"), Called::Us(words.clone()));
        assert_eq!(read("/new my buddy is not breathing"), Called::Us(words.clone()));
        assert_eq!(read("/sos@dovvy_bot my buddy is not breathing"), Called::Us(words.clone()));
        assert_eq!(unknown("/sos my buddy is not breathing"), words);
        assert_eq!(unknown("/sos"), Content::Command(Command::Help));
    }

    #[test]
    fn a_deep_link_gives_the_command_it_was_made_of() {
        for command in [Command::Profile, Command::Connect, Command::Export, Command::Link(None)] {
            assert_eq!(Command::spoken("start", &payload(&command)), Some(command));
        }
    }
}
