//! Links and markup in a sentence.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

#[allow(clippy::expect_used, reason = "constant patterns, compiled by the tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well formed")
}

/// Addresses with a scheme, hosts, mail addresses; and what Markdown would make a link of.
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"(?i)\b[a-z][a-z0-9+.-]{1,15}://[^\s<>"')\]]+"#,
        r"|\b(?:javascript|data|mailto|tel|vbscript|file):[^\s<>)]+",
        r"|\b[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}",
        r"|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|org|net|io|dev|app|ai|co|info|biz|xyz|shop|online|site|club|link|me|tv|to|gg|ly|eu|de|fr|es|it|pt|uk|us|au|nz|jp|cn|th|id|ru|example|test|local|onion)\b(?:/[^\s<>)\]]*)?",
    ))
});

static TARGET: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\]\(\s*<?([^)\s>]+)|\]\s?\[[^\]]*[^\]\d][^\]]*\]|^\s*\[[^\]]+\]:\s*(\S+)"));

static MARKUP: LazyLock<Regex> = LazyLock::new(|| pattern(r"!\[|<[A-Za-z/!?]|&(?:#|lt|gt|[a-z]{2,8});|^\s*\|"));

/// The links of a text, in the form by which they are compared.
pub(crate) fn find(text: &str) -> HashSet<String> {
    let plain = if text.contains('\u{200b}') { text.replace('\u{200b}', "").into() } else { Cow::Borrowed(text) };
    let mut out = HashSet::new();
    if may_hold_a_link(&plain) {
        out.extend(LINK.find_iter(&plain).map(|found| key(found.as_str())));
    }
    if may_hold_a_target(&plain) {
        for found in TARGET.captures_iter(&plain) {
            let target = found.get(1).or_else(|| found.get(2)).map_or("", |m| m.as_str());
            out.insert(key(target));
        }
    }
    out
}

/// Every link has a colon, an at sign or a point before a letter; most sentences have none of them, and the
/// whole pattern is slow.
fn may_hold_a_link(text: &str) -> bool {
    let after = |at: usize| text.get(at + 1..).and_then(|rest| rest.chars().next());
    text.match_indices([':', '@', '.']).any(|(at, found)| found != "." || after(at).is_some_and(char::is_alphabetic))
}

/// What Markdown would make a link of has a closing bracket with one of these behind it; a mark has not.
fn may_hold_a_target(text: &str) -> bool {
    let after = |at: usize| text.get(at + 1..).and_then(|rest| rest.chars().next());
    text.match_indices(']').any(|(at, _)| after(at).is_some_and(|c| matches!(c, '(' | '[' | ':') || c.is_whitespace()))
}

fn key(link: &str) -> String {
    let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '/', '*', '_']).to_lowercase();
    for scheme in ["https://", "http://"] {
        if let Some(rest) = link.strip_prefix(scheme) {
            return rest.trim_start_matches("www.").to_owned();
        }
    }
    link.trim_start_matches("www.").to_owned()
}

/// Images, HTML, tables.
pub(crate) fn has_markup(text: &str) -> bool {
    text.contains(['!', '<', '&', '|']) && MARKUP.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_every_dress() {
        for text in [
            "see https://evil.example/a.",
            "see evil.example now",
            "[here](//evil.example/x)",
            "[here](javascript:alert(1))",
            "write to a@evil.example",
            "WWW.EVIL.COM",
            "[x][ref]",
            "[ref]: /where",
        ] {
            assert!(!find(text).is_empty(), "{text}");
        }
        assert_eq!(find("https://www.dan.org/ and dan.org"), find("dan.org"));
    }

    #[test]
    fn prose_has_no_links() {
        for text in
            ["Ascend at 9 m/min.[1][2]", "The limit is 18 m [1]. Then 30 m.", "e.g. nitrox, i.e. EAN32", "Wait.Then go"]
        {
            assert!(find(text).is_empty(), "{text}: {:?}", find(text));
        }
        assert!(!has_markup("depth < 18 m & warm"));
        assert!(has_markup("a <img src=x>"));
        assert!(has_markup("![x](y)"));
    }
}
