//! A chat model behind an OpenAI-compatible address.
//!
//! The stream is framed and decoded here: a line is read only once it is whole, and an answer counts as
//! complete only with its terminal signal.

mod failure;
mod sse;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dovvybuddy_core::model::{Delta, DeltaStream, LanguageModel, ModelError, Prompt};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::sse::Framer;
use self::wire::{Decoder, Step};
use crate::config::{ConfigError, ModelConfig};

/// The largest body of an answer that did not stream, and of all of a stream.
const LARGEST_ANSWER: usize = 4 << 20;

/// How long the closing chunks may take once the model said why it stopped.
const CLOSING: Duration = Duration::from_secs(2);

/// A model behind an OpenAI-compatible address.
pub struct OpenAiModel {
    model: String,
    address: Url,
    authorization: Option<HeaderValue>,
    first_token_timeout: Duration,
    total_timeout: Duration,
    client: reqwest::Client,
}

impl std::fmt::Debug for OpenAiModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiModel").field("model", &self.model).finish_non_exhaustive()
    }
}

impl OpenAiModel {
    /// A model as configured; `key` is sent as the bearer token.
    pub fn new(config: &ModelConfig, key: Option<&SecretString>, client: reqwest::Client) -> Result<Self, ConfigError> {
        let authorization = key
            .map(|key| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret().trim()))
                    .map_err(|_| ConfigError::KeyUnusable { name: config.name.clone() })?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self {
            model: config.model.clone(),
            address: config.address()?,
            authorization,
            first_token_timeout: config.first_token_timeout,
            total_timeout: config.total_timeout,
            client,
        })
    }

    async fn send(&self, prompt: &Prompt) -> Result<reqwest::Response, ModelError> {
        let at_openai = self.address.host_str() == Some("api.openai.com");
        let mut request = self.client.post(self.address.clone()).json(&wire::request(&self.model, prompt, at_openai));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(failure::transport)
    }
}

#[async_trait]
impl LanguageModel for OpenAiModel {
    fn name(&self) -> &str {
        &self.model
    }

    async fn stream(&self, prompt: &Prompt) -> Result<DeltaStream, ModelError> {
        let started = Instant::now();
        let end = started + self.total_timeout;
        let first = (started + self.first_token_timeout).min(end);
        let response = timeout_at(first, self.send(prompt)).await.map_err(|_| ModelError::Timeout)??;
        if !response.status().is_success() {
            return Err(failure::refused(response, first).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let bytes = response.bytes_stream().map(|chunk| chunk.map_err(failure::transport)).boxed();
        let reading = Reading {
            bytes,
            framer: Framer::default(),
            decoder: Decoder::new(prompt),
            first,
            end,
            stall: self.first_token_timeout,
            read: 0,
            over: false,
        };
        if kind.starts_with("application/json") {
            return reading.whole().await;
        }
        if kind.starts_with("text/html") {
            return Err(ModelError::Garbled("a web page instead of a stream".into()));
        }
        Ok(stream::unfold(reading, Reading::step).boxed())
    }
}

/// An answer being read.
struct Reading {
    bytes: BoxStream<'static, Result<Bytes, ModelError>>,
    framer: Framer,
    decoder: Decoder,
    first: Instant,
    end: Instant,
    stall: Duration,
    read: usize,
    over: bool,
}

impl Reading {
    async fn step(mut self) -> Option<(Result<Delta, ModelError>, Self)> {
        if self.over {
            return None;
        }
        let item = self.next().await;
        self.over = !matches!(item, Ok(Delta::Text(_)));
        Some((item, self))
    }

    async fn next(&mut self) -> Result<Delta, ModelError> {
        loop {
            while let Some(data) = self.framer.next()? {
                match self.decoder.event(&data)? {
                    Step::Text(text) => return Ok(Delta::Text(text)),
                    Step::Done => return Ok(Delta::Done(self.decoder.usage())),
                    Step::Nothing => {}
                }
            }
            match timeout_at(self.patience(), self.bytes.next()).await {
                Err(_) | Ok(None | Some(Err(_))) if self.decoder.finished() => {
                    return Ok(Delta::Done(self.decoder.usage()));
                }
                Err(_) => return Err(ModelError::Timeout),
                Ok(None) => return Err(ModelError::Incomplete),
                Ok(Some(chunk)) => self.take(&chunk?)?,
            }
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ModelError> {
        self.read += chunk.len();
        if self.read > LARGEST_ANSWER {
            return Err(ModelError::Garbled("the answer is too long".into()));
        }
        self.framer.push(chunk);
        Ok(())
    }

    /// Until when the next bytes must be there.
    fn patience(&self) -> Instant {
        let now = Instant::now();
        if self.decoder.finished() {
            (now + CLOSING).min(self.end)
        } else if self.decoder.began() {
            (now + self.stall).min(self.end)
        } else {
            self.first
        }
    }

    /// An answer that came in one piece although a stream was asked for.
    async fn whole(mut self) -> Result<DeltaStream, ModelError> {
        let mut body = Vec::new();
        loop {
            match timeout_at(self.end, self.bytes.next()).await {
                Err(_) => return Err(ModelError::Timeout),
                Ok(None) => break,
                Ok(Some(chunk)) => body.extend_from_slice(&chunk?),
            }
            if body.len() > LARGEST_ANSWER {
                return Err(ModelError::Garbled("the answer is too long".into()));
            }
        }
        let text = self.decoder.whole(&body)?;
        let usage = self.decoder.usage();
        Ok(stream::iter([Ok(Delta::Text(text)), Ok(Delta::Done(usage))]).boxed())
    }
}
