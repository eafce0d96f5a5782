//! The fixed sentences, one file per language.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use dovvybuddy_core::Lang;
use dovvybuddy_core::agent::{Phrase, Voice};
use minijinja::{Environment, context};

use crate::Operator;
use crate::by_language::file_of;

/// Why the phrases can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PhraseError {
    /// The file is no TOML of `key = "sentence"`; the message names the line.
    #[error("{file}: {source}")]
    Toml {
        /// The file.
        file: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// The file has a key that is no phrase.
    #[error("{file}: there is no phrase {key:?}; the phrases are {known}")]
    Unknown {
        /// The file.
        file: String,
        /// The unknown key.
        key: String,
        /// All that are known.
        known: String,
    },
    /// A sentence's template is wrong.
    #[error("{file}: {key}: {source}")]
    Template {
        /// The file.
        file: String,
        /// The phrase.
        key: String,
        /// What is wrong.
        source: minijinja::Error,
    },
    /// The file is there but can't be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Every fixed sentence in every language, with the operator filled in.
#[derive(Debug)]
pub struct PhraseBook {
    sentences: RwLock<Sentences>,
}

type Sentences = HashMap<(Lang, Phrase), String>;

impl PhraseBook {
    /// The compiled-in sentences, overridden by those in `dir` (the prompts directory; files
    /// `phrases/<lang>.toml`, each of which may hold only some).
    pub fn load(dir: Option<&Path>, operator: &Operator) -> Result<Self, PhraseError> {
        Ok(Self { sentences: RwLock::new(Self::read(dir, operator)?) })
    }

    /// Reads the files again. On an error what was loaded before stays in use.
    ///
    /// # Errors
    /// As [`PhraseBook::load`].
    pub fn reload(&self, dir: Option<&Path>, operator: &Operator) -> Result<(), PhraseError> {
        let sentences = Self::read(dir, operator)?;
        *self.sentences.write().unwrap_or_else(PoisonError::into_inner) = sentences;
        Ok(())
    }

    fn read(dir: Option<&Path>, operator: &Operator) -> Result<Sentences, PhraseError> {
        let mut sentences = HashMap::new();
        for lang in Lang::ALL {
            let name = format!("phrases/{}.toml", lang.code());
            fill(&mut sentences, lang, &name, file_of!(lang, "../../prompts/phrases/"), operator)?;
            if let Some(path) = dir.map(|dir| dir.join(&name)).filter(|path| path.exists()) {
                let file = path.display().to_string();
                let source =
                    std::fs::read_to_string(&path).map_err(|source| PhraseError::Io { file: file.clone(), source })?;
                fill(&mut sentences, lang, &file, &source, operator)?;
            }
        }
        Ok(sentences)
    }
}

impl Voice for PhraseBook {
    fn say(&self, phrase: Phrase, lang: Lang) -> String {
        let sentences = self.sentences.read().unwrap_or_else(PoisonError::into_inner);
        sentences.get(&(lang, phrase)).or_else(|| sentences.get(&(Lang::En, phrase))).cloned().unwrap_or_default()
    }
}

fn fill(
    sentences: &mut HashMap<(Lang, Phrase), String>,
    lang: Lang,
    file: &str,
    source: &str,
    operator: &Operator,
) -> Result<(), PhraseError> {
    let entries: BTreeMap<String, String> = toml::from_str(source)
        .map_err(|source| PhraseError::Toml { file: file.to_owned(), source: Box::new(source) })?;
    let environment = Environment::new();
    for (key, template) in entries {
        let Some(phrase) = Phrase::ALL.into_iter().find(|phrase| phrase.key() == key) else {
            let known = Phrase::ALL.map(Phrase::key).join(", ");
            return Err(PhraseError::Unknown { file: file.to_owned(), key, known });
        };
        let operator = context! { name => &operator.name, contact => &operator.contact };
        let sentence = environment
            .render_str(&template, context! { operator })
            .map_err(|source| PhraseError::Template { file: file.to_owned(), key, source })?;
        sentences.insert((lang, phrase), sentence.trim().to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator() -> Operator {
        Operator { name: Some("Blue Corner".into()), contact: Some("+62 361 000".into()), ..Default::default() }
    }

    #[test]
    fn every_phrase_stands_in_every_language_with_and_without_an_operator() {
        for operator in [Operator::default(), operator()] {
            let book = PhraseBook::load(None, &operator).unwrap();
            for lang in Lang::ALL {
                for phrase in Phrase::ALL {
                    let sentences = book.sentences.read().unwrap();
                    let sentence = sentences.get(&(lang, phrase)).map(String::as_str).unwrap_or_default();
                    assert!(!sentence.is_empty(), "{} {}", lang.code(), phrase.key());
                    for bad in ["{{", "{%", "  ", "none", "()", " ."] {
                        assert!(!sentence.contains(bad), "{} {}: {sentence}", lang.code(), phrase.key());
                    }
                }
            }
        }
    }

    #[test]
    fn the_operator_is_named_where_the_question_is_the_operators() {
        let book = PhraseBook::load(None, &operator()).unwrap();
        for lang in Lang::ALL {
            assert!(book.say(Phrase::AskOperator, lang).contains("+62 361 000"), "{}", lang.code());
        }
    }

    #[test]
    fn handing_over_is_offered_only_where_it_is_meant() {
        let book = PhraseBook::load(None, &operator()).unwrap();
        for phrase in Phrase::ALL {
            let sentence = book.say(phrase, Lang::En).to_lowercase();
            let offers = sentence.contains("connect you") || sentence.contains("recommend a shop");
            assert!(!offers || phrase == Phrase::WorryNextStep, "{}", phrase.key());
        }
    }

    #[test]
    fn a_directory_overrides_single_sentences_and_errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("phrases")).unwrap();
        let file = dir.path().join("phrases/en.toml");
        std::fs::write(&file, "greeting = \"Ahoy from {{ operator.name }}!\"\n").unwrap();
        let book = PhraseBook::load(Some(dir.path()), &operator()).unwrap();
        assert_eq!(book.say(Phrase::Greeting, Lang::En), "Ahoy from Blue Corner!");
        assert!(!book.say(Phrase::Thanks, Lang::En).is_empty());
        std::fs::write(&file, "gretting = \"Ahoy\"\n").unwrap();
        let error = PhraseBook::load(Some(dir.path()), &operator()).unwrap_err().to_string();
        assert!(error.contains("en.toml") && error.contains("gretting"), "{error}");
    }
}
