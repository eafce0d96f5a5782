//! What is told of a turn in the log and the metrics.

use std::time::Duration;

use crate::store::{Claim, FinishedTurn};

/// One line in the log and the counts, for every turn.
pub(crate) fn report(claim: &Claim, turn: &FinishedTurn) {
    let channel = claim.conversation.channel.to_string();
    tracing::info!(
        turn = %turn.id,
        session = %turn.session.id,
        channel,
        agent = %turn.reply.agent,
        outcome = turn.outcome.as_str(),
        model = turn.reply.model,
        lang = turn.reply.lang.code(),
        attempt = turn.attempt,
        passages = turn.reply.context_chunks,
        tokens = turn.usage.tokens,
        route_ms = turn.usage.route_ms,
        waited_ms = turn.usage.waited_ms,
        search_ms = turn.usage.search_ms,
        first_piece_ms = turn.usage.first_piece_ms,
        total_ms = turn.usage.total_ms,
        "turn finished"
    );
    let labels =
        [("channel", channel), ("agent", turn.reply.agent.to_string()), ("outcome", turn.outcome.as_str().to_owned())];
    metrics::counter!("dovvybuddy_turns_total", &labels).increment(1);
    let timings = [
        ("dovvybuddy_turn_seconds", turn.usage.total_ms),
        ("dovvybuddy_first_token_seconds", turn.usage.first_piece_ms),
    ];
    for (name, millis) in timings {
        metrics::histogram!(name).record(Duration::from_millis(millis));
    }
}
