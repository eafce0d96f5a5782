//! A receiver of webhooks that checks Standard Webhooks signatures and fails on demand.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::served::{Served, serve};

const MOST_KEPT: usize = 10_000;

/// A delivery that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The path it came to.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
    /// Whether its signature is right; `None` without a secret to check by. How old the timestamp is
    /// is not judged.
    pub signed: Option<bool>,
    /// The status it was answered with.
    pub answered: u16,
}

impl Delivery {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// How one delivery is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Ok,
    /// This status, with a `Retry-After` in seconds if given.
    Status(u16, Option<u32>),
    /// A redirect to this address.
    Redirect(String),
    /// 200 after this long.
    Late(Duration),
    /// 200 with this JSON body.
    Body(String),
    /// No answer at all.
    Hang,
}

#[derive(Debug, Default)]
struct Inner {
    secret: Option<Vec<u8>>,
    standing: Option<Answer>,
    next: VecDeque<Answer>,
    deliveries: VecDeque<Delivery>,
}

type Shared = Arc<Mutex<Inner>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running receiver. Dropped, it stops.
#[derive(Debug)]
pub struct Receiver {
    served: Served,
    shared: Shared,
}

/// Starts a receiver; with a `whsec_…` secret it checks signatures and answers 401 to wrong ones.
pub async fn start(addr: SocketAddr, secret: Option<&str>) -> io::Result<Receiver> {
    let shared = Shared::default();
    if let Some(secret) = secret {
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(io::Error::other)?;
        lock(&shared).secret = Some(key);
    }
    let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
    Ok(Receiver { served: serve(addr, router).await?, shared })
}

impl Receiver {
    /// An address to deliver to.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.served.addr)
    }

    /// The next deliveries are answered like this, one each.
    pub fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared).next.extend(answers);
    }

    /// All deliveries without a script of their own are answered like this.
    pub fn always(&self, answer: Answer) {
        lock(&self.shared).standing = Some(answer);
    }

    /// What came so far, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.shared).deliveries.iter().cloned().collect()
    }
}

async fn receive(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut inner = lock(&shared);
        let signed = inner.secret.as_deref().map(|secret| signed(secret, &headers, &body));
        let scripted = inner.next.pop_front().or_else(|| inner.standing.clone()).unwrap_or(Answer::Ok);
        let answer = if signed == Some(false) { Answer::Status(401, None) } else { scripted };
        let delivery = Delivery {
            path: uri.path().to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body: body.to_vec(),
            signed,
            answered: status(&answer).as_u16(),
        };
        if inner.deliveries.len() >= MOST_KEPT {
            inner.deliveries.pop_front();
        }
        inner.deliveries.push_back(delivery);
        answer
    };
    respond(answer).await
}

fn status(answer: &Answer) -> StatusCode {
    match answer {
        Answer::Status(code, _) => StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Redirect(_) => StatusCode::TEMPORARY_REDIRECT,
        _ => StatusCode::OK,
    }
}

async fn respond(answer: Answer) -> Response {
    let status = status(&answer);
    match answer {
        Answer::Status(_, Some(seconds)) => (status, [(header::RETRY_AFTER, seconds.to_string())]).into_response(),
        Answer::Redirect(to) => (status, [(header::LOCATION, to)]).into_response(),
        Answer::Late(pause) => {
            tokio::time::sleep(pause).await;
            status.into_response()
        }
        Answer::Body(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Answer::Hang => std::future::pending().await,
        Answer::Ok | Answer::Status(_, None) => status.into_response(),
    }
}

/// Whether one of the signatures is right for id, timestamp and body.
fn signed(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let (Some(id), Some(at), Some(signatures)) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
    else {
        return false;
    };
    signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(|one| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        STANDARD.decode(one).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_vector_of_standard_webhooks_is_right_and_its_mutations_are_not() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = |signature: &str| {
            let mut map = HeaderMap::new();
            map.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
            map.insert("webhook-timestamp", "1614265330".parse().unwrap());
            map.insert("webhook-signature", signature.parse().unwrap());
            map
        };
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(signed(&secret, &headers(right), br#"{"test": 2432232314}"#));
        assert!(signed(&secret, &headers(&format!("v1,AAAA {right}")), br#"{"test": 2432232314}"#));
        assert!(!signed(&secret, &headers(right), br#"{"test": 2432232315}"#));
        assert!(!signed(&secret, &headers("v1,"), br#"{"test": 2432232314}"#));
    }
}
