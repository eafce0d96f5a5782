//! What a message asks of the index, and how much of it a passage has.

use super::headings::Rarities;
use super::{LexicalIndex, Posting, inverse_frequency};
use crate::message::{Clause, Message, Word};
use crate::text;

/// Rarities are shares of that of a term no passage has. Rarer terms count no more than this when the
/// query is compared with what a passage has of it.
const RAREST: f32 = 0.6;
/// A word that no passage has may be the very subject, or anything.
const UNKNOWN: f32 = 0.8;
/// What is likely a name, or in another script or language than the content, is rarely the subject.
const FOREIGN: f32 = 0.06;
/// What a known term counts that never stands in a title, heading or keyword.
const BY_THE_WAY: f32 = 0.7;
/// What it counts more when it always does: then it is one of the content's own subjects.
const SUBJECT: f32 = 0.5;
/// The share that chatter counts.
const CHATTER: f32 = 0.2;
/// How sure a corrected spelling is: a short word with another letter may well be another word.
const CORRECTED: f32 = 0.85;
const GUESSED: f32 = 0.6;
/// From this length on, a word a slip or two away is hardly another word.
const LONG: usize = 6;
/// A term that stands only in the text says less of a passage than one in its title, heading or keywords.
const IN_TEXT: f32 = 0.6;
/// The rarity that must be matched for full belief; a common word or two prove little.
const ENOUGH: f32 = 0.6;
/// What the belief begins with.
const LITTLE: f32 = 0.1;
/// What is said around a question is not what is asked.
const ASIDE: f32 = 0.85;
/// A shorter word that no passage has is a slip of the hand.
const SHORTEST: usize = 3;
/// A long run of words is also judged by parts of this many words.
const WINDOW: usize = 5;
/// Distinct words of a message that are sought.
const MOST_ASKED: usize = 64;
/// Words whose spelling is corrected.
const MOST_CORRECTED: usize = 8;

/// A query as the index reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LexicalQuery {
    asked: Vec<Asked>,
    units: Vec<Unit>,
}

/// A word that is sought.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    stem: String,
    /// `None`: no passage has it.
    term: Option<u32>,
    /// What it weighs in the order.
    weight: f32,
    /// What it counts as a part of the query.
    rarity: f32,
    /// What of this a passage that has it is credited.
    certainty: f32,
}

/// Words that ask one thing together.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    /// Places in `asked`.
    members: Vec<usize>,
    trust: f32,
}

impl LexicalQuery {
    pub(super) fn read(index: &LexicalIndex, message: &Message) -> Self {
        let mut query = Self::default();
        let mut corrections = MOST_CORRECTED;
        let mut whole = Unit { members: Vec::new(), trust: ASIDE };
        for clause in &message.clauses {
            let mut members = Vec::with_capacity(clause.words.len());
            let mut parts: Vec<Vec<usize>> = Vec::new();
            for word in &clause.words {
                let Some(place) = query.place(index, word, &mut corrections) else { continue };
                if let Some(asked) = query.asked.get_mut(place) {
                    let share = if word.chatter { CHATTER } else { 1.0 };
                    asked.weight = (asked.weight + clause.weight() * share).min(2.0);
                }
                members.push(place);
                match parts.last_mut() {
                    Some(part) if !word.begins => part.push(place),
                    _ => parts.push(vec![place]),
                }
            }
            query.forgive_foreign(clause, &members);
            if members.len() > WINDOW + 2 {
                let part = |members: &[usize]| Unit { members: distinct(members.to_vec()), trust: ASIDE };
                query.units.extend(members.windows(WINDOW).map(part));
            }
            if parts.len() > 1 {
                query.units.extend(parts.into_iter().map(|part| Unit { members: distinct(part), trust: ASIDE }));
            }
            let members = distinct(members);
            whole.members.extend(&members);
            query.units.push(Unit { members, trust: if clause.asks { 1.0 } else { ASIDE } });
        }
        whole.members = distinct(whole.members);
        if message.clauses.iter().all(|clause| clause.asks) {
            whole.trust = 1.0;
        }
        query.units.push(whole);
        query
    }

