//! What a message tells of the diver.

use dovvybuddy_core::Lang;
use dovvybuddy_core::session::{DiverProfile, Units};

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::pattern::Hit;
use crate::text::Text;

/// The most dives anyone is believed to have logged.
const MOST_DIVES: u32 = 30_000;

/// The profile fields the message gives.
pub(super) fn learned(reading: &Reading, raw: &str, lang: Option<Lang>) -> DiverProfile {
    let text = &Message::read(raw).text;
    let lexicon = Lexicon::of(reading.lang());
    let named = |concept: Concept| {
        reading.hits().iter().filter(move |hit| hit.concept == concept).map(|hit| name(lexicon, hit, text))
    };
    let mut profile = DiverProfile { language: lang, ..DiverProfile::default() };
    if let Some(owned) = reading.hits().iter().find(|hit| hit.concept == Concept::Owned) {
        let level = reading.hits().iter().find(|hit| {
            hit.concept == Concept::Level && hit.start >= owned.start && hit.start <= owned.end + reach(reading)
        });
        profile.cert_level = level.and_then(|hit| lexicon.gloss(hit)).map(str::to_owned);
        if profile.cert_level.is_some() {
            profile.agency = named(Concept::Agency).next();
        }
    }
    profile.dives = dives(reading, text);
    profile.units = if reading.has(Concept::Imperial) {
        Some(Units::Imperial)
    } else if reading.has(Concept::Metric) {
        Some(Units::Metric)
    } else {
        None
    };
    let places: Vec<String> = named(Concept::Place).collect();
    if reading.has(Concept::HereIn) {
        profile.region = places.first().cloned();
    } else if reading.any(&[Concept::Trip, Concept::Month, Concept::Liveaboard]) && !places.is_empty() {
        let months = named(Concept::Month);
        profile.travel_plans = Some(places.into_iter().chain(months).collect::<Vec<_>>().join(", "));
    }
    if reading.has(Concept::Me) {
        profile.concerns.extend(named(Concept::Medical));
        profile.concerns.extend(named(Concept::Worry));
        profile.concerns.dedup();
        profile.concerns.truncate(5);
    }
    profile
}

/// The worry to acknowledge, in the diver's words or its English name.
pub(super) fn worry(reading: &Reading, raw: &str) -> Option<String> {
    let text = &Message::read(raw).text;
    let lexicon = Lexicon::of(reading.lang());
    reading.hits().iter().find(|hit| hit.concept == Concept::Worry).map(|hit| name(lexicon, hit, text))
}

fn name(lexicon: &Lexicon, hit: &Hit<Concept>, text: &Text) -> String {
    lexicon.gloss(hit).map_or_else(|| text.units.get(hit.start..hit.end).unwrap_or_default().join(" "), str::to_owned)
}

const fn reach(reading: &Reading) -> usize {
    if crate::text::unspaced(reading.lang()) { 12 } else { 5 }
}

/// The number that stands before the word for dives.
fn dives(reading: &Reading, text: &Text) -> Option<u32> {
    reading.hits().iter().filter(|hit| hit.concept == Concept::DivesWord).find_map(|hit| {
        (1..=2).find_map(|back| {
            let unit = text.units.get(hit.start.checked_sub(back)?)?;
            unit.parse().ok().filter(|dives| *dives <= MOST_DIVES)
        })
    })
}
