//! Long polls: the offset that confirms follows what is stored, never what was merely received.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::ChannelError;
use dovvybuddy_core::supervise::Progress;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::Value;
use teloxide::payloads::DeleteWebhook;
use teloxide::requests::Payload;
use teloxide::types::AllowedUpdate;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::api::CallError;
use crate::take::ComeAgain;
use crate::{Seat, Telegram, ended};

/// How long the platform holds a poll, in seconds; shorter than the time without a sign of life that
/// counts as standing still.
const HOLD: u32 = 25;
/// What a held poll may take beyond that.
const GRACE: Duration = Duration::from_secs(10);
/// The most updates of a poll, and with that the most that are on their way at once.
const BATCH: u8 = 100;
/// How long updates are waited for before the platform is asked for more. Storing one takes a few
/// milliseconds; a store that hangs must not keep an emergency behind it waiting.
const PROMPT: Duration = Duration::from_millis(250);
/// Pauses when something is wrong with the platform.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A poll that is to be held, and is answered sooner than this with nothing new, was not held: the next one waits.
const NOT_HELD: Duration = Duration::from_millis(200);
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Updates are kept for a day. After longer silence their numbers may begin anew, lower too.
const NUMBERS_LAST: Duration = Duration::from_hours(24);
/// How long what is under way may take to end when the daemon stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The kinds of updates we read.
pub(crate) const KINDS: [AllowedUpdate; 4] =
    [AllowedUpdate::Message, AllowedUpdate::EditedMessage, AllowedUpdate::CallbackQuery, AllowedUpdate::MyChatMember];

/// Teloxide's own has numbers of 32 bits.
#[derive(Debug, Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: u8,
    timeout: u32,
    allowed_updates: [AllowedUpdate; 4],
}

impl Payload for GetUpdates {
    type Output = Vec<Value>;

    const NAME: &'static str = "GetUpdates";
}

/// An update on its way to the store.
struct Flight {
    id: i64,
    update: Value,
    started: CancellationToken,
    landed: CancellationToken,
    /// It could not be stored.
    failed: CancellationToken,
}

/// What became of each update the platform still holds.
#[derive(Debug, Default)]
struct Book {
    fates: BTreeMap<i64, Fate>,
    /// Where the platform was last asked to begin, and when an update came last.
    began: Option<i64>,
    heard: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Stored,
    Failed,
}

impl Book {
    /// The first update that is not stored, or the one after the last; `None` where nothing is known:
    /// the platform then begins with the oldest it was never told to forget.
    fn offset(&self, now: Instant) -> Option<i64> {
        let unstored = self.fates.iter().find(|(_, fate)| **fate != Fate::Stored).map(|(id, _)| *id);
        let next = unstored.or_else(|| self.fates.keys().next_back().map(|last| last.saturating_add(1)));
        let valid = self.heard.is_some_and(|at| now.duration_since(at) < NUMBERS_LAST);
        next.or_else(|| self.began.filter(|_| valid))
    }

    /// A poll with this offset was answered: what lies before it is forgotten there.
    fn confirmed(&mut self, offset: Option<i64>) {
        if let Some(offset) = offset {
            self.fates = self.fates.split_off(&offset);
            self.began = Some(offset);
        }
    }

    fn all_stored(&self) -> bool {
        self.fates.values().all(|fate| *fate == Fate::Stored)
    }

    /// Whether an update must be sent on its way.
    fn launch(&mut self, id: i64, now: Instant) -> bool {
        let fresh = matches!(self.fates.get(&id), None | Some(Fate::Failed));
        if fresh {
            self.fates.insert(id, Fate::UnderWay);
            self.heard = Some(now);
        }
        fresh
    }

    fn landed(&mut self, id: i64, result: Result<(), ComeAgain>) {
        let fate = if result.is_ok() { Fate::Stored } else { Fate::Failed };
        self.fates.entry(id).and_modify(|known| *known = fate);
    }
}

