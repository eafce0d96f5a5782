//! Events of Discord in the domain's words. Pure translation: nothing here asks or sends.
//!
//! What a conversation is: a direct chat; a thread, shared by those who write in it; and in a guild's
//! channel, what one diver and the bot say to each other there. A channel of hundreds is no conversation:
//! with one session for all of them, an emergency of one would stand over the questions of the others.

use std::time::Duration;

use dovvybuddy_core::channel::{Command, Content, Inbound, Sender};
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, DiverKey, TurnId};

use crate::CHANNEL;
use crate::events::{InteractionEvent, MessageEvent, Person};
use crate::way::{Ticket, Way};

/// Ordinary messages and replies; everything else is the platform's own ("joined", "pinned", …).
const SPOKEN: [u32; 2] = [0, 19];
/// Begins the id of an interaction, so that the two kinds of event can't be taken for each other.
const INTERACTION: char = 'i';

/// Translates for one bot.
pub(crate) struct Translator<'a> {
    pub(crate) bot: &'a BotId,
    /// The bot's user id on Discord.
    pub(crate) me: &'a str,
    pub(crate) clock: &'a dyn Clock,
    /// How long a burst may settle.
    pub(crate) settle: Duration,
}

/// Where a message was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A direct chat.
    Direct,
    /// A guild's channel.
    Guild,
    /// A thread.
    Thread,
}

/// The conversation of somebody in a place.
pub(crate) fn conversation(place: Place, channel: &str, user: &str) -> String {
    match place {
        Place::Direct | Place::Thread => channel.to_owned(),
        Place::Guild => format!("{channel}/{user}"),
    }
}

/// The conversation that only this diver reads, though it is spoken in a guild.
pub(crate) fn private_conversation(user: &str) -> String {
    format!("private/{user}")
}

/// The snowflake in an event id, which tells when it was made.
pub(crate) fn snowflake(event_id: &str) -> Option<u64> {
    event_id.trim_start_matches(INTERACTION).parse().ok()
}

