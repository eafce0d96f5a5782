//! The verdict: signs, weighed against how much the message speaks of a real person now.

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::EmergencyKind;

use super::reading::Reading;
use crate::concept::Concept as C;

/// From this sum on a message is an emergency.
const THRESHOLD: f32 = 2.5;

/// What the rules make of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    /// The kind, if it is an emergency.
    pub(super) kind: Option<EmergencyKind>,
    /// The weight of the signs alone.
    pub(super) severity: f32,
    /// The language whose words told.
    pub(super) lang: Lang,
}

/// Judges the readings of one message; the gravest counts.
pub(super) fn judge(readings: &[Reading]) -> Verdict {
    let mut gravest = Verdict { kind: None, severity: 0.0, lang: readings.first().map_or(Lang::En, Reading::lang) };
    for reading in readings {
        let severity = severity(reading);
        let emergency = severity > 0.0 && severity + concrete(reading) - general(reading) >= THRESHOLD;
        let graver = (emergency, severity) > (gravest.kind.is_some(), gravest.severity);
        if graver {
            let kind = emergency.then(|| kind(reading));
            gravest = Verdict { kind, severity, lang: reading.lang() };
        }
    }
    gravest
}

/// Whether a message is an alarm by itself.
pub(super) fn alarms(reading: &Reading) -> bool {
    judge(std::slice::from_ref(reading)).kind.is_some()
}

/// The three sums that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighed {
    /// How grave the signs are.
    pub(super) severity: f32,
    /// How much speaks for a real person, now.
    pub(super) concrete: f32,
    /// How much speaks in general, of the past, or of something invented.
    pub(super) general: f32,
}

/// The sums of a reading.
pub(super) fn weigh(reading: &Reading) -> Weighed {
    Weighed { severity: severity(reading), concrete: concrete(reading), general: general(reading) }
}

/// How grave the signs are, whoever has them.
fn severity(reading: &Reading) -> f32 {
    let suspects = reading.count(C::is_suspect);
    let mild = reading.count(C::is_mild);
    let mut severity: f32 = 0.0;
    if reading.has(C::Suicide) {
        severity = severity.max(4.0);
    }
    if reading.count(C::is_grave) > 0 {
        severity = severity.max(3.0);
    }
    if stung(reading) {
        severity = severity.max(3.0);
    }
    if suspects > 0 {
        let signs = count(suspects - 1) * 0.7 + count(mild) * 0.4;
        severity = severity.max(1.5 + signs.min(1.5));
    } else {
        severity = severity.max(match mild {
            0 => 0.0,
            1 => 0.7,
            _ => 1.6,
        });
    }
    if reading.has(C::FoulAir) {
        severity = severity.max(1.6) + if mild + suspects > 0 { 1.0 } else { 0.0 };
    }
    if reading.has(C::FastAscent) && mild + suspects > 1 {
        severity += 0.5;
    }
    // "What do I do?" under an "if" asks how it is done.
    if reading.has(C::Cry) && !reading.has(C::Hypo) {
        severity = if severity > 0.0 { severity + 0.8 } else { 1.8 };
    }
    if reading.has(C::EarMild) && reading.any(&[C::Dizzy, C::InnerEar]) {
        severity = severity.max(1.5);
    }
    severity
}

/// A sting or bite that endangers: of a dangerous animal, or with signs beyond the skin.
fn stung(reading: &Reading) -> bool {
    let systemic = reading.any(&[
        C::Swelling,
        C::Breathing,
        C::NoBreath,
        C::Collapse,
        C::Dizzy,
        C::Confusion,
        C::Neuro,
        C::Nausea,
    ]);
    reading.has(C::Sting) && (reading.has(C::Venomous) || systemic)
}

/// How much speaks for a real person, now.
fn concrete(reading: &Reading) -> f32 {
    let mut weight: f32 = 0.0;
    if reading.has(C::Other) {
        weight += 0.6;
    } else if reading.has(C::Me) {
        weight += 0.4;
    }
    let recent = reading.any(&[C::Now, C::Overnight]);
    if recent {
        weight += 0.6;
    }
    if reading.has(C::Persist) {
        weight += 0.5;
    }
    if reading.has(C::PostDive) {
        weight += 1.0;
    } else if reading.has(C::Dive) {
        weight += 0.4;
    }
    let single_mild = reading.count(C::is_mild) == 1 && reading.count(|c| c.is_suspect() || c.is_grave()) == 0;
    if single_mild && !reading.has(C::FoulAir) {
        // One mild sign stays a question for the safety agent, however recent it is.
        weight = weight.min(1.6);
    }
    weight
}

