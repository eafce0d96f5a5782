//! An emergency at the entrance: answered before anything else, stored if the store can.

use std::sync::Arc;
use std::time::Duration;

use super::{Admitted, Inner, Refusal};
use crate::channel::{Delivery, Inbound};
use crate::failpoint;
use crate::guard::Alarm;
use crate::ids::SessionId;
use crate::offers;
use crate::reply::{Degraded, Reply};
use crate::session::Session;
use crate::store::{Accepted, FinishedTurn, Outcome, StoreError, Usage};

/// How long an emergency waits for the store before its reply goes out regardless.
const EMERGENCY_STORE_BUDGET: Duration = Duration::from_millis(250);

impl Inner {
    /// An emergency waits for nothing: what runs is cut short, the store gets a moment, and the reply
    /// goes out whether or not it could be stored. In a session that expired it `restarts` the session.
    pub(super) async fn raise_alarm(&self, event: Inbound, alarm: Alarm, restarts: bool) -> Result<Admitted, Refusal> {
        self.running.cut_short(&event.conversation);
        if restarts {
            self.hearing.forget(&event.conversation);
        }
        self.hearing.stand(&event.conversation, alarm.standing.clone());
        self.hearing.add(&event.conversation, event.content.text());
        metrics::counter!("dovvybuddy_emergencies_total", "kind" => alarm.standing.kind.as_str()).increment(1);

        let session = self.session_for(&event);
        let mut turn = self.alarm_turn(&event, session, alarm, restarts);
        let mut stored = self.store_alarm(&event, session, &turn).await;
        if let Some(Accepted::Duplicate { fingerprint, .. }) = &stored
            && *fingerprint != event.fingerprint
        {
            // Another message had this id. That is the client's mistake; nobody in danger pays for it.
            let own = Inbound { event_id: event.turn.to_string(), fingerprint: None, ..event.clone() };
            stored = self.store_alarm(&own, session, &turn).await;
        }
        match stored {
            Some(Accepted::Duplicate { turn, session, .. }) => {
                // An old event that came again must not raise what was called off since.
                self.hearing.forget(&event.conversation);
                return Ok(Admitted::Repeat { turn, session, events: self.streams.follow(turn, None) });
            }
            Some(Accepted::New { session, .. }) => {
                return Ok(Admitted::Answered { turn: event.turn, session, reply: Arc::new(turn.reply) });
            }
            Some(Accepted::Limited { .. }) | None => {}
        }
        self.send_now(&event, &turn.parts).await;
        if self.delivery(&event.conversation.channel) == Delivery::Sent {
            // Not acknowledged: the platform brings it again, and by then the store may take it.
            return Err(Refusal::Unavailable(StoreError::Unavailable("the emergency was answered, not stored".into())));
        }
        turn.reply.degraded.push(Degraded::Store);
        Ok(Admitted::Answered { turn: event.turn, session, reply: Arc::new(turn.reply) })
    }

    /// Stores an alarm; `None` if the store could not do it in the moment it gets.
    async fn store_alarm(&self, event: &Inbound, session: SessionId, turn: &FinishedTurn) -> Option<Accepted> {
        let write = self.store.accept_answered(event, session, turn);
        let stored = tokio::time::timeout(EMERGENCY_STORE_BUDGET, write).await;
        failpoint::reached("emergency_stored");
        match stored {
            Ok(Ok(accepted)) => Some(accepted),
            Ok(Err(error)) => {
                tracing::error!(error = %error, turn = %event.turn, "an emergency reply could not be stored");
                None
            }
            Err(_) => {
                tracing::error!(turn = %event.turn, "an emergency reply could not be stored in time");
                None
            }
        }
    }

    fn alarm_turn(&self, event: &Inbound, session: SessionId, alarm: Alarm, restarts: bool) -> FinishedTurn {
        let now = self.clock.now();
        let lang = alarm.lang;
        let reply = Reply { session_restarted: restarts, ..alarm.reply() };
        let mut session = Session::open(session, event.conversation.clone(), now);
        session.emergency = Some(alarm.standing);
        if restarts && self.delivery(&event.conversation.channel) == Delivery::Fetched {
            // Of an anonymous diver nothing outlives the session.
            session.profile.language = Some(lang);
        }
        let actions = offers::actions(&*self.voice, event.turn, &reply, Outcome::Emergency);
        let parts = self.render(event, &reply, &actions);
        FinishedTurn {
            id: event.turn,
            attempt: 1,
            diver: event.sender.key.clone(),
            said: event.content.text().to_owned(),
            reply,
            outcome: Outcome::Emergency,
            session,
            stands_down: false,
            restarts_session: restarts,
            usage: Usage::default(),
            parts,
            context: event.context.clone(),
            at: now,
        }
    }
}
