//! The call of the model, with and without streaming.

use std::time::Duration;

use dovvybuddy_bench::BoxError;
use serde_json::{Value, json};

/// A chat model behind an OpenAI-compatible address.
pub(crate) struct Model {
    client: reqwest::Client,
    address: String,
    stream: bool,
}

impl Model {
    pub(crate) fn new(base: &str, stream: bool) -> Result<Self, BoxError> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        Ok(Self { client, address: format!("{}/chat/completions", base.trim_end_matches('/')), stream })
    }

    /// Asks with the numbers of the nearest passages and gives the whole answer.
    pub(crate) async fn answer(&self, question: &str, nearest: &[usize]) -> Result<String, BoxError> {
        let body = json!({
            "model": "bench",
            "stream": self.stream,
            "messages": [
                {"role": "system", "content": format!("Answer from passages {nearest:?}.")},
                {"role": "user", "content": question},
            ],
        });
        let response = self.client.post(&self.address).json(&body).send().await?.error_for_status()?;
        let text = response.text().await?;
        let answer = if self.stream { text.lines().filter_map(delta).collect() } else { whole(&text)? };
        Ok(answer)
    }
}

/// The text of one line of a stream.
fn delta(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
    Some(event.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
}

fn whole(text: &str) -> Result<String, BoxError> {
    let answer: Value = serde_json::from_str(text)?;
    let content = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
    Ok(content.ok_or("the model's answer has no text")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_answer_are_read() {
        assert_eq!(delta(r#"data: {"choices":[{"delta":{"content":"Hi"}}]}"#).as_deref(), Some("Hi"));
        assert_eq!(delta("data: [DONE]"), None);
        assert_eq!(whole(r#"{"choices":[{"message":{"content":"Hi"}}]}"#).unwrap(), "Hi");
        assert!(whole("{}").is_err());
    }
}
