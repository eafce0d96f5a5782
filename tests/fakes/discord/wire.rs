//! The platform's JSON.

use serde_json::{Value, json};

use super::world::{Channel, Kind, MESSAGE_CONTENT, Message, User, World};

pub(super) fn user(user: &User) -> Value {
    json!({
        "id": user.id.to_string(), "username": user.name, "global_name": user.name, "discriminator": "0",
        "avatar": null, "bot": user.bot,
    })
}

pub(super) fn channel(channel: &Channel) -> Value {
    let last = channel.messages.iter().rfind(|m| m.ephemeral_for.is_none()).map(|m| m.id.to_string());
    let mut value = json!({
        "id": channel.id.to_string(), "type": channel.kind as u8, "last_message_id": last,
    });
    if channel.kind != Kind::Direct {
        value["name"] = json!(channel.name);
        value["guild_id"] = json!(channel.guild.map(|id| id.to_string()));
        value["parent_id"] = json!(channel.parent.map(|id| id.to_string()));
    }
    value
}

/// A message as an application with these intents sees it: without Message Content, words and
/// attachments are left out unless it is spoken to, mentioned, or the author.
pub(super) fn message(world: &World, message: &Message, intents: u64) -> Value {
    let place = world.channels.get(&message.channel);
    let direct = place.is_some_and(|c| c.kind == Kind::Direct);
    let mentions = mentions(world, message);
    let visible =
        intents & MESSAGE_CONTENT != 0 || direct || message.author == world.bot || mentions.contains(&world.bot);
    let people: Vec<Value> = mentions.iter().filter_map(|id| world.users.get(id)).map(user).collect();
    let attachments: Vec<Value> = (0..message.attachments)
        .map(|i| {
            json!({ "id": (message.id + 1 + i as u64).to_string(), "filename": "photo.jpg", "size": 1000,
            "url": "https://cdn.invalid/photo.jpg", "proxy_url": "https://cdn.invalid/photo.jpg" })
        })
        .collect();
    let mut value = json!({
        "id": message.id.to_string(),
        "channel_id": message.channel.to_string(),
        "author": world.users.get(&message.author).map(user),
        "content": if visible { message.content.as_str() } else { "" },
        "timestamp": "2026-11-20T08:00:00.000000+00:00",
        "edited_timestamp": null,
        "tts": false,
        "mention_everyone": message.pinged && message.content.contains("@everyone"),
        "mentions": people,
        "mention_roles": [],
        "attachments": if visible { attachments } else { Vec::new() },
        "embeds": [],
        "pinned": false,
        "type": if message.reference.is_some() { 19 } else { 0 },
        "flags": message.flags,
        "components": if visible { message.components.clone() } else { json!([]) },
    });
    if let Some(guild) = place.and_then(|c| c.guild) {
        value["guild_id"] = json!(guild.to_string());
    }
    if let Some(nonce) = &message.nonce {
        value["nonce"] = json!(nonce);
    }
    if message.webhook {
        value["webhook_id"] = json!(message.author.to_string());
    }
    if let Some(to) = message.reference {
        value["message_reference"] = json!({ "message_id": to.to_string(), "channel_id": message.channel.to_string() });
        value["referenced_message"] = world.message(to).map_or(Value::Null, |to| self::message(world, to, intents));
    }
    value
}

/// Who is named in a message; a reply names its author unless the client switched that off.
fn mentions(world: &World, message: &Message) -> Vec<u64> {
    let named = |id: &u64| message.content.contains(&format!("<@{id}>"));
    world.users.keys().copied().filter(named).collect()
}

pub(super) fn guild(world: &World, id: u64) -> Value {
    let of_kind = |kind: Kind| -> Vec<Value> {
        world.channels.values().filter(|c| c.guild == Some(id) && c.kind == kind).map(channel).collect()
    };
    json!({
        "id": id.to_string(), "name": world.guilds.get(&id), "unavailable": false,
        "channels": of_kind(Kind::Text), "threads": of_kind(Kind::Thread), "members": [], "roles": [],
    })
}
