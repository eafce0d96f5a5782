//! The one place where failures become HTTP.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use dovvybuddy_core::Clock;
use dovvybuddy_core::intake::Refusal;
use dovvybuddy_core::store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::{RateLimited, policy_header, state_header};

/// When a client should come back after a 503.
const COME_BACK: Duration = Duration::from_secs(2);

/// What a request failed of, in words that are safe to show.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// The body is no JSON, or no UTF-8.
    #[error("The request body is not valid JSON.")]
    Malformed,
    /// The body is longer than 64 KiB.
    #[error("The request body is larger than 64 KiB.")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("The request body took too long to arrive.")]
    TooSlow,
    /// The body is of another type than JSON.
    #[error("Send JSON, with the header Content-Type: application/json.")]
    UnsupportedMediaType,
    /// Some fields can't be used.
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldError>),
    /// There is nothing at this address.
    #[error("There is nothing at this address.")]
    NotFound,
    /// The address exists, with other methods.
    #[error("This address does not take this method.")]
    MethodNotAllowed,
    /// No key, or none that is valid here.
    #[error("A valid API key is needed here.")]
    Unauthorized,
    /// The key is valid and allows less.
    #[error("This key does not allow that.")]
    NotAllowed,
    /// A webhook's call without a signature that is right, or not in time.
    #[error("The signature is missing or wrong, or the timestamp is more than five minutes off.")]
    Unsigned,
    /// A page of another site tried to open a WebSocket.
    #[error("Pages of this origin may not connect here.")]
    OriginNotAllowed,
    /// A widget named a site that is not configured.
    #[error("This site key is not known here.")]
    SiteUnknown,
    /// The address speaks WebSocket only.
    #[error("This address speaks WebSocket only.")]
    UpgradeRequired,
    /// There is no such session, or it has expired.
    #[error("There is no such session, or it has expired.")]
    SessionNotFound,
    /// There is no such turn.
    #[error("There is no such turn.")]
    TurnNotFound,
    /// The content has no such place (any more).
    #[error("There is no such passage; the content may have changed.")]
    PassageNotFound,
    /// The operator has no such entry, or nothing can be published here.
    #[error("There is no such entry.")]
    EntryNotFound,
    /// The idempotency key was used with another body.
    #[error("This Idempotency-Key was already used with another request.")]
    Conflict,
    /// A limit refuses the request.
    #[error("Too many requests. Please wait {} before the next one.", seconds(&.0.retry_after))]
    RateLimited(RateLimited),
    /// Too much is waiting, or the daemon is stopping.
    #[error("The service is busy. Please try again in a moment.")]
    Overloaded,
    /// The store can't be used right now.
    #[error("The service can't store messages right now. Please try again in a moment.")]
    StoreUnavailable,
    /// Anything unforeseen; the log has the cause under this id.
    #[error("Something went wrong on our side. Please try again, and quote the id if it happens again.")]
    Internal {
        /// The id in the log.
        id: String,
    },
}

