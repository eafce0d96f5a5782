//! Which addresses a webhook may reach: none inside the operator's own network, unless listed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::error::ConfigError;

/// The private addresses that the operator allows, from `outgoing.allow`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    nets: Vec<IpNet>,
    places: Vec<(String, u16)>,
}

impl Allowed {
    /// Reads entries such as `10.0.0.0/8`, `192.168.1.7` or `crm.internal:8443`.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, ConfigError> {
        let mut allowed = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if let Some(net) = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from)) {
                allowed.nets.push(net);
            } else if let Some((host, port)) = place(entry) {
                allowed.places.push((host, port));
            } else {
                let expected =
                    format!("networks such as 10.0.0.0/8 or places such as crm.internal:8443, not `{entry}`");
                return Err(ConfigError::new("outgoing.allow", expected));
            }
        }
        Ok(allowed)
    }

    /// Whether this host and port are listed by name.
    pub(crate) fn lists(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.places.iter().any(|(h, p)| *p == port && h.eq_ignore_ascii_case(host))
    }

    /// Whether an address may be reached.
    pub(crate) fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.nets.iter().any(|net| net.contains(&ip))
    }
}

fn place(entry: &str) -> Option<(String, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let plausible =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    plausible.then_some(())?;
    Some((host.to_ascii_lowercase(), port.parse().ok()?))
}

/// Whether an address belongs to the public internet. Everything special is refused: private,
/// loopback, link-local (with the clouds' metadata services), shared, reserved, multicast.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Ways to write an IPv4 address: the translation prefix and 6to4 lead where the inner one leads.
    let inner = |shift: u32| is_public_v4(Ipv4Addr::from_bits((ip.to_bits() >> shift & 0xffff_ffff) as u32));
    if ip.to_bits() >> 32 == 0x0064_ff9b_u128 << 64 {
        return inner(0);
    }
    let [first, second, ..] = ip.segments();
    if first == 0x2002 {
        return inner(80);
    }
    let global_unicast = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second < 0x0200;
    let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    global_unicast && !protocols && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allowed: &Allowed, ip: &str) -> bool {
        allowed.permits(ip.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_reached() {
        let none = Allowed::default();
        for inside in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "::7f00:1",
            "64:ff9b:1::1",
        ] {
            assert!(!permits(&none, inside), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(permits(&none, outside), "{outside}");
        }
    }

    #[test]
    fn what_the_operator_lists_is_reached() {
        let allowed = Allowed::parse(&["10.1.0.0/16", "127.0.0.1", "crm.internal:8443", "[::1]:9000"]).unwrap();
        assert!(permits(&allowed, "10.1.2.3") && permits(&allowed, "127.0.0.1"));
        assert!(!permits(&allowed, "10.2.0.1") && !permits(&allowed, "127.0.0.2"));
        assert!(allowed.lists("CRM.internal", 8443) && allowed.lists("[::1]", 9000));
        assert!(!allowed.lists("crm.internal", 443));
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        for wrong in ["everything", "10.0.0.0/33", "host:port", ":80", "http://x:80"] {
            assert_eq!(Allowed::parse(&[wrong]).unwrap_err().key, "outgoing.allow", "{wrong}");
        }
    }
}
