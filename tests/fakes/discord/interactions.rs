//! Slash commands and buttons: created by people, answered within 3 seconds, followed up for 15 minutes.

use std::time::Duration;

use axum::http::StatusCode;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::messages::{self, bare};
use super::rest::{Answer, INVALID_FORM, Refused, UNKNOWN_MESSAGE, id_of};
use super::world::{Interaction, Shared, World, lock, snowflake};
use super::{signing_key, wire};

const EPHEMERAL: u64 = 1 << 6;
const UNKNOWN_INTERACTION: Refused = Refused(404, 10_062, "Unknown interaction");
const INVALID_TOKEN: Refused = Refused(401, 50_027, "Invalid Webhook Token");

/// Creates an interaction and returns its token; the caller brings it to the application.
pub(super) fn create(
    world: &mut World,
    user: u64,
    channel: u64,
    kind: u64,
    data: &Value,
    message: Option<u64>,
) -> String {
    let id = snowflake();
    let token = format!("token-{id}");
    let place = world.channels.get(&channel);
    let person = world.users.get(&user);
    let mut body = json!({
        "id": id.to_string(), "application_id": world.application.to_string(), "type": kind, "data": data,
        "channel_id": channel.to_string(), "channel": place.map(wire::channel), "token": token, "version": 1,
        "locale": person.map(|p| p.locale.clone()), "app_permissions": "0", "entitlements": [],
        "context": u8::from(place.is_none_or(|c| c.guild.is_none())),
    });
    let whose = json!({ "user": person.map(wire::user) });
    if let Some(guild) = place.and_then(|c| c.guild) {
        body["guild_id"] = json!(guild.to_string());
        body["member"] = whose;
    } else {
        body["user"] = whose["user"].clone();
    }
    if let Some(message) = message.and_then(|id| world.message(id)) {
        body["message"] = wire::message(world, message, u64::MAX);
    }
    let made = Interaction {
        id,
        user,
        channel,
        body,
        born: Instant::now(),
        answered: None,
        ephemeral: false,
        original: message,
        data: Value::Null,
    };
    world.interactions.insert(token.clone(), made);
    token
}

/// Brings it over the gateway.
pub(super) fn dispatch(world: &mut World, token: &str) {
    let Some(interaction) = world.interactions.get(token) else { return };
    let body = interaction.body.clone();
    let guild = body["guild_id"].as_str().map(id_of);
    world.dispatch("INTERACTION_CREATE", guild, 0, |_| body.clone());
}

/// Signs a body as the platform does.
pub(super) fn sign(key: &SigningKey, timestamp: &str, body: &[u8]) -> String {
    let signed = [timestamp.as_bytes(), body].concat();
    super::hexadecimal(&key.sign(&signed).to_bytes())
}

/// Brings it over HTTP and takes the answer as the callback. Returns the status.
pub(super) async fn post(shared: &Shared, client: &reqwest::Client, endpoint: &str, token: &str) -> u16 {
    let Some(body) = lock(shared).interactions.get(token).map(|i| i.body.to_string()) else { return 0 };
    let timestamp = "1795161600";
    let signature = sign(&signing_key(), timestamp, body.as_bytes());
    let request = client
        .post(endpoint)
        .header("Content-Type", "application/json")
        .header("X-Signature-Ed25519", signature)
        .header("X-Signature-Timestamp", timestamp)
        .body(body)
        .timeout(Duration::from_secs(3));
    let Ok(response) = request.send().await else { return 0 };
    let status = response.status().as_u16();
    if status == 200
        && let Ok(answer) = response.json::<Value>().await
    {
        let mut world = lock(shared);
        let id = world.interactions.get(token).map_or(0, |i| i.id);
        let _ = callback(&mut world, id, token, &answer);
    }
    status
}

pub(super) fn callback(world: &mut World, id: u64, token: &str, body: &Value) -> Answer {
    let within = world.settings.answer_within;
    let interaction = world.interactions.get(token).filter(|i| i.id == id).ok_or(UNKNOWN_INTERACTION)?;
    if interaction.answered.is_some() {
        return Err(Refused(400, 40_060, "Interaction has already been acknowledged."));
    }
    if interaction.born.elapsed() > within {
        return Err(UNKNOWN_INTERACTION);
    }
    let kind = body["type"].as_u64().ok_or(INVALID_FORM)?;
    let data = body["data"].clone();
    let ephemeral = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    let (user, channel) = (interaction.user, interaction.channel);
    let original = match kind {
        4 => Some(speak(world, channel, user, ephemeral, &data)?),
        5 => {
            // "… is thinking"; its words come with the first edit.
            let mut message = bare(channel, world.bot, "");
            message.ephemeral_for = Some(user);
            let id = message.id;
            messages::add(world, message);
            Some(id)
        }
        7 => {
            let message = interaction.original.ok_or(INVALID_FORM)?;
            messages::revise(world, message, &data)?;
            Some(message)
        }
        6 => interaction.original,
        9 => None,
        _ => return Err(INVALID_FORM),
    };
    if let Some(interaction) = world.interactions.get_mut(token) {
        interaction.answered = Some((Instant::now(), kind));
        interaction.ephemeral = ephemeral;
        interaction.original = original;
        interaction.data = data;
    }
    Ok((StatusCode::NO_CONTENT, Value::Null))
}

fn speak(world: &mut World, channel: u64, user: u64, ephemeral: bool, data: &Value) -> Result<u64, Refused> {
    let draft = messages::draft(world, data)?;
    let mut message = bare(channel, world.bot, &draft.content);
    message.components = draft.components;
    message.flags = draft.flags;
    message.ephemeral_for = ephemeral.then_some(user);
    let id = message.id;
    messages::add(world, message);
    Ok(id)
}

/// The interaction of a token that is still good.
fn live(world: &World, token: &str) -> Result<Interaction, Refused> {
    let interaction = world.interactions.get(token).ok_or(INVALID_TOKEN)?;
    if interaction.born.elapsed() > world.settings.token_lasts {
        return Err(INVALID_TOKEN);
    }
    if interaction.answered.is_none() {
        return Err(Refused(404, 10_015, "Unknown Webhook"));
    }
    Ok(interaction.clone())
}

pub(super) fn follow_up(world: &mut World, token: &str, body: &Value) -> Answer {
    let interaction = live(world, token)?;
    let ephemeral = body["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    let id = speak(world, interaction.channel, interaction.user, ephemeral, body)?;
    let message = world.message(id).ok_or(UNKNOWN_MESSAGE)?;
    Ok((StatusCode::OK, wire::message(world, message, 0)))
}

pub(super) fn edit(world: &mut World, token: &str, message: &str, body: &Value) -> Answer {
    let interaction = live(world, token)?;
    let id = if message == "@original" { interaction.original.ok_or(UNKNOWN_MESSAGE)? } else { id_of(message) };
    let deferred = interaction.answered.is_some_and(|(_, kind)| kind == 5);
    let answer = messages::revise(world, id, body)?;
    if deferred
        && !interaction.ephemeral
        && let Some(message) = world.message_mut(id)
    {
        message.ephemeral_for = None;
    }
    Ok(answer)
}
