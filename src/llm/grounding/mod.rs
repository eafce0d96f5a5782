//! What a model may say: each sentence is held against the passages before it is released.

mod gate;
mod ground;
mod leak;
mod links;

use std::fmt::Write as _;
use std::sync::Arc;

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::session::Role;

use self::ground::Ground;
use self::leak::Leak;
use crate::text::marks;
use crate::text::quantities::{Quantity, quantities};
use crate::text::terms::Terms;
use crate::text::units::Unit;

pub(crate) use self::gate::Gate;

/// Why a sentence is not released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A link that is in no passage.
    Link,
    /// An image, HTML or a table.
    Markup,
    /// A number no passage has.
    Number,
    /// Only marks that point at no passage.
    Mark,
    /// Words of our instructions.
    Leak,
    /// Nothing in the passages speaks for it.
    Unsupported,
    /// Words that are the daemon's alone: handing over, clearing someone to dive.
    Reserved,
    /// It was said already.
    Repeated,
}

impl Fault {
    /// The word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Markup => "markup",
            Self::Number => "number",
            Self::Mark => "mark",
            Self::Leak => "leak",
            Self::Unsupported => "unsupported",
            Self::Reserved => "reserved",
            Self::Repeated => "repeated",
        }
    }
}

/// A sentence that may be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Its words, marks normalised.
    pub(crate) text: String,
    /// It only introduces what follows ("Options:"); alone it says nothing.
    pub(crate) leads_in: bool,
}

/// Everything the sentences of one answer may rest on.
pub(crate) struct Grounding<'s> {
    grounds: Vec<Arc<Ground>>,
    asked_terms: Terms,
    asked_quantities: Vec<Quantity>,
    leak: Leak<'s>,
    english: bool,
}

/// A cited English sentence shares at least this much of its words with what it cites.
const CITED_SHARE: f32 = 0.4;

/// From this share on a sentence is the passage's own.
const FACT_SHARE: f32 = 0.75;

/// An uncited one shares this much with all passages together.
const UNCITED_SHARE: f32 = 0.6;

impl<'s> Grounding<'s> {
    /// Reads the brief; `system` is the instructions that must not show.
    pub(crate) fn new(brief: &Brief, system: &'s str) -> Self {
        let grounds: Vec<Arc<Ground>> = brief.passages.iter().map(Ground::of).collect();
        let asked = asked(brief);
        Self {
            asked_terms: Terms::of(&asked),
            asked_quantities: quantities(&asked),
            leak: Leak::new(system, grounds.clone(), asked),
            grounds,
            english: brief.route.lang == Lang::En,
        }
    }

    /// Whether the sentence may be released, and as what.
    pub(crate) fn check(&self, sentence: &str) -> Result<Checked, Fault> {
        if links::has_markup(sentence) {
            return Err(Fault::Markup);
        }
        if links::find(sentence).iter().any(|link| !self.grounds.iter().any(|ground| ground.links.contains(link))) {
            return Err(Fault::Link);
        }
        let (text, cited, dropped) = marks::normalise(sentence, self.grounds.len());
        if self.leak.names_a_secret(sentence) || (self.leak.shows_in(sentence) && !self.is_cited_fact(sentence, &cited))
        {
            return Err(Fault::Leak);
        }
        if reserved(sentence) {
            return Err(Fault::Reserved);
        }
        if dropped && cited.is_empty() {
            return Err(Fault::Mark);
        }
        let words = without_bullet(&marks::strip(sentence)).to_owned();
        if !self.numbers_stand(&words) {
            return Err(Fault::Number);
        }
        let leads_in = cited.is_empty() && is_lead_in(&words);
        let said = Terms::of(&words);
        if !leads_in && !self.supports(&said, &cited) {
            return Err(Fault::Unsupported);
        }
        let source = if cited.is_empty() && !leads_in { self.source(&said) } else { None };
        let text = tidy(&text);
        Ok(Checked { text: source.map_or_else(|| text.clone(), |passage| marks::add(&text, passage)), leads_in })
    }

    /// The passage, by its place, whose words an unmarked sentence says: facts are cited, also where the model forgot.
    fn source(&self, said: &Terms) -> Option<usize> {
        let shares = self.grounds.iter().map(|ground| said.share(|term| ground.terms.contains(term))).enumerate();
        let (passage, share) = shares.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        (self.english && said.len() >= 3 && share >= FACT_SHARE).then_some(passage)
    }

    /// Instructions may hold a fact of diving in a passage's words; saying it with its source is no leak.
    fn is_cited_fact(&self, sentence: &str, cited: &[usize]) -> bool {
        let said = Terms::of(&marks::strip(sentence));
        self.cited(cited).any(|ground| said.share(|term| ground.terms.contains(term)) >= FACT_SHARE)
    }

