//! Documents asked for by name: a question with the words of a title in a row means that document.

use std::collections::HashMap;

use crate::message::Message;
use crate::text::Analyzer;

/// A title of fewer terms is a subject rather than a name.
const SHORTEST: usize = 2;

/// A name may have this many terms that the question leaves out and still be meant.
const MOST_LEFT_OUT: usize = 1;

/// The documents' names by their first term.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_first: HashMap<String, Vec<Name>>,
    /// All terms of each name, by document.
    whole: Vec<(Vec<String>, usize)>,
}

#[derive(Debug)]
struct Name {
    /// What follows the first term.
    rest: Vec<String>,
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
            let mut terms = analyzer.terms(name);
            if terms.len() < SHORTEST {
                continue;
            }
            names.whole.push((terms.clone(), document));
            let first = terms.remove(0);
            let known = names.by_first.entry(first).or_default();
            // People say "PADI Open Water" for the course that makes a "PADI Open Water Diver".
            if let Some((last, rest)) = terms.split_last()
                && last == "diver"
                && rest.len() >= SHORTEST
            {
                known.push(Name { rest: rest.to_vec(), document });
            }
            known.push(Name { rest: terms, document });
        }
        names
    }

    /// The numbers of the documents that a message names; of names that begin alike, the longest.
    pub(crate) fn named(&self, message: &Message, analyzer: &Analyzer) -> Vec<usize> {
        let mut found = Vec::new();
        for clause in &message.clauses {
            let terms: Vec<String> = clause.words.iter().filter_map(|word| analyzer.term(&word.text)).collect();
            for at in 0..terms.len() {
                let Some((first, after)) = terms.get(at..).and_then(<[String]>::split_first) else { continue };
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
    pub(crate) fn nearly_named(&self, message: &Message, analyzer: &Analyzer) -> Vec<usize> {
        let clauses: Vec<Vec<String>> = message
            .clauses
            .iter()
            .map(|clause| clause.words.iter().filter_map(|word| analyzer.term(&word.text)).collect())
            .collect();
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
fn longest_run(name: &[String], clause: &[String]) -> usize {
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
        let numbers = |text| names.named(&Message::read(text), &Analyzer::default());
        assert_eq!(numbers("how deep can padi open water divers go"), [0]);
        assert_eq!(numbers("the PADI Advanced Open Water Diver course"), [1]);
        assert_eq!(numbers("the PADI open water course"), [0]);
        assert!(numbers("an octopus in open water").is_empty());
        let nearly = |text| names.nearly_named(&Message::read(text), &Analyzer::default());
        assert_eq!(nearly("what depth may an open water diver dive to"), [0]);
        assert_eq!(nearly("how deep may an advanced open water diver go"), [1]);
        assert!(nearly("open the tank, water comes in").is_empty());
    }
}
