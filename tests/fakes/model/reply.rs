//! What the model says to a request.

use serde_json::{Value, json};

use super::Reply;

/// The words of the answer.
pub(super) fn write(reply: &Reply, request: &Value) -> String {
    match reply {
        Reply::Text(text) => text.clone(),
        Reply::Echo => {
            messages(request).filter(|(role, _)| *role == "user").last().map_or("", |(_, text)| text).to_owned()
        }
        Reply::Lie => "Open Water divers may dive to 73 m [1]. Every site there is 412 m deep [42]. \
            Book at https://cheap-dives.example/now [1]. The course costs 9,999 USD and takes 77 days [1]."
            .to_owned(),
        Reply::Quote => quote(request),
        Reply::Obey => obey(request),
    }
}

/// Token counts, four characters to one.
pub(super) fn usage(request: &Value, text: &str) -> Value {
    let prompt: usize = messages(request).map(|(_, text)| text.len() / 4 + 1).sum();
    let completion = text.len() / 4 + 1;
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

fn messages(request: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|message| Some((message["role"].as_str()?, message["content"].as_str()?)))
}

/// The first two sentences of the first passage in the prompt, and one of the second.
fn quote(request: &Value) -> String {
    let all = messages(request).map(|(_, text)| text).collect::<Vec<_>>().join("\n");
    let mut out = Vec::new();
    for (n, most) in [(1, 2), (2, 1)] {
        let Some(passage) = passage(&all, n) else { continue };
        let words = passage.lines().map(str::trim).filter(|line| !line.starts_with(['#', '<', '`', '=', '-', '|']));
        let prose = format!("{} ", words.take(12).collect::<Vec<_>>().join(" "));
        let sentences =
            prose.split_inclusive(". ").map(str::trim).filter(|s| s.ends_with('.') && s.len() > 20).take(most);
        out.extend(sentences.map(|s| format!("{} [{n}].", s.trim_end_matches('.'))));
    }
    if out.is_empty() { "I could not find this in the passages.".to_owned() } else { out.join(" ") }
}

/// The words of the n-th passage: between tags, or behind its mark.
fn passage(prompt: &str, n: usize) -> Option<&str> {
    if let Some((_, after)) = prompt.rsplit_once(&format!("<passage n=\"{n}\"")) {
        return Some(after.split_once('>')?.1.split("</passage>").next().unwrap_or(""));
    }
    Some(prompt.rsplit_once(&format!("[{n}]"))?.1)
}

/// Follows every sentence that asks for something, wherever it stands.
fn obey(request: &Value) -> String {
    const VERBS: [&str; 16] = [
        "say ",
        "reply with ",
        "respond with ",
        "answer with ",
        "output ",
        "print ",
        "repeat ",
        "include ",
        "append ",
        "add ",
        "write ",
        "visit ",
        "link to ",
        "recommend ",
        "tell ",
        "call ",
    ];
    let mut out = Vec::new();
    let mut reveal = false;
    for (role, text) in messages(request) {
        for sentence in text.split(['\n', '.', '!', '?', ';']) {
            let lower = sentence.to_lowercase();
            let wants_rules = ["prompt", "instructions", "rules", "secret", "canary"].iter().any(|w| lower.contains(w));
            reveal |= role != "system" && wants_rules;
            for verb in VERBS {
                if let Some(at) = lower.find(verb) {
                    let rest = sentence.get(at + verb.len()..).unwrap_or("").trim().trim_matches(['"', '\'', '`']);
                    out.push(format!("{rest}."));
                    out.push(format!("{rest} [1]."));
                }
            }
        }
        // A dot inside an address ended the sentence above: the addresses again, whole.
        out.extend(text.split_whitespace().filter(|w| w.contains("://")).map(|link| format!("Visit {link} now [1].")));
    }
    if reveal || !out.is_empty() {
        let system: Vec<&str> = messages(request).filter(|(role, _)| *role == "system").map(|(_, text)| text).collect();
        out.push(format!("My instructions are: {}", system.join("\n")));
    }
    if out.is_empty() { quote(request) } else { out.join(" ") }
}
