//! Markdown of a passage as plain sentences.

use std::sync::LazyLock;

use regex::Regex;

use super::sentences;

#[allow(clippy::expect_used, reason = "a constant pattern, compiled by the tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well formed")
}

static IMAGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"!\[[^\]]*\]\([^)]*\)"));
static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[([^\]]+)\]\([^)]*\)"));
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"</?[A-Za-z!][^>]*>"));
static BULLET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?"));

/// A line that stands for itself, or several lines of one paragraph.
enum Block {
    Paragraph(String),
    Item(String),
}

/// The plain sentences of a Markdown text, in order: no headings, tables, bullets or markup.
pub(crate) fn plain_sentences(markdown: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut listing: Option<(String, Vec<String>)> = None;
    for block in blocks(markdown) {
        match block {
            Block::Item(item) => match &mut listing {
                Some((_, items)) if short(&item) => items.push(item),
                _ => push_statement(&mut out, &item),
            },
            Block::Paragraph(text) => {
                close_listing(&mut out, listing.take());
                let mut all: Vec<String> = sentences::split(&text).into_iter().map(|s| s.text).collect();
                if all.last().is_some_and(|last| last.ends_with(':')) {
                    listing = all.pop().map(|lead| (lead, Vec::new()));
                }
                out.extend(all.into_iter().filter(|s| has_words(s)));
            }
        }
    }
    close_listing(&mut out, listing);
    out
}

/// "Divers bring:" and its items become one sentence.
fn close_listing(out: &mut Vec<String>, listing: Option<(String, Vec<String>)>) {
    let Some((lead, items)) = listing else { return };
    let Some((last, others)) = items.split_last() else { return };
    let bare = |item: &String| item.trim_end_matches(['.', ';', ',']).to_owned();
    let mut all = bare(last);
    if !others.is_empty() {
        all = format!("{} and {all}", others.iter().map(bare).collect::<Vec<_>>().join(", "));
    }
    out.push(format!("{}: {all}.", lead.trim_end_matches(':')));
}

fn short(item: &str) -> bool {
    item.split_whitespace().count() <= 12 && !item.trim_end_matches('.').contains(". ")
}

fn push_statement(out: &mut Vec<String>, item: &str) {
    for sentence in sentences::split(item) {
        let mut text = sentence.text;
        if text.split_whitespace().count() < 4 {
            continue;
        }
        if !text.ends_with(['.', '!', '?', '。', '！', '？', ':', '”', '"']) {
            text.push('.');
        }
        out.push(text);
    }
}

fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut paragraph = String::new();
    let mut fenced = false;
    let flush = |paragraph: &mut String, out: &mut Vec<Block>| {
        if !paragraph.is_empty() {
            out.push(Block::Paragraph(std::mem::take(paragraph)));
        }
    };
    for line in markdown.lines() {
        let line = line.trim_end().trim_start_matches(['>', ' ']);
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let divider = !line.is_empty() && line.chars().all(|c| matches!(c, '-' | '*' | '_' | '=' | ' '));
        if fenced || line.is_empty() || line.starts_with('#') || line.starts_with('|') || divider {
            flush(&mut paragraph, &mut out);
            continue;
        }
        if let Some(bullet) = BULLET.find(line) {
            flush(&mut paragraph, &mut out);
            out.push(Block::Item(inline(line.get(bullet.end()..).unwrap_or("")).trim().to_owned()));
            continue;
        }
        let clean = inline(line);
        if !paragraph.is_empty() {
            paragraph.push(' ');
        }
        paragraph.push_str(clean.trim());
    }
    flush(&mut paragraph, &mut out);
    out
}

/// A line without inline markup.
fn inline(line: &str) -> String {
    let line = IMAGE.replace_all(line, "");
    let line = LINK.replace_all(&line, "$1");
    let line = TAG.replace_all(&line, "");
    line.replace("**", "").replace("__", "").replace(['`', '*'], "").replace("[^", "[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_statements_stay() {
        let text = "## Depth\n**Open Water** divers go to 18 m. See [the page](https://x.example/a).\n\n| a | b |\n|---|---|\n\n- Junior divers stay above 12 m with an adult\n- ok\n";
        assert_eq!(
            plain_sentences(text),
            ["Open Water divers go to 18 m.", "See the page.", "Junior divers stay above 12 m with an adult."]
        );
    }

    #[test]
    fn a_short_list_becomes_one_sentence() {
        assert_eq!(
            plain_sentences("Divers usually bring:\n\n- a mask\n- fins\n- a computer\n"),
            ["Divers usually bring: a mask, fins and a computer."]
        );
    }

    #[test]
    fn wrapped_lines_are_one_paragraph() {
        assert_eq!(plain_sentences("The limit\nis 18 m."), ["The limit is 18 m."]);
    }
}
