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
    Accept(Box<Pending<Offer, Took>>),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dovvybuddy_core::channel::{Content, Inbound, Sender};
    use dovvybuddy_core::store::{Accepted, Inbox as _, StoreError};
    use dovvybuddy_core::testkit::clock::{ManualClock, START, numbered};
    use dovvybuddy_core::{BotId, ChannelId, ConversationKey, DiverKey, SessionId, TurnId};
    use futures::future::join_all;
    use sqlx::sqlite::SqliteConnection;

    use crate::{OpenOptions, SqliteStore};

    async fn store(dir: &tempfile::TempDir) -> SqliteStore {
        let options = OpenOptions {
            url_or_path: dir.path().join("x.db").display().to_string(),
            dispatch: true,
            max_waiting: 1000,
            migrate: true,
            clock: Arc::new(ManualClock::default()),
        };
        SqliteStore::open(options).await.unwrap()
    }

    async fn accept(store: &SqliteStore, number: u64) -> Result<Accepted, StoreError> {
        let (bot, channel, account) = (BotId::default(), ChannelId::new("web"), String::new());
        let conversation = ConversationKey {
            bot: bot.clone(),
            channel: channel.clone(),
            account: account.clone(),
            conversation: number.to_string(),
        };
        let event = Inbound {
            turn: TurnId(numbered(number)),
            conversation,
            sender: Sender {
                key: DiverKey { bot, channel, account, user: number.to_string() },
                name: None,
                locale: None,
                contact: None,
            },
            event_id: number.to_string(),
            fingerprint: None,
            content: Content::Text("x".into()),
            opens_conversation: false,
            received_at: START,
            ready_at: START,
            profile: None,
            state: None,
            context: serde_json::Value::Null,
        };
        store.accept(&event, SessionId(numbered(number)), None).await
    }

    fn new(number: u64) -> Accepted {
        Accepted::New { session: SessionId(numbered(number)), allowance: None }
    }

    async fn run(store: &SqliteStore, sql: &'static str) {
        let run = async move |conn: &mut SqliteConnection| {
            sqlx::query(sql).execute(conn).await?;
            Ok(())
        };
        store.writer().write(run).await.unwrap();
    }

    /// More rows than a text holds, cut by another write: everyone hears of their own row.
    #[tokio::test]
    async fn a_large_group_is_cut_and_answered_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let other = "INSERT INTO meta (name, value) VALUES ('test', 1)";
        let (first, (), second) = tokio::join!(
            join_all((0..150).map(|number| accept(&store, number))),
            run(&store, other),
            join_all((150..200).map(|number| accept(&store, number))),
        );
        for (number, accepted) in first.into_iter().chain(second).enumerate() {
            assert_eq!(accepted.unwrap(), new(number as u64));
        }
        let mut claimed = 0;
        while store.claim(START, START).await.unwrap().is_some() {
            claimed += 1;
        }
        assert_eq!(claimed, 200);
    }

    #[tokio::test]
    async fn a_row_that_can_not_be_written_spares_the_others_of_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON inbox WHEN NEW.event LIKE '%\"event_id\":\"17\"%'
            BEGIN SELECT raise(ABORT, 'refused'); END";
        run(&store, refuse).await;
        let accepted = join_all((0..40).map(|number| accept(&store, number))).await;
        for (number, accepted) in accepted.into_iter().enumerate() {
            match accepted {
                Ok(accepted) => assert_eq!(accepted, new(number as u64)),
                Err(_) => assert_eq!(number, 17),
            }
        }
        assert!(matches!(accept(&store, 17).await, Err(StoreError::Unavailable(_))));
        run(&store, "DROP TRIGGER refuse").await;
        assert_eq!(accept(&store, 17).await.unwrap(), new(17));
        assert!(matches!(accept(&store, 16).await.unwrap(), Accepted::Duplicate { .. }));
    }
}
