//! `doctor`: everything the daemon needs, one line each with the mend.

mod database;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use dovvybuddy_core::model::{Delta, Prompt};
use dovvybuddy_core::session::Role;
use dovvybuddy_core::{Clock as _, SystemClock, Timestamp};
use dovvybuddy_knowledge::embed;
use dovvybuddy_whatsapp::Product;
use futures::StreamExt as _;
use serde::Serialize;

use super::Outcome;
use crate::compose;
use crate::config::{Config, EmbeddingProvider, TelegramMode};
use crate::output;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    text: String,
    /// What to do about it, wherever something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, state: State::Ok, text: text.into(), mend: None }
    }

    fn warn(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, state: State::Warn, text: text.into(), mend: Some(mend.into()) }
    }

    fn fail(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, state: State::Fail, text: text.into(), mend: Some(mend.into()) }
    }

    fn line(&self) -> String {
        let mark = match self.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let mend = self.mend.as_ref().map(|mend| format!("; {mend}")).unwrap_or_default();
        // A cause may come in several lines; here each finding has one.
        let text = self.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        format!("{mark}  {}: {text}{mend}", self.check)
    }
}

/// Less free space than this is too little for a database that grows.
const LEAST_SPACE: u64 = 512 * 1024 * 1024;
/// Content and hotlines older than this want a second look.
const OLD_CONTENT: Duration = Duration::from_hours(9600);
/// How long a model may take to say a word to the doctor.
const MODEL_PATIENCE: Duration = Duration::from_secs(15);

/// How long a platform may take to answer the doctor.
const PLATFORM_PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn run(config: &Config, json: bool) -> Outcome {
    let mut findings = vec![Finding::ok("configuration", "can be used")];
    findings.push(disk(&config.data_dir));
    findings.push(clock());
    findings.extend(database::look(config).await);
    findings.extend(minds(config));
    findings.push(embeddings(config));
    findings.extend(models(config).await);
    findings.push(leads(config));
    findings.push(telegram(config).await);
    findings.push(discord(config).await);
    findings.push(whatsapp(config).await);
    for product in [Product::Instagram, Product::Messenger] {
        findings.push(messenger(config, product).await);
    }
    findings.push(twilio(config).await);
    findings.push(webhooks(config));
    findings.extend(operator_chat(config).await);
    let failed = findings.iter().any(|finding| finding.state == State::Fail);
    if json {
        output::json(&findings);
    } else {
        findings.iter().map(Finding::line).for_each(output::line);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn disk(data_dir: &Path) -> Finding {
    if let Err(error) = std::fs::create_dir_all(data_dir) {
        let text = format!("{} can't be written ({})", data_dir.display(), error.kind());
        return Finding::fail("disk", text, "set data_dir to a directory that can be");
    }
    match fs4::available_space(data_dir) {
        Ok(free) if free < LEAST_SPACE => {
            Finding::fail("disk", format!("only {} MB are free in data_dir", free >> 20), "make room")
        }
        Ok(free) => Finding::ok("disk", format!("{} MB are free", free >> 20)),
        Err(error) => Finding::warn("disk", format!("free space can't be read: {error}"), "look at data_dir yourself"),
    }
}

/// A clock that is off breaks signatures, sessions and limits.
fn clock() -> Finding {
    // The program is younger than its source.
    const WRITTEN: i64 = 1_792_000_000_000;
    if SystemClock.now() < Timestamp::from_millis(WRITTEN) {
        return Finding::fail("clock", format!("it shows {}", SystemClock.now().to_rfc3339()), "set the time");
    }
    Finding::ok("clock", SystemClock.now().to_rfc3339())
}

fn minds(config: &Config) -> Vec<Finding> {
    let minds = match compose::minds(config) {
        Ok(minds) => minds,
        Err(error) => return vec![Finding::fail("prompts", error.to_string(), "mend the file, or remove it")],
    };
    let mut findings = vec![Finding::ok("prompts", config.prompts_dir.display().to_string())];
    findings.extend(emergency(&minds.guard));
    findings
}

/// The words and numbers of an emergency. A file that can't be used never stops the daemon, so here is
/// where it must show.
fn emergency(guard: &dovvybuddy_agents::RuleGuard) -> Vec<Finding> {
    const CHECK: &str = "emergency replies";
    let mend = "mend the file, or remove it; until then the built-in words stand in for it";
    let mut findings: Vec<Finding> =
        guard.faults().into_iter().map(|fault| Finding::fail(CHECK, fault, mend)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "every file can be used"));
    }
    let hotlines = guard.hotlines();
    let stale = hotlines.older_than(SystemClock.now(), OLD_CONTENT);
    findings.push(if stale.is_empty() {
        Finding::ok("hotlines", "all were checked within 400 days")
    } else {
        let mend = "call or look them up, then set `checked` in emergency/hotlines.toml";
        Finding::warn("hotlines", format!("not checked for 400 days: {}", stale.join(", ")), mend)
    });
    findings
}

