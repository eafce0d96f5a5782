//! `config show`: every effective value with where it came from, secrets masked.

use dovvybuddy_llm::Preset;
use figment::Figment;
use figment::value::Value;
use serde::Serialize;

use super::sources::is_secret;

/// What stands for a secret.
const MASK: &str = "********";

/// One effective value.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// The key with its sections.
    pub(crate) key: String,
    /// The value as TOML would write it, or asterisks.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) from: String,
}

/// All values in the order of their keys.
pub(crate) fn effective(figment: &Figment) -> Vec<Shown> {
    let mut shown = Vec::new();
    if let Ok(all) = figment.extract::<Value>() {
        walk(figment, "", &all, &mut shown);
    }
    shown
}

/// The models that the environment's familiar names make, value by value.
pub(crate) fn familiar_models(variable: impl Fn(&str) -> Option<String>) -> Vec<Shown> {
    let mut shown = Vec::new();
    let presets = Preset::ALL.into_iter().filter_map(|preset| Some((preset, preset.from_environment(&variable)?)));
    for (place, (preset, model)) in presets.enumerate() {
        let mut tell = |field: &str, value: &str| {
            let from = preset.variable_of(field, &variable);
            let from = from.map_or_else(|| "default".to_owned(), |name| format!("environment variable {name}"));
            let value = serde_json::Value::from(value).to_string();
            shown.push(Shown { key: format!("llm.models[{place}].{field}"), value, from });
        };
        tell("name", &model.name);
        tell("base_url", &masked(&model.base_url));
        tell("model", &model.model);
        if model.api_key_env.is_some() {
            tell("api_key", MASK);
        }
    }
    shown
}

/// Puts rows in the place of another one.
pub(crate) fn insert(values: &mut Vec<Shown>, key: &str, rows: Vec<Shown>) {
    if rows.is_empty() {
        return;
    }
    let at = values.iter().position(|value| value.key == key);
    let at = at.inspect(|at| drop(values.remove(*at))).unwrap_or(values.len());
    values.splice(at..at, rows);
}

fn walk(figment: &Figment, path: &str, value: &Value, shown: &mut Vec<Shown>) {
    if let Some(section) = value.as_dict() {
        for (key, value) in section {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            walk(figment, &path, value, shown);
        }
        return;
    }
    let from = figment.find_metadata(path).map_or_else(
        || "default".to_owned(),
        |m| match &m.source {
            Some(source) => source.to_string(),
            None => m.name.to_string(),
        },
    );
    // Of the database's address only the password is a secret.
    let secret = is_secret(path) && !path.starts_with("database.");
    let value = if secret { MASK.to_owned() } else { masked(&display(value)) };
    shown.push(Shown { key: path.to_owned(), value, from });
}

/// The value as JSON, without the keys that entries of a list may hold (`[[llm.models]] api_key`).
fn display(value: &Value) -> String {
    let mut json = serde_json::to_value(value).unwrap_or_default();
    for entry in json.as_array_mut().into_iter().flatten() {
        if let Some(key) = entry.get_mut("api_key") {
            *key = MASK.into();
        }
    }
    json.to_string()
}

/// Hides the password inside an address, wherever it may stand there.
fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password that was not encoded may hold an `@` or a `/`.
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, host)| format!("********@{host}"));
    let shown = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=********"),
        _ => parameter.to_owned(),
    };
    let query: Vec<String> = query.split('&').filter(|query| !query.is_empty()).map(shown).collect();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{rest}{separator}{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("postgres://ada:geheim@db:5432/dive", "postgres://********@db:5432/dive"),
            (
                "postgresql+asyncpg://ada:p@ss/w@db/dive?ssl=require",
                "postgresql+asyncpg://********@db/dive?ssl=require",
            ),
            ("postgres://db/dive?user=ada&password=geheim", "postgres://db/dive?user=ada&password=********"),
            ("https://bot.example.com/a?b=c", "https://bot.example.com/a?b=c"),
            ("sqlite:data/dovvybuddy.db", "sqlite:data/dovvybuddy.db"),
        ] {
            assert_eq!(masked(address), shown);
        }
    }
}
