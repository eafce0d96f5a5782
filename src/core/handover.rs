//! A person takes over a conversation, and gives it back.
//!
//! While a person has a conversation the bot says nothing of its own there, except what must not wait: the
//! emergency guard reads every message as always, and commands are obeyed. The diver is told once that a person
//! has taken over. Every message still gets its one reply (SPEC section 5): where the client waits for one it hears
//! that its message was passed on; on a platform the message is covered without further words. What a person
//! then writes counts as the answer to everything said before it. When the pause ends and words are left that
//! nobody answered, the bot takes them up, so that nobody is met with silence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::agent::{Phrase, Voice};
use crate::channel::{BoxError, ChannelAdapter, Content, Inbound, Rendering, Sender};
use crate::clock::{Clock, Timestamp};
use crate::ids::{AgentId, ChannelId, ConversationKey, SessionId, TurnId};
use crate::lang::Lang;
use crate::reply::Reply;
use crate::session::{Role, Session};
use crate::store::{Accepted, EndedPause, Left, Outcome, Store, StoreError, TakenUp, Unasked};
use crate::supervise::Progress;
use crate::turn::GENERAL;

/// How long the bot is silent after a person wrote, unless they say otherwise.
pub const USUAL_PAUSE: Duration = Duration::from_mins(30);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// The agent under whose name people speak.
pub const PERSON: &str = "person";

/// How many messages back our own words are looked for.
const LATELY: usize = 12;
/// So many letters nobody writes by chance as we did.
const TELLING: usize = 30;
/// How often ended pauses are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How many ended pauses are handled at a time.
const AT_ONCE: usize = 20;

/// The hands through which a conversation goes to a person and back.
pub struct Handover {
    /// Where pauses are kept.
    pub store: Arc<dyn Store>,
    /// The channels by id, to render what is said.
    pub channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    /// The fixed sentences.
    pub voice: Arc<dyn Voice>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The loop's watermark.
    pub progress: Arc<Progress>,
}

impl Handover {
    /// The bot is silent in the session's conversation until then, and the diver is told so unless it was before.
    pub async fn take_over(&self, session: &Session, until: Timestamp, by: &str) -> Result<(), StoreError> {
        if self.store.pause(&session.conversation, until, by).await? {
            let lang = session.profile.language.unwrap_or_default();
            let notice = Reply::fixed(self.voice.say(Phrase::WithPerson, lang), AgentId::new(GENERAL), lang);
            self.say(&session.conversation, notice, Outcome::Fixed, by, true).await?;
        }
        Ok(())
    }

    /// A person writes to the diver; the bot is silent until then. `None` where there is no session any more.
    pub async fn reply(
        &self,
        session: &Session,
        text: &str,
        until: Timestamp,
        by: &str,
    ) -> Result<Option<TurnId>, StoreError> {
        self.take_over(session, until, by).await?;
        let words = Reply::fixed(text, AgentId::new(PERSON), session.profile.language.unwrap_or_default());
        self.say(&session.conversation, words, Outcome::Person, by, true).await
    }

    /// A person wrote to the diver by the platform's own means, where we only hear of it: kept like a reply from
    /// here, and not sent. The bot is silent for the [usual time](USUAL_PAUSE).
    pub async fn overheard(&self, conversation: &ConversationKey, text: &str, by: &str) -> Result<(), StoreError> {
        self.store.pause(conversation, self.clock.now().plus(USUAL_PAUSE), by).await?;
        let words = Reply::fixed(text, AgentId::new(PERSON), Lang::default());
        self.say(conversation, words, Outcome::Person, by, false).await?;
        Ok(())
    }

    /// Whether words that a platform brings back from our own account were said by us lately: markup is gone from
    /// them, they may be a part, and a question may stand behind them. So their beginning tells; a few words are
    /// ours only if they are all that was said.
    pub async fn is_ours(&self, conversation: &ConversationKey, text: &str) -> Result<bool, StoreError> {
        let diver = conversation.diver(&conversation.conversation);
        let Some(session) = self.store.session(conversation, &diver, LATELY).await? else { return Ok(false) };
        let words = letters(text);
        let ours = session.history.iter().filter(|message| message.role == Role::Assistant);
        let mut said = ours.map(|message| letters(&message.content));
        let beginning: String = words.chars().take(TELLING).collect();
        let telling = beginning.chars().count() == TELLING;
        Ok(said.any(|said| said == words || telling && said.contains(&beginning)))
    }

    /// The bot may speak again; `false` if it was not paused.
    pub async fn hand_back(&self, conversation: &ConversationKey, by: &str) -> Result<bool, StoreError> {
        self.store.resume(conversation, self.clock.now(), by).await
    }

    async fn say(
        &self,
        conversation: &ConversationKey,
        reply: Reply,
        outcome: Outcome,
        by: &str,
        send: bool,
    ) -> Result<Option<TurnId>, StoreError> {
        let turn = TurnId(self.clock.uuid());
        let channel = self.channels.get(&conversation.channel).filter(|_| send);
        let parts = channel.map(|channel| channel.render(&Rendering { turn, reply: &reply, actions: &[] }));
        let words = Unasked {
            turn,
            conversation: conversation.clone(),
            reply,
            outcome,
            parts: parts.unwrap_or_default(),
            by: by.to_owned(),
            at: self.clock.now(),
        };
        if !self.store.say_unasked(&words).await? {
            return Ok(None);
        }
        Ok(Some(turn))
    }

    /// Takes up what is left of ended pauses, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        while !stop.is_cancelled() {
            self.progress.tick(self.clock.now());
            match self.store.ended_pauses(self.clock.now(), AT_ONCE).await {
                Ok(ended) => {
                    for pause in &ended {
                        if let Err(error) = self.take_up(pause).await {
                            tracing::error!(error = %error, "what was left of a pause can't be taken up yet");
                        }
                    }
                }
                Err(error) => tracing::error!(error = %error, "ended pauses can't be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Once accepted the words are a message like any other. A crash before the pause is closed makes the
    /// same event come again, which the store recognises.
    async fn take_up(&self, pause: &EndedPause) -> Result<(), StoreError> {
        let mut taken_up = Vec::with_capacity(pause.left.len());
        for left in &pause.left {
            let Some(event) = self.event(&pause.conversation, left) else { continue };
            let turn = match self.store.accept(&event, SessionId(self.clock.uuid()), None).await? {
                Accepted::Duplicate { turn, .. } => turn,
                Accepted::New { .. } | Accepted::Limited { .. } => event.turn,
            };
            taken_up.push(TakenUp { turn, instead_of: left.turns.clone() });
        }
        self.store.close_pause(&pause.conversation, &taken_up, self.clock.now()).await
    }

    fn event(&self, conversation: &ConversationKey, left: &Left) -> Option<Inbound> {
        let now = self.clock.now();
        Some(Inbound {
            turn: TurnId(self.clock.uuid()),
            conversation: conversation.clone(),
            sender: Sender { key: left.diver.clone(), name: None, locale: None, contact: None },
            event_id: format!("left:{}", left.turns.first()?),
            fingerprint: None,
            content: Content::Text(left.text.clone()),
            opens_conversation: false,
            received_at: now,
            ready_at: now,
            profile: None,
            state: None,
            context: serde_json::Value::Null,
        })
    }
}

/// What is left of a text without markup, marks and blanks.
fn letters(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}