fn embeddings(config: &Config) -> Finding {
    const CHECK: &str = "embeddings";
    match config.embeddings.provider {
        EmbeddingProvider::None => Finding::ok(CHECK, "off; the search goes by words"),
        EmbeddingProvider::Openai => Finding::ok(CHECK, config.embeddings.model.clone().unwrap_or_default()),
        EmbeddingProvider::Local if !embed::is_present(&config.data_dir) => {
            let mend = "run `dovvybuddy model fetch`, or `dovvybuddy model fetch --file FILE`";
            Finding::warn(CHECK, "the local model is not there", mend)
        }
        EmbeddingProvider::Local => match embed::verify(&config.data_dir) {
            Ok(()) => Finding::ok(CHECK, format!("{}, checksum verified", embed::MODEL_NAME)),
            Err(error) => Finding::fail(CHECK, error.to_string(), "run `dovvybuddy model fetch`"),
        },
    }
}

async fn models(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "model";
    let members = match compose::models(config) {
        Ok(members) => members,
        Err(error) => return vec![Finding::fail(CHECK, error.to_string(), "correct [[llm.models]] or its variable")],
    };
    if members.is_empty() {
        return vec![Finding::ok(CHECK, "none configured; answers quote their sources")];
    }
    let mut findings = Vec::new();
    for member in &members {
        let name = member.name();
        findings.push(match tokio::time::timeout(MODEL_PATIENCE, try_model(member)).await {
            Ok(Ok(())) => Finding::ok(CHECK, format!("{name} answers")),
            Ok(Err(error)) => Finding::fail(CHECK, format!("{name}: {error}"), "check its key, base_url and model"),
            Err(_) => {
                let text = format!("{name}: no answer within {} s", MODEL_PATIENCE.as_secs());
                Finding::fail(CHECK, text, "check its base_url, and whether it is up")
            }
        });
    }
    findings
}

async fn try_model(member: &dovvybuddy_llm::Member) -> Result<(), dovvybuddy_core::model::ModelError> {
    let prompt = Prompt {
        system: "Answer with one word.".to_owned(),
        messages: vec![(Role::User, "Say: ready".to_owned())],
        temperature: 0.0,
        max_tokens: 5,
    };
    let mut answer = member.model().stream(&prompt).await?;
    while let Some(delta) = answer.next().await {
        if let Delta::Done(_) = delta? {
            return Ok(());
        }
    }
    Err(dovvybuddy_core::model::ModelError::Incomplete)
}

async fn telegram(config: &Config) -> Finding {
    const CHECK: &str = "telegram";
    let telegram = match compose::telegram(config) {
        Ok(Some(telegram)) => telegram,
        Ok(None) => return Finding::ok(CHECK, "off; set TELEGRAM_BOT_TOKEN to switch it on"),
        Err(error) => return Finding::fail(CHECK, error.to_string(), "correct that key"),
    };
    let standing = match tokio::time::timeout(PLATFORM_PATIENCE, telegram.standing()).await {
        Ok(Ok(standing)) => standing,
        Ok(Err(error)) => return Finding::fail(CHECK, error, "check telegram.token and telegram.api_url"),
        Err(_) => return Finding::fail(CHECK, "no answer", "check the network and telegram.api_url"),
    };
    let by_webhook = config.telegram.mode == TelegramMode::Webhook;
    let mode = if by_webhook { "webhook" } else { "polling" };
    let text = format!("@{}, by {mode}, {} updates wait", standing.username, standing.pending);
    match (by_webhook, &standing.webhook, &standing.last_error) {
        (true, None, _) if config.http.public_url.is_none() => Finding::fail(
            CHECK,
            format!("{text}; no webhook is registered, so nothing arrives"),
            "set http.public_url so that serve can register it, or set telegram.mode to polling",
        ),
        (true, None, _) => {
            Finding::warn(CHECK, format!("{text}; no webhook is registered yet"), "start serve, which does it")
        }
        (true, _, Some(error)) => Finding::warn(
            CHECK,
            format!("{text}; Telegram says: {error}"),
            "see that http.public_url can be reached from outside by https",
        ),
        (false, Some(url), _) => Finding::warn(
            CHECK,
            format!("{text}; a webhook is registered at {url}"),
            "start serve, which takes its place, or set telegram.mode to webhook",
        ),
        _ => Finding::ok(CHECK, text),
    }
}

