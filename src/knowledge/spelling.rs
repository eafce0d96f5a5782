//! Misspelt English words of a message, put right by the words of the content.
//!
//! The search forgives slips by itself. What reads the message besides, to find out what is asked and which sentence
//! answers it, goes by whole words: "bouyancy" must be buoyancy there, too.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::neighbours::Neighbours;
use crate::text::{self, Analyzer};
use crate::vocabulary::Vocabulary;

/// Common English words, which the content may lack: a shack is no slip of a shark, and "mantain" is one of maintain.
const COMMON: &str = include_str!("common_words.txt");

/// Of a message in English so many of a hundred words are known,
const KNOWN: usize = 60;
/// or, if one of them is a word like "is" and "how", at least so many
const HARDLY_KNOWN: usize = 30;
/// and, with its slips put right, so many.
const PUT_RIGHT: usize = 80;
/// Shorter words are left as they are: nearly every one is near to another.
const SHORTEST: usize = 4;
/// The same of words that have a letter too much or a wrong one.
const SHORTEST_FULL: usize = 5;
/// Shorter words are near to so many that only one of which the content tells much is meant.
const SHORT: usize = 6;
/// So often it has such a word.
const MUCH: u32 = 30;
/// The same of words that are written as names.
const SHORTEST_NAME: usize = 6;
/// From this length on a word may be two slips away from the one that is meant,
const TWO_SLIPS: usize = 9;
/// if the content has that so often.
const OFTEN: u32 = 5;
/// The shortest of two words that are written in one.
const SHORTEST_PART: usize = 2;

/// The words of the content as they are written, and the common ones.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    words: Vocabulary,
    /// Their stems.
    stems: Vocabulary,
    /// How often the content has each.
    often: Vec<u32>,
}

/// The content by which a message is read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) spelling: &'a Spelling,
    pub(crate) neighbours: &'a Neighbours,
}

impl Spelling {
    /// Reads texts of the content; a word of none has the count 0.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut counts: HashMap<Box<str>, u32> = HashMap::new();
        for text in texts {
            text::words(text, |word| {
                if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    *counts.entry_ref(word).or_default() += 1;
                }
            });
        }
        for word in COMMON.split_whitespace() {
            counts.entry_ref(word).or_default();
        }
        let mut sorted: Vec<(&str, u32)> = counts.iter().map(|(word, count)| (&**word, *count)).collect();
        sorted.sort_unstable();
        let words: Vec<&str> = sorted.iter().map(|(word, _)| *word).collect();
        Self {
            words: Vocabulary::of(&words),
            stems: stems(words.into_iter()),
            often: sorted.iter().map(|(_, count)| *count).collect(),
        }
    }

    fn often(&self, number: u32) -> u32 {
        self.often.get(number as usize).copied().unwrap_or(0)
    }
}

impl Reader<'_> {
    /// The text with its slips put right; none where there are none, or where it does not seem to be English.
    pub(crate) fn respelled(self, text: &str) -> Option<String> {
        let analyzer = Analyzer::default();
        let mut out = String::with_capacity(text.len());
        let mut opens = true;
        let (mut words, mut known, mut slips) = (0, 0, 0);
        let mut is_told = false;
        for (piece, is_word) in pieces(text) {
            let is_known = is_word && self.knows(&piece.to_ascii_lowercase(), &analyzer);
            let meant = if is_word && !is_known { self.meant(piece, opens) } else { None };
            words += usize::from(is_word);
            known += usize::from(is_known);
            slips += usize::from(meant.is_some());
            is_told |= is_known && text::is_stop_word(&piece.to_ascii_lowercase());
            out.push_str(&meant.map_or(Cow::Borrowed(piece), Cow::Owned));
            opens = if is_word { false } else { opens || piece.contains(['.', '!', '?', ':', '\n']) };
        }
        let english = known * 100 >= words * KNOWN
            || (is_told && known * 100 >= words * HARDLY_KNOWN && (known + slips) * 100 >= words * PUT_RIGHT);
        (slips > 0 && english).then_some(out)
    }

    /// Whether a word in small letters is one: of the content, in whatever form, or a common one.
    fn knows(self, word: &str, analyzer: &Analyzer) -> bool {
        let Some(stem) = analyzer.term(word) else { return true };
        text::is_stop_word(&stem) || self.spelling.stems.find(&stem).is_some()
    }

    /// What a word that is none is most likely meant to be; `opens` a sentence.
    fn meant(self, typed: &str, opens: bool) -> Option<String> {
        let word = typed.to_ascii_lowercase();
        let loud = typed.len() > 1 && typed.bytes().all(|byte| byte.is_ascii_uppercase());
        let capital = typed.starts_with(|c: char| c.is_ascii_uppercase());
        let name = capital && !opens && !loud;
        let meant = text::unjumbled_stop_word(&word).map(str::to_owned);
        let meant = meant.or_else(|| self.nearest(&word, name))?;
        Some(match meant.get(..1) {
            _ if loud => meant.to_ascii_uppercase(),
            Some(first) if capital => first.to_ascii_uppercase() + meant.get(1..).unwrap_or_default(),
            _ => meant,
        })
    }

    /// The word of the content that a word is a slip of, or the two that it is written together from.
    fn nearest(self, word: &str, name: bool) -> Option<String> {
        if word.len() < if name { SHORTEST_NAME } else { SHORTEST } {
            return None;
        }
        let Spelling { words, .. } = self.spelling;
        let often = |number| self.spelling.often(number);
        let likely = |number| usize::try_from(often(number)).unwrap_or(usize::MAX).saturating_add(1);
        let within = |slips| words.nearest_within(slips, word, likely);
        let is_meant = |number: &u32| {
            let term = words.term(*number);
            let letter_missing = term.len() > word.len();
            let jumbled = text::same_letters(term, word);
            jumbled
                || ((word.len() >= SHORTEST_FULL || letter_missing) && (word.len() >= SHORT || often(*number) >= MUCH))
        };
        let near = within(1).filter(is_meant).map(|number| words.term(number).to_owned());
        let far = || {
            within(2)
                .filter(|number| word.len() >= TWO_SLIPS && often(*number) >= OFTEN)
                .map(|number| words.term(number).to_owned())
        };
        if name {
            near.filter(|near| self.neighbours.names(near))
        } else {
            near.or_else(|| self.in_two(word)).or_else(far)
        }
    }

    /// The two words that a word is written together from: "openwater", if they stand side by side in the content.
    fn in_two(self, word: &str) -> Option<String> {
        let cuts = SHORTEST_PART..=word.len().checked_sub(SHORTEST_PART)?;
        let parts = cuts.filter_map(|cut| word.split_at_checked(cut));
        let is_word = |part: &str| self.spelling.words.find(part).is_some();
        let mut parts = parts.filter(|(one, two)| word.len() >= SHORTEST_NAME && is_word(one) && is_word(two));
        let (one, two) = parts.find(|(one, two)| self.neighbours.has(one, two))?;
        Some(format!("{one} {two}"))
    }
}

