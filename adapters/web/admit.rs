//! Handing a message in: the same for one answer, a stream and a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::{Inbound, Sender};
use dovvybuddy_core::events::{Follower, NumberedEvent, events_of};
use dovvybuddy_core::guard::{Assessment, Heard};
use dovvybuddy_core::intake::Admitted;
use dovvybuddy_core::limit::Allowance;
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::session::StoredTurn;
use dovvybuddy_core::{ConversationKey, SessionId, TurnId};
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ApiError;
use crate::idempotency::{Scope, event_id, fingerprint};
use crate::request::ChatRequest;
use crate::state::App;

/// How long a session is looked for before the message is handed in regardless.
const LOOK_UP: Duration = Duration::from_secs(2);
/// The same for words that sound like an emergency.
const LOOK_UP_IN_EMERGENCY: Duration = Duration::from_millis(100);

/// A message on its way in.
pub(crate) struct Ask {
    pub(crate) request: ChatRequest,
    /// The client's name for the request.
    pub(crate) key: Option<String>,
    /// Why anything but an emergency is refused: a limit, or too much going on.
    pub(crate) unless_emergency: Option<ApiError>,
    /// Its client is told of the turn before the turn begins.
    pub(crate) streamed: bool,
    /// When it came in.
    pub(crate) arrived: Instant,
}

/// A message that was taken in.
pub(crate) struct Admission {
    pub(crate) turn: TurnId,
    pub(crate) session: SessionId,
    pub(crate) allowance: Option<Allowance>,
    pub(crate) answer: Coming,
}

/// How the answer comes.
pub(crate) enum Coming {
    /// It is there already: an emergency.
    Ready(Arc<Reply>),
    /// The turn will tell.
    Later(Follower),
}

/// Hands a message in. Once this has begun, the client's leaving does not stop it.
pub(crate) async fn admit(state: &App, client: &Client, ask: Ask) -> Result<Admission, ApiError> {
    let named = ask.request.session_id.as_deref().and_then(SessionId::parse);
    let remembered = named.is_some_and(|id| state.intake.knows(&state.conversation(id)));
    let must_look = named.is_some() && !remembered;
    // The intake judges every message; here the answer only matters before one gets there.
    let alarming =
        (ask.unless_emergency.is_some() || must_look) && sounds_alarming(state, client, &ask.request.message, named);
    if let Some(refusal) = ask.unless_emergency
        && !alarming
    {
        return Err(refusal);
    }
    let patience = if alarming { LOOK_UP_IN_EMERGENCY } else { LOOK_UP };
    let known = match named {
        Some(id) if remembered || was_issued(state, id, patience).await => Some(id),
        _ => None,
    };
    let event_id = ask.key.as_deref().map(|key| match known {
        Some(session) => event_id(Scope::Session(session), key),
        None => event_id(Scope::Client(client.ip), key),
    });
    let event = inbound(state, client, &ask.request, known, event_id);
    let foretold = ask.streamed.then(|| event.clone());

    let give_up = ask.arrived + state.config.reply_within;
    let intake = state.intake.clone();
    let accepting = state.tasks.spawn(async move { intake.accept(event).await });
    let admitted = match tokio::time::timeout_at(give_up, accepting).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(panicked)) => return Err(ApiError::internal(&*state.clock, &panicked)),
        Err(_) => {
            tracing::error!("a message could not be stored in time");
            return Err(ApiError::StoreUnavailable);
        }
    };
    let admission = match admitted {
        Ok(Admitted::Queued { turn, session, allowance, mut events }) => {
            if let Some(event) = foretold {
                events = events.foretelling(state.intake.foresee(event));
            }
            Admission { turn, session, allowance, answer: Coming::Later(events) }
        }
        Ok(Admitted::Repeat { turn, session, events }) => {
            Admission { turn, session, allowance: None, answer: Coming::Later(events) }
        }
        Ok(Admitted::Answered { turn, session, reply }) => {
            Admission { turn, session, allowance: None, answer: Coming::Ready(reply) }
        }
        // Buttons of chat platforms; no request reads as one.
        Ok(Admitted::Noted { .. }) => return Err(ApiError::Malformed),
        Err(refusal) => return Err(ApiError::refused(&*state.clock, refusal, state.limits.diver_per_minute())),
    };
    Ok(admission)
}

/// Whether the guard hears an emergency, read in the light of what was said before.
pub(crate) fn sounds_alarming(state: &App, client: &Client, message: &str, session: Option<SessionId>) -> bool {
    let heard = session.and_then(|id| state.hearing.recall(&state.conversation(id)));
    let mut heard = heard.map(|heard| Heard::clone(&heard)).unwrap_or_default();
    heard.locale.clone_from(&client.locale);
    matches!(state.guard.assess(message, &heard), Assessment::Emergency(_))
}

/// Whether a session can be gone on with: one that we issued on this channel. A store that can't tell
/// does not end a conversation.
async fn was_issued(state: &App, id: SessionId, patience: Duration) -> bool {
    let conversation: ConversationKey = state.conversation(id);
    let look = state.store.session_by_id(&state.bot, id, 0);
    match tokio::time::timeout(patience, look).await {
        Ok(Ok(found)) => found.is_some_and(|session| session.conversation == conversation),
        Ok(Err(error)) => {
            tracing::warn!(error = %error, session = %id, "a session can't be looked up");
            true
        }
        Err(_) => {
            tracing::warn!(session = %id, "a session could not be looked up in time");
            true
        }
    }
}

fn inbound(
    state: &App,
    client: &Client,
    request: &ChatRequest,
    known: Option<SessionId>,
    event_id: Option<String>,
) -> Inbound {
    let session = known.unwrap_or_else(|| SessionId(state.clock.uuid()));
    let turn = TurnId(state.clock.uuid());
    let now = state.clock.now();
    Inbound {
        turn,
        conversation: state.conversation(session),
        sender: Sender { key: state.diver(session), name: None, locale: client.locale.clone(), contact: None },
        fingerprint: event_id.as_ref().map(|_| fingerprint(request)),
        event_id: event_id.unwrap_or_else(|| turn.to_string()),
        content: request.content(),
        opens_conversation: known.is_none(),
        received_at: now,
        ready_at: now,
        profile: request.profile(),
        state: request.state(),
        context: serde_json::Value::Null,
    }
}

/// The events of a turn that was answered on the spot.
pub(crate) fn ready_events(state: &App, turn: TurnId, session: SessionId, reply: &Reply) -> Vec<NumberedEvent> {
    events_of(&StoredTurn { id: turn, session, attempt: 1, reply: reply.clone(), finished_at: state.clock.now() })
}
