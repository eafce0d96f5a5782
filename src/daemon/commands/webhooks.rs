//! `webhooks`: what could not be delivered, and delivering it after all.

use std::process::ExitCode;

use dovvybuddy_core::store::DeadLetter;
use dovvybuddy_core::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{CommandError, Outcome, open_store, open_store_to_read};
use crate::cli::Webhooks;
use crate::config::Config;
use crate::output;

/// How many are looked through.
const MOST: usize = 10_000;

/// The outlets of the operator's own systems.
const OURS: [&str; 3] =
    [dovvybuddy_webhook::LEAD_WEBHOOK, dovvybuddy_webhook::EVENTS, dovvybuddy_webhook::EMERGENCY_EVENTS];

pub(crate) async fn run(config: &Config, what: Webhooks, json: bool) -> Outcome {
    match what {
        Webhooks::List => {
            let store = open_store_to_read(config).await?;
            let letters = ours(store.dead_letters(MOST).await?);
            if json {
                output::json(&letters.iter().map(shown).collect::<Vec<_>>());
            } else {
                list(&letters);
            }
        }
        Webhooks::Replay { ids, all } => {
            let store = open_store(config).await?;
            let letters = ours(store.dead_letters(MOST).await?);
            let known: Vec<i64> = letters.iter().map(|letter| letter.part.id).collect();
            if let Some(unknown) = ids.iter().find(|id| !known.contains(id)) {
                let text = format!("there is no undelivered message {unknown}; `webhooks list` shows them");
                return Err(CommandError::Failed(text));
            }
            let mut chosen: Vec<i64> = if all { known } else { ids };
            // In the order they were written.
            chosen.sort_unstable();
            let mut replayed = 0;
            for id in chosen {
                replayed += usize::from(store.revive(id, SystemClock.now()).await?);
            }
            let text = format!("{replayed} go out again; a running daemon sends them at once.");
            output::told(json, &json!({ "replayed": replayed }), &text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What goes to addresses of operators and their systems; chats have their own reasons to refuse.
fn ours(letters: Vec<DeadLetter>) -> Vec<DeadLetter> {
    let ours = |letter: &DeadLetter| {
        let outlet = letter.part.outlet.as_str();
        outlet.starts_with("webhook:") || OURS.contains(&outlet)
    };
    letters.into_iter().filter(ours).collect()
}

fn list(letters: &[DeadLetter]) {
    if letters.is_empty() {
        output::line("Everything was delivered, or is still being tried.");
        return;
    }
    let mut rows = vec![["id", "outlet", "conversation", "given up", "tries", "why"].map(str::to_owned).to_vec()];
    rows.extend(letters.iter().map(|letter| {
        vec![
            letter.part.id.to_string(),
            letter.part.outlet.to_string(),
            letter.part.conversation.conversation.clone(),
            letter.at.to_rfc3339(),
            letter.part.attempts.to_string(),
            letter.error.clone(),
        ]
    }));
    output::table(&rows);
}

fn shown(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.part.id,
        "outlet": letter.part.outlet,
        "conversation": letter.part.conversation.conversation,
        "attempts": letter.part.attempts,
        "created_at": letter.part.created_at.to_rfc3339(),
        "given_up_at": letter.at.to_rfc3339(),
        "error": letter.error,
    })
}
