//! `migrate --from … --to …`: an embedded installation moves to Postgres, verified row by row.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use dovvybuddy_store_postgres::{TakeOver, is_postgres};
use dovvybuddy_store_sqlite::{HandOver, TABLES};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{CommandError, Outcome};
use crate::compose;
use crate::config::Config;
use crate::output;

type Row = Map<String, Value>;

/// How many rows a table has, and a sum over all of them that does not depend on their order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    rows: u64,
    sum: u128,
}

pub(crate) async fn run(config: &Config, from: &str, to: Option<&str>, json: bool) -> Outcome {
    let mut config = config.clone();
    if let Some(to) = to {
        config.database.url = Some(to.to_owned());
    }
    if !config.on_postgres() {
        let expected = "--to expects postgres://USER:PASSWORD@HOST/DATABASE; without it DATABASE_URL says where to";
        return Err(CommandError::Failed(expected.to_owned()));
    }
    if is_postgres(from) || from.contains(":memory:") {
        return Err(CommandError::Failed("--from expects the embedded database, sqlite:PATH".to_owned()));
    }
    let path = from.trim_start_matches("sqlite:").trim_start_matches("//");
    let mut source = HandOver::open(&PathBuf::from(path)).await?;
    let store = compose::postgres(&config, false, true).await?;
    let mut target = store.take_over().await?;
    let bar = output::bar("Moving the database", TABLES.len() as u64);
    let mut moved = BTreeMap::new();
    for table in TABLES {
        let there = copy(&mut source, &mut target, table).await?;
        let here = stored(&mut target, table, &there.1).await?;
        if there.0 != here {
            let why =
                format!("{table} did not arrive as it was ({} rows of {}); nothing was moved", here.rows, there.0.rows);
            return Err(CommandError::Failed(why));
        }
        moved.insert(table, here.rows);
        bar.inc(1);
    }
    target.finish().await?;
    bar.finish_and_clear();
    let rows: u64 = moved.values().sum();
    let sentence =
        format!("{rows} rows of {} tables were moved and compared. Set DATABASE_URL and start.", moved.len());
    output::told(json, &json!({ "moved": moved }), &sentence);
    Ok(ExitCode::SUCCESS)
}

/// Copies a table. Returns its tally and its columns.
async fn copy(
    source: &mut HandOver,
    target: &mut TakeOver,
    table: &'static str,
) -> Result<(Tally, Vec<String>), CommandError> {
    let (mut tally, mut columns) = (Tally::default(), Vec::new());
    loop {
        let mut rows = source.rows(table, tally.rows).await?;
        if rows.is_empty() {
            return Ok((tally, columns));
        }
        for row in &mut rows {
            translate(table, row);
        }
        columns = rows.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
        target.put(table, &rows).await?;
        tally.add(&rows, &columns);
    }
}

async fn stored(target: &mut TakeOver, table: &'static str, columns: &[String]) -> Result<Tally, CommandError> {
    let mut tally = Tally::default();
    loop {
        let rows = target.rows(table, tally.rows).await?;
        if rows.is_empty() {
            return Ok(tally);
        }
        tally.add(&rows, columns);
    }
}

/// What differs between the two schemas.
fn translate(table: &str, row: &mut Row) {
    match table {
        "divers" => {
            let account = row.remove("user").unwrap_or_default();
            row.insert("account".to_owned(), account);
        }
        "inbox" => {
            row.remove("offer");
            // A burst that was settling has settled by now.
            let received = row.get("received_at").cloned().unwrap_or_default();
            row.insert("ready_at".to_owned(), received);
        }
        _ => {}
    }
    for value in row.values_mut() {
        // The one character that Postgres can't hold.
        if let Value::String(text) = value
            && text.contains('\0')
        {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
}

impl Tally {
    fn add(&mut self, rows: &[Row], columns: &[String]) {
        for row in rows {
            let plain: BTreeMap<&str, Value> =
                columns.iter().map(|name| (name.as_str(), plain(name, row.get(name)))).collect();
            let digest = Sha256::digest(serde_json::to_vec(&plain).unwrap_or_default());
            let (first, _) = digest.as_slice().split_at(16);
            self.sum = self.sum.wrapping_add(first.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)));
            self.rows += 1;
        }
    }
}

/// A value in the form that both databases can be brought to.
fn plain(name: &str, value: Option<&Value>) -> Value {
    match value {
        Some(Value::Bool(yes)) => i64::from(*yes).into(),
        Some(Value::String(text)) if name == "vector" => {
            plain(name, Some(&serde_json::from_str(text).unwrap_or_default()))
        }
        Some(Value::Array(values)) if name == "vector" => {
            #[expect(clippy::cast_possible_truncation, reason = "they were stored as such")]
            let bits = |value: &Value| value.as_f64().map(|value| (value as f32).to_bits());
            values.iter().map(|value| json!(bits(value))).collect()
        }
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Row {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_tally_knows_no_order_and_sees_every_change() {
        let columns = ["id", "on", "vector"].map(str::to_owned);
        let tally = |rows: &[Row]| {
            let mut tally = Tally::default();
            tally.add(rows, &columns);
            tally
        };
        let there = [row(json!({ "id": 1, "on": 1, "vector": [0.1_f32, 2.0] })), row(json!({ "id": 2, "on": 0 }))];
        let here = [row(json!({ "id": 2, "on": false })), row(json!({ "id": 1, "on": true, "vector": "[0.1,2]" }))];
        assert_eq!(tally(&there), tally(&here));
        let changed = [there[0].clone(), row(json!({ "id": 3, "on": 0 }))];
        assert_ne!(tally(&there), tally(&changed));
        assert_ne!(tally(&there), tally(&there[..1]));
    }
}
