//! Who will probably answer a message that has to wait for its turn.

use std::time::Duration;

use tokio::time::Instant;

use super::Intake;
use crate::agent::{Asked, Destination};
use crate::channel::{Content, Inbound};
use crate::events::TurnEvent;
use crate::guard::Assessment;
use crate::ids::AgentId;
use crate::opening::heard;
use crate::session::Session;
use crate::turn::{GENERAL, SAFETY};

/// What a turn gets to say it itself; most do in this time, and then nothing is computed twice.
const A_MOMENT: Duration = Duration::from_millis(100);

impl Intake {
    /// Who will probably answer an event, for a client that must not wait for its lane to hear of its turn. It is
    /// read by the rules and the router alone, with the conversation as it is stored now; what runs before it may
    /// change its meaning, so the turn has the last word.
    pub fn foresee(&self, event: Inbound) -> impl Future<Output = TurnEvent> + Send + 'static {
        let intake = self.clone();
        async move {
            tokio::time::sleep(A_MOMENT).await;
            let parts = &*intake.0;
            let id = parts.session_for(&event);
            let (agent, confidence) = intake.destination(event, id).await;
            TurnEvent::Route { agent, confidence, session: id }
        }
    }

    async fn destination(&self, event: Inbound, id: crate::ids::SessionId) -> (AgentId, f32) {
        let parts = &*self.0;
        let fixed = |agent: &str| (AgentId::new(agent), 1.0);
        let Content::Text(text) = &event.content else { return fixed(GENERAL) };
        let text = text.clone();
        let stored = parts.stored(&event, parts.history).await.filter(|session| !session.expired(event.received_at));
        let mut session = stored.unwrap_or_else(|| Session::open(id, event.conversation.clone(), event.received_at));
        if let Some(told) = event.profile {
            session.profile.merge(told);
        }
        let asked = Asked {
            typed: text.clone(),
            text,
            session,
            diver: event.sender.key,
            locale: event.sender.locale,
            now: event.received_at,
            deadline: Instant::now() + A_MOMENT,
        };
        match parts.guard.assess(&asked.text, &heard(&asked)) {
            Assessment::Emergency(_) | Assessment::StoodDown { reply: Some(_), .. } => return fixed(SAFETY),
            Assessment::StoodDown { reply: None, .. } | Assessment::Calm => {}
        }
        let route = parts.router.foresee(&asked).await;
        match &route.to {
            Destination::Agent(agent) => (parts.agents.agent(agent).id.clone(), route.confidence),
            Destination::OutOfScope | Destination::Fixed(_) | Destination::Connect | Destination::Experience => {
                fixed(GENERAL)
            }
            Destination::Helplines => fixed(SAFETY),
        }
    }
}