impl Translator<'_> {
    /// Whether a message is for the bot: said to it directly, naming it, or replying to it.
    pub(crate) fn addressed(&self, message: &MessageEvent, place: Place) -> bool {
        if message.author.bot || message.webhook_id.is_some() || !SPOKEN.contains(&message.kind) {
            return false;
        }
        let named = message.mentions.iter().any(|person| person.id == self.me);
        let replied = message.referenced_message.as_ref().is_some_and(|to| to.author.id == self.me);
        place == Place::Direct || named || replied
    }

    /// A message that is for the bot.
    pub(crate) fn message(&self, message: &MessageEvent, place: Place) -> Option<Inbound> {
        if !self.addressed(message, place) {
            return None;
        }
        let content = self.content(message, place);
        let writer = &message.author.id;
        // Answered in the direct chat.
        let private = place != Place::Direct && matches!(&content, Content::Command(command) if command.is_private());
        let way = Way {
            reply_to: (place != Place::Direct && !private).then(|| message.id.clone()),
            only_for: private.then(|| writer.clone()),
            ..Way::to(message.channel_id.clone())
        };
        let said_in =
            if private { private_conversation(writer) } else { conversation(place, &message.channel_id, writer) };
        Some(self.inbound(message.id.clone(), said_in, self.sender(&message.author, None), content, &way))
    }

    fn content(&self, message: &MessageEvent, place: Place) -> Content {
        let text = self.words(message);
        let carries = !message.attachments.is_empty() || !message.sticker_items.is_empty();
        match (text.is_empty(), carries) {
            (false, false) => match Content::written(&text) {
                // A talk of several steps is no matter for a channel that everybody reads.
                Content::Command(Command::Connect) if place != Place::Direct => Content::Text(text),
                content => content,
            },
            (_, true) => Content::Unsupported { caption: (!text.is_empty()).then_some(text) },
            // A poll, a forwarded message, whatever will be invented; or, without Message Content, a reply
            // whose words are kept from us because it does not name us.
            (true, false) if message.content.is_empty() && place == Place::Direct => {
                Content::Unsupported { caption: None }
            }
            (true, false) if message.content.is_empty() => Content::Unseen,
            (true, false) => Content::Command(Command::Help),
        }
    }

    /// The words without the bot's own name; others' ids become their names.
    fn words(&self, message: &MessageEvent) -> String {
        let mut text = message.content.clone();
        for form in [format!("<@{}>", self.me), format!("<@!{}>", self.me)] {
            text = text.replace(&form, " ");
        }
        for person in &message.mentions {
            for form in [format!("<@{}>", person.id), format!("<@!{}>", person.id)] {
                text = text.replace(&form, &format!("@{}", person.shown()));
            }
        }
        text.trim().to_owned()
    }

    fn sender(&self, person: &Person, locale: Option<&str>) -> Sender {
        Sender {
            key: DiverKey {
                bot: self.bot.clone(),
                channel: ChannelId::new(CHANNEL),
                account: String::new(),
                user: person.id.clone(),
            },
            name: Some(person.shown().to_owned()).filter(|name| !name.is_empty()),
            locale: locale.map(str::to_owned),
            contact: (!person.username.is_empty()).then(|| format!("@{}", person.username)),
        }
    }

    fn inbound(&self, event_id: String, said_in: String, sender: Sender, content: Content, way: &Way) -> Inbound {
        let now = self.clock.now();
        let settles = !matches!(content, Content::Command(_)) && way.ticket.is_none();
        Inbound {
            turn: TurnId(self.clock.uuid()),
            conversation: ConversationKey {
                bot: self.bot.clone(),
                channel: ChannelId::new(CHANNEL),
                account: String::new(),
                conversation: said_in,
            },
            sender,
            event_id,
            fingerprint: None,
            content,
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.settle) } else { now },
            profile: None,
            state: None,
            context: way.write(),
        }
    }

    /// A slash command or button. `None`: nothing of ours.
    pub(crate) fn interaction(&self, event: &InteractionEvent) -> Option<Inbound> {
        let person = event.person()?;
        let channel = event.channel_id.clone().or_else(|| Some(event.channel.as_ref()?.id.clone()))?;
        let content = asked(event)?;
        let place = match &event.channel {
            _ if event.guild_id.is_none() => Place::Direct,
            Some(channel) if channel.is_thread() => Place::Thread,
            _ => Place::Guild,
        };
        // What was begun where only the sender reads, goes on there.
        let private = place != Place::Direct && (is_private(&content) || event.pressed_in_private());
        let said_in = match &content {
            // The operator's channel is one conversation, whoever of them says that an alert was seen.
            Content::Command(Command::Acknowledge { .. }) => channel.clone(),
            _ if private => private_conversation(&person.id),
            _ => conversation(place, &channel, &person.id),
        };
        let ticket = Ticket {
            id: event.id.clone(),
            application: event.application_id.clone(),
            token: event.token.clone(),
            since: self.clock.now(),
        };
        let way = Way { ticket: Some(ticket), only_for: private.then(|| person.id.clone()), ..Way::to(channel) };
        let sender = self.sender(person, event.locale.as_deref());
        Some(self.inbound(format!("{INTERACTION}{}", event.id), said_in, sender, content, &way))
    }
}

/// What an interaction says.
fn asked(event: &InteractionEvent) -> Option<Content> {
    const COMMAND: u32 = 2;
    const BUTTON: u32 = 3;
    match event.kind {
        COMMAND if event.data.name == "ask" => {
            let question = event.option("question").trim();
            Some(if question.is_empty() { Content::Command(Command::Help) } else { Content::Text(question.to_owned()) })
        }
        COMMAND => Command::spoken(&event.data.name, event.option("code")).map(Content::Command),
        BUTTON => Command::from_token(&event.data.custom_id).map(Content::Command),
        _ => None,
    }
}

/// Whether the answer is for the sender alone: what the core calls private, and on Discord also what
/// would only be noise to others.
pub(crate) fn is_private(content: &Content) -> bool {
    match content {
        Content::Command(command) => command.is_private() || matches!(command, Command::Help | Command::Privacy),
        Content::Text(_) | Content::Unsupported { .. } | Content::Unseen => false,
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
