//! The web as a channel: replies are fetched, nothing is sent.

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::ChannelId;
use dovvybuddy_core::channel::{
    Capabilities, ChannelAdapter, ChannelError, DeliveryKey, OutboundPart, Outlet, Receipt, Rendering, SendError,
};
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::supervise::Progress;
use tokio_util::sync::CancellationToken;

use crate::state::channel;

/// The web channel, as the core knows it. Its requests come in through [`crate::router`].
#[derive(Debug, Clone, Copy, Default)]
pub struct WebAdapter;

#[async_trait]
impl Outlet for WebAdapter {
    fn id(&self) -> ChannelId {
        channel()
    }

    async fn send(&self, _part: &OutboundPart, _key: &DeliveryKey) -> Result<Receipt, SendError> {
        Err(SendError::Rejected("replies on the web are fetched".to_owned()))
    }
}

#[async_trait]
impl ChannelAdapter for WebAdapter {
    fn capabilities(&self) -> Capabilities {
        Capabilities::fetched()
    }

    fn render(&self, _rendering: &Rendering<'_>) -> Vec<serde_json::Value> {
        Vec::new()
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
