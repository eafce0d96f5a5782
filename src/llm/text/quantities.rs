//! Numbers with their units, as they stand in prose of eleven languages.

use super::units::{self, Unit};

/// A number in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    /// Its value.
    pub(crate) value: f64,
    /// Another reading: `1.000` is one, or a thousand.
    pub(crate) other: Option<f64>,
    /// What it counts.
    pub(crate) unit: Unit,
    /// It was written in words ("five").
    pub(crate) in_words: bool,
    /// Where it starts, in characters of the folded text.
    start: usize,
    /// Where it ends.
    end: usize,
}

impl Quantity {
    /// Whether a text that has `self` supports a text that says `said`.
    pub(crate) fn supports(&self, said: &Self) -> bool {
        self.readings().any(|have| said.readings().any(|want| units::agree(have, self.unit, want, said.unit)))
    }

    fn readings(&self) -> impl Iterator<Item = f64> {
        std::iter::once(self.value).chain(self.other)
    }
}

/// All numbers of a text.
pub(crate) fn quantities(text: &str) -> Vec<Quantity> {
    let chars: Vec<char> = text.chars().map(fold).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        if c.is_ascii_digit() {
            let quantity = digits(&chars, at);
            at = quantity.end;
            found.push(quantity);
        } else if c.is_ascii_alphabetic()
            && at.checked_sub(1).and_then(|b| chars.get(b)).is_none_or(|b| !b.is_alphanumeric())
        {
            match words(&chars, at) {
                Some(quantity) => {
                    at = quantity.end;
                    found.push(quantity);
                }
                None => at = skip_word(&chars, at),
            }
        } else {
            at += 1;
        }
    }
    share_units(&chars, &mut found);
    found
}

/// Digits of other scripts as ASCII, dashes and spaces as the plain ones, letters in lower case.
fn fold(c: char) -> char {
    let zero = match c {
        '\u{0660}'..='\u{0669}' => 0x0660,
        '\u{06F0}'..='\u{06F9}' => 0x06F0,
        '\u{0E50}'..='\u{0E59}' => 0x0E50,
        '\u{FF10}'..='\u{FF19}' => 0xFF10,
        _ => 0,
    };
    if zero > 0 {
        return char::from_digit(c as u32 - zero, 10).unwrap_or(c);
    }
    match c {
        '\u{2010}'..='\u{2015}' | '−' | '~' | '～' | '〜' => '-',
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{3000}' => ' ',
        '’' => '\'',
        '．' | '٫' => '.',
        '，' | '٬' => ',',
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

fn digits(chars: &[char], start: usize) -> Quantity {
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut end = start;
    while is_digit(end) || (matches!(chars.get(end), Some('.' | ',' | '\'')) && is_digit(end + 1)) {
        end += 1;
    }
    let token: String = chars.get(start..end).unwrap_or(&[]).iter().collect();
    let (value, other) = read(&token);
    let money = before(chars, start).is_some_and(|c| matches!(c, '$' | '€' | '£' | '¥' | '฿' | '₹'));
    let (unit, end) = if money { (Unit::Money, end) } else { unit_after(chars, end) };
    Quantity { value, other, unit, in_words: false, start, end }
}

fn before(chars: &[char], at: usize) -> Option<char> {
    let mut head = chars.get(..at)?.iter().rev();
    head.find(|c| **c != ' ').copied()
}

/// `1,000` is a thousand, `1.5` one and a half, `1.000` may be either.
fn read(token: &str) -> (f64, Option<f64>) {
    let separators: Vec<char> = token.chars().filter(|c| !c.is_ascii_digit()).collect();
    let plain = |t: &str| t.parse::<f64>().unwrap_or(f64::MAX);
    let joined: String = token.chars().filter(char::is_ascii_digit).collect();
    let Some(last) = separators.last().copied() else { return (plain(token), None) };
    let tail = token.rsplit(last).next().unwrap_or("");
    let decimal = |point: char| -> f64 {
        let text: String = token
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == point)
            .map(|c| if c == point { '.' } else { c })
            .collect();
        plain(&text)
    };
    let mixed = separators.iter().any(|c| *c != last);
    match (separators.len(), tail.len()) {
        _ if mixed => (decimal(last), None),
        (1, 3) => (plain(&joined), Some(decimal(last))),
        (1, _) => (decimal(last), None),
        _ => (plain(&joined), None),
    }
}

fn unit_after(chars: &[char], end: usize) -> (Unit, usize) {
    let mut at = end;
    while chars.get(at) == Some(&' ') && at < end + 2 {
        at += 1;
    }
    // "18-metre", but not "18-30".
    if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|c| c.is_alphabetic()) {
        at += 1;
    }
    let rest = chars.get(at..(at + 20).min(chars.len())).unwrap_or(&[]);
    units::leading(rest).map_or((Unit::Bare, end), |(unit, length)| (unit, at + length))
}

