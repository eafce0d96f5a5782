//! Rate limits as Discord applies them: a bucket per route and major parameter, a limit over all
//! routes, and a ban for too many invalid requests.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use tokio::time::Instant;

use super::Settings;

const INVALID_WINDOW: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(super) struct Limits {
    per_bucket: u32,
    window: Duration,
    per_second: u32,
    most_invalid: usize,
    buckets: HashMap<String, Bucket>,
    second: (Option<Instant>, u32),
    invalid: Vec<Instant>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    remaining: u32,
    resets: Instant,
}

/// What the limits say of a request.
pub(super) enum Verdict {
    Pass(Bucket),
    Limited { retry_after: f64, global: bool },
    Banned,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            per_bucket: settings.bucket.0,
            window: settings.bucket.1,
            per_second: settings.per_second,
            most_invalid: settings.most_invalid,
            buckets: HashMap::new(),
            second: (None, 0),
            invalid: Vec::new(),
        }
    }

    /// Takes a request from its bucket. `counts_globally` is false for interactions.
    pub(super) fn take(&mut self, bucket: &str, counts_globally: bool, now: Instant) -> Verdict {
        self.invalid.retain(|at| now.duration_since(*at) < INVALID_WINDOW);
        if self.invalid.len() >= self.most_invalid {
            return Verdict::Banned;
        }
        if counts_globally {
            let began = self.second.0.filter(|began| now.duration_since(*began) < Duration::from_secs(1));
            let (began, used) = began.map_or((now, 0), |began| (began, self.second.1));
            if used >= self.per_second {
                let left = Duration::from_secs(1).saturating_sub(now.duration_since(began));
                return Verdict::Limited { retry_after: left.as_secs_f64(), global: true };
            }
            self.second = (Some(began), used + 1);
        }
        let fresh = Bucket { remaining: self.per_bucket, resets: now + self.window };
        let held = self.buckets.entry(bucket.to_owned()).or_insert(fresh);
        if held.resets <= now {
            *held = fresh;
        }
        if held.remaining == 0 {
            return Verdict::Limited { retry_after: held.resets.duration_since(now).as_secs_f64(), global: false };
        }
        held.remaining -= 1;
        Verdict::Pass(*held)
    }

    /// Counts an answer of 401, 403 or 429 against the ban.
    pub(super) fn invalid(&mut self, now: Instant) {
        self.invalid.push(now);
    }

    /// The headers of a bucket.
    pub(super) fn headers(&self, name: &str, bucket: Bucket, now: Instant) -> HeaderMap {
        let after = bucket.resets.saturating_duration_since(now).as_secs_f64();
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-ratelimit-limit", self.per_bucket.to_string());
        set("x-ratelimit-remaining", bucket.remaining.to_string());
        set("x-ratelimit-reset-after", format!("{after:.3}"));
        // The name of a bucket tells nothing; it only has to be the same for the same bucket.
        set("x-ratelimit-bucket", format!("{:016x}", digest(name)));
        headers
    }
}

/// The headers of a 429.
pub(super) fn limited(retry_after: f64, global: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(RETRY_AFTER, format!("{}", retry_after.ceil()));
    set(HeaderName::from_static("x-ratelimit-scope"), if global { "global" } else { "user" }.to_owned());
    if global {
        set(HeaderName::from_static("x-ratelimit-global"), "true".to_owned());
    } else {
        set(HeaderName::from_static("x-ratelimit-remaining"), "0".to_owned());
        set(HeaderName::from_static("x-ratelimit-reset-after"), format!("{retry_after:.3}"));
    }
    headers
}

fn digest(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
