//! The sources of an answer: one number per document, in the order in which the text uses them.

use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::reply::Citation;

use crate::text::marks;

/// Numbers documents as a text comes to cite their passages.
pub(crate) struct Numbering<'p> {
    passages: &'p [Passage],
    /// The passages used of each document, by their place among the given ones.
    documents: Vec<Vec<usize>>,
}

impl<'p> Numbering<'p> {
    /// A numbering of these passages, none of which is cited yet.
    pub(crate) const fn new(passages: &'p [Passage]) -> Self {
        Self { passages, documents: Vec::new() }
    }

    /// The text with its marks, which count passages from 1, rewritten to count documents.
    pub(crate) fn renumber(&mut self, text: &str) -> String {
        marks::rewrite(text, |n| self.number(n)).0
    }

    /// The citations behind the rewritten marks, from 1 without gaps.
    pub(crate) fn citations(&self) -> Vec<Citation> {
        self.documents.iter().enumerate().filter_map(|(place, used)| self.citation(place + 1, used)).collect()
    }

    /// The passages the text cites.
    pub(crate) fn used(&self) -> impl Iterator<Item = &'p Passage> {
        self.documents.iter().flatten().filter_map(|at| self.passages.get(*at))
    }

    fn number(&mut self, n: usize) -> Option<usize> {
        let at = n.checked_sub(1)?;
        let passage = self.passages.get(at)?;
        let same = |used: &Vec<usize>| {
            let first = used.first().and_then(|first| self.passages.get(*first));
            first.is_some_and(|first| first.source == passage.source && first.title == passage.title)
        };
        if let Some(place) = self.documents.iter().position(same) {
            let used = self.documents.get_mut(place)?;
            if !used.contains(&at) {
                used.push(at);
            }
            return Some(place + 1);
        }
        self.documents.push(vec![at]);
        Some(self.documents.len())
    }

    fn citation(&self, n: usize, used: &[usize]) -> Option<Citation> {
        let passages: Vec<&Passage> = used.iter().filter_map(|at| self.passages.get(*at)).collect();
        let first = passages.first()?;
        let mut sections: Vec<&str> = Vec::new();
        for passage in &passages {
            if !passage.section.is_empty() && !sections.contains(&passage.section.as_str()) {
                sections.push(&passage.section);
            }
        }
        Some(Citation {
            n,
            source: first.source.clone(),
            title: first.title.clone(),
            section: sections.join("; "),
            publisher: first.publisher.clone(),
            updated: first.updated.clone(),
            score: passages.iter().map(|p| p.score).fold(0.0, f32::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::passage;

    #[test]
    fn documents_are_numbered_as_they_come_up() {
        let passages = [
            passage("Nitrox", "Depth", "", 0.4),
            passage("Safety stop", "How long", "", 0.9),
            passage("Nitrox", "Age", "", 0.7),
        ];
        let mut numbering = Numbering::new(&passages);
        assert_eq!(
            numbering.renumber("Three minutes [2]. From 12 [3], to 33 m [1][3]."),
            "Three minutes [1]. From 12 [2], to 33 m [2]."
        );
        assert_eq!(numbering.renumber("Again [2], and nowhere [9]."), "Again [1], and nowhere .");
        let cited: Vec<_> = numbering.citations().into_iter().map(|c| (c.n, c.title, c.section)).collect();
        assert_eq!(
            cited,
            [(1, "Safety stop".into(), "How long".into()), (2, "Nitrox".into(), "Age; Depth".to_owned())]
        );
    }
}
