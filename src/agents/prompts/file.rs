//! One prompt file: front matter and template.

use std::path::Path;

use dovvybuddy_core::agent::AgentSpec;
use dovvybuddy_core::{AgentId, Lang};
use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is wrong with a prompt file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct PromptError {
    file: String,
    line: usize,
    message: String,
}

impl PromptError {
    pub(super) fn new(file: &str, line: usize, message: String) -> Self {
        Self { file: file.to_owned(), line, message }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    id: String,
    purpose: String,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    doc_types: Vec<String>,
    #[serde(default = "default_temperature")]
    temperature: f32,
    /// Names of tools the agent may use; none is needed to answer from passages.
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    follow_ups: Map<String, Value>,
    #[serde(default)]
    next_questions: Map<String, Value>,
}

/// The longest question of a diver's that is wholly seen on a button of a telephone, in characters.
const LONGEST_NEXT: usize = 40;

const fn default_temperature() -> f32 {
    0.3
}

/// The template's name inside its environment.
const BODY: &str = "body";

/// A prompt file that was read and checked.
#[derive(Debug)]
pub(super) struct PromptFile {
    front: FrontMatter,
    environment: Environment<'static>,
}

impl PromptFile {
    /// Reads and checks a file; errors name the line.
    pub(super) fn parse(name: &str, source: &str) -> Result<Self, PromptError> {
        let source = source.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let fail = |line: usize, message: String| PromptError::new(name, line, message);
        let rest = source
            .strip_prefix("---\n")
            .ok_or_else(|| fail(1, "the file must begin with front matter between lines of ---".to_owned()))?;
        let (front, body) = rest
            .split_once("\n---\n")
            .ok_or_else(|| fail(1, "the front matter has no closing line of ---".to_owned()))?;
        let body_line = front.lines().count() + 3;
        let front: FrontMatter = serde_saphyr::from_str(front).map_err(|error| {
            let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(0) + 1);
            fail(line, error.to_string().lines().next().unwrap_or_default().to_owned())
        })?;
        check(&front).map_err(|message| fail(2, message))?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .add_template_owned(BODY, body.trim().to_owned())
            .map_err(|error| fail(body_line + error.line().unwrap_or(1) - 1, error.to_string()))?;
        let file = Self { front, environment };
        file.render(super::render::sample())
            .map_err(|error| fail(body_line + error.line().unwrap_or(1) - 1, error.to_string()))?;
        Ok(file)
    }

    /// The template with `context` filled in.
    pub(super) fn render(&self, context: minijinja::Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(BODY)?.render(context)
    }

    /// Questions this agent is meant for.
    pub(super) fn examples(&self) -> &[String] {
        &self.front.examples
    }

    /// The agent as the rest of the program sees it.
    pub(super) fn spec(&self) -> AgentSpec {
        AgentSpec {
            id: AgentId::new(&self.front.id),
            purpose: self.front.purpose.clone(),
            doc_types: self.front.doc_types.clone(),
            temperature: self.front.temperature,
            follow_ups: self.front.follow_ups.clone(),
            next_questions: self.front.next_questions.clone(),
        }
    }
}

fn check(front: &FrontMatter) -> Result<(), String> {
    let id_fits = !front.id.is_empty()
        && front.id.len() <= 40
        && front.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !id_fits {
        return Err(format!("id: {:?} must be 1 to 40 of a-z 0-9 - _", front.id));
    }
    if front.id == "emergency" || front.id == "out_of_scope" {
        return Err(format!("id: {:?} is the name of a guard", front.id));
    }
    if front.purpose.trim().is_empty() {
        return Err("purpose: a sentence is needed".to_owned());
    }
    if !(0.0..=2.0).contains(&front.temperature) {
        return Err(format!("temperature: {} must lie between 0 and 2", front.temperature));
    }
    if let Some(tool) = front.tools.iter().find(|tool| tool.trim().is_empty()) {
        return Err(format!("tools: {tool:?} is no name"));
    }
    questions("follow_ups", &front.follow_ups, usize::MAX)?;
    questions("next_questions", &front.next_questions, LONGEST_NEXT)
}

/// Lists of questions by language code, none longer than `most` characters.
fn questions(key: &str, by_language: &Map<String, Value>, most: usize) -> Result<(), String> {
    for (code, questions) in by_language {
        if Lang::from_locale(code).is_none() {
            return Err(format!("{key}: {code:?} is none of the eleven language codes"));
        }
        let texts: Option<Vec<&str>> = questions.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let Some(texts) = texts else { return Err(format!("{key}: {code}: a list of questions is needed")) };
        if let Some(long) = texts.iter().find(|text| text.chars().count() > most) {
            return Err(format!("{key}: {code}: {long:?} has more than {most} characters"));
        }
    }
    Ok(())
}

/// The `*.md` files of a directory in the order of their names; hidden ones and a README are left out.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<(String, String)>, PromptError> {
    let fail = |error: std::io::Error| PromptError::new(&dir.display().to_string(), 1, error.to_string());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let markdown = path.extension().is_some_and(|extension| extension == "md");
        if markdown && path.is_file() && !name.starts_with('.') && !name.eq_ignore_ascii_case("readme.md") {
            let text = std::fs::read_to_string(&path).map_err(|error| PromptError::new(name, 1, error.to_string()))?;
            files.push((name.to_owned(), text));
        }
    }
    files.sort();
    Ok(files)
}
