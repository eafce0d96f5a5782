//! Kinds of wordings, read from a compiled-in file with a table per language and a kind to a line.

use std::collections::BTreeMap;

use dovvybuddy_core::Lang;

use crate::language;
use crate::pattern::{self, Hit, Matcher, PatternError};
use crate::text::{self, Text};

/// The wordings of one language, each of a kind.
#[derive(Debug)]
pub(super) struct Wordings<S> {
    matcher: Matcher<S>,
    lang: Lang,
}

/// Why wordings can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WordingsError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("there is no table {0:?}")]
    NoTable(&'static str),
    #[error("there is no kind {0:?}")]
    UnknownKind(String),
    #[error("{kind}: {source}")]
    Pattern { kind: String, source: PatternError },
}

impl<S: Copy + PartialEq> Wordings<S> {
    /// Reads a language's table; `kind` knows the kinds by their keys.
    pub(super) fn load(source: &str, lang: Lang, kind: impl Fn(&str) -> Option<S>) -> Result<Self, WordingsError> {
        let mut tables: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(source)?;
        let table = tables.remove(lang.code()).ok_or(WordingsError::NoTable(lang.code()))?;
        let mut matcher = Matcher::new(text::unspaced(lang)).with_attached(pattern::attached(lang));
        for (key, patterns) in table {
            let sign = kind(&key).ok_or_else(|| WordingsError::UnknownKind(key.clone()))?;
            for entry in pattern::entries(&patterns) {
                // Short words that a slip turns into one another decide here, so none is guessed.
                let added = matcher.add(sign, entry, false);
                added.map_err(|source| WordingsError::Pattern { kind: key.clone(), source })?;
            }
        }
        matcher.complete();
        Ok(Self { matcher, lang })
    }

    /// What a text has, except inside a wording of the kind `covers`, which only looks like another.
    pub(super) fn find(&self, text: &Text, covers: S) -> Vec<Hit<S>> {
        let common = language::function_words(self.lang);
        let mut hits = self.matcher.find(text, &|word| common.contains(word));
        let covering: Vec<Hit<S>> = hits.iter().filter(|hit| hit.concept == covers).copied().collect();
        hits.retain(|hit| !covering.iter().any(|cover| cover.start <= hit.start && hit.end <= cover.end));
        hits
    }
}