fn skip_word(chars: &[char], start: usize) -> usize {
    let rest = chars.get(start..).unwrap_or(&[]);
    start + rest.iter().take_while(|c| c.is_alphabetic()).count().max(1)
}

fn words(chars: &[char], start: usize) -> Option<Quantity> {
    let end = skip_word(chars, start);
    let word: String = chars.get(start..end)?.iter().collect();
    let mut value = number_word(&word)?;
    let mut end = end;
    if matches!(chars.get(end), Some('-' | ' ')) {
        let next = skip_word(chars, end + 1);
        let word: String = chars.get(end + 1..next).unwrap_or(&[]).iter().collect();
        match number_word(&word) {
            Some(ones) if value >= 20.0 && ones < 10.0 => {
                value += ones;
                end = next;
            }
            None if word == "hundred" => {
                value *= 100.0;
                end = next;
            }
            _ => {}
        }
    }
    let (unit, end) = unit_after(chars, end);
    Some(Quantity { value, other: None, unit, in_words: true, start, end })
}

fn number_word(word: &str) -> Option<f64> {
    const SMALL: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 7] = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = SMALL.iter().position(|w| *w == word);
    let tens = || TENS.iter().position(|w| *w == word).map(|at| (at + 3) * 10);
    small.or_else(tens).and_then(|n| u32::try_from(n).ok()).map(f64::from)
}

/// In "18–30 m" and "between 5 and 30 m" the first number has the second one's unit.
fn share_units(chars: &[char], found: &mut [Quantity]) {
    const LINKS: &[&str] = &[
        "-",
        "to",
        "or",
        "and",
        "a",
        "o",
        "y",
        "e",
        "ou",
        "et",
        "à",
        "au",
        "bis",
        "und",
        "oder",
        "hasta",
        "até",
        "sampai",
        "hingga",
        "dan",
        "atau",
        "から",
        "至",
        "到",
        "ถึง",
        "إلى",
        "و",
        "/",
        "x",
    ];
    let mut later: Option<(usize, Unit)> = None;
    for quantity in found.iter_mut().rev() {
        if quantity.unit == Unit::Bare
            && let Some((start, unit)) = later
        {
            let between: String = chars.get(quantity.end..start).unwrap_or(&[]).iter().collect();
            if LINKS.contains(&between.trim()) {
                quantity.unit = unit;
            }
        }
        later = Some((quantity.start, quantity.unit));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<(f64, Unit)> {
        quantities(text).into_iter().map(|q| (q.value, q.unit)).collect()
    }

    #[test]
    fn numbers_come_with_their_units() {
        assert_eq!(all("18 m (60 ft)"), [(18.0, Unit::Metre), (60.0, Unit::Foot)]);
        assert_eq!(all("18–30 m"), [(18.0, Unit::Metre), (30.0, Unit::Metre)]);
        assert_eq!(
            all("an 18-metre limit, 28°C, 1,000 dives"),
            [(18.0, Unit::Metre), (28.0, Unit::Celsius), (1000.0, Unit::Bare)]
        );
        assert_eq!(all("五 18メートル、10歳 ١٨ مترا"), [(18.0, Unit::Metre), (10.0, Unit::Year), (18.0, Unit::Metre)]);
        assert_eq!(all("thirty-five metres and five dives"), [(35.0, Unit::Metre), (5.0, Unit::Bare)]);
        assert_eq!(all("$350"), [(350.0, Unit::Money)]);
    }

    #[test]
    fn support_knows_conversion_and_refuses_another_unit() {
        let have = quantities("18 m")[0];
        for said in ["18 m", "60 ft", "59 feet", "18 metros", "18メートル"] {
            assert!(have.supports(&quantities(said)[0]), "{said}");
        }
        for said in ["18 ft", "20 m", "66 ft", "18 minutes", "$18"] {
            assert!(!have.supports(&quantities(said)[0]), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC{0,80}") {
            for quantity in quantities(&text) {
                prop_assert!(quantity.value.is_finite());
            }
        }
    }
}
