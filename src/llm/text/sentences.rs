//! Sentence boundaries in text that is still arriving, in the scripts divers write.

use super::marks::{self, Scan};

/// A sentence longer than this is cut at a space, so that a text without punctuation still flows.
const LONGEST_CHARS: usize = 700;

/// Words before a full stop that do not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "approx", "ca", "cf", "dr", "e.g", "eg", "etc", "fig", "i.e", "ie", "inc", "incl", "max", "min", "mr", "mrs", "ms",
    "mt", "no", "nr", "p.m", "a.m", "prof", "resp", "sr", "st", "u.s", "vs", "z.b", "bzw", "d.h", "evtl", "ggf",
    "p.ej", "sra", "aprox", "env", "ex", "p.ex", "es", "ecc", "dll", "dsb", "hr", "hrs", "km", "sec", "temp",
];

/// How one sentence stands apart from the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    /// Nothing between them, as in Chinese.
    #[default]
    None,
    /// A space.
    Space,
    /// A new line.
    Line,
    /// A new paragraph.
    Paragraph,
}

impl Gap {
    /// This gap with more white space after it.
    fn and(self, space: &str) -> Self {
        let lines = space.matches('\n').count();
        match (self, lines) {
            (Self::Paragraph, _) | (_, 2..) | (Self::Line, 1) => Self::Paragraph,
            (Self::Line, _) | (_, 1) => Self::Line,
            (Self::None, 0) if space.is_empty() => Self::None,
            _ => Self::Space,
        }
    }

    /// The characters that make it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Space => " ",
            Self::Line => "\n",
            Self::Paragraph => "\n\n",
        }
    }
}

/// A sentence with the marks that belong to it, and the gap before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// What stands before it.
    pub(crate) gap: Gap,
    /// Its words, trimmed.
    pub(crate) text: String,
}

/// Cuts arriving text into sentences. Holds at most one unfinished sentence.
#[derive(Debug, Default)]
pub(crate) struct Segmenter {
    buffer: String,
    gap: Gap,
}

impl Segmenter {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &str) {
        self.buffer.push_str(piece);
    }

    /// The next sentence that is certainly whole.
    pub(crate) fn next(&mut self) -> Option<Sentence> {
        self.take(false)
    }

    /// What is left once the text is over.
    pub(crate) fn finish(&mut self) -> Vec<Sentence> {
        std::iter::from_fn(|| self.take(true)).collect()
    }

    fn take(&mut self, over: bool) -> Option<Sentence> {
        let words = self.buffer.trim_start();
        let space = self.buffer.len() - words.len();
        if space > 0 {
            self.gap = self.gap.and(self.buffer.get(..space).unwrap_or(""));
            self.buffer.drain(..space);
        }
        let end = boundary(&self.buffer, over)?;
        let text: String = self.buffer.drain(..end).collect();
        let gap = std::mem::take(&mut self.gap);
        Some(Sentence { gap, text: text.trim_end().to_owned() })
    }
}

/// The sentences of a whole text.
pub(crate) fn split(text: &str) -> Vec<Sentence> {
    let mut segmenter = Segmenter::default();
    segmenter.push(text);
    segmenter.finish()
}

/// Where the first sentence of `text` (which begins with no space) ends, or `None` if that can only be
/// told with more text. With `over` nothing more comes.
fn boundary(text: &str, over: bool) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    for (count, (at, c)) in text.char_indices().enumerate() {
        let after = at + c.len_utf8();
        match end_at(text, at, c, after, over) {
            Verdict::End(end) => return Some(end),
            Verdict::NeedMore => return None,
            Verdict::No => {}
        }
        if count >= LONGEST_CHARS {
            let head = text.get(..at).unwrap_or("");
            return Some(head.rfind(char::is_whitespace).filter(|end| *end > 0).unwrap_or(at));
        }
    }
    over.then_some(text.len())
}

enum Verdict {
    End(usize),
    NeedMore,
    No,
}

fn end_at(text: &str, at: usize, c: char, after: usize, over: bool) -> Verdict {
    match c {
        '\n' => Verdict::End(at),
        '。' | '！' | '？' | '｡' | '؟' | '۔' | '।' => match tail(text, after, over) {
            Some(end) => Verdict::End(end),
            None => Verdict::NeedMore,
        },
        '.' | '!' | '?' | '…' => latin_stop(text, at, c, after, over),
        ']' if thai_before_mark(text, at) => {
            let rest = text.get(after..).unwrap_or("");
            match rest.chars().next() {
                Some(next) if next.is_whitespace() => Verdict::End(after),
                _ => Verdict::No,
            }
        }
        _ => Verdict::No,
    }
}

/// Thai has no full stop: a mark that follows Thai letters ends the sentence.
fn thai_before_mark(text: &str, close: usize) -> bool {
    let head = text.get(..close).unwrap_or("");
    let Some(open) = head.rfind('[') else { return false };
    let digits = head.get(open + 1..).unwrap_or("");
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && head.get(..open).unwrap_or("").trim_end().chars().next_back().is_some_and(is_thai)
}

fn is_thai(c: char) -> bool {
    ('\u{0E00}'..='\u{0E7F}').contains(&c)
}

