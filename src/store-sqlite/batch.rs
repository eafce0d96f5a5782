//! The transaction of a group.
//!
//! A call of sqlx is two changes of thread, which cost more than what SQLite does for a message. The two
//! writes of every turn are therefore rows, not calls: all turns that end and all messages that come in
//! during the last commit are inserted by one text of several statements, from BEGIN to COMMIT, into two
//! views whose triggers do the work. SQLite compiles a text once per number of rows, so rows that do
//! nothing bring their number up to one of a few ([`SIZES`]).
//!
//! Within a group turns end before messages come in. None of their callers has heard anything yet, so
//! either order is true to them, and this one leaves a message no session that an earlier, erased turn
//! could still write to. Every other write keeps its place in the order.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Row, Sqlite};
use tokio::sync::oneshot;

use crate::accept::{self, Offer, Took};
use crate::fault::{Fault, Outcome};
use crate::finish::{self, Finish};

/// A text with its parameters.
pub(crate) type Question = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// Rows of a kind per text. The largest bounds a text.
const SIZES: [usize; 13] = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
const MOST: usize = 64;

/// Runs on the writer right after the commit.
pub(crate) type After<T> = Box<dyn FnOnce(&T) + Send>;

/// A write that waits for its group's commit.
pub(crate) struct Pending<W, T> {
    pub(crate) write: W,
    pub(crate) out: Option<T>,
    pub(crate) after: After<T>,
    pub(crate) reply: oneshot::Sender<Outcome<T>>,
}

impl<W, T> Pending<W, T> {
    pub(crate) fn commit(self) {
        if let Some(out) = self.out {
            (self.after)(&out);
            // A caller that went away does not undo a commit.
            let _ = self.reply.send(Ok(out));
        }
    }

    pub(crate) fn fail(self, fault: Fault) {
        let _ = self.reply.send(Err(fault));
    }
}

/// A write of a group.
pub(crate) enum Write {
    Accept(Pending<Offer, Took>),
    Finish(Box<Pending<Finish, ()>>),
    Other(Box<dyn crate::writer::Job>),
}

impl Write {
    fn is_row(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    pub(crate) fn commit(self) {
        match self {
            Self::Accept(pending) => pending.commit(),
            Self::Finish(pending) => pending.commit(),
            Self::Other(job) => job.commit(),
        }
    }

    pub(crate) fn fail(self, fault: Fault) {
        match self {
            Self::Accept(pending) => pending.fail(fault),
            Self::Finish(pending) => pending.fail(fault),
            Self::Other(job) => job.fail(fault),
        }
    }
}

/// The texts made so far.
#[derive(Default)]
pub(crate) struct Texts(HashMap<(usize, usize, bool), Arc<str>>);

impl Texts {
    /// The text for so many rows; `alone` makes it a transaction.
    fn get(&mut self, finishes: usize, accepts: usize, alone: bool) -> Arc<str> {
        let text = || text(finishes, accepts, alone).into();
        Arc::clone(self.0.entry((finishes, accepts, alone)).or_insert_with(text))
    }
}

fn text(finishes: usize, accepts: usize, alone: bool) -> String {
    let rows = |view: &str, rows: usize, columns: usize| {
        let row = format!("({})", vec!["?"; columns].join(","));
        format!("INSERT INTO {view} VALUES {};\n", vec![row; rows].join(","))
    };
    let mut text = String::new();
    if alone {
        text.push_str("BEGIN IMMEDIATE;\n");
    }
    if finishes > 0 {
        text.push_str(&rows("finishing", finishes, finish::COLUMNS));
    }
    if accepts > 0 {
        text.push_str("DELETE FROM accepted;\n");
        text.push_str(&rows("accepting", accepts, accept::COLUMNS));
        text.push_str(accept::RESULTS);
        text.push_str(";\nPRAGMA data_version;\n");
    }
    if alone {
        text.push_str("COMMIT");
    }
    text
}

/// Runs the group as one transaction. Returns the version of the data that others have written to, if it
/// was asked. After an error the transaction may still be open.
pub(crate) async fn transaction(
    conn: &mut SqliteConnection,
    texts: &mut Texts,
    group: &mut [Write],
) -> Outcome<Option<i64>> {
    if group.len() <= MOST && group.iter().all(Write::is_row) {
        return rows(conn, texts, group, true).await;
    }
    let mut version = None;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    for run in group.chunk_by_mut(|one, next| one.is_row() && next.is_row()) {
        if let [Write::Other(job)] = run {
            job.run(conn).await?;
            continue;
        }
        for run in run.chunks_mut(MOST) {
            version = rows(conn, texts, run, false).await?.or(version);
        }
    }
    sqlx::query("COMMIT").execute(conn).await?;
    Ok(version)
}

/// Runs at most [`MOST`] rows by one text.
async fn rows(
    conn: &mut SqliteConnection,
    texts: &mut Texts,
    group: &mut [Write],
    alone: bool,
) -> Outcome<Option<i64>> {
    let finishes = group.iter().filter(|write| matches!(write, Write::Finish(_))).count();
    let accepts = group.len() - finishes;
    let (finishing, accepting) = (size(finishes), size(accepts));
    let mut question = sqlx::query(AssertSqlSafe(texts.get(finishing, accepting, alone)));
    for write in &*group {
        if let Write::Finish(pending) = write {
            question = pending.write.bind(question);
        }
    }
    question = fill(question, (finishing - finishes) * finish::COLUMNS);
    for write in &*group {
        if let Write::Accept(pending) = write {
            question = pending.write.bind(question);
        }
    }
    question = fill(question, (accepting - accepts) * accept::COLUMNS);
    let answers = question.fetch_all(conn).await?;
    let mut took = answers.first().map(accept::results).transpose()?.unwrap_or_default().into_iter();
    for write in group {
        match write {
            Write::Accept(pending) => {
                pending.out = Some(took.next().ok_or_else(|| Fault::corrupt("a message's place"))?);
            }
            Write::Finish(pending) => pending.out = Some(()),
            Write::Other(_) => {}
        }
    }
    Ok(answers.get(1).map(|row| row.try_get(0)).transpose()?)
}

/// Writes one turn within a transaction.
pub(crate) async fn finish(conn: &mut SqliteConnection, turn: &Finish) -> Outcome<()> {
    turn.bind(sqlx::query(AssertSqlSafe(text(1, 0, false)))).execute(conn).await?;
    Ok(())
}

fn size(rows: usize) -> usize {
    SIZES.into_iter().find(|size| *size >= rows).unwrap_or(rows)
}

fn fill(mut question: Question, values: usize) -> Question {
    for _ in 0..values {
        question = question.bind(None::<i64>);
    }
    question
}
