//! `eval`: routing, retrieval and answers against labelled files.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use dovvybuddy_agents::{Case, Row};
use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::session::{Message, Session};
use dovvybuddy_core::{BotId, ChannelId, Clock as _, ConversationKey, DiverKey, SessionId, SystemClock};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CommandError, Outcome};
use crate::cli::{Eval, EvalOptions, LlmChoice};
use crate::compose;
use crate::config::Config;
use crate::output;
use crate::second_opinion::SecondOpinion;

mod answers;

/// A model is cut off long before, by its own budget.
const LONGEST_LOOK: Duration = Duration::from_mins(1);

pub(crate) async fn run(config: &Config, what: Eval, json: bool) -> Outcome {
    match what {
        Eval::Routing { file, options } => routing(config, &file, &options, json).await,
        Eval::Retrieval { docs, queries, qrels, options } => {
            retrieval(config, [&docs, &queries, &qrels], &options, json).await
        }
        Eval::Answers { file, features, options } => {
            answers::run(config, &file, features.as_deref(), &options, json).await
        }
    }
}

async fn routing(config: &Config, file: &Path, options: &EvalOptions, json: bool) -> Outcome {
    let text = read(file)?;
    let minds = compose::minds(config)?;
    let cases = dovvybuddy_agents::read_cases(&text)
        .map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?;
    let mut rows = dovvybuddy_agents::predict_all(&cases, &minds.guard, &minds.router);
    if with_models(options)
        && let Some(opinion) = compose::routing_opinion(config, &minds).await?
    {
        for (case, row) in cases.iter().zip(&mut rows) {
            second_look(&opinion, case, row).await;
        }
    }
    let report = dovvybuddy_agents::report(&cases, rows);
    write_rows(options, &with_inputs(&text, &report.rows))?;
    if json {
        output::json(&report);
    } else {
        print_document(&report);
    }
    Ok(ExitCode::SUCCESS)
}

/// Each case as it was given, with what was made of it: as `predicted` and beside.
fn with_inputs(text: &str, rows: &[Row]) -> Vec<Value> {
    let inputs = text.lines().filter(|line| !line.trim().is_empty());
    let inputs = inputs.map(|line| serde_json::from_str(line).unwrap_or_default());
    let both = |(mut input, row): (Value, &Row)| {
        if let (Some(input), Ok(Value::Object(mut row))) = (input.as_object_mut(), serde_json::to_value(row)) {
            // What should be given along, and what was, would have one name.
            let given = row.remove("also").map(|also| ("predicted_also".to_owned(), also));
            input.extend(row.into_iter().chain(given));
        }
        input
    };
    inputs.zip(rows).map(both).collect()
}

/// What the model makes of a case that was not clear.
async fn second_look(opinion: &SecondOpinion, case: &Case, row: &mut Row) {
    let began = Instant::now();
    let (now, id) = (SystemClock.now(), SessionId(SystemClock.uuid()));
    let conversation = ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("eval"),
        account: String::new(),
        conversation: id.to_string(),
    };
    let diver = DiverKey {
        bot: BotId::default(),
        channel: ChannelId::new("eval"),
        account: String::new(),
        user: id.to_string(),
    };
    let said =
        |turn: &dovvybuddy_agents::Turn| Message { role: turn.role, content: turn.content.clone(), created_at: now };
    let history = case.history.iter().map(said).collect();
    let session = Session { history, ..Session::open(id, conversation, now) };
    let (text, typed) = (case.text.clone(), case.text.clone());
    let asked = Asked { text, typed, session, diver, locale: None, now, deadline: began + LONGEST_LOOK };
    if let Some(label) = opinion.label(&asked, &row.predicted, row.margin).await {
        row.predicted = label;
    }
    row.ms += began.elapsed().as_secs_f64() * 1000.0;
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
    options.rows.as_deref().map_or(Ok(()), |path| write_lines(path, rows))
}

fn write_lines(path: &Path, rows: &[impl Serialize]) -> Result<(), CommandError> {
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
