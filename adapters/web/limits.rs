//! Limits per address, and the headers that tell of limits.
//!
//! The limit of one diver is counted by the store, inside the write that accepts a message; what is
//! here protects the daemon from a single address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use dovvybuddy_core::limit::Allowance;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::client_ip::limit_key;
use crate::config::WebConfig;
use crate::error::whole_seconds;

/// A refusal by a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// The limit's name in the `RateLimit` headers.
    pub policy: &'static str,
    /// Its sustained rate.
    pub per_minute: u32,
    /// When to come back.
    pub retry_after: Duration,
}

/// The limits per address.
pub(crate) struct IpLimits {
    pub(crate) all: PerIp,
    pub(crate) leads: PerIp,
    pub(crate) sessions: PerIp,
    pub(crate) feedback: PerIp,
}

impl IpLimits {
    pub(crate) fn new(config: &WebConfig) -> Self {
        Self {
            all: PerIp::new("ip", config.ip_per_minute),
            leads: PerIp::new("leads", config.leads_per_minute),
            sessions: PerIp::new("sessions", config.sessions_per_minute),
            feedback: PerIp::new("feedback", config.feedback_per_minute),
        }
    }
}

/// After this many checks the addresses that were quiet for a minute are forgotten.
const SWEEP_EVERY: u32 = 1024;
/// Above this many addresses within a minute, newcomers share the counters of [`SHARED`] groups.
const MOST_ADDRESSES: usize = 50_000;
/// How many groups newcomers share then.
const SHARED: u32 = 4096;

/// One limit, counted per address.
pub(crate) struct PerIp {
    policy: &'static str,
    per_minute: u32,
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    checks: AtomicU32,
    crowded: AtomicBool,
}

impl PerIp {
    fn new(policy: &'static str, per_minute: u32) -> Self {
        let limiter = NonZeroU32::new(per_minute).map(|rate| RateLimiter::keyed(Quota::per_minute(rate)));
        Self { policy, per_minute, limiter, checks: AtomicU32::new(0), crowded: AtomicBool::new(false) }
    }

    /// Charges the address, unless its limit is reached.
    pub(crate) fn check(&self, ip: IpAddr) -> Result<(), RateLimited> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
            self.crowded.store(limiter.len() > MOST_ADDRESSES, Ordering::Relaxed);
        }
        let key = limit_key(ip);
        let key = if self.crowded.load(Ordering::Relaxed) { group(key) } else { key };
        limiter.check_key(&key).map_err(|until| {
            metrics::counter!("dovvybuddy_limited_total", "channel" => "web", "limit" => self.policy).increment(1);
            let retry_after = until.wait_time_from(DefaultClock::default().now());
            RateLimited { policy: self.policy, per_minute: self.per_minute, retry_after }
        })
    }
}

/// Folds all addresses into few, in the range that is reserved for documentation.
fn group(ip: IpAddr) -> IpAddr {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    ip.hash(&mut hasher);
    let group = u128::from(hasher.finish() % u64::from(SHARED));
    IpAddr::from((0x2001_0db8_u128 << 96 | group).to_be_bytes())
}

/// `RateLimit-Policy`, as the IETF draft writes it; `None` for a limit that is off.
pub(crate) fn policy_header(policy: &str, per_minute: u32) -> Option<HeaderValue> {
    let value = (per_minute > 0).then(|| format!("\"{policy}\";q={per_minute};w=60"))?;
    HeaderValue::try_from(value).ok()
}

/// `RateLimit`, as the IETF draft writes it.
pub(crate) fn state_header(policy: &str, remaining: u32, reset: Duration) -> Option<HeaderValue> {
    let reset = if reset.is_zero() { 0 } else { whole_seconds(reset) };
    HeaderValue::try_from(format!("\"{policy}\";r={remaining};t={reset}")).ok()
}

/// Tells what is left of the diver's limit.
pub(crate) fn tell_allowance(headers: &mut HeaderMap, allowance: Option<Allowance>, per_minute: u32) {
    let Some((allowance, policy)) = allowance.zip(policy_header("diver", per_minute)) else { return };
    headers.insert("ratelimit-policy", policy);
    if let Some(state) = state_header("diver", allowance.remaining, allowance.reset) {
        headers.insert("ratelimit", state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_is_refused_and_another_is_not() {
        let limit = PerIp::new("ip", 3);
        for _ in 0..3 {
            limit.check(ip("192.0.2.1")).unwrap();
        }
        let refused = limit.check(ip("192.0.2.1")).unwrap_err();
        assert!(refused.retry_after <= Duration::from_secs(20) && !refused.retry_after.is_zero());
        limit.check(ip("192.0.2.2")).unwrap();
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let limit = PerIp::new("ip", 1);
        limit.check(ip("2001:db8:1:2::1")).unwrap();
        limit.check(ip("2001:db8:1:2:ffff::9")).unwrap_err();
        limit.check(ip("2001:db8:1:3::1")).unwrap();
    }

    #[test]
    fn zero_switches_a_limit_off() {
        let limit = PerIp::new("ip", 0);
        for _ in 0..1000 {
            limit.check(ip("192.0.2.1")).unwrap();
        }
    }

    #[test]
    fn a_crowd_does_not_grow_the_memory_without_end() {
        let limit = PerIp::new("ip", 60);
        for n in 0..120_000_u32 {
            let _ = limit.check(IpAddr::from(n.to_be_bytes()));
        }
        let held = limit.limiter.as_ref().unwrap().len();
        assert!(held <= MOST_ADDRESSES + SWEEP_EVERY as usize + SHARED as usize, "{held}");
    }
}
