//! Who may look, and who may do what.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dovvybuddy_core::store::{ApiKey, AuditEntry};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::limits::RateLimited;
use crate::state::App;

/// Requests a minute of one key; far more than a person makes.
const PER_MINUTE: u32 = 600;
/// Looking at the same thing again within this time is not noted again.
const NOTED_FOR: Duration = Duration::from_mins(10);

/// How a key is stored and looked up. Keys are random, so a plain digest suffices; comparing digests tells
/// nothing of a key, however long it takes.
pub fn key_hash(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
}

/// What a key allows; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// To look.
    Read,
    /// To write to divers.
    Reply,
    /// To change what the bot says of its operator.
    Edit,
}

impl Role {
    fn of(scope: &str) -> Option<Self> {
        match scope {
            "read" => Some(Self::Read),
            "reply" => Some(Self::Reply),
            "edit" => Some(Self::Edit),
            _ => None,
        }
    }
}

/// What the operator's view counts and remembers.
pub(crate) struct Desk {
    limiter: DefaultKeyedRateLimiter<String>,
    /// What was noted lately: key, action, subject.
    noted: Cache<(String, &'static str, String), ()>,
    /// Room for streams of changes.
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let rate = NonZeroU32::new(PER_MINUTE).unwrap_or(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(rate)),
            noted: Cache::builder().max_capacity(10_000).time_to_live(NOTED_FOR).build(),
            streams: Arc::new(tokio::sync::Semaphore::new(64)),
        }
    }
}

/// Somebody with a valid key.
pub(crate) struct Operator {
    pub(crate) key: ApiKey,
    pub(crate) role: Role,
    /// The key's digest, to see whether it still is valid.
    pub(crate) hash: String,
}

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Some(operator) = recognised(app, &parts.headers).await? else {
            if let Some(client) = parts.extensions.get::<Arc<Client>>() {
                app.limits.all.check(client.ip).map_err(ApiError::RateLimited)?;
            }
            return Err(ApiError::Unauthorized);
        };
        app.desk.limiter.check_key(&operator.key.id).map_err(|until| {
            let retry_after = until.wait_time_from(DefaultClock::default().now());
            ApiError::RateLimited(RateLimited { policy: "key", per_minute: PER_MINUTE, retry_after })
        })?;
        Ok(operator)
    }
}

async fn recognised(app: &App, headers: &HeaderMap) -> Result<Option<Operator>, ApiError> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, key)) = given.and_then(|given| given.split_once(' ')) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let hash = key_hash(key.trim());
    let found = app.store.key_by_hash(&hash).await.map_err(|error| ApiError::store(&*app.clock, &error))?;
    Ok(found.and_then(|key| Some(Operator { role: Role::of(&key.scope)?, key, hash })))
}

impl Operator {
    /// Refuses those whose key allows less.
    pub(crate) fn may(&self, role: Role) -> Result<(), ApiError> {
        if self.role >= role { Ok(()) } else { Err(ApiError::NotAllowed) }
    }

    /// Notes that something is looked at. What can't be noted is not shown.
    pub(crate) async fn looks(&self, app: &App, action: &'static str, subject: &str) -> Result<(), ApiError> {
        let look = (self.key.id.clone(), action, subject.to_owned());
        if app.desk.noted.contains_key(&look) {
            return Ok(());
        }
        self.does(app, action, subject).await?;
        app.desk.noted.insert(look, ());
        Ok(())
    }

    /// Notes that something is done.
    pub(crate) async fn does(&self, app: &App, action: &'static str, subject: &str) -> Result<(), ApiError> {
        let entry = AuditEntry {
            key: self.key.id.clone(),
            name: self.key.name.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            at: app.clock.now(),
        };
        app.store.note(&entry).await.map_err(|error| ApiError::store(&*app.clock, &error))
    }
}

/// Whose key it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// The key's name.
    name: String,
    /// What it allows: `read`, `reply` or `edit`; each includes those before it.
    role: Role,
    /// Whether entries can be published here.
    entries: bool,
}

/// Whose key it is, and what it allows.
#[utoipa::path(get, path = "/api/admin/me", tag = "admin", security(("key" = [])),
    responses(
        (status = 200, description = "The key", body = Me),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn me(State(state): State<App>, operator: Operator) -> Json<Me> {
    Json(Me { name: operator.key.name, role: operator.role, entries: state.shelf.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_those_before_it() {
        assert!(Role::Edit > Role::Reply && Role::Reply > Role::Read);
        assert_eq!(Role::of("reply"), Some(Role::Reply));
        assert_eq!(Role::of("admin"), None, "an unknown scope allows nothing");
    }
}
