//! How a message hangs on what was said before, and what is said besides questions.
//!
//! "How deep is it?", "and for SSI?" and "yes please" mean nothing by themselves. The words by which that is told,
//! and those for a wish to be put in touch, a nod or a complaint, stand in `lexicon/talk.toml`.

use dovvybuddy_core::Lang;

use super::wordings::{Wordings, WordingsError};
use crate::by_language::{ByLanguage, keyed};
use crate::pattern::Hit;
use crate::text::{self, Text};

const WORDS: &str = include_str!("../lexicon/talk.toml");

keyed! {
    /// A kind of wording.
    pub(super) enum Kind {
        /// Points at a thing that was named before.
        It = "it",
        /// Points at a place.
        There = "there",
        /// Points at several, mostly animals.
        Them = "them",
        /// Points at a person.
        He = "he",
        /// Goes on from what was said, where the message begins with it.
        Opens = "opens",
        /// A wording that has a word of another kind in it and is none.
        Covers = "covers",
        /// Asks whether something is for the diver.
        Suits = "suits",
        /// Asks what the diver's certificate allows.
        Limit = "limit",
        /// Asks what comes next for the diver.
        Next = "next",
        /// Names all of diving as its subject.
        Whole = "whole",
        /// A child of the diver's.
        Child = "child",
        /// Wants to speak to a person.
        Connect = "connect",
        /// Takes an offer.
        Yes = "yes",
        /// Says that it was heard.
        Nod = "nod",
        /// Says that an answer, or the bot, is no good.
        Complaint = "complaint",
        /// Asks what is remembered of the diver.
        Mine = "mine",
        /// Gives a way to be reached.
        Reach = "reach",
    }
}

/// What was found of it in a message.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    hits: Vec<Hit<Kind>>,
    units: usize,
    unspaced: bool,
}

impl Talk {
    /// Reads a message in its language.
    pub(crate) fn read(text: &Text, lang: Lang) -> Self {
        let hits = words(lang).map(|words| words.find(text, Kind::Covers)).unwrap_or_default();
        Self { hits, units: text.len(), unspaced: text::unspaced(lang) }
    }

    /// Whether the message has a wording of this kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.hits.iter().any(|hit| hit.concept == kind)
    }

    /// Where wordings of this kind begin.
    pub(super) fn starts(&self, kind: Kind) -> impl Iterator<Item = usize> {
        self.hits.iter().filter(move |hit| hit.concept == kind).map(|hit| hit.start)
    }

    /// The units of the first wording of this kind.
    pub(super) fn first(&self, kind: Kind) -> Option<(usize, usize)> {
        self.hits.iter().find(|hit| hit.concept == kind).map(|hit| (hit.start, hit.end))
    }

    /// Whether it begins as what goes on does. Where words are not spaced, the particle stands last.
    pub(super) fn goes_on(&self) -> bool {
        let opens = |hit: &Hit<Kind>| hit.start == 0 || self.unspaced && hit.end == self.units;
        self.hits.iter().any(|hit| hit.concept == Kind::Opens && opens(hit))
    }

    /// Whether nothing else stands in it than wordings of these kinds.
    pub(super) fn is_only(&self, kinds: &[Kind]) -> bool {
        let covered =
            |at| self.hits.iter().any(|hit| kinds.contains(&hit.concept) && (hit.start..hit.end).contains(&at));
        self.units > 0 && (0..self.units).all(covered)
    }
}

/// The words of a language; read at first use, then shared.
fn words(lang: Lang) -> Option<&'static Wordings<Kind>> {
    static WORDINGS: ByLanguage<Option<Wordings<Kind>>> = ByLanguage::new();
    // Without them follow-ups are read by themselves.
    WORDINGS.load(lang, "words of conversations", load)
}

fn load(lang: Lang) -> Result<Wordings<Kind>, WordingsError> {
    Wordings::load(WORDS, lang, Kind::from_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(text: &str, lang: Lang) -> Talk {
        Talk::read(&Text::new(text), lang)
    }

    #[test]
    fn the_words_of_every_language_are_read() {
        for lang in Lang::ALL {
            if let Err(error) = load(lang) {
                panic!("{}: {error}", lang.code());
            }
        }
    }

    #[test]
    fn a_word_that_stands_for_nothing_points_at_nothing() {
        let points = |text| {
            let talk = talk(text, Lang::En);
            [Kind::It, Kind::There, Kind::Them, Kind::He].into_iter().any(|kind| talk.has(kind))
        };
        for text in ["how deep is it?", "is it dangerous?", "what can I see there?", "can he use nitrox?"] {
            assert!(points(text), "{text}");
        }
        for text in ["is it safe to dive alone", "is there an exam?", "how long does it take to learn diving"] {
            assert!(!points(text), "{text}");
        }
    }

    #[test]
    fn a_wish_for_a_person_is_heard_in_every_language() {
        for (lang, text) in [
            (Lang::En, "Can you connect me with an instructor?"),
            (Lang::En, "can I speak to someone"),
            (Lang::En, "Can I talk to a human instructor please"),
            (Lang::Es, "quiero hablar con una persona"),
            (Lang::De, "Kann ich mit einem Menschen sprechen?"),
            (Lang::Fr, "je voudrais parler à un moniteur"),
            (Lang::Pt, "quero falar com um instrutor"),
            (Lang::It, "posso parlare con un istruttore?"),
            (Lang::Id, "bisa bicara dengan instruktur?"),
            (Lang::Ja, "インストラクターと話したいです"),
            (Lang::Th, "ขอคุยกับครูสอนดำน้ำ"),
            (Lang::Ar, "أريد التحدث إلى شخص حقيقي"),
            (Lang::Zh, "我想和教练联系"),
        ] {
            assert!(talk(text, lang).has(Kind::Connect), "{text}");
        }
        for text in ["should I talk to a doctor", "how do I talk to my buddy under water", "can sharks connect"] {
            assert!(!talk(text, Lang::En).has(Kind::Connect), "{text}");
        }
    }
}
