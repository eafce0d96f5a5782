//! The little language in which the lexicon files describe wordings, and its matcher.
//!
//! A pattern is a row of pieces. In spaced scripts a piece is one word; alternatives stand between
//! bars, a star opens a word's end (`tingl*`) or its start (`*ohnmacht`), a closing question mark
//! makes a piece optional, `..` skips up to three words and `...` up to six. In scripts without
//! spaces a piece is a run of characters, a space skips up to three and `..` up to ten.

mod anchors;
mod parse;
mod spelling;

use crate::text::Text;
use crate::vocabulary::{Vocabulary, place};
use anchors::{Anchors, Open};
use spelling::Spelling;
pub(crate) use spelling::{Attached, attached};

/// Why a pattern can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// Nothing stands in it.
    #[error("the pattern {0:?} has no words")]
    Empty(String),
    /// It begins with a gap or an optional piece, so nothing anchors it.
    #[error("the pattern {0:?} must begin with a word that is not optional")]
    Unanchored(String),
}

/// One unit of a pattern. Words are numbered, so that comparing two is comparing numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// The word of this number.
    Exact(u32),
    /// A word that begins with, ends in, or has in it the part of this number.
    Prefix(u32),
    Suffix(u32),
    Contains(u32),
}

/// A row of places in another list.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    /// The most units skipped before this piece.
    gap: u8,
    optional: bool,
    /// Each alternative is a run of units.
    alternatives: Span,
}

#[derive(Debug, Clone, Copy)]
struct Pattern<C> {
    concept: C,
    pieces: Span,
}

/// Where a concept was found: the units from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit<C> {
    pub(crate) concept: C,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The pattern, for its gloss.
    pub(crate) pattern: u32,
}

impl<C> Hit<C> {
    /// Whether it is only a part of what `other` matched.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        other.start <= self.start && self.end <= other.end && other.end - other.start > self.end - self.start
    }
}

/// The patterns of an entry in a lexicon file: parted by semicolons or line ends.
pub(crate) fn entries(patterns: &str) -> impl Iterator<Item = &str> {
    patterns.split([';', '\n']).map(str::trim).filter(|entry| !entry.is_empty())
}

/// Finds many patterns in a text at once.
///
/// Eleven languages have some ten thousand patterns each. They lie in a few flat lists: a list per
/// pattern, piece and alternative would be several times as large and slow to walk.
#[derive(Debug)]
pub(crate) struct Matcher<C> {
    unspaced: bool,
    patterns: Vec<Pattern<C>>,
    pieces: Vec<Piece>,
    runs: Vec<Span>,
    units: Vec<Unit>,
    /// The words of exact units, numbered.
    words: Vocabulary,
    /// The letters of open units, numbered.
    parts: Vocabulary,
    /// Patterns by their first unit and, where it follows in the same run, the second one.
    exact: Anchors<(u32, u32)>,
    /// Patterns by what their first unit begins with.
    prefix: Open,
    /// Patterns by what their first unit ends in.
    suffix: Open,
    /// Patterns whose first unit has this anywhere.
    contains: Vec<(u32, u32)>,
    /// What words are when they are written otherwise than in the patterns.
    spelling: Spelling,
}

/// A unit of a text as the patterns see it.
struct Token<'t> {
    text: &'t str,
    /// Its number, if some pattern has it as a whole word.
    number: u32,
    /// The word of the patterns that it stands for, by number and letters.
    meant: Option<(u32, &'t str)>,
}

impl Token<'_> {
    /// The number of the word it stands for.
    fn meant(&self) -> u32 {
        self.meant.map_or(NO_WORD, |(number, _)| number)
    }
}

/// The number that no word has.
const NO_WORD: u32 = u32::MAX;

impl<C: Copy + PartialEq> Matcher<C> {
    /// A matcher without patterns, for scripts with or without spaces between words.
    pub(crate) fn new(unspaced: bool) -> Self {
        Self {
            unspaced,
            patterns: Vec::new(),
            pieces: Vec::new(),
            runs: Vec::new(),
            units: Vec::new(),
            words: Vocabulary::default(),
            parts: Vocabulary::default(),
            exact: Anchors::default(),
            prefix: Open::default(),
            suffix: Open::default(),
            contains: Vec::new(),
            spelling: Spelling::default(),
        }
    }

