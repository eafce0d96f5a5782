//! The little language in which the lexicon files describe wordings, and its matcher.
//!
//! A pattern is a row of pieces. In spaced scripts a piece is one word; alternatives stand between
//! bars, a star opens a word's end (`tingl*`) or its start (`*ohnmacht`), a closing question mark
//! makes a piece optional, `..` skips up to three words and `...` up to six. In scripts without
//! spaces a piece is a run of characters, a space skips up to three and `..` up to ten.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::text::{self, Text};

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
    words: HashMap<Box<str>, u32>,
    /// The letters of open units.
    parts: Vec<Box<str>>,
    /// Patterns by their first unit and, where it follows in the same run, the second one.
    exact: HashMap<(u32, u32), Vec<u32>>,
    /// Patterns by what their first unit begins with.
    prefix: Open,
    /// Patterns by what their first unit ends in.
    suffix: Open,
    /// Patterns whose first unit has this anywhere.
    contains: Vec<(u32, u32)>,
    /// The longer words of the patterns, which may be misspelt, by their first letter: that is seldom wrong.
    longer: BTreeMap<u8, Vec<Longer>>,
    /// The numbers of those, while patterns are added.
    seen: HashSet<u32>,
}

/// Patterns by letters that their first unit begins with or ends in.
#[derive(Debug, Default)]
struct Open {
    patterns: HashMap<Box<str>, Vec<u32>>,
    /// The most bytes any of them has.
    longest: usize,
}

impl Open {
    fn add(&mut self, part: &str, id: u32) {
        self.longest = self.longest.max(part.len());
        push_once(self.patterns.entry(part.into()).or_default(), id);
    }

    fn find(&self, part: &str, found: &mut Vec<u32>) {
        found.extend(self.patterns.get(part).into_iter().flatten());
    }

    fn beginning(&self, word: &str, found: &mut Vec<u32>) {
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.longest);
        ends.filter_map(|end| word.get(..end)).for_each(|part| self.find(part, found));
    }

    fn ending(&self, word: &str, found: &mut Vec<u32>) {
        let starts = word.char_indices().rev().map(|(at, _)| at).take_while(|at| word.len() - at <= self.longest);
        starts.filter_map(|at| word.get(at..)).for_each(|part| self.find(part, found));
    }
}

/// A word that is understood with one letter wrong.
#[derive(Debug)]
struct Longer {
    number: u32,
    /// Which letters it has, a bit each.
    letters: u32,
    text: Box<str>,
}

/// A unit of a text as the patterns see it.
struct Token<'t> {
    text: &'t str,
    /// Its number, if some pattern has it as a whole word.
    number: u32,
    /// What it is a misspelling of.
    meant: Option<&'t Longer>,
}

impl Token<'_> {
    /// The number of the word it is a misspelling of.
    fn meant(&self) -> u32 {
        self.meant.map_or(NO_WORD, |longer| longer.number)
    }
}

