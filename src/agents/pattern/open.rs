//! Patterns that begin with an open word.

use std::collections::HashMap;

use super::push_once;

/// Patterns by letters that their first unit begins with or ends in.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) patterns: HashMap<Box<str>, Vec<u32>>,
    /// The most bytes any of them has.
    longest: usize,
}

impl Open {
    pub(super) fn add(&mut self, part: &str, id: u32) {
        self.longest = self.longest.max(part.len());
        push_once(self.patterns.entry(part.into()).or_default(), id);
    }

    fn find(&self, part: &str, found: &mut Vec<u32>) {
        found.extend(self.patterns.get(part).into_iter().flatten());
    }

    pub(super) fn beginning(&self, word: &str, found: &mut Vec<u32>) {
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.longest);
        ends.filter_map(|end| word.get(..end)).for_each(|part| self.find(part, found));
    }

    pub(super) fn ending(&self, word: &str, found: &mut Vec<u32>) {
        let starts = word.char_indices().rev().map(|(at, _)| at).take_while(|at| word.len() - at <= self.longest);
        starts.filter_map(|at| word.get(at..)).for_each(|part| self.find(part, found));
    }
}
