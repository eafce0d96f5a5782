//! The start of a turn: the session, what is asked, and how long there is for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::agent::Asked;
use crate::channel::Delivery;
use crate::guard::Heard;
use crate::ids::{ConversationKey, SessionId};
use crate::lang::Lang;
use crate::session::{DiverProfile, Session};
use crate::store::Claim;
use crate::turn::Turns;

impl Turns {
    /// The conversation's session; one that expired begins anew. `None`: the store is away, the lane
    /// was waited for in vain and is given back.
    pub(crate) async fn open_session(&self, claim: &Claim) -> Option<(Session, bool)> {
        let event = claim.events.first()?;
        if event.opens_conversation
            && claim.attempt == 1
            && let Some(id) = SessionId::parse(&claim.conversation.conversation)
        {
            return Some((Session::open(id, claim.conversation.clone(), event.received_at), false));
        }
        let mut pause = Duration::from_millis(100);
        let give_up = self.deadline(claim);
        let found = loop {
            match self.ports.store.session(&claim.conversation, &event.sender.key, self.settings.history).await {
                Ok(found) => break found,
                Err(error) if Instant::now() >= give_up => {
                    tracing::error!(error = %error, turn = ?claim.turn(), "a session can't be read");
                    self.abandon(claim);
                    if let Err(error) = self.ports.store.park(claim).await {
                        tracing::error!(error = %error, turn = ?claim.turn(), "a turn could not be parked");
                    }
                    return None;
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        };
        let Some(mut session) = found else {
            let id = SessionId::parse(&claim.conversation.conversation)
                .unwrap_or_else(|| SessionId(self.ports.clock.uuid()));
            return Some((Session::open(id, claim.conversation.clone(), event.received_at), false));
        };
        let restarted = session.expired(event.received_at);
        if restarted {
            session.history.clear();
            session.state.clear();
            session.emergency = None;
            if self.anonymous(&claim.conversation) {
                session.profile = DiverProfile::default();
            }
        }
        Some((session, restarted))
    }

    pub(crate) fn asked(&self, claim: &Claim, session: &Session) -> Option<Asked> {
        let event = claim.events.last()?;
        Some(Asked {
            text: claim.text(),
            typed: claim.text(),
            session: session.clone(),
            diver: event.sender.key.clone(),
            locale: event.sender.locale.clone(),
            now: self.ports.clock.now(),
            deadline: self.deadline(claim),
        })
    }

    /// Whether the channel knows no sender, so that the profile lives and dies with the session.
    pub(crate) fn anonymous(&self, conversation: &ConversationKey) -> bool {
        let channel = self.ports.channels.get(&conversation.channel);
        channel.is_none_or(|c| c.capabilities().delivery == Delivery::Fetched)
    }

    /// How long the claim's first message has been here.
    pub(crate) fn waited(&self, claim: &Claim) -> Duration {
        claim.events.first().map_or(Duration::ZERO, |event| self.ports.clock.now().since(event.received_at))
    }

    pub(crate) fn deadline(&self, claim: &Claim) -> Instant {
        Instant::now() + self.settings.budget.saturating_sub(self.waited(claim)).max(self.settings.least)
    }
}

/// The language to speak when the message itself does not tell.
pub(crate) fn language(locale: Option<&str>, session: &Session) -> Lang {
    session.profile.language.or_else(|| Lang::from_locale(locale?)).unwrap_or_default()
}

/// The conversation as the guard may know it.
pub(crate) fn heard(asked: &Asked) -> Heard {
    Heard {
        said: asked.session.said().map(str::to_owned).collect(),
        standing: asked.session.emergency.clone(),
        locale: asked.locale.clone(),
        region: asked.session.profile.region.clone(),
    }
}
