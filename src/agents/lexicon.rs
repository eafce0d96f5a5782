//! The words of eleven languages for the concepts, read from `lexicon/`.

use std::collections::BTreeMap;

use dovvybuddy_core::Lang;
use hashbrown::HashSet;

use crate::by_language::{ByLanguage, file_of};
use crate::concept::Concept;
use crate::pattern::{self, Hit, Matcher};
use crate::text::{self, Text};

/// Names that are written alike in every language of Latin script.
const SHARED: &str = include_str!("lexicon/topics/shared.toml");

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Lexicon {
    matcher: Matcher<Concept>,
    /// The English meaning of patterns, by their numbers, where the file gives one after `=`.
    glosses: Vec<(u32, Box<str>)>,
    common: &'static HashSet<&'static str>,
}

/// Why a lexicon can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LexiconError {
    #[error("{file}: {source}")]
    Toml { file: String, source: toml::de::Error },
    #[error("{file}: there is no concept {key:?}")]
    UnknownConcept { file: String, key: String },
    #[error("{file}: {key}: {source}")]
    Pattern { file: String, key: String, source: crate::pattern::PatternError },
}

impl Lexicon {
    /// The lexicon of a language; read at first use, then shared.
    pub(crate) fn of(lang: Lang) -> &'static Self {
        static LEXICONS: ByLanguage<Lexicon> = ByLanguage::new();
        LEXICONS.get(lang, || {
            Self::load(lang).unwrap_or_else(|error| {
                // The files are compiled in and each is read by a test, so this can't happen in a
                // released build; an empty lexicon would still leave the model's routing.
                tracing::error!(%error, lang = lang.code(), "a compiled-in lexicon can't be read");
                Self {
                    matcher: Matcher::new(text::unspaced(lang)),
                    glosses: Vec::new(),
                    common: crate::language::function_words(lang),
                }
            })
        })
    }

    /// Reads the compiled-in files of a language.
    pub(crate) fn load(lang: Lang) -> Result<Self, LexiconError> {
        let mut matcher = Matcher::new(text::unspaced(lang)).with_attached(pattern::attached(lang));
        let mut glosses = Vec::new();
        let sources = [
            ("emergency", lang.code(), file_of!(lang, "lexicon/emergency/")),
            ("topics", lang.code(), file_of!(lang, "lexicon/topics/")),
            ("topics", "shared", SHARED),
        ];
        for (folder, name, source) in sources {
            let file = || format!("lexicon/{folder}/{name}.toml");
            let entries: BTreeMap<String, String> =
                toml::from_str(source).map_err(|source| LexiconError::Toml { file: file(), source })?;
            for (key, patterns) in entries {
                let concept = Concept::from_key(&key)
                    .ok_or_else(|| LexiconError::UnknownConcept { file: file(), key: key.clone() })?;
                for entry in pattern::entries(&patterns) {
                    let (pattern, gloss) = entry.split_once('=').map_or((entry, None), |(p, g)| (p, Some(g.trim())));
                    let number = matcher
                        .add(concept, pattern, lang == Lang::En || concept.is_sign())
                        .map_err(|source| LexiconError::Pattern { file: file(), key: key.clone(), source })?;
                    glosses.extend(gloss.map(|gloss| (number, Box::from(gloss))));
                }
            }
        }
        matcher.complete();
        glosses.shrink_to_fit();
        Ok(Self { matcher, glosses, common: crate::language::function_words(lang) })
    }

    /// What the words of a hit mean in English, if the file says.
    pub(crate) fn gloss(&self, hit: &Hit<Concept>) -> Option<&str> {
        let at = self.glosses.binary_search_by_key(&hit.pattern, |(pattern, _)| *pattern).ok()?;
        self.glosses.get(at).map(|(_, gloss)| &**gloss)
    }

    /// Every concept found in the text.
    pub(crate) fn find(&self, text: &Text) -> Vec<Hit<Concept>> {
        self.matcher.find(text, &|word| self.common.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read() {
        for lang in Lang::ALL {
            if let Err(error) = Lexicon::load(lang) {
                panic!("{error}");
            }
        }
    }
}
