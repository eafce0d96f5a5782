//! Limits per address, and the headers that tell of limits.
//!
//! The limit of one diver is counted by the store, inside the write that accepts a message; what is
//! here protects the daemon from a single address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
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

/// Rates that can be changed while the daemon runs, a minute each; 0 switches one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// The limit of one diver, for the headers that tell of it.
    pub diver: u32,
    /// Messages of one address.
    pub ip: u32,
    /// Leads of one address.
    pub leads: u32,
    /// Sessions opened, read and removed by one address.
    pub sessions: u32,
    /// Ratings of one address.
    pub feedback: u32,
}

/// The limits per address.
pub(crate) struct IpLimits {
    diver_per_minute: AtomicU32,
    pub(crate) all: PerIp,
    pub(crate) leads: PerIp,
    pub(crate) sessions: PerIp,
    pub(crate) feedback: PerIp,
}

impl IpLimits {
    pub(crate) fn new(config: &WebConfig) -> Self {
        Self {
            diver_per_minute: AtomicU32::new(config.diver_per_minute),
            all: PerIp::new("ip", config.ip_per_minute),
            leads: PerIp::new("leads", config.leads_per_minute),
            sessions: PerIp::new("sessions", config.sessions_per_minute),
            feedback: PerIp::new("feedback", config.feedback_per_minute),
        }
    }

    /// The limit of one diver, as the headers tell it.
    pub(crate) fn diver_per_minute(&self) -> u32 {
        self.diver_per_minute.load(Ordering::Relaxed)
    }

    /// Takes over other rates. One that stays goes on counting, one that changes begins anew.
    pub(crate) fn set(&self, rates: Rates) {
        self.diver_per_minute.store(rates.diver, Ordering::Relaxed);
        self.all.set(rates.ip);
        self.leads.set(rates.leads);
        self.sessions.set(rates.sessions);
        self.feedback.set(rates.feedback);
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
    rate: RwLock<Arc<Rate>>,
    checks: AtomicU32,
    crowded: AtomicBool,
}

/// A rate with what was counted against it.
struct Rate {
    per_minute: u32,
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl Rate {
    fn new(per_minute: u32) -> Arc<Self> {
        let limiter = NonZeroU32::new(per_minute).map(|rate| RateLimiter::keyed(Quota::per_minute(rate)));
        Arc::new(Self { per_minute, limiter })
    }
}

impl PerIp {
    fn new(policy: &'static str, per_minute: u32) -> Self {
        let (checks, crowded) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { policy, rate: RwLock::new(Rate::new(per_minute)), checks, crowded }
    }

    fn rate(&self) -> Arc<Rate> {
        Arc::clone(&self.rate.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, per_minute: u32) {
        if self.rate().per_minute != per_minute {
            *self.rate.write().unwrap_or_else(PoisonError::into_inner) = Rate::new(per_minute);
        }
    }

    /// Charges the address, unless its limit is reached.
    pub(crate) fn check(&self, ip: IpAddr) -> Result<(), RateLimited> {
        let rate = self.rate();
        let Some(limiter) = &rate.limiter else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
            self.crowded.store(limiter.len() > MOST_ADDRESSES, Ordering::Relaxed);
        }
        let key = limit_key(ip);
        let key = if self.crowded.load(Ordering::Relaxed) { group(key) } else { key };
        limiter.check_key(&key).map_err(|until| {
            metrics::counter!("dovvybuddy_limited_total", "channel" => "web", "limit" => self.policy).increment(1);
            let retry_after = until.wait_time_from(DefaultClock::default().now());
            RateLimited { policy: self.policy, per_minute: rate.per_minute, retry_after }
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
    fn a_rate_can_be_changed_and_an_unchanged_one_goes_on_counting() {
        let limit = PerIp::new("ip", 1);
        limit.check(ip("192.0.2.1")).unwrap();
        limit.set(1);
        limit.check(ip("192.0.2.1")).unwrap_err();
        limit.set(2);
        limit.check(ip("192.0.2.1")).unwrap();
        assert_eq!(limit.check(ip("192.0.2.1")).and(limit.check(ip("192.0.2.1"))).unwrap_err().per_minute, 2);
    }

    #[test]
    fn a_crowd_does_not_grow_the_memory_without_end() {
        let limit = PerIp::new("ip", 60);
        for n in 0..120_000_u32 {
            let _ = limit.check(IpAddr::from(n.to_be_bytes()));
        }
        let held = limit.rate().limiter.as_ref().unwrap().len();
        assert!(held <= MOST_ADDRESSES + SWEEP_EVERY as usize + SHARED as usize, "{held}");
    }
}
