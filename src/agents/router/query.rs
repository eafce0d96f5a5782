//! The question as it would be asked without its history, with English words for the search.

use dovvybuddy_core::Lang;

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::text::Text;

/// A sentence of more units says something besides its thanks.
const LONGEST_COURTESY: usize = 12;

/// The search query: the earlier message before a follow-up, and for other languages the English
/// words that the lexicon knows for what was found.
pub(super) fn standalone(text: &str, earlier: Option<&str>, reading: &Reading) -> String {
    let mut query = String::new();
    if let Some(earlier) = earlier {
        query.push_str(earlier.trim());
        query.push(' ');
    }
    query.push_str(&without_courtesies(text, reading));
    if reading.lang() != Lang::En {
        let mut english = terms(reading);
        if let Some(earlier) = earlier {
            let before = Message::read(earlier);
            english.extend(terms(&before.reading(before.signs.detect(Some(reading.lang())).lang)));
        }
        let mut seen: Vec<String> = Vec::new();
        for term in english {
            if !seen.contains(&term) {
                query.push(' ');
                query.push_str(&term);
                seen.push(term);
            }
        }
    }
    query
}

/// The text without sentences that only greet or thank: "thanks in advance" is no question about an
/// advanced course. A text that has nothing else stays as it is.
fn without_courtesies(text: &str, whole: &Reading) -> String {
    if !whole.any(&[Concept::Greeting, Concept::Thanks]) {
        return text.trim().to_owned();
    }
    let lang = whole.lang();
    let is_courtesy = |sentence: &&str| {
        let reading = Reading::new(&Text::new(sentence), lang);
        reading.any(&[Concept::Greeting, Concept::Thanks]) && !reading.question() && reading.len() <= LONGEST_COURTESY
    };
    let sentences = || text.split_inclusive(['.', '!', '?', '\n', '。', '！', '？', '؟']);
    let kept: String = sentences().filter(|sentence| !is_courtesy(sentence)).collect();
    if kept.trim().is_empty() { text.trim().to_owned() } else { kept.trim().to_owned() }
}

/// The English words for what a reading found.
fn terms(reading: &Reading) -> Vec<String> {
    let lexicon = Lexicon::of(reading.lang());
    reading
        .hits()
        .iter()
        .filter_map(|hit| lexicon.gloss(hit).or_else(|| general_term(hit.concept)).map(str::to_owned))
        .collect()
}

/// The word under which English documents speak of a concept.
const fn general_term(concept: Concept) -> Option<&'static str> {
    Some(match concept {
        Concept::Dive | Concept::PostDive => "diving",
        Concept::Course => "course certification",
        Concept::AgeLimit => "minimum age children",
        Concept::Prereq => "prerequisites requirements",
        Concept::Equivalence => "equivalent crossover",
        Concept::CardAdmin => "certification card",
        Concept::Refresher => "refresher",
        Concept::Season => "best season months",
        Concept::Liveaboard => "liveaboard",
        Concept::Conditions => "visibility water temperature current",
        Concept::NoFly => "flying after diving",
        Concept::Ears => "ear equalising",
        Concept::Gas => "gas planning reserve",
        Concept::Deco => "safety stop no-decompression limit ascent",
        Concept::Fitness => "fitness to dive physician",
        Concept::HowDeep => "depth limit",
        Concept::HowLong => "how long duration",
        Concept::Worry => "anxiety fear",
        Concept::Dci => "decompression sickness",
        Concept::Neuro => "numbness tingling decompression sickness symptoms",
        Concept::Joint => "joint pain",
        Concept::Dizzy => "dizziness",
        Concept::Headache => "headache",
        Concept::Nausea => "nausea seasickness",
        Concept::EarMild => "ear barotrauma squeeze",
        Concept::Sting => "sting first aid",
        Concept::Intox => "alcohol",
        Concept::Rent => "rental equipment",
        Concept::Price => "price cost",
        Concept::Hours => "opening hours",
        Concept::DiveSite => "dive site",
        Concept::GearCare => "care service maintenance",
        _ => return None,
    })
}