/// How much the message speaks in general, of the past, or of something invented.
fn general(reading: &Reading) -> f32 {
    let grave = reading.count(C::is_grave) > 0;
    let here = reading.any(&[C::Now, C::Overnight, C::PostDive]);
    // What weighs against a vague sign weighs less against a grave one that is happening.
    let eased = |full: f32, rest: f32| if grave && here { rest } else { full };
    let weights: [(&[C], f32); 9] = [
        (&[C::Hypo], 2.5),
        (&[C::Study, C::Fiction], 3.5),
        (&[C::General], 2.5),
        (&[C::Prevent], 2.0),
        (&[C::Past], 3.0),
        (&[C::StandDown], 3.0),
        (&[C::Resolved], eased(2.0, 1.0)),
        (&[C::Chronic], eased(2.5, 1.0)),
        (&[C::Fear], eased(2.0, 0.3)),
    ];
    let mut weight: f32 = weights.iter().filter(|(concepts, _)| reading.any(concepts)).map(|(_, weight)| weight).sum();
    if reading.has(C::Generic) && !reading.any(&[C::Me, C::Now]) {
        weight += if reading.question() || !grave { 1.0 } else { 0.3 };
    }
    // How venomous an animal is, told of nobody.
    let told = [C::Me, C::Other, C::Now, C::Overnight, C::PostDive, C::Cry];
    if stung(reading) && !reading.any(&told) {
        weight += 2.0;
    }
    // A phone dies, a car needs help: cries and mild signs that nobody has.
    let somebody = reading.any(&[C::Other, C::PostDive, C::Dive]);
    if reading.any(THINGS) && !somebody && !grave && reading.count(C::is_suspect) == 0 {
        weight += 2.0;
    }
    // Help is called for with a choice, and nobody is hurt.
    let nobody = reading.count(|c| c.is_sign() && c != C::Cry) == 0 && !reading.any(&[C::Other, C::PostDive]);
    if reading.has(C::Cry) && nobody && reading.any(CHOICES) {
        weight += 2.0;
    }
    // Fingers that cold water numbs and warmth wakes.
    let numb = reading.has(C::Neuro) && reading.count(|c| c.is_sign() && c != C::Neuro) == 0;
    if numb && reading.has(C::Cold) && reading.has(C::Resolved) && !reading.any(&[C::Persist, C::Overnight]) {
        weight += 2.0;
    }
    // Going diving is asked about, not something that follows a dive.
    if reading.has(C::Before) && !here {
        weight += 1.5;
    }
    weight
}

/// Whether a message speaks in general, of the past or of something invented, more than of somebody these days.
pub(super) fn speaks_in_general(reading: &Reading) -> bool {
    general(reading) >= 2.0
}

/// Subjects outside diving that people complain of in the words of an emergency.
const THINGS: &[C] = &[C::Tech, C::Food, C::Money, C::Media, C::Sport, C::Aquarium, C::OtherDive, C::Writing, C::Life];

/// What people choose, buy and pay.
const CHOICES: &[C] = &[C::Gear, C::GearCare, C::Better, C::Price, C::Hours, C::CardAdmin, C::Travel, C::Liveaboard];