fn stems<'w>(words: impl Iterator<Item = &'w str>) -> Vocabulary {
    let analyzer = Analyzer::default();
    let mut stems: Vec<String> = words.filter_map(|word| analyzer.term(word)).collect();
    stems.sort_unstable();
    stems.dedup();
    Vocabulary::of(&stems.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The pieces of a text in order, each with whether it is a word of ASCII letters that may be misspelt. What has figures,
/// other letters or apostrophes, addresses and links are none.
fn pieces(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let token = |token| {
        let is_address = str::contains(token, '@') || token.contains("://") || token.contains("www.");
        let parts = token.split_inclusive(is_between).flat_map(|part| {
            let end = part.len() - part.chars().next_back().filter(|c| is_between(*c)).map_or(0, char::len_utf8);
            let (word, sign) = part.split_at(end);
            [word, sign]
        });
        parts.map(move |part| {
            let letters = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            (part, letters && !is_address)
        })
    };
    text.split_inclusive(char::is_whitespace).flat_map(token)
}

/// What parts words.
fn is_between(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '\'' | '’')
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn respelled(text: &str) -> Option<String> {
        let said = "Buoyancy is checked before the dive. A dive computer shows the maximum depth. Open water divers keep \
                    their buoyancy and check depth. A regulator is rinsed and the regulator dried. In Hurghada a shark \
                    was seen; sharks are not dangerous in Hurghada, no shark is dangerous. The maximum is 18 m.";
        let (spelling, neighbours) = (Spelling::of(iter::once(said)), Neighbours::default());
        Reader { spelling: &spelling, neighbours: &neighbours }.respelled(text)
    }

    #[test]
    fn slips_are_put_right_and_nothing_else() {
        for (typed, meant) in [
            ("how do i check my bouyancy", "how do i check my buoyancy"),
            ("whats the maximun depht?", "whats the maximum depth?"),
            ("Regulater: how is it dried", "Regulator: how is it dried"),
            ("IS A SHARK DANGERUS IN THE WATER", "IS A SHARK DANGEROUS IN THE WATER"),
            ("waht is a dive computer", "what is a dive computer"),
            ("are sharcks dangerus", "are sharks dangerous"),
        ] {
            assert_eq!(respelled(typed).as_deref(), Some(meant));
        }
    }

    #[test]
    fn what_is_no_slip_stays() {
        for typed in [
            "is the shack of the divers open",
            "how deep is it at Maximux in Zurbano",
            "check sharck@depht.com and www.depht.com",
            "the 18mm dive and depht1",
            "cuánto cuesta la bouyancia del buceo",
            "",
        ] {
            assert_eq!(respelled(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_piece_of_a_text_is_kept() {
        for text in ["", "  a  b ", "what's up?! l’eau-x/y", "mañana (at 9) 潜水です\n\n- one"] {
            assert_eq!(pieces(text).map(|(piece, _)| piece).collect::<String>(), text);
        }
    }
}
