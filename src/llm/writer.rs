//! The text of an answer as it grows: what was released stays, piece for piece.

use dovvybuddy_core::agent::Release;
use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::reply::Citation;

use crate::citations::Numbering;
use crate::text::sentences::Gap;

/// Releases pieces and remembers them. Pieces come with marks that count the given passages and leave
/// with marks that count the documents used so far.
pub(crate) struct Writer<'a> {
    release: &'a dyn Release,
    numbering: Numbering<'a>,
    text: String,
    as_given: String,
}

impl<'a> Writer<'a> {
    /// An empty answer that may cite `passages`.
    pub(crate) const fn new(release: &'a dyn Release, passages: &'a [Passage]) -> Self {
        Self { release, numbering: Numbering::new(passages), text: String::new(), as_given: String::new() }
    }

    /// Releases `words` after `gap`; the first piece has no gap.
    pub(crate) fn write(&mut self, gap: Gap, words: &str) {
        let words = words.trim();
        if words.is_empty() {
            return;
        }
        let gap = if self.text.is_empty() { "" } else { gap.as_str() };
        let words = without_definition(words, gap.ends_with('\n') || self.text.is_empty());
        self.as_given.push_str(gap);
        self.as_given.push_str(&words);
        let piece = format!("{gap}{}", self.numbering.renumber(&words));
        self.release.piece(&piece);
        self.text.push_str(&piece);
    }

    /// What was released so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same with marks that count the given passages, as a model knows them.
    pub(crate) fn as_given(&self) -> &str {
        &self.as_given
    }

    /// The passages cited so far.
    pub(crate) fn cited(&self) -> impl Iterator<Item = &'a Passage> {
        self.numbering.used()
    }

    /// The whole text and the citations behind its marks.
    pub(crate) fn finish(self) -> (String, Vec<Citation>) {
        (self.text, self.numbering.citations())
    }
}

/// A line that starts with `[n]:` is a link definition in Markdown and would not show.
fn without_definition(words: &str, at_line_start: bool) -> String {
    let mut out = String::with_capacity(words.len());
    for (number, line) in words.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        if number == 0 && !at_line_start {
            out.push_str(line);
            continue;
        }
        let mut rest = line;
        while let Some(after) = definition(rest) {
            rest = after;
        }
        out.push_str(rest);
    }
    out
}

fn definition(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('[')?;
    let (label, after) = inner.split_once(']')?;
    let digits = !label.is_empty() && label.chars().all(|c| c.is_ascii_digit());
    digits.then(|| after.strip_prefix(':')).flatten().map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Kept(Mutex<Vec<String>>);

    impl Release for Kept {
        fn piece(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    #[test]
    fn pieces_add_up_and_no_line_defines_a_link() {
        let kept = Kept(Mutex::new(Vec::new()));
        let passages = crate::testing::limits();
        let mut writer = Writer::new(&kept, &passages);
        writer.write(Gap::Space, "[1]: Depth is 18 m [1].");
        writer.write(Gap::Space, "[2]: stays inside a line.");
        writer.write(Gap::Paragraph, "[1]: [2]: again");
        writer.write(Gap::Line, "  ");
        let text = writer.finish().0;
        assert_eq!(text, "Depth is 18 m [1]. [2]: stays inside a line.\n\nagain");
        assert_eq!(kept.0.lock().unwrap().concat(), text);
    }
}
