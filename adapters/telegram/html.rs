//! The project's Markdown subset in Telegram's HTML, every tag closed.

use std::fmt::Write as _;
use std::ops::Range;

use dovvybuddy_core::styled::{Style, Styled};

/// A piece of a text in Telegram's HTML.
pub(crate) fn html(styled: &Styled, piece: &Range<usize>) -> String {
    styled.marked(piece, mark_up)
}

fn mark_up(html: &mut String, text: &str, style: &Style) {
    let mut tags: Vec<&str> = Vec::new();
    if let Some(link) = &style.link {
        html.push_str("<a href=\"");
        escape(html, link);
        html.push_str("\">");
        tags.push("a");
    }
    // Inside code nothing else is marked up.
    let plain = !style.code && !style.block;
    for (tag, on) in [
        ("b", style.bold && plain),
        ("i", style.italic && plain),
        ("s", style.strike && plain),
        ("code", style.code),
        ("pre", style.block),
    ] {
        if on {
            let _ = write!(html, "<{tag}>");
            tags.push(tag);
        }
    }
    escape(html, text);
    for tag in tags.iter().rev() {
        let _ = write!(html, "</{tag}>");
    }
}

fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(character),
        }
    }
}

/// Text without markup, ready for HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    escape(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::split::split;
    use dovvybuddy_fakes::telegram::parse_html;
    use proptest::prelude::*;

    use super::*;
    use crate::outbound::limit;

    fn html(markdown: &str) -> String {
        let styled = Styled::read(markdown);
        super::html(&styled, &(0..styled.text().len()))
    }

    #[test]
    fn an_answer_keeps_its_shape() {
        let answer =
            "**Open Water** goes to 18 m [1].\n\n- First\n- Second *part*\n\n1. One\n2. Two\n\nSources: [1] PADI";
        assert_eq!(
            html(answer),
            "<b>Open Water</b> goes to 18 m [1].\n\n• First\n• Second <i>part</i>\n\n1. One\n2. Two\n\nSources: [1] PADI"
        );
        assert_eq!(html("# Title\n\nText\n\n> said"), "<b>Title</b>\n\nText\n\n<i>said</i>");
        assert_eq!(html("```json\n{\"a\": 1}\n```\n\nend"), "<pre>{&quot;a&quot;: 1}\n</pre>\nend");
        assert_eq!(html("\\[1\\] a < b & c <b>x</b>"), "[1] a &lt; b &amp; c &lt;b&gt;x&lt;/b&gt;");
        assert_eq!(html("- a\n  - b\n- c"), "• a\n  • b\n• c");
    }

    #[test]
    fn links_lead_only_where_they_may() {
        assert_eq!(html("[x](https://a.org/?q=\"1\"&r)"), "<a href=\"https://a.org/?q=&quot;1&quot;&amp;r\">x</a>");
        assert_eq!(html("[x](javascript:alert) [y](tg://user?id=1)"), "x y");
    }

    #[test]
    fn characters_that_steer_are_left_out() {
        assert_eq!(html("a\u{0}b\u{202e}c"), "abc");
    }

    proptest! {
        #[test]
        fn every_piece_is_markup_that_telegram_takes(
            markdown in "([a-z潜🤿 \n]|\\*\\*|\\*|`|```\n|\\[x\\]\\(https://a\\.b\\)|<b>|&lt;|\n\n- |\n1\\. |> |~~){0,120}",
            most in 4usize..80,
        ) {
            let styled = Styled::read(&markdown);
            for piece in split(styled.text(), limit(most)) {
                let parsed = parse_html(&super::html(&styled, &piece));
                prop_assert!(parsed.is_ok(), "{:?}", parsed);
                prop_assert_eq!(parsed.unwrap().text, &styled.text()[piece]);
            }
        }
    }
}
