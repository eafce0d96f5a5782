//! Leads delivered by signed webhook over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use dovvybuddy_core::channel::{DeliveryKey, OutboundPart, Outlet as _, SendError};
use dovvybuddy_core::lead::{Lead, LeadKind};
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::Notice;
use dovvybuddy_core::testkit::clock::{START, numbered};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, LeadId, SystemClock};
use dovvybuddy_webhook::{Allowed, ConfigError, LeadWebhookConfig, LeadWebhookOutlet, Secret, lead_notice, sign};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const KEY: DeliveryKey = DeliveryKey::outbox(7, 0);

fn lead() -> Lead {
    Lead {
        id: LeadId(numbered(1)),
        bot: BotId::default(),
        kind: LeadKind::Training,
        data: json!({"name": "Zoë", "email": "zoe@example.com", "message": "Line\n.\nlast"}),
        session: None,
        profile: DiverProfile::default(),
        created_at: START,
    }
}

fn part(notice: Notice) -> OutboundPart {
    let conversation = ConversationKey {
        bot: BotId::default(),
        channel: notice.outlet,
        account: String::new(),
        conversation: notice.subject,
    };
    OutboundPart {
        conversation,
        payload: notice.payload,
        context: Value::Null,
        written_at: START,
        replaces: None,
        progress: false,
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;
type Replies = Arc<Mutex<VecDeque<(StatusCode, Option<&'static str>)>>>;

struct Receiver {
    addr: SocketAddr,
    seen: Seen,
    replies: Replies,
    _task: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let (seen, replies) = (Seen::default(), Replies::default());
        let (taking, answering) = (seen.clone(), replies.clone());
        let handler = move |headers: HeaderMap, body: Bytes| async move {
            taking.lock().unwrap().push((headers, body));
            let (status, header) = answering.lock().unwrap().pop_front().unwrap_or((StatusCode::NO_CONTENT, None));
            let headers: HeaderMap = header
                .and_then(|header| header.split_once(": "))
                .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
                .into_iter()
                .collect();
            (status, headers)
        };
        let app = axum::Router::new().fallback(handler);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { addr, seen, replies, _task: task }
    }

    fn reply(&self, status: u16, header: Option<&'static str>) {
        self.replies.lock().unwrap().push_back((StatusCode::from_u16(status).unwrap(), header));
    }
}

fn webhook(url: String, allow: &[&str]) -> Result<LeadWebhookOutlet, ConfigError> {
    let config = LeadWebhookConfig { url, secret: SECRET.into(), allowed: Allowed::parse(allow).unwrap() };
    LeadWebhookOutlet::new(&config, Arc::new(SystemClock))
}

fn posted() -> OutboundPart {
    part(lead_notice(&lead()))
}

#[tokio::test]
async fn a_webhook_is_signed_and_named_alike_on_every_try() {
    let receiver = Receiver::start().await;
    let outlet = webhook(format!("http://{}/hook?x=1", receiver.addr), &["127.0.0.1"]).unwrap();
    assert_eq!(outlet.id(), ChannelId::new("lead-webhook"));
    outlet.send(&posted(), &KEY).await.unwrap();
    outlet.send(&posted(), &KEY).await.unwrap();
    let seen = receiver.seen.lock().unwrap();
    let header = |i: usize, name: &str| seen[i].0[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "webhook-id"), header(1, "webhook-id"));
    assert!(!header(0, "webhook-id").contains('.'));
    assert_eq!(seen[0].1, seen[1].1);
    let secret = Secret::parse("k", &SECRET.into()).unwrap();
    let timestamp = header(0, "webhook-timestamp").parse().unwrap();
    assert_eq!(header(0, "webhook-signature"), sign(&secret, &header(0, "webhook-id"), timestamp, &seen[0].1));
    assert_eq!(header(0, "content-type"), "application/json");
    let body: Value = serde_json::from_slice(&seen[0].1).unwrap();
    assert_eq!(body["data"]["data"]["name"], "Zoë");
}

#[tokio::test]
async fn what_the_receiver_answers_decides() {
    let receiver = Receiver::start().await;
    let place = format!("127.0.0.1:{}", receiver.addr.port());
    let outlet = webhook(format!("http://{place}/"), &[&place]).unwrap();
    receiver.reply(410, None);
    assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Gone)));
    receiver.reply(429, Some("retry-after: 17"));
    assert!(
        matches!(outlet.send(&posted(), &KEY).await, Err(SendError::RetryAfter(pause)) if pause == Duration::from_secs(17))
    );
    receiver.reply(503, Some("retry-after: 99999999"));
    assert!(
        matches!(outlet.send(&posted(), &KEY).await, Err(SendError::RetryAfter(pause)) if pause == Duration::from_hours(3))
    );
    receiver.reply(401, None);
    assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Unauthorized)));
    for status in [400, 404, 500] {
        receiver.reply(status, None);
        assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Transport(_))), "{status}");
    }
    let before = receiver.seen.lock().unwrap().len();
    receiver.reply(307, Some("location: /elsewhere"));
    assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Transport(_))));
    assert_eq!(receiver.seen.lock().unwrap().len(), before + 1, "no redirect is followed");
}

#[tokio::test]
async fn the_operators_own_network_is_not_reached_unless_listed() {
    let receiver = Receiver::start().await;
    let port = receiver.addr.port();
    // Every notation that some client reads as an address inside.
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "017700000001",
        "2130706433",
        "127.0.0.1.",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "167772161",
        "192.168.1.1",
        "0xc0.0xa8.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "100.127.255.254",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.0.192",
        "198.18.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[2001::1]",
        "user:pass@127.0.0.1",
        "example.com@127.0.0.1",
    ];
    for host in hosts {
        let url = format!("http://{host}:{port}/");
        assert!(webhook(url.clone(), &[]).is_err_and(|e| e.key == "leads.webhook_url"), "{url}");
    }
    for url in ["http://169.254.169.254/latest/meta-data", "ftp://example.com/", "file:///etc/passwd", "nonsense"] {
        assert!(webhook(url.to_owned(), &[]).is_err_and(|e| e.key == "leads.webhook_url"), "{url}");
    }
    // A name is judged when it is resolved.
    let outlet = webhook(format!("http://localhost:{port}/"), &["10.0.0.0/8"]).unwrap();
    assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Transport(_))));
    assert!(receiver.seen.lock().unwrap().is_empty());
    let outlet = webhook(format!("http://localhost:{port}/"), &[&format!("localhost:{port}")]).unwrap();
    outlet.send(&posted(), &KEY).await.unwrap();
}

#[tokio::test]
async fn a_receiver_that_is_away_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let outlet = webhook(format!("http://{addr}/"), &["127.0.0.1"]).unwrap();
    assert!(matches!(outlet.send(&posted(), &KEY).await, Err(SendError::Transport(_))));
}
