//! The project's Markdown subset in WhatsApp's own markup, cut to messages.

use std::ops::Range;

use dovvybuddy_core::channel::{TextLimit, TextUnit};
use dovvybuddy_core::split::split;
use dovvybuddy_core::styled::{Style, Styled};

/// Stands where there is nothing to say.
const ELLIPSIS: &str = "…";

/// So many units; the platforms don't say which, and UTF-16 is the strictest reading.
pub(crate) const fn limit(most: usize) -> TextLimit {
    TextLimit { most, unit: TextUnit::Utf16 }
}

/// One message's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// In WhatsApp's markup.
    pub(crate) marked: String,
    /// Without markup, for SMS.
    pub(crate) plain: String,
}

/// The messages a text is sent as: each of at most `most` units, the last of at most `last`. At least one.
pub(crate) fn pieces(markdown: &str, most: usize, last: usize) -> Vec<Piece> {
    let styled = Styled::read(markdown);
    let mut ranges = fitting(&styled, 0..styled.text().len(), most);
    if let Some(end) = ranges.pop() {
        match fitting(&styled, end.clone(), last).as_slice() {
            [.., before, tail] => ranges.extend([end.start..before.end, tail.clone()]),
            _ => ranges.push(end),
        }
    }
    let end = ranges.len().saturating_sub(1);
    let room = |n| if n == end { last.min(most) } else { most };
    let mut pieces: Vec<Piece> = ranges.iter().enumerate().map(|(n, range)| piece(&styled, range, room(n))).collect();
    if pieces.is_empty() {
        pieces.push(Piece { marked: ELLIPSIS.to_owned(), plain: ELLIPSIS.to_owned() });
    }
    pieces
}

/// Markup makes a text longer, so what is cut must be shorter than what fits.
fn fitting(styled: &Styled, range: Range<usize>, most: usize) -> Vec<Range<usize>> {
    let text = styled.text().get(range.clone()).unwrap_or_default();
    let cut = |most: usize| -> Vec<Range<usize>> {
        split(text, limit(most)).into_iter().map(|r| range.start + r.start..range.start + r.end).collect()
    };
    let tries = [most, most / 8 * 7, most / 4 * 3, most / 2].map(cut);
    let fits = |ranges: &&Vec<Range<usize>>| ranges.iter().all(|range| length(&marked(styled, range)) <= most);
    tries.iter().find(fits).cloned().unwrap_or_else(|| cut(most))
}

fn piece(styled: &Styled, range: &Range<usize>, most: usize) -> Piece {
    let plain = styled.text().get(range.clone()).unwrap_or_default().to_owned();
    let marked = marked(styled, range);
    // Rather without markup than not at all.
    Piece { marked: if length(&marked) <= most { marked } else { plain.clone() }, plain }
}

fn marked(styled: &Styled, range: &Range<usize>) -> String {
    styled.marked(range, mark_up).trim_end().to_owned()
}

fn length(text: &str) -> usize {
    TextUnit::Utf16.measure(text)
}

fn mark_up(out: &mut String, text: &str, style: &Style) {
    if style.block {
        out.extend(["```", text.trim_end_matches('\n'), "```"]);
        out.push_str(if text.ends_with('\n') { "\n" } else { "" });
        return;
    }
    let marks: String = [('`', style.code), ('*', style.bold), ('_', style.italic), ('~', style.strike)]
        .iter()
        .filter(|(mark, on)| *on && (*mark == '`' || !style.code))
        .map(|(mark, _)| *mark)
        .collect();
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push('\n');
        }
        around(out, line, &marks);
    }
    if let Some(link) = style.link.as_deref().filter(|link| *link != text) {
        out.extend([" (", link, ")"]);
    }
}

/// Marks count only where they touch the words, within a line.
fn around(out: &mut String, line: &str, marks: &str) {
    let words = line.trim();
    if words.is_empty() || marks.is_empty() {
        out.push_str(line);
        return;
    }
    let (before, after) = line.split_once(words).unwrap_or_default();
    out.push_str(before);
    out.push_str(marks);
    out.push_str(words);
    out.extend(marks.chars().rev());
    out.push_str(after);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(markdown: &str) -> String {
        pieces(markdown, 4096, 4096).into_iter().map(|piece| piece.marked).collect()
    }

    #[test]
    fn an_answer_keeps_its_shape() {
        let answer = "**Open Water** goes to 18 m [1].\n\n- First\n- Second *part*\n\nSources: [1] PADI";
        let shown = "*Open Water* goes to 18 m [1].\n\n• First\n• Second _part_\n\nSources: [1] PADI";
        assert_eq!(marked(answer), shown);
        assert_eq!(marked("# Title\n\nText"), "*Title*\n\nText");
        assert_eq!(marked("**bold *both*** ~~gone~~ `code`"), "*bold* *_both_* ~gone~ `code`");
        assert_eq!(marked("```\na\nb\n```\n\nend"), "```a\nb```\n\nend");
    }

    #[test]
    fn a_link_shows_where_it_leads() {
        assert_eq!(marked("[DAN](https://dan.org)"), "DAN (https://dan.org)");
        assert_eq!(marked("<https://dan.org>"), "https://dan.org");
        assert_eq!(marked("[x](javascript:alert)"), "x");
    }

    #[test]
    fn the_last_message_may_have_to_be_shorter() {
        let text = "One sentence here. ".repeat(100);
        let pieces = pieces(&text, 4096, 1024);
        assert_eq!(pieces.len(), 2);
        assert!(length(&pieces[1].marked) <= 1024 && length(&pieces[0].marked) > 800);
    }

    proptest! {
        #[test]
        fn everything_fits_and_no_word_is_lost(
            markdown in "([a-z潜🤿 \n]|\\*\\*|\\*|`|```\n|\\[x\\]\\(https://a\\.b\\)|\n\n- |> |~~){0,200}",
            most in 8usize..80,
        ) {
            let styled = Styled::read(&markdown);
            let cut = pieces(&markdown, most, most / 2);
            for piece in &cut {
                prop_assert!(length(&piece.marked) <= most && !piece.marked.is_empty());
            }
            prop_assert!(cut.last().is_some_and(|last| length(&last.marked) <= most / 2));
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let plain: String = cut.iter().map(|piece| bare(&piece.plain)).collect();
            let whole = bare(styled.text());
            prop_assert_eq!(plain, if whole.is_empty() { ELLIPSIS.to_owned() } else { whole });
        }
    }
}
