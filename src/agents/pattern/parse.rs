//! Reading patterns.

use super::{Matcher, PatternError, Piece, Span, Unit};
use crate::text::{self, Text};
use crate::vocabulary::place;

impl<C: Copy + PartialEq> Matcher<C> {
    /// Appends the pieces of a pattern.
    pub(super) fn parse(&mut self, source: &str, typos: bool) -> Result<(), PatternError> {
        let (small, large) = if self.unspaced { (3, 10) } else { (0, 3) };
        let mut gap = small;
        let mut empty = true;
        for word in source.split_whitespace() {
            match word {
                ".." => gap = large,
                "..." => gap = large * 2,
                _ => {
                    let optional = word.len() > 1 && word.ends_with('?');
                    let from = place(self.runs.len());
                    for alternative in word.trim_end_matches('?').split('|') {
                        self.parse_run(alternative, typos);
                    }
                    let alternatives = Span { from, to: place(self.runs.len()) };
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
        let from = place(self.units.len());
        let words = Text::new(word).units;
        let last = words.len().saturating_sub(1);
        for (at, word) in words.iter().enumerate() {
            let (starts_open, ends_open) = (open_start && at == 0, open_end && at == last);
            let unit = match (starts_open, ends_open) {
                (false, false) => Unit::Exact(self.word(word, typos)),
                (false, true) => Unit::Prefix(self.parts.number(word)),
                // Of a run of several units only the end is open.
                (true, false) if open_end => Unit::Exact(self.word(word, typos)),
                (true, false) => Unit::Suffix(self.parts.number(word)),
                (true, true) => Unit::Contains(self.parts.number(word)),
            };
            self.units.push(unit);
        }
        let to = place(self.units.len());
        if to > from {
            self.runs.push(Span { from, to });
        }
        // An open Arabic word that begins like "and" is cut in two in messages, once it is long enough.
        if open_end
            && !open_start
            && let [word] = words.as_slice()
            && let Some(rest) = word.strip_prefix(text::AND).filter(|rest| !rest.is_empty())
        {
            let units = [Unit::Exact(self.word(&text::AND.to_string(), false)), Unit::Prefix(self.parts.number(rest))];
            let from = place(self.units.len());
            self.units.extend(units);
            self.runs.push(Span { from, to: place(self.units.len()) });
        }
    }

    /// The number of an exact word.
    fn word(&mut self, word: &str, typos: bool) -> u32 {
        let number = self.words.number(word);
        if typos {
            self.spelling.learn(word, number);
        }
        number
    }
}
