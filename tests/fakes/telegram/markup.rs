//! Telegram's HTML: parsed as the Bot API server does, so that what it would refuse is refused here.

use serde_json::{Value, json};

/// The tags the server knows, by the name of the entity each becomes.
const TAGS: [(&str, &str); 15] = [
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("a", "text_link"),
    ("code", "code"),
    ("pre", "pre"),
    ("blockquote", "blockquote"),
    ("tg-spoiler", "spoiler"),
    ("span", "spoiler"),
];

/// A text with its markup taken out.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What people see.
    pub text: String,
    /// The entities, offsets in UTF-16 units.
    pub entities: Vec<Value>,
}

/// The length Telegram counts.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

struct Open {
    tag: String,
    entity: &'static str,
    offset: usize,
    url: Option<String>,
}

/// Parses a text sent with `parse_mode: HTML`. The error is the server's own description.
pub fn parse_html(source: &str) -> Result<Parsed, String> {
    let mut text = String::with_capacity(source.len());
    let mut entities = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    let refused = |what: String| format!("Bad Request: can't parse entities: {what}");
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(inside) = rest.strip_prefix('<') {
            let Some(end) = inside.find('>') else {
                return Err(refused(format!("Unclosed start tag at byte offset {at}")));
            };
            let tag = &inside[..end];
            if let Some(name) = tag.strip_prefix('/') {
                let Some(last) = open.pop() else {
                    return Err(refused(format!("Unexpected end tag at byte offset {at}")));
                };
                let name = name.trim().to_lowercase();
                if name != last.tag {
                    let expected = &last.tag;
                    return Err(refused(format!(
                        "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
                    )));
                }
                close(&last, &text, &mut entities);
            } else {
                open.push(start(tag, at, length(&text)).map_err(refused)?);
            }
            at += end + 2;
        } else if rest.starts_with('&') {
            let (character, taken) = entity(rest);
            text.push(character);
            at += taken;
        } else {
            let character = rest.chars().next().unwrap_or_default();
            text.push(character);
            at += character.len_utf8();
        }
    }
    if let Some(last) = open.last() {
        return Err(refused(format!("Can't find end tag corresponding to start tag \"{}\"", last.tag)));
    }
    Ok(Parsed { text, entities })
}

fn start(tag: &str, at: usize, offset: usize) -> Result<Open, String> {
    let name = tag.split_whitespace().next().unwrap_or_default().to_lowercase();
    let Some((_, kind)) = TAGS.iter().find(|(known, _)| *known == name) else {
        return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}"));
    };
    if name == "span" && !tag.contains("tg-spoiler") {
        return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"));
    }
    let url = tag.split_once("href=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(url, _)| url.to_owned());
    Ok(Open { tag: name, entity: kind, offset, url })
}

fn close(open: &Open, text: &str, entities: &mut Vec<Value>) {
    let length = length(text) - open.offset;
    // A link without an address, like an empty entity, is plain text.
    if length == 0 || (open.entity == "text_link" && open.url.is_none()) {
        return;
    }
    let mut entity = json!({ "type": open.entity, "offset": open.offset, "length": length });
    if let Some(url) = &open.url {
        entity["url"] = json!(url.replace("&amp;", "&"));
    }
    entities.push(entity);
}

/// The character an HTML entity stands for, and how many bytes it takes; anything unknown is text.
fn entity(rest: &str) -> (char, usize) {
    for (name, character) in [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')] {
        if rest.starts_with(name) {
            return (character, name.len());
        }
    }
    let number = rest.strip_prefix("&#").and_then(|digits| digits.split_once(';')).and_then(|(digits, _)| {
        let code = match digits.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        Some((char::from_u32(code)?, digits.len() + 3))
    });
    number.unwrap_or(('&', 1))
}

/// The entities Telegram finds by itself in what people write: commands and mentions.
pub(super) fn found_in(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for (kind, sign) in [("bot_command", '/'), ("mention", '@')] {
        for (at, _) in text.match_indices(sign) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '/' || c == '@') {
                continue;
            }
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || (kind == "bot_command" && c == '@');
            let name: String = text[at + 1..].chars().take_while(|c| word(*c)).collect();
            if !name.is_empty() {
                found.push(json!({ "type": kind, "offset": length(&text[..at]), "length": length(&name) + 1 }));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_taken_out_and_counted_as_people_see_it() {
        let parsed = parse_html("<b>🤿 a &lt; b</b> <a href=\"https://x.org/?a=1&amp;b\">link</a>").unwrap();
        assert_eq!(parsed.text, "🤿 a < b link");
        assert_eq!(parsed.entities[0], json!({ "type": "bold", "offset": 0, "length": 8 }));
        assert_eq!(
            parsed.entities[1],
            json!({ "type": "text_link", "offset": 9, "length": 4, "url": "https://x.org/?a=1&b" })
        );
    }

    #[test]
    fn broken_markup_is_refused_in_the_servers_words() {
        for (source, expected) in [
            ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
            ("<b><i>x</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""),
            ("<h1>x</h1>", "Unsupported start tag \"h1\" at byte offset 0"),
            ("x</b>", "Unexpected end tag at byte offset 1"),
            ("a < b", "Unclosed start tag at byte offset 2"),
        ] {
            let refused = parse_html(source).unwrap_err();
            assert_eq!(refused, format!("Bad Request: can't parse entities: {expected}"));
        }
    }

    #[test]
    fn commands_and_mentions_are_found_where_a_word_begins() {
        assert_eq!(found_in("/help@dovvy_bot x"), [json!({ "type": "bot_command", "offset": 0, "length": 15 })]);
        assert_eq!(found_in("潜水 @dovvy_bot?"), [json!({ "type": "mention", "offset": 3, "length": 10 })]);
        assert!(found_in("and/or me@example").is_empty());
    }
}
