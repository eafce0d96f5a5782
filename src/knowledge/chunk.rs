//! Chunking: a document's words cut into passages along its headings.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter};

use crate::asked;
use crate::digest::sha256_hex;

/// Stands in every document's hash, so that a change here ingests everything again.
pub(crate) const CHUNKING_VERSION: &str = "chunks-2";

/// A section of at most this many words stays one passage.
const WHOLE: usize = 260;
/// A longer one is cut into passages of this many words, at the best boundary in the range.
const TARGET: std::ops::RangeInclusive<usize> = 160..=220;

/// A passage as it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The headings it stands under, joined by ` › `, without the document's title.
    pub(crate) section: String,
    /// Its words, as Markdown without headings.
    pub(crate) text: String,
    /// What people type for it.
    pub(crate) asked: Vec<String>,
}

impl Chunk {
    /// SHA-256 of what is embedded.
    pub(crate) fn hash(&self, title: &str) -> String {
        let text = embedded_text(title, &self.section, &self.text);
        let asked = asked::joined(self.asked.iter().map(String::as_str));
        if asked.is_empty() { sha256_hex(&[text.as_bytes()]) } else { sha256_hex(&[text.as_bytes(), asked.as_bytes()]) }
    }
}

/// What is embedded for a passage: its words under the header that says what they are about.
pub(crate) fn embedded_text(title: &str, section: &str, text: &str) -> String {
    if section.is_empty() { format!("{title}\n{text}") } else { format!("{title} › {section}\n{text}") }
}

/// Cuts a document's Markdown. The same text always gives the same passages.
pub(crate) fn chunks(title: &str, body: &str) -> Vec<Chunk> {
    let config = ChunkConfig::new(TARGET).with_sizer(Words);
    let splitter = MarkdownSplitter::new(config);
    let mut all = Vec::new();
    for section in sections(body) {
        let name = section.name(title);
        let (text, asked) = asked::part(section.text);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if count_words(text) <= WHOLE {
            all.push(Chunk { section: name, text: text.to_owned(), asked });
        } else {
            let parts = splitter.chunks(text).filter(|part| !part.trim().is_empty());
            let chunk =
                |part: &str| Chunk { section: name.clone(), text: part.trim().to_owned(), asked: asked.clone() };
            all.extend(parts.map(chunk));
        }
    }
    all
}

/// A heading and the words up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// Level and text of the headings it stands under, outermost first; its own is the last.
    pub(crate) headings: Vec<(u8, String)>,
    /// Where its heading begins in the body.
    pub(crate) start: usize,
    /// The words under it.
    pub(crate) text: &'a str,
}

impl Section<'_> {
    fn name(&self, title: &str) -> String {
        let mut names: Vec<&str> = self.headings.iter().map(|(_, name)| name.as_str()).collect();
        let is_title = self.headings.first().is_some_and(|(level, name)| *level == 1 || name == title);
        if is_title && (names.len() > 1 || names.first().is_some_and(|name| same_words(name, title))) {
            names.remove(0);
        }
        names.join(" › ")
    }
}

fn same_words(left: &str, right: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    plain(left) == plain(right)
}

/// The body cut at its headings; the first section has none when words come before any heading.
pub(crate) fn sections(body: &str) -> Vec<Section<'_>> {
    let headings = headings(body);
    let first = headings.first().map_or(body.len(), |heading| heading.start);
    let mut all = vec![Section { headings: Vec::new(), start: 0, text: body.get(..first).unwrap_or("") }];
    let mut above: Vec<(u8, String)> = Vec::new();
    let ends = headings.iter().skip(1).map(|next| next.start).chain([body.len()]);
    for (heading, end) in headings.iter().zip(ends) {
        above.retain(|(level, _)| *level < heading.level);
        above.push((heading.level, heading.text.clone()));
        let text = body.get(heading.end..end).unwrap_or("");
        all.push(Section { headings: above.clone(), start: heading.start, text });
    }
    all
}

