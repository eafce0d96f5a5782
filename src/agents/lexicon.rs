//! The words of eleven languages for the concepts, read from `lexicon/`.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use dovvybuddy_core::Lang;

use crate::concept::Concept;
use crate::pattern::{self, Hit, Matcher};
use crate::text::{self, Text};

macro_rules! files {
    ($($lang:ident $code:literal,)*) => {
        const fn sources(lang: Lang) -> [(&'static str, &'static str); 2] {
            match lang {
                $(Lang::$lang => [
                    (concat!("lexicon/emergency/", $code, ".toml"), include_str!(concat!("lexicon/emergency/", $code, ".toml"))),
                    (concat!("lexicon/topics/", $code, ".toml"), include_str!(concat!("lexicon/topics/", $code, ".toml"))),
                ],)*
            }
        }
    };
}

files! {
    En "en", Es "es", De "de", Fr "fr", Pt "pt", It "it", Id "id", Ja "ja", Th "th", Ar "ar", Zh "zh",
}

/// Names that are written alike in every language of Latin script.
const SHARED: (&str, &str) = ("lexicon/topics/shared.toml", include_str!("lexicon/topics/shared.toml"));

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Lexicon {
    matcher: Matcher<Concept>,
    /// The English meaning of each pattern, where the file gives one after `=`.
    glosses: Vec<Option<Box<str>>>,
    common: &'static HashSet<&'static str>,
}

/// Why a lexicon can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LexiconError {
    #[error("{file}: {source}")]
    Toml { file: &'static str, source: toml::de::Error },
    #[error("{file}: there is no concept {key:?}")]
    UnknownConcept { file: &'static str, key: String },
    #[error("{file}: {key}: {source}")]
    Pattern { file: &'static str, key: String, source: crate::pattern::PatternError },
}

impl Lexicon {
    /// The lexicon of a language; read at first use, then shared.
    pub(crate) fn of(lang: Lang) -> &'static Self {
        static LEXICONS: [OnceLock<Lexicon>; 11] = [const { OnceLock::new() }; 11];
        static NONE: OnceLock<Lexicon> = OnceLock::new();
        let at = Lang::ALL.iter().position(|known| *known == lang).unwrap_or_default();
        let slot = LEXICONS.get(at).unwrap_or(&NONE);
        slot.get_or_init(|| {
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
        let [emergency, topics] = sources(lang);
        for (file, source) in [emergency, topics, SHARED] {
            let entries: BTreeMap<String, String> =
                toml::from_str(source).map_err(|source| LexiconError::Toml { file, source })?;
            for (key, patterns) in entries {
                let concept =
                    Concept::from_key(&key).ok_or_else(|| LexiconError::UnknownConcept { file, key: key.clone() })?;
                for entry in patterns.split([';', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
                    let (pattern, gloss) = entry.split_once('=').map_or((entry, None), |(p, g)| (p, Some(g.trim())));
                    glosses.push(gloss.map(Box::from));
                    matcher
                        .add(concept, pattern, lang == Lang::En || concept.is_sign())
                        .map_err(|source| LexiconError::Pattern { file, key: key.clone(), source })?;
                }
            }
        }
        matcher.complete();
        glosses.shrink_to_fit();
        Ok(Self { matcher, glosses, common: crate::language::function_words(lang) })
    }

    /// What the words of a hit mean in English, if the file says.
    pub(crate) fn gloss(&self, hit: &Hit<Concept>) -> Option<&str> {
        self.glosses.get(hit.pattern as usize)?.as_deref()
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