impl Telegram {
    /// Asks for updates until `stop`.
    pub(crate) async fn poll(
        &self,
        seat: &Seat,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<(), ChannelError> {
        let mut book = Book::default();
        let mut flights = FuturesUnordered::new();
        let mut pause = FIRST_PAUSE;
        let mut rest = Duration::ZERO;
        let ended = loop {
            let (asked, held) = (Instant::now(), book.all_stored());
            let offset = book.offset(asked);
            let polled = {
                let mut poll = pin!(self.updates(offset, if held { HOLD } else { 0 }));
                loop {
                    tokio::select! {
                        polled = poll.as_mut() => break Some(polled),
                        Some((id, result)) = flights.next(), if !flights.is_empty() => book.landed(id, result),
                        () = stop.cancelled() => break None,
                    }
                }
            };
            let Some(polled) = polled else { break Ok(()) };
            match polled {
                Ok(updates) => {
                    progress.tick(seat.intake.clock().now());
                    pause = FIRST_PAUSE;
                    book.confirmed(offset);
                    let launches = launches(updates, &mut book);
                    let was_held = !held || !launches.is_empty() || asked.elapsed() >= NOT_HELD;
                    rest = if was_held { Duration::ZERO } else { (rest * 2).clamp(FIRST_REST, LONGEST_REST) };
                    for (flight, before) in launches {
                        flights.push(self.fly(flight, before, seat));
                    }
                    tokio::select! {
                        () = tokio::time::sleep(rest), if !rest.is_zero() => {}
                        () = stop.cancelled(), if !rest.is_zero() => {}
                        else => {}
                    }
                }
                Err(error) => {
                    let wait = match self.trouble(error, pause).await {
                        Ok(wait) => wait,
                        Err(end) => break Err(end),
                    };
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
            let deadline = Instant::now() + PROMPT;
            while let Ok(Some((id, result))) = timeout_at(deadline, flights.next()).await {
                book.landed(id, result);
            }
            if !book.all_stored() {
                // What failed at once is not asked for again at once.
                tokio::time::sleep_until(deadline).await;
            }
        };
        let _ = timeout(LAST_WORDS, flights.map(drop).collect::<()>()).await;
        ended
    }

    /// What to do about a poll that failed: how long to wait, or the end of this run.
    async fn trouble(&self, error: CallError, pause: Duration) -> Result<Duration, ChannelError> {
        match error {
            CallError::Unauthorized => Err(ChannelError::Unauthorized),
            CallError::Throttled(wait) => Ok(wait),
            CallError::Conflict(why) if why.contains("webhook") => {
                // Without dropping what waits.
                self.api.call(&DeleteWebhook::new()).await.map_err(ended)?;
                Ok(Duration::ZERO)
            }
            CallError::Conflict(why) => {
                tracing::error!(why, "another process polls with our Telegram token; one of them must stop");
                Ok(pause)
            }
            error => {
                tracing::warn!(error = %error, "Telegram gave no updates");
                Ok(pause)
            }
        }
    }

    async fn updates(&self, offset: Option<i64>, hold: u32) -> Result<Vec<Value>, CallError> {
        let poll = GetUpdates { offset, limit: BATCH, timeout: hold, allowed_updates: KINDS };
        let patience = Duration::from_secs(u64::from(hold)) + GRACE;
        match self.api.call_within(&poll, patience).await? {
            Value::Array(updates) => Ok(updates),
            _ => Err(CallError::Refused("getUpdates gave no list".to_owned())),
        }
    }

    /// Takes one update in, after the one before it in its chat. That one is waited for only a moment:
    /// this one may be an emergency, which is answered even if nothing can be stored. One that failed
    /// gets another chance first, so that order is kept when the store comes back in between.
    async fn fly(&self, flight: Arc<Flight>, before: Option<Arc<Flight>>, seat: &Seat) -> (i64, Result<(), ComeAgain>) {
        let _landed = flight.landed.clone().drop_guard();
        if let Some(before) = before {
            before.started.cancelled().await;
            let _ = timeout(PROMPT, before.landed.cancelled()).await;
            if before.failed.is_cancelled() {
                let _ = self.take(&before.update, seat).await;
            }
        }
        flight.started.cancel();
        let result = self.take(&flight.update, seat).await;
        if result.is_err() {
            flight.failed.cancel();
        }
        (flight.id, result)
    }
}

/// The updates that are new or failed, each with the one before it in its chat.
fn launches(updates: Vec<Value>, book: &mut Book) -> Vec<(Arc<Flight>, Option<Arc<Flight>>)> {
    let mut newest: HashMap<i64, Arc<Flight>> = HashMap::new();
    let mut launches = Vec::new();
    let now = Instant::now();
    for update in updates {
        let Some(id) = update["update_id"].as_i64() else { continue };
        if !book.launch(id, now) {
            continue;
        }
        let chat = chat_of(&update);
        let token = CancellationToken::new;
        let flight = Arc::new(Flight { id, update, started: token(), landed: token(), failed: token() });
        let before = newest.insert(chat, Arc::clone(&flight));
        launches.push((flight, before));
    }
    launches
}

/// The chat an update belongs to; 0 where it belongs to none.
fn chat_of(update: &Value) -> i64 {
    let kinds = ["message", "edited_message", "my_chat_member"].into_iter().map(|kind| &update[kind]["chat"]["id"]);
    let pressed = &update["callback_query"]["message"]["chat"]["id"];
    let whose = &update["callback_query"]["from"]["id"];
    kinds.chain([pressed, whose]).find_map(Value::as_i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stored_is_confirmed() {
        let (mut book, now) = (Book::default(), Instant::now());
        assert_eq!(book.offset(now), None);
        for id in [11, 12, 13] {
            assert!(book.launch(id, now));
        }
        book.landed(11, Ok(()));
        book.landed(13, Ok(()));
        assert_eq!(book.offset(now), Some(12), "12 is still under way");
        book.landed(12, Err(ComeAgain));
        assert_eq!(book.offset(now), Some(12));
        book.confirmed(Some(12));
        assert!(!book.launch(13, now), "13 is stored already");
        assert!(book.launch(12, now), "12 gets another chance");
        book.landed(12, Ok(()));
        assert_eq!((book.offset(now), book.all_stored()), (Some(14), true));
        book.confirmed(Some(14));
        assert_eq!(book.offset(now), Some(14), "it is known where to go on");
        assert_eq!(book.offset(now + NUMBERS_LAST), None, "ids may begin anew at any number");
        assert!(book.launch(5, now));
        book.landed(5, Ok(()));
        assert_eq!(book.offset(now), Some(6));
    }

    #[test]
    fn numbers_may_have_64_bits() {
        let (mut book, now) = (Book::default(), Instant::now());
        for (id, next) in [(i64::from(i32::MAX), 1 << 31), (3_000_000_000, 3_000_000_001), (i64::MAX, i64::MAX)] {
            assert!(book.launch(id, now));
            book.landed(id, Ok(()));
            assert_eq!(book.offset(now), Some(next));
            book.confirmed(Some(next));
        }
        assert!(!book.launch(i64::MAX, now), "what can't be confirmed is not taken again");
        let poll = GetUpdates { offset: Some(1 << 40), limit: BATCH, timeout: HOLD, allowed_updates: KINDS };
        let written = serde_json::to_value(poll).unwrap();
        assert_eq!(written["offset"], 1_u64 << 40);
        assert_eq!(written["allowed_updates"][0], "message");
    }
}
