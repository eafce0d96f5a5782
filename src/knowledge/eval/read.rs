//! The files of a retrieval evaluation: one JSON object per line, and judgements in columns.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::KnowledgeError;

/// A document.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Doc {
    #[serde(alias = "_id")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: String,
    pub(super) text: String,
}

/// A query.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asked {
    #[serde(alias = "_id")]
    pub(super) id: String,
    pub(super) text: String,
}

pub(super) fn documents(file: &Path) -> Result<Vec<Doc>, KnowledgeError> {
    json_lines(file)
}

pub(super) fn queries(file: &Path) -> Result<Vec<Asked>, KnowledgeError> {
    json_lines(file)
}

/// Grades by query and document. A first line that is no judgement is a heading.
pub(super) fn judgements(file: &Path) -> Result<HashMap<String, HashMap<String, f64>>, KnowledgeError> {
    let mut all: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for (number, line) in lines(file)?.into_iter().enumerate() {
        let mut columns = line.split('\t').map(str::trim);
        let (query, document, grade) = (columns.next(), columns.next(), columns.next());
        match (query, document, grade.and_then(|grade| grade.parse().ok())) {
            (Some(query), Some(document), Some(grade)) => {
                all.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
            }
            _ if number == 0 || line.trim().is_empty() => {}
            _ => {
                let message = format!("line {}: expected query, document and grade, separated by tabs", number + 1);
                return Err(KnowledgeError::EvaluationFile { path: file.to_owned(), message });
            }
        }
    }
    Ok(all)
}

fn json_lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>, KnowledgeError> {
    let mut all = Vec::new();
    for (number, line) in lines(file)?.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parsed = serde_json::from_str(line).map_err(|error| KnowledgeError::EvaluationFile {
            path: file.to_owned(),
            message: format!("line {}: {error}", number + 1),
        })?;
        all.push(parsed);
    }
    Ok(all)
}

fn lines(file: &Path) -> Result<Vec<String>, KnowledgeError> {
    let broken =
        |error: std::io::Error| KnowledgeError::EvaluationFile { path: file.to_owned(), message: error.to_string() };
    BufReader::new(File::open(file).map_err(broken)?).lines().collect::<Result<_, _>>().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_line_is_allowed_and_a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qrels.tsv");
        std::fs::write(&file, "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t0\n").unwrap();
        assert!((judgements(&file).unwrap()["1"]["d1"] - 2.0).abs() < f64::EPSILON);
        std::fs::write(&file, "1\td1\t2\nbroken\n").unwrap();
        assert!(judgements(&file).unwrap_err().to_string().contains("line 2"));
    }
}
