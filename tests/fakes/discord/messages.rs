//! Messages: what may be sent, the nonce rule, edits, and the listing.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::rest::{Answer, INVALID_FORM, Refused, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, id_of};
use super::wire;
use super::world::{DIRECT_MESSAGES, GUILD_MESSAGES, Kind, Message, World, snowflake};

/// The longest content, in characters.
const LONGEST: usize = 2000;
/// A nonce is remembered "for a few minutes".
const NONCE_LASTS: Duration = Duration::from_mins(3);
const SUPPRESS_EMBEDS: u64 = 1 << 2;
const EPHEMERAL: u64 = 1 << 6;

/// What a payload says, checked.
pub(super) struct Draft {
    pub(super) content: String,
    pub(super) flags: u64,
    pub(super) components: Value,
    nonce: Option<String>,
    reference: Option<u64>,
    pinged: bool,
}

/// Reads a payload as the platform does; what it refuses, it refuses here.
pub(super) fn draft(world: &World, body: &Value) -> Result<Draft, Refused> {
    let content = body["content"].as_str().unwrap_or_default().to_owned();
    if content.chars().count() > LONGEST {
        return Err(INVALID_FORM);
    }
    if content.trim().is_empty() {
        return Err(Refused(400, 50_006, "Cannot send an empty message"));
    }
    let components = body.get("components").cloned().unwrap_or_else(|| json!([]));
    if !sound_components(&components) {
        return Err(INVALID_FORM);
    }
    let nonce = match &body["nonce"] {
        Value::Null => None,
        Value::String(text) if text.chars().count() <= 25 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => return Err(INVALID_FORM),
    };
    let reference = &body["message_reference"];
    let to = reference["message_id"].as_str().map(id_of);
    let exists = to.is_some_and(|id| world.message(id).is_some());
    if to.is_some() && !exists && reference["fail_if_not_exists"] != json!(false) {
        return Err(INVALID_FORM);
    }
    let allowed = &body["allowed_mentions"];
    let parses = |kind: &str| {
        allowed.is_null() || allowed["parse"].as_array().is_some_and(|parse| parse.iter().any(|k| k == kind))
    };
    let pinged = (parses("everyone") && (content.contains("@everyone") || content.contains("@here")))
        || (parses("users") && content.contains("<@"))
        || (parses("roles") && content.contains("<@&"))
        || (exists && allowed["replied_user"] == json!(true));
    let flags = body["flags"].as_u64().unwrap_or(0) & (SUPPRESS_EMBEDS | EPHEMERAL);
    Ok(Draft { content, flags, components, nonce, reference: to.filter(|_| exists), pinged })
}

/// At most five rows of at most five buttons with labels and ids that fit and don't repeat.
fn sound_components(components: &Value) -> bool {
    let Some(rows) = components.as_array() else { return components.is_null() };
    let mut ids = Vec::new();
    let row_fits = |row: &Value, ids: &mut Vec<String>| {
        let Some(buttons) = row["components"].as_array() else { return false };
        row["type"] == json!(1)
            && (1..=5).contains(&buttons.len())
            && buttons.iter().all(|button| {
                let id = button["custom_id"].as_str().unwrap_or_default().to_owned();
                let labelled = button["label"].as_str().is_some_and(|l| (1..=80).contains(&l.chars().count()));
                let fits = button["url"].is_string() || ((1..=100).contains(&id.chars().count()) && !ids.contains(&id));
                ids.push(id);
                fits && (labelled || button["emoji"].is_object())
            })
    };
    rows.len() <= 5 && rows.iter().all(|row| row_fits(row, &mut ids))
}

pub(super) fn create(world: &mut World, channel: u64, body: &Value) -> Answer {
    let place = world.channels.get(&channel).ok_or(UNKNOWN_CHANNEL)?;
    if place.closed {
        return Err(Refused(403, 50_001, "Missing Access"));
    }
    if place.recipient.and_then(|user| world.users.get(&user)).is_some_and(|user| user.blocks_bot) {
        return Err(Refused(403, 50_007, "Cannot send messages to this user"));
    }
    let draft = draft(world, body)?;
    if body["enforce_nonce"] == json!(true)
        && let Some(nonce) = &draft.nonce
    {
        let now = Instant::now();
        let same = |m: &&Message| {
            m.author == world.bot && m.nonce.as_ref() == Some(nonce) && now.duration_since(m.at) < NONCE_LASTS
        };
        // The rule is the author's, over all channels.
        if let Some(earlier) = world.channels.values().flat_map(|c| &c.messages).find(same) {
            return Ok((StatusCode::OK, wire::message(world, earlier, 0)));
        }
    }
    let message = Message {
        nonce: draft.nonce.clone(),
        reference: draft.reference,
        pinged: draft.pinged,
        flags: draft.flags & SUPPRESS_EMBEDS,
        components: draft.components.clone(),
        ..bare(channel, world.bot, &draft.content)
    };
    let value = wire::message(world, &message, 0);
    add(world, message);
    Ok((StatusCode::OK, value))
}

