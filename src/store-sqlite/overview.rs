//! What an operator looks at. Everything here reads; nothing waits for the writer.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::store::{
    ConversationFilter, ConversationSummary, Figure, LatencyFigure, OpenQuestion, Overview, Pause, Place, RatingRecord,
    StoreError, TurnRecord, Usage,
};
use dovvybuddy_core::{BotId, ConversationKey, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::fault::Outcome;
use crate::rows;
use crate::store::SqliteStore;

/// How many answers are measured at most, the newest; more would not change a percentile anybody sees.
const MEASURED: i64 = 50_000;

/// `$1` bot, `$2` and `$3` the place, `$4` a channel's prefix, `$5` an agent, `$6` to `$8` switches, `$9` now.
const CONVERSATIONS: &str = "
SELECT s.number, s.id, s.conversation, s.created_at, s.updated_at, s.emergency IS NOT NULL, p.since, p.until, p.by,
    coalesce((SELECT m.content FROM messages m WHERE m.conversation = s.conversation AND m.role = 'user'
              ORDER BY m.epoch DESC, m.id DESC LIMIT 1), ''),
    (SELECT u.agent FROM usage u WHERE u.conversation = s.conversation ORDER BY u.number DESC LIMIT 1),
    (SELECT count(*) FROM turns t WHERE t.conversation = s.conversation),
    (SELECT count(*) FROM usage u WHERE u.conversation = s.conversation AND u.outcome = 'not_covered'),
    (SELECT count(*) FROM inbox i WHERE i.conversation = s.conversation AND i.covered_by IS NULL)
FROM sessions s LEFT JOIN pauses p ON p.conversation = s.conversation AND p.until > $9
WHERE s.bot = $1 AND ($2 IS NULL OR (s.updated_at, s.number) < ($2, $3))
  AND ($4 IS NULL OR (s.conversation > $4 AND s.conversation < $4 || ':'))
  AND ($5 IS NULL OR EXISTS (SELECT 1 FROM usage u WHERE u.conversation = s.conversation AND u.agent = $5))
  AND (NOT $6 OR s.emergency IS NOT NULL)
  AND (NOT $7 OR p.until IS NOT NULL)
  AND (NOT $8 OR EXISTS (SELECT 1 FROM usage u WHERE u.conversation = s.conversation AND u.outcome = 'not_covered')
       OR EXISTS (SELECT 1 FROM pauses q JOIN turns t ON t.conversation = q.conversation
                  WHERE q.conversation = s.conversation AND t.outcome = 'with_person' AND t.number > q.answered))
ORDER BY s.updated_at DESC, s.number DESC LIMIT $10";

const TURNS: &str = "
SELECT t.number, t.id, t.attempt, t.outcome, t.reply, t.finished_at,
    (SELECT m.content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user'),
    f.up, f.comment,
    u.tokens, u.cost_micros, u.waited_ms, u.route_ms, u.search_ms, u.first_piece_ms, u.total_ms
FROM turns t
LEFT JOIN feedback f ON f.turn = t.id
LEFT JOIN usage u ON u.conversation = t.conversation AND u.turn = t.id
WHERE t.conversation = $1 AND ($2 IS NULL OR t.number < $2) ORDER BY t.number DESC LIMIT $3";

const RATINGS: &str = "
SELECT f.turn, t.session, t.conversation, f.up, f.comment, f.at, t.reply,
    (SELECT m.content FROM messages m WHERE m.conversation = t.conversation AND m.turn = t.id AND m.role = 'user')
FROM feedback f JOIN turns t ON t.id = f.turn
WHERE t.conversation > $1 AND t.conversation < $1 || ':' ORDER BY f.at DESC, t.number DESC LIMIT $2";

const OPEN_QUESTIONS: &str = "
SELECT t.session, m.content, m.created_at
FROM usage u
JOIN turns t ON t.id = u.turn
JOIN messages m ON m.conversation = u.conversation AND m.turn = u.turn AND m.role = 'user'
WHERE u.at >= $2 AND u.outcome = 'not_covered' AND u.conversation > $1 AND u.conversation < $1 || ':'
ORDER BY u.at DESC, u.number DESC LIMIT $3";

/// `$1` what the keys of a bot begin with, `$4` its length: then comes the channel with its length before it.
const FIGURES: &str = "
SELECT at / $3 * $3 AS step, substr(rest, instr(rest, ':') + 1, CAST(rest AS INTEGER)) AS channel, agent,
    count(*), sum(tokens), sum(cost_micros)
FROM (SELECT at, agent, tokens, cost_micros, substr(conversation, $4 + 1) AS rest FROM usage
      WHERE at >= $2 AND conversation > $1 AND conversation < $1 || ':')
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

const LATENCIES: &str = "
SELECT at / $3 * $3, first_piece_ms, total_ms FROM usage
WHERE at >= $2 AND outcome IN ('answered', 'not_covered') AND conversation > $1 AND conversation < $1 || ':'
ORDER BY number DESC LIMIT $4";

const MARK: &str = "
SELECT (SELECT coalesce(max(number), 0) FROM turns) || '.' ||
       (SELECT coalesce(max(seq), 0) FROM inbox) || '.' ||
       (SELECT coalesce(max(number), 0) FROM interventions) || '.' ||
       (SELECT coalesce(max(number), 0) FROM leads) || '.' ||
       (SELECT count(*) || '-' || coalesce(max(at), 0) FROM feedback) || '.' ||
       (SELECT count(*) FROM sessions) || '.' || (SELECT count(*) FROM pauses)";

#[async_trait]
impl Overview for SqliteStore {
    async fn conversations(
        &self,
        bot: &BotId,
        filter: &ConversationFilter,
        from: Option<Place>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConversationSummary>, StoreError> {
        Ok(self.read_conversations(bot, filter, from, now, limit).await?)
    }

    async fn turns_of(
        &self,
        conversation: &ConversationKey,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<TurnRecord>, StoreError> {
        Ok(self.read_turns_of(conversation, before, limit).await?)
    }

    async fn waiting_in(&self, conversation: &ConversationKey) -> Result<Vec<(String, Timestamp)>, StoreError> {
        Ok(self.read_waiting_in(conversation).await?)
    }

    async fn ratings(&self, bot: &BotId, limit: usize) -> Result<Vec<RatingRecord>, StoreError> {
        Ok(self.read_ratings(bot, limit).await?)
    }

    async fn open_questions(
        &self,
        bot: &BotId,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenQuestion>, StoreError> {
        Ok(self.read_open_questions(bot, since, limit).await?)
    }

    async fn figures(&self, bot: &BotId, since: Timestamp, step: Duration) -> Result<Vec<Figure>, StoreError> {
        Ok(self.read_figures(bot, since, step).await?)
    }

    async fn latencies(&self, bot: &BotId, since: Timestamp, step: Duration) -> Result<Vec<LatencyFigure>, StoreError> {
        Ok(self.read_latencies(bot, since, step).await?)
    }

    async fn mark(&self) -> Result<String, StoreError> {
        Ok(self.read_mark().await?)
    }
}

fn summary(row: &SqliteRow) -> Outcome<ConversationSummary> {
    let until: Option<i64> = row.try_get(7)?;
    let pause = match until {
        Some(until) => Some(Pause {
            since: Timestamp::from_millis(row.try_get(6)?),
            until: Timestamp::from_millis(until),
            by: row.try_get(8)?,
        }),
        None => None,
    };
    Ok(ConversationSummary {
        number: row.try_get(0)?,
        session: rows::session_id(row.try_get(1)?)?,
        conversation: rows::conversation(row.try_get(2)?)?,
        created_at: Timestamp::from_millis(row.try_get(3)?),
        updated_at: Timestamp::from_millis(row.try_get(4)?),
        emergency: row.try_get(5)?,
        pause,
        last_words: row.try_get(9)?,
        agent: row.try_get(10)?,
        turns: rows::count(row, 11)?,
        not_covered: rows::count(row, 12)?,
        waiting: rows::count(row, 13)?,
    })
}

fn turn(row: &SqliteRow) -> Outcome<TurnRecord> {
    let up: Option<bool> = row.try_get(7)?;
    let comment: Option<String> = row.try_get(8)?;
    let usage = match row.try_get::<Option<i64>, _>(9)? {
        Some(_) => Some(Usage {
            tokens: rows::small(row, 9)?,
            cost_micros: rows::count(row, 10)?,
            waited_ms: rows::count(row, 11)?,
            route_ms: rows::count(row, 12)?,
            search_ms: rows::count(row, 13)?,
            first_piece_ms: rows::count(row, 14)?,
            total_ms: rows::count(row, 15)?,
        }),
        None => None,
    };
    Ok(TurnRecord {
        number: row.try_get(0)?,
        id: rows::turn_id(row.try_get(1)?)?,
        attempt: rows::small(row, 2)?,
        outcome: row.try_get(3)?,
        reply: rows::json(row, 4)?,
        finished_at: Timestamp::from_millis(row.try_get(5)?),
        said: row.try_get(6)?,
        rating: up.map(|up| (up, comment)),
        usage,
    })
}

fn rating(row: &SqliteRow) -> Outcome<RatingRecord> {
    let reply: dovvybuddy_core::reply::Reply = rows::json(row, 6)?;
    Ok(RatingRecord {
        turn: rows::turn_id(row.try_get(0)?)?,
        session: rows::session_id(row.try_get(1)?)?,
        channel: rows::conversation(row.try_get(2)?)?.channel,
        up: row.try_get(3)?,
        comment: row.try_get(4)?,
        at: Timestamp::from_millis(row.try_get(5)?),
        reply: reply.text,
        said: row.try_get(7)?,
    })
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A step in milliseconds; the shortest is a minute.
fn step_millis(step: Duration) -> i64 {
    i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(60_000)
}

impl SqliteStore {
    async fn read_conversations(
        &self,
        bot: &BotId,
        filter: &ConversationFilter,
        from: Option<Place>,
        now: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<ConversationSummary>> {
        let found = sqlx::query(CONVERSATIONS)
            .bind(bot.as_str())
            .bind(from.map(|place| place.updated_at.as_millis()))
            .bind(from.map(|place| place.number))
            .bind(filter.channel.as_ref().map(|channel| ConversationKey::prefix(bot, channel)))
            .bind(&filter.agent)
            .bind(filter.emergency)
            .bind(filter.paused)
            .bind(filter.unanswered)
            .bind(now.as_millis())
            .bind(most(limit))
            .fetch_all(self.readers())
            .await?;
        found.iter().map(summary).collect()
    }

    async fn read_turns_of(
        &self,
        conversation: &ConversationKey,
        before: Option<i64>,
        limit: usize,
    ) -> Outcome<Vec<TurnRecord>> {
        let found = sqlx::query(TURNS)
            .bind(conversation.encode())
            .bind(before)
            .bind(most(limit))
            .fetch_all(self.readers())
            .await?;
        found.iter().map(turn).collect()
    }

    async fn read_waiting_in(&self, conversation: &ConversationKey) -> Outcome<Vec<(String, Timestamp)>> {
        let found = sqlx::query(
            "SELECT event, received_at FROM inbox
             WHERE conversation = $1 AND covered_by IS NULL AND event IS NOT NULL ORDER BY seq",
        )
        .bind(conversation.encode())
        .fetch_all(self.readers())
        .await?;
        let waiting = |row: &SqliteRow| {
            let event: Inbound = rows::json(row, 0)?;
            Ok((event.content.text().to_owned(), Timestamp::from_millis(row.try_get(1)?)))
        };
        found.iter().map(waiting).collect()
    }

    async fn read_ratings(&self, bot: &BotId, limit: usize) -> Outcome<Vec<RatingRecord>> {
        let found =
            sqlx::query(RATINGS).bind(ConversationKey::of_bot(bot)).bind(most(limit)).fetch_all(self.readers()).await?;
        found.iter().map(rating).collect()
    }

    async fn read_open_questions(&self, bot: &BotId, since: Timestamp, limit: usize) -> Outcome<Vec<OpenQuestion>> {
        let found = sqlx::query(OPEN_QUESTIONS)
            .bind(ConversationKey::of_bot(bot))
            .bind(since.as_millis())
            .bind(most(limit))
            .fetch_all(self.readers())
            .await?;
        let question = |row: &SqliteRow| {
            Ok(OpenQuestion {
                session: rows::session_id(row.try_get(0)?)?,
                text: row.try_get(1)?,
                at: Timestamp::from_millis(row.try_get(2)?),
            })
        };
        found.iter().map(question).collect()
    }

    async fn read_figures(&self, bot: &BotId, since: Timestamp, step: Duration) -> Outcome<Vec<Figure>> {
        let prefix = ConversationKey::of_bot(bot);
        let length = most(prefix.chars().count());
        let found = sqlx::query(FIGURES)
            .bind(prefix)
            .bind(since.as_millis())
            .bind(step_millis(step))
            .bind(length)
            .fetch_all(self.readers())
            .await?;
        let figure = |row: &SqliteRow| {
            Ok(Figure {
                at: Timestamp::from_millis(row.try_get(0)?),
                channel: row.try_get(1)?,
                agent: row.try_get(2)?,
                turns: rows::count(row, 3)?,
                tokens: rows::count(row, 4)?,
                cost_micros: rows::count(row, 5)?,
            })
        };
        found.iter().map(figure).collect()
    }

    async fn read_latencies(&self, bot: &BotId, since: Timestamp, step: Duration) -> Outcome<Vec<LatencyFigure>> {
        let found = sqlx::query(LATENCIES)
            .bind(ConversationKey::of_bot(bot))
            .bind(since.as_millis())
            .bind(step_millis(step))
            .bind(MEASURED)
            .fetch_all(self.readers())
            .await?;
        let answer = |row: &SqliteRow| Ok((row.try_get(0)?, rows::count(row, 1)?, rows::count(row, 2)?));
        Ok(LatencyFigure::of_steps(found.iter().map(answer).collect::<Outcome<Vec<_>>>()?))
    }

    async fn read_mark(&self) -> Outcome<String> {
        let row = sqlx::query(MARK).fetch_one(self.readers()).await?;
        Ok(row.try_get(0)?)
    }
}
