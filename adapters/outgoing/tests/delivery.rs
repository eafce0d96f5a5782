//! Leads delivered by mail over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dovvybuddy_core::channel::{DeliveryKey, OutboundPart, Outlet as _, SendError};
use dovvybuddy_core::lead::{Lead, LeadKind};
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::Notice;
use dovvybuddy_core::testkit::clock::{START, numbered};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, LeadId, SystemClock};
use dovvybuddy_outgoing::{MailConfig, MailOutlet, lead_notice};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

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
    let hangs_up = |at: &str| refusals.contains(&(at, "hang up"));
    while let Some(line) = lines.next_line().await? {
        let command = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        if hangs_up(&command) {
            return Ok(());
        }
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
                if hangs_up("after DATA") {
                    return Ok(());
                }
                if refusals.contains(&("after DATA", "nonsense")) { "hello" } else { "250 taken" }
            }
            (None, _) => "250 ok",
        };
        writing.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn mailed() -> OutboundPart {
    part(lead_notice(&lead()))
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

/// A mail that may have been taken must not count as one that was not: the retry is told as a possible
/// duplicate.
#[tokio::test]
async fn a_server_that_breaks_off_after_the_mail_leaves_it_uncertain() {
    for fault in ["hang up", "nonsense"] {
        let faults: &'static [(&str, &str)] =
            if fault == "hang up" { &[("after DATA", "hang up")] } else { &[("after DATA", "nonsense")] };
        let server = MailServer::start(faults).await;
        let sent = server.outlet("").send(&mailed(), &KEY).await;
        assert!(matches!(sent, Err(SendError::Uncertain(_))), "{fault}: {sent:?}");
        assert_eq!(server.mails.lock().unwrap().len(), 1, "{fault}: the mail was handed over");
    }
    for command in ["EHLO", "AUTH"] {
        let faults: &'static [(&str, &str)] =
            if command == "EHLO" { &[("EHLO", "hang up")] } else { &[("AUTH", "hang up")] };
        let server = MailServer::start(faults).await;
        let sent = server.outlet("u:p@").send(&mailed(), &KEY).await;
        assert!(matches!(sent, Err(SendError::Transport(_))), "{command}: nothing was handed over yet: {sent:?}");
    }
}