async fn discord(config: &Config) -> Finding {
    const CHECK: &str = "discord";
    let discord = match compose::discord(config) {
        Ok(Some(discord)) => discord,
        Ok(None) => return Finding::ok(CHECK, "off; set DISCORD_TOKEN to switch it on"),
        Err(error) => return Finding::fail(CHECK, error.to_string(), "correct that key"),
    };
    if config.discord.token().is_none() {
        return Finding::warn(
            CHECK,
            "only commands over HTTP are answered",
            "set DISCORD_TOKEN to hear messages and to have the commands registered",
        );
    }
    let standing = match tokio::time::timeout(PLATFORM_PATIENCE, discord.standing()).await {
        Ok(Ok(standing)) => standing,
        Ok(Err(error)) => return Finding::fail(CHECK, error.to_string(), "check discord.token and discord.api_url"),
        Err(_) => return Finding::fail(CHECK, "no answer", "check the network and discord.api_url"),
    };
    let name = &standing.name;
    match (&standing.endpoint, &config.discord.public_key) {
        (Some(url), None) => Finding::fail(
            CHECK,
            format!("{name}: Discord sends commands to {url}"),
            "set discord.public_key, or empty that field in the portal",
        ),
        (None, Some(_)) if !config.discord.gateway => Finding::fail(
            CHECK,
            format!("{name}: Discord knows no interactions endpoint"),
            "put http.public_url + /webhooks/discord into the portal",
        ),
        _ if config.discord.message_content && !standing.message_content => Finding::warn(
            CHECK,
            format!("{name}: messages that don't name the bot come empty"),
            "switch Message Content on in the portal, or discord.message_content off",
        ),
        _ if !standing.message_content => Finding::ok(
            CHECK,
            format!("{name}, token accepted; in servers it sees only what names it (Message Content is off)"),
        ),
        _ => Finding::ok(CHECK, format!("{name}, token accepted")),
    }
}

async fn whatsapp(config: &Config) -> Finding {
    const CHECK: &str = "whatsapp";
    let whatsapp = match compose::whatsapp(config) {
        Ok(Some(whatsapp)) => whatsapp,
        Ok(None) => return Finding::ok(CHECK, "off; set WHATSAPP_ACCESS_TOKEN to switch it on"),
        Err(error) => return Finding::fail(CHECK, error.to_string(), "correct that key"),
    };
    let standing = match tokio::time::timeout(PLATFORM_PATIENCE, whatsapp.standing()).await {
        Ok(Ok(standing)) => standing,
        Ok(Err(error)) => {
            let mend = "check whatsapp.access_token, whatsapp.phone_number_id and whatsapp.graph_url";
            return Finding::fail(CHECK, error, mend);
        }
        Err(_) => return Finding::fail(CHECK, "no answer", "check the network and whatsapp.graph_url"),
    };
    let text = format!("{} {}, quality {}", standing.number, standing.name, standing.quality);
    match standing.quality.as_str() {
        "RED" => Finding::warn(CHECK, text, "divers block or report the number; see the WhatsApp manager"),
        _ if config.http.public_url.is_none() => {
            Finding::warn(CHECK, text, "set http.public_url to how WhatsApp reaches /webhooks/whatsapp")
        }
        _ => Finding::ok(CHECK, text),
    }
}