fn latin_stop(text: &str, at: usize, c: char, after: usize, over: bool) -> Verdict {
    if c == '.' && is_abbreviation(text.get(..at).unwrap_or("")) {
        return Verdict::No;
    }
    let rest = text.get(after..).unwrap_or("");
    let Some(next) = rest.chars().next() else {
        return if over { Verdict::End(after) } else { Verdict::NeedMore };
    };
    let closes = |c: char| matches!(c, '.' | '!' | '?' | '…') || is_closer(c);
    if !next.is_whitespace() && !closes(next) && !matches!(next, '[' | '【') {
        return Verdict::No;
    }
    let Some(end) = tail(text, after, over) else { return Verdict::NeedMore };
    let rest = text.get(end..).unwrap_or("");
    let follows = rest.trim_start();
    match follows.chars().next() {
        // Glued to what follows ("a.)b"), or going on in small letters ("approx. five").
        Some(_) if rest.len() == follows.len() && !text.get(..end).unwrap_or("").ends_with([']', '】']) => Verdict::No,
        Some(next) if next.is_lowercase() && !rest.get(..rest.len() - follows.len()).unwrap_or("").contains('\n') => {
            Verdict::No
        }
        _ => Verdict::End(end),
    }
}

fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»' | ')' | '）' | '」' | '』' | '*' | '_')
}

/// Past the closing quotes, further stops and marks that belong to the sentence ending at `from`.
fn tail(text: &str, from: usize, over: bool) -> Option<usize> {
    let mut end = from;
    loop {
        let rest = text.get(end..).unwrap_or("");
        let words = rest.trim_start_matches([' ', '\u{a0}', '\t']);
        let Some(c) = words.chars().next() else { return over.then_some(end) };
        if matches!(c, '[' | '【') {
            match marks::scan(words) {
                Scan::Mark(length) => {
                    end += rest.len() - words.len() + length;
                    continue;
                }
                Scan::NeedMore if !over => return None,
                _ => return Some(end),
            }
        }
        let glued = rest.len() == words.len();
        if glued && (is_closer(c) || matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')) {
            end += c.len_utf8();
            continue;
        }
        return Some(end);
    }
}

fn is_abbreviation(head: &str) -> bool {
    let line = head.rsplit('\n').next().unwrap_or("");
    // "1." at the start of a line numbers a list.
    if !line.is_empty() && line.trim_start().chars().all(|c| c.is_ascii_digit()) {
        return true;
    }
    let word = line.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '“')).next().unwrap_or("");
    let mut chars = word.chars();
    let single = matches!((chars.next(), chars.next()), (Some(c), None) if c.is_alphabetic() && c.is_ascii());
    // "18 m." ends a sentence; "J. Smith" does not.
    let unit = matches!(word, "m" | "h" | "s" | "C" | "F" | "l" | "L" | "I");
    (single && !unit) || ABBREVIATIONS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn decimals_abbreviations_and_hosts_do_not_end_a_sentence() {
        assert_eq!(
            texts("Ascend at 9.5 m/min, e.g. slowly. Dr. Smith of dan.org agrees. Stop at 5 m. Wait."),
            ["Ascend at 9.5 m/min, e.g. slowly.", "Dr. Smith of dan.org agrees.", "Stop at 5 m.", "Wait."]
        );
    }

    #[test]
    fn marks_belong_to_the_sentence_before_them() {
        assert_eq!(
            texts("It is 18 m. [1] Then [2]. More.[3][1] End"),
            ["It is 18 m. [1]", "Then [2].", "More.[3][1]", "End"]
        );
    }

    #[test]
    fn scripts_without_a_latin_stop_are_cut_too() {
        assert_eq!(
            texts("最大水深は18メートルです。[1]年齢は10歳からです。"),
            ["最大水深は18メートルです。[1]", "年齢は10歳からです。"]
        );
        assert_eq!(texts("ما هو العمق؟ ثمانية عشر مترا."), ["ما هو العمق؟", "ثمانية عشر مترا."]);
        assert_eq!(texts("ความลึกสูงสุด 18 เมตร [1] อายุขั้นต่ำ"), ["ความลึกสูงสุด 18 เมตร [1]", "อายุขั้นต่ำ"]);
        assert_eq!(texts("ไม่เกิน 18 เมตร[1] อายุขั้นต่ำ"), ["ไม่เกิน 18 เมตร[1]", "อายุขั้นต่ำ"]);
    }

    #[test]
    fn lines_stand_alone_and_list_numbers_stay() {
        let all = split("Options:\n1. Go deep.\n2. Stay.\n\nEnd.");
        assert_eq!(all.iter().map(|s| s.gap).collect::<Vec<_>>(), [Gap::None, Gap::Line, Gap::Line, Gap::Paragraph]);
        assert_eq!(all[1].text, "1. Go deep.");
    }

    #[test]
    fn an_unfinished_sentence_is_never_handed_out() {
        let mut segmenter = Segmenter::default();
        segmenter.push("The limit is 18.");
        assert_eq!(segmenter.next(), None);
        segmenter.push("5 m. ");
        assert_eq!(segmenter.next(), None, "a mark may still follow");
        segmenter.push("Next");
        assert_eq!(segmenter.next().unwrap().text, "The limit is 18.5 m.");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_cuts_do_not_matter(text in "[a-zA-Z0-9 .!?\\n\\[\\]。深กอ؟é]{0,200}", cut in 0usize..200) {
            let at = text.char_indices().nth(cut).map_or(text.len(), |(at, _)| at);
            let mut segmenter = Segmenter::default();
            segmenter.push(&text[..at]);
            let mut all: Vec<Sentence> = std::iter::from_fn(|| segmenter.next()).collect();
            segmenter.push(&text[at..]);
            all.extend(std::iter::from_fn(|| segmenter.next()));
            all.extend(segmenter.finish());
            let squeeze = |t: &str| t.split_whitespace().collect::<String>();
            let joined: String = all.iter().map(|s| s.text.as_str()).collect();
            prop_assert_eq!(squeeze(&joined), squeeze(&text));
            prop_assert_eq!(all, split(&text));
        }
    }
}
