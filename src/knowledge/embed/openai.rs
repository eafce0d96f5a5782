//! Embeddings from any OpenAI-compatible endpoint.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{EmbedError, Embedder, Urgency};

/// Texts sent in one request.
const BATCH: usize = 64;
/// A query that takes longer is answered by words alone.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);
const BACKGROUND_TIMEOUT: Duration = Duration::from_mins(1);
/// Tries of a background request, with growing pauses.
const MOST_TRIES: u32 = 4;

/// Which endpoint, which model.
#[derive(Debug, Clone, Deserialize)]
pub struct OpenAiEmbeddings {
    /// The address before `/embeddings`.
    pub base_url: String,
    /// The key; local servers need none.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// The provider's model name.
    pub model: String,
    /// Numbers per vector.
    pub dimension: usize,
}

/// Embeds over HTTP.
pub struct OpenAiEmbedder {
    client: reqwest::Client,
    config: OpenAiEmbeddings,
    address: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

enum Failure {
    /// Trying again may help.
    Passing(EmbedError, Option<Duration>),
    Final(EmbedError),
}

impl OpenAiEmbedder {
    /// An embedder for `config`.
    pub fn new(config: OpenAiEmbeddings) -> Result<Self, EmbedError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| EmbedError::Provider(error.without_url().to_string()))?;
        let address = format!("{}/embeddings", config.base_url.trim_end_matches('/'));
        Ok(Self { client, config, address })
    }

    async fn request(&self, input: &[String], timeout: Duration) -> Result<Vec<Vec<f32>>, Failure> {
        let passing =
            |error: reqwest::Error| Failure::Passing(EmbedError::Provider(error.without_url().to_string()), None);
        let body = Request { model: &self.config.model, input, encoding_format: "float" };
        let mut request = self.client.post(&self.address).timeout(timeout).json(&body);
        if let Some(key) = &self.config.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await.map_err(passing)?;
        let status = response.status();
        if !status.is_success() {
            let pause = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let error = EmbedError::Provider(format!("HTTP {status}"));
            let may_pass = status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS;
            return Err(if may_pass {
                Failure::Passing(error, pause.map(Duration::from_secs))
            } else {
                Failure::Final(error)
            });
        }
        let response: Response = response.json().await.map_err(passing)?;
        self.in_order(response, input.len()).map_err(Failure::Final)
    }

    fn in_order(&self, response: Response, expected: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut items = response.data;
        items.sort_by_key(|item| item.index);
        if items.iter().map(|item| item.index).ne(0..expected) {
            return Err(EmbedError::Provider("the answer does not have one vector per text".to_owned()));
        }
        let mut vectors = Vec::with_capacity(expected);
        for Item { mut embedding, .. } in items {
            if embedding.len() != self.config.dimension {
                return Err(EmbedError::Dimension { found: embedding.len(), expected: self.config.dimension });
            }
            super::normalise(&mut embedding);
            vectors.push(embedding);
        }
        Ok(vectors)
    }

    async fn persist(&self, batch: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut tries = 1;
        loop {
            match self.request(batch, BACKGROUND_TIMEOUT).await {
                Ok(vectors) => return Ok(vectors),
                Err(Failure::Passing(_, pause)) if tries < MOST_TRIES => {
                    let pause = pause.unwrap_or(Duration::from_millis(500) * 2_u32.pow(tries));
                    tokio::time::sleep(pause.min(Duration::from_secs(30))).await;
                    tries += 1;
                }
                Err(Failure::Passing(error, _) | Failure::Final(error)) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.config.model
    }

    fn dimension(&self) -> usize {
        self.config.dimension
    }

    async fn embed(&self, texts: &[String], urgency: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(match urgency {
                Urgency::Query => self.request(batch, QUERY_TIMEOUT).await.map_err(|failure| match failure {
                    Failure::Passing(error, _) | Failure::Final(error) => error,
                })?,
                Urgency::Background => self.persist(batch).await?,
            });
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn embedder(server: &MockServer) -> OpenAiEmbedder {
        OpenAiEmbedder::new(OpenAiEmbeddings {
            base_url: format!("{}/v1/", server.uri()),
            api_key: Some("sk-test".into()),
            model: "small".into(),
            dimension: 2,
        })
        .unwrap()
    }

    #[tokio::test]
    async fn vectors_come_in_the_order_of_the_texts_and_with_length_1() {
        let server = MockServer::start().await;
        let answer = json!({"data": [{"index": 1, "embedding": [0.0, 2.0]}, {"index": 0, "embedding": [3.0, 0.0]}]});
        Mock::given(method("POST"))
            .and(path("/v1/embeddings"))
            .and(header("authorization", "Bearer sk-test"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
            .mount(&server)
            .await;
        let texts = ["a".to_owned(), "b".to_owned()];
        let vectors = embedder(&server).embed(&texts, Urgency::Query).await.unwrap();
        assert_eq!(vectors, [[1.0, 0.0], [0.0, 1.0]]);
    }

    #[tokio::test]
    async fn a_refusal_names_neither_address_nor_key() {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
        let error = embedder(&server).embed(&["a".to_owned()], Urgency::Background).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("401") && !text.contains("sk-test") && !text.contains("127.0.0.1"), "{text}");
    }

    #[tokio::test]
    async fn background_work_tries_again_and_a_query_does_not() {
        let server = MockServer::start().await;
        let busy = ResponseTemplate::new(429).insert_header("retry-after", "0");
        Mock::given(method("POST")).respond_with(busy).up_to_n_times(2).mount(&server).await;
        let answer = json!({"data": [{"index": 0, "embedding": [1.0, 0.0]}]});
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&server).await;
        let embedder = embedder(&server);
        let texts = ["a".to_owned()];
        assert!(embedder.embed(&texts, Urgency::Query).await.is_err());
        assert!(embedder.embed(&texts, Urgency::Background).await.is_ok());
    }

    #[tokio::test]
    async fn vectors_of_another_length_are_refused() {
        let server = MockServer::start().await;
        let answer = json!({"data": [{"index": 0, "embedding": [1.0, 0.0, 0.0]}]});
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&server).await;
        let result = embedder(&server).embed(&["a".to_owned()], Urgency::Query).await;
        assert!(matches!(result, Err(EmbedError::Dimension { found: 3, expected: 2 })));
    }
}
