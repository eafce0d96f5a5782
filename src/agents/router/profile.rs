//! What a message tells of the diver.

use dovvybuddy_core::Lang;
use dovvybuddy_core::session::{DiverProfile, Units};

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::pattern::Hit;
use crate::text::{self, Text};

use super::{features, memory};

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
    let level = reading.hits().iter().find(|hit| hit.concept == Concept::Level && held(hit, reading, text));
    profile.cert_level = level.and_then(|hit| lexicon.gloss(hit)).map(str::to_owned);
    if profile.cert_level.is_some() {
        profile.agency = named(Concept::Agency).next();
    }
    profile.last_dive = memory::last_dive(reading, text);
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
        profile.concerns.extend(worry(reading, raw));
        profile.concerns.dedup();
        profile.concerns.truncate(5);
    }
    profile
}

/// The worry to acknowledge, by its English name, which is also what is searched for.
pub(super) fn worry(reading: &Reading, raw: &str) -> Option<String> {
    let text = &Message::read(raw).text;
    let lexicon = Lexicon::of(reading.lang());
    // "Why are decongestants a worry" speaks of a thing, and nobody's feelings.
    let of_a_thing = |at: usize| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| text.units.get(at)).map_or("", String::as_str);
        before(1) == "a" && !matches!(before(2), "have" | "got" | "is" | "its")
    };
    let felt = |hit: &&Hit<Concept>| hit.concept == Concept::Worry && !of_a_thing(hit.start);
    let worries = || reading.hits().iter().filter(felt);
    let told: Vec<String> = worries().map(|hit| name(lexicon, hit, text)).collect();
    let plain = told.first()?;
    if let Some(particular) = told.iter().find(|worry| !PLAIN_WORRIES.contains(&worry.as_str())) {
        return Some(particular.clone());
    }
    // "Scared" alone says little; what is named beside it says of what.
    let of = reading.hits().iter().find_map(|hit| match hit.concept {
        Concept::Species => Some(name(lexicon, hit, text)),
        Concept::HowDeep => Some("depth deep water".to_owned()),
        Concept::Gas => Some("running out of air".to_owned()),
        Concept::Drill => Some(name(lexicon, hit, text)).filter(|name| name.contains("air")),
        Concept::AgeLimit => Some("age".to_owned()),
        Concept::CourseSkill | Concept::Gear => Some(name(lexicon, hit, text)).filter(|name| name.contains("mask")),
        _ => None,
    });
    Some(of.map_or_else(|| plain.clone(), |of| format!("fear of {of}")))
}

/// What to search for a worry: words that documents on it use, whatever the diver's. Who writes the documents'
/// language says it best; more words of fear would only bring what is said of fear in general.
pub(super) fn searched(worry: &str, lang: Lang) -> &'static str {
    const SUBJECTS: &[(&[&str], &str)] = &[
        (&["shark"], "afraid of sharks and divers"),
        (&["mask"], "nervous about mask clearing water in the nose"),
        (&["slow", "age"], "holding up the group or being the oldest"),
        (&["swim"], "weak swimmer"),
        (&["claustro"], "claustrophobia mask tight"),
        (&["doubt", "embarrass", "failing", "fitness"], "embarrassed ashamed"),
        (
            &["air", "suffocation", "deep", "depth", "dark", "drown", "water", "sea"],
            "afraid of deep water or of running out of air",
        ),
    ];
    let found = SUBJECTS.iter().find(|(names, _)| names.iter().any(|name| worry.contains(name)));
    found.map_or(if lang == Lang::En { "" } else { "nervous before a dive" }, |(_, words)| words)
}

/// Names of worries that don't say of what.
const PLAIN_WORRIES: &[&str] =
    &["fear", "worry", "worried", "nervousness", "nervous", "anxiety", "panic", "stress", "unease", "phobia"];

