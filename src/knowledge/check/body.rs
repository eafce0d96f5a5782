//! The strict rules for a document's Markdown.

use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag};

use super::Notes;
use crate::asked;
use crate::chunk::{self, Section};

/// Checks the Markdown that begins on `first_line` of the file.
pub(super) fn check(body: &str, first_line: usize, file: &Path, notes: &mut Notes<'_>) {
    let lines = Lines { body, first_line };
    headings(body, &lines, notes);
    for section in chunk::sections(body) {
        empty_section(body, &section, &lines, notes);
    }
    for (event, range) in Parser::new_ext(body, chunk::markdown_options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                link(&dest_url, file, lines.at(range.start), notes);
            }
            Event::Html(html) | Event::InlineHtml(html) if html.trim_start().starts_with("<!--") => {
                wordings(&html, lines.at(range.start), notes);
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let shown: String = html.trim().chars().take(40).collect();
                notes.error(lines.at(range.start), format!("raw HTML `{shown}` would be shown as text"));
            }
            _ => {}
        }
    }
}

struct Lines<'a> {
    body: &'a str,
    first_line: usize,
}

impl Lines<'_> {
    /// The line of the file on which the body's byte stands.
    fn at(&self, offset: usize) -> usize {
        let before = self.body.get(..offset).unwrap_or(self.body);
        self.first_line + before.matches('\n').count()
    }
}

fn headings(body: &str, lines: &Lines<'_>, notes: &mut Notes<'_>) {
    let headings = chunk::headings(body);
    let titles = headings.iter().filter(|heading| heading.level == 1).count();
    if titles == 0 {
        notes.error(lines.first_line, "no heading of the first level");
    }
    let mut above = 0;
    let mut seen_title = false;
    for heading in &headings {
        let line = lines.at(heading.start);
        if heading.level == 1 && std::mem::replace(&mut seen_title, true) {
            notes.error(line, "a second heading of the first level: a document has one title");
        }
        if heading.level > above + 1 && above > 0 {
            notes.error(line, format!("a heading of level {} follows one of level {above}", heading.level));
        }
        if heading.text.trim().is_empty() {
            notes.error(line, "an empty heading");
        }
        above = heading.level;
    }
}

/// A section without words of its own is empty, unless sections under it have some.
fn empty_section(body: &str, section: &Section<'_>, lines: &Lines<'_>, notes: &mut Notes<'_>) {
    let Some((level, name)) = section.headings.last() else { return };
    if !section.text.trim().is_empty() {
        return;
    }
    let following = chunk::headings(body).into_iter().find(|heading| heading.start > section.start);
    if following.is_none_or(|next| next.level <= *level) {
        notes.warning(lines.at(section.start), format!("the section `{name}` is empty"));
    }
}

/// The longest wording that is like what people type, in words.
const LONGEST_WORDING: usize = 40;

/// A comment that tells what people type for its section.
fn wordings(html: &str, line: usize, notes: &mut Notes<'_>) {
    let comment = html.trim().trim_start_matches("<!--").trim_end_matches("-->");
    let Some(asked) = asked::in_comment(comment) else { return };
    if asked.is_empty() {
        notes.warning(line, "`asked:` without a wording: write what people type, parted by `|`");
    }
    if asked.len() > asked::MOST {
        notes.warning(line, format!("{} wordings: only the first {} are searched", asked.len(), asked::MOST));
    }
    for long in asked.iter().filter(|wording| wording.split_whitespace().count() > LONGEST_WORDING) {
        let start: String = long.chars().take(40).collect();
        notes.warning(line, format!("the wording `{start}…` is long: is a `|` missing?"));
    }
}

fn link(target: &str, file: &Path, line: usize, notes: &mut Notes<'_>) {
    if target.is_empty() {
        notes.error(line, "an empty link");
    } else if let Some((scheme, _)) = target.split_once(':') {
        if !matches!(scheme, "http" | "https" | "mailto" | "tel") {
            notes.error(line, format!("the link `{target}` is neither http(s), mailto nor tel"));
        }
    } else if !target.starts_with('#') {
        let path = target.split(['#', '?']).next().unwrap_or(target);
        let there = file.parent().is_some_and(|folder| folder.join(path).exists());
        if path.starts_with('/') || !there {
            notes.error(line, format!("the link `{target}` leads nowhere"));
        }
    }
}
