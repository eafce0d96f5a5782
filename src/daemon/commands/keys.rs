//! `keys`: operators' API keys. The key is shown once; only its hash is kept.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dovvybuddy_core::store::ApiKey;
use dovvybuddy_core::{Clock as _, SystemClock};

use super::{Outcome, open_store, open_store_to_read};
use crate::cli::Keys;
use crate::commands::CommandError;
use crate::config::Config;
use crate::output;

pub(crate) async fn run(config: &Config, what: Keys, json: bool) -> Outcome {
    let store = match what {
        Keys::List => open_store_to_read(config).await?,
        Keys::Create { .. } | Keys::Revoke { .. } => open_store(config).await?,
    };
    match what {
        Keys::Create { name, scope } => {
            // Two random UUIDs carry 244 bits of the operating system's randomness.
            let clock = SystemClock;
            let random = [clock.uuid().into_bytes(), clock.uuid().into_bytes()].concat();
            let secret = format!("dvk_{}", URL_SAFE_NO_PAD.encode(random));
            let id = clock.uuid().simple().to_string().chars().take(12).collect();
            let key = ApiKey { id, name, scope, created_at: clock.now(), revoked_at: None };
            store.add_key(&key, &dovvybuddy_web::key_hash(&secret)).await?;
            if json {
                output::json(&serde_json::json!({ "id": key.id, "name": key.name, "scope": key.scope, "key": secret }));
            } else {
                output::note(format!("Key {} for {} ({}). It is shown only now:", key.id, key.name, key.scope));
                output::line(secret);
            }
        }
        Keys::List => list(&store.keys().await?, json),
        Keys::Revoke { id } => {
            if !store.revoke_key(&id, SystemClock.now()).await? {
                return Err(CommandError::Failed(format!("there is no valid key {id}; `keys list` shows them")));
            }
            let document = serde_json::json!({ "id": id, "revoked": true });
            output::told(json, &document, &format!("Key {id} is revoked."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(keys: &[ApiKey], json: bool) {
    if json {
        let shown: Vec<_> = keys
            .iter()
            .map(|key| {
                serde_json::json!({
                    "id": key.id,
                    "name": key.name,
                    "scope": key.scope,
                    "created_at": key.created_at.to_rfc3339(),
                    "revoked_at": key.revoked_at.map(dovvybuddy_core::Timestamp::to_rfc3339),
                })
            })
            .collect();
        output::json(&shown);
        return;
    }
    let mut rows = vec![["id", "name", "scope", "created", "revoked"].map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| {
        let revoked = key.revoked_at.map_or_else(String::new, dovvybuddy_core::Timestamp::to_rfc3339);
        vec![key.id.clone(), key.name.clone(), key.scope.clone(), key.created_at.to_rfc3339(), revoked]
    }));
    output::table(&rows);
}
