//! The front end's own words, in the eleven languages.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use dovvybuddy_core::Lang;
use serde_json::Value;

const fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("words/en.json"),
        Lang::Es => include_str!("words/es.json"),
        Lang::De => include_str!("words/de.json"),
        Lang::Fr => include_str!("words/fr.json"),
        Lang::Pt => include_str!("words/pt.json"),
        Lang::It => include_str!("words/it.json"),
        Lang::Id => include_str!("words/id.json"),
        Lang::Ja => include_str!("words/ja.json"),
        Lang::Th => include_str!("words/th.json"),
        Lang::Ar => include_str!("words/ar.json"),
        Lang::Zh => include_str!("words/zh.json"),
    }
}

/// A language's name for itself.
pub(crate) const fn name(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "English",
        Lang::Es => "Español",
        Lang::De => "Deutsch",
        Lang::Fr => "Français",
        Lang::Pt => "Português",
        Lang::It => "Italiano",
        Lang::Id => "Bahasa Indonesia",
        Lang::Ja => "日本語",
        Lang::Th => "ไทย",
        Lang::Ar => "العربية",
        Lang::Zh => "中文",
    }
}

/// Which way a language is written.
pub(crate) const fn direction(lang: Lang) -> &'static str {
    if matches!(lang, Lang::Ar) { "rtl" } else { "ltr" }
}

static WORDS: LazyLock<HashMap<Lang, Value>> = LazyLock::new(|| {
    // The files are part of the program; a test reads every one of them.
    Lang::ALL.into_iter().map(|lang| (lang, serde_json::from_str(source(lang)).unwrap_or_default())).collect()
});

/// The words of a language.
pub(crate) fn of(lang: Lang) -> &'static Value {
    static NONE: Value = Value::Null;
    WORDS.get(&lang).unwrap_or(&NONE)
}

/// One of the words; empty if there is none of that name.
pub(crate) fn word(lang: Lang, key: &str) -> &'static str {
    of(lang).get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The language to show: the one that is wanted, else the first of the browser's that is ours.
pub(crate) fn negotiate(wanted: Option<&str>, headers: &HeaderMap) -> Lang {
    if let Some(lang) = wanted.and_then(Lang::from_locale) {
        return lang;
    }
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut weighed: Vec<(f32, Lang)> = accepted
        .split(',')
        .filter_map(|entry| {
            let (locale, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse().ok())?;
            Some((weight, Lang::from_locale(locale.trim())?))
        })
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    weighed.sort_by(|left, right| right.0.total_cmp(&left.0));
    weighed.first().map_or(Lang::En, |(_, lang)| *lang)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `{name}` in a text.
    fn slots(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(slot, _)| slot).collect()
    }

    fn compare(lang: Lang, path: &str, english: &Value, other: &Value) {
        match (english, other) {
            (Value::Object(english), Value::Object(other)) => {
                let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(keys(english), keys(other), "{lang:?} {path}");
                for (key, value) in english {
                    compare(lang, &format!("{path}.{key}"), value, &other[key]);
                }
            }
            (Value::String(english), Value::String(other)) => {
                assert!(!other.trim().is_empty(), "{lang:?} {path} is empty");
                assert_eq!(slots(english), slots(other), "{lang:?} {path}");
            }
            // Phrases that offer to hand a diver over differ in number.
            (Value::Array(_), Value::Array(other)) => {
                assert!(!other.is_empty() && other.iter().all(Value::is_string), "{lang:?} {path}");
            }
            _ => panic!("{lang:?} {path} is of another form"),
        }
    }

    #[test]
    fn every_language_says_everything() {
        for lang in Lang::ALL {
            let read: Value = serde_json::from_str(source(lang)).unwrap_or_else(|error| panic!("{lang:?}: {error}"));
            compare(lang, "", of(Lang::En), &read);
        }
    }

    #[test]
    fn the_offer_to_hand_over_is_known_by_the_words_the_bot_says() {
        for lang in Lang::ALL {
            let file = format!("../../prompts/phrases/{}.toml", lang.code());
            let phrases = std::fs::read_to_string(file).unwrap();
            let offer = phrases.lines().find(|line| line.starts_with("worry_next_step")).unwrap();
            let known = of(lang)["offers"].as_array().unwrap();
            assert!(known.iter().any(|words| offer.contains(words.as_str().unwrap())), "{lang:?}: {offer}");
        }
    }

    #[test]
    fn the_first_language_of_ours_that_the_browser_wants() {
        let asks = |value: &str| negotiate(None, &HeaderMap::from_iter([(ACCEPT_LANGUAGE, value.parse().unwrap())]));
        assert_eq!(asks("pt-BR,pt;q=0.9,en;q=0.8"), Lang::Pt);
        assert_eq!(asks("nl,fr;q=0.5,de;q=0.7"), Lang::De);
        assert_eq!(asks("*"), Lang::En);
        assert_eq!(asks("de;q=0, th;q=x, ja;q=0.1"), Lang::Ja);
        assert_eq!(negotiate(Some("ar"), &HeaderMap::new()), Lang::Ar);
        assert_eq!(negotiate(Some("<script>"), &HeaderMap::new()), Lang::En);
    }
}
