//! What is known of a request's client before its body is read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use dovvybuddy_core::SessionId;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::headers::SESSION_COOKIE;
use crate::limits::RateLimited;
use crate::state::{App, Inner};

/// The caller.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) ip: IpAddr,
    /// It speaks TLS to us or to a trusted proxy.
    pub(crate) tls: bool,
    /// The session in its cookie.
    pub(crate) cookie: Option<SessionId>,
    /// The first language it asks for.
    pub(crate) locale: Option<String>,
    /// It is a widget on a configured site.
    pub(crate) site: bool,
    /// Its address or its site has reached its limit; only an emergency passes.
    pub(crate) limited: Option<RateLimited>,
    /// When the request came in.
    pub(crate) arrived: Instant,
}

/// Addresses that judge the limit themselves, because an emergency passes it.
const GUARDED: [&str; 2] = ["/api/chat", "/api/chat/stream"];

/// Recognises the client, and charges its address for requests to the API.
pub(crate) async fn recognise(State(state): State<App>, mut request: Request, next: Next) -> Response {
    let peer = peer(request.extensions());
    let headers = request.headers();
    let ip = state.proxies.client(peer, headers);
    let path = request.uri().path();
    // Who holds a key is limited by it, who does not by the address: the operator's view sees to both.
    let charged = path.starts_with("/api/") && !path.starts_with(crate::admin::PREFIX);
    let limited = if charged { state.limits.all.check(ip).err() } else { None };
    let visit = match state.sites.visit(request.method(), headers, path) {
        Ok(visit) => visit,
        Err(refusal) => return refusal.into_response(),
    };
    let limited = limited.or(visit.limited);
    if let Some(limited) = limited
        && !GUARDED.contains(&path)
    {
        return ApiError::RateLimited(limited).into_response();
    }
    let client = Client {
        ip,
        tls: speaks_tls(&state, peer, headers),
        cookie: cookie(headers),
        locale: locale(headers),
        site: visit.site,
        limited,
        arrived: Instant::now(),
    };
    request.extensions_mut().insert(Arc::new(client));
    next.run(request).await
}

/// The other end of the connection. Without connection info everyone shares one address, so that
/// limits fail closed.
pub(crate) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

pub(crate) fn speaks_tls(state: &Inner, peer: IpAddr, headers: &HeaderMap) -> bool {
    state.public_origin.as_deref().is_some_and(|origin| origin.starts_with("https://"))
        || state.proxies.forwarded_https(peer, headers)
}

fn cookie(headers: &HeaderMap) -> Option<SessionId> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == SESSION_COOKIE).then(|| SessionId::parse(value))?)
}

/// The first language that is asked for.
pub(crate) fn locale(headers: &HeaderMap) -> Option<String> {
    let first = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?.split([',', ';']).next()?.trim();
    let plausible = (2..=35).contains(&first.len()) && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plausible.then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
        let found = cookie(&headers("cookie", &format!("a=b; dovvybuddy_session={id};c=d")));
        assert_eq!(found.map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(cookie(&headers("cookie", "dovvybuddy_session=' OR 1=1")), None);
    }

    #[test]
    fn the_first_language_counts_and_nonsense_does_not() {
        assert_eq!(locale(&headers("accept-language", "pt-BR,pt;q=0.9,en")).as_deref(), Some("pt-BR"));
        assert_eq!(locale(&headers("accept-language", "*")), None);
        assert_eq!(locale(&headers("accept-language", "<script>")), None);
    }
}
