//! `leads`: what divers asked for, delivered or not.

use std::process::ExitCode;

use dovvybuddy_core::lead::LeadRecord;
use dovvybuddy_core::{Clock as _, LeadId, SystemClock};
use serde_json::Value;

use super::{CommandError, Outcome, bot, open_store, open_store_to_read};
use crate::cli::Leads;
use crate::compose;
use crate::config::Config;
use crate::output;

/// How many leads a listing shows.
const LISTED: usize = 100;

pub(crate) async fn run(config: &Config, what: Leads, json: bool) -> Outcome {
    let store = match what {
        Leads::List | Leads::Export => open_store_to_read(config).await?,
        Leads::Resend { .. } => open_store(config).await?,
    };
    match what {
        Leads::List => {
            let leads = store.leads(&bot(config), LISTED).await?;
            if json {
                output::json(&leads.iter().map(shown).collect::<Vec<_>>());
            } else {
                list(&leads);
            }
        }
        Leads::Export => {
            let leads = store.leads(&bot(config), usize::MAX).await?;
            output::json(&leads.iter().map(shown).collect::<Vec<_>>());
        }
        Leads::Resend { id } => {
            let wanted = LeadId::parse(&id).ok_or_else(|| unknown(&id))?;
            let leads = store.leads(&bot(config), usize::MAX).await?;
            let record = leads.iter().find(|record| record.lead.id == wanted).ok_or_else(|| unknown(&id))?;
            let deliveries = compose::lead_notices(config, &record.lead);
            if deliveries.is_empty() {
                let text = "no delivery is configured: set leads.mail_to and leads.smtp_url, or leads.webhook_url";
                return Err(CommandError::Failed(text.to_owned()));
            }
            store.resend_lead(wanted, &deliveries, SystemClock.now()).await?;
            let document = serde_json::json!({ "lead_id": id, "deliveries": deliveries.len() });
            output::told(json, &document, &format!("Lead {id} goes out again; a running daemon sends it at once."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: &str) -> CommandError {
    CommandError::Failed(format!("there is no lead {id}; `leads list` shows them"))
}

fn list(leads: &[LeadRecord]) {
    let mut rows = vec![["lead", "made", "kind", "name", "email", "delivery"].map(str::to_owned).to_vec()];
    for record in leads {
        let text = |key: &str| record.lead.data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let states: Vec<String> = record.deliveries.iter().map(|d| format!("{} {}", d.outlet, d.state)).collect();
        rows.push(vec![
            record.lead.id.to_string(),
            record.lead.created_at.to_rfc3339(),
            record.lead.kind.as_str().to_owned(),
            text("name"),
            text("email"),
            if states.is_empty() { "stored".to_owned() } else { states.join(", ") },
        ]);
    }
    output::table(&rows);
}

fn shown(record: &LeadRecord) -> Value {
    let lead = &record.lead;
    serde_json::json!({
        "lead_id": lead.id.to_string(),
        "type": lead.kind.as_str(),
        "data": lead.data,
        "session_id": lead.session.map(|id| id.to_string()),
        "diver_profile": lead.profile,
        "created_at": lead.created_at.to_rfc3339(),
        "deliveries": record.deliveries,
    })
}