/// Words shorter than this are never taken for a misspelling of another.
const SHORTEST_TYPO: usize = 6;

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
            words: HashMap::new(),
            parts: Vec::new(),
            exact: HashMap::new(),
            prefix: Open::default(),
            suffix: Open::default(),
            contains: Vec::new(),
            longer: BTreeMap::new(),
            seen: HashSet::new(),
        }
    }

    /// Adds a pattern. Its longer words are then found with one letter wrong, too, when `typos`.
    pub(crate) fn add(&mut self, concept: C, source: &str, typos: bool) -> Result<(), PatternError> {
        let from = self.pieces.len();
        if let Err(error) = self.parse(source, typos) {
            self.pieces.truncate(from);
            return Err(error);
        }
        let id = number(self.patterns.len());
        let pieces = Span { from: number(from), to: number(self.pieces.len()) };
        let first = pieces.of(&self.pieces).first().map_or(Span::default(), |piece| piece.alternatives);
        for run in first.of(&self.runs) {
            let run = run.of(&self.units);
            let Some(first) = run.first() else { continue };
            let part = |part: u32| self.parts.get(part as usize).map_or("", |part| &**part);
            match *first {
                Unit::Exact(word) => {
                    let next = if let Some(Unit::Exact(next)) = run.get(1) { *next } else { NO_WORD };
                    push_once(self.exact.entry((word, next)).or_default(), id);
                }
                Unit::Prefix(start) => self.prefix.add(part(start), id),
                Unit::Suffix(end) => self.suffix.add(part(end), id),
                Unit::Contains(part) => self.contains.push((part, id)),
            }
        }
        self.patterns.push(Pattern { concept, pieces });
        Ok(())
    }

    /// No more patterns come: gives back the memory kept for them.
    pub(crate) fn complete(&mut self) {
        self.seen = HashSet::new();
        self.patterns.shrink_to_fit();
        self.pieces.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.units.shrink_to_fit();
        self.words.shrink_to_fit();
        self.parts.shrink_to_fit();
        let open = self.prefix.patterns.values_mut().chain(self.suffix.patterns.values_mut());
        self.exact.values_mut().chain(open).for_each(Vec::shrink_to_fit);
        self.longer.values_mut().for_each(Vec::shrink_to_fit);
    }

    /// Appends the pieces of a pattern.
    fn parse(&mut self, source: &str, typos: bool) -> Result<(), PatternError> {
        let (small, large) = if self.unspaced { (3, 10) } else { (0, 3) };
        let mut gap = small;
        let mut empty = true;
        for word in source.split_whitespace() {
            match word {
                ".." => gap = large,
                "..." => gap = large * 2,
                _ => {
                    let optional = word.len() > 1 && word.ends_with('?');
                    let from = number(self.runs.len());
                    for alternative in word.trim_end_matches('?').split('|') {
                        self.parse_run(alternative, typos);
                    }
                    let alternatives = Span { from, to: number(self.runs.len()) };
                    if alternatives.of(&self.runs).is_empty() {
                        continue;
                    }
                    if empty && (optional || gap != small) {
                        return Err(PatternError::Unanchored(source.to_owned()));
                    }
                    self.pieces.push(Piece { gap: if empty { 0 } else { gap }, optional, alternatives });
                    gap = small;
                    empty = false;
                }
            }
        }
        if empty { Err(PatternError::Empty(source.to_owned())) } else { Ok(()) }
    }

    /// Appends one alternative of a piece. Text is folded the way messages are.
    fn parse_run(&mut self, source: &str, typos: bool) {
        let (open_start, rest) = source.strip_prefix('*').map_or((false, source), |rest| (true, rest));
        let (open_end, word) = rest.strip_suffix('*').map_or((false, rest), |rest| (true, rest));
        let from = number(self.units.len());
        let words = Text::new(word).units;
        let last = words.len().saturating_sub(1);
        for (at, word) in words.iter().enumerate() {
            let (starts_open, ends_open) = (open_start && at == 0, open_end && at == last);
            let unit = match (starts_open, ends_open) {
                (false, false) => Unit::Exact(self.word(word, typos)),
                (false, true) => Unit::Prefix(self.part(word)),
                // Of a run of several units only the end is open.
                (true, false) if open_end => Unit::Exact(self.word(word, typos)),
                (true, false) => Unit::Suffix(self.part(word)),
                (true, true) => Unit::Contains(self.part(word)),
            };
            self.units.push(unit);
        }
        let to = number(self.units.len());
        if to > from {
            self.runs.push(Span { from, to });
        }
        // An open Arabic word that begins like "and" is cut in two in messages, once it is long enough.
        if open_end
            && !open_start
            && let [word] = words.as_slice()
            && let Some(rest) = word.strip_prefix(text::AND).filter(|rest| !rest.is_empty())
        {
            let units = [Unit::Exact(self.word(&text::AND.to_string(), false)), Unit::Prefix(self.part(rest))];
            let from = number(self.units.len());
            self.units.extend(units);
            self.runs.push(Span { from, to: number(self.units.len()) });
        }
    }

    /// The number of an exact word.
    fn word(&mut self, word: &str, typos: bool) -> u32 {
        let next = number(self.words.len());
        let number = *self.words.entry(word.into()).or_insert(next);
        if typos
            && word.is_ascii()
            && word.len() >= SHORTEST_TYPO
            && let Some(first) = word.bytes().next()
            && self.seen.insert(number)
        {
            let longer = Longer { number, letters: letters(word), text: word.into() };
            self.longer.entry(first).or_default().push(longer);
        }
        number
    }

    fn part(&mut self, part: &str) -> u32 {
        self.parts.push(part.into());
        number(self.parts.len() - 1)
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
        let number = self.words.get(unit).copied().unwrap_or(NO_WORD);
        let meant = if number == NO_WORD && !common(unit) { self.correct(unit) } else { None };
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
            found.extend(self.exact.get(&(first, NO_WORD)).into_iter().flatten());
            for second in [number, meant].into_iter().filter(|second| *second != NO_WORD) {
                found.extend(self.exact.get(&(first, second)).into_iter().flatten());
            }
            sort_from(found, from);
        }
        let spellings = || std::iter::once(token.text).chain(token.meant.map(|longer| &*longer.text));
        let from = found.len();
        spellings().for_each(|word| self.prefix.beginning(word, found));
        sort_from(found, from);
        let from = found.len();
        for word in spellings() {
            self.suffix.ending(word, found);
            found.extend(
                self.contains.iter().filter(|(part, _)| word.contains(self.letters_of(*part))).map(|(_, id)| id),
            );
        }
        sort_from(found, from);
    }

    fn letters_of(&self, part: u32) -> &str {
        self.parts.get(part as usize).map_or("", |part| &**part)
    }

    /// The pattern word that `word`, which is in no pattern, misspells by one letter: first one that has a
    /// letter more, then one that differs in an earlier letter.
    fn correct(&self, word: &str) -> Option<&Longer> {
        if word.len() + 1 < SHORTEST_TYPO || !word.is_ascii() {
            return None;
        }
        let letters = letters(word);
        let known = self.longer.get(&word.bytes().next()?)?;
        let close = known.iter().filter(|longer| {
            matches!(longer.text.len().wrapping_sub(word.len()), 0 | 1)
                && (longer.letters ^ letters).count_ones() <= 2
                && one_edit_apart(word, &longer.text)
        });
        // Of several that are equally near, the first.
        let slips = close.filter_map(|longer| Some((slip(word, &longer.text)?, longer)));
        slips.min_by_key(|(slip, _)| *slip).map(|(_, longer)| longer)
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
            let part = self.letters_of(part);
            fits(token.text, part) || token.meant.is_some_and(|longer| fits(&longer.text, part))
        };
        match unit {
            Unit::Exact(word) => token.number == word || token.meant() == word,
            Unit::Prefix(start) => spelled(|word, part| word.starts_with(part), start),
            Unit::Suffix(end) => spelled(|word, part| word.ends_with(part), end),
            Unit::Contains(part) => spelled(|word, part| word.contains(part), part),
        }
    }
}

