//! Every constructor call, top to bottom. Nothing else builds parts, and nothing here decides.

mod channels;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_agents::{HeuristicRouter, Operator, PhraseBook, PromptLibrary, RuleGuard};
use dovvybuddy_core::agent::{self, Agents, Answerer, Voice};
use dovvybuddy_core::channel::{BoxError, ChannelAdapter};
use dovvybuddy_core::shelf::Shelf;
use dovvybuddy_core::spine::{Ports, Spine, SpineSettings, Stops};
use dovvybuddy_core::store::{KnowledgeBase, Ledger, SpendCaps, Store, StoreError};
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, ChannelId, Clock, SystemClock};
use dovvybuddy_knowledge::{Embeddings, FileShelf, Knowledge, KnowledgeConfig, Root, documents_of_places};
use dovvybuddy_llm::{Chain, Extractive, Member, ModelConfig, Recorder, Spending};
use dovvybuddy_store_postgres::{Adoption, PostgresStore, Reckoning};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use dovvybuddy_web::{WebConfig, WebParts, WebState};

pub(crate) use self::channels::{
    Channels, alert_desk, channels, deliveries, discord, herald, hooks, lead_notices, messenger, outlets, telegram,
    twilio, whatsapp,
};
use crate::config::{Config, EmbeddingProvider};
use crate::lifecycle::{Lifecycle, SOFT_STOP};
use crate::second_opinion::{Doubt, SecondOpinion};

/// Clients wait 20 seconds for a whole reply.
const REPLY_WITHIN: Duration = Duration::from_millis(19_500);
/// How many conversations the guard remembers without the store.
const REMEMBERED_CONVERSATIONS: u64 = 50_000;

