//! Where to begin: patterns by what they open with.

use crate::vocabulary::Vocabulary;

/// Patterns by a key, sorted by it once they are complete. A map of lists would take several times the memory.
#[derive(Debug)]
pub(super) struct Anchors<K>(Vec<(K, u32)>);

impl<K> Default for Anchors<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Ord> Anchors<K> {
    pub(super) fn add(&mut self, key: K, pattern: u32) {
        self.0.push((key, pattern));
    }

    /// No more patterns come.
    pub(super) fn complete(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
    }

    /// The patterns of a key, in their order.
    pub(super) fn of(&self, key: K) -> impl Iterator<Item = u32> {
        let from = self.0.partition_point(|(known, _)| *known < key);
        self.0.iter().skip(from).take_while(move |(known, _)| *known == key).map(|(_, pattern)| *pattern)
    }
}

/// Patterns by letters that their first unit begins with or ends in, which are numbered.
#[derive(Debug, Default)]
pub(super) struct Open {
    anchors: Anchors<u32>,
    /// The most bytes any of the letters has.
    longest: usize,
}

impl Open {
    pub(super) fn add(&mut self, part: u32, letters: &str, pattern: u32) {
        self.longest = self.longest.max(letters.len());
        self.anchors.add(part, pattern);
    }

    pub(super) fn complete(&mut self) {
        self.anchors.complete();
    }

    fn find(&self, parts: &Vocabulary, letters: &str, found: &mut Vec<u32>) {
        found.extend(parts.find(letters).into_iter().flat_map(|part| self.anchors.of(part)));
    }

    pub(super) fn beginning(&self, parts: &Vocabulary, word: &str, found: &mut Vec<u32>) {
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.longest);
        ends.filter_map(|end| word.get(..end)).for_each(|letters| self.find(parts, letters, found));
    }

    pub(super) fn ending(&self, parts: &Vocabulary, word: &str, found: &mut Vec<u32>) {
        let starts = word.char_indices().rev().map(|(at, _)| at).take_while(|at| word.len() - at <= self.longest);
        starts.filter_map(|at| word.get(at..)).for_each(|letters| self.find(parts, letters, found));
    }
}
