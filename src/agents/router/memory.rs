//! What the memory of a diver is used for and how it is corrected: what is to be forgotten, when the last
//! dive was, and whether a question goes deeper than the certificate.

use dovvybuddy_core::session::{DiverProfile, ProfileField};

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::text::{self, Text};

/// A request to forget something is short; longer messages speak of forgetting.
const LONGEST_REQUEST: usize = 14;

/// What the diver wants forgotten.
pub(super) fn forgets(reading: &Reading) -> Vec<ProfileField> {
    let longest = if text::unspaced(reading.lang()) { LONGEST_REQUEST * 2 } else { LONGEST_REQUEST };
    if reading.len() > longest {
        return Vec::new();
    }
    let lexicon = Lexicon::of(reading.lang());
    let asked = reading.hits().iter().filter(|hit| hit.concept == Concept::Forget);
    let mut fields: Vec<ProfileField> = asked.filter_map(|hit| lexicon.gloss(hit)).filter_map(field).collect();
    fields.dedup();
    fields
}

/// The glosses of the lexicon's `forget`.
fn field(gloss: &str) -> Option<ProfileField> {
    Some(match gloss {
        "agency" => ProfileField::Agency,
        "level" => ProfileField::Level,
        "dives" => ProfileField::Dives,
        "last dive" => ProfileField::LastDive,
        "concerns" => ProfileField::Concerns,
        "region" => ProfileField::Region,
        "travel plans" => ProfileField::TravelPlans,
        "everything" => ProfileField::Everything,
        _ => return None,
    })
}

/// When the last dive was, in short English: "3 years ago", "2019", "yesterday".
pub(super) fn last_dive(reading: &Reading, text: &Text) -> Option<String> {
    let told = reading.hits().iter().find(|hit| hit.concept == Concept::LastDive)?;
    let lexicon = Lexicon::of(reading.lang());
    let reach = if text::unspaced(reading.lang()) { 14 } else { 6 };
    let near = told.start.saturating_sub(reach)..told.end + reach;
    let units = || near.clone().filter_map(|at| Some((at, text.units.get(at)?)));
    let span = reading
        .hits()
        .iter()
        .filter(|hit| hit.concept == Concept::TimeSpan && near.contains(&hit.start))
        .find_map(|hit| Some((hit.start, lexicon.gloss(hit)?)));
    if let Some((at, span)) = span {
        let before = (1..=3).filter_map(|back| text.units.get(at.checked_sub(back)?)).find_map(|unit| small(unit));
        return Some(before.map_or_else(|| format!("{span} ago"), |number| format!("{number} {span} ago")));
    }
    units().find(|(_, unit)| is_year(unit)).map(|(_, unit)| unit.clone())
}

fn small(unit: &str) -> Option<u32> {
    unit.parse().ok().filter(|number| (1..=60).contains(number))
}

fn is_year(unit: &str) -> bool {
    unit.len() == 4 && unit.parse::<u32>().is_ok_and(|year| (1950..=2100).contains(&year))
}

/// The depth in metres that a certificate is usually taken for: PADI and SSI standards for their levels
/// (Open Water 18 m, advanced 30 m, recreational limit 40 m), CMAS and FFESSM for theirs.
fn limit(level: &str) -> Option<f32> {
    Some(match level {
        "JOW" | "OW" => 18.0,
        "N1" | "CMAS1" => 20.0,
        "AOW" | "RESCUE" => 30.0,
        "N2" | "CMAS2" | "MSD" | "DM" | "INSTRUCTOR" => 40.0,
        _ => return None,
    })
}

/// Depths are rounded when people speak of them; one metre more is the same depth.
const ROUNDING: f32 = 1.0;

/// Whether the diver asks for a dive deeper than the certificate is taken for.
pub(super) fn beyond_certificate(reading: &Reading, raw: &str, profile: &DiverProfile) -> bool {
    let about_a_dive = reading.any(&[
        Concept::Dive,
        Concept::DiveSite,
        Concept::Place,
        Concept::Trip,
        Concept::Allowed,
        Concept::HowDeep,
        Concept::Before,
    ]);
    // Courses that go deeper are the answer already; exams, stories and long reefs are no plans.
    let other = reading.any(&[
        Concept::Course,
        Concept::Prereq,
        Concept::Study,
        Concept::Fiction,
        Concept::Past,
        Concept::Conditions,
        Concept::History,
    ]);
    let Some(limit) = profile.cert_level.as_deref().and_then(limit) else { return false };
    about_a_dive && !other && depths(raw).any(|depth| depth > limit + ROUNDING)
}

/// The depths a message names, in metres.
fn depths(raw: &str) -> impl Iterator<Item = f32> {
    const METRES: &[&str] = &[
        "m",
        "mt",
        "mtr",
        "mtrs",
        "mts",
        "meter",
        "meters",
        "metern",
        "metre",
        "metres",
        "metro",
        "metros",
        "metri",
        "mètres",
        "متر",
        "مترا",
        "أمتار",
    ];
    const FEET: &[&str] = &["ft", "feet", "foot", "pies", "fuß", "piedi", "pieds", "pés"];
    const UNSPACED: &[&str] = &["米", "公尺", "メートル", "เมตร"];
    const FOOT: f32 = 0.3048;
    let lower = raw.to_lowercase();
    let mut found = Vec::new();
    let mut rest = lower.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let from = rest.get(at..).unwrap_or_default();
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        let named = after.trim_start();
        let unit: String = named.chars().take_while(|c| c.is_alphabetic()).collect();
        let metres = METRES.contains(&unit.as_str()) || UNSPACED.iter().any(|word| named.starts_with(word));
        let factor = match () {
            () if metres => Some(1.0),
            () if FEET.contains(&unit.as_str()) => Some(FOOT),
            () => None,
        };
        if let (Some(factor), Ok(number)) = (factor, digits.parse::<u16>()) {
            found.push(f32::from(number) * factor);
        }
        rest = after;
    }
    // Nobody means a dive by what lies beyond: lengths of reefs, distances to swim.
    found.into_iter().filter(|depth| *depth <= DEEPEST)
}

const DEEPEST: f32 = 120.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_read_in_metres_and_feet() {
        let read = |raw| depths(raw).map(f32::round).collect::<Vec<_>>();
        assert_eq!(read("a wreck at 40m or 130 ft, 200 bar, 300 m swim"), [40.0, 40.0]);
        assert_eq!(read("40米的沉船"), [40.0]);
        assert_eq!(read("沈船 40メートル"), [40.0]);
        assert_eq!(read("5 dives"), Vec::<f32>::new());
    }
}
