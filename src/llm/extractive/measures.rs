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
/// What joins the numbers of a list before their common unit.
const JOINT: &str = r"(?:\s?[–-]\s?|,\s(?:and\s|or\s)?|\s(?:to|and|or)\s)";

/// `18 m (60 ft)`, `5–30 m (16–100 ft)`, `40, 45 and 50 m`, `18 m`.
static METRIC: LazyLock<Regex> =
    LazyLock::new(|| measure("metres|meters|metre|meter|m|bar|°C|kg", "ft|feet|psi|°F|lb|lbs|pounds"));

/// A lone `60 ft`, with what follows in brackets if it is metric.
static IMPERIAL: LazyLock<Regex> = LazyLock::new(|| measure("ft|feet|psi|°F|lbs|lb|pounds", "m|metres|bar|°C|kg"));

static NUMBERS: LazyLock<Regex> = LazyLock::new(|| pattern(NUMBER));
static JOINTS: LazyLock<Regex> = LazyLock::new(|| pattern(JOINT));

/// Numbers with one of `units`, and in brackets behind them the same in one of `others`.
fn measure(units: &str, others: &str) -> Regex {
    pattern(&format!(
        r"(?P<list>(?:{NUMBER})(?:{JOINT}(?:{NUMBER}))*)(?P<gap>[\s\u{{a0}}-]?)(?P<unit>{units})\b(?P<brackets>\s\((?:about |roughly |around )?(?:{NUMBER})(?:{JOINT}(?:{NUMBER}))*[\s\u{{a0}}]?(?:{others})\))?"
    ))
}

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

fn part<'a>(found: &Captures<'a>, name: &str) -> &'a str {
    found.name(name).map_or("", |m| m.as_str())
}

fn imperial_first(sentence: &str, found: &Captures<'_>) -> String {
    let whole = found.get_match().as_str();
    // "18 m" before a letter ("18 minutes") is no measure of ours.
    let Some((from, to, name)) = imperial(part(found, "unit")) else { return whole.to_owned() };
    let Some(list) = List::read(found) else { return whole.to_owned() };
    let metric = format!("{}{}{}", list.text, part(found, "gap"), part(found, "unit"));
    let inner = part(found, "brackets").trim().trim_start_matches('(').trim_end_matches(')');
    if !inner.is_empty() {
        return format!("{}{inner} ({metric})", list.before);
    }
    if tells_both(sentence, to) {
        return whole.to_owned();
    }
    list.converted(from, to).map_or_else(|| whole.to_owned(), |text| format!("{}{text} {name} ({metric})", list.before))
}

fn metric_added(sentence: &str, found: &Captures<'_>) -> String {
    let whole = found.get_match().as_str().to_owned();
    let before = sentence.get(..found.get_match().start()).unwrap_or("");
    let bracketed = before.rfind('(') > before.rfind(')');
    if bracketed || !part(found, "brackets").is_empty() {
        return whole;
    }
    let Some((from, to, name)) = metric(part(found, "unit")) else { return whole };
    if tells_both(sentence, to) {
        return whole;
    }
    let Some(list) = List::read(found) else { return whole };
    list.converted(from, to).map_or(whole.clone(), |text| format!("{whole} ({text} {name})"))
}

/// The numbers that a unit belongs to.
struct List<'a> {
    /// What stands before them without being theirs: the "1.4 and " of "MOD at 1.4 and 66 m (218 ft)".
    before: &'a str,
    text: &'a str,
}

impl<'a> List<'a> {
    /// `None` where it can't be told which numbers have the unit: better the source's words than a wrong depth.
    fn read(found: &Captures<'a>) -> Option<Self> {
        let text = part(found, "list");
        let starts: Vec<usize> = NUMBERS.find_iter(text).map(|number| number.start()).collect();
        let inside = NUMBERS.find_iter(part(found, "brackets")).count();
        let whole = Self { before: "", text };
        match (starts.len(), inside) {
            (1, _) => Some(whole),
            (numbers, inside) if numbers == inside => Some(whole),
            // "9 to 10 m (30 ft)": a span that the source rounds to one number.
            (_, 1) if whole.is_a_span() => Some(whole),
            (_, 1) => {
                let (before, text) = text.split_at(*starts.last()?);
                Some(Self { before, text })
            }
            (_, 0) => whole.belongs_together().then_some(whole),
            _ => None,
        }
    }

    /// Whether numbers without a second measure to compare with are of one kind: "18 or 20 m", "5 to 30 m", and not
    /// "dive 1, 18 m" or "1.4 and 66 m".
    fn belongs_together(&self) -> bool {
        let numbers: Vec<&str> = NUMBERS.find_iter(self.text).map(|number| number.as_str()).collect();
        let joints: Vec<&str> = JOINTS.find_iter(self.text).map(|joint| joint.as_str().trim()).collect();
        let decimals = numbers.iter().filter(|number| number.contains('.')).count();
        let values: Vec<f64> = numbers.iter().filter_map(|number| number.replace(',', "").parse().ok()).collect();
        let rises = values.windows(2).all(|pair| pair.first() < pair.last());
        let listed = joints.len() > 1 || joints.first().is_some_and(|joint| *joint != ",");
        listed && rises && (decimals == 0 || decimals == numbers.len())
    }

    fn is_a_span(&self) -> bool {
        JOINTS.find_iter(self.text).all(|joint| matches!(joint.as_str().trim(), "to" | "–" | "-"))
    }

    /// The numbers in the other unit, joined as they are; `None` where one of them is not to be converted.
    fn converted(&self, from: Unit, to: Unit) -> Option<String> {
        let mut text = String::new();
        let mut end = 0;
        for number in NUMBERS.find_iter(self.text) {
            text.push_str(self.text.get(end..number.start())?);
            let value: f64 = number.as_str().replace(',', "").parse().ok()?;
            if convert(value, from, Unit::Bar).is_some_and(|bar| bar < LEAST_IN_A_CYLINDER_BAR) {
                return None;
            }
            text.push_str(&safe(convert(value, from, to)?, to));
            end = number.end();
        }
        Some(text)
    }
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

    #[test]
    fn a_list_keeps_its_numbers_in_order() {
        for (source, imperial) in [
            (
                "Its MOD is 56 m (187 ft) at 1.4 and 66 m (218 ft) at 1.6.",
                "Its MOD is 187 ft (56 m) at 1.4 and 218 ft (66 m) at 1.6.",
            ),
            (
                "Tec 40 to 50 go to 40, 45 and 50 m (130, 145 and 165 ft).",
                "Tec 40 to 50 go to 130, 145 and 165 ft (40, 45 and 50 m).",
            ),
            ("First levels end at 18 or 20 m.", "First levels end at 59 or 65 ft (18 or 20 m)."),
            ("It goes from 5 to 30 m (16 to 100 ft).", "It goes from 16 to 100 ft (5 to 30 m)."),
            ("About 9 to 10 m (30 ft) per minute.", "About 30 ft (9 to 10 m) per minute."),
            ("At 1.4 and 66 m it is over.", "At 1.4 and 66 m it is over."),
            ("On dive 1, 18 m are enough.", "On dive 1, 18 m are enough."),
            ("They end with 50 bar (500 to 700 psi).", "They end with 500 to 700 psi (50 bar)."),
        ] {
            assert_eq!(imperial_of(source), imperial);
        }
        assert_eq!(in_units_of("Stay at 15 to 20 ft.", Some(Units::Metric)), "Stay at 15 to 20 ft (4 to 6 m).");
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
