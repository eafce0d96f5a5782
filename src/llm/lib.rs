//! Answers: written by a language model and checked against the passages, or composed from the
//! passages' own sentences.
//!
//! [`Chain`] is what the daemon uses when a model is configured, [`Extractive`] when none is. Reading
//! order: [`chain`] shows a whole answer; [`openai`] talks to a model; `grounding` decides sentence by
//! sentence what may be said; `extractive` needs no model.

pub mod chain;
pub mod config;
pub mod openai;

mod beyond;
mod business;
mod citations;
mod extractive;
mod frame;
mod grounding;
#[cfg(test)]
mod testing;
mod text;
mod writer;

pub use chain::{Chain, Limits, Member, Spending};
pub use config::{ConfigError, ModelConfig, Preset, from_environment, http_client};
pub use extractive::{EXTRACTIVE, Extractive, Features, Recorder};
pub use openai::OpenAiModel;