pub(crate) struct Heading {
    pub(crate) level: u8,
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The headings of a Markdown text; those in code blocks are none.
pub(crate) fn headings(body: &str) -> Vec<Heading> {
    let mut all = Vec::new();
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(body, markdown_options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                open = Some(Heading {
                    level: level_number(level),
                    text: String::new(),
                    start: range.start,
                    end: range.end,
                });
            }
            Event::End(pulldown_cmark::TagEnd::Heading(_)) => all.extend(open.take()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut open {
                    heading.text.push_str(&words);
                }
            }
            _ => {}
        }
    }
    all
}

pub(crate) fn markdown_options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Measures text in words; scripts written without spaces count four characters as a word.
#[derive(Debug, Clone, Copy)]
struct Words;

impl ChunkSizer for Words {
    fn size(&self, chunk: &str) -> usize {
        count_words(chunk)
    }
}

fn count_words(text: &str) -> usize {
    let dense = text.chars().filter(|c| crate::text::is_dense_script(*c)).count();
    text.split_whitespace().count() + dense / 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = "\n# Sail Rock\n\nIntro words.\n\n## How deep\n\nSail Rock drops to 40 m.\n\n```\n# no heading\n```\n\n### The chimney\n\nIt starts at 18 m.\n\n## When to go\n\n";

    #[test]
    fn passages_follow_the_headings() {
        let found = chunks("Sail Rock", BODY);
        let names: Vec<&str> = found.iter().map(|chunk| chunk.section.as_str()).collect();
        assert_eq!(names, ["", "How deep", "How deep › The chimney"]);
        assert_eq!(found[0].text, "Intro words.");
        assert!(found[1].text.contains("# no heading"), "code stays whole");
        assert!(found.iter().all(|chunk| !chunk.text.starts_with("##")));
    }

    #[test]
    fn a_long_section_is_cut_at_sentences() {
        let sentence = "A diver plans the dive and dives the plan with care today. ";
        let body = format!("# T\n\n## Long\n\n{}", sentence.repeat(60));
        let found = chunks("T", &body);
        assert!(found.len() >= 3);
        for chunk in &found {
            let words = chunk.text.split_whitespace().count();
            assert!(words <= *TARGET.end(), "{words}");
            assert!(chunk.text.ends_with("today."), "{}", chunk.text);
            assert_eq!(chunk.section, "Long");
        }
    }

    #[test]
    fn the_header_is_embedded_but_is_no_part_of_the_words() {
        let chunk = Chunk { section: "How deep".into(), text: "18 m.".into(), asked: Vec::new() };
        assert_eq!(embedded_text("PADI", &chunk.section, &chunk.text), "PADI › How deep\n18 m.");
        assert_ne!(chunk.hash("PADI"), chunk.hash("SSI"));
    }

    #[test]
    fn wordings_are_no_part_of_the_words_and_new_ones_are_embedded() {
        let cut =
            |wordings: &str| chunks("T", &format!("# T\n\n## Long\n<!-- asked: {wordings} -->\nSome words.")).remove(0);
        let (one, two) = (cut("how long | until when"), cut("how long"));
        assert_eq!((one.text.as_str(), one.asked.len()), ("Some words.", 2));
        assert_ne!(one.hash("T"), two.hash("T"));
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_cutting_repeats(words in prop::collection::vec("[a-z]{1,9}|\n\n|\n## [a-z]{1,5}\n|\u{0e01}\u{0e02}{3,9}", 0..400)) {
            let body = words.join(" ");
            let found = chunks("T", &body);
            prop_assert_eq!(&found, &chunks("T", &body));
            let count = |text: &str| text.split_whitespace().filter(|word| *word != "##").count();
            let kept: usize = found.iter().map(|chunk| count(&chunk.text)).sum();
            let in_sections: usize = sections(&body).iter().map(|section| count(section.text)).sum();
            prop_assert_eq!(kept, in_sections);
        }
    }
}
