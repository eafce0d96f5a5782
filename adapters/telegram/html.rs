//! The project's Markdown subset as Telegram shows it: what people read, and the markup on it.
//!
//! Text and markup are kept apart until the end. A text is cut first, and each piece is marked up by
//! itself, so that no tag is ever left open.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// How a stretch of text looks.
#[expect(clippy::struct_excessive_bools, reason = "each is a mark-up of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    italic: bool,
    strike: bool,
    code: bool,
    block: bool,
    link: Option<Arc<str>>,
}

/// A text as people read it, and how its stretches look.
#[derive(Debug, Default)]
pub(crate) struct Styled {
    text: String,
    /// Where each stretch ends, in bytes; together they cover the text.
    runs: Vec<(usize, Style)>,
}

impl Styled {
    /// Reads Markdown. Whatever is no markup of ours stays as it is written, HTML included.
    pub(crate) fn read(markdown: &str) -> Self {
        let mut reader = Reader::default();
        for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
            reader.event(event);
        }
        let mut styled = reader.styled;
        let length = styled.text.trim_end().len();
        styled.text.truncate(length);
        styled
    }

    /// What people read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A piece of it in Telegram's HTML, every tag closed.
    pub(crate) fn html(&self, piece: &Range<usize>) -> String {
        let mut html = String::with_capacity(piece.len() + piece.len() / 8);
        let mut start = 0;
        for (end, style) in &self.runs {
            let run = start.max(piece.start)..(*end).min(piece.end);
            start = *end;
            if let Some(text) = self.text.get(run).filter(|text| !text.is_empty()) {
                mark_up(&mut html, text, style);
            }
        }
        html
    }

    fn push(&mut self, text: &str, style: &Style) {
        // Characters that steer terminals or turn the direction of what follows have no place here.
        let steers = |c: char| {
            (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        self.text.extend(text.chars().filter(|c| !steers(*c)));
        let end = self.text.len();
        match self.runs.last_mut() {
            Some((last, same)) if same == style => *last = end,
            _ => self.runs.push((end, style.clone())),
        }
    }
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

#[derive(Default)]
struct Reader {
    styled: Styled,
    style: Style,
    /// How deep inside emphasis of each kind.
    bold: usize,
    italic: usize,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// What separates the next text from what stands there.
    gap: &'static str,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.write(&text),
            Event::Code(code) => {
                self.style.code = true;
                self.write(&code);
                self.style.code = false;
            }
            Event::SoftBreak | Event::HardBreak => self.write("\n"),
            Event::Rule => {
                self.separate("\n\n");
                self.write("———");
                self.separate("\n\n");
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => self.separate("\n\n"),
            Tag::Heading { .. } => {
                self.separate("\n\n");
                self.bold += 1;
            }
            Tag::CodeBlock(_) => {
                self.separate("\n\n");
                self.style.block = true;
            }
            Tag::List(first) => {
                self.separate(if self.lists.is_empty() { "\n\n" } else { "\n" });
                self.lists.push(first);
            }
            Tag::Item => {
                self.separate("\n");
                let indent = "  ".repeat(self.lists.len().saturating_sub(1));
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{indent}{}. ", *number - 1)
                    }
                    _ => format!("{indent}• "),
                };
                self.write(&mark);
            }
            Tag::Strong => self.bold += 1,
            Tag::Emphasis | Tag::BlockQuote(_) => self.italic += 1,
            Tag::Strikethrough => self.style.strike = true,
            Tag::Link { dest_url, .. } if followable(&dest_url) => self.style.link = Some(Arc::from(&*dest_url)),
            _ => {}
        }
        self.emphasise();
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.separate(if self.lists.is_empty() { "\n\n" } else { "\n" }),
            TagEnd::Heading(_) => {
                self.bold = self.bold.saturating_sub(1);
                self.separate("\n\n");
            }
            TagEnd::CodeBlock => {
                self.style.block = false;
                self.separate("\n\n");
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.separate(if self.lists.is_empty() { "\n\n" } else { "\n" });
            }
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Emphasis | TagEnd::BlockQuote(_) => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strikethrough => self.style.strike = false,
            TagEnd::Link => self.style.link = None,
            _ => {}
        }
        self.emphasise();
    }

    fn emphasise(&mut self) {
        self.style.bold = self.bold > 0;
        self.style.italic = self.italic > 0;
    }

    /// The wider of two gaps counts; none at the beginning.
    fn separate(&mut self, gap: &'static str) {
        if !self.styled.text.is_empty() && gap.len() > self.gap.len() {
            self.gap = gap;
        }
    }

    fn write(&mut self, text: &str) {
        let gap = std::mem::take(&mut self.gap);
        if !gap.is_empty() {
            // A code block's last line brings its own end.
            let stands = self.styled.text.len() - self.styled.text.trim_end_matches('\n').len();
            if let Some(missing) = gap.get(stands.min(gap.len())..) {
                self.styled.push(missing, &Style::default());
            }
        }
        self.styled.push(text, &self.style);
    }
}

/// Links lead to the web, a mailbox or a telephone, nowhere else.
fn followable(link: &str) -> bool {
    ["http://", "https://", "mailto:", "tel:"]
        .iter()
        .any(|scheme| link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use dovvybuddy_fakes::telegram::parse_html;
    use proptest::prelude::*;

    use super::*;
    use crate::split::split;

    fn html(markdown: &str) -> String {
        let styled = Styled::read(markdown);
        styled.html(&(0..styled.text().len()))
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
            for piece in split(styled.text(), most) {
                let parsed = parse_html(&styled.html(&piece));
                prop_assert!(parsed.is_ok(), "{:?}", parsed);
                prop_assert_eq!(parsed.unwrap().text, &styled.text()[piece]);
            }
        }
    }
}
