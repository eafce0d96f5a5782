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
/// The same of words that have a letter too much or a wrong one,
const SHORTEST_FULL: usize = 5;
/// and of words that are written as names.
const SHORTEST_NAME: usize = 6;
/// Shorter words are near to so many that only one of which the content tells much is meant.
const SHORT: usize = 6;
/// So often it has such a word.
const MUCH: u32 = 30;
/// From this length on a word may be two slips away from the one that is meant,
const TWO_SLIPS: usize = 9;
/// if the content has that so often.
const OFTEN: u32 = 5;
/// The shortest of two words that are written in one.
const SHORTEST_PART: usize = 3;

/// Longer messages, and those with more unknown words, are read as they are.
const MOST_WORDS: usize = 160;
const MOST_UNKNOWN: usize = 8;

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

impl<'a> Reader<'a> {
    /// The text with its slips put right; none where there are none, where it does not seem to be English, and where it
    /// is so long or so full of unknown words that it is no question.
    pub(crate) fn respelled(self, text: &str) -> Option<String> {
        let analyzer = Analyzer::default();
        let words = || pieces(text).filter(|(_, is_word)| *is_word).map(|(word, _)| word.to_ascii_lowercase());
        let all = words().take(MOST_WORDS + 1).count();
        let known = words().take(all).filter(|word| self.knows(word, &analyzer)).count();
        let is_told = || words().any(|word| text::is_stop_word(&word));
        let hardly = known * 100 < all * KNOWN;
        if all > MOST_WORDS
            || all - known > MOST_UNKNOWN
            || (hardly && (known * 100 < all * HARDLY_KNOWN || !is_told()))
        {
            return None;
        }
        let shouted = !text.contains(char::is_lowercase);
        let (mut out, mut slips) = (String::with_capacity(text.len()), 0);
        let mut opens = true;
        for (piece, is_word) in pieces(text) {
            let unknown = is_word && !self.knows(&piece.to_ascii_lowercase(), &analyzer);
            let meant = if unknown { self.meant(piece, opens, shouted) } else { None };
            slips += usize::from(meant.is_some());
            out.push_str(&meant.map_or(Cow::Borrowed(piece), Cow::Owned));
            opens = if is_word { false } else { opens || piece.contains(['.', '!', '?', ':', '\n']) };
        }
        (slips > 0 && (!hardly || (known + slips) * 100 >= all * PUT_RIGHT)).then_some(out)
    }

    /// Whether a word in small letters is one: of the content, in whatever form, or a common one.
    fn knows(self, word: &str, analyzer: &Analyzer) -> bool {
        let Some(stem) = analyzer.term(word) else { return true };
        text::is_stop_word(&stem) || self.spelling.stems.find(&stem).is_some()
    }

    /// What a word that is none is most likely meant to be. A capital that `opens` a sentence may be a name's, too; who
    /// `shouted` wrote nothing else.
    fn meant(self, typed: &str, opens: bool, shouted: bool) -> Option<String> {
        let word = typed.to_ascii_lowercase();
        if shouted {
            return Some(self.plain(&word)?.to_ascii_uppercase());
        }
        if !typed.starts_with(|c: char| c.is_ascii_uppercase()) {
            return self.plain(&word);
        }
        if typed.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let (number, meant) = self.near(&word).filter(|_| word.len() >= SHORTEST_NAME)?;
        let is_meant = self.neighbours.names(meant) || (opens && self.spelling.often(number) >= MUCH);
        is_meant
            .then(|| format!("{}{}", meant.get(..1).unwrap_or("").to_ascii_uppercase(), meant.get(1..).unwrap_or("")))
    }

    /// What a word in small letters is meant to be: a word that is near, two words, or one that is further away.
    fn plain(self, word: &str) -> Option<String> {
        let jumbled = || text::unjumbled_stop_word(word).map(str::to_owned);
        let near = || self.near(word).map(|(_, term)| term.to_owned());
        jumbled().or_else(near).or_else(|| self.in_two(word)).or_else(|| self.far(word))
    }

    /// The word that is at most one slip away.
    fn near(self, word: &str) -> Option<(u32, &'a str)> {
        let number = self.within(1, word)?;
        let (term, often) = (self.spelling.words.term(number), self.spelling.often(number));
        // Of a word that the content never uses it is a slip only where a letter is missing.
        let (shortest, seldom) = if term.len() > word.len() { (SHORTEST, 0) } else { (SHORTEST_FULL, 1) };
        let least = if word.len() < SHORT { MUCH } else { seldom };
        let is_meant = text::same_letters(term, word) || (word.len() >= shortest && often >= least);
        is_meant.then_some((number, term))
    }

    /// The word that a long one is two slips away from.
    fn far(self, word: &str) -> Option<String> {
        let number = self.within(2, word).filter(|_| word.len() >= TWO_SLIPS)?;
        (self.spelling.often(number) >= OFTEN).then(|| self.spelling.words.term(number).to_owned())
    }

    fn within(self, slips: usize, word: &str) -> Option<u32> {
        let often = |number| usize::try_from(self.spelling.often(number)).unwrap_or(usize::MAX);
        self.spelling.words.nearest_within(slips, word, |number| often(number).saturating_add(1))
    }

    /// The two words that a word is written together from: "openwater", if they stand side by side in the content.
    fn in_two(self, word: &str) -> Option<String> {
        let cuts = SHORTEST_PART..=word.len().checked_sub(SHORTEST_PART)?;
        let parts = cuts.filter_map(|cut| word.split_at_checked(cut));
        let is_word = |part: &str| self.spelling.words.find(part).is_some();
        let mut parts = parts.filter(|(one, two)| is_word(one) && is_word(two));
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
        let is_address = str::contains(token, '@') || token.contains("://") || has_a_dot_inside(token);
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

/// "dive.example": a dot between two letters.
fn has_a_dot_inside(token: &str) -> bool {
    let mut threes = token.chars().zip(token.chars().skip(1)).zip(token.chars().skip(2));
    threes.any(|((before, dot), after)| before.is_alphanumeric() && dot == '.' && after.is_alphanumeric())
}

/// What parts words; a combining accent belongs to its letter.
fn is_between(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '\'' | '’' | '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

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
            ("regulater: how is it dried", "regulator: how is it dried"),
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
            "check sharck@depht.com and depht.com",
            "my daughter Mya and the dive",
            "is the REGULATER dried",
            "Mattera and the regulator",
            "the 18mm dive and depht1",
            "cuánto cuesta la bouyancia del buceo",
            "",
        ] {
            assert_eq!(respelled(typed), None, "{typed}");
        }
    }

    #[test]
    fn junk_of_any_length_is_left_alone_at_once() {
        assert_eq!(respelled(&"depht bouyancy maximun ".repeat(3_000)), None);
        assert_eq!(respelled(&"is the buoyancy ok ".repeat(3_000)), None);
    }

    proptest! {
        #[test]
        fn every_piece_of_a_text_is_kept(text in "\\PC{0,60}") {
            prop_assert_eq!(pieces(&text).map(|(piece, _)| piece).collect::<String>(), text);
        }
    }
}
