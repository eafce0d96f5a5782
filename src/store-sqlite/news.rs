//! What the operator's systems are told of, and how far.

use async_trait::async_trait;
use dovvybuddy_core::news::{About, Chronicle, Marks, News, Rating, TurnReport, Untold};
use dovvybuddy_core::store::{Notice, StoreError};
use dovvybuddy_core::{BotId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::alerts::emergency;
use crate::fault::Outcome;
use crate::store::SqliteStore;
use crate::{leads, rows};

/// The marks, `NULL` before the first look, and where they would stand now.
const MARKS: &str = "
SELECT (SELECT value FROM meta WHERE name = 'told_turn'), (SELECT value FROM meta WHERE name = 'told_lead'),
       (SELECT value FROM meta WHERE name = 'told_rating'),
       (SELECT coalesce(max(number), 0) FROM turns), (SELECT coalesce(max(number), 0) FROM leads),
       (SELECT coalesce(max(number), 0) FROM ratings)";

const MOVE: &str = "
INSERT INTO meta (name, value) VALUES ('told_turn', $1), ('told_lead', $2), ('told_rating', $3)
ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// In the columns that [`emergency`] reads, and more.
const TURNS: &str = "
SELECT t.conversation, t.diver, t.reply, t.finished_at,
       (SELECT content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user'),
       t.number, t.id, t.session, t.outcome
FROM turns t WHERE t.number > $1 ORDER BY t.number LIMIT $2";

/// Of a rating that was changed the last one counts.
const RATINGS: &str = "
SELECT r.number, r.turn, t.conversation, f.up, f.comment, f.at
FROM ratings r JOIN feedback f ON f.turn = r.turn JOIN turns t ON t.id = r.turn
WHERE r.number > $1 AND r.number = (SELECT max(number) FROM ratings l WHERE l.turn = r.turn)
ORDER BY r.number LIMIT $2";

fn told(row: &SqliteRow) -> Outcome<Option<Marks>> {
    let mark = |column: usize| row.try_get::<Option<i64>, _>(column);
    Ok(match (mark(0)?, mark(1)?, mark(2)?) {
        (Some(turn), Some(lead), Some(rating)) => Some(Marks { turn, lead, rating }),
        _ => None,
    })
}

fn newest(row: &SqliteRow) -> Outcome<Marks> {
    Ok(Marks { turn: row.try_get(3)?, lead: row.try_get(4)?, rating: row.try_get(5)? })
}

#[async_trait]
impl Chronicle for SqliteStore {
    async fn untold(&self, since: Timestamp, limit: usize) -> Result<Untold, StoreError> {
        Ok(self.read_untold(since, limit).await?)
    }

    async fn announce(
        &self,
        bot: &BotId,
        untold: &Untold,
        notices: &[(About, Notice)],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (bot, from, to, notices) = (bot.clone(), untold.from, untold.to, notices.to_vec());
        let wake = self.outbox_wake().clone();
        let write = async move |conn: &mut SqliteConnection| {
            let row = sqlx::query(MARKS).fetch_one(&mut *conn).await?;
            let newest = newest(&row)?;
            // Told by somebody else meanwhile, or the newest of it was erased.
            let moved = told(&row)?.is_some_and(|marks| marks != from);
            if moved || to.turn > newest.turn || to.lead > newest.lead {
                return Ok(false);
            }
            for (about, notice) in &notices {
                write_notice(conn, &bot, about, notice, at).await?;
            }
            sqlx::query(MOVE).bind(to.turn).bind(to.lead).bind(to.rating).execute(conn).await?;
            Ok(true)
        };
        Ok(self.writer().write_then(write, move |_: &bool| wake.notify_waiters()).await?)
    }
}

async fn write_notice(
    conn: &mut SqliteConnection,
    bot: &BotId,
    about: &About,
    notice: &Notice,
    at: Timestamp,
) -> Outcome<()> {
    let (turn, lead) = match about {
        About::Turn(turn) => (Some(turn.to_string()), None),
        About::Lead(lead) => (None, Some(lead.clone())),
    };
    sqlx::query(
        "INSERT INTO outbox (lane, outlet, conversation, turn, lead, part, payload, context, state, next_at, created_at)
         SELECT $1, $2, $1, $3, $4, 0, $5, 'null', 'pending', $6, $6
         WHERE EXISTS (SELECT 1 FROM turns WHERE id = $3) OR EXISTS (SELECT 1 FROM leads WHERE id = $4)",
    )
    .bind(notice.lane(bot).encode())
    .bind(notice.outlet.as_str())
    .bind(turn)
    .bind(lead)
    .bind(serde_json::to_string(&notice.payload)?)
    .bind(at.as_millis())
    .execute(conn)
    .await?;
    Ok(())
}

impl SqliteStore {
    async fn read_untold(&self, since: Timestamp, limit: usize) -> Outcome<Untold> {
        let row = sqlx::query(MARKS).fetch_one(self.readers()).await?;
        let newest = newest(&row)?;
        let Some(from) = told(&row)? else {
            // The first look: from here on. The marks still have to be written once.
            let write = async move |conn: &mut SqliteConnection| {
                sqlx::query(MOVE).bind(newest.turn).bind(newest.lead).bind(newest.rating).execute(conn).await?;
                Ok(())
            };
            self.writer().write(write).await?;
            return Ok(Untold { from: newest, to: newest, news: Vec::new() });
        };
        let mut untold = Untold { from, to: from, news: Vec::new() };
        if newest == from {
            return Ok(untold);
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for row in &sqlx::query(TURNS).bind(from.turn).bind(limit).fetch_all(self.readers()).await? {
            untold.to.turn = row.try_get(5)?;
            let turn = rows::turn_id(row.try_get(6)?)?;
            let report = TurnReport {
                turn,
                conversation: rows::conversation(row.try_get(0)?)?,
                session: rows::session_id(row.try_get(7)?)?,
                reply: rows::json(row, 2)?,
                outcome: row.try_get(8)?,
                at: Timestamp::from_millis(row.try_get(3)?),
            };
            if report.at < since {
                continue;
            }
            if report.outcome == "emergency" {
                untold.news.push(News::Emergency(emergency(turn, row)?));
            }
            untold.news.push(News::Turn(report));
        }
        let sql = format!("SELECT {}, number FROM leads WHERE number > $1 ORDER BY number LIMIT $2", leads::COLUMNS);
        let found = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(from.lead).bind(limit).fetch_all(self.readers()).await?;
        for row in &found {
            untold.to.lead = row.try_get(7)?;
            let lead = leads::lead(row)?;
            if lead.created_at >= since {
                untold.news.push(News::Lead(lead));
            }
        }
        let mut last = from.rating;
        for row in &sqlx::query(RATINGS).bind(from.rating).bind(limit).fetch_all(self.readers()).await? {
            last = row.try_get(0)?;
            let rating = Rating {
                turn: rows::turn_id(row.try_get(1)?)?,
                conversation: rows::conversation(row.try_get(2)?)?,
                up: row.try_get(3)?,
                comment: row.try_get(4)?,
                at: Timestamp::from_millis(row.try_get(5)?),
            };
            if rating.at >= since {
                untold.news.push(News::Feedback(rating));
            }
        }
        untold.to.rating = last;
        Ok(untold)
    }
}
