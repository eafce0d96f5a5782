//! Measures in the diver's own units: imperial first for who thinks in feet, rounded to the safe side.

use std::sync::LazyLock;

use dovvybuddy_core::session::Units;
use regex::{Captures, Regex};

use crate::text::units::{Unit, convert};

#[allow(clippy::expect_used, reason = "constant patterns, compiled by the tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well formed")
}

const NUMBER: &str = r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?";

/// `18 m (60 ft)`, `5–30 m (16–100 ft)`, `18 m`.
static METRIC: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?P<a>{NUMBER})(?P<to>\s?(?:–|-|to|and)\s?)?(?P<b>{NUMBER})?(?P<gap>[\s\u{{a0}}-]?)(?P<unit>metres|meters|metre|meter|m|bar|°C|kg)\b(?P<brackets>\s\((?:about |roughly |around )?[\d.,–\-\sto]+(?:ft|feet|psi|°F|lb|lbs|pounds)\))?"
    ))
});

/// A lone `60 ft`, with what follows in brackets if it is metric.
static IMPERIAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?P<a>{NUMBER})(?P<to>\s?(?:–|-|to|and)\s?)?(?P<b>{NUMBER})?(?P<gap>[\s\u{{a0}}-]?)(?P<unit>ft|feet|psi|°F|lbs|lb|pounds)\b(?P<brackets>\s\((?:about |roughly |around )?[\d.,–\-\sto]+(?:m|metres|bar|°C|kg)\))?"
    ))
});

