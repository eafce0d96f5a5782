//! Reading text: sentences, terms, quantities, Markdown. Shared by extraction and grounding.

pub(crate) mod injection;
pub(crate) mod markdown;
pub(crate) mod marks;
pub(crate) mod quantities;
pub(crate) mod sentences;
pub(crate) mod terms;
pub(crate) mod units;
