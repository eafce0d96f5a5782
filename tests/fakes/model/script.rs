//! What the model says, and what goes wrong.

use std::time::Duration;

/// How the model behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it says.
    pub reply: Reply,
    /// What goes wrong.
    pub fault: Fault,
    /// How long the first word takes.
    pub first_token: Duration,
    /// How long each further word takes.
    pub between: Duration,
    /// The body comes in packets of so many bytes, across characters; 0 for one event per packet.
    pub packet: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            reply: Reply::Quote,
            fault: Fault::None,
            first_token: Duration::ZERO,
            between: Duration::ZERO,
            packet: 0,
        }
    }
}

impl Script {
    /// A script that says `text`.
    pub fn saying(text: impl Into<String>) -> Self {
        Self { reply: Reply::Text(text.into()), ..Self::default() }
    }

    /// A script in which only this goes wrong.
    pub fn failing(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    /// The same script with this fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

/// What the model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The first passages of the prompt, sentence by sentence, with their marks.
    Quote,
    /// This.
    Text(String),
    /// The last message of the diver.
    Echo,
    /// Numbers, citations and links that stand in no passage.
    Lie,
    /// Whatever it is told by anything it is shown: instructions, passages, messages, names.
    Obey,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing either, and no request is kept: for benchmarks.
    Instant,
    /// The body ends properly after so many bytes.
    Cut(usize),
    /// The connection breaks after so many bytes.
    Break(usize),
    /// No `[DONE]`; the finish reason is there.
    NoDone,
    /// Neither finish reason nor `[DONE]`.
    NoEnd,
    /// The finish reason is `length`.
    Length,
    /// The third chunk is no JSON.
    Garble,
    /// An error object inside the stream.
    ErrorInside,
    /// The model refuses in the field made for it.
    Refuse,
    /// This status, with a `Retry-After` if given.
    Status {
        /// The status code.
        code: u16,
        /// The header's value.
        retry_after: Option<String>,
    },
    /// A web page with status 502.
    Html,
    /// A web page with status 200.
    HtmlOk,
    /// A whole JSON answer although a stream was asked for.
    NoStream,
    /// It stops in the middle and keeps the connection open.
    Stall,
    /// It never answers.
    Hang,
}
