//! The agents of `DovvyBuddy`: who is asked, in which words, and what comes before all of them.
//!
//! Reading order: [`RuleGuard`] recognises an emergency and answers it; [`HeuristicRouter`] decides
//! which agent a message is for; [`PromptLibrary`] holds the agents' files; [`PhraseBook`] the fixed
//! sentences. All of it runs without a model, a network or a database.

mod by_language;
mod concept;
mod emergency;
mod evaluate;
mod feature;
mod gloss;
mod language;
mod lexicon;
mod message;
mod pattern;
mod phrases;
mod prompts;
mod router;
mod text;
mod vocabulary;

pub use emergency::{EmergencyTrainer, Hotline, Hotlines, ReplyError, RuleGuard, Thresholds};
pub use evaluate::{Case, EvalError, RoutingReport, Row, Turn, eval_routing, predict_all, read_cases, report};
pub use gloss::{Glossary, Rendered};
pub use language::fit_letters;
pub use phrases::{PhraseBook, PhraseError};
pub use prompts::{PromptError, PromptLibrary};
pub use router::{Example, HeuristicRouter, Model, Trainer};

/// What the bot may say of its operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operator {
    /// The operator's name.
    pub name: Option<String>,
    /// How to reach the operator.
    pub contact: Option<String>,
    /// Whom to call in an emergency, as shown.
    pub emergency_contacts: Vec<String>,
}
