//! The passages a text points at.

use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::reply::Citation;

use crate::text::marks;

/// The numbers of a text's marks that point at one of `given` passages, ascending.
pub(crate) fn numbers(text: &str, given: usize) -> Vec<usize> {
    let mut numbers = marks::normalise(text, given).1;
    numbers.sort_unstable();
    numbers
}

/// The citations behind the marks of a text, in the order of their numbers.
pub(crate) fn of(text: &str, passages: &[Passage]) -> Vec<Citation> {
    let citation = |n: usize| {
        let passage = passages.get(n.checked_sub(1)?)?;
        Some(Citation {
            n,
            source: passage.source.clone(),
            title: passage.title.clone(),
            section: passage.section.clone(),
            publisher: passage.publisher.clone(),
            updated: passage.updated.clone(),
            score: passage.score,
        })
    };
    numbers(text, passages.len()).into_iter().filter_map(citation).collect()
}
