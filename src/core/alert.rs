//! What the operator is told at once: leads and emergencies, in a chat of their own, again and again until
//! somebody says that it was seen.
//!
//! Alerts are derived from what is stored, never written beside it: a turn that was answered as an
//! emergency and a lead raise one by being there. So no path of a message can forget to raise one, and none
//! is lost in a crash. [`Alerts::send_alert`] puts the words into the outbox, which delivers them as any
//! reply.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::agent::{Phrase, Voice};
use crate::channel::{Action, BoxError, ChannelAdapter, Command, Rendering};
use crate::clock::{Clock, Timestamp};
use crate::ids::{AgentId, AlertId, ChannelId, ConversationKey, DiverKey, TurnId};
use crate::lang::Lang;
use crate::lead::Lead;
use crate::reply::Reply;
use crate::store::{Store, StoreError};
use crate::supervise::Progress;

/// How often is looked for something new: an emergency is in the outbox after at most this.
const LOOK: Duration = Duration::from_secs(1);
/// How many alerts are handled at a time.
const AT_ONCE: usize = 20;
/// The pauses before an unseen emergency is told again; the last one repeats.
const EMERGENCY_AGAIN: [Duration; 3] = [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(5)];
/// The same for a lead.
const LEAD_AGAIN: [Duration; 3] = [Duration::from_mins(15), Duration::from_hours(1), Duration::from_hours(4)];
/// How much of a diver's words an alert quotes, in characters.
const QUOTED: usize = 600;

/// Something the operator is told until somebody acknowledges it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What happened.
    pub about: About,
    /// How often it was told before.
    pub told: u32,
    /// When it was raised.
    pub raised_at: Timestamp,
}

/// What an alert is about.
#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// A diver asks to be put in touch.
    Lead(Lead),
    /// A message was answered as an emergency.
    Emergency(EmergencyReport),
}

/// An emergency as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyReport {
    /// The turn that answered it.
    pub turn: TurnId,
    /// Where it was said.
    pub conversation: ConversationKey,
    /// Who said it.
    pub diver: DiverKey,
    /// The words; empty if they are not kept any more.
    pub said: String,
    /// Its kind, as [`crate::guard::EmergencyKind::as_str`] names it.
    pub kind: String,
    /// When it was answered.
    pub at: Timestamp,
}

/// What stands between the store's leads and emergencies and an operator who knows of them.
#[async_trait]
pub trait Alerts: Send + Sync + 'static {
    /// Raises an alert for every lead and every emergency stored since the last call; the first call ever
    /// looks back one hour. While an emergency of a conversation is unseen, further ones there raise
    /// none. Returns how many were raised.
    async fn raise_alerts(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// The unseen alerts that are to be told now, oldest first.
    async fn due_alerts(&self, now: Timestamp, limit: usize) -> Result<Vec<Alert>, StoreError>;

    /// Puts an alert's parts into the outbox, unless it was seen meanwhile or an earlier telling is still
    /// on its way, and makes it due again at `again`. Returns whether parts were written.
    async fn send_alert(
        &self,
        id: AlertId,
        to: &ConversationKey,
        parts: &[Value],
        now: Timestamp,
        again: Timestamp,
    ) -> Result<bool, StoreError>;

    /// `by`, the name shown there, saw it; it is not told again. Gives who saw it first, which a repeat does not
    /// change; `None` if there is no such alert.
    async fn acknowledge(&self, id: AlertId, by: &str, at: Timestamp) -> Result<Option<String>, StoreError>;
}

/// Where the operator is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorChat {
    /// The channel.
    pub channel: ChannelId,
    /// The conversation, as the channel's adapter names it.
    pub conversation: String,
    /// The language spoken there.
    pub lang: Lang,
}

impl OperatorChat {
    /// Reads `channel:conversation`, such as `telegram:-100123`.
    pub fn parse(text: &str) -> Option<Self> {
        let (channel, conversation) = text.split_once(':')?;
        let usable = |part: &str| !part.is_empty() && part.trim() == part;
        (usable(channel) && usable(conversation)).then(|| Self {
            channel: ChannelId::new(channel),
            conversation: conversation.to_owned(),
            lang: Lang::default(),
        })
    }

