//! The terminal as a channel: `ask` puts one question, `chat` holds a conversation.
//!
//! It goes through the same intake, lanes and store as every other channel. Replies are fetched: they
//! are printed while they come, and nothing passes through the outbox.

mod screen;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    Capabilities, ChannelAdapter, ChannelError, Command, Content, DeliveryKey, Inbound, OutboundPart, Outlet, Receipt,
    Rendering, SendError, Sender,
};
use dovvybuddy_core::events::{Follower, TurnEvent};
use dovvybuddy_core::guard::{Assessment, EmergencyGuard, Heard};
use dovvybuddy_core::hearing::WINDOW;
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, DiverKey, SessionId, TurnId};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use screen::Screen;

/// The channel's id.
pub const CHANNEL: &str = "terminal";

/// How long a reply is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest message, as on the web.
const LONGEST: usize = 2000;

/// So many emergencies of one input are answered where nothing else can be.
const MOST_ALARMS: usize = 16;

/// A conversation in a terminal.
pub struct Terminal<I> {
    bot: BotId,
    session: SessionId,
    /// The session is new: nothing was said in it yet.
    fresh: bool,
    locale: Option<String>,
    input: Mutex<I>,
    screen: Screen,
    /// The answers, where a program wants them all at the end and nothing is shown meanwhile.
    kept: Option<std::sync::Mutex<Vec<Answered>>>,
}

/// A question's answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The turn.
    pub turn: TurnId,
    /// Its session.
    pub session: SessionId,
    /// The reply.
    pub reply: Arc<Reply>,
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It was not taken in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was taken in and stored, but the reply is not there yet.
    #[error("the answer takes too long; it will be in the session's history")]
    TooLate,
    /// It was noted, and there is no reply to it.
    #[error("it is noted")]
    Noted,
    /// Nothing was asked.
    #[error("a question has 1 to {LONGEST} characters")]
    Length,
}

impl<I> Terminal<I> {
    /// A conversation in `session`; `fresh` if it was just made up.
    pub fn new(bot: BotId, session: SessionId, fresh: bool, locale: Option<String>, input: I, screen: Screen) -> Self {
        Self { bot, session, fresh, locale, input: Mutex::new(input), screen, kept: None }
    }

    /// Keeps the answers of a conversation for [`Terminal::answers`].
    #[must_use]
    pub fn keeping_answers(self) -> Self {
        Self { kept: Some(std::sync::Mutex::default()), ..self }
    }

    /// The answers that were kept.
    pub fn answers(&self) -> Vec<Answered> {
        let kept = self.kept.as_ref().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
        kept.unwrap_or_default()
    }

    /// Shows the words for an emergency that could not wait for anything else.
    pub fn alarm(&self, text: &str) {
        self.screen.emergency(text);
    }

    /// Puts one question and waits for its reply, printing it meanwhile if `show`.
    pub async fn ask(&self, intake: &Intake, text: &str, show: bool) -> Result<Answered, AskError> {
        let text = question(text)?;
        self.put(intake, Content::Text(text.to_owned()), self.fresh, show).await
    }

    async fn put(&self, intake: &Intake, content: Content, opens: bool, show: bool) -> Result<Answered, AskError> {
        let event = self.event(intake, content, opens);
        match intake.accept(event).await? {
            Admitted::Answered { turn, session, reply } => {
                if show {
                    self.screen.emergency(&reply.text);
                }
                Ok(Answered { turn, session, reply })
            }
            Admitted::Queued { turn, events, .. } | Admitted::Repeat { turn, events, .. } => {
                let (session, reply) = self.follow(events, show).await.ok_or(AskError::TooLate)?;
                Ok(Answered { turn, session, reply })
            }
            Admitted::Noted { .. } => Err(AskError::Noted),
        }
    }

    async fn follow(&self, mut events: Follower, show: bool) -> Option<(SessionId, Arc<Reply>)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match events.next(deadline).await?.event {
                TurnEvent::Token(text) if show => self.screen.piece(&text),
                TurnEvent::Final { reply, session } => {
                    if show {
                        self.screen.end(&reply);
                    }
                    return Some((session, reply));
                }
                TurnEvent::Failed => return None,
                _ => {}
            }
        }
    }

    fn event(&self, intake: &Intake, content: Content, opens: bool) -> Inbound {
        let clock = intake.clock();
        let turn = TurnId(clock.uuid());
        let now = clock.now();
        let name = self.session.to_string();
        let channel = ChannelId::new(CHANNEL);
        Inbound {
            turn,
            conversation: ConversationKey {
                bot: self.bot.clone(),
                channel: channel.clone(),
                account: String::new(),
                conversation: name.clone(),
            },
            sender: Sender {
                key: DiverKey { bot: self.bot.clone(), channel, account: String::new(), user: name },
                name: None,
                locale: self.locale.clone(),
                contact: None,
            },
            event_id: turn.to_string(),
            fingerprint: None,
            content,
            opens_conversation: opens,
            received_at: now,
            ready_at: now,
            profile: None,
            state: None,
            context: serde_json::Value::Null,
        }
    }
}