/// Why a part can't be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    /// The database.
    #[error("the database can't be opened: {0}")]
    Store(#[from] StoreError),
    /// The prompts.
    #[error("prompts_dir can't be used: {0}")]
    Prompts(#[from] dovvybuddy_agents::PromptError),
    /// Reading the prompts ended without a result.
    #[error("reading the prompts was broken off: {0}")]
    Minds(#[from] tokio::task::JoinError),
    /// The fixed sentences.
    #[error("the phrases can't be used: {0}")]
    Phrases(#[from] dovvybuddy_agents::PhraseError),
    /// The emergency replies.
    #[error("the emergency replies can't be used: {0}")]
    EmergencyReplies(#[from] dovvybuddy_agents::ReplyError),
    /// The knowledge.
    #[error("the knowledge can't be opened: {0}")]
    Knowledge(#[from] dovvybuddy_knowledge::KnowledgeError),
    /// A model.
    #[error("{0}")]
    Models(#[from] dovvybuddy_llm::ConfigError),
    /// The web channel.
    #[error("http: {0}")]
    Web(#[from] dovvybuddy_web::ConfigError),
    /// The Telegram channel.
    #[error("telegram: {0}")]
    Telegram(#[source] BoxError),
    /// The Discord channel.
    #[error("discord.{0}")]
    Discord(#[from] dovvybuddy_discord::ConfigError),
    /// A webhook, in or out.
    #[error("{0}")]
    Webhook(#[from] dovvybuddy_webhook::ConfigError),
    /// The WhatsApp channel.
    #[error("whatsapp: {0}")]
    WhatsApp(#[source] BoxError),
    /// Instagram or Messenger.
    #[error("{0}: {1}")]
    Messenger(&'static str, #[source] BoxError),
    /// The Twilio channel.
    #[error("twilio: {0}")]
    Twilio(#[source] BoxError),
    /// An outlet for leads.
    #[error("leads: {0}")]
    Outlet(#[from] dovvybuddy_outgoing::ConfigError),
}

/// What speaks and decides, apart from any conversation.
#[derive(Clone)]
pub(crate) struct Minds {
    pub(crate) guard: Arc<RuleGuard>,
    pub(crate) router: Arc<HeuristicRouter>,
    pub(crate) agents: Arc<PromptLibrary>,
    pub(crate) voice: Arc<PhraseBook>,
}

/// The spine with everything that hangs on it.
pub(crate) struct House {
    pub(crate) spine: Spine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) minds: Minds,
    pub(crate) clock: Arc<dyn Clock>,
    /// The models that write; `None`: answers quote their sources.
    pub(crate) models: Option<Arc<Chain>>,
    /// What told of each question whether it is answered, where that is recorded.
    pub(crate) recorder: Recorder,
}

impl House {
    /// Runs the lanes as one of the lifecycle's tasks, for a command that serves a single terminal.
    pub(crate) fn dispatch(&self, lifecycle: &Lifecycle) {
        let lanes = Arc::clone(&self.spine.lanes);
        let stop = lifecycle.stopping.clone();
        lifecycle.spawn(async move {
            if let Err(error) = lanes.run(stop).await {
                tracing::error!(error = %error, "dispatching failed");
            }
        });
    }
}

/// How the house is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, named where they are set")]
pub(crate) struct Use {
    /// This process takes up what others left, and sends what the outbox holds.
    pub(crate) dispatch: bool,
    /// Bring an older schema up to date.
    pub(crate) migrate: bool,
    /// Add the demo operator's FAQ.
    pub(crate) demo: bool,
    /// Let configured models write.
    pub(crate) models: bool,
    /// Keep conversations nowhere; the knowledge still comes from the real store.
    pub(crate) scratch: bool,
    /// Answer from whatever is found, and record what tells whether it answers.
    pub(crate) record: bool,
}

/// Opens the store.
pub(crate) async fn store(config: &Config, dispatch: bool, migrate: bool) -> Result<Arc<dyn Store>, StoreError> {
    if config.on_postgres() {
        return Ok(Arc::new(postgres(config, dispatch, migrate).await?));
    }
    Ok(Arc::new(embedded(config, config.database_address(), dispatch, migrate).await?))
}

/// Opens the embedded store.
pub(crate) async fn embedded(
    config: &Config,
    address: String,
    dispatch: bool,
    migrate: bool,
) -> Result<SqliteStore, StoreError> {
    let max_waiting = config.lanes.most_waiting;
    let options = OpenOptions { url_or_path: address, dispatch, max_waiting, migrate, clock: Arc::new(SystemClock) };
    SqliteStore::open(options).await
}

/// Opens the store on Postgres.
pub(crate) async fn postgres(config: &Config, dispatch: bool, migrate: bool) -> Result<PostgresStore, StoreError> {
    let options = dovvybuddy_store_postgres::OpenOptions {
        url: config.database_address(),
        direct_url: config.database.direct_url.clone(),
        connections: config.database.connections,
        dispatch,
        max_waiting: config.lanes.most_waiting,
        migrate,
        adoption: Some(Adoption { bot: BotId::new(config.bot.clone()), places: documents_of_places }),
        clock: Arc::new(SystemClock),
        reckoning: Reckoning::Database,
    };
    PostgresStore::open(options).await
}

/// What is said of the operator.
pub(crate) fn operator(config: &Config) -> Operator {
    Operator {
        name: config.operator.name.clone(),
        contact: config.operator.contact.clone().or_else(|| config.operator.booking_url.clone()),
        emergency_contacts: config.operator.emergency_contacts.clone(),
    }
}

/// Loads the emergency replies alone, which takes no time; the lexicons are read with the first message.
pub(crate) fn guard(config: &Config) -> Result<RuleGuard, ComposeError> {
    Ok(RuleGuard::load(Some(&config.content_dir), &operator(config))?)
}

/// Loads prompts, phrases and emergency replies.
pub(crate) fn minds(config: &Config) -> Result<Minds, ComposeError> {
    let operator = operator(config);
    let agents = PromptLibrary::load(Some(&config.prompts_dir))?;
    let voice = PhraseBook::load(Some(&config.prompts_dir), &operator)?;
    let guard = guard(config)?;
    let router = HeuristicRouter::new(&agents.examples());
    Ok(Minds { guard: Arc::new(guard), router: Arc::new(router), agents: Arc::new(agents), voice: Arc::new(voice) })
}

/// Indexes what the store holds; neither ingests nor waits for the embedding model.
pub(crate) async fn knowledge(
    config: &Config,
    store: Arc<dyn KnowledgeBase>,
    demo: bool,
) -> Result<Arc<Knowledge>, ComposeError> {
    Ok(Knowledge::open(knowledge_config(config, demo), store, Arc::new(SystemClock)).await?)
}

/// What is searched, and how.
pub(crate) fn knowledge_config(config: &Config, demo: bool) -> KnowledgeConfig {
    let mut roots = vec![Root::new("content", config.content_dir.clone())];
    let own = own_content(config);
    if own.is_dir() {
        roots.push(Root { many: config.on_postgres(), ..Root::new("operator", own) });
    }
    if demo {
        roots.push(Root::new("demo", config.demo_content_dir.clone()));
    }
    let embeddings = match config.embeddings.provider {
        EmbeddingProvider::Local => Embeddings::Local,
        EmbeddingProvider::None => Embeddings::None,
        EmbeddingProvider::Openai => Embeddings::OpenAi(config.embeddings.endpoint()),
    };
    KnowledgeConfig::new(roots, config.data_dir.clone(), embeddings)
}

/// Where the operator's own answers and facts lie.
pub(crate) fn own_content(config: &Config) -> PathBuf {
    config.data_dir.join("faq")
}

/// A variable of the environment that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The configured models, or those whose keys stand in the environment.
pub(crate) fn models(config: &Config) -> Result<Vec<Member>, ComposeError> {
    let configured = if config.llm.models.is_empty() {
        dovvybuddy_llm::from_environment(variable)
    } else {
        config.llm.models.clone()
    };
    // A mistake is told before anything that takes time, and without models no certificates are loaded.
    configured.iter().try_for_each(ModelConfig::check)?;
    if configured.is_empty() {
        return Ok(Vec::new());
    }
    let client = dovvybuddy_llm::http_client()?;
    configured.iter().map(|model| Ok(model.build(&client, variable)?)).collect()
}

/// The chain of models, if any is configured.
fn chain(
    config: &Config,
    members: Vec<Member>,
    minds: &Minds,
    ledger: Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<Chain>> {
    if members.is_empty() {
        return None;
    }
    let voice: Arc<dyn Voice> = minds.voice.clone();
    let caps = SpendCaps {
        diver_tokens: config.llm.diver_tokens_per_day,
        all_tokens: config.llm.tokens_per_day,
        all_cost_micros: config.llm.cost_cap_micros(),
    };
    let agents: Arc<dyn Agents> = minds.agents.clone();
    let ledger = (caps != SpendCaps::default()).then_some(Spending { ledger, caps });
    Some(Arc::new(Chain::new(members, agents, voice, ledger, Arc::clone(clock))))
}

/// The router that asks a model where it is in doubt.
fn second_opinion(config: &Config, minds: &Minds, models: Arc<Chain>) -> SecondOpinion {
    let doubt = Doubt { margin: config.router.margin, budget: Duration::from_millis(config.router.budget_ms) };
    SecondOpinion::new(minds.router.clone(), minds.agents.clone(), models, doubt)
}

/// The same for a measurement; `None` without a configured model.
pub(crate) async fn routing_opinion(config: &Config, minds: &Minds) -> Result<Option<SecondOpinion>, ComposeError> {
    let members = models(config)?;
    if members.is_empty() {
        return Ok(None);
    }
    let ledger = store(config, false, true).await?;
    let chain = chain(config, members, minds, ledger, &(Arc::new(SystemClock) as Arc<dyn Clock>));
    Ok(chain.map(|chain| second_opinion(config, minds, chain)))
}

/// Puts everything together around the channels.
pub(crate) async fn house(
    config: &Config,
    how: Use,
    channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    lifecycle: &Lifecycle,
) -> Result<House, ComposeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What is wrong with a configuration is told before anything that takes a while.
    let members = if how.models { models(config)? } else { Vec::new() };
    // Prompts are read on another core while the store is opened and its content indexed.
    let reading = tokio::task::spawn_blocking({
        let config = config.clone();
        move || minds(&config)
    });
    let opened = stored_knowledge(config, how).await;
    let minds = reading.await??;
    let (real, knowledge) = opened?;
    // What is left to read holds up nobody: whoever writes before it is done waits for the words of a language or two.
    tokio::task::spawn_blocking({
        let guard = Arc::clone(&minds.guard);
        move || guard.warm_up()
    });
    let store: Arc<dyn Store> =
        if how.scratch { Arc::new(embedded(config, "sqlite::memory:".to_owned(), false, true).await?) } else { real };
    let models = chain(config, members, &minds, store.clone(), &clock);
    let recorder = Recorder::default();
    let answerer: Arc<dyn Answerer> = match &models {
        Some(chain) => chain.clone(),
        None if how.record => Arc::new(Extractive::recording(minds.voice.clone(), Arc::clone(&recorder))),
        None => Arc::new(Extractive::new(minds.voice.clone())),
    };

    let router: Arc<dyn agent::Router> = match &models {
        Some(chain) => Arc::new(second_opinion(config, &minds, Arc::clone(chain))),
        None => minds.router.clone(),
    };

    let ports = Ports {
        store: store.clone(),
        guard: minds.guard.clone(),
        router,
        agents: minds.agents.clone(),
        retriever: knowledge.clone(),
        answerer,
        voice: minds.voice.clone(),
        clock: Arc::clone(&clock),
        channels,
        lead_notices: channels::notices(config),
        operator: config.operator.chat(),
    };
    let stops = Stops { closing: lifecycle.stopping.clone(), park: lifecycle.park.clone() };
    let spine = Spine::new(ports, settings(config), stops);
    Ok(House { spine, store, knowledge, minds, clock, models, recorder })
}

/// The store, and what it holds to be searched.
async fn stored_knowledge(config: &Config, how: Use) -> Result<(Arc<dyn Store>, Arc<Knowledge>), ComposeError> {
    let store = store(config, how.dispatch, how.migrate).await?;
    let knowledge = knowledge(config, store.clone(), how.demo).await?;
    Ok((store, knowledge))
}

fn settings(config: &Config) -> SpineSettings {
    SpineSettings {
        diver_quota: config.limits.diver(),
        turn: TurnSettings {
            budget: Duration::from_secs(config.turn.budget_seconds),
            least: Duration::from_secs(config.turn.least_seconds),
            history: config.turn.history,
            passages: config.turn.passages,
        },
        most_running: config.lanes.most_running,
        remembered: REMEMBERED_CONVERSATIONS,
    }
}

/// The web channel.
pub(crate) fn web(config: &Config, house: &House, lifecycle: &Lifecycle) -> Result<WebState, ComposeError> {
    Ok(WebState::new(WebParts {
        intake: house.spine.intake.clone(),
        store: house.store.clone(),
        guard: house.minds.guard.clone(),
        hearing: Arc::clone(&house.spine.hearing),
        clock: Arc::clone(&house.clock),
        bot: BotId::new(config.bot.clone()),
        retriever: house.knowledge.clone(),
        lead_notices: channels::notices(config),
        handover: Arc::clone(&house.spine.handover),
        shelf: shelf(config, house),
        config: WebConfig {
            public_url: config.http.public_url.clone(),
            cors_origins: config.http.cors_origins.clone(),
            trusted_proxies: config.http.trusted_proxies.clone(),
            diver_per_minute: config.limits.diver().per_minute,
            ip_per_minute: config.limits.ip_per_minute,
            leads_per_minute: config.limits.leads_per_minute,
            sessions_per_minute: config.limits.sessions_per_minute,
            feedback_per_minute: config.limits.feedback_per_minute,
            operator_name: config.operator.name.clone(),
            operator_contact: config.operator.contact.clone(),
            sites: config.sites.clone(),
            reply_within: REPLY_WITHIN,
            body_within: Duration::from_secs(config.http.body_within_seconds),
            most_streams: config.http.most_streams,
            most_sockets: config.http.most_sockets,
            socket_idle: Duration::from_secs(config.http.socket_idle_seconds),
            drain: SOFT_STOP,
        },
        closing: lifecycle.stopping.clone(),
    })?)
}

/// Where operators publish; none where the directory could not be made before the knowledge was opened.
fn shelf(config: &Config, house: &House) -> Option<Arc<dyn Shelf>> {
    let dir = own_content(config);
    let operator = config.operator.name.as_deref();
    let made = dir.is_dir();
    made.then(|| -> Arc<dyn Shelf> {
        Arc::new(FileShelf::new(&dir, operator, Arc::clone(&house.knowledge), Arc::clone(&house.clock)))
    })
}
