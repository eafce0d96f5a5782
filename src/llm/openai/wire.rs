//! What goes over the wire: the request, and the chunks of the answer.
//!
//! The request is async-openai's type. Answers are read leniently by types of our own: providers leave
//! out fields and invent finish reasons, and neither should lose an answer.

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, CreateChatCompletionRequest,
};
use dovvybuddy_core::model::{ModelError, Prompt, TokenUsage};
use dovvybuddy_core::session::Role;
use serde::Deserialize;

use super::failure;

/// The request for a prompt. OpenAI itself has retired `max_tokens` and fixes the temperature of its
/// reasoning models; others know only the old name.
#[allow(deprecated, reason = "compatible servers know only `max_tokens`")]
pub(crate) fn request(model: &str, prompt: &Prompt, at_openai: bool) -> CreateChatCompletionRequest {
    let mut messages: Vec<ChatCompletionRequestMessage> =
        vec![ChatCompletionRequestSystemMessage::from(prompt.system.as_str()).into()];
    messages.extend(prompt.messages.iter().map(|(role, text)| match role {
        Role::User => ChatCompletionRequestUserMessage::from(text.as_str()).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(text.as_str()).into(),
    }));
    let reasoning = at_openai && ["o1", "o3", "o4", "gpt-5"].iter().any(|name| model.starts_with(name));
    CreateChatCompletionRequest {
        model: model.to_owned(),
        messages,
        temperature: (!reasoning).then_some(prompt.temperature),
        max_tokens: (!at_openai).then_some(prompt.max_tokens),
        max_completion_tokens: at_openai.then_some(prompt.max_tokens),
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None }),
        ..Default::default()
    }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Counted>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
struct Counted {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

/// What an event meant.
pub(crate) enum Step {
    /// More of the answer.
    Text(String),
    /// Bookkeeping.
    Nothing,
    /// The terminal signal.
    Done,
}

/// Follows one answer.
pub(crate) struct Decoder {
    estimate: TokenUsage,
    answered: usize,
    most: u32,
    counted: Option<Counted>,
    finish: Option<String>,
}

impl Decoder {
    /// A decoder for the answer to `prompt`.
    pub(crate) fn new(prompt: &Prompt) -> Self {
        let bytes = prompt.system.len() + prompt.messages.iter().map(|(_, text)| text.len()).sum::<usize>();
        Self {
            estimate: TokenUsage { prompt: tokens(bytes), completion: 0 },
            answered: 0,
            most: prompt.max_tokens,
            counted: None,
            finish: None,
        }
    }

    /// Whether text has come.
    pub(crate) const fn began(&self) -> bool {
        self.answered > 0
    }

    /// Whether the model said why it stopped.
    pub(crate) const fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Reads one event.
    pub(crate) fn event(&mut self, data: &str) -> Result<Step, ModelError> {
        if data.trim() == "[DONE]" {
            return Ok(Step::Done);
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|_| garbled())?;
        let text = self.chunk(chunk)?;
        Ok(if text.is_empty() { Step::Nothing } else { Step::Text(text) })
    }

    /// Reads an answer that came whole.
    pub(crate) fn whole(&mut self, body: &[u8]) -> Result<String, ModelError> {
        let chunk: Chunk = serde_json::from_slice(body).map_err(|_| garbled())?;
        let text = self.chunk(chunk)?;
        if self.finished() { Ok(text) } else { Err(ModelError::Incomplete) }
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<String, ModelError> {
        if let Some(error) = chunk.error.filter(|e| !e.is_null()) {
            return Err(failure::in_stream(&error));
        }
        self.counted = chunk.usage.or(self.counted);
        let mut text = String::new();
        if let Some(choice) = chunk.choices.unwrap_or_default().into_iter().next() {
            let piece = choice.delta.unwrap_or_default();
            if piece.refusal.is_some_and(|r| !r.is_empty()) {
                return Err(ModelError::Rejected("the model refused".to_owned()));
            }
            text = piece.content.unwrap_or_default();
            self.answered += text.len();
            if let Some(reason) = choice.finish_reason.filter(|r| !r.is_empty()) {
                if reason == "content_filter" {
                    return Err(ModelError::Rejected("the provider's content filter".to_owned()));
                }
                self.finish = Some(reason);
            }
        }
        Ok(text)
    }

    /// The tokens as counted, else estimated. An answer cut for its length counts at least the most it
    /// might have had, by which its reader knows.
    pub(crate) fn usage(&self) -> TokenUsage {
        let mut usage = self.counted.map_or_else(
            || TokenUsage { completion: tokens(self.answered), ..self.estimate },
            |counted| TokenUsage { prompt: counted.prompt_tokens, completion: counted.completion_tokens },
        );
        if self.finish.as_deref() == Some("length") {
            usage.completion = usage.completion.max(self.most);
        }
        usage
    }
}

/// About four bytes make a token.
fn tokens(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX)
}

fn garbled() -> ModelError {
    ModelError::Garbled("a chunk is not the JSON it should be".into())
}
