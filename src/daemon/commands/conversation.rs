//! `ask` and `chat`: the terminal channel beside a running daemon or without one.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::guard::{Assessment, EmergencyGuard as _, Heard};
use dovvybuddy_core::reply::{Degraded, Reply};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{ChannelId, Clock as _, SessionId, SystemClock, TurnId};
use dovvybuddy_knowledge::Mode;
use dovvybuddy_terminal::{Answered, CHANNEL, Screen, Terminal};
use serde_json::{Value, json};
use tokio::io::{BufReader, Stdin};

use super::{CommandError, Outcome, bot, content};
use crate::cli::{Ask, Chat};
use crate::compose::{self, House, Use};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::output;

/// How long a turn may take to be written once its answer is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything behind one terminal.
struct Desk {
    house: House,
    terminal: Arc<Terminal<BufReader<Stdin>>>,
    lifecycle: Lifecycle,
}

pub(crate) async fn ask(config: &Config, options: &Ask, json: bool) -> Outcome {
    let text =
        dovvybuddy_terminal::question(&options.text).map_err(|error| CommandError::WrongUse(error.to_string()))?;
    let terminal = terminal(config, options.session.as_deref(), json)?;
    // An emergency waits for nothing, least of all for a database.
    let alarm = alarm(config, text)?;
    if let Some(alarm) = &alarm
        && !json
    {
        terminal.talk.alarm(&alarm.text);
    }
    let (desk, answered) = match put(config, terminal, text, !json, alarm.as_ref()).await {
        Ok(answered) => answered,
        Err(error) => return unstored(alarm.into_iter().collect(), error, json, |mut replies| replies.pop()),
    };
    if json {
        output::json(&document(&answered));
    } else {
        output::note(format!("\nGo on with: dovvybuddy ask --session {} \"…\"", answered.session));
    }
    desk.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Puts one question. What was said already to an alarm is not said again.
async fn put(
    config: &Config,
    terminal: Opened,
    text: &str,
    show: bool,
    alarm: Option<&Reply>,
) -> Result<(Desk, Answered), CommandError> {
    let desk = Desk::open(config, terminal).await?;
    let intake = &desk.house.spine.intake;
    match desk.terminal.ask(intake, text, show && alarm.is_none()).await {
        Ok(answered) => {
            // Read in the light of its session it may want other words.
            if show && alarm.is_some_and(|alarm| alarm.text != answered.reply.text) {
                desk.terminal.alarm(&answered.reply.text);
            }
            Ok((desk, answered))
        }
        Err(error) => {
            desk.close().await;
            Err(CommandError::Failed(error.to_string()))
        }
    }
}

pub(crate) async fn chat(config: &Config, options: &Chat, json: bool) -> Outcome {
    let terminal = terminal(config, options.session.as_deref(), json)?;
    let (talk, session) = (Arc::clone(&terminal.talk), terminal.session);
    let conversation = |turns: Vec<Value>| json!({ "sessionId": session, "turns": turns });
    let desk = match Desk::open(config, terminal).await {
        Ok(desk) => desk,
        Err(error) => {
            // Whoever types sees at once that nothing works; what comes through a pipe was said already.
            let heard = if std::io::stdin().is_terminal() {
                Vec::new()
            } else {
                output::note("only emergencies are answered");
                talk.hear_alarms(&compose::guard(config)?).await
            };
            return unstored(heard, error, json, |turns| Some(conversation(turns)));
        }
    };
    let intake = desk.house.spine.intake.clone();
    let progress = Progress::new(CHANNEL, SystemClock.now());
    let ended = tokio::select! {
        ended = desk.terminal.run(intake, progress, desk.lifecycle.stopping.clone()) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    desk.close().await;
    ended.map_err(|error| CommandError::Failed(error.to_string()))?;
    if json {
        output::json(&conversation(talk.answers().iter().map(document).collect()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The words for an emergency that a message tells of by itself.
fn alarm(config: &Config, text: &str) -> Result<Option<Reply>, CommandError> {
    let heard = Heard { locale: locale(), ..Heard::default() };
    Ok(match compose::guard(config)?.assess(text, &heard) {
        Assessment::Emergency(alarm) => Some(alarm.reply()),
        Assessment::Calm | Assessment::StoodDown { .. } => None,
    })
}

/// Ends a command whose emergencies were answered and could not be stored: one document has both.
fn unstored(
    alarms: Vec<Reply>,
    error: CommandError,
    json: bool,
    document: impl FnOnce(Vec<Value>) -> Option<Value>,
) -> Outcome {
    if !json || alarms.is_empty() {
        return Err(error);
    }
    let answer = |mut reply: Reply| {
        reply.degraded.push(Degraded::Store);
        dovvybuddy_web::chat_response(TurnId(SystemClock.uuid()), SessionId(SystemClock.uuid()), &reply)
    };
    let mut told = document(alarms.into_iter().map(answer).collect()).unwrap_or_default();
    if let (Some(told), Value::Object(failure)) = (told.as_object_mut(), super::failure(&error)) {
        told.extend(failure);
    }
    output::json(&told);
    output::failed(&error);
    Ok(error.exit())
}

fn document(answered: &Answered) -> Value {
    dovvybuddy_web::chat_response(answered.turn, answered.session, &answered.reply)
}

fn locale() -> Option<String> {
    std::env::var("LANG").ok()
}

/// A terminal before there is anything behind it.
struct Opened {
    talk: Arc<Terminal<BufReader<Stdin>>>,
    session: SessionId,
    /// The session was named, so it must exist.
    named: bool,
}

/// Opens the terminal. For a program nothing is shown.
fn terminal(config: &Config, session: Option<&str>, json: bool) -> Result<Opened, CommandError> {
    let wanted = session.map(|text| SessionId::parse(text).ok_or_else(|| no_session(text))).transpose()?;
    let id = wanted.unwrap_or_else(|| SessionId(SystemClock.uuid()));
    let screen = if json {
        Screen::new(Box::new(std::io::sink()), false)
    } else {
        Screen::new(Box::new(std::io::stdout()), std::io::stdout().is_terminal())
    };
    let input = BufReader::new(tokio::io::stdin());
    let talk = Terminal::new(bot(config), id, wanted.is_none(), locale(), input, screen);
    let talk = Arc::new(if json { talk.keeping_answers() } else { talk });
    Ok(Opened { talk, session: id, named: wanted.is_some() })
}

impl Desk {
    async fn open(config: &Config, terminal: Opened) -> Result<Self, CommandError> {
        let lifecycle = Lifecycle::default();
        let Opened { talk: terminal, session, named } = terminal;
        let channel: Arc<dyn ChannelAdapter> = terminal.clone();
        let channels = std::collections::HashMap::from([(ChannelId::new(CHANNEL), channel)]);
        let how = Use { migrate: true, models: true, ..Use::default() };
        let house = compose::house(config, how, channels, &lifecycle).await?;
        if named && house.store.session_by_id(&bot(config), session, 0).await?.is_none() {
            return Err(no_session(&session.to_string()));
        }
        content::bring_up_to_date(&house.knowledge, Mode::Changed).await?;
        house.dispatch(&lifecycle);
        Ok(Self { house, terminal, lifecycle })
    }

    /// Ends what runs. The answer is out by now, so that a failure here is worth no more than a line.
    async fn close(&self) {
        self.lifecycle.stopping.cancel();
        self.lifecycle.tasks.close();
        if tokio::time::timeout(PATIENCE, self.lifecycle.tasks.wait()).await.is_err() {
            self.lifecycle.park.cancel();
            self.lifecycle.tasks.wait().await;
        }
        if let Err(error) = self.house.store.close().await {
            tracing::warn!(error = %error, "the database could not be closed");
        }
    }
}

fn no_session(text: &str) -> CommandError {
    CommandError::Failed(format!("there is no session {text}"))
}
