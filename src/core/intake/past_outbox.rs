//! Words that go out past the outbox: those that can't wait for the store, and those it has no place for.

use std::time::Duration;

use super::Inner;
use crate::agent::Phrase;
use crate::channel::{Delivery, DeliveryKey, Inbound, Origin, OutboundPart};
use crate::ids::AgentId;
use crate::lang::Lang;
use crate::reply::Reply;

/// How long a reply past the outbox may take to be sent, all its parts together.
const SEND_BUDGET: Duration = Duration::from_secs(10);

impl Inner {
    /// Sends parts past the outbox, for words that can't wait for a store that is gone. A platform that
    /// hangs holds up its adapter no longer than [`SEND_BUDGET`].
    pub(super) async fn send_now(&self, event: &Inbound, parts: &[serde_json::Value]) {
        if tokio::time::timeout(SEND_BUDGET, self.send_parts(event, parts)).await.is_err() {
            tracing::error!(turn = %event.turn, "a reply past the outbox could not be sent in time");
        }
    }

    async fn send_parts(&self, event: &Inbound, parts: &[serde_json::Value]) {
        let Some(channel) = self.channels.get(&event.conversation.channel) else { return };
        for (i, payload) in parts.iter().enumerate() {
            let part = OutboundPart {
                conversation: event.conversation.clone(),
                payload: payload.clone(),
                context: event.context.clone(),
                written_at: event.received_at,
                replaces: None,
                progress: false,
            };
            let part_number = u16::try_from(i).unwrap_or(u16::MAX);
            let key = DeliveryKey { origin: Origin::Urgent(event.turn), part: part_number };
            if let Err(error) = channel.send(&part, &key).await {
                tracing::error!(error = %error, turn = %event.turn, "a reply past the outbox could not be sent");
                return;
            }
        }
    }

    /// One notice per chat and window on platforms that have no status code for "too many".
    pub(super) async fn ask_to_slow_down(&self, event: &Inbound) {
        metrics::counter!("dovvybuddy_limited_total", "channel" => event.conversation.channel.to_string()).increment(1);
        if self.delivery(&event.conversation.channel) == Delivery::Fetched
            || !self.notices.first(&event.conversation, event.received_at)
        {
            return;
        }
        let lang = event.sender.locale.as_deref().and_then(Lang::from_locale).unwrap_or_default();
        let reply = Reply::fixed(self.voice.say(Phrase::SlowDown, lang), AgentId::new("retrieval"), lang);
        let parts = self.render(event, &reply, &[]);
        self.send_now(event, &parts).await;
    }
}
