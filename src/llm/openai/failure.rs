//! Errors of a provider in the domain's words, without addresses or keys.

use std::time::Duration;

use dovvybuddy_core::model::ModelError;
use futures::StreamExt;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

/// As much of an error body as is read.
const LARGEST_BODY: usize = 8 << 10;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 160;

/// A failure on the way. The address goes: it may hold a key.
pub(crate) fn transport(error: reqwest::Error) -> ModelError {
    if error.is_timeout() {
        return ModelError::Timeout;
    }
    ModelError::Unavailable(error.without_url().into())
}

/// A response that is no success.
pub(crate) async fn refused(response: reqwest::Response, until: Instant) -> ModelError {
    let status = response.status().as_u16();
    match status {
        401 | 403 => return ModelError::Unauthorized,
        429 => return ModelError::RateLimited(retry_after(response.headers())),
        408 | 504 => return ModelError::Timeout,
        503 if retry_after(response.headers()).is_some() => {
            return ModelError::RateLimited(retry_after(response.headers()));
        }
        500.. => return ModelError::Unavailable(format!("status {status}").into()),
        _ => {}
    }
    let reason = reason(&body(response, until).await);
    ModelError::Rejected(
        reason.map_or_else(|| format!("status {status}"), |reason| format!("status {status}, {reason}")),
    )
}

async fn body(response: reqwest::Response, until: Instant) -> Vec<u8> {
    let mut stream = response.bytes_stream();
    let mut out = Vec::new();
    while let Ok(Some(Ok(chunk))) = timeout_at(until, stream.next()).await {
        out.extend_from_slice(&chunk);
        if out.len() > LARGEST_BODY {
            break;
        }
    }
    out
}

/// The provider's short error code (`model_not_found`); its prose may repeat the key or the prompt.
fn reason(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").unwrap_or(&value);
    let word = ["code", "type", "status"].iter().find_map(|key| error.get(key)?.as_str())?;
    let plain =
        word.len() <= LONGEST_REASON && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    // A key is long and has no underscores between words.
    (plain && !word.starts_with("sk-")).then(|| word.to_owned())
}

/// An error inside a stream that began well.
pub(crate) fn in_stream(error: &serde_json::Value) -> ModelError {
    let code = error.get("code").or_else(|| error.get("status"));
    let number = code.and_then(|c| c.as_u64().or_else(|| c.as_str()?.parse().ok()));
    match number {
        Some(429) => ModelError::RateLimited(None),
        Some(401 | 403) => ModelError::Unauthorized,
        Some(400..=499) => ModelError::Rejected("an error inside the stream".to_owned()),
        _ => ModelError::Unavailable("an error inside the stream".into()),
    }
}

/// When to come back, from `retry-after-ms`, seconds, or a date measured by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(millis) = text("retry-after-ms").and_then(|t| t.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let moment = |t: &str| jiff::fmt::rfc2822::parse(t).ok().map(|zoned| zoned.timestamp().as_second());
    let (then, now) = (moment(value)?, moment(text(DATE.as_str())?)?);
    u64::try_from(then.saturating_sub(now)).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn after(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        retry_after(&pairs.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect())
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(&[("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        let date = [("date", "Fri, 20 Nov 2026 08:00:00 GMT"), ("retry-after", "Fri, 20 Nov 2026 08:00:30 GMT")];
        assert_eq!(after(&date), Some(Duration::from_secs(30)));
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[("retry-after", "-1")]), None);
    }

    #[test]
    fn a_reason_is_a_code_and_never_prose() {
        assert_eq!(
            reason(br#"{"error":{"code":"model_not_found","message":"key sk-1 at https://x"}}"#).as_deref(),
            Some("model_not_found")
        );
        assert_eq!(reason(br#"{"error":{"message":"key sk-1"}}"#), None);
        assert_eq!(reason(br#"{"error":{"code":"sk-abcdef"}}"#), None);
        assert_eq!(reason(b"<html>"), None);
    }
}
