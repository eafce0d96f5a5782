//! `eval`: routing, retrieval and answers against labelled files.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{CommandError, Outcome};
use crate::cli::{Eval, EvalOptions, LlmChoice};
use crate::compose;
use crate::config::Config;
use crate::output;

mod answers;

pub(crate) async fn run(config: &Config, what: Eval, json: bool) -> Outcome {
    match what {
        Eval::Routing { file, options } => routing(config, &file, &options, json),
        Eval::Retrieval { docs, queries, qrels, options } => {
            retrieval(config, [&docs, &queries, &qrels], &options, json).await
        }
        Eval::Answers { file, options } => answers::run(config, &file, &options, json).await,
    }
}

fn routing(config: &Config, file: &Path, options: &EvalOptions, json: bool) -> Outcome {
    let text = read(file)?;
    let minds = compose::minds(config)?;
    let report = dovvybuddy_agents::eval_routing(&text, &minds.guard, &minds.router)
        .map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?;
    write_rows(options, &report.rows)?;
    if json {
        output::json(&report);
    } else {
        print_document(&report);
    }
    Ok(ExitCode::SUCCESS)
}

async fn retrieval(config: &Config, [docs, queries, qrels]: [&Path; 3], options: &EvalOptions, json: bool) -> Outcome {
    let how = compose::knowledge_config(config, false);
    let (bars, stop) = (super::content::Bars::default(), CancellationToken::new());
    let report = dovvybuddy_knowledge::eval_retrieval(docs, queries, qrels, how, &bars, &stop).await?;
    write_rows(options, &report.rows)?;
    if json {
        output::json(&report);
    } else {
        output::line(report.table());
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(file).map_err(|error| CommandError::file(file, error))
}

/// One JSON line per case, if a file for them was named.
fn write_rows(options: &EvalOptions, rows: &[impl Serialize]) -> Result<(), CommandError> {
    let Some(path) = &options.rows else { return Ok(()) };
    let failed = |error| CommandError::file(path, error);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    for row in rows {
        let line = serde_json::to_string(row).map_err(|error| CommandError::Failed(error.to_string()))?;
        writeln!(file, "{line}").map_err(failed)?;
    }
    file.flush().map_err(failed)
}

/// A JSON document as a table of dotted keys and values.
fn print_document(report: &impl Serialize) {
    fn walk(path: &str, value: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, value, rows);
                }
            }
            serde_json::Value::Number(number) => {
                let text = number
                    .as_f64()
                    .filter(|_| !number.is_u64())
                    .map_or_else(|| number.to_string(), |n| format!("{n:.4}"));
                rows.push(vec![path.to_owned(), text]);
            }
            other => rows.push(vec![path.to_owned(), other.as_str().map_or_else(|| other.to_string(), str::to_owned)]),
        }
    }
    let mut rows = Vec::new();
    if let Ok(value) = serde_json::to_value(report) {
        walk("", &value, &mut rows);
    }
    output::table(&rows);
}

/// Whether configured models take part.
fn with_models(options: &EvalOptions) -> bool {
    options.llm == LlmChoice::Configured
}
