//! Conversations: the list, one of them, and what a person does in it.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use dovvybuddy_core::handover::{LONGEST_PAUSE, USUAL_PAUSE};
use dovvybuddy_core::session::{DiverProfile, Session};
use dovvybuddy_core::store::{ConversationFilter, ConversationSummary, Place};
use dovvybuddy_core::{ChannelId, SessionId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Operator, Role};
use super::query::{Parameters, place_word};
use super::turns::{InterventionBody, TurnBody};
use crate::body::{JsonObject, MaybeJsonObject};
use crate::error::{ApiError, ErrorBody};
use crate::form::Form;
use crate::path::Id;
use crate::state::App;

/// The longest text of a person.
const LONGEST_TEXT: usize = 2000;
/// How many turns of a conversation are shown at a time.
const TURNS: usize = 50;
/// How much of the diver's last words a list shows, in characters.
const EXCERPT: usize = 160;
/// How much of what people did is shown.
const INTERVENTIONS: usize = 500;

/// A conversation in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryBody {
    /// Its session.
    pub(crate) id: String,
    /// Where it takes place.
    pub(crate) channel: String,
    /// The platform's name of it.
    pub(crate) conversation: String,
    /// When it was opened, RFC 3339.
    pub(crate) created_at: String,
    /// When it was last used, RFC 3339.
    pub(crate) updated_at: String,
    /// The beginning of what the diver said last.
    pub(crate) last_words: String,
    /// Who answered last.
    pub(crate) agent: Option<String>,
    /// Whether an emergency stands in it.
    pub(crate) emergency: bool,
    /// Until when a person has it, RFC 3339.
    pub(crate) paused_until: Option<String>,
    /// Who has it.
    pub(crate) paused_by: Option<String>,
    /// How many turns it has.
    pub(crate) turns: u64,
    /// How many of them were not covered by the content.
    pub(crate) not_covered: u64,
    /// How many messages wait for their reply.
    pub(crate) waiting: u64,
}

impl From<&ConversationSummary> for SummaryBody {
    fn from(one: &ConversationSummary) -> Self {
        Self {
            id: one.session.to_string(),
            channel: one.conversation.channel.to_string(),
            conversation: one.conversation.conversation.clone(),
            created_at: one.created_at.to_rfc3339(),
            updated_at: one.updated_at.to_rfc3339(),
            last_words: one.last_words.chars().take(EXCERPT).collect(),
            agent: one.agent.clone(),
            emergency: one.emergency,
            paused_until: one.pause.as_ref().map(|pause| pause.until.to_rfc3339()),
            paused_by: one.pause.as_ref().map(|pause| pause.by.clone()),
            turns: one.turns,
            not_covered: one.not_covered,
            waiting: one.waiting,
        }
    }
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationsBody {
    /// The conversations, the one last used first.
    conversations: Vec<SummaryBody>,
    /// Where the list goes on, as `cursor`; `null` at its end.
    next: Option<String>,
}

/// One conversation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationBody {
    /// Its session.
    id: String,
    /// Where it takes place.
    channel: String,
    /// The platform's name of it.
    conversation: String,
    /// When it was opened, RFC 3339.
    created_at: String,
    /// When it was last used, RFC 3339.
    updated_at: String,
    /// What is known of the diver.
    #[schema(value_type = Object)]
    profile: DiverProfile,
    /// The kind of the emergency that stands in it.
    emergency: Option<&'static str>,
    /// Until when a person has it, RFC 3339.
    paused_until: Option<String>,
    /// Who has it.
    paused_by: Option<String>,
    /// The newest turns, oldest first.
    turns: Vec<TurnBody>,
    /// Where earlier turns are, as `before`; `null` where these are all.
    earlier: Option<String>,
    /// What was said and has no reply yet.
    waiting: Vec<WaitingBody>,
    /// What people did here, oldest first.
    interventions: Vec<InterventionBody>,
}

/// A message without a reply yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingBody {
    /// The words.
    text: String,
    /// When it came, RFC 3339.
    at: String,
}