/// The kind whose words fit best; the gravest first where several do.
pub(super) fn kind(reading: &Reading) -> EmergencyKind {
    let nerves = reading.any(&[C::Neuro, C::Paralysis, C::InnerEar, C::Skin, C::Joint, C::Dci, C::Vision]);
    let gasless = gasless(reading);
    let after_dive = reading.any(&[C::PostDive, C::Dive, C::FastAscent, C::Dci]);
    if reading.has(C::Suicide) {
        EmergencyKind::Suicide
    } else if reading.has(C::Apnoea) {
        // Breath comes before poison, blood and search; the words for the drowned begin with it, too.
        if reading.has(C::Drown) { EmergencyKind::Drowning } else { EmergencyKind::Unresponsive }
    } else if reading.has(C::Poison) || fish_poisoned(reading) {
        EmergencyKind::SeafoodPoisoning
    } else if stung(reading) || (reading.has(C::Sting) && reading.has(C::Stinger)) {
        EmergencyKind::Envenomation
    } else if reading.has(C::FoulAir) {
        EmergencyKind::CarbonMonoxide
    } else if nothing_but_ear(reading) {
        EmergencyKind::EarBarotrauma
    } else if reading.has(C::Bleed) {
        EmergencyKind::Bleeding
    } else if reading.has(C::Cardiac) && !nerves {
        EmergencyKind::Cardiac
    } else if reading.has(C::Drown) || blacked_out(reading) {
        EmergencyKind::Drowning
    } else if reading.has(C::Collapse) && !nerves {
        EmergencyKind::Unresponsive
    } else if reading.any(&[C::Missing, C::Drift]) {
        EmergencyKind::MissingDiver
    } else if reading.has(C::Swelling) && !after_dive {
        EmergencyKind::Envenomation
    } else if gasless && reading.any(&[C::Breathing, C::NoBreath, C::BloodCough]) {
        EmergencyKind::Drowning
    } else if gasless && !nerves {
        EmergencyKind::Illness
    } else if !nerves && reading.any(&[C::Venomous, C::Sting]) {
        EmergencyKind::Envenomation
    } else if nerves || after_dive || reading.has(C::BloodCough) {
        EmergencyKind::DecompressionIllness
    } else {
        EmergencyKind::Unspecified
    }
}

/// Somebody was in the water, and nothing tells of compressed gas: it is not bubbles that make them ill.
fn gasless(reading: &Reading) -> bool {
    reading.has(C::Snorkel) && !reading.any(&[C::Scuba, C::Dci, C::FastAscent])
}

/// Fish was eaten, and the body tells of it.
fn fish_poisoned(reading: &Reading) -> bool {
    reading.has(C::AteFish) && reading.count(|c| c.is_suspect() || c.is_mild() || c == C::Paralysis) > 0
}

/// Diving on one breath ends in a blackout, not in bubbles.
fn blacked_out(reading: &Reading) -> bool {
    reading.has(C::Freedive) && reading.any(&[C::NoBreath, C::Breathing, C::Collapse, C::BloodCough])
}

/// Every sign is of the ear itself. Spinning, deafness or anything of the nerves beside it may be bubbles in the
/// inner ear.
fn nothing_but_ear(reading: &Reading) -> bool {
    let ear: Vec<_> = reading.hits().iter().filter(|hit| hit.concept == C::EarInjury).collect();
    let of_ear = |start, end| ear.iter().any(|hit| hit.start < end && start < hit.end);
    let others = |concept: C| concept.is_sign() && !matches!(concept, C::Cry | C::EarMild | C::Pain);
    !ear.is_empty() && reading.hits().iter().filter(|hit| others(hit.concept)).all(|hit| of_ear(hit.start, hit.end))
}

/// Whether a message adds to a picture: a sign, or when and after what.
pub(super) fn adds(reading: &Reading) -> bool {
    reading.count(C::is_sign) > 0 || reading.any(&[C::Now, C::Overnight, C::PostDive, C::Dive, C::NoFly])
}

/// Whether a message asks without telling of anything: it begins another subject.
pub(super) fn only_asks(reading: &Reading) -> bool {
    reading.question() && reading.count(C::is_sign) == 0 && !reading.any(&[C::Now, C::Overnight])
}

/// Whether a message without an alarm of its own may belong to an emergency told before.
pub(super) fn carries_on(reading: &Reading) -> bool {
    if speaks_in_general(reading) {
        return false;
    }
    let sign = reading.count(C::is_sign) > 0;
    let told = reading.any(&[C::Persist, C::Fine, C::Now, C::Overnight, C::NoFly, C::PostDive, C::Cry]);
    sign || told || (reading.len() <= 6 && reading.any(&[C::Other, C::Me]))
}

#[allow(clippy::cast_precision_loss, reason = "counts of concepts, below a hundred")]
const fn count(n: usize) -> f32 {
    n as f32
}
