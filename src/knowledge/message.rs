//! A diver's message taken apart: what is asked, what is said around it, and what is only chatter.
//!
//! People greet, introduce themselves and tell stories before they ask. The search must neither take
//! those words for the subject nor hold it against a passage that it does not have them.

use crate::text::{self, Analyzer};

/// What the words before and after the question weigh in the order of the passages.
const ASIDE: f32 = 0.4;
/// Words read of one message; what follows is not searched for.
const MOST_WORDS: usize = 400;

/// Words of greeting, thanks and small talk, and words so general that they say a subject only together
/// with others. No stop words, but they prove next to nothing, whatever the content.
const CHATTER: [&str; 108] = [
    "above",
    "actually",
    "advance",
    "against",
    "afternoon",
    "amazing",
    "answer",
    "anyone",
    "anyway",
    "anyways",
    "appreciate",
    "ask",
    "asking",
    "awesome",
    "below",
    "bye",
    "cheers",
    "curious",
    "day",
    "dear",
    "evening",
    "ever",
    "every",
    "everybody",
    "everyone",
    "excited",
    "explain",
    "forgot",
    "friend",
    "friends",
    "girlfriend",
    "boyfriend",
    "give",
    "good",
    "great",
    "greetings",
    "guys",
    "haha",
    "hear",
    "hello",
    "help",
    "hey",
    "heyyy",
    "hi",
    "hmm",
    "hope",
    "husband",
    "idea",
    "inform",
    "kindly",
    "know",
    "let",
    "life",
    "like",
    "live",
    "lol",
    "lot",
    "love",
    "madam",
    "many",
    "maybe",
    "meaning",
    "message",
    "mind",
    "morning",
    "name",
    "need",
    "new",
    "nice",
    "omg",
    "one",
    "people",
    "pls",
    "question",
    "questions",
    "quick",
    "really",
    "regards",
    "reply",
    "said",
    "say",
    "sir",
    "someone",
    "something",
    "sorry",
    "story",
    "stuff",
    "stupid",
    "team",
    "thank",
    "thanks",
    "thing",
    "things",
    "think",
    "time",
    "thx",
    "today",
    "told",
    "tomorrow",
    "tonight",
    "want",
    "week",
    "wife",
    "wonder",
    "wondering",
    "world",
    "yeah",
    "yesterday",
];

/// Question words that open a question wherever they stand.
const OPENERS: [&str; 8] = ["how", "what", "whats", "wat", "why", "which", "wich", "whose"];
/// Those that also join clauses: they open a question at the start of a clause.
const JOINERS: [&str; 5] = ["when", "where", "who", "whom", "whether"];
/// Verbs that open a question at the start of a clause, before what they ask about.
const VERBS: [&str; 21] = [
    "am", "are", "can", "could", "did", "do", "does", "had", "has", "have", "is", "may", "might", "must", "shall",
    "should", "was", "were", "will", "would", "cant",
];
/// Words after which a clause begins anew.
const LINKS: [&str; 12] =
    ["and", "but", "so", "or", "anyway", "anyways", "also", "please", "know", "ask", "wondering", "tell"];

/// A message as it is searched for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) clauses: Vec<Clause>,
}

/// A run of words that asks or says one thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Clause {
    pub(crate) words: Vec<Word>,
    /// It asks something, or nothing in the message does more than it.
    pub(crate) asks: bool,
    /// As it was written.
    pub(crate) text: String,
}

/// A word that is no stop word, normalised.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// As it is sought.
    pub(crate) term: String,
    /// Written like a name: with a capital inside a sentence.
    pub(crate) name: bool,
    /// Small talk.
    pub(crate) chatter: bool,
    /// A comma or bracket stands before it.
    pub(crate) begins: bool,
}

impl Clause {
    /// What its words weigh in the order.
    pub(crate) fn weight(&self) -> f32 {
        if self.asks { 1.0 } else { ASIDE }
    }
}

impl Message {
    /// Takes a message apart.
    pub(crate) fn read(message: &str) -> Self {
        let shouted = !message.chars().any(char::is_lowercase);
        let sentences = sentences(message);
        let marked = sentences.iter().any(|sentence| sentence.marked);
        let mut clauses: Vec<Clause> = Vec::new();
        let mut left = MOST_WORDS;
        for sentence in &sentences {
            // With question marks in the message, only what carries one asks.
            let may_ask = sentence.marked || !marked;
            clauses.extend(sentence.clauses(may_ask, shouted, &mut left));
        }
        clauses.retain(|clause| !clause.words.is_empty());
        if !clauses.iter().any(|clause| clause.asks && clause.words.iter().any(|word| !word.chatter)) {
            for clause in &mut clauses {
                clause.asks = true;
            }
        }
        Self { clauses }
    }
}

/// A sentence, and whether a question mark ends it.
struct Sentence<'a> {
    text: &'a str,
    marked: bool,
}