    /// Whether something was said there.
    pub fn is(&self, conversation: &ConversationKey) -> bool {
        self.channel == conversation.channel && self.conversation == conversation.conversation
    }
}

/// Tells the operator.
pub struct AlertDesk {
    /// Where alerts are kept.
    pub store: Arc<dyn Store>,
    /// The channel of the operator's chat.
    pub channel: Arc<dyn ChannelAdapter>,
    /// The operator's chat.
    pub chat: ConversationKey,
    /// The fixed words.
    pub voice: Arc<dyn Voice>,
    /// The operator's language.
    pub lang: Lang,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The loop's watermark.
    pub progress: Arc<Progress>,
}

impl AlertDesk {
    /// Tells until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        while !stop.is_cancelled() {
            self.progress.tick(self.clock.now());
            if let Err(error) = self.tell_due().await {
                tracing::error!(error = %error, "alerts can't be read or written");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Raises what is new and tells what is due.
    pub async fn tell_due(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.raise_alerts(now).await?;
        for alert in self.store.due_alerts(now, AT_ONCE).await? {
            let parts = self.words(&alert);
            let again = now.plus(pause(&alert));
            if self.store.send_alert(alert.id, &self.chat, &parts, now, again).await? {
                let kind = match alert.about {
                    About::Lead(_) => "lead",
                    About::Emergency(_) => "emergency",
                };
                tracing::info!(alert = %alert.id, kind, told = alert.told + 1, "the operator is told");
                metrics::counter!("dovvybuddy_alerts_total", "kind" => kind).increment(1);
            }
        }
        Ok(())
    }

    fn words(&self, alert: &Alert) -> Vec<Value> {
        let say = |phrase| self.voice.say(phrase, self.lang);
        let (text, turn) = match &alert.about {
            About::Lead(lead) => (format!("{}\n\n{}", say(Phrase::AlertLead), lead.lines()), TurnId(lead.id.0)),
            About::Emergency(report) => (format!("{}\n\n{}", say(Phrase::AlertEmergency), report.lines()), report.turn),
        };
        let text = if alert.told == 0 { text } else { format!("({}) {text}", alert.told + 1) };
        let reply = Reply::fixed(text, AgentId::new("safety"), self.lang);
        let actions = [Action::new(say(Phrase::ButtonSeen), Command::Acknowledge { alert: alert.id })];
        self.channel.render(&Rendering { turn, reply: &reply, actions: &actions })
    }
}

fn pause(alert: &Alert) -> Duration {
    let pauses = match alert.about {
        About::Lead(_) => LEAD_AGAIN,
        About::Emergency(_) => EMERGENCY_AGAIN,
    };
    let [.., last] = pauses;
    pauses.get(alert.told as usize).copied().unwrap_or(last)
}

impl EmergencyReport {
    /// The report as a list for people.
    fn lines(&self) -> String {
        let ConversationKey { channel, conversation, .. } = &self.conversation;
        let mut text = format!(
            "- {}\n- {}\n- {channel}, {conversation}, {}",
            self.kind.replace('_', " "),
            self.at.to_rfc3339(),
            self.diver.user
        );
        if !self.said.is_empty() {
            let quoted: String = self.said.chars().take(QUOTED).collect();
            text.extend(["\n\n> ", &quoted.replace('\n', "\n> ")]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_chat_is_a_channel_and_a_conversation() {
        let chat = OperatorChat::parse("telegram:-100123:7").unwrap();
        assert_eq!((chat.channel.as_str(), chat.conversation.as_str()), ("telegram", "-100123:7"));
        for wrong in ["", "telegram", "telegram:", ":5", "telegram: 5"] {
            assert_eq!(OperatorChat::parse(wrong), None, "{wrong}");
        }
    }
}
