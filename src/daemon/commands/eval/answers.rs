//! `eval answers`: whole turns, each in a session of its own, held against patterns.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};

use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::{ChannelId, Clock as _, SessionId, SystemClock};
use dovvybuddy_knowledge::Mode;
use dovvybuddy_llm::Features;
use dovvybuddy_terminal::{AskError, CHANNEL, Screen, Terminal};
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use super::{EvalOptions, read, with_models, write_rows};
use crate::commands::{CommandError, Outcome, bot, content};
use crate::compose::{self, House, Use};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::output;

#[derive(Deserialize)]
struct Case {
    id: String,
    /// What the diver says before it, in the same session.
    #[serde(default)]
    before: Vec<String>,
    question: String,
    #[serde(default)]
    must: Vec<Vec<String>>,
    #[serde(default)]
    must_not: Vec<String>,
    #[serde(default)]
    category: Option<String>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    question: String,
    answer: String,
    cited: bool,
    passed: bool,
}

/// The category of the questions that the content does not answer.
const OUTSIDE: &str = "outside";

/// What was seen of a question, and whether it should be answered and can be.
#[derive(Serialize)]
struct Seen {
    outside: bool,
    passed: bool,
    features: Features,
}

#[derive(Default, Serialize)]
struct Report {
    n: usize,
    passed: usize,
    pass_rate: f64,
    cited_rate: f64,
    by_category: BTreeMap<String, Share>,
}

#[derive(Default, Serialize)]
struct Share {
    n: usize,
    passed: usize,
    pass_rate: f64,
}

pub(super) async fn run(
    config: &Config,
    file: &Path,
    features: Option<&Path>,
    options: &EvalOptions,
    json: bool,
) -> Outcome {
    let cases = parse(file)?;
    let lifecycle = Lifecycle::default();
    let asker: Arc<dyn ChannelAdapter> = Arc::new(terminal(config, SessionId(SystemClock.uuid()), true));
    let channels = std::collections::HashMap::from([(ChannelId::new(CHANNEL), asker)]);
    // Limits are for divers; a measurement asks as fast as it can.
    let config = &config.clone().without_limits();
    let recorded = features.is_some();
    let models = with_models(options) && !recorded;
    let how = Use { migrate: true, models, scratch: true, record: recorded, ..Use::default() };
    let house = compose::house(config, how, channels, &lifecycle).await?;
    content::bring_up_to_date(&house.knowledge, Mode::Changed).await?;
    house.dispatch(&lifecycle);

    let bar = output::bar("asking", cases.len() as u64);
    let mut rows = Vec::with_capacity(cases.len());
    let mut report = Report::default();
    let mut seen = Vec::new();
    for (case, patterns) in cases {
        let row = ask(config, &house, &case, &patterns).await?;
        let recorded = take(&house);
        let outside = case.category.as_deref() == Some(OUTSIDE);
        seen.extend(recorded.into_iter().next_back().map(|features| Seen { outside, passed: row.passed, features }));
        report.count(case.category.as_deref().unwrap_or("all"), &row);
        rows.push(row);
        bar.inc(1);
    }
    bar.finish_and_clear();
    lifecycle.stopping.cancel();
    report.rate();
    write_rows(options, &rows)?;
    if let Some(file) = features {
        super::write_lines(file, &seen)?;
    }
    if json {
        output::json(&report);
    } else {
        super::print_document(&report);
    }
    Ok(ExitCode::SUCCESS)
}

struct Patterns {
    must: Vec<Vec<regex::Regex>>,
    must_not: Vec<regex::Regex>,
}

fn parse(file: &Path) -> Result<Vec<(Case, Patterns)>, CommandError> {
    let text = read(file)?;
    let at = |line: usize, error: String| CommandError::Failed(format!("{}:{}: {error}", file.display(), line + 1));
    let mut cases = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = serde_json::from_str(line).map_err(|error| at(number, error.to_string()))?;
        let compile = |pattern: &String| RegexBuilder::new(pattern).case_insensitive(true).build();
        let must = case.must.iter().map(|group| group.iter().map(compile).collect()).collect::<Result<_, _>>();
        let must_not = case.must_not.iter().map(compile).collect::<Result<_, _>>();
        let patterns = Patterns {
            must: must.map_err(|error| at(number, error.to_string()))?,
            must_not: must_not.map_err(|error| at(number, error.to_string()))?,
        };
        cases.push((case, patterns));
    }
    Ok(cases)
}

fn terminal(config: &Config, session: SessionId, fresh: bool) -> Terminal<tokio::io::Empty> {
    let screen = Screen::new(Box::new(std::io::sink()), false);
    Terminal::new(bot(config), session, fresh, None, tokio::io::empty(), screen)
}

/// What was recorded since it was taken last.
fn take(house: &House) -> Vec<Features> {
    std::mem::take(&mut *house.recorder.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn ask(config: &Config, house: &House, case: &Case, patterns: &Patterns) -> Result<Row, CommandError> {
    let session = SessionId(SystemClock.uuid());
    let failed = |error: AskError| CommandError::Failed(format!("{}: {error}", case.id));
    let mut fresh = true;
    for said in &case.before {
        terminal(config, session, fresh).ask(&house.spine.intake, said, false).await.map_err(failed)?;
        fresh = false;
    }
    // What was said before it is recorded as well.
    take(house);
    let asked = terminal(config, session, fresh).ask(&house.spine.intake, &case.question, false).await;
    let answered = asked.map_err(failed)?;
    let answer = answered.reply.text.clone();
    let passed = patterns.must.iter().all(|group| group.iter().any(|pattern| pattern.is_match(&answer)))
        && !patterns.must_not.iter().any(|pattern| pattern.is_match(&answer));
    let cited = !answered.reply.citations.is_empty();
    Ok(Row { id: case.id.clone(), question: case.question.clone(), cited, answer, passed })
}

impl Report {
    fn count(&mut self, category: &str, row: &Row) {
        self.n += 1;
        self.passed += usize::from(row.passed);
        self.cited_rate += f64::from(u8::from(row.cited));
        let share = self.by_category.entry(category.to_owned()).or_default();
        share.n += 1;
        share.passed += usize::from(row.passed);
    }

    fn rate(&mut self) {
        self.pass_rate = ratio(self.passed, self.n);
        self.cited_rate /= divisor(self.n);
        for share in self.by_category.values_mut() {
            share.pass_rate = ratio(share.passed, share.n);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn divisor(n: usize) -> f64 {
    n.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn ratio(part: usize, n: usize) -> f64 {
    part as f64 / divisor(n)
}