impl<I: AsyncBufRead + Unpin> Terminal<I> {
    /// Reads what is left of the input and hears emergencies in it, for want of anything that could answer more.
    pub async fn hear_alarms(&self, guard: &dyn EmergencyGuard) -> Vec<Reply> {
        let (mut input, mut line, mut alarms) = (self.input.lock().await, String::new(), Vec::new());
        let mut heard = Heard { locale: self.locale.clone(), ..Heard::default() };
        while alarms.len() < MOST_ALARMS && matches!(input.read_line(&mut line).await, Ok(1..)) {
            if let Assessment::Emergency(alarm) = guard.assess(line.trim(), &heard) {
                self.screen.emergency(&alarm.text);
                alarms.push(alarm.reply());
            }
            heard.said.push(line.trim().to_owned());
            heard.said.drain(..heard.said.len().saturating_sub(WINDOW));
            line.clear();
        }
        alarms
    }
}

#[async_trait]
impl<I: Send> Outlet for Terminal<I> {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, _part: &OutboundPart, _key: &DeliveryKey) -> Result<Receipt, SendError> {
        Err(SendError::Rejected("a terminal fetches its replies".to_owned()))
    }
}

#[async_trait]
impl<I: AsyncBufRead + Unpin + Send> ChannelAdapter for Terminal<I> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::fetched()
    }

    fn render(&self, _rendering: &Rendering<'_>) -> Vec<serde_json::Value> {
        Vec::new()
    }

    /// Holds the conversation until the input ends, `/quit`, or `stop`.
    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        self.screen.welcome();
        let mut input = self.input.lock().await;
        let mut opens = self.fresh;
        let mut line = String::new();
        loop {
            progress.tick(intake.clock().now());
            self.screen.prompt();
            line.clear();
            let read = tokio::select! {
                read = input.read_line(&mut line) => read,
                () = stop.cancelled() => return Ok(()),
            };
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    self.screen.notice("That line is not valid UTF-8; please write it again.");
                    continue;
                }
                Err(error) => return Err(ChannelError::Failed(error.into())),
            }
            let content = match read_line(&line) {
                Line::Empty => continue,
                Line::Quit => return Ok(()),
                Line::Unknown => {
                    self.screen.notice(COMMANDS);
                    continue;
                }
                Line::Says(content) => content,
            };
            if content.text().chars().count() > LONGEST {
                self.screen.notice("That message is too long; please keep it under 2000 characters.");
                continue;
            }
            match self.put(&intake, content, opens, true).await {
                Ok(answered) => {
                    opens = false;
                    if let Some(kept) = &self.kept {
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
                    }
                }
                Err(AskError::TooLate) => {
                    // It was taken in all the same.
                    opens = false;
                    self.screen.notice(&format!("No answer: {}.", AskError::TooLate));
                }
                Err(AskError::Refused(Refusal::Limited { retry_after })) => {
                    let wait = retry_after.as_secs() + 1;
                    self.screen.notice(&format!("That was a lot at once. Please wait {wait} s and ask again."));
                }
                Err(error) => self.screen.notice(&format!("No answer: {error}.")),
            }
        }
    }
}

/// What is asked, if it can be.
pub fn question(text: &str) -> Result<&str, AskError> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= LONGEST;
    fits.then_some(text).ok_or(AskError::Length)
}

const COMMANDS: &str = "Commands: /help /new /profile /sources /privacy /export /forget /not-an-emergency /quit";

enum Line {
    Empty,
    Quit,
    Unknown,
    Says(Content),
}

fn read_line(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() {
        return Line::Empty;
    }
    match line.strip_prefix('/') {
        None => Line::Says(Content::Text(line.to_owned())),
        Some("quit" | "exit") => Line::Quit,
        Some(name) => Command::named(name).map_or(Line::Unknown, |command| Line::Says(Content::Command(command))),
    }
}
