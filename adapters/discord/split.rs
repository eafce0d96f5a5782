//! Cutting a long text into messages: at paragraphs, else lines, sentences, words, and never inside what
//! reads as one character. A code fence that a cut would break is closed and opened again.

use dovvybuddy_core::channel::{TextLimit, TextUnit};
use unicode_segmentation::UnicodeSegmentation as _;

/// Discord's limit is 2000 characters and unspecified in its unit; UTF-16 is the strictest reading.
pub(crate) const LONGEST: TextLimit = TextLimit { most: 2000, unit: TextUnit::Utf16 };

const FENCE: &str = "```";
/// What closes a fence that goes on in the next part.
const CLOSING: &str = "\n```";
/// The longest name of a language that is repeated with a fence.
const LONGEST_LANGUAGE: usize = 20;

/// Cuts `text` into parts that fit `limit`; at least one, none blank.
pub(crate) fn split(text: &str, limit: TextLimit) -> Vec<String> {
    let measure = |text: &str| limit.unit.measure(text);
    let mut parts = Vec::new();
    let mut opening = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let room = limit.most.saturating_sub(measure(&opening));
        if measure(rest) <= room && fences(&opening, rest).is_multiple_of(2) {
            parts.push(format!("{opening}{rest}"));
            break;
        }
        // Whether the fence is open at the cut is known only after cutting, so room for closing it stays.
        let cut = cut_within(rest, room.saturating_sub(measure(CLOSING)), limit.unit);
        let (piece, after) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        let mut part = format!("{opening}{}", piece.trim_end());
        let open = !fences(&opening, piece).is_multiple_of(2);
        if open {
            opening = reopening(&opening, piece);
            part.push_str(CLOSING);
        } else {
            opening = String::new();
        }
        if !is_bare(&part) {
            parts.push(part);
        }
        // Inside a fence the indentation of the next line is part of the code.
        rest = if open { after.trim_start_matches('\n') } else { after.trim_start() };
    }
    if parts.is_empty() {
        parts.push("…".to_owned());
    }
    parts
}

fn fences(opening: &str, piece: &str) -> usize {
    opening.matches(FENCE).count() + piece.matches(FENCE).count()
}

/// Nothing but a fence with nothing in it.
fn is_bare(part: &str) -> bool {
    let inside = part.trim().trim_start_matches('`');
    let after_language = inside.split_once('\n').map_or("", |(_, code)| code);
    part.trim().is_empty() || (part.starts_with(FENCE) && after_language.trim().trim_end_matches('`').trim().is_empty())
}

/// The line that opens the fence again in the next part.
fn reopening(opening: &str, piece: &str) -> String {
    let Some(last) = piece.rfind(FENCE) else { return opening.to_owned() };
    let line = piece.get(last + FENCE.len()..).unwrap_or_default();
    let Some((language, _)) = line.split_once('\n') else { return format!("{FENCE}\n") };
    let language = language.trim();
    let named = language.len() <= LONGEST_LANGUAGE
        && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-');
    format!("{FENCE}{}\n", if named { language } else { "" })
}

/// Where to cut so that what stands before fits `room`: the best break in the last three quarters of it,
/// else between two characters.
fn cut_within(text: &str, room: usize, unit: TextUnit) -> usize {
    let mut fits = 0;
    let mut used = 0;
    for (at, character) in text.grapheme_indices(true) {
        used += unit.measure(character);
        if used > room {
            break;
        }
        fits = at + character.len();
    }
    // Three backticks are one sign.
    let fits = (1..FENCE.len())
        .filter_map(|back| fits.checked_sub(back))
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(FENCE)))
        .filter(|at| *at > 0)
        .unwrap_or(fits);
    if fits == 0 {
        // A single sign that is longer than the room: taken apart rather than dropped.
        return text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
    }
    let window = text.get(..fits).unwrap_or_default();
    let earliest = fits / 4;
    let breaks: [&dyn Fn() -> Option<usize>; 4] = [
        &|| window.rfind("\n\n").map(|at| at + 2),
        &|| window.rfind('\n').map(|at| at + 1),
        &|| last_sentence(window),
        &|| window.rfind(' ').map(|at| at + 1),
    ];
    breaks.iter().filter_map(|find| find()).find(|at| *at > earliest).unwrap_or(fits)
}

/// The end of the last whole sentence.
fn last_sentence(window: &str) -> Option<usize> {
    let spaced = [". ", "! ", "? "].iter().filter_map(|end| window.rfind(end)).map(|at| at + 2).max();
    let unspaced = window.rfind(['。', '！', '？']).and_then(|at| {
        let end = window.get(at..)?.chars().next()?;
        Some(at + end.len_utf8())
    });
    spaced.max(unspaced)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Vec<String> {
        split(text, LONGEST)
    }

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(parts("A safety stop takes three minutes."), ["A safety stop takes three minutes."]);
        assert_eq!(parts("  \n "), ["…"]);
    }

    #[test]
    fn a_cut_falls_between_paragraphs() {
        let (first, second) = ("one ".repeat(400), "two ".repeat(200));
        let text = format!("{first}\n\n{second}");
        assert_eq!(parts(&text), [first.trim(), second.trim()]);
    }

    #[test]
    fn a_cut_falls_between_sentences_rather_than_words() {
        let text = "The reef slopes gently to thirty metres and turtles rest there. ".repeat(50);
        for part in parts(&text) {
            assert!(part.ends_with("there."), "{part}");
        }
    }

    #[test]
    fn a_fence_is_closed_and_opened_again() {
        let text = format!("Before\n```json\n{}```\nAfter", "{\"depth\": 18},\n".repeat(300));
        let parts = parts(&text);
        assert!(parts.len() > 2);
        for part in &parts {
            assert_eq!(part.matches(FENCE).count() % 2, 0, "{part}");
        }
        assert!(parts[1].starts_with("```json\n{"), "{}", parts[1]);
        assert!(parts[parts.len() - 1].ends_with("After"));
    }

    #[test]
    fn indentation_inside_a_fence_survives_a_cut() {
        let text = format!("```\n{}```", "    indented\n".repeat(400));
        for part in parts(&text) {
            assert!(part.starts_with("```\n    indented"), "{part}");
        }
    }

    #[test]
    fn a_family_is_not_taken_apart() {
        let family = "👨‍👩‍👧‍👦";
        for part in parts(&family.repeat(800)) {
            assert_eq!(part.replace(family, ""), "", "{part}");
        }
    }

    /// What a reader gets from a text: its signs without spaces and fences.
    fn essence(text: &str) -> String {
        text.replace(FENCE, "").split_whitespace().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_part_fits_and_nothing_is_lost(text in "([a-zäö潜水🤿 .\n]{0,40}(\n```\n)?){0,200}") {
            let parts = parts(&text);
            for part in &parts {
                prop_assert!(LONGEST.unit.measure(part) <= LONGEST.most);
                prop_assert!(!part.trim().is_empty());
                prop_assert_eq!(part.matches(FENCE).count() % 2, 0);
            }
            if !essence(&text).is_empty() {
                prop_assert_eq!(essence(&parts.concat()), essence(&text));
            }
        }

        #[test]
        fn any_text_is_cut_into_parts_that_fit(text in "\\PC{0,6000}") {
            for part in parts(&text) {
                prop_assert!(LONGEST.unit.measure(&part) <= LONGEST.most);
            }
        }
    }
}