async fn messenger(config: &Config, product: Product) -> Finding {
    let check = product.channel();
    let messenger = match compose::messenger(config, product) {
        Ok(Some(messenger)) => messenger,
        Ok(None) => return Finding::ok(check, format!("off; set {check}.access_token to switch it on")),
        Err(error) => return Finding::fail(check, error.to_string(), "correct that key"),
    };
    match tokio::time::timeout(PLATFORM_PATIENCE, messenger.standing()).await {
        Ok(Ok(name)) if config.http.public_url.is_none() => {
            Finding::warn(check, name, "set http.public_url to how the platform reaches /webhooks/whatsapp")
        }
        Ok(Ok(name)) => Finding::ok(check, name),
        Ok(Err(error)) => Finding::fail(check, error, format!("check {check}.access_token and {check}.graph_url")),
        Err(_) => Finding::fail(check, "no answer", format!("check the network and {check}.graph_url")),
    }
}

async fn twilio(config: &Config) -> Finding {
    const CHECK: &str = "twilio";
    let twilio = match compose::twilio(config) {
        Ok(Some(twilio)) => twilio,
        Ok(None) => return Finding::ok(CHECK, "off; set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN to switch it on"),
        Err(error) => return Finding::fail(CHECK, error.to_string(), "correct that key"),
    };
    match tokio::time::timeout(PLATFORM_PATIENCE, twilio.standing()).await {
        Ok(Ok(text)) if config.http.public_url.is_none() => {
            Finding::warn(CHECK, text, "set http.public_url: Twilio signs the address it calls")
        }
        Ok(Ok(text)) => Finding::ok(CHECK, text),
        Ok(Err(error)) => Finding::fail(CHECK, error, "check twilio.account_sid, twilio.auth_token and twilio.api_url"),
        Err(_) => Finding::fail(CHECK, "no answer", "check the network and twilio.api_url"),
    }
}

fn webhooks(config: &Config) -> Finding {
    const CHECK: &str = "webhooks";
    let hooks = match compose::hooks(config) {
        Ok(hooks) => hooks,
        Err(error) => return Finding::fail(CHECK, error.to_string(), "correct that key"),
    };
    let mut addresses: Vec<String> = hooks.keys().map(|name| format!("/webhooks/{name}")).collect();
    addresses.sort();
    match (addresses.is_empty(), &config.http.public_url) {
        (true, _) => Finding::ok(CHECK, "none; see [channels.webhook.<name>]"),
        (false, Some(_)) => Finding::ok(CHECK, addresses.join(", ")),
        (false, None) => {
            Finding::warn(CHECK, addresses.join(", "), "set http.public_url to how the outside reaches them")
        }
    }
}

/// The chat that is told of leads and emergencies. `None`: none is configured.
async fn operator_chat(config: &Config) -> Option<Finding> {
    const CHECK: &str = "operator chat";
    let chat = config.operator.chat()?;
    let look = async {
        match chat.channel.as_str() {
            dovvybuddy_telegram::CHANNEL => Some(compose::telegram(config).ok()??.sees(&chat.conversation).await),
            dovvybuddy_discord::CHANNEL => Some(compose::discord(config).ok()??.sees(&chat.conversation).await),
            _ => None,
        }
    };
    Some(match tokio::time::timeout(PLATFORM_PATIENCE, look).await {
        Ok(Some(Ok(name))) => Finding::ok(CHECK, format!("{} on {}", name, chat.channel)),
        Ok(Some(Err(error))) => Finding::fail(
            CHECK,
            format!("{}: {error}", chat.channel),
            "add the bot to that chat, and check the id in operator.chat",
        ),
        Ok(None) => Finding::fail(
            CHECK,
            format!("{} is off; nobody is told of emergencies", chat.channel),
            "set that channel's token, or correct operator.chat",
        ),
        Err(_) => Finding::fail(CHECK, "no answer", "check the network"),
    })
}

fn leads(config: &Config) -> Finding {
    match compose::outlets(config) {
        Err(error) => Finding::fail("leads", error.to_string(), "correct that key"),
        Ok(_) if !config.leads.by_mail() && !config.leads.by_webhook() => Finding::warn(
            "leads",
            "they are stored but delivered nowhere",
            "set leads.mail_to and leads.smtp_url, or leads.webhook_url and leads.webhook_secret",
        ),
        Ok(outlets) => Finding::ok("leads", outlets.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}
