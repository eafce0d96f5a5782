//! Cutting a long text where a reader would: between paragraphs, lines, sentences, words.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::channel::{TextLimit, TextUnit};

/// A part shorter than this share of what fits is not worth a nicer place to cut.
const LEAST_SHARE: usize = 4;

/// The pieces of `text`, as byte ranges, each within `limit`, none blank. Only white space between pieces
/// is left out. A character too wide for the limit is a piece of its own.
pub fn split(text: &str, limit: TextLimit) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..) {
        let blank = rest.len() - rest.trim_start().len();
        start += blank;
        let rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let fits = prefix(rest, limit);
        let end = if fits == rest.len() { fits } else { cut(rest, fits) };
        let piece = rest.get(..end).unwrap_or(rest).trim_end();
        pieces.push(start..start + piece.len());
        start += end;
    }
    pieces
}

/// How many bytes of `text` are within `limit`.
pub fn prefix(text: &str, limit: TextLimit) -> usize {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += match limit.unit {
            TextUnit::Scalars => 1,
            TextUnit::Utf16 => character.len_utf16(),
            TextUnit::Bytes => character.len_utf8(),
        };
        if units > limit.most {
            return at;
        }
    }
    text.len()
}

/// Where to cut a text of which `fits` bytes fit; at least one character comes off.
fn cut(text: &str, fits: usize) -> usize {
    let window = text.get(..fits).unwrap_or_default();
    let least = fits / LEAST_SHARE;
    let places = [window.rfind("\n\n"), window.rfind('\n'), sentence_end(window), window.rfind(char::is_whitespace)];
    if let Some(place) = places.into_iter().flatten().find(|place| *place > least) {
        return place;
    }
    // The next character decides whether the last one is whole: combining marks follow their letter.
    let whole = text.grapheme_indices(true).map(|(at, _)| at).take_while(|at| *at <= fits).last().unwrap_or(0);
    if whole > least {
        return whole;
    }
    fits.max(text.chars().next().map_or(1, char::len_utf8))
}

/// The end of the last sentence that ends inside the window.
fn sentence_end(window: &str) -> Option<usize> {
    let mut end = None;
    let mut characters = window.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let after = at + character.len_utf8();
        let next = characters.peek().map(|(_, next)| *next);
        let ends = match character {
            '。' | '！' | '？' => true,
            '.' | '!' | '?' | '…' | '؟' => next.is_some_and(char::is_whitespace),
            _ => false,
        };
        if ends && next.is_some() {
            end = Some(after);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &str, most: usize) -> Vec<&str> {
        split(text, TextLimit { most, unit: TextUnit::Utf16 }).into_iter().map(|piece| &text[piece]).collect()
    }

    #[test]
    fn cuts_where_a_reader_would() {
        assert_eq!(pieces("One two.\n\nThree four.", 12), ["One two.", "Three four."]);
        assert_eq!(pieces("One two. Three four.", 12), ["One two.", "Three four."]);
        assert_eq!(pieces("one two three", 9), ["one two", "three"]);
        assert_eq!(pieces("潜水は楽しい。海は青い。", 8), ["潜水は楽しい。", "海は青い。"]);
        assert_eq!(pieces("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn what_looks_like_one_character_stays_together() {
        // A diver with a skin tone and a sign is five UTF-16 units or more.
        let diver = "🏊🏽‍♂️";
        let each = diver.encode_utf16().count();
        assert_eq!(pieces(&diver.repeat(3), each + 2), [diver, diver, diver]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_everything_fits(text in "(\\PC|\n|\u{301}){0,400}", most in 2usize..60) {
            let cut = pieces(&text, most);
            for piece in &cut {
                prop_assert!(piece.encode_utf16().count() <= most);
                prop_assert!(!piece.trim().is_empty());
            }
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&cut.concat()), bare(&text));
        }
    }
}
