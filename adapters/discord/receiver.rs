//! From events to the intake: in order within a channel, held on to until the store has them.
//!
//! Discord forgets an event once it is on the socket, so what could not be stored is kept here and tried
//! until it is. The number of events held is bounded; when it is reached the socket is no longer read,
//! Discord notices, and a RESUME brings what came meanwhile. What a crash takes from here is fetched over
//! REST after the restart, see [`crate::backfill`].

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backfill::Due;
use crate::desk::Desk;
use crate::events::MessageEvent;
use crate::inbound::{Place, Translator};
use crate::sessions::Pending;
use crate::way::Way;

/// The most events that wait to be stored.
const MOST_HELD: usize = 2_048;
/// A store that takes longer than this has failed.
const STORE_PATIENCE: Duration = Duration::from_secs(15);
/// How long a live message waits for the ones that were missed before it.
const CATCH_UP_PATIENCE: Duration = Duration::from_millis(700);
/// The longest pause between two tries to store an event.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Takes events in for one bot.
pub(crate) struct Receiver {
    pub(crate) desk: Arc<Desk>,
    pub(crate) intake: Intake,
    /// The waiting events of each channel that is being worked on.
    lanes: Mutex<HashMap<String, VecDeque<Held>>>,
    /// Fired when an event joins a lane that is stuck.
    joined: Notify,
    room: Arc<Semaphore>,
    pub(crate) due: Due,
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

/// What waits in a lane.
enum Held {
    /// With its place, held until it is stored.
    Event(Box<Inbound>, OwnedSemaphorePermit, Pending),
    /// A message in a channel of which nobody said yet what kind of place it is.
    Unplaced(Box<MessageEvent>, OwnedSemaphorePermit, Pending),
    /// What was missed is to be fetched; with its place until that is done.
    Fetch(OwnedSemaphorePermit),
}

/// What became of a try to store.
enum Try {
    Done,
    Again,
}

impl Receiver {
    pub(crate) fn new(desk: Arc<Desk>, intake: Intake, stop: CancellationToken) -> Self {
        Self {
            desk,
            intake,
            lanes: Mutex::default(),
            joined: Notify::new(),
            room: Arc::new(Semaphore::new(MOST_HELD)),
            due: Due::default(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// The place of a live message; `None` where Discord must be asked.
    fn place(&self, message: &MessageEvent) -> Option<Place> {
        let Some(_) = &message.guild_id else { return Some(Place::Direct) };
        let known = self.desk.known_place(&message.channel_id);
        known.or_else(|| self.desk.knows_places.load(Ordering::Relaxed).then_some(Place::Guild))
    }

    /// Translates a message that is for us.
    pub(crate) fn translate(&self, message: &MessageEvent, place: Place) -> Option<Inbound> {
        let me = self.desk.me.get()?;
        let clock = &**self.intake.clock();
        Translator { bot: &self.desk.bot, me, clock, settle: self.desk.settle }.message(message, place)
    }

    /// Takes a live message. Waits only when too much is held already.
    pub(crate) async fn take(self: &Arc<Self>, message: MessageEvent, pending: Pending) {
        let event = match self.place(&message) {
            Some(place) => match self.translate(&message, place) {
                Some(event) => Some(event),
                None => return pending.done(),
            },
            None => None,
        };
        let Some(permit) = self.room().await else { return };
        let channel = message.channel_id.clone();
        match event {
            Some(event) => self.join(&channel, Held::Event(Box::new(event), permit, pending)),
            None => self.join(&channel, Held::Unplaced(Box::new(message), permit, pending)),
        }
    }

    /// A place among what is held.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    /// Has what was missed in a channel fetched, in its turn.
    pub(crate) fn fetch_soon(self: &Arc<Self>, channel: &str, permit: OwnedSemaphorePermit) {
        self.join(channel, Held::Fetch(permit));
    }

    fn join(self: &Arc<Self>, channel: &str, held: Held) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(channel) {
            lane.push_back(held);
            drop(lanes);
            self.joined.notify_waiters();
            return;
        }
        lanes.insert(channel.to_owned(), VecDeque::new());
        drop(lanes);
        let (receiver, channel, stop) = (Arc::clone(self), channel.to_owned(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = receiver.serve(&channel, held) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Works a lane until it is empty.
    async fn serve(&self, channel: &str, first: Held) {
        let mut next = Some(first);
        while let Some(held) = next {
            match held {
                Held::Fetch(_permit) => self.catch_up(channel).await,
                Held::Event(event, _permit, pending) => {
                    self.store_in_turn(channel, &event).await;
                    pending.done();
                }
                Held::Unplaced(message, _permit, pending) => {
                    let place = self.desk.place_in_guild(channel).await;
                    if let Some(event) = self.translate(&message, place) {
                        self.store_in_turn(channel, &event).await;
                    }
                    pending.done();
                }
            }
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            next = lanes.get_mut(channel).and_then(VecDeque::pop_front);
            if next.is_none() {
                lanes.remove(channel);
            }
        }
    }

    /// Stores a live event after what was missed before it.
    async fn store_in_turn(&self, channel: &str, event: &Inbound) {
        if self.due.is_due(channel) && timeout(CATCH_UP_PATIENCE, self.catch_up(channel)).await.is_err() {
            tracing::warn!("what was missed in a channel is fetched after what came since");
        }
        self.store(channel, event).await;
    }

    /// Offers an event until it is stored. While it can't be, those behind it are offered once each: an
    /// emergency among them is answered although nothing can be stored.
    pub(crate) async fn store(&self, channel: &str, event: &Inbound) {
        let mut pause = Duration::from_millis(250);
        let mut heard = 0;
        loop {
            let joined = self.joined.notified();
            if matches!(self.offer(event).await, Try::Done) {
                return;
            }
            while let Some(waiting) = self.waiting(channel, heard) {
                heard += 1;
                let _ = self.offer(&waiting).await;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = joined => {}
            }
        }
    }

    /// The event at a place of a lane.
    fn waiting(&self, channel: &str, place: usize) -> Option<Inbound> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = lanes.get(channel)?.iter().filter_map(|held| match held {
            Held::Event(event, ..) => Some(event),
            Held::Fetch(_) | Held::Unplaced(..) => None,
        });
        events.nth(place).map(|event| Inbound::clone(event))
    }

    async fn offer(&self, event: &Inbound) -> Try {
        match timeout(STORE_PATIENCE, self.intake.accept(event.clone())).await {
            Ok(Ok(admitted)) => {
                if matches!(admitted, Admitted::Queued { .. }) {
                    self.show_typing(event);
                }
                Try::Done
            }
            Ok(Err(Refusal::Limited { .. } | Refusal::Conflict)) => Try::Done,
            Ok(Err(Refusal::Overloaded | Refusal::Unavailable(_))) | Err(_) => Try::Again,
        }
    }

    /// The first sign: a burst settles before its turn begins.
    fn show_typing(&self, event: &Inbound) {
        let way = Way::read(&event.context, &event.conversation);
        let desk = Arc::clone(&self.desk);
        self.tasks.spawn(async move { desk.show_typing(&way).await });
    }
}
