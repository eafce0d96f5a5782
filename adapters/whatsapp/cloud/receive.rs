//! What the platform brings for a number.

use async_trait::async_trait;
use dovvybuddy_core::TurnId;
use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::intake::Intake;
use futures::future::join_all;
use secrecy::SecretString;
use serde_json::Value;

use super::inbound::{Echo, Event, News, Status, read};
use super::number::is_number;
use super::{OBJECT, WhatsApp};
use crate::graph::Account;
use crate::line::{Line, Taken};
use crate::message::{Context, stored};

/// So many statuses are noted at the same time.
const STATUSES_AT_ONCE: usize = 256;

#[async_trait]
impl Account for WhatsApp {
    fn object(&self) -> &'static str {
        OBJECT
    }

    fn app_secret(&self) -> &SecretString {
        &self.config.app_secret
    }

    fn verify_token(&self) -> &SecretString {
        &self.config.verify_token
    }

    fn line(&self) -> &Line {
        &self.line
    }

    async fn take(&self, batch: &Value, intake: &Intake) -> bool {
        let mut all = true;
        let mut statuses = Vec::new();
        for news in read(batch, &self.config.phone_number_id) {
            all &= match news {
                News::Said(event) => self.hand_in(*event, intake).await,
                News::Echo(echo) => self.overhear(&echo, intake).await,
                News::Status(status) => {
                    statuses.push(status);
                    true
                }
            };
        }
        // After what divers said. Thousands may come in one batch: noted together they share the store's commits.
        for together in statuses.chunks(STATUSES_AT_ONCE) {
            let noted = join_all(together.iter().map(|status| self.note(status, intake))).await;
            all &= noted.into_iter().all(|noted| noted);
        }
        all
    }
}

impl WhatsApp {
    async fn hand_in(&self, mut event: Event, intake: &Intake) -> bool {
        event.person = self.name_of(&event.person, event.also.as_deref(), intake).await;
        let inbound = self.inbound(self.line.turn(&event.id, intake), &event, intake);
        self.line.window.heard(&event.person, event.at.unwrap_or(inbound.received_at));
        let taken = self.line.hand_in(inbound, intake).await;
        if matches!(taken, Taken::Queued | Taken::Answered) {
            self.mark_read(&event.id, taken == Taken::Queued);
        }
        taken.is_kept()
    }

    fn inbound(&self, turn: TurnId, event: &Event, intake: &Intake) -> Inbound {
        let now = intake.clock().now();
        let settles = !matches!(event.content, Content::Command(_));
        let conversation = self.conversation(&event.person);
        let context =
            Context { to: Some(event.to.clone()), message: Some(event.id.clone()), said_at: event.at.or(Some(now)) };
        Inbound {
            turn,
            sender: Sender {
                key: conversation.diver(&event.person),
                name: event.name.clone(),
                locale: None,
                contact: is_number(&event.person).then(|| format!("https://wa.me/{}", event.person)),
            },
            conversation,
            event_id: event.id.clone(),
            fingerprint: None,
            content: event.content.clone(),
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.config.settle) } else { now },
            profile: None,
            state: None,
            context: stored(&context),
        }
    }

    /// Somebody of the shop answered by telephone.
    async fn overhear(&self, echo: &Echo, intake: &Intake) -> bool {
        let person = self.name_of(&echo.person, None, intake).await;
        self.line.overhear(&echo.id, &self.conversation(&person), &echo.text, intake).await
    }

    async fn note(&self, status: &Status, intake: &Intake) -> bool {
        if let Some(why) = &status.why {
            tracing::warn!(why, "WhatsApp could not deliver a message");
        }
        let at = status.at.unwrap_or_else(|| intake.clock().now());
        let person = self.name_of(&status.person, None, intake).await;
        let noted = intake.note_status(&self.conversation(&person), &status.receipt, status.reached, at).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error, "a status stays with WhatsApp for now");
        }
        noted.is_ok()
    }
}
