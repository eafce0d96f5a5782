//! What the conversation has been told already: said once more it answers no further question.

use std::collections::HashSet;

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::session::Role;

use super::candidates::Candidate;
use super::months::Months;
use super::question::Question;
use super::score::Scores;
use crate::text::terms;

/// What a sentence loses that the last reply quoted, if nothing new is asked of it. Of who only tells more of the
/// same question the answer may well be the same.
const TOLD: f32 = 0.45;

/// Words that ask for what was not said yet.
const MORE: &[&str] = &["more", "else", "another", "other", "others"];

/// The last reply, and what is asked now that was not asked then.
pub(crate) struct Told {
    /// The reply's letters and digits; empty where there is none, or the same is asked again.
    reply: String,
    /// The terms of what is taken over from the conversation.
    taken_over: HashSet<String>,
    /// What a sentence of it loses.
    weight: f32,
    /// It is asked what else there is.
    more: bool,
}

impl Told {
    pub(crate) fn of(brief: &Brief) -> Self {
        let session = &brief.asked.session;
        let again = session.said().last().is_some_and(|before| letters(before) == letters(&brief.asked.typed));
        let replies = session.history.iter().rev().find(|message| message.role == Role::Assistant);
        let reply = replies.filter(|_| !again).map(|message| letters(&without_marks(&message.content)));
        Self {
            reply: reply.unwrap_or_default(),
            taken_over: terms::term_set(&brief.route.context.taken_over),
            more: brief
                .asked
                .text
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| MORE.contains(&&*word.to_lowercase())),
            weight: if brief.route.context.tells { TOLD / 2.0 } else { TOLD },
        }
    }

    /// Takes from what was quoted, the less the more it has of what is asked anew.
    pub(crate) fn discount(&self, question: &Question, candidates: &[Candidate], scores: &mut Scores) {
        if self.reply.is_empty() {
            return;
        }
        let anew: Vec<(usize, f32)> = question
            .terms
            .iter()
            .enumerate()
            .filter(|(_, (term, _))| !self.taken_over.contains(term))
            .filter_map(|(at, _)| Some((at, *scores.weights.get(at)?)))
            .collect();
        let whole: f32 = anew.iter().map(|(_, weight)| weight).sum();
        let share = |held: &Vec<f32>| -> f32 {
            let has = |(term, weight): &(usize, f32)| weight * held.get(*term).copied().unwrap_or(0.0);
            if whole > 0.0 { (anew.iter().map(has).sum::<f32>() / whole).min(1.0) } else { 0.0 }
        };
        let shares: Vec<f32> = scores.held.iter().map(share).collect();
        // The less any sentence has of what is new, the likelier the same is the answer: it was not understood.
        let known = if self.more { 1.0 } else { shares.iter().copied().fold(0.0, f32::max) };
        for (at, candidate) in candidates.iter().enumerate() {
            if !self.reply.contains(&letters(&candidate.text)) {
                continue;
            }
            let asked = shares.get(at).copied().unwrap_or(0.0);
            if let Some(relevance) = scores.relevance.get_mut(at) {
                *relevance -= self.weight * known * (1.0 - asked);
            }
        }
    }

    /// Whether what was chosen for a message only says again what the last reply said: its first sentence stood there, and
    /// none has a word of the message that was not spoken of before. A month or a number may narrow the question.
    pub(crate) fn is_all_there_is(&self, message: &str, chosen: &[&Candidate]) -> bool {
        let new: HashSet<String> =
            terms::term_set(message).into_iter().filter(|term| !self.taken_over.contains(term)).collect();
        let narrows = |term: &String| Months::names(term) || term.starts_with(|c: char| c.is_ascii_digit());
        !new.iter().any(narrows)
            && chosen.first().is_some_and(|first| self.reply.contains(&letters(&first.text)))
            && chosen.iter().all(|sentence| sentence.terms.is_disjoint(&new))
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The text without its marks "[1]": their digits would stand between sentences.
fn without_marks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        let mark = after.split_once(']').filter(|(inside, _)| inside.chars().all(|c| c.is_ascii_digit()));
        if mark.is_none() {
            kept.push('[');
        }
        rest = mark.map_or(after, |(_, behind)| behind);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::session::{Message, Role};

    use super::super::choose;
    use super::*;
    use crate::testing::{brief, passage};

    const REST: &str = "Sharks at Komodo rest on the sand by day.";
    const HUNT: &str = "Sharks at Komodo hunt on the slopes in the current.";

    fn quoted(brief: &Brief) -> String {
        let chosen = choose(brief, "", None);
        chosen
            .runs
            .first()
            .and_then(|run| chosen.candidates.get(*run.first()?))
            .map_or("", |c| c.text.as_str())
            .to_owned()
    }

    #[test]
    fn what_was_quoted_last_gives_way_to_what_was_not() {
        let passages = vec![passage("Sharks of Komodo", "Life", &format!("{REST} {HUNT}"), 0.8)];
        let mut asked = brief("what do the sharks at Komodo do", passages);
        let first = quoted(&asked);
        let reply = format!("{} [1].", first.trim_end_matches('.'));
        let now = asked.asked.now;
        asked.asked.session.history = vec![
            Message { role: Role::User, content: "sharks at Komodo?".into(), created_at: now },
            Message { role: Role::Assistant, content: reply, created_at: now },
        ];
        asked.asked.text = "what else do they do".into();
        asked.route.query = "sharks Komodo what else do they do".into();
        asked.route.context.taken_over = "sharks Komodo".into();
        assert_ne!(quoted(&asked), first);
        // Who only tells something of which it says nothing hears it no second time.
        let mut telling = asked.clone();
        telling.route.context.only_tells = true;
        telling.route.query = "what do the sharks at Komodo do my husband loves wrecks".into();
        telling.asked.text = "my husband loves wrecks".into();
        telling.asked.typed = telling.asked.text.clone();
        assert_eq!(quoted(&telling), "");
        telling.asked.text = "we like to dive on the slopes".into();
        telling.asked.typed = telling.asked.text.clone();
        assert_ne!(quoted(&telling), "");
        // Who asks the same again gets the same.
        asked.asked.text = "Sharks at Komodo".into();
        asked.asked.typed = "Sharks at Komodo".into();
        asked.route.query = "what do the sharks at Komodo do".into();
        assert_eq!(quoted(&asked), first);
    }
}
