//! Months in questions and sources: who asks about July is answered by "from May to October".

/// Months as a set, a bit each, January first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Months(u16);

/// The first letters of the months that tell them apart, and their names.
const NAMES: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Common short forms.
const SHORT: [&str; 12] = ["jan", "feb", "mar", "apr", "", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// All twelve.
const ALL: u16 = 0x0fff;

/// Words for all of them.
const ALL_YEAR: &[&str] = &["all year", "year-round", "year round", "every month", "any month"];

/// Words that join two months to a span.
const SPANS: &[&str] = &["to", "until", "till", "through", "and"];

impl Months {
    /// The months a question names.
    pub(crate) fn asked(question: &str) -> Self {
        let words = words(question);
        let named = words.iter().enumerate().filter_map(|(at, word)| {
            let month = number(word)?;
            // "May" is a month where it is written like one, or after a word that months follow.
            let before = at.checked_sub(1).and_then(|before| words.get(before)).map(|word| word.to_lowercase());
            let after = |before: &str| matches!(before, "in" | "early" | "late" | "mid" | "during" | "until" | "to");
            let sure = month != 4 || word.as_str() == "May" && at > 0 || before.as_deref().is_some_and(after);
            sure.then_some(month)
        });
        Self(named.fold(0, |set, month| set | 1 << month))
    }

    /// The months a sentence tells of; "May to October" tells of six.
    pub(crate) fn told(sentence: &str) -> Self {
        let lower = sentence.to_lowercase();
        if ALL_YEAR.iter().any(|words| lower.contains(words)) && !lower.contains("all year but") {
            return Self(ALL);
        }
        let words = words(sentence);
        let mut set = 0u16;
        let mut last: Option<usize> = None;
        let mut joined = false;
        let mut between = 0;
        for word in &words {
            let lower = word.to_lowercase();
            match number(word).filter(|month| *month != 4 || word == "May") {
                Some(month) => {
                    let from = last.filter(|_| joined && between <= MOST_BETWEEN).unwrap_or(month);
                    let span = (month + 12 - from) % 12;
                    for step in 0..=span {
                        set |= 1 << ((from + step) % 12);
                    }
                    (last, joined, between) = (Some(month), false, 0);
                }
                None if SPANS.contains(&lower.as_str()) => joined = lower != "and" || words_between(sentence),
                None => between += 1,
            }
        }
        Self(set)
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These, or the others if there are none.
    pub(crate) const fn or(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }

    /// Whether the two have a month in common.
    pub(crate) const fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a stemmed term is the name of a month. "May" may be none.
    pub(crate) fn names(term: &str) -> bool {
        STEMS.contains(&term)
    }
}

/// The months' names as stems.
const STEMS: [&str; 11] =
    ["januari", "februari", "march", "april", "june", "juli", "august", "septemb", "octob", "novemb", "decemb"];

/// "October to early May": so many words may stand within a span.
const MOST_BETWEEN: usize = 2;

/// "Between March and May" is a span, "March and May" are two months.
fn words_between(sentence: &str) -> bool {
    sentence.to_lowercase().contains("between ")
}

fn words(text: &str) -> Vec<String> {
    let text = text.replace(['–', '—'], " to ");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn number(word: &str) -> Option<usize> {
    let lower = word.to_lowercase();
    let is = |names: &[&str; 12]| names.iter().position(|name| *name == lower);
    is(&NAMES).or_else(|| is(&SHORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tells(sentence: &str, month: &str) -> bool {
        Months::told(sentence).meet(Months::asked(&format!("how is it in {month}")))
    }

    #[test]
    fn a_span_tells_of_the_months_within() {
        let sentence = "The southern Red Sea is best from about May to early December.";
        assert!(tells(sentence, "July") && tells(sentence, "may") && tells(sentence, "december"));
        assert!(!tells(sentence, "March"));
    }

    #[test]
    fn a_span_may_cross_the_new_year() {
        let sentence = "The park is open from 15 October to 15 May.";
        assert!(tells(sentence, "January") && !tells(sentence, "July"));
    }

    #[test]
    fn two_months_are_no_span() {
        assert!(!tells("March and June are the quietest.", "April"));
        assert!(tells("Between March and June it is calm.", "April"));
    }

    #[test]
    fn the_verb_may_is_no_month() {
        assert!(Months::asked("what may an Open Water Diver do").is_empty());
        assert!(!Months::asked("komodo in may").is_empty());
        assert!(Months::told("A diver may ascend.").is_empty());
        let stems = NAMES.map(crate::text::terms::stem);
        assert!(stems.iter().all(|stem| Months::names(stem) || stem == "may"), "{stems:?}");
    }
}