/// A field that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The dotted path of the field.
    #[schema(example = "data.email")]
    pub field: String,
    /// What is wrong with it.
    #[schema(example = "must be a valid email address")]
    pub message: String,
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// A sentence a person can use.
    #[schema(example = "Some fields are not valid.")]
    pub error: String,
    /// A stable word for programs.
    #[schema(example = "VALIDATION_ERROR")]
    pub code: String,
    /// The fields that can't be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<FieldError>,
    /// For `INTERNAL_ERROR`: the id under which the log has the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl ApiError {
    /// One field that can't be used.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// An unforeseen failure; logged here, once, under a fresh id.
    pub fn internal(clock: &dyn Clock, cause: &dyn std::fmt::Display) -> Self {
        let id = clock.uuid().to_string();
        tracing::error!(id, cause = %cause, "a request failed unforeseen");
        Self::Internal { id }
    }

    /// A store that did not do it; logged here, once.
    pub fn store(clock: &dyn Clock, error: &StoreError) -> Self {
        match error {
            StoreError::Full => Self::Overloaded,
            StoreError::Corrupt(_) => Self::internal(clock, error),
            StoreError::Unavailable(_)
            | StoreError::LeaseLost
            | StoreError::OlderSchema { .. }
            | StoreError::NewerSchema { .. } => {
                tracing::error!(error = %error, "the store refused a request");
                Self::StoreUnavailable
            }
        }
    }

    /// A message that was not taken in.
    pub(crate) fn refused(clock: &dyn Clock, refusal: Refusal, diver_per_minute: u32) -> Self {
        match refusal {
            Refusal::Limited { retry_after } => {
                Self::RateLimited(RateLimited { policy: "diver", per_minute: diver_per_minute, retry_after })
            }
            Refusal::Conflict => Self::Conflict,
            Refusal::Overloaded => Self::Overloaded,
            Refusal::Unavailable(error) => Self::store(clock, &error),
        }
    }

    /// The status code.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound
            | Self::SessionNotFound
            | Self::TurnNotFound
            | Self::PassageNotFound
            | Self::EntryNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized | Self::Unsigned => StatusCode::UNAUTHORIZED,
            Self::OriginNotAllowed | Self::SiteUnknown | Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED_JSON",
            Self::TooLarge => "PAYLOAD_TOO_LARGE",
            Self::TooSlow => "REQUEST_TIMEOUT",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotAllowed => "FORBIDDEN",
            Self::Unsigned => "SIGNATURE_REFUSED",
            Self::OriginNotAllowed => "ORIGIN_NOT_ALLOWED",
            Self::SiteUnknown => "SITE_UNKNOWN",
            Self::UpgradeRequired => "UPGRADE_REQUIRED",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::TurnNotFound => "TURN_NOT_FOUND",
            Self::PassageNotFound => "PASSAGE_NOT_FOUND",
            Self::EntryNotFound => "ENTRY_NOT_FOUND",
            Self::Conflict => "IDEMPOTENCY_CONFLICT",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::Internal { .. } => "INTERNAL_ERROR",
        }
    }

    /// The body.
    pub fn body(&self) -> ErrorBody {
        let details = if let Self::Invalid(details) = self { details.clone() } else { Vec::new() };
        let id = if let Self::Internal { id } = self { Some(id.clone()) } else { None };
        ErrorBody { error: self.to_string(), code: self.code().to_owned(), details, id }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::RateLimited(limited) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(limited.retry_after)));
                if let Some(policy) = policy_header(limited.policy, limited.per_minute) {
                    headers.insert("ratelimit-policy", policy);
                }
                if let Some(state) = state_header(limited.policy, 0, limited.retry_after) {
                    headers.insert("ratelimit", state);
                }
            }
            Self::Overloaded | Self::StoreUnavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(COME_BACK)));
            }
            Self::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        headers
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status(), self.headers(), Json(self.body())).into_response()
    }
}

/// Rounded up, at least one: a client that waits this long is not refused for coming too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    let up = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + up).max(1)
}

fn seconds(wait: &Duration) -> String {
    match whole_seconds(*wait) {
        1 => "a second".to_owned(),
        n => format!("{n} seconds"),
    }
}

fn summary(details: &[FieldError]) -> String {
    match details {
        [only] => format!("Please check the request: {} {}.", only.field, only.message),
        _ => "Please check the request: some fields are not valid.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
        assert_eq!(whole_seconds(Duration::from_millis(3001)), 4);
    }

    #[test]
    fn the_inside_of_a_store_failure_never_shows() {
        let clock = dovvybuddy_core::SystemClock;
        let error = StoreError::Unavailable("SELECT secret FROM /var/lib".into());
        let shown = serde_json::to_string(&ApiError::store(&clock, &error).body()).unwrap();
        assert!(!shown.contains("SELECT") && !shown.contains("/var"), "{shown}");
    }

    #[test]
    fn a_refusal_by_a_limit_tells_when_to_come_back() {
        let limited = RateLimited { policy: "diver", per_minute: 20, retry_after: Duration::from_millis(2100) };
        let response = ApiError::RateLimited(limited).into_response();
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("retry-after"), "3");
        assert_eq!(header("ratelimit"), "\"diver\";r=0;t=3");
        assert_eq!(header("ratelimit-policy"), "\"diver\";q=20;w=60");
    }
}
