//! What people type for what a section answers.
//!
//! A beginner does not know the word; a holidaymaker describes the thing. The authors of a section write down such
//! wordings in a comment under its heading, parted by bars:
//!
//! ```markdown
//! ## What is a thermocline?
//! <!-- asked: the line where it suddenly gets cold | blurry shimmer and then freezing water -->
//! ```
//!
//! They are searched, by words and by meaning, and never quoted.

use serde_json::{Map, Value};

/// The key under which a stored front matter holds them, by section.
const KEY: &str = "asked";
/// What opens such a comment.
const OPENING: &str = "asked:";
/// The most wordings that are kept of a section.
pub(crate) const MOST: usize = 12;

/// The wordings in a comment, which is given without its signs; `None` if it is another comment.
pub(crate) fn in_comment(comment: &str) -> Option<Vec<&str>> {
    let list = comment.trim().strip_prefix(OPENING)?;
    Some(list.split('|').map(str::trim).filter(|line| !line.is_empty()).collect())
}

/// Parts the words of a section from the wordings in its comments.
pub(crate) fn part(section: &str) -> (String, Vec<String>) {
    let (mut words, mut asked) = (String::new(), Vec::new());
    let mut rest = section;
    while let Some((before, after)) = rest.split_once("<!--") {
        let Some((comment, behind)) = after.split_once("-->") else { break };
        words.push_str(before);
        if let Some(wordings) = in_comment(comment) {
            asked.extend(wordings.into_iter().map(str::to_owned));
        } else {
            words.push_str("<!--");
            words.push_str(comment);
            words.push_str("-->");
        }
        rest = behind;
    }
    words.push_str(rest);
    asked.truncate(MOST);
    (words, asked)
}

/// Writes the wordings of a document's sections into what is stored of its front matter.
pub(crate) fn keep<'a>(front: &mut Map<String, Value>, sections: impl Iterator<Item = (&'a str, &'a [String])>) {
    let of_sections: Map<String, Value> = sections
        .filter(|(_, asked)| !asked.is_empty())
        .map(|(section, asked)| (section.to_owned(), Value::from(asked.to_vec())))
        .collect();
    front.remove(KEY);
    if !of_sections.is_empty() {
        front.insert(KEY.to_owned(), Value::Object(of_sections));
    }
}

/// The wordings of a section, a sentence each, as they are searched; empty if it has none.
pub(crate) fn of(front: &Map<String, Value>, section: &str) -> String {
    let lines = front.get(KEY).and_then(|asked| asked.get(section)).and_then(Value::as_array);
    joined(lines.into_iter().flatten().filter_map(Value::as_str))
}

/// The wordings as one text.
pub(crate) fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.collect::<Vec<_>>().join("? ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wordings_are_parted_from_the_words() {
        let section = "<!-- asked: why is it cold | blurry line -->\nA thermocline <!-- a note --> parts them.";
        let (words, asked) = part(section);
        assert_eq!(words, "\nA thermocline <!-- a note --> parts them.");
        assert_eq!(asked, ["why is it cold", "blurry line"]);
        assert_eq!(part("cut <!-- off"), ("cut <!-- off".to_owned(), Vec::new()));
    }

    #[test]
    fn wordings_are_kept_by_section() {
        let mut front = Map::from_iter([(KEY.to_owned(), Value::from("somebody's own"))]);
        let lines = ["why is it cold".to_owned(), "blurry line".to_owned()];
        keep(&mut front, [("Layers", &lines[..]), ("None", &[])].into_iter());
        assert_eq!(of(&front, "Layers"), "why is it cold? blurry line");
        assert_eq!(of(&front, "None"), "");
        keep(&mut front, std::iter::empty());
        assert!(front.is_empty());
    }
}
