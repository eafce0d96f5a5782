//! The places, sites and animals that a question is about.

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::pattern::Hit;

/// The names that a message with this label asks about, longest first where they overlap. Who asks about a course or
/// an illness may name a place by the way.
pub(super) fn named(reading: &Reading, text: &str, label: &str) -> Vec<String> {
    let wanted: &[Concept] = match label {
        "trip" => &[Concept::Place, Concept::DiveSite, Concept::Species],
        "retrieval" => &[Concept::Species],
        _ => return Vec::new(),
    };
    let message = Message::read(text);
    let hits: Vec<&Hit<Concept>> = reading.hits().iter().filter(|hit| wanted.contains(&hit.concept)).collect();
    let inside = |hit: &Hit<Concept>| hits.iter().any(|other| hit.is_inside(other));
    // Where a word is known in two ways, the one that gives its plain name stands.
    let plain = |hit: &Hit<Concept>| Lexicon::of(reading.lang()).gloss(hit).is_some();
    let named_otherwise = |hit: &Hit<Concept>| {
        let same = |other: &&&Hit<Concept>| (other.start, other.end) == (hit.start, hit.end);
        !plain(hit) && hits.iter().filter(same).any(|other| plain(other))
    };
    let mut names: Vec<String> = Vec::new();
    for hit in hits.iter().filter(|hit| !inside(hit) && !named_otherwise(hit)) {
        let said = || message.text.units.get(hit.start..hit.end).map(|units| units.join(" "));
        // What is written in another script says nothing to a search in English.
        let name =
            Lexicon::of(reading.lang()).gloss(hit).map(str::to_owned).or_else(said).filter(|name| name.is_ascii());
        names.extend(name.filter(|name| !is_wide(name) && !names.contains(name)));
    }
    names
}

/// Whether a name says too little to tell documents apart by it.
pub(super) fn is_wide(name: &str) -> bool {
    WIDE.contains(&name)
}

/// Regions so wide that documents on what lies in them need not name them, and names that are common words, too.
/// "Belongs" is taken for the site Belongas by the correction of spelling.
const WIDE: &[&str] = &[
    "america",
    "africa",
    "asia",
    "europe",
    "southeast asia",
    "central america",
    "caribbean",
    "caribe",
    "mediterranean",
    "micronesia",
    "polynesia",
    "plankton",
    "deep south",
    "canary",
    "animal",
    "animals",
    "marine animal",
    "big animals",
    "marine life",
    "fish",
    "creature",
    "lake",
    "belongs",
];

#[cfg(test)]
mod tests {
    use dovvybuddy_core::Lang;

    use super::*;

    fn names(text: &str, label: &str) -> Vec<String> {
        named(&Message::read(text).reading(Lang::En), text, label)
    }

    #[test]
    fn what_a_trip_is_about_is_named_by_its_longest_name() {
        assert_eq!(names("blue hole dahab how deep", "trip"), ["blue hole", "dahab"]);
        assert_eq!(names("best month for whale sharks in djibouti", "trip"), ["whale shark", "djibouti"]);
        assert_eq!(names("how deep is the great blue hole", "trip"), ["great blue hole"]);
    }

    #[test]
    fn a_place_beside_another_question_is_no_subject() {
        assert!(names("I live in Spain, how deep may I go", "certification").is_empty());
        assert_eq!(names("I saw manta rays in Bali, what do they eat", "retrieval"), ["manta ray"]);
    }
}
