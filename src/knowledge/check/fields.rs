//! The strict rules for front matter.

use serde_json::{Map, Value};

use super::Notes;
use crate::doc_type;
use crate::front_matter::{DataQuality, calendar_day, text_of};

const LEVELS: [&str; 5] = ["try_dive", "open_water", "advanced", "deep", "technical"];
const DIFFICULTIES: [&str; 4] = ["easy", "moderate", "advanced", "expert"];
const CURRENTS: [&str; 4] = ["none", "mild", "moderate", "strong"];
const SITE_TYPES: [&str; 13] = [
    "reef", "wall", "wreck", "drift", "muck", "pinnacle", "cave", "cavern", "shore", "cenote", "kelp", "lagoon",
    "seamount",
];
/// Deeper than any dive a document may speak of, in metres.
const DEEPEST: f64 = 350.0;

/// Checks a document's front matter.
pub(super) fn check(map: &Map<String, Value>, today: &str, notes: &mut Notes<'_>) {
    for key in ["doc_type", "title", "description", "last_updated", "data_quality"] {
        text(map, key, notes);
    }
    list(map, "tags", true, notes);
    list(map, "keywords", true, notes);
    day(map, today, notes);
    one_of(map, "data_quality", &DataQuality::WORDS, notes);
    sources(map, notes);
    let doc_type = text_of(map, "doc_type").map(|given| doc_type::normalise(&given)).unwrap_or_default();
    if !doc_type.is_empty() && doc_type::known(&doc_type).is_none() {
        let line = notes.line_of("doc_type");
        notes.warning(line, format!("unknown doc_type `{doc_type}`: no agent asks for it by name"));
    }
    if doc_type::matches(&doc_type, "dive_site") {
        dive_site(map, notes);
    } else if doc_type::matches(&doc_type, "destination") {
        destination(map, notes);
    }
}

fn dive_site(map: &Map<String, Value>, notes: &mut Notes<'_>) {
    for key in ["site_id", "destination", "min_certification", "difficulty"] {
        text(map, key, notes);
    }
    identifier(map, "site_id", notes);
    one_of(map, "min_certification", &LEVELS, notes);
    one_of(map, "difficulty", &DIFFICULTIES, notes);
    one_of(map, "current", &CURRENTS, notes);
    if map.contains_key("depth_range_m") {
        range(map, "depth_range_m", 0.0..=DEEPEST, "two depths in metres, the shallower first", notes);
    } else {
        notes.error(1, "the key `depth_range_m` is missing");
    }
    months(map, notes);
    each_of(map, "site_type", &SITE_TYPES, notes);
    list(map, "highlights", false, notes);
}

fn destination(map: &Map<String, Value>, notes: &mut Notes<'_>) {
    for key in ["destination_id", "country"] {
        text(map, key, notes);
    }
    identifier(map, "destination_id", notes);
    months(map, notes);
    if map.contains_key("water_temp_c") {
        range(map, "water_temp_c", -2.0..=40.0, "two temperatures in °C, the lower first", notes);
    }
    each_of(map, "levels", &LEVELS, notes);
    each_of(map, "site_types", &SITE_TYPES, notes);
    list(map, "highlights", false, notes);
}

fn text(map: &Map<String, Value>, key: &str, notes: &mut Notes<'_>) {
    let line = notes.line_of(key);
    match map.get(key) {
        None => notes.error(1, format!("the key `{key}` is missing")),
        Some(Value::String(value)) if value.trim().is_empty() => notes.error(line, format!("{key} is empty")),
        Some(Value::String(_)) => {}
        Some(_) => notes.error(line, format!("{key} must be text")),
    }
}

fn list(map: &Map<String, Value>, key: &str, required: bool, notes: &mut Notes<'_>) {
    let line = notes.line_of(key);
    match map.get(key) {
        None if required => notes.error(1, format!("the key `{key}` is missing")),
        Some(Value::Array(items))
            if items.iter().any(|item| item.as_str().is_none_or(|item| item.trim().is_empty())) =>
        {
            notes.error(line, format!("{key} must hold texts only; a number or yes/no needs quotes"));
        }
        None | Some(Value::Array(_)) => {}
        Some(_) => notes.error(line, format!("{key} must be a list")),
    }
}

