//! The little language in which the lexicon files describe wordings, and its matcher.
//!
//! A pattern is a row of pieces. In spaced scripts a piece is one word; alternatives stand between
//! bars, a star opens a word's end (`tingl*`) or its start (`*ohnmacht`), a closing question mark
//! makes a piece optional, `..` skips up to three words and `...` up to six. In scripts without
//! spaces a piece is a run of characters, a space skips up to three and `..` up to ten.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

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

/// One unit of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
}

impl Unit {
    fn matches(&self, unit: &str) -> bool {
        match self {
            Self::Exact(word) => word == unit,
            Self::Prefix(start) => unit.starts_with(start.as_str()),
            Self::Suffix(end) => unit.ends_with(end.as_str()),
            Self::Contains(part) => unit.contains(part.as_str()),
        }
    }
}

#[derive(Debug, Clone)]
struct Piece {
    /// The most units skipped before this piece.
    gap: usize,
    optional: bool,
    /// Each alternative is a run of units.
    alternatives: Vec<Vec<Unit>>,
}

#[derive(Debug, Clone)]
struct Pattern<C> {
    concept: C,
    pieces: Vec<Piece>,
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
#[derive(Debug)]
pub(crate) struct Matcher<C> {
    unspaced: bool,
    patterns: Vec<Pattern<C>>,
    exact: HashMap<String, Vec<u32>>,
    /// Patterns whose first unit is a prefix, by its first character.
    prefix: HashMap<char, Vec<u32>>,
    /// Patterns whose first unit may begin anywhere in a word.
    open: Vec<u32>,
    /// The longer words of the patterns, which may be misspelt.
    longer: IndexedWords,
    /// The places in `longer` of the words that give a spelling when one letter is taken out, by the
    /// spelling's hash: there are a hundred thousand of them, too many to keep as text.
    deletions: BTreeSet<(u64, u32)>,
    known: HashSet<String>,
}

/// Words shorter than this are never taken for a misspelling of another.
const SHORTEST_TYPO: usize = 6;

impl<C: Copy + PartialEq> Matcher<C> {
    /// A matcher without patterns, for scripts with or without spaces between words.
    pub(crate) fn new(unspaced: bool) -> Self {
        Self {
            unspaced,
            patterns: Vec::new(),
            exact: HashMap::new(),
            prefix: HashMap::new(),
            open: Vec::new(),
            longer: IndexedWords::default(),
            deletions: BTreeSet::new(),
            known: HashSet::new(),
        }
    }

    /// Adds a pattern. Its longer words are then found with one letter wrong, too, when `typos`.
    pub(crate) fn add(&mut self, concept: C, source: &str, typos: bool) -> Result<(), PatternError> {
        let pieces = self.parse(source)?;
        let id = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        let first = pieces.first().ok_or_else(|| PatternError::Empty(source.to_owned()))?;
        for unit in first.alternatives.iter().filter_map(|run| run.first()) {
            match unit {
                Unit::Exact(word) => push_once(self.exact.entry(word.clone()).or_default(), id),
                Unit::Prefix(start) => match start.chars().next() {
                    Some(c) => push_once(self.prefix.entry(c).or_default(), id),
                    None => push_once(&mut self.open, id),
                },
                Unit::Suffix(_) | Unit::Contains(_) => push_once(&mut self.open, id),
            }
        }
        for unit in pieces.iter().flat_map(|piece| piece.alternatives.iter().flatten()) {
            if let Unit::Exact(word) = unit {
                self.known.insert(word.clone());
                if typos
                    && word.is_ascii()
                    && word.len() >= SHORTEST_TYPO
                    && let Some(at) = self.longer.add(word)
                {
                    self.deletions.extend(deletions(word).iter().map(|spelling| (hash(spelling), at)));
                }
            }
        }
        self.patterns.push(Pattern { concept, pieces });
        Ok(())
    }

    fn parse(&self, source: &str) -> Result<Vec<Piece>, PatternError> {
        let (small, large) = if self.unspaced { (3, 10) } else { (0, 3) };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut gap = small;
        for word in source.split_whitespace() {
            match word {
                ".." => gap = large,
                "..." => gap = large * 2,
                _ => {
                    let optional = word.len() > 1 && word.ends_with('?');
                    let alternatives: Vec<Vec<Unit>> = word
                        .trim_end_matches('?')
                        .split('|')
                        .flat_map(parse_runs)
                        .filter(|run| !run.is_empty())
                        .collect();
                    if alternatives.is_empty() {
                        continue;
                    }
                    if pieces.is_empty() && (optional || gap != small) {
                        return Err(PatternError::Unanchored(source.to_owned()));
                    }
                    pieces.push(Piece { gap: if pieces.is_empty() { 0 } else { gap }, optional, alternatives });
                    gap = small;
                }
            }
        }
        if pieces.is_empty() { Err(PatternError::Empty(source.to_owned())) } else { Ok(pieces) }
    }

