//! One update, from the platform to the intake.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use dovvybuddy_core::agent::Phrase;
use dovvybuddy_core::channel::{Command, Content, Inbound, Sender};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use dovvybuddy_core::{ChannelId, ConversationKey, DiverKey, TurnId};
use serde_json::Value;
use teloxide::payloads::{AnswerCallbackQuery, AnswerCallbackQuerySetters as _, SendChatAction};
use teloxide::types::{CallbackQueryId, ChatAction, ChatId};

use crate::api::CallError;
use crate::inbound::{self, Event, News};
use crate::place::{Context, Place};
use crate::{BESIDE, CHANNEL, Seat, Telegram, commands, outbound};

/// How long whoever is sent to their private chat keeps what comes next waiting.
const ASIDE: Duration = Duration::from_secs(1);

/// The update could not be stored: it must stay with the platform and come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComeAgain;

impl Telegram {
    /// Takes an update in. When this returns `Ok` the platform may forget it.
    pub(crate) async fn take(&self, update: &Value, seat: &Seat) -> Result<(), ComeAgain> {
        let Some(id) = update["update_id"].as_i64() else { return Ok(()) };
        match inbound::read(update, &seat.me) {
            News::Nothing => {}
            News::Pressed(query) => {
                let say = seat.intake.say(Phrase::ButtonExpired, None);
                self.answer_query(query, Some(say)).await;
            }
            News::Left(chat) => self.chats.left(chat),
            News::Joined(chat) => self.chats.joined(chat),
            News::Moved { from, to } => {
                self.chats.moved(from, to);
                return self.move_session(from, to, seat).await;
            }
            News::Event(mut event) => {
                point_at(&mut event, &seat.intake);
                self.chats.joined(event.place.chat);
                if self.is_news(&event) {
                    return self.hand_in(id, *event, seat).await;
                }
                let locale = event.person.locale.as_deref();
                let say = event.pressed.is_some().then(|| seat.intake.say(Phrase::ButtonExpired, locale));
                self.answer_press(&event, say).await;
            }
        }
        Ok(())
    }

    /// The group's conversation goes on under its new id.
    async fn move_session(&self, from: i64, to: i64, seat: &Seat) -> Result<(), ComeAgain> {
        let key = |chat| self.conversation(Place { chat, topic: None }, seat);
        match seat.intake.moved(&key(from), &key(to)).await {
            Ok(true) => Ok(()),
            // A message of it is still being answered.
            Ok(false) => Err(ComeAgain),
            Err(error) => {
                tracing::warn!(error = %error, "a group's session can't be moved yet");
                Err(ComeAgain)
            }
        }
    }

    fn conversation(&self, place: Place, seat: &Seat) -> ConversationKey {
        ConversationKey {
            bot: self.config.bot.clone(),
            channel: ChannelId::new(CHANNEL),
            account: seat.me.id.to_string(),
            conversation: place.name(),
        }
    }

    /// Whether the event says anything that was not said before.
    fn is_news(&self, event: &Event) -> bool {
        let text = event.content.text();
        let words = !text.is_empty();
        if let Some((message, true)) = event.message {
            // A place that moves, a preview that came: changed, but not in its words.
            let same = self.words.get(&(event.place.chat, message)) == Some(digest(text));
            return !same && (words || matches!(event.content, Content::Command(_)));
        }
        if let Some(album) = &event.album {
            return words || !self.albums.contains_key(&(event.place.chat, album.clone()));
        }
        words || !matches!(event.content, Content::Text(_))
    }

    async fn hand_in(&self, update: i64, mut event: Event, seat: &Seat) -> Result<(), ComeAgain> {
        if let Content::Command(command) = &event.content
            && event.group
            && command.is_private()
        {
            let Some(private) = self.private_of(&event).await else {
                self.point_to_private(&event, &command.clone(), seat).await;
                return Ok(());
            };
            event.place = private;
            event.context = Context::default();
        }
        let turn = self.again.get(&update).unwrap_or_else(|| TurnId(seat.intake.clock().uuid()));
        let inbound = self.inbound(update, turn, &event, seat);
        match seat.intake.accept(inbound).await {
            Ok(admitted) => {
                self.remember(&event);
                self.acknowledge(&event, admitted).await;
                Ok(())
            }
            // The diver was told, or the platform itself brought one id twice; neither gets better by repeating.
            Err(Refusal::Limited { .. } | Refusal::Conflict) => {
                self.answer_press(&event, None).await;
                Ok(())
            }
            Err(Refusal::Overloaded) => self.come_again(update, turn, "too much is waiting"),
            Err(Refusal::Unavailable(error)) => self.come_again(update, turn, &error.to_string()),
        }
    }

    fn come_again(&self, update: i64, turn: TurnId, why: &str) -> Result<(), ComeAgain> {
        if !self.again.contains_key(&update) {
            tracing::warn!(update, %turn, why, "an update stays with Telegram for now");
        }
        // When it comes again it is the same turn, so that nothing urgent is said twice.
        self.again.insert(update, turn);
        Err(ComeAgain)
    }

