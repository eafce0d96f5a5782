//! Whether the passages answer the question at all.
//!
//! No single sign tells: the search is sure of passages on invented reefs, and unsure of questions in a beginner's words.
//! A linear model weighs them together: what the search believes, how much of the question the sentences hold, names
//! that stand nowhere, who was asked, and the words of the question ("book", "my instructor"). Its weights are fitted on
//! questions of which it is known whether the content answers them: see `examples/train_answerable.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::questions;
use hashbrown::HashMap;
use serde::Serialize;

use super::candidates::Candidate;
use super::fit::{self, HAS_IT};
use super::question::Question;
use super::score::Scores;
use super::strangers;
use crate::beyond;
use crate::text::terms;

const WEIGHTS: &str = include_str!("answerable.tsv");

/// Above this likelihood of lying outside the content a question is not answered.
const OUTSIDE: f32 = 0.7;

/// The same where words alone were searched, which tells less: in doubt it is answered.
const OUTSIDE_BY_WORDS: f32 = 0.93;

/// Who asks so wants the words of a short form and nothing else.
const STANDS_FOR: &[&str] = &["stand for", "stands for", "short for"];

/// The name of the weight that every question has.
const BIAS: &str = "bias";

/// What the model looks at.
#[derive(Debug, Default, Serialize)]
pub struct Features {
    /// Signs by name.
    named: BTreeMap<String, f32>,
    /// What the message means; empty where there are no embeddings, or those of a model that the weights don't know.
    meaning: Vec<f32>,
}

/// Takes the features of each question that is answered. While it does, whatever was found is taken for an answer: so
/// it is seen which questions the content answers.
pub type Recorder = Arc<Mutex<Vec<Features>>>;

/// Whether the best of the rated sentences answers what is asked.
pub(super) fn answers(
    brief: &Brief,
    asked: &str,
    question: &Question,
    best: &Best<'_>,
    record: Option<&Recorder>,
) -> bool {
    if best.scores.coverage.is_empty() {
        return false;
    }
    if best.is_the_operators(OF_THE_MATTER) {
        return true;
    }
    let features = features(brief, asked, question, best);
    if let Some(recorder) = record {
        recorder.lock().unwrap_or_else(PoisonError::into_inner).push(features);
        return true;
    }
    let most = if brief.likeness > 0.0 { OUTSIDE } else { OUTSIDE_BY_WORDS };
    likelihood_of_outside(&features) < most && !lacks_the_words(asked, question, best)
}

/// What an operator writes of the own business may be of anything, and of other contents it would lie outside: it answers
/// where a sentence holds so much of the question.
const OF_THE_MATTER: f32 = 0.4;

/// Whether it is asked what a short form stands for, and no passage spells it out.
fn lacks_the_words(asked: &str, question: &Question, best: &Best<'_>) -> bool {
    let lower = asked.to_lowercase();
    let wanted = STANDS_FOR.iter().any(|words| lower.contains(words));
    wanted && !best.passages.iter().any(|passage| fit::spells_out(question, &passage.text))
}

/// The passages and what was made of their sentences.
pub(super) struct Best<'a> {
    pub(super) passages: &'a [Passage],
    pub(super) scores: &'a Scores,
    /// The sentence that is rated best, and its number.
    pub(super) candidate: Option<(usize, &'a Candidate)>,
}

impl<'a> Best<'a> {
    /// Whether the sentence is one of the operator's own, and with its headings holds this share of the question.
    fn is_the_operators(&self, share: f32) -> bool {
        let of_the_matter = |at: usize| self.scores.coverage.get(at).is_some_and(|coverage| *coverage >= share);
        let source = |candidate: &Candidate| self.passages.get(candidate.passage);
        self.candidate
            .is_some_and(|(at, candidate)| of_the_matter(at) && source(candidate).is_some_and(beyond::is_the_operators))
    }

    pub(super) fn of(passages: &'a [Passage], scores: &'a Scores, candidates: &'a [Candidate]) -> Self {
        let best = candidates.iter().zip(&scores.relevance).enumerate().max_by(|(_, a), (_, b)| a.1.total_cmp(b.1));
        Self { passages, scores, candidate: best.map(|(at, (candidate, _))| (at, candidate)) }
    }
}

