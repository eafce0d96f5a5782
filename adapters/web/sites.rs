//! Sites that embed the widget: which pages may use a site's key, and how much they may ask.

use std::collections::HashMap;
use std::num::NonZeroU32;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;

use crate::config::{ConfigError, WebConfig, origin_of, wrong_origin};
use crate::error::ApiError;
use crate::limits::RateLimited;
use crate::origin::same_host;

/// The header in which the widget names its site.
pub(crate) const SITE_HEADER: HeaderName = HeaderName::from_static("x-dovvybuddy-site");

/// What a site that embeds the widget may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// The origins of the pages that may use the site's key, such as `https://shop.example`.
    pub origins: Vec<String>,
    /// Messages a minute of all its visitors together; 0 switches the limit off.
    #[serde(default = "messages_per_minute")]
    pub messages_per_minute: u32,
    /// Leads a minute of all its visitors together; 0 switches the limit off.
    #[serde(default = "leads_per_minute")]
    pub leads_per_minute: u32,
}

const fn messages_per_minute() -> u32 {
    60
}

const fn leads_per_minute() -> u32 {
    10
}

/// The configured sites.
pub(crate) struct Sites(HashMap<String, Site>);

struct Site {
    origins: Vec<String>,
    messages: Limit,
    leads: Limit,
}

/// What is known of a request once its site was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Visit {
    /// It comes from a widget on a configured site.
    pub(crate) site: bool,
    /// The site has reached a limit; only an emergency passes.
    pub(crate) limited: Option<RateLimited>,
}

impl Sites {
    pub(crate) fn new(config: &WebConfig) -> Result<Self, ConfigError> {
        let read = |(key, site): (&String, &SiteConfig)| {
            let origin = |value: &String| origin_of(value).ok_or_else(|| wrong_origin("sites", value));
            let origins = site.origins.iter().map(origin).collect::<Result<_, _>>()?;
            let messages = Limit::new("site", site.messages_per_minute);
            let leads = Limit::new("site-leads", site.leads_per_minute);
            Ok((key.clone(), Site { origins, messages, leads }))
        };
        config.sites.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Every origin that may read answers because a site lists it.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|site| &site.origins)
    }

    /// Looks at the site a request names, and charges it. A request that names none is no widget's.
    pub(crate) fn visit(&self, method: &Method, headers: &HeaderMap, path: &str) -> Result<Visit, ApiError> {
        let Some(key) = headers.get(SITE_HEADER) else { return Ok(Visit::default()) };
        let site = key.to_str().ok().and_then(|key| self.0.get(key)).ok_or(ApiError::SiteUnknown)?;
        if !site.serves(headers) {
            return Err(ApiError::OriginNotAllowed);
        }
        let limit = match (method, path) {
            (&Method::POST, "/api/chat" | "/api/chat/stream") => Some(&site.messages),
            (&Method::POST, "/api/leads") => Some(&site.leads),
            _ => None,
        };
        Ok(Visit { site: true, limited: limit.and_then(|limit| limit.check().err()) })
    }
}

impl Site {
    /// Whether the page is one of the site's, or our own. Browsers name the origin of every request that
    /// crosses origins and of every one that changes something.
    fn serves(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        self.origins.iter().any(|known| known == origin) || host.is_some_and(|host| same_host(origin, host))
    }
}

/// One limit of one site, over all its visitors.
struct Limit {
    policy: &'static str,
    per_minute: u32,
    limiter: Option<DefaultDirectRateLimiter>,
}

impl Limit {
    fn new(policy: &'static str, per_minute: u32) -> Self {
        let limiter = NonZeroU32::new(per_minute).map(|rate| RateLimiter::direct(Quota::per_minute(rate)));
        Self { policy, per_minute, limiter }
    }

    fn check(&self) -> Result<(), RateLimited> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| {
            metrics::counter!("dovvybuddy_limited_total", "channel" => "web", "limit" => self.policy).increment(1);
            let retry_after = until.wait_time_from(DefaultClock::default().now());
            RateLimited { policy: self.policy, per_minute: self.per_minute, retry_after }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sites() -> Sites {
        let shop =
            SiteConfig { origins: vec!["https://Shop.example/".into()], messages_per_minute: 2, leads_per_minute: 1 };
        let club =
            SiteConfig { origins: vec!["https://club.example".into()], messages_per_minute: 0, leads_per_minute: 0 };
        let sites = BTreeMap::from([("shop".to_owned(), shop), ("club".to_owned(), club)]);
        Sites::new(&WebConfig { sites, ..crate::config::tests::open() }).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn visit(sites: &Sites, path: &str, pairs: &[(&'static str, &str)]) -> Result<Visit, String> {
        sites.visit(&Method::POST, &headers(pairs), path).map_err(|error| error.code().to_owned())
    }

    #[test]
    fn a_key_works_on_its_own_pages_only() {
        let sites = sites();
        let on = |key, origin| visit(&sites, "/api/sessions", &[("x-dovvybuddy-site", key), ("origin", origin)]);
        assert!(on("shop", "https://shop.example").unwrap().site);
        assert_eq!(on("shop", "https://club.example").unwrap_err(), "ORIGIN_NOT_ALLOWED");
        assert_eq!(on("shop", "null").unwrap_err(), "ORIGIN_NOT_ALLOWED");
        assert_eq!(on("nobody", "https://shop.example").unwrap_err(), "SITE_UNKNOWN");
        let ours = [("x-dovvybuddy-site", "shop"), ("origin", "https://bot.example"), ("host", "bot.example")];
        assert!(visit(&sites, "/api/sessions", &ours).unwrap().site);
    }

    #[test]
    fn a_request_that_names_no_site_is_no_widgets() {
        let evil = [("origin", "https://evil.example")];
        assert_eq!(visit(&sites(), "/api/chat", &evil).unwrap(), Visit::default());
    }

    #[test]
    fn a_site_shares_its_limit_among_its_visitors_and_no_other_site_pays() {
        let sites = sites();
        let ask = |key| visit(&sites, "/api/chat/stream", &[("x-dovvybuddy-site", key)]).unwrap().limited;
        assert_eq!((ask("shop"), ask("shop")), (None, None));
        assert_eq!(ask("shop").unwrap().policy, "site");
        assert!((0..100).all(|_| ask("club").is_none()));
        // Reading costs nothing, and leads are counted apart.
        assert!(
            sites
                .visit(&Method::GET, &headers(&[("x-dovvybuddy-site", "shop")]), "/api/about")
                .unwrap()
                .limited
                .is_none()
        );
        assert!(visit(&sites, "/api/leads", &[("x-dovvybuddy-site", "shop")]).unwrap().limited.is_none());
        assert!(visit(&sites, "/api/leads", &[("x-dovvybuddy-site", "shop")]).unwrap().limited.is_some());
    }
}
