//! The project's Markdown subset as chat platforms need it: what people read, and the markup on it.
//!
//! Text and markup are kept apart until the end. A text is cut first ([`crate::split`]), and each piece is
//! marked up by itself, so that no mark is ever left open.

use std::ops::Range;
use std::sync::Arc;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// How a stretch of text looks.
#[expect(clippy::struct_excessive_bools, reason = "each is a mark-up of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Strong.
    pub bold: bool,
    /// Emphasised, or quoted.
    pub italic: bool,
    /// Struck through.
    pub strike: bool,
    /// Code within a line.
    pub code: bool,
    /// Code in lines of its own.
    pub block: bool,
    /// Where it leads: the web, a mailbox or a telephone.
    pub link: Option<Arc<str>>,
}

/// A text as people read it, and how its stretches look.
#[derive(Debug, Default)]
pub struct Styled {
    text: String,
    /// Where each stretch ends, in bytes; together they cover the text.
    runs: Vec<(usize, Style)>,
}

impl Styled {
    /// Reads Markdown. Whatever is no markup of ours stays as it is written, HTML included.
    pub fn read(markdown: &str) -> Self {
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
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A piece of it, each stretch written by `mark`.
    pub fn marked(&self, piece: &Range<usize>, mark: impl Fn(&mut String, &str, &Style)) -> String {
        let mut out = String::with_capacity(piece.len() + piece.len() / 8);
        let mut start = 0;
        for (end, style) in &self.runs {
            let run = start.max(piece.start)..(*end).min(piece.end);
            start = *end;
            if let Some(text) = self.text.get(run).filter(|text| !text.is_empty()) {
                mark(&mut out, text, style);
            }
        }
        out
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