/// A message with nothing but words.
pub(super) fn bare(channel: u64, author: u64, content: &str) -> Message {
    Message {
        id: snowflake(),
        channel,
        author,
        content: content.to_owned(),
        nonce: None,
        flags: 0,
        reference: None,
        components: json!([]),
        attachments: 0,
        webhook: false,
        ephemeral_for: None,
        pinged: false,
        at: Instant::now(),
        edits: Vec::new(),
    }
}

/// Keeps a message and tells the gateway.
pub(super) fn add(world: &mut World, message: Message) {
    let Some(place) = world.channels.get_mut(&message.channel) else { return };
    let (guild, public, id) = (place.guild, message.ephemeral_for.is_none(), message.id);
    place.messages.push(message);
    if public {
        announce(world, guild, id);
    }
}

fn announce(world: &mut World, guild: Option<u64>, id: u64) {
    let Some(message) = world.message(id) else { return };
    let needs = if guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
    // Rendered for both kinds of reader up front: sessions are borrowed while they are told.
    let (seen, unseen) = (wire::message(world, message, u64::MAX), wire::message(world, message, 0));
    world.dispatch("MESSAGE_CREATE", guild, needs, |intents| {
        if intents & super::world::MESSAGE_CONTENT == 0 { unseen.clone() } else { seen.clone() }
    });
}

pub(super) fn edit(world: &mut World, channel: u64, id: u64, body: &Value) -> Answer {
    let message = world.message(id).filter(|m| m.channel == channel).ok_or(UNKNOWN_MESSAGE)?;
    if message.author != world.bot {
        return Err(Refused(403, 50_005, "Cannot edit a message authored by another user"));
    }
    revise(world, id, body)
}

/// Replaces words and components of a message of the bot.
pub(super) fn revise(world: &mut World, id: u64, body: &Value) -> Answer {
    let draft = draft(world, body)?;
    let message = world.message_mut(id).ok_or(UNKNOWN_MESSAGE)?;
    message.edits.push((Instant::now(), std::mem::replace(&mut message.content, draft.content)));
    message.flags |= draft.flags & SUPPRESS_EMBEDS;
    message.pinged |= draft.pinged;
    if body.get("components").is_some() {
        message.components = draft.components;
    }
    let message = message.clone();
    Ok((StatusCode::OK, wire::message(world, &message, 0)))
}

pub(super) fn delete(world: &mut World, channel: u64, id: u64) -> Answer {
    let place = world.channels.get_mut(&channel).ok_or(UNKNOWN_CHANNEL)?;
    let before = place.messages.len();
    place.messages.retain(|m| m.id != id);
    if place.messages.len() == before { Err(UNKNOWN_MESSAGE) } else { Ok((StatusCode::NO_CONTENT, Value::Null)) }
}

pub(super) fn typing(world: &mut World, channel: u64) -> Answer {
    let place = world.channels.get_mut(&channel).ok_or(UNKNOWN_CHANNEL)?;
    if place.closed {
        return Err(Refused(403, 50_001, "Missing Access"));
    }
    place.typing.push(Instant::now());
    Ok((StatusCode::NO_CONTENT, Value::Null))
}

/// The messages next after `after`, newest first, as the platform lists them.
pub(super) fn list(world: &World, channel: u64, query: &str) -> Answer {
    let place = world.channels.get(&channel).ok_or(UNKNOWN_CHANNEL)?;
    if place.closed {
        return Err(Refused(403, 50_001, "Missing Access"));
    }
    let number = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| id_of(v))
    };
    let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(INVALID_FORM);
    }
    let shown: Vec<&Message> = place.messages.iter().filter(|m| m.ephemeral_for.is_none()).collect();
    let mut page: Vec<&Message> = match number("after") {
        Some(after) => shown.into_iter().filter(|m| m.id > after).take(limit).collect(),
        None => shown.into_iter().rev().take(limit).rev().collect(),
    };
    page.reverse();
    let intents = if world.settings.message_content { u64::MAX } else { 0 };
    let direct = place.kind == Kind::Direct;
    let values = page.into_iter().map(|m| wire::message(world, m, if direct { u64::MAX } else { intents }));
    Ok((StatusCode::OK, values.collect()))
}
