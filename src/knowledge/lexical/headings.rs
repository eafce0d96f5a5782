//! What passages call themselves: the terms of their title and heading.

/// The terms by passage.
#[derive(Debug, Default)]
pub(super) struct Headings {
    terms: Vec<u32>,
    /// Where each passage's terms end.
    ends: Vec<u32>,
    /// The length of each passage's heading as a vector of rarities.
    norms: Vec<f32>,
}

/// A query's terms as they are compared with headings.
pub(super) struct Rarities {
    /// Terms with their rarity as they weigh, sorted by term.
    terms: Vec<(u32, f32)>,
    /// Their length as a vector.
    norm: f32,
}

impl Rarities {
    pub(super) fn new(mut terms: Vec<(u32, f32)>) -> Self {
        terms.sort_unstable_by_key(|(term, _)| *term);
        terms.dedup_by_key(|(term, _)| *term);
        let norm = terms.iter().map(|(_, rarity)| rarity * rarity).sum::<f32>().sqrt();
        Self { terms, norm }
    }
}

impl Headings {
    /// Adds the next passage's.
    pub(super) fn push(&mut self, terms: impl Iterator<Item = u32>, idf: &[f32]) {
        let mut terms: Vec<u32> = terms.collect();
        terms.sort_unstable();
        terms.dedup();
        let squares = terms.iter().filter_map(|term| idf.get(*term as usize)).map(|idf| idf * idf);
        self.norms.push(squares.sum::<f32>().sqrt());
        self.terms.extend(terms);
        self.ends.push(u32::try_from(self.terms.len()).unwrap_or(u32::MAX));
    }

    /// How alike a passage's heading and the query are, 0 to 1: the cosine of their rarities.
    pub(super) fn likeness(&self, passage: u32, query: &Rarities, idf: &[f32]) -> f32 {
        let at = passage as usize;
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let to = self.ends.get(at).map_or(from, |end| *end as usize);
        let terms = self.terms.get(from..to).unwrap_or_default();
        let shared = terms.iter().filter_map(|term| {
            let found = query.terms.binary_search_by_key(term, |(term, _)| *term).ok()?;
            Some(query.terms.get(found)?.1 * idf.get(*term as usize)?)
        });
        let product: f32 = shared.sum();
        let norms = query.norm * self.norms.get(at).copied().unwrap_or(0.0);
        if norms > 0.0 { product / norms } else { 0.0 }
    }
}
