//! Greetings, thanks and questions about the bot itself: fixed words suffice.

use dovvybuddy_core::agent::Phrase;

use super::features::is_topic;
use crate::concept::Concept;
use crate::emergency::Reading;
use crate::text;

/// The fixed phrase that answers the message, if it is nothing but small talk.
pub(super) fn phrase(reading: &Reading) -> Option<Phrase> {
    let longest = if text::unspaced(reading.lang()) { 18 } else { 9 };
    let topics = reading.count(|c| is_topic(c) && c != Concept::Bot);
    if topics > 0 || reading.count(Concept::is_sign) > 0 || reading.len() > longest {
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