fn day(map: &Map<String, Value>, today: &str, notes: &mut Notes<'_>) {
    let Some(given) = text_of(map, "last_updated") else { return };
    let line = notes.line_of("last_updated");
    match calendar_day(&given) {
        Some(day) if day.as_str() > today => notes.error(line, format!("last_updated {day} lies in the future")),
        Some(_) => {}
        None => notes.error(line, "last_updated must be a day such as 2026-05-01"),
    }
}

fn one_of(map: &Map<String, Value>, key: &str, allowed: &[&str], notes: &mut Notes<'_>) {
    if let Some(given) = text_of(map, key)
        && !allowed.contains(&given.as_str())
    {
        let line = notes.line_of(key);
        notes.error(line, format!("{key} `{given}` is none of {}", allowed.join(", ")));
    }
}

fn each_of(map: &Map<String, Value>, key: &str, allowed: &[&str], notes: &mut Notes<'_>) {
    list(map, key, false, notes);
    let items = map.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for item in items.filter(|item| !allowed.contains(item)) {
        let line = notes.line_of(key);
        notes.error(line, format!("{key} `{item}` is none of {}", allowed.join(", ")));
    }
}

fn identifier(map: &Map<String, Value>, key: &str, notes: &mut Notes<'_>) {
    let kebab = |id: &str| id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if let Some(id) = text_of(map, key)
        && !kebab(&id)
    {
        let line = notes.line_of(key);
        notes.error(line, format!("{key} `{id}` must be lower-case letters, digits and hyphens"));
    }
}

fn months(map: &Map<String, Value>, notes: &mut Notes<'_>) {
    let Some(value) = map.get("best_months") else { return };
    let month = |value: &Value| value.as_u64().is_some_and(|month| (1..=12).contains(&month));
    let fits = value.as_array().is_some_and(|months| !months.is_empty() && months.iter().all(month));
    if !fits {
        let line = notes.line_of("best_months");
        notes.error(line, "best_months must be a list of months as numbers from 1 to 12");
    }
}

fn range(
    map: &Map<String, Value>,
    key: &str,
    bounds: std::ops::RangeInclusive<f64>,
    expected: &str,
    notes: &mut Notes<'_>,
) {
    let numbers: Option<Vec<f64>> =
        map.get(key).and_then(Value::as_array).and_then(|items| items.iter().map(Value::as_f64).collect());
    let fits =
        matches!(numbers.as_deref(), Some([low, high]) if low <= high && bounds.contains(low) && bounds.contains(high));
    if !fits {
        let line = notes.line_of(key);
        notes.error(line, format!("{key} must be {expected}"));
    }
}

fn sources(map: &Map<String, Value>, notes: &mut Notes<'_>) {
    let line = notes.line_of("sources");
    let Some(value) = map.get("sources") else {
        notes.error(1, "the key `sources` is missing");
        return;
    };
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        notes.error(line, "sources must be a list with at least one source");
        return;
    };
    for item in items {
        match item {
            Value::String(text) if !text.trim().is_empty() => {}
            Value::Object(source) => self::source(source, line, notes),
            _ => notes.error(line, "a source must be text, or have title and publisher"),
        }
    }
}

fn source(source: &Map<String, Value>, line: usize, notes: &mut Notes<'_>) {
    if text_of(source, "title").is_none() {
        notes.error(line, "a source has no title");
    }
    if text_of(source, "publisher").is_none() {
        notes.warning(line, "a source has no publisher");
    }
    if source.get("year").is_some_and(|year| !year.as_i64().is_some_and(|year| (1900..=2100).contains(&year))) {
        notes.error(line, "a source's year must be a number such as 2025");
    }
    if let Some(url) = text_of(source, "url")
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        let line = notes.line_of("url");
        notes.error(line, format!("url `{url}` must begin with http:// or https://"));
    }
}
