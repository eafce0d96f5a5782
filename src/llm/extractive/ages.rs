//! How old somebody is in a question, and for whom of that age a sentence holds.

use super::candidates::Candidate;
use super::kind::Kind;
use super::question::Question;

/// What a sentence gains that holds for the age told, and what it loses that holds for others.
const FITS: f32 = 0.3;

/// What begins at another age is told to those who are younger.
const BEGINS: &[&str] =
    &["from age", "minimum age", "open from", "begins at", "begin at", "open to", "from 10", "until"];

/// The youngest and the oldest that rules for juniors speak of.
const JUNIORS: std::ops::RangeInclusive<u32> = 5..=17;

/// The age that a question tells: "my daughter is 10", "a 9 year old", "at 12".
pub(super) fn told(asked: &str) -> Option<u32> {
    let words = words(asked);
    words.iter().enumerate().find_map(|(at, word)| {
        let age =
            word.trim_end_matches("yo").trim_end_matches("yrs").parse().ok().filter(|age| JUNIORS.contains(age))?;
        let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", String::as_str);
        let after = words.get(at + 1).map_or("", String::as_str);
        let measure =
            matches!(after, "m" | "metres" | "meters" | "ft" | "feet" | "minutes" | "min" | "hours" | "dives");
        let aged = after.starts_with("year") || matches!(after, "yo" | "yr" | "yrs");
        let led = matches!(before, "is" | "age" | "aged" | "turned" | "turns" | "turning" | "im" | "m" | "of");
        (aged || word.ends_with("yo") || led && !measure).then_some(age)
    })
}

/// How far a sentence holds for the age told in the question.
pub(super) fn fit(question: &Question, candidate: &Candidate) -> f32 {
    let Some(age) = question.age else { return 0.0 };
    let words = words(&candidate.text);
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    let measure =
        |at: usize| words.get(at + 1).is_some_and(|next| matches!(next.as_str(), "m" | "ft" | "dives" | "bar"));
    let ages: Vec<(usize, u32)> = (0..words.len())
        .filter_map(|at| Some((at, number(at).filter(|n| JUNIORS.contains(n) && !measure(at))?)))
        .collect();
    let spans = ages.windows(2).any(|pair| match pair {
        [(at, from), (to_at, to)] => *to_at == at + 2 && (*from..=*to).contains(&age),
        _ => false,
    });
    let lower = candidate.text.to_lowercase();
    let begins = matches!(question.kind, Kind::Allowed | Kind::Age | Kind::Open | Kind::Requirement)
        && BEGINS.iter().any(|words| lower.contains(words));
    if ages.is_empty() || begins && !spans {
        0.0
    } else if spans || ages.iter().any(|(_, told)| *told == age) {
        FITS
    } else {
        -FITS
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['–', '—'], " to ");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::candidates::candidates;
    use super::*;
    use crate::testing::passage;

    #[test]
    fn an_age_is_told_in_many_ways() {
        for (asked, age) in [
            ("my daughter is 10, how deep may she go", Some(10)),
            ("can a 9 year old dive", Some(9)),
            ("my 12yo wants to dive", Some(12)),
            ("how deep is 10 m", None),
            ("I have 12 dives", None),
        ] {
            assert_eq!(told(asked), age, "{asked}");
        }
    }

    #[test]
    fn the_rule_for_that_age_comes_before_its_neighbours() {
        let asked = "my daughter is 10, how deep is she allowed";
        let question = Question::read(asked, asked);
        let of = |text: &str| fit(&question, &candidates(&[passage("Juniors", "", text, 0.8)])[0]);
        assert!(of("Juniors of 10 and 11 stay within 12 m (40 ft).") > 0.0);
        assert!(of("Juniors of 12 to 14 may dive to 18 m (60 ft).") < 0.0);
        assert!(of("Children of 8 to 12 use a pool.") > 0.0);
        assert!(of("Divers stay within the limit.").abs() < f32::EPSILON);
    }
}
