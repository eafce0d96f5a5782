//! What a question asks of the diver's own level: it is searched for with the level that is known.

use dovvybuddy_core::session::DiverProfile;

use super::query;
use super::subject::TakenOver;
use super::talk::{Kind, Talk};
use crate::concept::Concept;
use crate::emergency::Reading;

/// Words for the search, with a blank before them; none where the level does not matter, or another one is meant.
pub(super) fn asked_for(
    reading: &Reading,
    talk: &Talk,
    known: &DiverProfile,
    taken_over: &TakenOver,
    label: &str,
) -> String {
    let named = reading.any(&[Concept::Level, Concept::AgeLimit]) || talk.has(Kind::Child) || taken_over.of_another();
    let other = [Concept::Medical, Concept::Medicine, Concept::Fitness, Concept::NoFly, Concept::Ears, Concept::Intox];
    if reading.any(&other) {
        return String::new();
    }
    // What a site wants of its divers is told with the site.
    let site = reading.any(&[Concept::Place, Concept::DiveSite, Concept::Species]) || taken_over.of_a_thing();
    let asked = reading.has(Concept::Me) || taken_over.of_a_thing();
    if talk.has(Kind::Suits) && site && asked && !taken_over.of_gear() {
        return " Advanced Open Water or Open Water divers".to_owned();
    }
    if reading.has(Concept::CourseSkill) && !named && !site {
        return " Open Water course".to_owned();
    }
    // "Where is a good place to do it" is asked of a course as well.
    if reading.has(Concept::Where) && taken_over.of_another() && !site {
        return " best places to learn".to_owned();
    }
    let Some(level) = known.cert_level.as_deref().filter(|_| !named) else { return String::new() };
    let level = query::written_out(level);
    let agency = known.agency.as_deref().unwrap_or_default();
    let kinds_of_dives = reading.any(&[Concept::DiveSite, Concept::Liveaboard]) && !reading.has(Concept::Place);
    let allowed = reading.any(&[Concept::Allowed, Concept::HowDeep]) && reading.has(Concept::Me);
    if talk.has(Kind::Next) {
        format!(" choosing the next step after {level}")
    } else if talk.has(Kind::Limit) && !site {
        format!(" {agency} {level} depth limit")
    } else if allowed && (!site && matches!(label, "certification" | "trip") || kinds_of_dives) {
        format!(" {agency} {level}")
    } else {
        String::new()
    }
}
