//! What the platform takes and what it refuses.

use std::time::Instant;

use serde_json::Value;

use super::{Shared, Shown, World};

/// Sends a message; gives its id and whom it went to, or the platform's code and why not.
pub(super) fn send(shared: &Shared, call: &Value) -> Result<(String, String), (i64, &'static str)> {
    let (to, text, buttons) = read(call)?;
    let kind = call["type"].as_str().unwrap_or_default().to_owned();
    let mut world = shared.world();
    if world.lost.contains(&to) {
        return Err((131_026, "Message undeliverable"));
    }
    if kind != "template" && !is_open(&world, &to) {
        return Err((131_047, "Re-engagement message"));
    }
    if let Some(burst) = world.pair_burst
        && world.sent.iter().filter(|shown| shown.to == to).count() >= burst
    {
        return Err((131_056, "Pair rate limit hit"));
    }
    world.next += 1;
    let id = format!("wamid.OUT{}", world.next);
    world.sent.push(Shown { id: id.clone(), to: to.clone(), kind, text, buttons });
    Ok((id, to))
}

/// Free text reaches only whoever wrote in the last 24 hours.
pub(super) fn is_open(world: &World, person: &str) -> bool {
    let day = std::time::Duration::from_hours(24);
    let heard = world.heard.get(person).is_some_and(|at| Instant::now().duration_since(*at) < day);
    heard && !world.closed.contains(person)
}

type Message = (String, String, Vec<(String, String)>);

fn read(call: &Value) -> Result<Message, (i64, &'static str)> {
    let wrong = |why| Err((100, why));
    let to = match (call["to"].as_str(), call["recipient"].as_str()) {
        (Some(number), None) if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+') => number,
        (None, Some(user)) if !user.is_empty() => user,
        _ => return wrong("exactly one of to (a number) and recipient (a user id) is needed"),
    };
    let within = |text: &Value, most: usize| {
        text.as_str().filter(|text| !text.trim().is_empty() && text.chars().count() <= most).map(str::to_owned)
    };
    let (text, buttons) = match call["type"].as_str() {
        Some("text") => (within(&call["text"]["body"], 4096), Some(Vec::new())),
        Some("interactive") => {
            let of = &call["interactive"];
            let most = if of["type"] == "list" { 4096 } else { 1024 };
            (within(&of["body"]["text"], most), choices(of))
        }
        Some("template") => {
            let named = call["template"]["language"]["code"].is_string();
            (within(&call["template"]["name"], 512).filter(|_| named), Some(Vec::new()))
        }
        _ => return wrong("a type that is not known"),
    };
    match (text, buttons) {
        (Some(text), Some(buttons)) => Ok((to.to_owned(), text, buttons)),
        (None, _) => wrong("a text that is missing or too long"),
        (_, None) => wrong("buttons that are too many, too long or not unique"),
    }
}

fn choices(of: &Value) -> Option<Vec<(String, String)>> {
    let text = |value: &Value, most: usize| {
        value.as_str().filter(|text| !text.is_empty() && text.chars().count() <= most).map(str::to_owned)
    };
    let found: Option<Vec<(String, String)>> = if of["type"] == "list" {
        text(&of["action"]["button"], 20)?;
        let rows = of["action"]["sections"][0]["rows"].as_array().filter(|rows| (1..=10).contains(&rows.len()))?;
        let described = |row: &Value| row["description"].is_null() || text(&row["description"], 72).is_some();
        rows.iter()
            .map(|row| Some((text(&row["title"], 24).filter(|_| described(row))?, text(&row["id"], 200)?)))
            .collect()
    } else {
        let buttons = of["action"]["buttons"].as_array().filter(|buttons| (1..=3).contains(&buttons.len()))?;
        let reply = |button: &Value| Some((text(&button["reply"]["title"], 20)?, text(&button["reply"]["id"], 256)?));
        buttons.iter().map(reply).collect()
    };
    let found = found?;
    let unique = |of: fn(&(String, String)) -> &String| {
        found.iter().map(of).collect::<std::collections::HashSet<_>>().len() == found.len()
    };
    (unique(|(title, _)| title) && unique(|(_, id)| id)).then(|| found.clone())
}
