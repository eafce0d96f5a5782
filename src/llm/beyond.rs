//! What is said where no document can know: the router has read what is asked for, and only the operator's own
//! words could answer it.

use dovvybuddy_core::agent::{Brief, Phrase};
use dovvybuddy_core::knowledge::Passage;

/// What is said instead of an answer, if the question asks for what no document can know.
pub(crate) fn phrase(brief: &Brief) -> Option<Phrase> {
    match &*brief.route.intent {
        "live" => Some(Phrase::NoLive),
        "booking" => Some(Phrase::AskOperator),
        "contact" | "market" => Some(Phrase::NotCovered),
        _ => None,
    }
}

/// Whether that is all there is to say: the operator has published nothing about it.
pub(crate) fn nobody_knows(brief: &Brief) -> bool {
    phrase(brief).is_some() && !brief.passages.iter().any(is_the_operators)
}

/// Whether the operator says it, who may well know what no document does.
pub(crate) fn is_the_operators(passage: &Passage) -> bool {
    passage.doc_type.starts_with("faq")
}
