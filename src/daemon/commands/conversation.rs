//! `ask` and `chat`: the terminal channel beside a running daemon or without one.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, Clock as _, SessionId, SystemClock};
use dovvybuddy_knowledge::Mode;
use dovvybuddy_terminal::{CHANNEL, Screen, Terminal};
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
    let desk = Desk::open(config, options.session.as_deref()).await?;
    let answered = desk.terminal.ask(&desk.house.spine.intake, &options.text, !json).await;
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => {
            desk.close().await;
            return Err(CommandError::Failed(error.to_string()));
        }
    };
    if json {
        output::json(&dovvybuddy_web::chat_response(answered.turn, answered.session, &answered.reply));
    } else {
        output::note(format!("\nGo on with: dovvybuddy ask --session {} \"…\"", answered.session));
    }
    desk.close().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn chat(config: &Config, options: &Chat) -> Outcome {
    let desk = Desk::open(config, options.session.as_deref()).await?;
    let intake = desk.house.spine.intake.clone();
    let progress = Progress::new(CHANNEL, SystemClock.now());
    let ended = tokio::select! {
        ended = desk.terminal.run(intake, progress, desk.lifecycle.stopping.clone()) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    desk.close().await;
    ended.map_err(|error| CommandError::Failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

impl Desk {
    async fn open(config: &Config, session: Option<&str>) -> Result<Self, CommandError> {
        let lifecycle = Lifecycle::default();
        let wanted = session.map(|text| SessionId::parse(text).ok_or_else(|| no_session(text))).transpose()?;
        let id = wanted.unwrap_or_else(|| SessionId(SystemClock.uuid()));
        let screen = Screen::new(Box::new(std::io::stdout()), std::io::stdout().is_terminal());
        let locale = std::env::var("LANG").ok();
        let terminal = Arc::new(Terminal::new(
            bot(config),
            id,
            wanted.is_none(),
            locale,
            BufReader::new(tokio::io::stdin()),
            screen,
        ));
        let channel: Arc<dyn ChannelAdapter> = terminal.clone();
        let channels = std::collections::HashMap::from([(ChannelId::new(CHANNEL), channel)]);
        let how = Use { dispatch: false, migrate: true, demo: false, models: true, scratch: false };
        let house = compose::house(config, how, channels, &lifecycle).await?;
        if let Some(wanted) = wanted
            && house.store.session_by_id(&BotId::new(config.bot.clone()), wanted, 0).await?.is_none()
        {
            return Err(no_session(&wanted.to_string()));
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