/// A place in a list as it is stored; there are far fewer than four thousand million.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn push_once(ids: &mut Vec<u32>, id: u32) {
    if ids.last() != Some(&id) {
        ids.push(id);
    }
}

fn sort_from(ids: &mut [u32], from: usize) {
    if let Some(ids) = ids.get_mut(from..) {
        ids.sort_unstable();
    }
}

/// Which letters a word has, a bit each.
fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |letters, byte| letters | 1 << (byte & 31))
}

/// How unlikely it is that `word` is `known` with one letter wrong: 0 where a letter is left out, else the
/// earliest letter that may be taken out of `word` to give what `known` is without one. `None`: it is not.
fn slip(word: &str, known: &str) -> Option<usize> {
    let shorter = deletions(known);
    if known.len() > word.len() {
        return shorter.iter().any(|spelling| spelling == word).then_some(0);
    }
    deletions(word).iter().position(|spelling| shorter.contains(spelling)).map(|at| at + 1)
}

/// `word` with each single letter taken out, the first one excepted: first letters are seldom wrong.
fn deletions(word: &str) -> Vec<String> {
    word.char_indices()
        .skip(1)
        .map(|(at, c)| {
            let mut shorter = String::with_capacity(word.len());
            shorter.push_str(word.get(..at).unwrap_or_default());
            shorter.push_str(word.get(at + c.len_utf8()..).unwrap_or_default());
            shorter
        })
        .collect()
}

/// Whether one letter was added, left out, changed, or swapped with its neighbour.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let (a, b) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if b.len() - a.len() > 1 {
        return false;
    }
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let left = a.len().saturating_sub(start + end);
    if left <= 1 {
        return true;
    }
    a.len() == b.len() && left == 2 && a.get(start) == b.get(start + 1) && a.get(start + 1) == b.get(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(unspaced: bool, pattern: &str, text: &str) -> bool {
        let mut matcher = Matcher::new(unspaced);
        matcher.add((), pattern, true).unwrap();
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
    fn one_letter_wrong_is_understood_in_longer_words() {
        assert!(found(false, "unconscious", "he is unconcious"));
        assert!(found(false, "breathing", "not braething"));
        assert!(!found(false, "numb", "dumb"));
        assert!(!found(false, "rascasse", "ramasse"), "a letter for two is no slip");
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
        fn edits_are_symmetric(a in "[a-c]{1,7}", b in "[a-c]{1,7}") {
            proptest::prop_assert_eq!(one_edit_apart(&a, &b), one_edit_apart(&b, &a));
        }

        #[test]
        fn any_pattern_is_read_or_refused(source in ".{0,40}", text in ".{0,80}") {
            for unspaced in [false, true] {
                let mut matcher = Matcher::new(unspaced);
                if matcher.add((), &source, true).is_ok() {
                    let _ = matcher.find(&Text::new(&text), &|_| false);
                }
            }
        }
    }
}
