//! Documents asked for by name: a question with the words of a title in a row means that document.

use hashbrown::HashMap;

use crate::message::{Message, Word};
use crate::text::Analyzer;

/// A title of fewer terms is a subject rather than a name.
const SHORTEST: usize = 2;

/// A name may have this many terms that the question leaves out and still be meant.
const MOST_LEFT_OUT: usize = 1;

/// The documents' names. Their terms are numbered, since a message is held against every one of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<String, u32>,
    by_first: HashMap<u32, Vec<Name>>,
    /// All terms of each name, by document.
    whole: Vec<(Vec<u32>, usize)>,
}

/// The number of a term that is in no name.
const UNKNOWN: u32 = u32::MAX;

#[derive(Debug)]
struct Name {
    /// What follows the first term.
    rest: Vec<u32>,
    document: usize,
}

impl Names {
    /// Takes the titles in the order of the documents' numbers.
    pub(crate) fn of<'a>(titles: impl Iterator<Item = &'a str>) -> Self {
        let analyzer = Analyzer::default();
        let mut names = Self::default();
        for (document, title) in titles.enumerate() {
            // What follows explains the name: "PADI Rescue Diver (prerequisites)", "Night diving: safety".
            let name = title.split([':', '(', ',', '?']).next().unwrap_or(title);
            let terms = analyzer.terms(name);
            if terms.len() < SHORTEST {
                continue;
            }
            let numbers: Vec<u32> = terms.iter().map(|term| names.number(term)).collect();
            let Some((first, rest)) = numbers.split_first() else { continue };
            let known = names.by_first.entry(*first).or_default();
            // People say "PADI Open Water" for the course that makes a "PADI Open Water Diver".
            if let Some((_, rest)) = rest.split_last()
                && terms.last().is_some_and(|last| last == "diver")
                && rest.len() >= SHORTEST
            {
                known.push(Name { rest: rest.to_vec(), document });
            }
            known.push(Name { rest: rest.to_vec(), document });
            names.whole.push((numbers, document));
        }
        names
    }

    fn number(&mut self, term: &str) -> u32 {
        let new = u32::try_from(self.numbers.len()).unwrap_or(UNKNOWN);
        *self.numbers.entry(term.to_owned()).or_insert(new)
    }

    /// The terms of a message's clauses.
    fn clauses(&self, message: &Message) -> Vec<Vec<u32>> {
        let number = |word: &Word| self.numbers.get(&word.term).copied().unwrap_or(UNKNOWN);
        message.clauses.iter().map(|clause| clause.words.iter().map(number).collect()).collect()
    }

    /// The numbers of the documents that a message names; of names that begin alike, the longest.
    pub(crate) fn named(&self, message: &Message) -> Vec<usize> {
        let mut found = Vec::new();
        for terms in self.clauses(message) {
            for at in 0..terms.len() {
                let Some((first, after)) = terms.get(at..).and_then(<[u32]>::split_first) else { continue };
                let meant = self.by_first.get(first).into_iter().flatten().filter(|name| after.starts_with(&name.rest));
                let longest = meant.clone().map(|name| name.rest.len()).max();
                found.extend(meant.filter(|name| Some(name.rest.len()) == longest).map(|name| name.document));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The numbers of the documents that a message names in part, sorted: two terms or more of the name stand
    /// in a row in it, and no other name has as many and leaves out fewer. "The Open Water diver" means the
    /// "PADI Open Water Diver" and not the "PADI Advanced Open Water Diver".
    pub(crate) fn nearly_named(&self, message: &Message) -> Vec<usize> {
        let clauses = self.clauses(message);
        let mut best = (SHORTEST, usize::MAX);
        let mut found: Vec<usize> = Vec::new();
        for (name, document) in &self.whole {
            let run = clauses.iter().map(|clause| longest_run(name, clause)).max().unwrap_or(0);
            let rank = (run, name.len() - run);
            if run < SHORTEST || rank.1 > MOST_LEFT_OUT || run < best.0 || (run == best.0 && rank.1 > best.1) {
                continue;
            }
            if rank != best {
                found.clear();
                best = rank;
            }
            found.push(*document);
        }
        found.sort_unstable();
        found
    }
}

/// How many terms the two have in common in a row.
fn longest_run(name: &[u32], clause: &[u32]) -> usize {
    let mut longest = 0;
    for from in 0..name.len() {
        for at in 0..clause.len() {
            let pairs = name.iter().skip(from).zip(clause.iter().skip(at));
            longest = longest.max(pairs.take_while(|(left, right)| left == right).count());
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_in_a_row_is_meant() {
        let titles = ["PADI Open Water Diver", "PADI Advanced Open Water Diver (five dives)", "PADI Open", "Octopus"];
        let names = Names::of(titles.into_iter());
        let numbers = |text| names.named(&Message::read(text));
        assert_eq!(numbers("how deep can padi open water divers go"), [0]);
        assert_eq!(numbers("the PADI Advanced Open Water Diver course"), [1]);
        assert_eq!(numbers("the PADI open water course"), [0]);
        assert!(numbers("an octopus in open water").is_empty());
        let nearly = |text| names.nearly_named(&Message::read(text));
        assert_eq!(nearly("what depth may an open water diver dive to"), [0]);
        assert_eq!(nearly("how deep may an advanced open water diver go"), [1]);
        assert!(nearly("open the tank, water comes in").is_empty());
    }
}
