//! The one write that ends a turn, as the document that its function reads.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::store::{Claim, FinishedTurn, Outcome as Ending};
use serde::Serialize;

use crate::fault::Outcome;
use crate::rows::{stored, words};

/// A finished turn as `dovvy_write` takes it. The names are those of the function.
#[derive(Serialize)]
struct Document<'t> {
    id: String,
    session: String,
    diver: String,
    account: &'t str,
    attempt: u32,
    said: &'t str,
    words: &'t str,
    reply: String,
    agent: &'t str,
    model: &'t str,
    outcome: &'static str,
    /// `None` leaves the session's as it is.
    state: Option<String>,
    emergency: Option<String>,
    stands_down: bool,
    profile: String,
    restarts: bool,
    created_at: Option<i64>,
    asked_at: i64,
    at: i64,
    /// An emergency's answer on its way in: goes out first, and of the session only the alarm is written.
    urgent: bool,
    /// The newest message the turn knew.
    last_seen: i64,
    /// The message that raised an emergency, or 0.
    raised: i64,
    tokens: i64,
    cost_micros: i64,
    waited_ms: i64,
    route_ms: i64,
    search_ms: i64,
    first_piece_ms: i64,
    total_ms: i64,
    outlet: &'t str,
    context: String,
    /// The payloads' own texts, so that each is stored exactly as it was rendered.
    parts: Option<Vec<String>>,
}

/// A turn that covers claimed events.
pub(crate) fn of_claim(claim: &Claim, turn: &FinishedTurn) -> Outcome<String> {
    let asked_at = claim.events.first().map_or(turn.at, |event| event.received_at);
    let last_seen = claim.sequence.last().copied().unwrap_or(0);
    document(turn, claim.conversation.channel.as_str(), asked_at, Some(last_seen))
}

/// A turn whose event is stored covered with it: an emergency. The database knows the message's number.
pub(crate) fn of_event(event: &Inbound, turn: &FinishedTurn) -> Outcome<String> {
    document(turn, event.conversation.channel.as_str(), event.received_at, None)
}

fn document(turn: &FinishedTurn, outlet: &str, asked_at: Timestamp, last_seen: Option<i64>) -> Outcome<String> {
    let urgent = last_seen.is_none();
    let alarm_only = urgent && !turn.restarts_session;
    let (used, session, reply) = (&turn.usage, &turn.session, &turn.reply);
    let (said, text) = (words(&turn.said), words(&reply.text));
    let (model, account) = (words(&reply.model), words(&turn.diver.user));
    let last_seen = last_seen.unwrap_or(0);
    let parts = turn.parts.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let document = Document {
        id: turn.id.to_string(),
        session: session.id.to_string(),
        diver: turn.diver.encode(),
        account: &account,
        attempt: turn.attempt,
        said: &said,
        words: &text,
        reply: serde_json::to_string(reply)?,
        agent: reply.agent.as_str(),
        model: &model,
        outcome: turn.outcome.as_str(),
        state: if alarm_only { None } else { Some(serde_json::to_string(&session.state)?) },
        emergency: session.emergency.as_ref().map(serde_json::to_string).transpose()?,
        stands_down: turn.stands_down,
        profile: if alarm_only { "{}".to_owned() } else { serde_json::to_string(&session.profile)? },
        restarts: turn.restarts_session,
        created_at: (!urgent).then_some(session.created_at.as_millis()),
        asked_at: asked_at.as_millis(),
        at: turn.at.as_millis(),
        urgent,
        last_seen,
        // Of other turns the session's emergency is not taken: it may be older than one raised meanwhile.
        raised: if turn.outcome == Ending::Emergency { last_seen } else { 0 },
        tokens: i64::from(used.tokens),
        cost_micros: stored(used.cost_micros),
        waited_ms: stored(used.waited_ms),
        route_ms: stored(used.route_ms),
        search_ms: stored(used.search_ms),
        first_piece_ms: stored(used.first_piece_ms),
        total_ms: stored(used.total_ms),
        outlet,
        context: serde_json::to_string(&turn.context)?,
        parts: (!parts.is_empty()).then_some(parts),
    };
    Ok(serde_json::to_string(&document)?)
}
