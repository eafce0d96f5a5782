//! Citation marks: `[1]`, `[1, 2]`, `[1][2]`, and the full-width `【1】`.

/// What stands at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A whole mark of that many bytes.
    Mark(usize),
    /// No mark.
    Other,
    /// The text ends before it is clear.
    NeedMore,
}

/// The longest mark that is read as one, in bytes; `[12, 13, 14, 15]` fits.
const LONGEST: usize = 24;

/// Whether `rest` begins with a mark.
pub(crate) fn scan(rest: &str) -> Scan {
    let mut chars = rest.char_indices();
    let close = match chars.next() {
        Some((_, '[')) => ']',
        Some((_, '【')) => '】',
        _ => return Scan::Other,
    };
    let mut digits = false;
    for (at, c) in chars {
        if at > LONGEST {
            return Scan::Other;
        }
        match c {
            '0'..='9' => digits = true,
            ',' | '，' | '、' | ' ' | '-' | '–' if digits => {}
            c if c == close && digits => return Scan::Mark(at + c.len_utf8()),
            _ => return Scan::Other,
        }
    }
    Scan::NeedMore
}

/// The numbers of a mark, ranges written out; empty if one of them is no sensible number.
fn numbers(mark: &str) -> Vec<usize> {
    let inner = mark.trim_matches(['[', ']', '【', '】']);
    let mut out = Vec::new();
    for part in inner.split([',', '，', '、']) {
        let mut ends = part.split(['-', '–']).map(|n| n.trim().parse::<usize>());
        match (ends.next(), ends.next()) {
            (Some(Ok(n)), None) => out.push(n),
            (Some(Ok(a)), Some(Ok(b))) if a <= b && b - a < 10 => out.extend(a..=b),
            _ => out.push(0),
        }
    }
    out
}

/// The text with its marks rewritten as `[n]`, each number as `to` maps it: one that maps to nothing
/// goes, and so does a mark that is left empty or repeats the one before it. Returns the text, the
/// numbers kept, and whether any was dropped.
pub(crate) fn rewrite(text: &str, mut to: impl FnMut(usize) -> Option<usize>) -> (String, Vec<usize>, bool) {
    let mut out = String::with_capacity(text.len());
    let mut kept = Vec::new();
    let mut dropped = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Scan::Mark(length) = scan(rest) {
            let (mark, after) = rest.split_at(length);
            // `[1](https://…)` is a link, not a mark: its check is another's.
            if !after.starts_with('(') {
                for n in numbers(mark) {
                    let Some(n) = to(n) else {
                        dropped = true;
                        continue;
                    };
                    let mark = format!("[{n}]");
                    if !out.ends_with(&mark) {
                        out.push_str(&mark);
                    }
                    if !kept.contains(&n) {
                        kept.push(n);
                    }
                }
                rest = after;
                continue;
            }
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    (out, kept, dropped)
}

/// [`rewrite`] that keeps the numbers in `1..=given`.
pub(crate) fn normalise(text: &str, given: usize) -> (String, Vec<usize>, bool) {
    rewrite(text, |n| (1..=given).contains(&n).then_some(n))
}

/// The text without any mark.
pub(crate) fn strip(text: &str) -> String {
    normalise(text, 0).0
}

/// The words with the mark of the passage at this place, counted from 0, before their final stop.
pub(crate) fn add(words: &str, passage: usize) -> String {
    let n = passage + 1;
    match words.strip_suffix(['.', '!']) {
        Some(head) => format!("{head} [{n}]{}", words.get(head.len()..).unwrap_or(".")),
        None => format!("{words} [{n}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_brackets_and_from_unfinished_text() {
        assert_eq!(scan("[1] next"), Scan::Mark(3));
        assert_eq!(scan("[1, 2]"), Scan::Mark(6));
        assert_eq!(scan("【3】"), Scan::Mark("【3】".len()));
        assert_eq!(scan("[1"), Scan::NeedMore);
        assert_eq!(scan("["), Scan::NeedMore);
        assert_eq!(scan("[a]"), Scan::Other);
        assert_eq!(scan("[]"), Scan::Other);
    }

    #[test]
    fn a_mark_that_points_nowhere_goes_and_the_others_stay() {
        let (text, kept, dropped) = normalise("18 m [1, 9] and 【2】 [7].", 3);
        assert_eq!(text, "18 m [1] and [2] .");
        assert_eq!(kept, [1, 2]);
        assert!(dropped);
        assert_eq!(normalise("[1-3]", 3).0, "[1][2][3]");
        assert_eq!(normalise("[99999999999999999999]", 3).1, Vec::<usize>::new());
    }
}
