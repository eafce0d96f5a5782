//! Greetings, thanks and questions about the bot itself: fixed words suffice.

use dovvybuddy_core::agent::Phrase;

use super::features::is_topic;
use crate::concept::Concept;
use crate::emergency::Reading;
use crate::pattern::Hit;
use crate::text;

/// The fixed phrase that answers the message, if it is nothing but small talk.
pub(super) fn phrase(reading: &Reading) -> Option<Phrase> {
    let longest = if text::unspaced(reading.lang()) { 18 } else { 9 };
    // "Are you a doctor" speaks of the bot, and of no doctor.
    let of_the_bot =
        |hit: &Hit<Concept>| reading.hits().iter().any(|bot| bot.concept == Concept::Bot && hit.is_inside(bot));
    let topic = |hit: &&Hit<Concept>| is_topic(hit.concept) && hit.concept != Concept::Bot && !of_the_bot(hit);
    if reading.hits().iter().any(|hit| topic(&hit)) || reading.count(Concept::is_sign) > 0 || reading.len() > longest {
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
