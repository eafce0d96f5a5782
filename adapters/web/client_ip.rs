//! Who is calling: the client's address behind trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose forwarding headers count.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(nets: Vec<IpNet>) -> Self {
        Self(nets)
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&ip))
    }

    /// The rightmost hop that is no trusted proxy. What stands further left was written by the client
    /// and proves nothing.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            let Ok(value) = value.to_str() else { return client };
            for hop in value.rsplit(',') {
                let Some(ip) = address(hop.trim()) else { return client };
                client = ip;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }

    /// Whether a trusted proxy says that the client spoke TLS to it.
    pub(crate) fn forwarded_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        self.trusts(peer.to_canonical())
            && said
                .and_then(|said| said.rsplit(',').next())
                .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
    }
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|a| a.ip()))?;
    Some(ip.to_canonical())
}

/// What a limit counts by: an IPv6 client has a whole /64 to itself.
pub(crate) fn limit_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_client_writes_itself_never_counts(forged in "[ -~]{0,60}", seen: [u8; 4]) {
            let seen = IpAddr::from(seen);
            let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
            prop_assume!(!proxies.trusts(seen));
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", format!("{forged}, {seen}").parse().unwrap());
            prop_assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &headers), seen);
            prop_assert_eq!(proxies.client(seen, &headers), seen);
        }
    }

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|net| net.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_spoofed_header_from_a_stranger_is_ignored() {
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        assert_eq!(client(&[], "127.0.0.1", &["1.2.3.4"]), "127.0.0.1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "::ffff:10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(client(&proxies, "10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn behind_nonsense_the_last_known_hop_counts() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1, unknown"]), "10.0.0.1");
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1, , 10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn when_every_hop_is_trusted_the_farthest_counts() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.9, 10.0.0.2"]), "10.0.0.9");
    }
}