    /// The same for a language that writes small words on others.
    pub(crate) fn with_attached(mut self, attached: Attached) -> Self {
        self.spelling.attached = attached;
        self
    }

    /// Adds a pattern; [`Self::complete`] makes it count. Its longer words are then found with one letter wrong, too,
    /// when `typos`. Gives the pattern's number.
    pub(crate) fn add(&mut self, concept: C, source: &str, typos: bool) -> Result<u32, PatternError> {
        let from = self.pieces.len();
        if let Err(error) = self.parse(source, typos) {
            self.pieces.truncate(from);
            return Err(error);
        }
        let id = place(self.patterns.len());
        let pieces = Span { from: place(from), to: place(self.pieces.len()) };
        let first = pieces.of(&self.pieces).first().map_or(Span::default(), |piece| piece.alternatives);
        for run in first.of(&self.runs) {
            let run = run.of(&self.units);
            let Some(first) = run.first() else { continue };
            match *first {
                Unit::Exact(word) => {
                    let next = if let Some(Unit::Exact(next)) = run.get(1) { *next } else { NO_WORD };
                    self.exact.add((word, next), id);
                }
                Unit::Prefix(start) => self.prefix.add(start, self.parts.word(start), id),
                Unit::Suffix(end) => self.suffix.add(end, self.parts.word(end), id),
                Unit::Contains(part) => self.contains.push((part, id)),
            }
        }
        self.patterns.push(Pattern { concept, pieces });
        Ok(id)
    }

    /// No more patterns come: sorts them, and gives back the memory kept for more. Nothing is found before.
    pub(crate) fn complete(&mut self) {
        self.patterns.shrink_to_fit();
        self.pieces.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.units.shrink_to_fit();
        self.words.complete();
        self.parts.complete();
        self.exact.complete();
        self.prefix.complete();
        self.suffix.complete();
        self.spelling.complete();
    }

    /// All places where patterns match. `common` words are never taken for misspellings.
    pub(crate) fn find(&self, text: &Text, common: &dyn Fn(&str) -> bool) -> Vec<Hit<C>> {
        let tokens: Vec<Token<'_>> = text.units.iter().map(|unit| self.token(unit, common)).collect();
        let mut hits = Vec::new();
        let mut candidates = Vec::new();
        for (start, token) in tokens.iter().enumerate() {
            let mut last = None;
            candidates.clear();
            self.candidates(token, tokens.get(start + 1), &mut candidates);
            for &id in &candidates {
                if last == Some(id) {
                    continue;
                }
                last = Some(id);
                let Some(pattern) = self.patterns.get(id as usize) else { continue };
                if let Some(end) = self.match_from(pattern.pieces.of(&self.pieces), &tokens, start) {
                    hits.push(Hit { concept: pattern.concept, start, end, pattern: id });
                }
            }
        }
        hits
    }

    fn token<'t>(&'t self, unit: &'t str, common: &dyn Fn(&str) -> bool) -> Token<'t> {
        let number = self.words.find(unit).unwrap_or(NO_WORD);
        let known = |word: &str| self.words.find(word);
        let other = number == NO_WORD && !common(unit);
        let meant = if other { self.spelling.meant(unit, known) } else { None };
        Token { text: unit, number, meant }
    }

