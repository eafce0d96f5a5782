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
