//! The documents' words for what a message says: slang and short forms in English, the English meaning elsewhere.

use dovvybuddy_core::Lang;

use crate::by_language::ByLanguage;
use crate::language;
use crate::pattern::{self, Matcher, PatternError};
use crate::text::{self, Text};

const TABLE: &str = include_str!("../lexicon/search.tsv");

/// One language's column of the table.
#[derive(Debug)]
struct Column {
    matcher: Matcher<()>,
    /// The documents' words for each pattern.
    words: Vec<&'static str>,
}

/// A wording of the table in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The units it takes, from the first up to, not including, the last.
    pub(super) units: (usize, usize),
    /// What documents say for it.
    pub(super) words: &'static str,
}

/// The wordings of the table that a text in this language has, in its order. Of two that overlap the longer stands.
pub(super) fn find(text: &Text, lang: Lang) -> Vec<Found> {
    let Some(column) = column(lang) else { return Vec::new() };
    let common = language::function_words(lang);
    let hits = column.matcher.find(text, &|word| common.contains(word));
    let mut found: Vec<Found> = Vec::new();
    for hit in hits.iter().filter(|hit| !hits.iter().any(|other| hit.is_inside(other))) {
        let words = column.words.get(hit.pattern as usize).copied().unwrap_or_default();
        if !found.iter().any(|known| known.words == words) {
            found.push(Found { units: (hit.start, hit.end), words });
        }
    }
    found.sort_by_key(|found| found.units);
    found
}

/// The column of a language; read at first use, then shared.
fn column(lang: Lang) -> Option<&'static Column> {
    static COLUMNS: ByLanguage<Option<Column>> = ByLanguage::new();
    // Without it the search goes by the message's words.
    COLUMNS.load(lang, "search words", read)
}

fn read(lang: Lang) -> Result<Column, PatternError> {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let header = lines.next().unwrap_or_default();
    let at = header.split('\t').position(|code| code == lang.code()).unwrap_or(usize::MAX);
    let mut column = Column {
        matcher: Matcher::new(text::unspaced(lang)).with_attached(pattern::attached(lang)),
        words: Vec::new(),
    };
    for line in lines {
        let words = line.split('\t').next().unwrap_or_default();
        let cell = line.split('\t').nth(at).unwrap_or_default();
        for pattern in cell.split(';').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            column.matcher.add((), pattern, false)?;
            column.words.push(words);
        }
    }
    column.matcher.complete();
    Ok(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, lang: Lang) -> Vec<&'static str> {
        find(&Text::new(text), lang).iter().map(|found| found.words).collect()
    }

    #[test]
    fn every_column_is_read_and_every_row_is_whole() {
        for lang in Lang::ALL {
            let column = read(lang).unwrap();
            assert!(lang == Lang::En || column.words.len() > 90, "{lang:?} has {}", column.words.len());
        }
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split('\t').count(), 1 + Lang::ALL.len(), "{line}");
        }
    }

    #[test]
    fn what_is_said_is_found_under_the_documents_words() {
        assert_eq!(words("at what depth do people start getting narked", Lang::En), ["nitrogen narcosis"]);
        assert_eq!(words("¿qué presión hay a 20 metros?", Lang::Es), ["pressure depth"]);
        assert_eq!(words("quanta aria consumo a 30 metri", Lang::It), ["air", "gas consumption breathing"]);
        assert_eq!(words("كم نسبة الأكسجين في الهواء", Lang::Ar), ["percentage percent", "oxygen", "air"]);
        assert_eq!(words("世界上最大的鱼是什么鱼", Lang::Zh), ["whale shark largest fish"]);
    }

    #[test]
    fn the_longer_wording_stands() {
        assert_eq!(words("quelle est la pression partielle", Lang::Fr), ["oxygen partial pressure"]);
    }
}
