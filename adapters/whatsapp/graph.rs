//! What Meta brings: the handshake, and batches for all of its messengers by one address, that are believed only
//! by their signature and answered only when they are stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use dovvybuddy_core::intake::Intake;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use subtle::{Choice, ConstantTimeEq as _};

use crate::cloud::WhatsApp;
use crate::line::Line;
use crate::messenger::Messenger;
use crate::signature::is_signed;

/// The path the platform calls.
pub const PATH: &str = "/webhooks/whatsapp";
/// The platform's batches have up to 3 MB.
const LARGEST: usize = 4 * 1024 * 1024;
/// When a batch that can't be stored shall come again, in seconds.
const COME_AGAIN: &str = "2";
/// How long storing a batch may take before the platform is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// An account with one of the messengers.
#[async_trait]
pub(crate) trait Account: Send + Sync + 'static {
    /// What its batches name as their object.
    fn object(&self) -> &'static str;

    /// By which its batches are signed.
    fn app_secret(&self) -> &SecretString;

    /// By which the platform proves itself when the webhook is set up.
    fn verify_token(&self) -> &SecretString;

    fn line(&self) -> &Line;

    /// Takes a batch in, in its order; `true` when the platform may forget it.
    async fn take(&self, batch: &Value, intake: &Intake) -> bool;
}

/// The accounts that share the address.
#[derive(Default)]
pub struct Accounts(Vec<Arc<dyn Account>>);

impl Accounts {
    /// Adds a number on WhatsApp.
    #[must_use]
    pub fn whatsapp(mut self, whatsapp: Arc<WhatsApp>) -> Self {
        self.0.push(whatsapp);
        self
    }

    /// Adds an account on Instagram or Messenger.
    #[must_use]
    pub fn messenger(mut self, messenger: Arc<Messenger>) -> Self {
        self.0.push(messenger);
        self
    }

    /// There is nothing to be called for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The address the platform calls.
pub fn router(accounts: Accounts) -> Router {
    let routes = get(shake_hands).post(receive);
    Router::new().route(PATH, routes).layer(DefaultBodyLimit::max(LARGEST)).with_state(Arc::new(accounts))
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

async fn shake_hands(
    State(accounts): State<Arc<Accounts>>,
    handshake: Result<Query<Handshake>, QueryRejection>,
) -> Response {
    let known = |token: &str| {
        let is = |account: &Arc<dyn Account>| account.verify_token().expose_secret().as_bytes().ct_eq(token.as_bytes());
        accounts.0.iter().map(is).fold(Choice::from(0), |any, one| any | one)
    };
    match handshake {
        Ok(Query(Handshake { mode, token, challenge })) if mode == "subscribe" && bool::from(known(&token)) => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn receive(State(accounts): State<Arc<Accounts>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = |account: &&Arc<dyn Account>| is_signed(account.app_secret(), given, &body);
    let believed: Vec<&Arc<dyn Account>> = accounts.0.iter().filter(signed).collect();
    if believed.is_empty() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let batch: Value = match serde_json::from_slice(&body) {
        Ok(batch) => batch,
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let object = batch["object"].as_str().unwrap_or(crate::cloud::OBJECT);
    let Some(account) = believed.into_iter().find(|account| account.object() == object) else {
        // Signed by another app's secret than that of the account it is for; or for none of ours.
        let ours = accounts.0.iter().any(|account| account.object() == object);
        return if ours { StatusCode::UNAUTHORIZED } else { StatusCode::OK }.into_response();
    };
    let Some(intake) = account.line().intake() else { return come_again() };
    let taker = Arc::clone(account);
    let taken = account.line().spawn(async move { taker.take(&batch, &intake).await });
    match tokio::time::timeout(PATIENCE, taken).await {
        Ok(Ok(true)) => StatusCode::OK.into_response(),
        _ => come_again(),
    }
}

fn come_again() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_AGAIN)]).into_response()
}