    /// The passages that marks point at.
    fn cited<'a>(&'a self, cited: &'a [usize]) -> impl Iterator<Item = &'a Ground> {
        cited.iter().filter_map(|n| self.grounds.get(n.checked_sub(1)?)).map(|ground| &**ground)
    }

    fn numbers_stand(&self, words: &str) -> bool {
        let stands = |said: &Quantity| {
            self.asked_quantities
                .iter()
                .chain(self.grounds.iter().flat_map(|g| &g.quantities))
                .any(|have| have.supports(said))
        };
        quantities(words)
            .iter()
            .all(|said| said.unit == Unit::Bare && (said.in_words || counts_words(words, said.value)) || stands(said))
    }

    fn supports(&self, said: &Terms, cited: &[usize]) -> bool {
        if said.is_empty() {
            return false;
        }
        let anywhere = |term| self.grounds.iter().any(|ground| ground.terms.contains(term));
        if !self.english {
            // Words of another language are not those of English passages: the mark and the numbers speak.
            return !cited.is_empty() || (said.len() >= 3 && said.share(anywhere) >= UNCITED_SHARE);
        }
        if cited.is_empty() {
            return said.count(anywhere) >= 3 && said.share(anywhere) >= UNCITED_SHARE;
        }
        let held = |term| self.cited(cited).any(|ground| ground.terms.contains(term));
        let own = said.count(held);
        let with_question = |term| held(term) || self.asked_terms.contains(term);
        own >= 2.min(said.len()) && said.share(with_question) >= CITED_SHARE
    }
}

/// What the diver said: numbers of the diver's own may be repeated.
fn asked(brief: &Brief) -> String {
    let mut text = format!("{}\n{}\n", brief.asked.text, brief.route.query);
    for message in brief.asked.session.history.iter().rev().filter(|m| m.role == Role::User).take(4) {
        text.push_str(&message.content);
        text.push('\n');
    }
    let profile = &brief.asked.session.profile;
    for dives in [profile.dives, brief.route.learned.dives].into_iter().flatten() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{dives} dives");
    }
    text
}

/// A bullet or list number is no claim.
fn without_bullet(words: &str) -> &str {
    let words = words.trim_start_matches(['#', ' ', '-', '*', '•', '+']);
    let digits = words.chars().take_while(char::is_ascii_digit).count();
    match words.get(digits..).and_then(|rest| rest.strip_prefix(['.', ')'])) {
        Some(rest) if (1..=2).contains(&digits) && rest.starts_with(' ') => rest.trim_start(),
        _ => words,
    }
}

/// "2 options": a small count of the answer's own items.
fn counts_words(words: &str, value: f64) -> bool {
    const ITEMS: &[&str] = &[
        "option",
        "options",
        "way",
        "ways",
        "thing",
        "things",
        "point",
        "points",
        "step",
        "steps",
        "question",
        "questions",
        "reason",
        "reasons",
        "choices",
        "routes",
        "parts",
        "factors",
        "opciones",
        "optionen",
        "möglichkeiten",
        "opções",
        "opzioni",
        "pilihan",
    ];
    if value > 6.0 || value.fract() != 0.0 {
        return false;
    }
    let wanted = format!("{value:.0}");
    let all: Vec<&str> = words.split_whitespace().collect();
    all.windows(2).any(|pair| {
        let [number, noun] = pair else { return false };
        *number == wanted && ITEMS.contains(&noun.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase().as_str())
    })
}

fn is_lead_in(words: &str) -> bool {
    let words = words.trim().trim_end_matches(['*', '_']);
    words.ends_with([':', '：']) && words.chars().count() <= 120
}

/// Words that only the daemon itself may say: offers to hand over, and clearances nobody here can give.
fn reserved(sentence: &str) -> bool {
    let text = sentence.to_lowercase().replace('’', "'");
    let clears = ["fit", "cleared", "safe", "ok", "okay", "fine", "good", "healthy enough"];
    ["connect you", "recommend a shop"].iter().any(|words| text.contains(words))
        || ["you are", "you're"]
            .iter()
            .any(|you| clears.iter().any(|word| text.contains(&format!("{you} {word} to dive"))))
}

/// Headings become bold; spaces that a removed mark left go.
fn tidy(text: &str) -> String {
    let text = text.trim();
    let heading = text.trim_start_matches('#');
    let text = if heading.len() < text.len() && heading.starts_with(' ') {
        format!("**{}**", heading.trim().trim_matches('*'))
    } else {
        text.to_owned()
    };
    text.replace(" .", ".").replace(" ,", ",").replace("  ", " ")
}

#[cfg(test)]
mod tests;
