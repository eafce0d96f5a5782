//! What the operator's systems are told of, and how far.

use async_trait::async_trait;
use dovvybuddy_core::news::{About, Chronicle, Marks, News, Rating, TurnReport, Untold};
use dovvybuddy_core::store::{Notice, StoreError};
use dovvybuddy_core::{BotId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::alerts::emergency;
use crate::ask::{BUDGET, Repeat, Step, transaction};
use crate::fault::Outcome;
use crate::store::PostgresStore;
use crate::{leads, rows};

/// The marks, `NULL` before the first look, and whether there is anything behind them.
const MARKS: &str = "
SELECT (SELECT number FROM told WHERE kind = 'turn'), (SELECT number FROM told WHERE kind = 'lead'),
       (SELECT number FROM told WHERE kind = 'rating'),
       EXISTS (SELECT 1 FROM news n JOIN told t USING (kind) WHERE n.number IS NULL OR n.number > t.number)";

/// In the columns that [`emergency`] reads, and more.
const TURNS: &str = "
SELECT t.conversation, t.diver, t.reply, t.finished_at,
       (SELECT content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user'
        LIMIT 1),
       n.number, t.id, t.session, t.outcome
FROM news n JOIN turns t ON t.id = n.subject WHERE n.kind = 'turn' AND n.number > $1 ORDER BY n.number LIMIT $2";

/// In the columns that [`leads::lead`] reads, and its number.
const LEADS: &str = "
SELECT l.id, l.bot, l.kind, l.data, l.session, l.profile, l.created_at, n.number
FROM news n JOIN leads l ON l.id = n.subject WHERE n.kind = 'lead' AND n.number > $1 ORDER BY n.number LIMIT $2";

const RATINGS: &str = "
SELECT n.number, t.id, t.conversation, f.up, f.comment, f.at
FROM news n JOIN feedback f ON f.turn = n.subject JOIN turns t ON t.id = n.subject
WHERE n.kind = 'rating' AND n.number > $1 ORDER BY n.number LIMIT $2";

/// Whoever is erasing what is told waits, and finds the notices.
const HOLD: [&str; 2] = [
    "SELECT 1 FROM turns WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE",
    "SELECT 1 FROM leads WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE",
];

const WRITE: &str = "
INSERT INTO outbox (lane, outlet, conversation, turn, lead, part, payload, context, state, next_at, created_at)
SELECT $1, $2, $1, $3, $4, 0, $5, 'null', 'pending', coalesce($7, dovvy_now()), $6
WHERE EXISTS (SELECT 1 FROM turns WHERE id = $3) OR EXISTS (SELECT 1 FROM leads WHERE id = $4)";

fn told(row: &PgRow) -> Outcome<Option<Marks>> {
    let mark = |column: usize| row.try_get::<Option<i64>, _>(column);
    Ok(match (mark(0)?, mark(1)?, mark(2)?) {
        (Some(turn), Some(lead), Some(rating)) => Some(Marks { turn, lead, rating }),
        _ => None,
    })
}

fn list(marks: Marks) -> [i64; 3] {
    [marks.turn, marks.lead, marks.rating]
}

/// The turn and the lead that a notice is about, one of them.
fn subject(about: &About) -> (Option<String>, Option<String>) {
    match about {
        About::Turn(turn) => (Some(turn.to_string()), None),
        About::Lead(lead) => (None, Some(lead.clone())),
    }
}

#[async_trait]
impl Chronicle for PostgresStore {
    async fn untold(&self, since: Timestamp, limit: usize) -> Result<Untold, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        if let Some(row) = self.row(|| sqlx::query(MARKS)).await?
            && let Some(marks) = told(&row)?
            && !row.try_get::<bool, _>(3).map_err(crate::fault::Fault::from)?
        {
            return Ok(Untold { from: marks, to: marks, news: Vec::new() });
        }
        Ok(transaction!(self, Repeat::Harmless, BUDGET, |conn| look(conn, since, limit))?)
    }

    async fn announce(
        &self,
        bot: &BotId,
        untold: &Untold,
        notices: &[(About, Notice)],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let next = self.at(at);
        // Carried out, but the answer lost: a second try finds the marks moved, and says so.
        let announced =
            transaction!(self, Repeat::Harmless, BUDGET, |conn| announce(conn, bot, untold, notices, at, next))?;
        self.inner.parts.ring();
        Ok(announced)
    }
}

