//! A small HTTP/1.1 client on one kept connection.
//!
//! Generator and server share the machine, so whatever the generator spends is missing to the server
//! and blurs every ratio. This client writes prepared bytes and scans answers without building them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest head of an answer.
const LONGEST_HEAD: usize = 16 * 1024;

/// Why a request had no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be made, or broke.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection before its answer was complete.
    #[error("the server closed the connection midway")]
    Closed,
    /// What came is not HTTP.
    #[error("the answer can't be read: {0}")]
    Malformed(&'static str),
}

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// How much of `input` was used up.
    used: usize,
    body: Body,
}

/// What is left of the body that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Over,
    Counted(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
}

impl Connection {
    /// Connects.
    pub async fn open(addr: SocketAddr) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::with_capacity(2048), used: 0, body: Body::Over })
    }

    /// Sends a whole request and reads the head of its answer; gives the status.
    pub async fn send(&mut self, request: &[u8]) -> Result<u16, ClientError> {
        if self.body != Body::Over {
            return Err(ClientError::Malformed("the last answer was not read to its end"));
        }
        self.stream.write_all(request).await?;
        loop {
            if let Some((status, length, body)) = head(self.unread())? {
                self.take(length);
                self.body = body;
                return Ok(status);
            }
            if self.unread().len() > LONGEST_HEAD {
                return Err(ClientError::Malformed("the head is too long"));
            }
            self.fill().await?;
        }
    }

    /// Appends the next piece of the body to `into`; `false` when the body is over.
    pub async fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ClientError> {
        loop {
            match self.body {
                Body::Over => return Ok(false),
                Body::Counted(left) | Body::Chunk(left) if !self.unread().is_empty() => {
                    let now = left.min(self.unread().len());
                    into.extend(self.unread().iter().take(now));
                    self.take(now);
                    self.body = match (self.body, left - now) {
                        (Body::Chunk(_), 0) => Body::ChunkEnd,
                        (Body::Chunk(_), left) => Body::Chunk(left),
                        (_, 0) => Body::Over,
                        (_, left) => Body::Counted(left),
                    };
                    return Ok(true);
                }
                Body::Counted(_) | Body::Chunk(_) => self.fill().await?,
                Body::ChunkSize | Body::ChunkEnd | Body::Trailer => self.read_line().await?,
            }
        }
    }

    /// Reads the rest of the body into `into`.
    pub async fn read_all(&mut self, into: &mut Vec<u8>) -> Result<(), ClientError> {
        while self.read(into).await? {}
        Ok(())
    }

    /// One line of the chunked form, and what follows it.
    async fn read_line(&mut self) -> Result<(), ClientError> {
        let Some(end) = self.unread().windows(2).position(|pair| pair == b"\r\n") else {
            return self.fill().await;
        };
        let line = self.unread().get(..end).unwrap_or_default();
        self.body = match self.body {
            Body::ChunkEnd => Body::ChunkSize,
            Body::Trailer if line.is_empty() => Body::Over,
            Body::Trailer => Body::Trailer,
            _ => match chunk_size(line)? {
                0 => Body::Trailer,
                size => Body::Chunk(size),
            },
        };
        self.take(end + 2);
        Ok(())
    }

    fn unread(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) {
        self.used += length;
        if self.used >= self.input.len() {
            self.input.clear();
            self.used = 0;
        }
    }

    async fn fill(&mut self) -> Result<(), ClientError> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(ClientError::Closed),
            _ => Ok(()),
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, ClientError> {
    let text = std::str::from_utf8(line).ok().and_then(|text| text.split(';').next());
    text.and_then(|text| usize::from_str_radix(text.trim(), 16).ok())
        .ok_or(ClientError::Malformed("a chunk has no size"))
}

/// Status, length of the head and form of the body, once the head is there whole.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, Body)>, ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(bytes).map_err(|_| ClientError::Malformed("this is not HTTP/1.1"))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    let mut body = Body::Over;
    for header in answer.headers.iter() {
        let value = || std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            let counted = value().parse().map_err(|_| ClientError::Malformed("the length is no number"))?;
            body = if counted == 0 { Body::Over } else { Body::Counted(counted) };
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && value().eq_ignore_ascii_case("chunked") {
            body = Body::ChunkSize;
        }
    }
    Ok(Some((status, length, body)))
}

/// Writes a JSON POST into `out`, replacing what was there.
pub fn post(out: &mut Vec<u8>, path: &str, body: &[u8]) {
    use std::io::Write as _;
    out.clear();
    // Writing to a Vec can't fail.
    let _ = write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(body);
}

/// The bytes of a GET.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers every request with these bytes, cut into pieces of `step`.
    async fn serve(answer: &'static [u8], step: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut asked = vec![0; 4096];
            while stream.read(&mut asked).await.unwrap() > 0 {
                for piece in answer.chunks(step) {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        addr
    }

    async fn ask_twice(answer: &'static [u8], step: usize) -> Vec<(u16, String)> {
        let mut connection = Connection::open(serve(answer, step).await).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..2 {
            let status = connection.send(&get("/")).await.unwrap();
            let mut body = Vec::new();
            connection.read_all(&mut body).await.unwrap();
            answers.push((status, String::from_utf8(body).unwrap()));
        }
        answers
    }

    #[tokio::test]
    async fn counted_and_chunked_bodies_are_read_however_they_are_cut() {
        let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        for step in [1, 2, 7, 1000] {
            for answer in [counted.as_slice(), chunked.as_slice()] {
                assert_eq!(ask_twice(answer, step).await, vec![(200, "hello".to_owned()); 2], "cut by {step}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_over_at_once() {
        let answers = ask_twice(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 3).await;
        assert_eq!(answers, vec![(503, String::new()); 2]);
    }

    #[test]
    fn garbage_is_refused() {
        assert!(head(b"SMTP ready\r\n\r\n").is_err());
        assert!(chunk_size(b"zz").is_err());
    }
}
