//! Which pages may open a WebSocket: browsers ask nobody before they connect.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::Url;

use crate::state::Inner;

/// Whether the page that connects is ours or one of the configured origins. Programs send no origin.
pub(crate) fn allowed(state: &Inner, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    state.origins.iter().any(|known| known == origin) || host.is_some_and(|host| same_host(origin, host))
}

/// Whether an origin and a `Host` header name the same place. A proxy may have ended TLS in between,
/// so the scheme tells only the default port.
pub(crate) fn same_host(origin: &str, host: &str) -> bool {
    let Some(origin) = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return false;
    };
    let Ok(host) = Url::parse(&format!("{}://{host}", origin.scheme())) else { return false };
    host.host().is_some()
        && origin.host() == host.host()
        && origin.port_or_known_default() == host.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::same_host;

    #[test]
    fn only_the_same_host_and_port_are_the_same() {
        assert!(same_host("http://127.0.0.1:8000", "127.0.0.1:8000"));
        assert!(same_host("https://dive.example", "dive.example"));
        assert!(same_host("https://dive.example", "DIVE.example:443"));
        for (origin, host) in [
            ("https://evil.example", "dive.example"),
            ("http://127.0.0.1:3000", "127.0.0.1:8000"),
            ("https://dive.example.evil.example", "dive.example"),
            ("null", "dive.example"),
            ("file://dive.example", "dive.example"),
            ("https://dive.example", ""),
        ] {
            assert!(!same_host(origin, host), "{origin} {host}");
        }
    }
}
