//! Webhook delivery: in order per chat, retried until a 2xx, at the pace the receiver asks for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::world::{Webhook, unix_time};
use super::{Shared, lock};

/// The longest pause a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Delivers for as long as the fake runs.
pub(super) async fn run(shared: Arc<Shared>) {
    let Ok(client) = reqwest::Client::builder().timeout(PATIENCE).build() else { return };
    let mut busy: HashSet<i64> = HashSet::new();
    let mut sending: JoinSet<i64> = JoinSet::new();
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        while let Some((hook, update)) = next(&shared, &busy, sending.len()) {
            busy.insert(chat_of(&update));
            let (shared, client) = (Arc::clone(&shared), client.clone());
            sending.spawn(async move {
                deliver(&shared, &client, hook, &update).await;
                chat_of(&update)
            });
        }
        tokio::select! {
            () = changed => {}
            Some(done) = sending.join_next() => {
                if let Ok(chat) = done {
                    busy.remove(&chat);
                }
            }
        }
    }
}

/// The oldest update whose chat has none on its way.
fn next(shared: &Shared, busy: &HashSet<i64>, sending: usize) -> Option<(Webhook, Value)> {
    let world = lock(shared);
    let hook = world.webhook.clone().filter(|hook| sending < hook.connections)?;
    let mut passed = busy.clone();
    let update = world.updates.iter().find(|update| passed.insert(chat_of(update)))?;
    Some((hook, update.clone()))
}

async fn deliver(shared: &Shared, client: &reqwest::Client, mut hook: Webhook, update: &Value) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut request = client.post(&hook.url).json(update);
        if let Some(secret) = &hook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let failure = match request.send().await {
            Ok(response) if response.status().is_success() => {
                lock(shared).updates.retain(|waiting| waiting["update_id"] != update["update_id"]);
                shared.changed.notify_waiters();
                return;
            }
            Ok(response) => {
                let asked = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
                if let Some(asked) = asked {
                    pause = Duration::from_secs(asked).min(LONGEST_PAUSE);
                }
                format!("Wrong response from the webhook: {}", response.status())
            }
            Err(_) => "Connection refused".to_owned(),
        };
        {
            let mut world = lock(shared);
            let Some(current) = &mut world.webhook else { return };
            current.last_error = Some((unix_time(), failure));
            hook = current.clone();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Updates of a chat keep their order; those without one have an order of their own.
fn chat_of(update: &Value) -> i64 {
    let content = update.as_object().into_iter().flatten().find(|(key, _)| *key != "update_id").map(|(_, v)| v);
    let Some(content) = content else { return 0 };
    content["chat"]["id"].as_i64().or_else(|| content["message"]["chat"]["id"].as_i64()).unwrap_or(0)
}