    /// The patterns that may begin at a token: those of the word as it is spelled, then of the one that is
    /// meant, then those with an open beginning or end, each in their own order.
    fn candidates(&self, token: &Token<'_>, next: Option<&Token<'_>>, found: &mut Vec<u32>) {
        for first in [token.number, token.meant()] {
            if first == NO_WORD {
                continue;
            }
            let from = found.len();
            let (number, meant) = next.map_or((NO_WORD, NO_WORD), |next| (next.number, next.meant()));
            found.extend(self.exact.of((first, NO_WORD)));
            for second in [number, meant].into_iter().filter(|second| *second != NO_WORD) {
                found.extend(self.exact.of((first, second)));
            }
            sort_from(found, from);
        }
        let spellings = || std::iter::once(token.text).chain(token.meant.map(|(_, word)| word));
        let from = found.len();
        spellings().for_each(|word| self.prefix.beginning(&self.parts, word, found));
        sort_from(found, from);
        let from = found.len();
        for word in spellings() {
            self.suffix.ending(&self.parts, word, found);
            found.extend(
                self.contains.iter().filter(|(part, _)| word.contains(self.parts.word(*part))).map(|(_, id)| id),
            );
        }
        sort_from(found, from);
    }

    /// The end of a match of `pieces` that begins at `at`.
    fn match_from(&self, pieces: &[Piece], tokens: &[Token<'_>], at: usize) -> Option<usize> {
        let Some((piece, rest)) = pieces.split_first() else { return Some(at) };
        for skipped in 0..=usize::from(piece.gap) {
            let from = at + skipped;
            if from >= tokens.len() {
                break;
            }
            for run in piece.alternatives.of(&self.runs) {
                let run = run.of(&self.units);
                let fits = run
                    .iter()
                    .enumerate()
                    .all(|(i, unit)| tokens.get(from + i).is_some_and(|token| self.fits(*unit, token)));
                if fits && let Some(end) = self.match_from(rest, tokens, from + run.len()) {
                    return Some(end);
                }
            }
        }
        if piece.optional { self.match_from(rest, tokens, at) } else { None }
    }

    fn fits(&self, unit: Unit, token: &Token<'_>) -> bool {
        let spelled = |fits: fn(&str, &str) -> bool, part: u32| {
            let part = self.parts.word(part);
            fits(token.text, part) || token.meant.is_some_and(|(_, word)| fits(word, part))
        };
        match unit {
            Unit::Exact(word) => token.number == word || token.meant() == word,
            Unit::Prefix(start) => spelled(|word, part| word.starts_with(part), start),
            Unit::Suffix(end) => spelled(|word, part| word.ends_with(part), end),
            Unit::Contains(part) => spelled(|word, part| word.contains(part), part),
        }
    }
}

fn sort_from(ids: &mut [u32], from: usize) {
    if let Some(ids) = ids.get_mut(from..) {
        ids.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(unspaced: bool, pattern: &str, text: &str) -> bool {
        let mut matcher = Matcher::new(unspaced);
        matcher.add((), pattern, true).unwrap();
        matcher.complete();
        !matcher.find(&Text::new(text), &|_| false).is_empty()
    }

    #[test]
    fn words_gaps_and_options() {
        assert!(found(false, "cant .. feel .. legs|arms", "he can't really feel both his legs"));
        assert!(!found(false, "cant .. feel", "he can't go and have some feel"));
        assert!(found(false, "after the? dive", "after dive"));
        assert!(found(false, "tingl*", "tingly feet"));
        assert!(found(false, "*schmerzen", "Gelenkschmerzen"));
        assert!(!found(false, "numb", "number"));
    }

    #[test]
    fn runs_of_characters() {
        assert!(found(true, "手|脚 麻", "我的手有点麻"));
        assert!(!found(true, "手麻", "手有点麻"));
        assert!(found(true, "padi", "PADIの講習"));
    }

    #[test]
    fn patterns_need_an_anchor() {
        let mut matcher = Matcher::new(false);
        assert!(matcher.add((), ".. dive", true).is_err());
        assert!(matcher.add((), "the? dive", true).is_err());
        assert!(matcher.add((), "  ", true).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_read_or_refused(source in ".{0,40}", text in ".{0,80}") {
            for unspaced in [false, true] {
                let mut matcher = Matcher::new(unspaced);
                if matcher.add((), &source, true).is_ok() {
                    matcher.complete();
                    let _ = matcher.find(&Text::new(&text), &|_| false);
                }
            }
        }
    }
}
