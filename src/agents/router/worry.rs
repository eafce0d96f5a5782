//! What a worried diver wants to know: comfort, or a fact as well.

use dovvybuddy_core::Lang;
use dovvybuddy_core::questions;

use crate::concept::Concept;
use crate::message::Message;

/// What is asked for where it is named in a part of the message that tells of no fear.
const FACTS: &[Concept] = &[
    Concept::HowLong,
    Concept::HowDeep,
    Concept::When,
    Concept::Where,
    Concept::NoFly,
    Concept::Medical,
    Concept::Medicine,
    Concept::Gas,
    Concept::Deco,
    Concept::GasHazard,
    Concept::Intox,
    Concept::Prereq,
];

/// Whether a message that tells of a worry asks for a fact besides: in a part of its own, so that "I'm scared of going
/// deep" asks for nothing.
pub(super) fn wants_a_fact(text: &str, lang: Lang) -> bool {
    questions::wants_a_fact(text) || questions::parts(text).any(|part| asks_for_one(part, lang))
}

fn asks_for_one(part: &str, lang: Lang) -> bool {
    let message = Message::read(part);
    let reading = message.reading(lang);
    let asks = reading.question() || questions::asks_first(part) || lang != Lang::En && is_asked(&reading);
    asks && reading.any(FACTS) && !reading.has(Concept::Worry)
}

/// Whether a part asks by its words: question marks are often left out.
fn is_asked(reading: &crate::emergency::Reading) -> bool {
    reading.any(&[Concept::HowLong, Concept::HowDeep, Concept::When, Concept::Where])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worry_hides_no_question_of_fact() {
        for (lang, text) in [
            (Lang::En, "scared after reading a forum: is PFO something I should get tested for"),
            (Lang::En, "I'm nervous. How long do I have to wait before I fly?"),
            (Lang::De, "Wie lange muss ich nach dem Tauchen warten, bis ich fliege? Ich mach mir Sorgen"),
            (Lang::Zh, "氮醉一般从多深开始?我下次要去35米有点怕"),
        ] {
            assert!(wants_a_fact(text, lang), "{text}");
        }
        for (lang, text) in [
            (Lang::En, "I'm scared of sharks, what if one comes?"),
            (Lang::En, "I'm afraid of going deep"),
            (Lang::En, "I'm scared of running out of air, is that normal?"),
            (Lang::De, "Ich habe Angst vor dem tiefen Wasser"),
        ] {
            assert!(!wants_a_fact(text, lang), "{text}");
        }
    }
}
