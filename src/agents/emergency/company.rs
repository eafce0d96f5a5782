//! The company a sign keeps: what stands with it in the message, and what stands next to it. "Dead" is one
//! thing beside a computer and another beside a buddy, in every language.

use super::reading::Reading;
use crate::concept::Concept as C;
use crate::feature::Name;
use crate::pattern::Hit;
use crate::text;

/// How grave a sign is, as the rules sort them.
const fn tier(sign: C) -> &'static str {
    match sign {
        C::Suicide => "suicide",
        C::Cry => "cry",
        C::Sting | C::Venomous => "sting",
        sign if sign.is_grave() => "grave",
        sign if sign.is_suspect() => "suspect",
        _ => "mild",
    }
}

/// What tells whose sign it is, and of when, and whether it is one at all.
const fn tells(concept: C) -> bool {
    !concept.is_sign() && !concept.tells_kind() && !matches!(concept, C::Mask | C::NegAfter | C::Neg | C::But)
}

/// Whether hardly a word stands beside a grave sign, those who have it, and the cry for help: who is in danger
/// writes no more.
fn bare(reading: &Reading) -> bool {
    let told = |concept: C| concept.is_sign() || matches!(concept, C::Me | C::Other | C::Now | C::Persist);
    let covered =
        |unit: usize| reading.hits().iter().any(|hit| told(hit.concept) && hit.start <= unit && unit < hit.end);
    let beside = (0..reading.len()).filter(|unit| !covered(*unit)).count();
    beside <= if text::unspaced(reading.lang()) { 3 } else { 1 }
}

/// Names each tier of sign together with what else the message speaks of, with who is missing from it,
/// and with its nearest neighbours.
pub(crate) fn of(name: &mut Name<impl FnMut(&str, f32)>, reading: &Reading) {
    let signs: Vec<&Hit<C>> = reading.hits().iter().filter(|hit| hit.concept.is_sign()).collect();
    if signs.is_empty() {
        return;
    }
    if bare(reading)
        && let Some(sign) = signs.iter().find(|sign| sign.concept.is_grave())
    {
        name.set(&["bare:", tier(sign.concept)], 1.0);
    }
    let others: Vec<&Hit<C>> = reading.hits().iter().filter(|hit| tells(hit.concept)).collect();
    let person = reading.any(&[C::Me, C::Other]);
    let diving = reading.any(&[C::Dive, C::PostDive]);
    for sign in &signs {
        let tier = tier(sign.concept);
        for other in &others {
            name.set(&["x:", tier, "+", other.concept.key()], 0.4);
        }
        match (person, diving) {
            (true, true) => {}
            (true, false) => name.set(&["x:", tier, "-dive"], 0.5),
            (false, true) => name.set(&["x:", tier, "-person"], 0.5),
            (false, false) => name.set(&["x:", tier, "-both"], 0.5),
        }
        let reach = if text::unspaced(reading.lang()) { 8 } else { 4 };
        let before = others.iter().filter(|other| other.end <= sign.start && sign.start - other.end <= reach);
        if let Some(nearest) = before.max_by_key(|other| other.end) {
            name.set(&["n:", tier, "<", nearest.concept.key()], 0.5);
        }
        let after = others.iter().filter(|other| other.start >= sign.end && other.start - sign.end <= reach);
        if let Some(nearest) = after.min_by_key(|other| other.start) {
            name.set(&["n:", tier, ">", nearest.concept.key()], 0.5);
        }
    }
}

/// What the message speaks of, two by two.
pub(super) fn in_pairs(name: &mut Name<impl FnMut(&str, f32)>, reading: &Reading) {
    let concepts = reading.concepts();
    for (at, one) in concepts.iter().enumerate() {
        for other in concepts.get(at + 1..).unwrap_or_default() {
            name.set(&["p:", one.key(), "+", other.key()], 0.3);
        }
    }
}

/// Circumstances that weigh otherwise where no sign is named.
const TOLD: [C; 11] =
    [C::Body, C::Me, C::Other, C::Now, C::Overnight, C::Persist, C::PostDive, C::Dive, C::Before, C::NoFly, C::Chronic];

/// What a message tells that names no sign: a body and the dive behind it may be a sign in words that no lexicon
/// has, a dive and tomorrow are a plan.
pub(super) fn without_sign(name: &mut Name<impl FnMut(&str, f32)>, reading: &Reading) {
    let signed = reading.count(C::is_sign) > 0;
    if reading.hits().iter().filter(|hit| hit.concept == C::Body).count() > 1 {
        name.set(&[if signed { "bodies" } else { "bodies_unsigned" }], 0.5);
    }
    if signed {
        return;
    }
    let mut told: Vec<&str> = TOLD.iter().filter(|told| reading.has(**told)).map(|told| told.key()).collect();
    if reading.question() {
        told.push("question");
    }
    for (at, one) in told.iter().enumerate() {
        name.set(&["u:", one], 0.5);
        for other in told.get(at + 1..).unwrap_or_default() {
            name.set(&["u:", one, "+", other], 0.4);
        }
    }
}
