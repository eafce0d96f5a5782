//! Leads delivered over real sockets.
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
use dovvybuddy_outgoing::{
    Allowed, LeadWebhookConfig, LeadWebhookOutlet, MailConfig, MailOutlet, Secret, lead_notices, sign,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
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
    OutboundPart { conversation, payload: notice.payload, context: Value::Null, replaces: None, progress: false }
}

// --- Webhook -----------------------------------------------------------------------------------------

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

fn webhook(url: String, allow: &[&str]) -> Result<LeadWebhookOutlet, dovvybuddy_outgoing::ConfigError> {
    let config = LeadWebhookConfig { url, secret: SECRET.into(), allowed: Allowed::parse(allow).unwrap() };
    LeadWebhookOutlet::new(&config, Arc::new(SystemClock))
}

fn posted() -> OutboundPart {
    part(lead_notices(&lead(), false, true).remove(0))
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
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        "http://169.254.169.254/latest/meta-data".into(),
        "http://10.0.0.1/".into(),
        "ftp://example.com/".into(),
        "nonsense".into(),
    ] {
        assert_eq!(webhook(url.clone(), &[]).err().map(|e| e.key), Some("leads.webhook_url"), "{url}");
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

// --- Mail --------------------------------------------------------------------------------------------

/// A mail server that answers one command after another; `refusals` maps a command to a reply.
struct MailServer {
    addr: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl MailServer {
    async fn start(refusals: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = mails.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let kept = kept.clone();
                // A client that hangs up ends its conversation, not the server.
                conversations.spawn(async move { converse(socket, refusals, &kept).await.ok() });
            }
        });
        Self { addr, mails, _task: task }
    }

    fn outlet(&self, user: &str) -> MailOutlet {
        let smtp_url = format!("smtp://{user}{}", self.addr).into();
        let config = MailConfig { smtp_url, mail_to: "leads@shop.example".into(), mail_from: None };
        MailOutlet::new(&config, Arc::new(SystemClock)).unwrap()
    }
}

async fn converse(
    socket: tokio::net::TcpStream,
    refusals: &[(&str, &str)],
    mails: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let (reading, mut writing) = socket.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(b"220 fake\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let command = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let refusal = refusals.iter().find(|(name, _)| *name == command).map(|(_, reply)| *reply);
        let reply = match (refusal, &*command) {
            (Some(reply), _) => reply,
            (None, "EHLO") => "250-fake\r\n250 AUTH PLAIN LOGIN",
            (None, "AUTH") => "235 ok",
            (None, "DATA") => {
                writing.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                mails.lock().unwrap().push(mail);
                "250 taken"
            }
            (None, _) => "250 ok",
        };
        writing.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn mailed() -> OutboundPart {
    part(lead_notices(&lead(), true, false).remove(0))
}

#[tokio::test]
async fn a_lead_arrives_as_mail() {
    let server = MailServer::start(&[]).await;
    let outlet = server.outlet("");
    assert_eq!(outlet.id(), ChannelId::new("mail"));
    outlet.send(&mailed(), &KEY).await.unwrap();
    outlet.send(&mailed(), &KEY).await.unwrap();
    let mails = server.mails.lock().unwrap();
    let id = |mail: &str| mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned();
    assert_eq!(mails.len(), 2);
    assert_eq!(id(&mails[0]), id(&mails[1]));
    assert!(mails[0].contains("To: leads@shop.example"), "{}", mails[0]);
    assert!(mails[0].contains("Reply-To:") && mails[0].contains("zoe@example.com"));
    assert!(mails[0].contains("Content-Type: text/plain; charset=utf-8"));
    assert!(mails[0].contains("last"), "a line with a full stop ends no mail: {}", mails[0]);
}

#[tokio::test]
async fn what_the_mail_server_answers_decides() {
    let refused = MailServer::start(&[("RCPT", "550 no such user")]).await;
    assert!(
        matches!(refused.outlet("").send(&mailed(), &KEY).await, Err(SendError::Rejected(why)) if why.contains("550"))
    );
    let busy = MailServer::start(&[("MAIL", "451 try later")]).await;
    assert!(matches!(busy.outlet("").send(&mailed(), &KEY).await, Err(SendError::Transport(_))));
    let strict = MailServer::start(&[("AUTH", "535 no")]).await;
    assert!(matches!(strict.outlet("u:p@").send(&mailed(), &KEY).await, Err(SendError::Unauthorized)));
    let gone = MailServer::start(&[]).await;
    let outlet = gone.outlet("");
    drop(gone);
    tokio::task::yield_now().await;
    assert!(matches!(outlet.send(&mailed(), &KEY).await, Err(SendError::Transport(_))));
}
