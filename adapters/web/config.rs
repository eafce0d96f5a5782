//! What can be set about the web channel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::sites::SiteConfig;

/// The web channel's settings. Their defaults stand with whoever puts the channel together.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// The address under which people reach the daemon, such as `https://dive.example`.
    pub public_url: Option<String>,
    /// Origins whose pages may read answers and open `WebSocket`s, such as `https://shop.example`.
    pub cors_origins: Vec<String>,
    /// Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
    pub trusted_proxies: Vec<String>,
    /// Messages a minute of one diver, as told in `RateLimit-Policy`; the store counts them.
    pub diver_per_minute: u32,
    /// Requests a minute of one address to all of `/api`; 0 switches the limit off.
    pub ip_per_minute: u32,
    /// Leads a minute of one address; 0 switches the limit off.
    pub leads_per_minute: u32,
    /// Requests about sessions a minute of one address; 0 switches the limit off.
    pub sessions_per_minute: u32,
    /// Ratings a minute of one address; 0 switches the limit off.
    pub feedback_per_minute: u32,
    /// Whose bot it is, as shown to divers; it also gets the leads.
    pub operator_name: Option<String>,
    /// Where the operator can be reached, as shown to divers.
    pub operator_contact: Option<String>,
    /// The sites that embed the widget, by their key.
    pub sites: BTreeMap<String, SiteConfig>,
    /// From receipt to the whole reply.
    pub reply_within: Duration,
    /// How long a request's body may take to arrive.
    pub body_within: Duration,
    /// The most event streams open at once.
    pub most_streams: usize,
    /// The most `WebSocket`s open at once.
    pub most_sockets: usize,
    /// How long a WebSocket may give no sign of life before it is closed; it is pinged three times as often.
    pub socket_idle: Duration,
    /// How long open streams may wait for their turn's end once the daemon stops.
    pub drain: Duration,
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: `{value}` is not {expected}")]
pub struct ConfigError {
    /// The key inside the web channel's settings.
    pub key: &'static str,
    /// What was given.
    pub value: String,
    /// What was expected.
    pub expected: &'static str,
}

impl WebConfig {
    /// The networks of `trusted_proxies`; a bare address is a network of one.
    pub(crate) fn proxies(&self) -> Result<Vec<IpNet>, ConfigError> {
        let parse = |value: &String| {
            let value = value.trim();
            let net = value.parse::<IpNet>().ok();
            net.or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from)).ok_or_else(|| ConfigError {
                key: "trusted_proxies",
                value: value.to_owned(),
                expected: "an address or a network such as 10.0.0.0/8",
            })
        };
        self.trusted_proxies.iter().map(parse).collect()
    }

    /// The origins of `cors_origins` in the form browsers send.
    pub(crate) fn origins(&self) -> Result<Vec<String>, ConfigError> {
        self.cors_origins
            .iter()
            .map(|value| origin_of(value).ok_or_else(|| wrong_origin("cors_origins", value)))
            .collect()
    }

    /// The origin of `public_url`.
    pub(crate) fn public_origin(&self) -> Result<Option<String>, ConfigError> {
        let value = self.public_url.as_deref().map(str::trim).filter(|value| !value.is_empty());
        value.map(|value| origin_of(value).ok_or_else(|| wrong_origin("public_url", value))).transpose()
    }
}

/// `scheme://host[:port]` as a browser writes it; `None` for anything that is no http(s) address.
pub(crate) fn origin_of(value: &str) -> Option<String> {
    let url = Url::parse(value.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

pub(crate) fn wrong_origin(key: &'static str, value: &str) -> ConfigError {
    ConfigError { key, value: value.to_owned(), expected: "an http(s) address such as https://shop.example" }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// No limits and no places to name.
    pub(crate) fn open() -> WebConfig {
        WebConfig {
            public_url: None,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            diver_per_minute: 0,
            ip_per_minute: 0,
            leads_per_minute: 0,
            sessions_per_minute: 0,
            feedback_per_minute: 0,
            operator_name: None,
            operator_contact: None,
            sites: BTreeMap::new(),
            reply_within: Duration::from_secs(1),
            body_within: Duration::from_secs(1),
            most_streams: 1,
            most_sockets: 1,
            socket_idle: Duration::from_secs(1),
            drain: Duration::ZERO,
        }
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let config = WebConfig {
            cors_origins: vec!["https://Shop.Example:443/".into(), "http://localhost:3000".into()],
            ..open()
        };
        assert_eq!(config.origins().unwrap(), ["https://shop.example", "http://localhost:3000"]);
    }

    #[test]
    fn a_star_is_no_origin() {
        let config = WebConfig { cors_origins: vec!["*".into()], ..open() };
        assert_eq!(config.origins().unwrap_err().key, "cors_origins");
    }

    #[test]
    fn a_bare_address_is_a_network_of_one() {
        let config = WebConfig { trusted_proxies: vec!["10.1.2.3".into(), "fd00::/8".into()], ..open() };
        let nets = config.proxies().unwrap();
        assert_eq!(nets[0].to_string(), "10.1.2.3/32");
        assert!(nets[1].contains(&"fd12::1".parse::<IpAddr>().unwrap()));
    }
}
