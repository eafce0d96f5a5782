//! The questions of a message that asks more than one: "how deep is it and when did she sink".

use std::borrow::Cow;

/// The most questions that are looked up one by one; further ones are left to the search for the whole.
const MOST: usize = 3;

/// Words that ask wherever they stand.
const ASKING: &[&str] = &[
    "what", "whats", "what's", "which", "who", "whos", "who's", "where", "wheres", "where's", "when", "whens",
    "when's", "why", "how", "hows", "how's",
];

/// The same in other languages, where they follow a joint: elsewhere some of them stand for other words.
const JOINED: &[&str] = &[
    "und wie",
    "und was",
    "und wann",
    "und wo",
    "und welche",
    "und welcher",
    "und welches",
    "und warum",
    "und wer",
    "und ab",
    "oder wie",
    "oder was",
    "y cómo",
    "y como",
    "y cuándo",
    "y cuando",
    "y dónde",
    "y donde",
    "y qué",
    "y cuánto",
    "y cuanto",
    "y cuántos",
    "y cuántas",
    "y cuál",
    "y por qué",
    "et comment",
    "et quand",
    "et où",
    "et quel",
    "et quelle",
    "et combien",
    "et pourquoi",
    "et est-ce",
    "et à quelle",
    "e come",
    "e quando",
    "e dove",
    "e quanto",
    "e quanti",
    "e quale",
    "e perché",
    "e cosa",
    "e a che",
    "e como",
    "e onde",
    "e qual",
    "e quantos",
    "e por que",
    "e o que",
    "dan bagaimana",
    "dan kapan",
    "dan berapa",
    "dan apa",
    "dan di mana",
    "dan mengapa",
];

/// The letters of the longest of them.
const LONGEST_JOINED: usize = 13;

/// Verbs that ask when they come before their subject.
const VERBS: &[&str] = &[
    "is", "are", "do", "does", "did", "can", "could", "should", "would", "will", "was", "were", "has", "have", "must",
    "may", "am",
];

/// Subjects such a verb may have; "and do a course" asks nothing.
const SUBJECTS: &[&str] = &[
    "i",
    "you",
    "we",
    "they",
    "he",
    "she",
    "it",
    "the",
    "my",
    "our",
    "his",
    "her",
    "their",
    "there",
    "this",
    "that",
    "these",
    "those",
    "divers",
    "people",
    "kids",
    "children",
    "beginners",
    "one",
];

/// Words that may stand between the joint and the word that asks: "and about how deep", ", off which town".
const BETWEEN: &[&str] =
    &["about", "roughly", "just", "to", "at", "in", "from", "until", "for", "off", "on", "with", "so", "then", "also"];

/// Words by which a few words without a verb ask: "minimum age for nitrox".
const SOUGHT: &[&str] = &[
    "age",
    "depth",
    "name",
    "difference",
    "meaning",
    "size",
    "season",
    "temperature",
    "visibility",
    "requirements",
    "prerequisites",
    "distance",
    "limit",
    "months",
];

/// The questions of a message, in its order; empty where it asks only one.
pub fn questions(message: &str) -> Vec<&str> {
    let mut asked = Vec::new();
    for sentence in sentences(message).flat_map(|sentence| sentence.split_inclusive(';')) {
        let mut rest = sentence;
        while let Some(at) = joint(rest) {
            let (head, tail) = rest.split_at(at);
            // What a further question is joined to asks as well.
            asked.push((head, goes_on_asking(tail)));
            rest = tail;
        }
        asked.push((rest, false));
    }
    let parts = asked.into_iter().map(|(part, joined)| (trimmed(part), joined));
    let mut asked: Vec<&str> =
        parts.filter(|(part, joined)| asks(part) || *joined && part.contains(' ')).map(|(part, _)| part).collect();
    asked.truncate(MOST);
    if asked.len() < 2 { Vec::new() } else { asked }
}

/// The sentences of a wordy message that ask; nothing where it is short, asks throughout or asks nothing.
///
/// People tell a story before they ask. Its words are in no document, and they hide what is sought.
pub fn point(message: &str) -> Vec<&str> {
    let sentences: Vec<&str> = sentences(message).collect();
    // Two characters of a script without spaces are about a word.
    let words = |text: &str| text.split_whitespace().count() + text.chars().filter(|c| is_unspaced(*c)).count() / 2;
    let asks = |one: &&str| is_question(one) || joint(one).is_some();
    let asking: Vec<&str> = sentences.iter().copied().filter(asks).collect();
    let (all, told) = (words(message), asking.iter().map(|one| words(one)).sum::<usize>());
    // Of two questions that the message ends with, a tag says nothing by itself.
    if all > LONGEST_PLAIN && told >= SHORTEST_POINT && told * 4 <= all * 3 { asking } else { Vec::new() }
}