    fn inbound(&self, update: i64, turn: TurnId, event: &Event, seat: &Seat) -> Inbound {
        let now = seat.intake.clock().now();
        let settles = !matches!(event.content, Content::Command(_));
        let (bot, account) = (self.config.bot.clone(), seat.me.id.to_string());
        let channel = ChannelId::new(CHANNEL);
        Inbound {
            turn,
            conversation: self.conversation(event.place, seat),
            sender: Sender {
                key: DiverKey { bot, channel, account, user: event.person.id.clone() },
                name: event.person.name.clone(),
                locale: event.person.locale.clone(),
                contact: event.person.contact.clone(),
            },
            event_id: update.to_string(),
            fingerprint: None,
            content: event.content.clone(),
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.config.settle) } else { now },
            profile: None,
            state: None,
            context: serde_json::to_value(event.context).unwrap_or_default(),
        }
    }

    fn remember(&self, event: &Event) {
        if let Some((message, _)) = event.message {
            self.words.insert((event.place.chat, message), digest(event.content.text()));
        }
        if let Some(album) = &event.album {
            self.albums.insert((event.place.chat, album.clone()), ());
        }
    }

    async fn acknowledge(&self, event: &Event, admitted: Admitted) {
        match admitted {
            Admitted::Queued { .. } => {
                self.show_typing(event.place);
                self.answer_press(event, None).await;
            }
            Admitted::Noted { say, note } => {
                self.answer_press(event, Some(say)).await;
                if let Some(note) = note {
                    self.note_under(event, &note).await;
                }
            }
            Admitted::Repeat { .. } | Admitted::Answered { .. } => self.answer_press(event, None).await,
        }
    }

    /// A pressed button turns until it is answered.
    async fn answer_press(&self, event: &Event, say: Option<String>) {
        if let Some(pressed) = &event.pressed {
            self.answer_query(pressed.query.clone(), say).await;
        }
    }

    async fn answer_query(&self, query: String, say: Option<String>) {
        let answer = AnswerCallbackQuery::new(CallbackQueryId(query));
        let answer = match say {
            Some(say) => answer.text(say),
            None => answer,
        };
        let Ok(hand) = std::sync::Arc::clone(&self.hands).acquire_owned().await else { return };
        let api = std::sync::Arc::clone(&self.api);
        self.beside.spawn(async move {
            if let Err(error) = api.call_within(&answer, BESIDE).await {
                tracing::debug!(error = %error, "a pressed button could not be answered");
            }
            drop(hand);
        });
    }

    /// Puts a note in the place of the button.
    async fn note_under(&self, event: &Event, note: &str) {
        let Some((message, text)) = event.pressed.as_ref().and_then(|pressed| pressed.under.as_ref()) else { return };
        let edit = outbound::noted(event.place, *message, text, note);
        let Ok(hand) = std::sync::Arc::clone(&self.hands).acquire_owned().await else { return };
        let api = std::sync::Arc::clone(&self.api);
        self.beside.spawn(async move {
            if let Err(error) = api.call_within(&edit, BESIDE).await {
                tracing::warn!(error = %error, "who saw an alert could not be shown under it");
            }
            drop(hand);
        });
    }

    /// The private chat of whoever said it, if we may write there. Asked by showing typing, which is
    /// refused exactly where a message would be.
    async fn private_of(&self, event: &Event) -> Option<Place> {
        let chat = event.person.private?;
        let probe = SendChatAction::new(ChatId(chat), ChatAction::Typing);
        match self.api.call_within(&probe, ASIDE).await {
            Err(CallError::Forbidden(_) | CallError::Refused(_)) => None,
            _ => Some(Place { chat, topic: None }),
        }
    }

    /// Says in the group that the answer waits in private, and how to get there.
    async fn point_to_private(&self, event: &Event, command: &Command, seat: &Seat) {
        let words = seat.intake.say(Phrase::WritePrivately, event.person.locale.as_deref());
        let link = format!("https://t.me/{}?start={}", seat.me.username, commands::payload(command));
        let payload = outbound::plain(&format!("{words}\n{link}"));
        let said = tokio::time::timeout(ASIDE, self.say_beside(event.place, &payload, event.context)).await;
        if !matches!(said, Ok(Ok(()))) {
            tracing::warn!(chat = event.place.chat, "a diver could not be pointed to the private chat");
        }
        self.answer_press(event, None).await;
    }
}

/// Puts the words of ours that a message points at before its own, for whoever answers it. Where only they
/// make it an alarm it goes without: they are a warning we gave, not what the diver says.
fn point_at(event: &mut Event, intake: &Intake) {
    let (Some(quote), Content::Text(text)) = (event.quoted.take(), &event.content) else { return };
    let whole = format!("“{quote}”\n{text}");
    if intake.alarming_by_itself(text) || !intake.alarming_by_itself(&whole) {
        event.content = Content::Text(whole);
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
