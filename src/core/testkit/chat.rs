//! A chat platform in memory: replies are sent part by part, and sending can be told to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::channel::{
    Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet, Receipt, Rendering,
    SendError, TextLimit, TextUnit,
};
use crate::ids::ChannelId;
use crate::intake::Intake;
use crate::supervise::Progress;

/// The platform, and what it was sent.
#[derive(Default)]
pub struct FakeChat {
    sent: Mutex<Vec<(String, String)>>,
    failures: Mutex<VecDeque<SendError>>,
    delivered: tokio::sync::Notify,
}

/// The longest text of one message, in UTF-16 units.
const LONGEST: usize = 4096;

/// The name of the channel.
pub const CHANNEL: &str = "fake-chat";

impl FakeChat {
    /// The next sends fail with these, one each.
    pub fn fail_next(&self, failures: impl IntoIterator<Item = SendError>) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).extend(failures);
    }

    /// What arrived, as (conversation, text), in order.
    pub fn sent(&self) -> Vec<(String, String)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many parts arrived.
    pub async fn wait_for(&self, parts: usize) -> Vec<(String, String)> {
        loop {
            let delivered = self.delivered.notified();
            tokio::pin!(delivered);
            delivered.as_mut().enable();
            let sent = self.sent();
            if sent.len() >= parts {
                return sent;
            }
            delivered.await;
        }
    }
}

#[async_trait]
impl Outlet for FakeChat {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, _key: &DeliveryKey) -> Result<Receipt, SendError> {
        if let Some(failure) = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            return Err(failure);
        }
        let text = part.payload.as_str().unwrap_or_default().to_owned();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push((part.conversation.conversation.clone(), text));
        let receipt = Receipt(Some(sent.len().to_string()));
        drop(sent);
        self.delivered.notify_waiters();
        Ok(receipt)
    }
}

#[async_trait]
impl ChannelAdapter for FakeChat {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: TextLimit { most: LONGEST, unit: TextUnit::Utf16 },
            edits: None,
            typing: None,
            idempotent_sends: false,
            bursts: true,
        }
    }

    /// One part for each paragraph, cut where it is too long.
    fn render(&self, rendering: &Rendering<'_>) -> Vec<serde_json::Value> {
        let cut = |paragraph: &str| -> Vec<serde_json::Value> {
            let characters: Vec<char> = paragraph.chars().collect();
            // A character is at most two UTF-16 units.
            characters.chunks(LONGEST / 2).map(|piece| piece.iter().collect::<String>().into()).collect()
        };
        rendering.reply.text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).flat_map(cut).collect()
    }

    async fn run(
        &self,
        _intake: Intake,
        _progress: Arc<Progress>,
        stop: CancellationToken,
    ) -> Result<(), ChannelError> {
        stop.cancelled().await;
        Ok(())
    }
}