    /// The place of a word among those asked, which is new if it was not asked before.
    fn place(&mut self, index: &LexicalIndex, word: &Word, corrections: &mut usize) -> Option<usize> {
        let stem = &word.term;
        if let Some(known) = self.asked.iter().position(|asked| asked.stem == *stem) {
            return Some(known);
        }
        if self.asked.len() >= MOST_ASKED {
            return None;
        }
        let mut certainty = 1.0;
        let mut term = index.vocabulary.find(stem);
        if term.is_none() && !word.name && !word.chatter && *corrections > 0 {
            *corrections -= 1;
            let frequency = |term| index.postings_of(term).len();
            // Stemming takes an ending for one even where it is a slip.
            let nearest = |word: &str| index.vocabulary.nearest(word, frequency);
            term = nearest(stem).or_else(|| nearest(&word.text));
            let jumbled = term.is_some_and(|term| text::same_letters(index.vocabulary.term(term), &word.text));
            certainty = if jumbled || stem.len() >= LONG { CORRECTED } else { GUESSED };
        }
        let rarest = inverse_frequency(index.passages, 0);
        let mut rarity = match term {
            Some(term) => (index.rarity(term) / rarest).min(RAREST) * (BY_THE_WAY + SUBJECT * index.named_share(term)),
            None if word.name || !stem.is_ascii() || stem.len() < SHORTEST => FOREIGN,
            None => UNKNOWN,
        };
        if word.chatter || (term.is_none() && text::unjumbled_stop_word(&word.text).is_some()) {
            rarity = (rarity * CHATTER).min(FOREIGN);
        }
        self.asked.push(Asked { stem: stem.clone(), term, weight: 0.0, rarity, certainty });
        Some(self.asked.len() - 1)
    }

    /// A clause with hardly a word that the content has is in another language: what it does share
    /// with the content counts, and the rest says nothing.
    fn forgive_foreign(&mut self, clause: &Clause, members: &[usize]) {
        let unknown =
            |place: &&usize| self.asked.get(**place).is_some_and(|asked| asked.term.is_none() || asked.certainty < 1.0);
        let strange = members.iter().filter(unknown).count();
        if clause.words.len() < 5 || strange * 2 < members.len() {
            return;
        }
        for place in members {
            if let Some(asked) = self.asked.get_mut(*place).filter(|asked| asked.term.is_none()) {
                asked.rarity = asked.rarity.min(FOREIGN);
            }
        }
    }

    /// The known terms with what they weigh.
    pub(super) fn terms(&self) -> impl Iterator<Item = (u32, f32)> {
        self.asked.iter().filter_map(|asked| Some((asked.term?, asked.weight * asked.certainty)))
    }

    /// The known terms with their rarity as they weigh.
    pub(super) fn rarities(&self, index: &LexicalIndex) -> Rarities {
        let weighed = |(term, weight): (u32, f32)| (term, index.rarity(term) * weight.min(1.0));
        Rarities::new(self.terms().map(weighed).collect())
    }

    /// How much each of the passages, which must be sorted, has of what is asked, 0 to 1: of the part
    /// of the message that it answers best.
    pub(super) fn coverage(&self, index: &LexicalIndex, passages: &[u32]) -> Vec<f32> {
        let width = self.asked.len();
        let mut credits = vec![0.0_f32; passages.len() * width];
        for (at, asked) in self.asked.iter().enumerate() {
            let Some(term) = asked.term else { continue };
            each_shared(index.postings_of(term), passages, |passage, posting| {
                if let Some(credit) = credits.get_mut(passage * width + at) {
                    *credit = asked.rarity * asked.certainty * if posting.is_named() { 1.0 } else { IN_TEXT };
                }
            });
        }
        let masses: Vec<f32> = self.units.iter().map(|unit| self.mass(unit)).collect();
        let best = |credits: &[f32]| {
            let units = self.units.iter().zip(&masses);
            units.map(|(unit, mass)| unit.covered(credits, *mass)).fold(0.0, f32::max)
        };
        if width == 0 { vec![0.0; passages.len()] } else { credits.chunks_exact(width).map(best).collect() }
    }

    fn mass(&self, unit: &Unit) -> f32 {
        unit.members.iter().filter_map(|place| self.asked.get(*place)).map(|asked| asked.rarity).sum()
    }
}

impl Unit {
    fn covered(&self, credits: &[f32], mass: f32) -> f32 {
        let matched: f32 = self.members.iter().filter_map(|place| credits.get(*place)).sum();
        if matched <= 0.0 {
            return 0.0;
        }
        let evidence = (LITTLE + (1.0 - LITTLE) * matched / ENOUGH).min(1.0);
        self.trust * evidence * (matched / mass.max(f32::EPSILON)).min(1.0)
    }
}

fn distinct(mut members: Vec<usize>) -> Vec<usize> {
    members.sort_unstable();
    members.dedup();
    members
}

/// Calls `each` for every passage of the list that has a posting. Both are sorted.
fn each_shared(postings: &[Posting], passages: &[u32], mut each: impl FnMut(usize, Posting)) {
    if postings.len() > passages.len() * 16 {
        for (at, passage) in passages.iter().enumerate() {
            if let Ok(found) = postings.binary_search_by_key(passage, |posting| posting.passage())
                && let Some(posting) = postings.get(found)
            {
                each(at, *posting);
            }
        }
        return;
    }
    let mut wanted = passages.iter().enumerate().peekable();
    for posting in postings {
        while wanted.next_if(|(_, passage)| **passage < posting.passage()).is_some() {}
        match wanted.peek() {
            Some((at, passage)) if **passage == posting.passage() => each(*at, *posting),
            Some(_) => {}
            None => return,
        }
    }
}