/// Whether the message speaks of fear and of nothing else that another agent knows better.
pub(super) fn nothing_but_worry(reading: &Reading) -> bool {
    let more = |c: Concept| {
        features::is_topic(c)
            && !matches!(
                c,
                Concept::Worry
                    | Concept::Species
                    | Concept::HowDeep
                    | Concept::Ears
                    | Concept::Gear
                    | Concept::CourseSkill
                    | Concept::Safety
                    | Concept::Medical
                    | Concept::Conditions
                    | Concept::Drill
                    | Concept::Gas
                    | Concept::Prereq
                    | Concept::AgeLimit
            )
    };
    reading.has(Concept::Worry) && reading.count(more) == 0
}

fn name(lexicon: &Lexicon, hit: &Hit<Concept>, text: &Text) -> String {
    lexicon.gloss(hit).map_or_else(|| text.units.get(hit.start..hit.end).unwrap_or_default().join(" "), str::to_owned)
}

/// Whether the level at `hit` is said to be the diver's: nothing but small words between "I am" and the
/// level, so that "I am thinking of open water" and "I am not advanced" teach nothing.
fn held(hit: &Hit<Concept>, reading: &Reading, text: &Text) -> bool {
    let between = |from: usize| from..hit.start;
    // "My open water course" is being done, "my wife is advanced" is somebody else.
    if reading.hits().iter().any(|course| course.concept == Concept::Course && hit.is_inside(course)) {
        return false;
    }
    let others = |owned: &Hit<Concept>| {
        let inside = |other: &Hit<Concept>| owned.start <= other.start && other.end <= owned.end;
        reading.hits().iter().any(|other| other.concept == Concept::Other && inside(other))
    };
    let owned = reading.hits().iter().filter(|owned| owned.concept == Concept::Owned && !others(owned));
    owned.into_iter().any(|owned| {
        if owned.start > hit.start || hit.start.saturating_sub(owned.end) > reach(reading) {
            return false;
        }
        let part_of = |at: usize| {
            reading.hits().iter().any(|h| {
                matches!(h.concept, Concept::Agency | Concept::Level | Concept::Owned) && (h.start..h.end).contains(&at)
            })
        };
        let small = |at: usize| text.units.get(at).is_some_and(|unit| SMALL.contains(&unit.as_str()));
        text::unspaced(reading.lang()) || between(owned.end).all(|at| part_of(at) || small(at))
    })
}

/// Words that may stand between "I am" and a level, folded, in the languages that space their words.
const SMALL: &[&str] = &[
    "a",
    "an",
    "the",
    "my",
    "only",
    "just",
    "already",
    "now",
    "currently",
    "certified",
    "newly",
    "new",
    "fresh",
    "still",
    "level",
    "actually",
    "un",
    "una",
    "el",
    "la",
    "mi",
    "ya",
    "solo",
    "buzo",
    "buceador",
    "buceadora",
    "certificado",
    "certificada",
    "nivel",
    "der",
    "die",
    "den",
    "das",
    "ein",
    "eine",
    "einen",
    "mein",
    "meinen",
    "meine",
    "schon",
    "nur",
    "erst",
    "jetzt",
    "bereits",
    "zertifizierter",
    "zertifiziert",
    "une",
    "le",
    "mon",
    "deja",
    "juste",
    "plongeur",
    "plongeuse",
    "certifie",
    "certifiee",
    "niveau",
    "um",
    "uma",
    "o",
    "meu",
    "ja",
    "apenas",
    "mergulhador",
    "mergulhadora",
    "il",
    "lo",
    "mio",
    "gia",
    "sub",
    "brevettato",
    "brevettata",
    "livello",
    "sudah",
    "baru",
    "cuma",
    "penyelam",
    "punya",
    "sertifikat",
    "sertifikasi",
    "level",
    "غواص",
    "رخصه",
    "شهاده",
    "مستوي",
    "علي",
];

const fn reach(reading: &Reading) -> usize {
    if text::unspaced(reading.lang()) { 6 } else { 5 }
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