/// A message of more words may tell a story.
const LONGEST_PLAIN: usize = 18;

/// Fewer words ask nothing without the story.
const SHORTEST_POINT: usize = 8;

/// The sentences of a message, trimmed.
fn sentences(message: &str) -> impl Iterator<Item = &str> {
    message
        .split_inclusive(['?', '？', '؟', '!', '！', '。', '\n'])
        .flat_map(|part| part.split_inclusive(". "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
}

/// The sentences of a message that ask, where others only tell; nothing where all do, or where what asks is too short
/// to mean anything without the rest ("is that possible?").
pub fn asking(message: &str) -> Vec<&str> {
    let all: Vec<&str> = sentences(message).collect();
    let asking: Vec<&str> = all.iter().copied().filter(|one| is_question(one)).collect();
    let long = |one: &&str| one.split_whitespace().count() >= SHORTEST_ASKING || !one.is_ascii() && one.len() > LONG;
    if asking.len() < all.len() && asking.iter().any(long) { asking } else { Vec::new() }
}

/// The same as one text; the whole message where [`asking`] has nothing.
pub fn what_asks(message: &str) -> Cow<'_, str> {
    let asking = asking(message);
    if asking.is_empty() { Cow::Borrowed(message) } else { Cow::Owned(asking.join(" ")) }
}

/// Fewer words ask nothing without the rest of the message.
const SHORTEST_ASKING: usize = 5;

/// The same in bytes, for scripts without spaces.
const LONG: usize = 24;

/// The parts of a message between marks, commas and colons, trimmed; each keeps the mark that ends it.
pub fn parts(message: &str) -> impl Iterator<Item = &str> {
    sentences(message)
        .flat_map(|sentence| sentence.split_inclusive([',', ':', '，', '、', '：', '。', '،']))
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// Whether a part begins like a question, with a word that asks or a verb before its subject.
pub fn asks_first(part: &str) -> bool {
    let first = part.split_whitespace().next().map(bare).unwrap_or_default();
    opens(part) || VERBS.contains(&first.as_str())
}

/// Whether a message asks for a fact: somebody who is worried may want to know one all the same.
pub fn wants_a_fact(message: &str) -> bool {
    const FACTS: &[&str] = &[
        "what's the",
        "what is the",
        "whats the",
        "how long",
        "how many",
        "how much",
        "how deep",
        "how far",
        "which",
        "where",
        "when do",
        "when does",
        "when is",
        "what do they",
        "what does",
        "what year",
        "what age",
        "in which",
        "at what",
        "from what",
    ];
    const ADVICE: &[&str] =
        &["what's the best way", "what is the best way", "whats the best way", "what's the matter", "what's the point"];
    sentences(message).filter(|one| is_question(one)).any(|sentence| {
        let lower = sentence.to_lowercase();
        FACTS.iter().any(|fact| lower.starts_with(fact)) && !ADVICE.iter().any(|advice| lower.starts_with(advice))
    })
}

fn trimmed(part: &str) -> &str {
    let part = part.trim_matches([' ', ',', '\n']);
    ["and ", "or "].iter().find_map(|joiner| part.strip_prefix(joiner)).unwrap_or(part)
}

/// Where the next question begins behind a comma or an "and".
fn joint(sentence: &str) -> Option<usize> {
    let places = sentence.match_indices([' ', ',']).map(|(at, _)| at).filter(|at| *at > 0);
    places.into_iter().find(|at| {
        let after = sentence.get(*at..).unwrap_or("");
        let joined = after.starts_with(',') || after.starts_with(" and ") || after.starts_with(" or ");
        joined && opens(trimmed(after)) || goes_on_asking(after)
    })
}

/// Whether a further question in another language than English begins here.
fn goes_on_asking(after: &str) -> bool {
    let beginning = after.trim_start_matches([' ', ',']).chars().take(LONGEST_JOINED + 1);
    let after: String = beginning.flat_map(char::to_lowercase).collect();
    let begins = |joined: &str| after.strip_prefix(joined).is_some_and(|rest| rest.starts_with([' ', '\'']));
    JOINED.iter().any(|joined| begins(joined))
}

/// By which Japanese and Chinese questions end without a mark.
const PARTICLES: &[&str] = &["すか", "したか", "せんか", "しょうか", "のか", "吗", "呢"];

/// Whether a sentence is a question by its mark, its end or its beginning.
fn is_question(sentence: &str) -> bool {
    let bare = sentence.trim_end_matches(['。', '！', '!']);
    sentence.ends_with(['?', '？', '؟']) || PARTICLES.iter().any(|end| bare.ends_with(end)) || opens(sentence)
}

/// Whether a character is of a script that Japanese and Chinese are written in.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

/// Whether the words begin like a question.
fn opens(words: &str) -> bool {
    let mut words = words.split_whitespace().map(bare).skip_while(|word| BETWEEN.contains(&word.as_str()));
    let Some(first) = words.next() else { return false };
    ASKING.contains(&first.as_str())
        || VERBS.contains(&first.as_str()) && words.next().is_some_and(|next| SUBJECTS.contains(&next.as_str()))
}

/// Whether the words ask something, and are more than a tag ("right?").
fn asks(part: &str) -> bool {
    let words: Vec<String> = part.split_whitespace().map(bare).collect();
    let long_enough = words.len() > 1 || !part.is_ascii() && part.chars().count() > 4;
    let has = |listed: &[&str]| words.iter().any(|word| listed.contains(&word.as_str()));
    long_enough && (is_question(part) || goes_on_asking(part) || has(ASKING) || has(SOUGHT))
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_from_the_question() {
        let told = "Whenever I go down it feels like a needle in my left ear. People tell me to blow harder. \
                    What is the right reaction the moment it hurts?";
        assert_eq!(point(told), ["What is the right reaction the moment it hurts?"]);
        assert!(point("How deep can I go with an Open Water card?").is_empty());
        assert!(
            point("I have a lot to tell about my last dive in the lake and nothing to ask about any of it").is_empty()
        );
        assert!(wants_a_fact("I'm scared. How long do I have to wait before I fly?"));
        assert!(!wants_a_fact("I'm scared of sharks, what if one comes?"));
    }

    #[test]
    fn the_longest_joint_is_read_whole() {
        assert_eq!(JOINED.iter().map(|joined| joined.chars().count()).max(), Some(LONGEST_JOINED));
    }

    #[test]
    fn what_is_told_beside_a_question_is_told_from_it() {
        let told = "How often does my regulator need a service? The shop says all the time.";
        assert_eq!(asking(told), ["How often does my regulator need a service?"]);
        assert!(asking("I want to book a dive. Is that possible?").is_empty());
        assert!(asking("How deep can I go with an Open Water card?").is_empty());
    }

    #[test]
    fn one_question_is_not_parted() {
        for one in [
            "how deep can I go",
            "Is it safe to dive and fly on the same day?",
            "I have 20 dives. Where should I go in May?",
            "what is the difference between nitrox and air",
            "can my son and my daughter dive together and do a course",
            "moving to a lake with the same kit, how should my lead change?",
            "",
        ] {
            assert!(questions(one).is_empty(), "{one}: {:?}", questions(one));
        }
    }

    #[test]
    fn further_questions_are_parted_at_marks_and_joints() {
        for (asked, expected) in [
            ("where is the thistlegorm and when did she sink", ["where is the thistlegorm", "when did she sink"]),
            (
                "has my card expired? is there some course to get back in",
                ["has my card expired?", "is there some course to get back in"],
            ),
            (
                "Minimum age for nitrox, and what % does the card go up to?",
                ["Minimum age for nitrox", "what % does the card go up to?"],
            ),
            (
                "that rock, which country and what big fish is it famous for",
                ["which country", "what big fish is it famous for"],
            ),
            (
                "what is that cloud made of and about how deep is it",
                ["what is that cloud made of", "about how deep is it"],
            ),
            (
                "Wie tief liegt das Wrack und wann ist es gesunken?",
                ["Wie tief liegt das Wrack", "und wann ist es gesunken?"],
            ),
            ("¿Dónde está el pecio? ¿Y a qué profundidad?", ["¿Dónde está el pecio?", "¿Y a qué profundidad?"]),
            (
                "沈船の深さは何メートルですか。いつ沈みましたか。",
                ["沈船の深さは何メートルですか。", "いつ沈みましたか。"],
            ),
        ] {
            assert_eq!(questions(asked), expected);
        }
    }
}
