//! What the platform brings for an account.

use async_trait::async_trait;
use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::intake::Intake;
use secrecy::SecretString;
use serde_json::Value;

use super::Messenger;
use super::inbound::{Echo, Event, News, Reached, read};
use crate::graph::Account;
use crate::line::{Line, Taken};
use crate::message::{Context, stored};

#[async_trait]
impl Account for Messenger {
    fn object(&self) -> &'static str {
        self.config.product.object()
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
        for news in read(batch, &self.config.account_id) {
            all &= match news {
                News::Said(event) => self.hand_in(*event, intake).await,
                News::Reached(reached) => self.note(&reached, intake).await,
                News::Echo(echo) => self.overhear(&echo, intake).await,
            };
        }
        all
    }
}

impl Messenger {
    async fn hand_in(&self, event: Event, intake: &Intake) -> bool {
        let now = intake.clock().now();
        let said_at = event.at.unwrap_or(now);
        self.line.window.heard(&event.person, said_at);
        let conversation = self.conversation(&event.person);
        let settles = !matches!(event.content, Content::Command(_));
        let context = Context { to: None, message: Some(event.id.clone()), said_at: Some(said_at) };
        let inbound = Inbound {
            turn: self.line.turn(&event.id, intake),
            sender: Sender { key: conversation.diver(&event.person), name: None, locale: None, contact: None },
            conversation,
            event_id: event.id,
            fingerprint: None,
            content: event.content,
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.config.settle) } else { now },
            profile: None,
            state: None,
            context: stored(&context),
        };
        let taken = self.line.hand_in(inbound, intake).await;
        if taken == Taken::Queued {
            self.show(&event.person, "mark_seen");
            self.show(&event.person, "typing_on");
        }
        taken.is_kept()
    }

    /// The account wrote. What we said ourselves is no news; after a restart the conversation tells.
    async fn overhear(&self, echo: &Echo, intake: &Intake) -> bool {
        if self.said.has(&echo.id, &echo.person, &echo.text) {
            return true;
        }
        let conversation = self.conversation(&echo.person);
        match intake.is_ours(&conversation, &echo.text).await {
            Ok(true) => true,
            Ok(false) => self.line.overhear(&echo.id, &conversation, &echo.text, intake).await,
            Err(error) => {
                tracing::warn!(error = %error, "what an account wrote stays with the platform for now");
                false
            }
        }
    }

    async fn note(&self, reached: &Reached, intake: &Intake) -> bool {
        let at = reached.at.unwrap_or_else(|| intake.clock().now());
        let conversation = self.conversation(&reached.person);
        let noted = intake.note_status(&conversation, &reached.receipt, reached.status, at).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error, "a status stays with the platform for now");
        }
        noted.is_ok()
    }
}
