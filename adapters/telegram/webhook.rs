//! Updates brought by the platform: proven by a secret, answered only when stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use dovvybuddy_core::channel::ChannelError;
use dovvybuddy_core::supervise::Progress;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use teloxide::payloads::{GetWebhookInfo, SetWebhook, SetWebhookSetters as _};
use tokio_util::sync::CancellationToken;

use crate::poll::KINDS;
use crate::{Mode, Seat, Telegram, ended};

/// The path updates are brought to.
pub const PATH: &str = "/webhooks/telegram";
/// The header that proves the platform.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
/// Larger than any update.
const LARGEST: usize = 1024 * 1024;
/// When an update that can't be stored shall come again, in seconds.
const COME_AGAIN: &str = "1";
/// How long storing an update may take before the platform is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many updates the platform may bring at once.
const CONNECTIONS: u8 = 40;
/// How often the platform is asked whether it reaches us.
const LOOK: Duration = Duration::from_secs(20);

/// The address the platform calls, for a daemon in webhook mode.
pub fn router(telegram: Arc<Telegram>) -> Router {
    Router::new().route(PATH, post(receive)).layer(DefaultBodyLimit::max(LARGEST)).with_state(telegram)
}

async fn receive(State(telegram): State<Arc<Telegram>>, headers: HeaderMap, body: Bytes) -> Response {
    let Mode::Webhook { secret, .. } = &telegram.config.mode else { return StatusCode::NOT_FOUND.into_response() };
    let given = headers.get(SECRET_HEADER).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    if !bool::from(given.ct_eq(secret.expose_secret().as_bytes())) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(seat) = telegram.seat() else { return come_again() };
    let update: Value = match serde_json::from_slice(&body) {
        Ok(update) => update,
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    // Goes on even if the platform does not wait for it: an emergency may be on its way out.
    let taker = Arc::clone(&telegram);
    let taken = telegram.beside.spawn(async move { taker.take(&update, &seat).await });
    match tokio::time::timeout(PATIENCE, taken).await {
        Ok(Ok(Ok(()))) => StatusCode::OK.into_response(),
        _ => come_again(),
    }
}

fn come_again() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_AGAIN)]).into_response()
}

impl Telegram {
    /// Registers the address, then watches whether the platform reaches it.
    pub(crate) async fn be_called(
        &self,
        seat: &Seat,
        secret: &SecretString,
        url: Option<&url::Url>,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<(), ChannelError> {
        if let Some(url) = url {
            let hook = SetWebhook::new(url.clone())
                .secret_token(secret.expose_secret())
                .max_connections(CONNECTIONS)
                .allowed_updates(KINDS);
            self.api.call(&hook).await.map_err(ended)?;
        }
        let mut told: Option<i64> = None;
        let mut missing = false;
        let look = GetWebhookInfo::new();
        loop {
            let info = tokio::select! {
                info = self.api.call(&look) => info.map_err(ended)?,
                () = stop.cancelled() => return Ok(()),
            };
            progress.tick(seat.intake.clock().now());
            let none = info["url"].as_str().unwrap_or_default().is_empty();
            if none && !missing {
                tracing::error!(
                    "Telegram knows no webhook of this bot, so nothing arrives: set http.public_url, or telegram.mode \
                     to polling"
                );
            }
            missing = none;
            let at = info["last_error_date"].as_i64();
            if at.is_some() && at != told {
                let why = info["last_error_message"].as_str().unwrap_or_default();
                let pending = info["pending_update_count"].as_u64().unwrap_or(0);
                tracing::warn!(why, pending, "Telegram could not bring us an update");
                told = at;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}
