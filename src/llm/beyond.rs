//! What is said where no document can know: the router has read what is asked for, and only the operator's own
//! words could answer it.

use dovvybuddy_core::agent::{Brief, Phrase};
use dovvybuddy_core::knowledge::Passage;

/// What is said instead of an answer, if the question asks for what no document can know; else nothing.
pub(crate) fn phrases(brief: &Brief) -> &'static [Phrase] {
    match &*brief.route.intent {
        "live" => &[Phrase::NoLive],
        // Who asks which chamber is open may need one.
        "live_help" => &[Phrase::NoLive, Phrase::IfEmergency],
        "booking" => &[Phrase::AskOperator],
        "contact" | "market" | "record" => &[Phrase::NotCovered],
        _ => &[],
    }
}

/// Whether that is all there is to say: the operator has published nothing about it.
pub(crate) fn nobody_knows(brief: &Brief) -> bool {
    !phrases(brief).is_empty() && !brief.passages.iter().any(is_the_operators)
}

/// Whether the operator says it, who may well know what no document does.
pub(crate) fn is_the_operators(passage: &Passage) -> bool {
    passage.doc_type.starts_with("faq")
}