fn features(brief: &Brief, asked: &str, question: &Question, best: &Best<'_>) -> Features {
    let mut out = BTreeMap::new();
    let english = brief.route.lang == Lang::En;
    // Without the model of meanings the search's trust is another measure, and there is no likeness.
    let how = if brief.likeness > 0.0 { "" } else { "by words " };
    let mut set = |name: &str, value: f32| {
        out.insert(format!("{how}{name}"), value);
        if english {
            // In other languages only a glossary's words are seen: there the same sign says less.
            out.insert(format!("{how}en {name}"), value);
        }
    };
    let flag = |it: bool| if it { 1.0 } else { 0.0 };
    let coverage = &best.scores.coverage;
    let (first, fit) =
        best.candidate.map_or((0, 0.0), |(at, candidate)| (at, fit::fit(question, question.kind, candidate)));
    set(BIAS, 1.0);
    set("trust", best.passages.iter().map(|passage| passage.score).fold(0.0, f32::max));
    set("likeness", brief.likeness);
    set("coverage", coverage.iter().copied().fold(0.0, f32::max));
    set("coverage of the best", coverage.get(first).copied().unwrap_or(0.0));
    set("heading", best.scores.heading);
    set("title", best.scores.title);
    set("has the fact", flag(fit >= HAS_IT));
    set("confidence", brief.route.confidence);
    // What is only told beside the question may well stand nowhere.
    let strange = strangers::unknown_words(brief, &questions::what_asks(asked));
    #[allow(clippy::cast_precision_loss, reason = "a handful of words")]
    set("strange words", strange.len().min(MOST_STRANGE) as f32);
    set("a strange word", flag(!strange.is_empty()));
    set("a strange name", flag(strangers::names_any(&brief.asked.text, &strange)));
    set("a strange pair", flag(brief.unknown.iter().any(|unknown| unknown.contains(' '))));
    set("a stranger", flag(strangers::names_a_stranger(brief, asked, best.passages)));
    out.insert(format!("agent {}", brief.agent.id.as_str()), 1.0);
    out.insert(format!("intent {}", brief.route.intent), 1.0);
    out.insert(format!("kind {:?}", question.kind), 1.0);
    words(asked, &mut out);
    let known = brief.meaning.as_ref().filter(|meaning| &*meaning.model == MEANINGS_OF);
    if known.is_none() && brief.likeness > 0.0 {
        out.insert(NO_MEANING.to_owned(), 1.0);
    }
    let meaning = known.map(|known| known.vector.iter().map(|number| number * MEANING_SCALE).collect());
    Features { named: out, meaning: meaning.unwrap_or_default() }
}

/// The embedding model on whose numbers the weights are fitted.
const MEANINGS_OF: &str = "all-MiniLM-L6-v2";

/// What each number of a meaning is multiplied by: many small ones count together as much as a word.
const MEANING_SCALE: f32 = 2.0;

/// The name of the weight that stands for a meaning which another model gave: what the meanings say on average.
const NO_MEANING: &str = "no meaning";

/// More strange words say no more.
const MOST_STRANGE: usize = 4;

/// The words of the question, those that stand side by side, and how it opens.
fn words(asked: &str, out: &mut BTreeMap<String, f32>) {
    let bare = asked.to_lowercase().replace(['\'', '’'], "");
    let words = bare.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(LONGEST);
    let words: Vec<String> = words.map(terms::stem).collect();
    for (one, two) in words.iter().zip(words.iter().skip(1)) {
        out.insert(format!("w {one} {two}"), 0.3);
    }
    for word in &words {
        out.insert(format!("w {word}"), 0.5);
    }
    if let Some(first) = words.first() {
        out.insert(format!("opens {first}"), 0.4);
    }
}

/// Words beyond this many are not looked at.
const LONGEST: usize = 80;

/// How likely a question with these features lies outside the content, 0 to 1.
fn likelihood_of_outside(features: &Features) -> f32 {
    let weigh = |(name, value): (&String, &f32)| MODEL.named.get(name.as_str()).map_or(0.0, |weight| weight * value);
    let named: f32 = features.named.iter().map(weigh).sum();
    let meant: f32 = features.meaning.iter().zip(&MODEL.meaning).map(|(number, weight)| number * weight).sum();
    1.0 / (1.0 + (-named - meant).exp())
}

/// The weights.
struct Model {
    named: HashMap<&'static str, f32>,
    /// One for each number of a meaning, in their order.
    meaning: Vec<f32>,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let mut named = HashMap::new();
    let mut meaning = BTreeMap::new();
    for (name, weight) in WEIGHTS.lines().filter_map(|line| line.split_once('\t')) {
        let Ok(weight) = weight.parse() else { continue };
        if let Some(place) = name.strip_prefix("meaning ").and_then(|place| place.parse::<usize>().ok()) {
            meaning.insert(place, weight);
        } else {
            named.insert(name, weight);
        }
    }
    Model { named, meaning: meaning.into_values().collect() }
});

