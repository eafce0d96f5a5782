//! What stands around an answer, whoever wrote it: a worry acknowledged, a limit named, the next step, the
//! physician.

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
        let opening = if worried {
            say(Phrase::WorryAcknowledged)
        } else if brief.route.beyond_certificate {
            say(Phrase::BeyondCertificate)
        } else {
            None
        };
        Self { opening, closing }
    }
}

/// Whether the intent is about fitness or medicines.
fn is_medical(intent: &str) -> bool {
    matches!(intent, "medical" | "medicine" | "fitness")
}

/// Whether the safety agent's words belong to an answer that another agent leads.
pub(crate) fn wants_safety_note(brief: &Brief) -> bool {
    brief.agent.id.as_str() != "safety" && brief.route.also.iter().any(|agent| agent.as_str() == "safety")
}
