//! Reading the parameters of an address, and naming what is wrong with them.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::Place;

use crate::error::{ApiError, FieldError};
use crate::passages::parameter;

/// The longest parameter that is looked at, in bytes.
const LONGEST: usize = 200;

/// Parameters that are taken one by one.
pub(crate) struct Parameters {
    query: String,
    errors: Vec<FieldError>,
}

impl Parameters {
    pub(crate) fn new(query: Option<String>) -> Self {
        Self { query: query.unwrap_or_default(), errors: Vec::new() }
    }

    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: name.to_owned(), message: message.into() });
    }

    /// A word; empty counts as absent.
    pub(crate) fn word(&mut self, name: &str) -> Option<String> {
        let word = parameter(&self.query, name).filter(|word| !word.is_empty())?;
        if word.len() > LONGEST {
            self.wrong(name, format!("must be at most {LONGEST} bytes long"));
            return None;
        }
        Some(word.replace('\0', "\u{fffd}"))
    }

    /// A yes or no; absent is no.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.word(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.wrong(name, "must be true or false");
                false
            }
        }
    }

    /// A whole number between two bounds, or `usual`.
    pub(crate) fn number(&mut self, name: &str, least: usize, most: usize, usual: usize) -> usize {
        match self.word(name).map(|word| word.parse()) {
            None => usual,
            Some(Ok(number)) if (least..=most).contains(&number) => number,
            Some(_) => {
                self.wrong(name, format!("must be a whole number between {least} and {most}"));
                usual
            }
        }
    }

    /// A row's number, as an earlier answer told it.
    pub(crate) fn row(&mut self, name: &str) -> Option<i64> {
        let row = self.word(name)?.parse().ok();
        if row.is_none() {
            self.wrong(name, "must be a cursor of an earlier answer");
        }
        row
    }

    /// Where a list of conversations goes on.
    pub(crate) fn place(&mut self, name: &str) -> Option<Place> {
        let word = self.word(name)?;
        let place = word.split_once('.').and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)));
        if place.is_none() {
            self.wrong(name, "must be a cursor of an earlier answer");
        }
        place.map(|(at, number)| Place { updated_at: Timestamp::from_millis(at), number })
    }

    /// One of some words, or the first of them.
    pub(crate) fn choice(&mut self, name: &str, words: &'static [&'static str]) -> &'static str {
        let usual = words.first().copied().unwrap_or_default();
        let Some(given) = self.word(name) else { return usual };
        if let Some(word) = words.iter().find(|word| **word == given) {
            return word;
        }
        self.wrong(name, format!("must be one of {}", words.join(", ")));
        usual
    }

    /// Everything that was wrong, if anything was.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.errors)) }
    }
}

/// The inverse of [`Parameters::place`].
pub(crate) fn place_word(place: Place) -> String {
    format!("{}.{}", place.updated_at.as_millis(), place.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_and_what_is_absent_is_usual() {
        let mut asked = Parameters::new(Some("limit=0&paused=yes&cursor=x&format=pdf&channel=web&agent=".into()));
        assert_eq!(asked.number("limit", 1, 9, 5), 5);
        assert!(!asked.flag("paused"));
        assert_eq!(asked.place("cursor"), None);
        assert_eq!(asked.choice("format", &["jsonl", "csv"]), "jsonl");
        assert_eq!((asked.word("channel").as_deref(), asked.word("agent")), (Some("web"), None));
        let Err(ApiError::Invalid(errors)) = asked.finish() else { panic!("four errors") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["limit", "paused", "cursor", "format"]);
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { updated_at: Timestamp::from_millis(1_700_000_000_123), number: 7 };
        let query = format!("cursor={}", place_word(place));
        assert_eq!(Parameters::new(Some(query)).place("cursor"), Some(place));
        for odd in ["cursor=9223372036854775808.1", "cursor=1.2.3", "cursor=-", "cursor=%ff.1"] {
            assert_eq!(Parameters::new(Some(odd.into())).place("cursor"), None, "{odd}");
        }
        let far = Parameters::new(Some("cursor=9223372036854775807.-9".into())).place("cursor");
        assert!(far.is_some(), "far away, and still a place");
    }
}
