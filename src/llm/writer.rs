//! The text of an answer as it grows: what was released stays, piece for piece.

use dovvybuddy_core::agent::Release;

use crate::text::sentences::Gap;

/// Releases pieces and remembers them.
pub(crate) struct Writer<'a> {
    release: &'a dyn Release,
    text: String,
}

impl<'a> Writer<'a> {
    /// An empty answer.
    pub(crate) fn new(release: &'a dyn Release) -> Self {
        Self { release, text: String::new() }
    }

    /// Releases `words` after `gap`; the first piece has no gap.
    pub(crate) fn write(&mut self, gap: Gap, words: &str) {
        let words = words.trim();
        if words.is_empty() {
            return;
        }
        let gap = if self.text.is_empty() { "" } else { gap.as_str() };
        let piece = format!("{gap}{}", without_definition(words, gap.ends_with('\n') || self.text.is_empty()));
        self.release.piece(&piece);
        self.text.push_str(&piece);
    }

    /// What was released so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
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
        let mut writer = Writer::new(&kept);
        writer.write(Gap::Space, "[1]: Depth is 18 m [1].");
        writer.write(Gap::Space, "[2]: stays inside a line.");
        writer.write(Gap::Paragraph, "[1]: [2]: again");
        writer.write(Gap::Line, "  ");
        let text = writer.into_text();
        assert_eq!(text, "Depth is 18 m [1]. [2]: stays inside a line.\n\nagain");
        assert_eq!(kept.0.lock().unwrap().concat(), text);
    }
}
