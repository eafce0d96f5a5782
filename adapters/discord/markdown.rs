//! The project's Markdown as Discord shows it. The two agree on emphasis, lists, links and fences; what
//! would be shown otherwise than meant is mended here.

/// The text as Discord is to get it.
pub(crate) fn to_discord(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_fence = false;
    for line in text.lines() {
        let fence = !line.matches("```").count().is_multiple_of(2);
        if in_fence || fence {
            out.extend(line.chars().filter(|c| shown(*c)));
        } else {
            push_line(&mut out, line);
        }
        in_fence ^= fence;
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Discord knows three levels of headings, no rules and no tables' borders.
fn push_line(out: &mut String, line: &str) {
    let trimmed = line.trim_start();
    let level = trimmed.chars().take_while(|c| *c == '#').count();
    if level > 3 && trimmed.chars().nth(level) == Some(' ') {
        let heading = trimmed.trim_start_matches('#').trim();
        out.push_str("**");
        out.extend(heading.chars().filter(|c| shown(*c)));
        out.push_str("**");
    } else if matches!(trimmed.trim_end(), "---" | "***" | "___") {
        // An empty line says the same.
    } else {
        out.extend(line.chars().filter(|c| shown(*c)));
    }
}

/// Controls, and signs that turn the direction of what follows, are no part of an answer.
fn shown(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    c == '\t' || !(turns || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_discord_shows_as_meant_stays() {
        let text = "**Depth** limits [1]:\n- Open Water: 18 m\n- \\[2\\] [DAN](https://dan.org)\n\n`code`";
        assert_eq!(to_discord(text), text);
    }

    #[test]
    fn deep_headings_become_bold_and_rules_empty_lines() {
        assert_eq!(to_discord("#### Currents\n---\nStrong."), "**Currents**\n\nStrong.");
        assert_eq!(to_discord("## Currents"), "## Currents");
    }

    #[test]
    fn code_is_left_alone_and_controls_are_dropped() {
        assert_eq!(to_discord("```\n#### x\n---\n```"), "```\n#### x\n---\n```");
        assert_eq!(to_discord("a\u{0}\u{202e}b"), "ab");
    }
}
