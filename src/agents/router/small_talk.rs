//! What needs no search: greetings, thanks, a nod, a complaint, questions about the bot or the diver, a wish to speak
//! to a person, and what divers tell of themselves without asking anything.

use dovvybuddy_core::agent::{Destination, Phrase};
use dovvybuddy_core::session::DiverProfile;

use super::features::is_topic;
use super::talk::{Kind, Talk};
use crate::concept::Concept;
use crate::emergency::Reading;
use crate::pattern::Hit;
use crate::text;

/// A wish to speak to somebody, or a complaint, in more words tells of something else.
const LONGEST_WISH: usize = 14;
const LONGEST_COMPLAINT: usize = 10;
/// What divers say of themselves in more words tells of something else.
const LONGEST_STATEMENT: usize = 16;
/// What somebody types whom a link or a poster told to; in a longer message it says nothing of the bot.
const START: &str = "start";
/// Digits that make a telephone number.
const FEWEST_DIGITS: usize = 6;

/// A message, as far as small talk is told by it.
pub(super) struct Small<'a> {
    pub(super) raw: &'a str,
    pub(super) reading: &'a Reading,
    pub(super) talk: &'a Talk,
    pub(super) learned: &'a DiverProfile,
    /// The message tells more of what was asked before,
    pub(super) told: bool,
    /// or begins as what goes on from it.
    pub(super) goes_on: bool,
    /// A person was offered in the last reply.
    pub(super) offered: bool,
}

impl Small<'_> {
    /// Where the message goes, if it is nothing else.
    pub(super) fn destination(&self) -> Option<Destination> {
        if self.reading.count(Concept::is_sign) > 0 {
            return None;
        }
        if self.wants_a_person() {
            return Some(Destination::Connect);
        }
        if self.talk.has(Kind::Mine) && self.within(LONGEST_WISH) {
            return Some(Destination::Experience);
        }
        self.phrase().map(Destination::Fixed)
    }

    fn phrase(&self) -> Option<Phrase> {
        if self.raw.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(START) {
            return Some(Phrase::Help);
        }
        if let Some(phrase) = phrase(self.reading).filter(|phrase| !(self.goes_on && *phrase == Phrase::Help)) {
            return Some(phrase);
        }
        if self.tells_of_experience() {
            return Some(Phrase::ProfileNoted);
        }
        if self.reading.len() == 0 {
            return Some(Phrase::Unclear);
        }
        let topics = self.reading.count(is_topic);
        // Where an emergency stands the guard takes it first.
        if self.reading.has(Concept::StandDown) && !self.reading.question() && self.within(LONGEST_COMPLAINT) {
            return Some(Phrase::StoodDown);
        }
        if self.talk.is_only(&[Kind::Nod, Kind::Yes]) {
            return Some(Phrase::Nod);
        }
        let complains = self.talk.has(Kind::Complaint) && !self.reading.question();
        (complains && topics == 0 && self.within(LONGEST_COMPLAINT)).then_some(Phrase::Complaint)
    }

    fn wants_a_person(&self) -> bool {
        let digits = self.raw.chars().filter(char::is_ascii_digit).count();
        let reach = self.raw.contains('@') || digits >= FEWEST_DIGITS;
        let taken = self.offered && self.talk.has(Kind::Yes) && self.talk.is_only(&[Kind::Yes, Kind::Nod]);
        let asked = self.talk.has(Kind::Connect) || self.talk.has(Kind::Reach) && reach;
        taken || asked && self.within(LONGEST_WISH)
    }

    /// Whether the message tells of the diver's experience and asks for nothing.
    fn tells_of_experience(&self) -> bool {
        let told = self.learned.cert_level.is_some() || self.learned.dives.is_some();
        if !told || self.told || self.reading.question() || !self.within(LONGEST_STATEMENT) || self.talk.goes_on() {
            return false;
        }
        let asks = [Kind::Suits, Kind::Limit, Kind::Next, Kind::Whole, Kind::Child];
        if self.reading.any(ASKING) || asks.into_iter().any(|kind| self.talk.has(kind)) {
            return false;
        }
        let hits = self.reading.hits();
        let own = |concept| matches!(concept, Concept::Agency | Concept::Level | Concept::Owned | Concept::DivesWord);
        hits.iter()
            .filter(|hit| is_topic(hit.concept) && !own(hit.concept))
            .all(|hit| hits.iter().any(|other| own(other.concept) && other.start < hit.end && hit.start < other.end))
    }

    fn within(&self, words: usize) -> bool {
        let longest = if text::unspaced(self.reading.lang()) { words * 2 } else { words };
        self.reading.len() <= longest
    }
}

/// What is asked or wished for, if only in a few words.
const ASKING: &[Concept] = &[
    Concept::Allowed,
    Concept::Before,
    Concept::HowDeep,
    Concept::HowLong,
    Concept::HowWork,
    Concept::When,
    Concept::Where,
    Concept::Better,
    Concept::Hypo,
    Concept::Fear,
    Concept::Now,
    Concept::PostDive,
];

/// The fixed phrase for a greeting, thanks or a question about the bot.
fn phrase(reading: &Reading) -> Option<Phrase> {
    let longest = if text::unspaced(reading.lang()) { 18 } else { 9 };
    // "Are you a doctor" speaks of the bot, and of no doctor.
    let of_the_bot =
        |hit: &Hit<Concept>| reading.hits().iter().any(|bot| bot.concept == Concept::Bot && hit.is_inside(bot));
    let topic = |hit: &&Hit<Concept>| is_topic(hit.concept) && hit.concept != Concept::Bot && !of_the_bot(hit);
    if reading.hits().iter().any(|hit| topic(&hit)) || reading.len() > longest {
        return None;
    }
    let few = if text::unspaced(reading.lang()) { 12 } else { 5 };
    if reading.has(Concept::Bot) {
        Some(Phrase::Help)
    } else if reading.has(Concept::Thanks) && reading.len() <= few {
        Some(Phrase::Thanks)
    } else if reading.has(Concept::Greeting) && reading.len() <= few && !reading.has(Concept::Dive) {
        Some(Phrase::Greeting)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "small_talk_tests.rs"]
mod tests;