/// The sentences of a message. A point inside a number or a name ends none.
fn sentences(message: &str) -> Vec<Sentence<'_>> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut characters = message.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let alone = next.is_none_or(|next| !next.is_alphanumeric());
        let ends = match c {
            '?' | '!' | ';' | '\n' | '…' | '。' | '？' | '！' | '؟' | '¿' | '¡' => true,
            '.' | ':' => alone,
            _ => false,
        };
        if ends {
            all.push(Sentence { text: message.get(start..at).unwrap_or(""), marked: matches!(c, '?' | '？' | '؟') });
            start = at + c.len_utf8();
        }
    }
    all.push(Sentence { text: message.get(start..).unwrap_or(""), marked: false });
    all
}

impl Sentence<'_> {
    /// Cuts the sentence where a question opens; what stands before the first opening is said aside.
    fn clauses(&self, may_ask: bool, shouted: bool, left: &mut usize) -> Vec<Clause> {
        let mut clauses = vec![Clause::default()];
        let mut before = String::new();
        let mut fresh = true;
        let mut first = true;
        let mut parted = false;
        let analyzer = Analyzer::default();
        for token in self.text.split_whitespace().take(*left) {
            *left = left.saturating_sub(1);
            let mut words = text::list_of_words(token);
            let Some(head) = words.first() else {
                fresh = true;
                continue;
            };
            let begins = fresh || LINKS.contains(&before.as_str());
            let opens = OPENERS.contains(&head.as_str())
                || (begins && (JOINERS.contains(&head.as_str()) || VERBS.contains(&head.as_str())));
            if may_ask && opens {
                clauses.push(Clause { asks: true, ..Clause::default() });
            }
            let capital = token.chars().find(|c| c.is_alphanumeric()).is_some_and(char::is_uppercase);
            if let Some(clause) = clauses.last_mut() {
                if !clause.text.is_empty() {
                    clause.text.push(' ');
                }
                clause.text.push_str(token);
                let name = capital && !first && !shouted;
                for word in &words {
                    let Some(term) = analyzer.term(word) else { continue };
                    let chatter = CHATTER.contains(&word.as_str()) || OPENERS.contains(&word.as_str());
                    let begins = std::mem::take(&mut parted);
                    clause.words.push(Word { text: word.clone(), term, name, chatter, begins });
                }
            }
            fresh = token.ends_with([',', ')', '-', '–', '—']);
            first = false;
            parted |= fresh;
            before = words.pop().unwrap_or_default();
        }
        // "I lost my card, what should I do?" asks about what is said before.
        if self.marked && !clauses.iter().any(|clause| clause.asks && clause.words.iter().any(|word| !word.chatter)) {
            for clause in &mut clauses {
                clause.asks = true;
            }
        }
        clauses
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(message: &str) -> Vec<String> {
        let message = Message::read(message);
        let clauses = message.clauses.iter().filter(|clause| clause.asks);
        clauses.map(|clause| clause.text.clone()).collect()
    }

    #[test]
    fn the_question_is_found_between_greeting_and_thanks() {
        let message = "Hi! I am Ana from Madrid. How deep can a PADI Open Water Diver go? Thanks…";
        assert_eq!(asked(message), ["How deep can a PADI Open Water Diver go"]);
    }

    #[test]
    fn a_question_opens_inside_a_sentence() {
        assert_eq!(
            asked("our landlord is annoyed, anyway, do we need a permit to dive Sipadan?"),
            ["do we need a permit to dive Sipadan"]
        );
        assert_eq!(asked("tell me what is nitrogen narcosis"), ["what is nitrogen narcosis"]);
    }

    #[test]
    fn a_message_that_asks_nothing_is_taken_whole() {
        assert_eq!(asked("PADI Advanced Open Water depth limit"), ["PADI Advanced Open Water depth limit"]);
        assert_eq!(asked("I lost my card. No logbook either").len(), 2);
    }

    #[test]
    fn names_are_told_from_words() {
        let message = Message::read("I am Ana and want a mask");
        let words: Vec<_> = message.clauses.iter().flat_map(|clause| &clause.words).collect();
        let shown: Vec<_> = words.iter().map(|word| (word.text.as_str(), word.name, word.chatter)).collect();
        assert_eq!(shown, [("ana", true, false), ("want", false, true), ("mask", false, false)]);
        let shouted = Message::read("HOW DEEP CAN I DIVE");
        assert!(shouted.clauses.iter().flat_map(|clause| &clause.words).all(|word| !word.name));
    }

    proptest! {
        #[test]
        fn any_message_is_read_within_its_bound(message in "\\PC{0,300}", times in 1_usize..40) {
            let read = Message::read(&message.repeat(times));
            let asks = read.clauses.iter().any(|clause| clause.asks);
            prop_assert_eq!(asks, !read.clauses.is_empty());
        }
    }
}
