//! What stands around an answer, whoever wrote it: a worry acknowledged, the next step, the physician.

use dovvybuddy_core::agent::{Brief, Phrase, Voice};

/// Fixed sentences before and after the answer of one brief.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Stands first.
    pub(crate) opening: Option<String>,
    /// Stand last, one paragraph each.
    pub(crate) closing: Vec<String>,
}

impl Frame {
    /// The frame this brief wants.
    pub(crate) fn of(brief: &Brief, voice: &dyn Voice) -> Self {
        let say = |phrase| Some(voice.say(phrase, brief.route.lang)).filter(|text| !text.is_empty());
        let worried = brief.route.worry.is_some();
        let mut closing = Vec::new();
        if is_medical(&brief.route.intent) {
            closing.extend(say(Phrase::AskPhysician));
        }
        if worried {
            closing.extend(say(Phrase::WorryNextStep));
        }
        Self { opening: worried.then(|| say(Phrase::WorryAcknowledged)).flatten(), closing }
    }
}

/// Whether the intent is about fitness or medicines.
fn is_medical(intent: &str) -> bool {
    matches!(intent, "medical" | "medicine" | "fitness")
}

/// Whether the intent asks for the operator's own facts.
fn is_operator_business(intent: &str) -> bool {
    matches!(intent, "price" | "hours" | "operator")
}

/// Whether only the operator could answer: the question is theirs, and no content of theirs was found.
/// Whatever else was found would answer another question, and perhaps with a wrong number.
pub(crate) fn only_the_operator_knows(brief: &Brief) -> bool {
    is_operator_business(&brief.route.intent) && !brief.passages.iter().any(|p| p.doc_type.starts_with("faq"))
}

/// Whether the safety agent's words belong to an answer that another agent leads.
pub(crate) fn wants_safety_note(brief: &Brief) -> bool {
    brief.agent.id.as_str() != "safety" && brief.route.also.iter().any(|agent| agent.as_str() == "safety")
}