#[cfg(test)]
mod tests {
    use dovvybuddy_core::ids::AgentId;
    use dovvybuddy_core::knowledge::Meaning;

    use super::super::choose;
    use super::*;
    use crate::testing::{brief, limits, passage};

    /// Whether a question is answered from passages of this trust and likeness.
    fn answered(question: &str, agent: &str, trust: f32, unknown: &[&str], passages: Vec<Passage>) -> bool {
        let mut asked = brief(question, passages);
        let mut spec = (*asked.agent).clone();
        spec.id = AgentId::new(agent);
        asked.agent = Arc::new(spec);
        asked.likeness = trust;
        asked.unknown = unknown.iter().map(|word| (*word).to_owned()).collect();
        for passage in &mut asked.passages {
            passage.score = trust;
        }
        !choose(&asked, "", None).runs.is_empty()
    }

    #[test]
    fn what_the_passages_say_is_answered() {
        assert!(answered("How deep may a PADI Open Water Diver go?", "certification", 0.8, &[], limits()));
        assert!(answered("minimum age for padi open water?", "certification", 0.8, &[], limits()));
    }

    #[test]
    fn what_has_a_strange_name_is_not() {
        let asked = "How deep may a diver of the Zwartvis club go?";
        assert!(!answered(asked, "certification", 0.6, &["zwartvis"], limits()));
        let kin = || vec![passage("Shark Point, Gili", "What it is", "Shark Point is a reef with sharks.", 0.6)];
        assert!(answered("What is Shark Point, Gili?", "trip", 0.8, &[], kin()));
        assert!(!answered("What is Krakenloch Point?", "trip", 0.6, &["krakenloch"], kin()));
    }

    #[test]
    fn the_divers_own_affairs_are_not() {
        for asked in [
            "what did my instructor say about my open water dives last week",
            "please book me the open water course for saturday",
        ] {
            assert!(!answered(asked, "certification", 0.3, &[], limits()), "{asked}");
        }
    }

    #[test]
    fn a_short_form_that_is_not_spelt_out_is_not_covered() {
        let about = "PADI lists a minimum age of 10 for the Open Water Diver.";
        let passages = vec![passage("PADI Open Water Diver", "Age", about, 0.9)];
        assert!(!answered("what does padi stand for", "certification", 0.9, &[], passages));
    }

    #[test]
    fn whatever_is_found_is_taken_while_it_is_recorded() {
        let recorder = Recorder::default();
        let asked = brief("how much does an open water diver earn", limits());
        assert!(!choose(&asked, "", Some(&recorder)).runs.is_empty());
        let seen = recorder.lock().unwrap().remove(0);
        // There is no likeness where words alone were searched.
        assert!(seen.named.contains_key("by words bias") && seen.named.contains_key("w earn"), "{seen:?}");
    }

    #[test]
    fn every_number_of_a_meaning_has_a_weight_and_other_models_an_average() {
        assert_eq!(MODEL.meaning.len(), 384);
        assert!((0..384).all(|at| WEIGHTS.contains(&format!("meaning {at}\t"))));
        assert!(MODEL.named.contains_key(NO_MEANING));
    }

    #[test]
    fn what_a_question_means_counts_and_to_another_model_it_says_nothing() {
        let likelihood = |model: &str, towards: f32| {
            let mut asked = brief("what about the lamp", limits());
            asked.likeness = 0.5;
            let vector = MODEL.meaning.iter().map(|weight| weight.signum() * towards).collect();
            asked.meaning = Some(Meaning { model: model.into(), vector });
            let recorder = Recorder::default();
            choose(&asked, "", Some(&recorder));
            likelihood_of_outside(&recorder.lock().unwrap().remove(0))
        };
        assert!(likelihood(MEANINGS_OF, 0.05) > likelihood(MEANINGS_OF, -0.05) + 0.5);
        assert_eq!(likelihood("another", 0.05).to_bits(), likelihood("another", -0.05).to_bits());
    }

    #[test]
    fn what_the_operator_writes_is_answered_whatever_it_is_about() {
        let mut faq = passage("Our boat", "May I bring my dog on the boat?", "Dogs are welcome on our boat.", 0.7);
        faq.doc_type = "faq".into();
        assert!(answered("can I bring my dog on the boat", "retrieval", 0.7, &[], vec![faq]));
    }

    #[test]
    fn every_weight_is_a_number() {
        assert!(WEIGHTS.lines().count() > 1_000);
        for line in WEIGHTS.lines() {
            let weight = line.split_once('\t').and_then(|(_, weight)| weight.parse::<f32>().ok());
            assert!(weight.is_some_and(f32::is_finite), "{line}");
        }
    }
}
