//! A mail server that keeps what it is given.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

const MOST_KEPT: usize = 10_000;
const LONGEST_LINE: u64 = 64 << 10;
const LONGEST_MAIL: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// How the server behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes every mail.
    #[default]
    Accept,
    /// It closes every connection at once.
    Down,
    /// It answers `451` to so many recipients before it takes one.
    Greylist(u32),
    /// It answers `550` to every recipient.
    Reject,
    /// It takes the mail and closes before it says so.
    Vanish,
}

/// A mail that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body as they came, without the transparency dots.
    pub data: String,
}

#[derive(Debug, Default)]
struct Inner {
    mood: Mood,
    mails: VecDeque<Mail>,
    connections: u64,
}

type Shared = Arc<Mutex<Inner>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running mail server. Dropped, it stops.
#[derive(Debug)]
pub struct Smtp {
    addr: SocketAddr,
    shared: Shared,
    _stop: DropGuard,
}

/// Starts a mail server; port 0 takes a free one.
pub async fn start(addr: SocketAddr) -> io::Result<Smtp> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let shared = Shared::default();
    let stop = CancellationToken::new();
    tokio::spawn(accept(listener, Arc::clone(&shared), stop.clone()));
    Ok(Smtp { addr, shared, _stop: stop.drop_guard() })
}

impl Smtp {
    /// What to configure as `smtp_url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// From now on it behaves like this.
    pub fn be(&self, mood: Mood) {
        lock(&self.shared).mood = mood;
    }

    /// The mails taken so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.shared).mails.iter().cloned().collect()
    }

    /// How many connections came.
    pub fn connections(&self) -> u64 {
        lock(&self.shared).connections
    }
}

async fn accept(listener: TcpListener, shared: Shared, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            Ok((socket, _)) = listener.accept() => {
                let mood = {
                    let mut inner = lock(&shared);
                    inner.connections += 1;
                    inner.mood
                };
                if mood != Mood::Down {
                    open.spawn(tokio::time::timeout(PATIENCE, talk(socket, Arc::clone(&shared))));
                }
            }
        }
    }
}

async fn talk(socket: TcpStream, shared: Shared) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    socket.write_all(b"220 fake ready\r\n").await?;
    let mut mail = Mail::default();
    loop {
        let Some(line) = line(&mut socket).await? else { return Ok(()) };
        let upper = line.to_ascii_uppercase();
        let answer = if upper.starts_with("EHLO") {
            "250-fake\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()
        } else if upper.starts_with("MAIL FROM:") {
            mail = Mail { from: address(&line), ..Mail::default() };
            "250 ok\r\n".to_owned()
        } else if upper.starts_with("RCPT TO:") {
            recipient(&shared, &mut mail, &line)
        } else if upper.starts_with("DATA") {
            socket.write_all(b"354 go on\r\n").await?;
            mail.data = data(&mut socket).await?;
            let vanish = {
                let mut inner = lock(&shared);
                if inner.mails.len() >= MOST_KEPT {
                    inner.mails.pop_front();
                }
                inner.mails.push_back(std::mem::take(&mut mail));
                inner.mood == Mood::Vanish
            };
            if vanish {
                return Ok(());
            }
            "250 queued\r\n".to_owned()
        } else if upper.starts_with("AUTH LOGIN") {
            for prompt in ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"] {
                socket.write_all(prompt.as_bytes()).await?;
                let _ = self::line(&mut socket).await?;
            }
            "235 ok\r\n".to_owned()
        } else if upper.starts_with("AUTH") {
            "235 ok\r\n".to_owned()
        } else if upper.starts_with("QUIT") {
            socket.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else if ["HELO", "RSET", "NOOP"].iter().any(|verb| upper.starts_with(verb)) {
            "250 ok\r\n".to_owned()
        } else {
            "500 unknown\r\n".to_owned()
        };
        socket.write_all(answer.as_bytes()).await?;
    }
}

fn recipient(shared: &Shared, mail: &mut Mail, line: &str) -> String {
    let mut inner = lock(shared);
    match inner.mood {
        Mood::Reject => return "550 5.1.1 no such user\r\n".to_owned(),
        Mood::Greylist(left) if left > 0 => {
            inner.mood = Mood::Greylist(left - 1);
            return "451 4.7.1 greylisted, come back later\r\n".to_owned();
        }
        _ => {}
    }
    mail.to.push(address(line));
    "250 ok\r\n".to_owned()
}

fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
    inner.unwrap_or("").to_owned()
}

async fn line(socket: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = socket.take(LONGEST_LINE).read_until(b'\n', &mut bytes).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

async fn data(socket: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut out = String::new();
    while let Some(line) = line(socket).await? {
        if line == "." {
            return Ok(out);
        }
        if out.len() + line.len() > LONGEST_MAIL {
            return Err(io::ErrorKind::InvalidData.into());
        }
        out.push_str(line.strip_prefix('.').unwrap_or(&line));
        out.push_str("\r\n");
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    async fn send(server: &Smtp) -> Vec<String> {
        let mut socket = BufReader::new(TcpStream::connect(server.addr).await.unwrap());
        let mut answers = vec![line(&mut socket).await.unwrap().unwrap_or_default()];
        for said in
            ["MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA", "Subject: hi\r\n\r\n..dot\r\n.", "QUIT"]
        {
            if socket.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
                break;
            }
            match line(&mut socket).await {
                Ok(Some(answer)) if answer.starts_with(['2', '3']) => answers.push(answer),
                Ok(Some(answer)) => return vec![answer],
                _ => break,
            }
        }
        answers
    }

    #[tokio::test]
    async fn it_greylists_rejects_and_then_takes_the_mail() {
        let server = start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        server.be(Mood::Greylist(1));
        assert!(send(&server).await[0].starts_with("451"));
        assert!(send(&server).await.last().unwrap().starts_with("221"));
        server.be(Mood::Reject);
        assert!(send(&server).await[0].starts_with("550"));
        server.be(Mood::Down);
        assert_eq!(send(&server).await, [""]);
        let mails = server.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].to, ["c@d.example"]);
        assert_eq!(mails[0].data, "Subject: hi\r\n\r\n.dot\r\n");
        assert_eq!(server.connections(), 4);
    }
}