async fn announce(
    conn: &mut PgConnection,
    bot: &BotId,
    untold: &Untold,
    notices: &[(About, Notice)],
    at: Timestamp,
    next: Option<i64>,
) -> Step<bool> {
    let (turns, leads): (Vec<_>, Vec<_>) = notices.iter().map(|(about, _)| subject(about)).unzip();
    for (hold, ids) in HOLD.into_iter().zip([turns, leads]) {
        let ids: Vec<String> = ids.into_iter().flatten().collect();
        sqlx::query(hold).bind(ids).execute(&mut *conn).await?;
    }
    let moved = sqlx::query("SELECT dovvy_told($1, $2)")
        .bind(list(untold.from).to_vec())
        .bind(list(untold.to).to_vec())
        .fetch_one(&mut *conn)
        .await?;
    if !moved.try_get::<bool, _>(0)? {
        return Ok(false);
    }
    for (about, notice) in notices {
        let (turn, lead) = subject(about);
        sqlx::query(WRITE)
            .bind(notice.lane(bot).encode())
            .bind(notice.outlet.as_str())
            .bind(turn)
            .bind(lead)
            .bind(serde_json::to_string(&notice.payload)?)
            .bind(at.as_millis())
            .bind(next)
            .execute(&mut *conn)
            .await?;
    }
    Ok(true)
}

/// Numbers what is new and reads it.
async fn look(conn: &mut PgConnection, since: Timestamp, limit: i64) -> Step<Untold> {
    sqlx::query("SELECT dovvy_look()").execute(&mut *conn).await?;
    let from = told(&sqlx::query(MARKS).fetch_one(&mut *conn).await?)?.unwrap_or_default();
    let mut untold = Untold { from, to: from, news: Vec::new() };
    for row in &sqlx::query(TURNS).bind(from.turn).bind(limit).fetch_all(&mut *conn).await? {
        untold.to.turn = row.try_get(5)?;
        turn_ended(row, since, &mut untold.news)?;
    }
    for row in &sqlx::query(LEADS).bind(from.lead).bind(limit).fetch_all(&mut *conn).await? {
        untold.to.lead = row.try_get(7)?;
        let lead = leads::lead(row)?;
        if lead.created_at >= since {
            untold.news.push(News::Lead(lead));
        }
    }
    for row in &sqlx::query(RATINGS).bind(from.rating).bind(limit).fetch_all(conn).await? {
        untold.to.rating = row.try_get(0)?;
        let rating = rating(row)?;
        if rating.at >= since {
            untold.news.push(News::Feedback(rating));
        }
    }
    Ok(untold)
}

fn turn_ended(row: &PgRow, since: Timestamp, news: &mut Vec<News>) -> Outcome<()> {
    let turn = rows::turn_id(row.try_get(6)?)?;
    let report = TurnReport {
        turn,
        conversation: rows::conversation(row.try_get(0)?)?,
        session: rows::session_id(row.try_get(7)?)?,
        reply: rows::json(row, 2)?,
        outcome: row.try_get(8)?,
        at: rows::moment(row, 3)?,
    };
    if report.at < since {
        return Ok(());
    }
    if report.outcome == "emergency" {
        news.push(News::Emergency(emergency(turn, row)?));
    }
    news.push(News::Turn(report));
    Ok(())
}

fn rating(row: &PgRow) -> Outcome<Rating> {
    Ok(Rating {
        turn: rows::turn_id(row.try_get(1)?)?,
        conversation: rows::conversation(row.try_get(2)?)?,
        up: row.try_get(3)?,
        comment: row.try_get(4)?,
        at: rows::moment(row, 5)?,
    })
}
