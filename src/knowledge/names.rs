//! Documents asked for by name: a question with the words of a title in a row means that document.

use std::collections::HashMap;

use crate::message::Message;
use crate::text::Analyzer;

/// A title of fewer terms is a subject rather than a name.
const SHORTEST: usize = 2;

/// The documents' names by their first term.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_first: HashMap<String, Vec<Name>>,
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
    }
}