    /// Whether `word` stands in some pattern as it is.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.known.contains(word)
    }

    /// All places where patterns match. `common` words are never taken for misspellings.
    pub(crate) fn find(&self, text: &Text, common: &dyn Fn(&str) -> bool) -> Vec<Hit<C>> {
        let corrected: Vec<Option<&str>> =
            text.units.iter().map(|unit| if common(unit) { None } else { self.correct(unit) }).collect();
        let mut hits = Vec::new();
        for (start, unit) in text.units.iter().enumerate() {
            let spelled = self.exact.get(unit).into_iter().flatten();
            let meant = corrected.get(start).copied().flatten().and_then(|word| self.exact.get(word));
            let open = unit.chars().next().and_then(|c| self.prefix.get(&c)).into_iter().flatten();
            let mut last = None;
            for &id in spelled.chain(meant.into_iter().flatten()).chain(open).chain(&self.open) {
                if last == Some(id) {
                    continue;
                }
                last = Some(id);
                let Some(pattern) = self.patterns.get(id as usize) else { continue };
                if let Some(end) = match_from(&pattern.pieces, &text.units, &corrected, start) {
                    hits.push(Hit { concept: pattern.concept, start, end, pattern: id });
                }
            }
        }
        hits
    }

    /// The pattern word that `word` misspells by one letter.
    fn correct(&self, word: &str) -> Option<&str> {
        if self.deletions.is_empty() || word.len() + 1 < SHORTEST_TYPO || !word.is_ascii() || self.knows(word) {
            return None;
        }
        let close = |spelling: &str| {
            let hash = hash(spelling);
            let mut words =
                self.deletions.range((hash, 0)..=(hash, u32::MAX)).filter_map(|(_, at)| self.longer.get(*at));
            words.find(|known| one_edit_apart(word, known))
        };
        close(word).or_else(|| deletions(word).iter().find_map(|spelling| close(spelling)))
    }
}

/// Words in the order they came, each once.
#[derive(Debug, Default)]
struct IndexedWords {
    words: Vec<String>,
    seen: HashSet<String>,
}

impl IndexedWords {
    /// Where a new word stands; `None` for one that is there already.
    fn add(&mut self, word: &str) -> Option<u32> {
        if !self.seen.insert(word.to_owned()) {
            return None;
        }
        self.words.push(word.to_owned());
        u32::try_from(self.words.len() - 1).ok()
    }

    fn get(&self, at: u32) -> Option<&str> {
        self.words.get(at as usize).map(String::as_str)
    }
}

fn hash(text: &str) -> u64 {
    // Fixed keys: the same word gives the same hash in every run.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn push_once(ids: &mut Vec<u32>, id: u32) {
    if ids.last() != Some(&id) {
        ids.push(id);
    }
}

/// The runs that one alternative stands for: an open Arabic word that begins like "and" is cut in two in
/// messages, once it is long enough.
fn parse_runs(source: &str) -> Vec<Vec<Unit>> {
    let run = parse_run(source);
    let cut = match run.as_slice() {
        [Unit::Prefix(word)] => word
            .strip_prefix(text::AND)
            .filter(|rest| !rest.is_empty())
            .map(|rest| vec![Unit::Exact(text::AND.to_string()), Unit::Prefix(rest.to_owned())]),
        _ => None,
    };
    std::iter::once(run).chain(cut).collect()
}

/// One alternative of a piece. Text is folded the way messages are.
fn parse_run(source: &str) -> Vec<Unit> {
    let (open_start, rest) = source.strip_prefix('*').map_or((false, source), |rest| (true, rest));
    let (open_end, word) = rest.strip_suffix('*').map_or((false, rest), |rest| (true, rest));
    let mut run: Vec<Unit> = Text::new(word).units.into_iter().map(Unit::Exact).collect();
    if open_end && let Some(Unit::Exact(word)) = run.pop() {
        run.push(if open_start && run.is_empty() { Unit::Contains(word) } else { Unit::Prefix(word) });
    } else if open_start && let Some(Unit::Exact(word)) = run.first() {
        let word = word.clone();
        run.splice(..1, [Unit::Suffix(word)]);
    }
    run
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

/// The end of a match of `pieces` that begins at `at`.
fn match_from(pieces: &[Piece], units: &[String], corrected: &[Option<&str>], at: usize) -> Option<usize> {
    let Some((piece, rest)) = pieces.split_first() else { return Some(at) };
    for skipped in 0..=piece.gap {
        let from = at + skipped;
        if from >= units.len() {
            break;
        }
        for run in &piece.alternatives {
            let fits = run.iter().enumerate().all(|(i, unit)| {
                units.get(from + i).is_some_and(|word| unit.matches(word))
                    || corrected.get(from + i).copied().flatten().is_some_and(|word| unit.matches(word))
            });
            if fits && let Some(end) = match_from(rest, units, corrected, from + run.len()) {
                return Some(end);
            }
        }
    }
    if piece.optional { match_from(rest, units, corrected, at) } else { None }
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