/// A person's words.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplyRequest {
    /// What the diver is to read, 1 to 2000 characters.
    #[schema(min_length = 1, max_length = 2000, pattern = r"\S")]
    text: String,
    /// For how long the bot is silent here, in minutes; 30 unless said otherwise.
    #[schema(required = false, minimum = 1, maximum = 1440)]
    minutes: Option<u32>,
}

/// How long a person has a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PauseRequest {
    /// For how long the bot is silent here, in minutes; 30 unless said otherwise.
    #[schema(required = false, minimum = 1, maximum = 1440)]
    minutes: Option<u32>,
}

/// A pause that holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PausedBody {
    /// Until when, RFC 3339.
    paused_until: String,
    /// The turn a reply became.
    turn_id: Option<String>,
}

/// The conversations, the one last used first.
#[utoipa::path(get, path = "/api/admin/conversations", tag = "admin", security(("key" = [])),
    params(
        ("channel" = Option<String>, Query, description = "Only of this channel"),
        ("agent" = Option<String>, Query, description = "Only those in which this agent answered"),
        ("emergency" = Option<bool>, Query, description = "Only those in which an emergency stands"),
        ("paused" = Option<bool>, Query, description = "Only those a person has"),
        ("unanswered" = Option<bool>, Query, description = "Only those with a question that was not covered or waits for a person"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "How many; 50 unless said otherwise")),
    responses(
        (status = 200, description = "A page of conversations", body = ConversationsBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn list(
    State(state): State<App>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<ConversationsBody>, ApiError> {
    let mut asked = Parameters::new(query);
    let filter = filter(&mut asked);
    let from = asked.place("cursor");
    let limit = asked.number("limit", 1, 200, 50);
    asked.finish()?;
    operator.looks(&state, "list", "conversations").await?;
    let found = state.store.conversations(&state.bot, &filter, from, state.clock.now(), limit).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    let next = found.last().filter(|_| found.len() == limit);
    let next = next.map(|last| place_word(Place { updated_at: last.updated_at, number: last.number }));
    Ok(Json(ConversationsBody { conversations: found.iter().map(SummaryBody::from).collect(), next }))
}

pub(crate) fn filter(asked: &mut Parameters) -> ConversationFilter {
    ConversationFilter {
        channel: asked.word("channel").map(ChannelId::new),
        agent: asked.word("agent"),
        emergency: asked.flag("emergency"),
        paused: asked.flag("paused"),
        unanswered: asked.flag("unanswered"),
    }
}

/// One conversation with its turns.
#[utoipa::path(get, path = "/api/admin/conversations/{id}", tag = "admin", security(("key" = [])),
    params(("id" = String, Path, description = "The session"),
        ("before" = Option<String>, Query, description = "`earlier` of the page before")),
    responses(
        (status = 200, description = "The conversation", body = ConversationBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn read(
    State(state): State<App>,
    operator: Operator,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Json<ConversationBody>, ApiError> {
    let mut asked = Parameters::new(query);
    let before = asked.row("before");
    asked.finish()?;
    let session = find(&state, &id).await?;
    operator.looks(&state, "read", &format!("conversation {}", session.id)).await?;
    let failed = |error| ApiError::store(&*state.clock, &error);
    let at = &session.conversation;
    let mut turns = state.store.turns_of(at, before, TURNS).await.map_err(failed)?;
    let earlier = turns.last().filter(|_| turns.len() == TURNS).map(|oldest| oldest.number.to_string());
    let interventions = state.store.interventions(at, 0, INTERVENTIONS).await.map_err(failed)?;
    let pause = state.store.paused(at, state.clock.now()).await.map_err(failed)?;
    let waiting = state.store.waiting_in(at).await.map_err(failed)?;
    turns.reverse();
    Ok(Json(ConversationBody {
        id: session.id.to_string(),
        channel: at.channel.to_string(),
        conversation: at.conversation.clone(),
        created_at: session.created_at.to_rfc3339(),
        updated_at: session.updated_at.to_rfc3339(),
        profile: session.profile.clone(),
        emergency: session.emergency.as_ref().map(|standing| standing.kind.as_str()),
        paused_until: pause.as_ref().map(|pause| pause.until.to_rfc3339()),
        paused_by: pause.map(|pause| pause.by),
        turns: turns.into_iter().map(|turn| TurnBody::new(turn, &interventions)).collect(),
        earlier,
        waiting: waiting.into_iter().map(|(text, at)| WaitingBody { text, at: at.to_rfc3339() }).collect(),
        interventions: interventions.iter().map(InterventionBody::from).collect(),
    }))
}

/// Write to the diver as a person. The bot is silent there for a while; emergencies it still answers.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/reply", tag = "admin", security(("key" = [])),
    request_body = ReplyRequest, params(("id" = String, Path, description = "The session")),
    responses(
        (status = 201, description = "On its way to the diver", body = PausedBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn reply(
    State(state): State<App>,
    operator: Operator,
    Id(id): Id,
    JsonObject(mut form): JsonObject,
) -> Result<(StatusCode, Json<PausedBody>), ApiError> {
    operator.may(Role::Reply)?;
    let text = form.required_text("text", LONGEST_TEXT);
    let until = until(&mut form, state.clock.now());
    form.finish()?;
    let text = text.unwrap_or_default();
    let session = find(&state, &id).await?;
    operator.does(&state, "reply", &format!("conversation {}", session.id)).await?;
    let said = state.handover.reply(&session, &text, until, &operator.key.name).await;
    let turn = said.map_err(|error| ApiError::store(&*state.clock, &error))?.ok_or(ApiError::SessionNotFound)?;
    let body = PausedBody { paused_until: until.to_rfc3339(), turn_id: Some(turn.to_string()) };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Take a conversation over from the bot, or change until when. The diver is told.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/pause", tag = "admin", security(("key" = [])),
    request_body(content = PauseRequest), params(("id" = String, Path, description = "The session")),
    responses(
        (status = 200, description = "The bot is silent", body = PausedBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn pause(
    State(state): State<App>,
    operator: Operator,
    Id(id): Id,
    MaybeJsonObject(mut form): MaybeJsonObject,
) -> Result<Json<PausedBody>, ApiError> {
    operator.may(Role::Reply)?;
    let until = until(&mut form, state.clock.now());
    form.finish()?;
    let session = find(&state, &id).await?;
    operator.does(&state, "pause", &format!("conversation {}", session.id)).await?;
    let done = state.handover.take_over(&session, until, &operator.key.name).await;
    done.map_err(|error| ApiError::store(&*state.clock, &error))?;
    Ok(Json(PausedBody { paused_until: until.to_rfc3339(), turn_id: None }))
}

/// Give a conversation back to the bot, which takes up what nobody answered.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/resume", tag = "admin", security(("key" = [])),
    params(("id" = String, Path, description = "The session")),
    responses(
        (status = 204, description = "The bot answers again"),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn resume(State(state): State<App>, operator: Operator, Id(id): Id) -> Result<StatusCode, ApiError> {
    operator.may(Role::Reply)?;
    let session = find(&state, &id).await?;
    operator.does(&state, "resume", &format!("conversation {}", session.id)).await?;
    let done = state.handover.hand_back(&session.conversation, &operator.key.name).await;
    // One that had ended already is what was wanted.
    done.map_err(|error| ApiError::store(&*state.clock, &error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn until(form: &mut Form, now: Timestamp) -> Timestamp {
    let most = i64::try_from(LONGEST_PAUSE.as_secs() / 60).unwrap_or(i64::MAX);
    let minutes = form.whole_number("minutes", 1, most).and_then(|minutes| u64::try_from(minutes).ok());
    now.plus(minutes.map_or(USUAL_PAUSE, Duration::from_mins))
}

async fn find(state: &App, id: &str) -> Result<Session, ApiError> {
    let id = SessionId::parse(id).ok_or(ApiError::SessionNotFound)?;
    let found = state.store.session_by_id(&state.bot, id, 0).await;
    found.map_err(|error| ApiError::store(&*state.clock, &error))?.ok_or(ApiError::SessionNotFound)
}
