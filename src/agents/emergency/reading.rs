//! A message as the rules read it in one language: concepts, with negated and merely similar
//! wordings taken away.

use std::sync::Arc;

use dovvybuddy_core::Lang;

use crate::concept::Concept;
use crate::lexicon::Lexicon;
use crate::pattern::Hit;
use crate::text::{self, Text};

/// What a message says, read in one language. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    lang: Lang,
    length: usize,
    question: bool,
    exclamation: bool,
    hits: Arc<[Hit<Concept>]>,
}

impl Reading {
    /// Reads `text` as `lang`.
    pub(crate) fn new(text: &Text, lang: Lang) -> Self {
        let found = Lexicon::of(lang).find(text);
        let stands = |hit: &Hit<Concept>| !taken_away(hit, &found, text, lang) && !part_of_another(hit, &found);
        let mut standing: Vec<Hit<Concept>> = found.iter().copied().filter(stands).collect();
        let signs: Vec<Hit<Concept>> = standing.iter().copied().filter(|hit| hit.concept.is_sign()).collect();
        standing.retain(|hit| !part_of_sign(hit, &signs));
        let hits = standing.into();
        Self { lang, length: text.len(), question: text.question, exclamation: text.exclamation, hits }
    }

    /// The language it was read in.
    pub(crate) const fn lang(&self) -> Lang {
        self.lang
    }

    /// The number of units.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// A question mark stands somewhere.
    pub(crate) const fn question(&self) -> bool {
        self.question
    }

    /// An exclamation mark stands somewhere.
    pub(crate) const fn exclamation(&self) -> bool {
        self.exclamation
    }

    /// Whether its first word is a no.
    pub(crate) fn opens_with_denial(&self) -> bool {
        self.hits.iter().any(|hit| hit.start == 0 && matches!(hit.concept, Concept::Neg | Concept::NegAfter))
    }

    /// Whether the concept was found.
    pub(crate) fn has(&self, concept: Concept) -> bool {
        self.hits.iter().any(|hit| hit.concept == concept)
    }

    /// Whether any of the concepts was found.
    pub(crate) fn any(&self, concepts: &[Concept]) -> bool {
        concepts.iter().any(|concept| self.has(*concept))
    }

    /// The concepts that were found, each once, in their order.
    pub(crate) fn concepts(&self) -> Vec<Concept> {
        let mut concepts: Vec<Concept> = self.hits.iter().map(|hit| hit.concept).collect();
        concepts.sort_unstable();
        concepts.dedup();
        concepts
    }

    /// How many different concepts fit.
    pub(crate) fn count(&self, fits: impl Fn(Concept) -> bool) -> usize {
        self.concepts().into_iter().filter(|concept| fits(*concept)).count()
    }

    /// What was found, in the order of the text.
    pub(crate) fn hits(&self) -> &[Hit<Concept>] {
        &self.hits
    }
}

/// Whether a word of business is only part of a longer wording about something else: "how much" asks no price
/// in "how much weight", nor does the Thai word for money inside the one for blue.
fn part_of_another(hit: &Hit<Concept>, all: &[Hit<Concept>]) -> bool {
    const BUSINESS: &[Concept] = &[Concept::Price, Concept::Hours, Concept::Operator, Concept::Money];
    BUSINESS.contains(&hit.concept)
        && all.iter().any(|other| {
            !BUSINESS.contains(&other.concept)
                && other.concept as usize >= Concept::Agency as usize
                && hit.is_inside(other)
        })
}

/// Whether a word has its meaning from the sign it is part of: "not" and "can" deny and ask nothing in "can not
/// breathe", and nothing is told of gills.
fn part_of_sign(hit: &Hit<Concept>, signs: &[Hit<Concept>]) -> bool {
    const PARTS: &[Concept] = &[Concept::Neg, Concept::NegAfter, Concept::Allowed, Concept::HowWork, Concept::Biology];
    PARTS.contains(&hit.concept) && signs.iter().any(|sign| hit.is_inside(sign))
}

/// Whether a sign lies inside a wording that only looks like one, or in the reach of a negation.
fn taken_away(hit: &Hit<Concept>, all: &[Hit<Concept>], text: &Text, lang: Lang) -> bool {
    if !hit.concept.is_sign() {
        return false;
    }
    let (before, after) = if text::unspaced(lang) { (4, 5) } else { (3, 2) };
    all.iter().any(|other| match other.concept {
        Concept::Mask => other.start <= hit.start && hit.end <= other.end,
        Concept::Neg => {
            other.end <= hit.start
                && hit.start - other.end <= before
                && !text.broken_between(other.start, hit.start)
                && !contrast(all, other.end, hit.start)
        }
        Concept::NegAfter => {
            hit.end <= other.start
                && other.start - hit.end <= after
                && !text.broken_between(hit.start, other.start)
                && !contrast(all, hit.end, other.start)
        }
        _ => false,
    })
}

fn contrast(all: &[Hit<Concept>], from: usize, to: usize) -> bool {
    all.iter().any(|hit| hit.concept == Concept::But && hit.start >= from && hit.end <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_business_inside_another_wording_is_none() {
        let priced = |text: &str, lang| Reading::new(&Text::new(text), lang).has(Concept::Price);
        assert!(!priced("ดำได้ลึกเท่าไหร่", Lang::Th));
        assert!(priced("คอร์สเท่าไหร่", Lang::Th));
        assert!(priced("how much is the course", Lang::En));
    }
}
