//! What a long conversation was about, kept when its messages no longer fit a prompt.
//!
//! The summary rolls: each turn adds what was asked and the gist of the reply, and what is oldest goes first. What
//! concerns safety goes last, and an emergency never goes. What the diver told of themselves stands in the
//! profile and needs no place here. No model takes part, so that it never says more than was said.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::guard::StandingEmergency;
use crate::reply::{Reply, Safety};

/// Its name among a session's notes. Clients can't write it.
pub(crate) const KEY: &str = "summary";

/// The most characters an entry holds of the question, and of the reply.
const ASKED: usize = 140;
const SAID: usize = 200;
/// The most entries, and the most bytes of their words: far less than a session's notes may hold.
const TURNS: usize = 24;
const BYTES: usize = 6 * 1024;

/// A conversation so far, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// How many turns there were in all.
    pub turns: u32,
    /// The kinds of emergencies that were told, also those called off since.
    pub emergencies: Vec<String>,
    /// The turns that are remembered.
    pub entries: Vec<Entry>,
}

/// A turn in few words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which turn of the conversation it was, from 1.
    pub turn: u32,
    /// The beginning of what the diver wrote.
    pub asked: String,
    /// The first sentence of the reply.
    pub said: String,
    /// It concerned safety.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
}

impl Summary {
    /// The summary among a session's notes; an empty one if there is none.
    pub fn of(notes: &Map<String, Value>) -> Self {
        notes.get(KEY).and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    /// Adds a turn, and the emergency that stands.
    pub(crate) fn add(&mut self, asked: &str, reply: &Reply, standing: Option<&StandingEmergency>) {
        self.turns = self.turns.saturating_add(1);
        if let Some(standing) = standing {
            let kind = standing.kind.as_str();
            if !self.emergencies.iter().any(|known| known == kind) {
                self.emergencies.push(kind.to_owned());
            }
        }
        let safety = reply.safety != Safety::None || reply.agent.as_str() == "safety";
        self.entries.push(Entry {
            turn: self.turns,
            asked: beginning(asked, ASKED),
            said: first_sentence(&reply.text),
            safety,
        });
        let bytes = |entry: &Entry| entry.asked.len() + entry.said.len();
        while self.entries.len() > TURNS || self.entries.iter().map(bytes).sum::<usize>() > BYTES {
            let plain = self.entries.iter().position(|entry| !entry.safety);
            self.entries.remove(plain.unwrap_or(0));
        }
    }

    /// Puts the summary among the notes.
    pub(crate) fn note(&self, notes: &mut Map<String, Value>) {
        if let Ok(value) = serde_json::to_value(self) {
            notes.insert(KEY.to_owned(), value);
        }
    }

    /// The entries whose messages are not among those told in full, oldest first.
    pub fn beyond<'a>(&'a self, told: &[&str]) -> impl Iterator<Item = &'a Entry> {
        let told: HashSet<String> = told.iter().map(|text| beginning(text, ASKED)).collect();
        self.entries.iter().filter(move |entry| !told.contains(&entry.asked))
    }
}

/// The first words, on one line.
fn beginning(text: &str, most: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The first sentence without its marks.
fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").find(|part| !part.trim().is_empty()).unwrap_or_default();
    let mut words = String::new();
    let mut rest = paragraph;
    while let Some((before, after)) = rest.split_once('[') {
        words.push_str(before);
        match after.split_once(']') {
            Some((mark, behind)) if !mark.is_empty() && mark.chars().all(|c| c.is_ascii_digit()) => rest = behind,
            _ => {
                words.push('[');
                rest = after;
            }
        }
    }
    words.push_str(rest);
    let ends = |(at, c): (usize, char)| match c {
        '。' | '！' | '？' | '؟' => Some(at + c.len_utf8()),
        '.' | '!' | '?' if words.get(at + 1..).is_none_or(|after| after.starts_with(char::is_whitespace)) => {
            Some(at + 1)
        }
        _ => None,
    };
    let end = words.char_indices().filter(|(at, _)| *at > 20).find_map(ends).unwrap_or(words.len());
    beginning(words.get(..end).unwrap_or(&words), SAID).replace(" .", ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::EmergencyKind;
    use crate::ids::AgentId;
    use crate::lang::Lang;

    fn reply(agent: &str, text: &str) -> Reply {
        Reply::fixed(text, AgentId::new(agent), Lang::En)
    }

    #[test]
    fn a_turn_is_its_question_and_the_first_sentence_of_its_reply() {
        let mut summary = Summary::default();
        let text = "An Open Water Diver may go to 18 m [1]. With more training deeper.\n\nSources: [1] Open Water";
        summary.add("how deep\n may I go?", &reply("certification", text), None);
        let entry = Entry {
            turn: 1,
            asked: "how deep may I go?".into(),
            said: "An Open Water Diver may go to 18 m.".into(),
            safety: false,
        };
        assert_eq!(summary.entries, [entry]);
    }

    #[test]
    fn what_concerns_safety_outlives_the_rest_and_nothing_grows_without_end() {
        let mut summary = Summary::default();
        let standing = StandingEmergency { kind: EmergencyKind::DecompressionIllness, replies: 1, region: None };
        summary.add("my arm tingles since the dive", &reply("safety", "Stop diving."), Some(&standing));
        for n in 0..500 {
            summary.add(&format!("question {n} {}", "x".repeat(2_000)), &reply("trip", &"word ".repeat(400)), None);
        }
        assert_eq!(summary.entries[0].asked, "my arm tingles since the dive");
        assert_eq!(summary.emergencies, [EmergencyKind::DecompressionIllness.as_str()]);
        assert_eq!(summary.turns, 501);
        assert!((10..=TURNS).contains(&summary.entries.len()), "{}", summary.entries.len());
        assert!(summary.entries.last().unwrap().asked.starts_with("question 499"));
        let mut notes = Map::new();
        summary.note(&mut notes);
        assert!(serde_json::to_string(&notes).unwrap().len() < 12_000);
        assert_eq!(Summary::of(&notes), summary);
    }

    #[test]
    fn only_what_is_no_longer_told_in_full_is_summed_up() {
        let mut summary = Summary::default();
        for n in 1..=5 {
            summary.add(&format!("question\n{n}"), &reply("trip", "Yes."), None);
        }
        let before: Vec<_> = summary.beyond(&["question 4", "question\n5"]).map(|entry| entry.turn).collect();
        assert_eq!(before, [1, 2, 3]);
    }
}