/// The sentence with its measures as the diver wants them. Without a wish it stays as the source has it.
pub(crate) fn in_units_of(sentence: &str, units: Option<Units>) -> String {
    match units {
        Some(Units::Imperial) => {
            METRIC.replace_all(sentence, |found: &Captures<'_>| imperial_first(sentence, found)).into_owned()
        }
        Some(Units::Metric) => {
            IMPERIAL.replace_all(sentence, |found: &Captures<'_>| metric_added(sentence, found)).into_owned()
        }
        None => sentence.to_owned(),
    }
}

fn part<'a>(found: &'a Captures<'_>, name: &str) -> &'a str {
    found.name(name).map_or("", |m| m.as_str())
}

fn imperial_first(sentence: &str, found: &Captures<'_>) -> String {
    let whole = part_whole(found);
    let brackets = part(found, "brackets");
    let metric = whole.strip_suffix(brackets).unwrap_or(whole);
    // "18 m" before a letter ("18 minutes") is no measure of ours.
    let Some((from, to, name)) = imperial(part(found, "unit")) else { return whole.to_owned() };
    if half_range(found) {
        return whole.to_owned();
    }
    let inner = brackets.trim().trim_start_matches('(').trim_end_matches(')');
    if !inner.is_empty() {
        return format!("{inner} ({metric})");
    }
    if tells_both(sentence, to) {
        return whole.to_owned();
    }
    match converted(found, from, to) {
        Some(text) => format!("{text} {name} ({metric})"),
        None => whole.to_owned(),
    }
}

fn metric_added(sentence: &str, found: &Captures<'_>) -> String {
    let whole = part_whole(found).to_owned();
    let bracketed = found.get(0).is_some_and(|m| sentence.get(..m.start()).unwrap_or("").ends_with(['(', ' '])) && {
        let start = found.get(0).map_or(0, |m| m.start());
        let head = sentence.get(..start).unwrap_or("");
        head.rfind('(') > head.rfind(')')
    };
    if bracketed || !part(found, "brackets").is_empty() || half_range(found) {
        return whole;
    }
    let Some((from, to, name)) = metric(part(found, "unit")) else { return whole };
    if tells_both(sentence, to) {
        return whole;
    }
    converted(found, from, to).map_or(whole.clone(), |text| format!("{whole} ({text} {name})"))
}

/// Whether a pressure stands in the sentence in the other unit, too, outside brackets: "1 bar is 14.5 psi" would
/// become two different numbers of psi.
fn tells_both(sentence: &str, to: Unit) -> bool {
    let name = match to {
        Unit::Psi => "psi",
        Unit::Bar => "bar",
        _ => return false,
    };
    sentence.split(|c: char| !c.is_alphabetic()).any(|word| word == name)
}

fn part_whole<'a>(found: &'a Captures<'_>) -> &'a str {
    found.get(0).map_or("", |m| m.as_str())
}

/// "5 to" without its second number, or two numbers without a link.
fn half_range(found: &Captures<'_>) -> bool {
    found.name("to").is_some() != found.name("b").is_some()
}

fn imperial(unit: &str) -> Option<(Unit, Unit, &'static str)> {
    Some(match unit {
        "m" | "metre" | "metres" | "meter" | "meters" => (Unit::Metre, Unit::Foot, "ft"),
        "bar" => (Unit::Bar, Unit::Psi, "psi"),
        "°C" => (Unit::Celsius, Unit::Fahrenheit, "°F"),
        "kg" => (Unit::Kilogram, Unit::Pound, "lb"),
        _ => return None,
    })
}

fn metric(unit: &str) -> Option<(Unit, Unit, &'static str)> {
    Some(match unit {
        "ft" | "feet" => (Unit::Foot, Unit::Metre, "m"),
        "psi" => (Unit::Psi, Unit::Bar, "bar"),
        "°F" => (Unit::Fahrenheit, Unit::Celsius, "°C"),
        "lb" | "lbs" | "pounds" => (Unit::Pound, Unit::Kilogram, "kg"),
        _ => return None,
    })
}

/// Lower pressures are no gas in a cylinder but partial or ambient ones, which are told in bar or atmospheres
/// everywhere and mean something else once rounded.
const LEAST_IN_A_CYLINDER_BAR: f64 = 20.0;

fn converted(found: &Captures<'_>, from: Unit, to: Unit) -> Option<String> {
    let one = |name: &str| -> Option<String> {
        let value: f64 = part(found, name).replace(',', "").parse().ok()?;
        let bar = convert(value, from, Unit::Bar);
        if bar.is_some_and(|bar| bar < LEAST_IN_A_CYLINDER_BAR) {
            return None;
        }
        Some(safe(convert(value, from, to)?, to))
    };
    let first = one("a")?;
    Some(if found.name("b").is_some() { format!("{first}–{}", one("b")?) } else { first })
}

/// Depths are rounded up the water, gas reserves upwards, temperatures and weights to the nearest.
fn safe(value: f64, unit: Unit) -> String {
    let value = match unit {
        Unit::Foot | Unit::Metre => value.floor(),
        Unit::Psi => (value / 50.0).ceil() * 50.0,
        Unit::Bar => (value / 5.0).ceil() * 5.0,
        _ => value.round(),
    };
    format!("{value:.0}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn imperial_of(text: &str) -> String {
        in_units_of(text, Some(Units::Imperial))
    }

    #[test]
    fn imperial_divers_read_feet_first() {
        assert_eq!(imperial_of("The limit is 18 m (60 ft)."), "The limit is 60 ft (18 m).");
        assert_eq!(imperial_of("It lies at 5–30 m."), "It lies at 16–98 ft (5–30 m).");
        assert_eq!(
            imperial_of("Water is 28 °C, ascend with 50 bar."),
            "Water is 82 °F (28 °C), ascend with 750 psi (50 bar)."
        );
    }

    /// Rounded up to 50 psi, 1.4 bar of oxygen would read as more than twice as much.
    #[test]
    fn partial_and_ambient_pressures_stay_in_bar() {
        for text in ["Plan for 1.4 bar of oxygen.", "There the pressure is 2 bar.", "It holds 8 to 10 bar."] {
            assert_eq!(imperial_of(text), text);
        }
        assert_eq!(
            imperial_of("A full cylinder has 200 bar, about 2,900 psi."),
            "A full cylinder has 200 bar, about 2,900 psi."
        );
        assert_eq!(in_units_of("Air weighs 14.7 psi.", Some(Units::Metric)), "Air weighs 14.7 psi.");
    }

    #[test]
    fn what_is_no_measure_stays() {
        for text in ["It takes 18 minutes.", "Between 4 and 20 dives.", "The 3 major agencies.", "5 mm suits"] {
            assert_eq!(imperial_of(text), text);
        }
    }

    #[test]
    fn metric_divers_get_metres_for_lone_feet() {
        assert_eq!(in_units_of("Stay above 60 ft.", Some(Units::Metric)), "Stay above 60 ft (18 m).");
        assert_eq!(in_units_of("The limit is 18 m (60 ft).", Some(Units::Metric)), "The limit is 18 m (60 ft).");
        assert_eq!(in_units_of("60 ft", None), "60 ft");
    }

    proptest! {
        #[test]
        fn any_sentence_goes_through(text in "[0-9 .,a-z°CFmft()–-]{0,60}") {
            let _ = imperial_of(&text);
            let _ = in_units_of(&text, Some(Units::Metric));
        }
    }
}
