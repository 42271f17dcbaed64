//! Those who watch topics: how they learn that there is something to take, and how they take it.
//!
//! Owns a client's list of what it can take, and the times at which shards have something to do. Must not know connections or
//! what is in a message. Start with `Presence::watch` and `Presence::tell`.
//!
//! Nothing is sent from here: a watcher's outbox is nudged, and when its socket takes bytes its connection pulls. So a slow one
//! costs nothing but its place in each topic; what it makes the broker keep is bounded (see [`crate::presence::events`]).
//!
//! Lock order: a shard of topics, then a watcher's list, then its outbox.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::{Presence, SHARDS};
use crate::config::Config;
use crate::outbox::Outbox;
use crate::presence::Topics;
use crate::presence::events::{self, PIECE_BYTES, Place, Settings, Taker, Tally};
use crate::pubsub::reserved::TOPICS;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::time::Now;

/// Nothing is due.
const NEVER: u64 = u64::MAX;
/// Members and watchers that one turn looks at: a fraction of a millisecond, during which a shard is locked.
const BUDGET: usize = 1024;

/// A client that watches topics.
pub struct Watcher {
    outbox: Arc<Outbox>,
    ready: Mutex<Ready>,
    /// Bytes of diffs that are kept for it, of all topics.
    owed: AtomicU64,
}

/// What a client can take.
#[derive(Default)]
struct Ready {
    places: BTreeSet<Place>,
    /// Behind this place it goes on, so that each topic has its turn.
    last: Option<Place>,
}

impl Watcher {
    /// One that watches nothing yet.
    pub(super) fn new(outbox: &Arc<Outbox>) -> Self {
        Watcher { outbox: Arc::clone(outbox), ready: Mutex::default(), owed: AtomicU64::new(0) }
    }

    /// The next place where there is something to take, which is not on the list any more.
    fn next(&self) -> Option<Place> {
        let mut ready = self.ready.lock();
        let Ready { places, last } = &mut *ready;
        let behind = last.and_then(|last| places.range((Excluded(last), Unbounded)).next().copied());
        let next = behind.or(places.first().copied());
        next.iter().for_each(|next| _ = places.remove(next));
        *last = next;
        next
    }
}

impl events::Watcher for Watcher {
    fn id(&self) -> u64 {
        self.outbox.id()
    }

    fn ready(&self, place: Place) -> Option<Waker> {
        self.ready.lock().places.insert(place);
        self.outbox.nudge()
    }

    fn owe(&self, bytes: u64) -> u64 {
        self.owed.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn settle(&self, bytes: u64) {
        self.owed.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What the shards are to do, and when.
pub(super) struct Watching {
    /// For each shard, in milliseconds of the monotonic clock. Changed only while it is locked.
    due: [AtomicU64; SHARDS],
    interval_ms: AtomicU64,
    backlog_bytes: AtomicU64,
    /// Whether the shards know that somebody listens to all topics, by a pattern.
    is_listened: AtomicBool,
    listening: Mutex<()>,
}

impl Watching {
    pub(super) fn new(config: &Config) -> Self {
        let watching = Watching {
            due: std::array::from_fn(|_| AtomicU64::new(NEVER)),
            interval_ms: AtomicU64::new(0),
            backlog_bytes: AtomicU64::new(0),
            is_listened: AtomicBool::new(false),
            listening: Mutex::default(),
        };
        watching.configure(config);
        watching
    }

    /// Follows a configuration that has changed.
    pub(super) fn configure(&self, config: &Config) {
        self.interval_ms.store(config.presence_event_interval.as_millis() as u64, Ordering::Relaxed);
        self.backlog_bytes.store(config.presence_watcher_backlog as u64, Ordering::Relaxed);
    }

    fn settings(&self) -> Settings {
        Settings {
            interval_ms: self.interval_ms.load(Ordering::Relaxed),
            backlog_bytes: self.backlog_bytes.load(Ordering::Relaxed),
            piece_bytes: PIECE_BYTES,
        }
    }

    /// The shard that has something to do first, and when.
    fn first(&self) -> (u64, usize) {
        let due = self.due.iter().map(|due| due.load(Ordering::Relaxed)).zip(0..);
        due.min().unwrap_or((NEVER, 0))
    }
}

/// What a turn has to say to those who listen to all topics, and what it came to.
#[derive(Default)]
pub(super) struct Told {
    /// Diffs, with their topics.
    pub(super) diffs: Vec<(Arc<str>, Bytes)>,
    /// What has happened.
    pub(super) tally: Tally,
    /// When there is something to do next; 0 for now.
    pub(super) next_ms: u64,
}

impl Presence {
    /// Works on a shard of topics, and takes note of when it has something to do by itself.
    pub(super) fn with_topics<T>(&self, shard: usize, work: impl FnOnce(&mut Topics) -> T) -> T {
        let mut topics = self.topics[shard].lock();
        let done = work(&mut topics);
        let due = topics.due().unwrap_or(NEVER);
        let noted = &self.watching.due[shard];
        let before = noted.load(Ordering::Relaxed);
        if due != before {
            noted.store(due, Ordering::Relaxed);
        }
        if due < before {
            self.note_work();
        }
        done
    }

    /// A client watches a topic: its state comes first, then what changes. Watching it already changes nothing.
    pub(super) fn watch(&self, watcher: &Arc<Watcher>, topic: &str) {
        let (shard, settings) = (super::shard_of(self.keys, topic), self.watching.settings());
        let watcher: Arc<dyn events::Watcher> = watcher.clone();
        let wake = self.with_topics(shard, |topics| topics.watch(shard as u16, topic, watcher, settings));
        wake.into_iter().for_each(Waker::wake);
    }

    /// A client does not watch a topic any more. When this returns it takes nothing of it.
    pub(super) fn unwatch(&self, watcher: &Arc<Watcher>, topic: &str) {
        let shard = super::shard_of(self.keys, topic);
        let id = events::Watcher::id(&**watcher);
        let place = self.with_topics(shard, |topics| topics.unwatch(shard as u16, topic, id));
        place.into_iter().for_each(|place| _ = watcher.ready.lock().places.remove(&place));
    }

    /// Gives a client about so many bytes of what it can take: `sink` gets channels, and payloads with their line ends. Returns
    /// whether there is more.
    pub(super) fn pull(
        &self,
        watcher: &Watcher,
        bytes_most: usize,
        tally: &mut Tally,
        sink: &mut dyn FnMut(&[u8], &Bytes),
    ) -> bool {
        let id = events::Watcher::id(watcher);
        let mut channel = Vec::new();
        let mut sink = |topic: &str, payload: &Bytes| {
            channel.clear();
            channel.extend_from_slice(TOPICS);
            channel.extend_from_slice(topic.as_bytes());
            sink(&channel, payload);
        };
        let mut taker = Taker { room: bytes_most, sink: &mut sink, tally };
        while taker.room > 0 {
            let Some(place) = watcher.next() else { return false };
            let more = self.with_topics(place.shard as usize, |topics| topics.take(place, id, &mut taker));
            if more {
                watcher.ready.lock().places.insert(place);
            }
        }
        !watcher.ready.lock().places.is_empty()
    }

    /// Takes note of whether somebody listens to all topics. `listens` says so at the time when it is asked.
    pub(in crate::broker) fn note_listeners(&self, listens: impl Fn() -> bool) {
        let Watching { is_listened, listening, .. } = &self.watching;
        if listens() == is_listened.load(Ordering::Acquire) {
            return;
        }
        let _one_at_a_time = listening.lock();
        let listens = listens();
        (0..SHARDS).for_each(|shard| self.with_topics(shard, |topics| topics.listen(listens)));
        is_listened.store(listens, Ordering::Release);
    }

    /// Does a part of what is due. `ready` gets who must be woken.
    pub(super) fn tell(&self, now: Now, ready: &mut VecDeque<Waker>) -> Told {
        let now_ms = now.monotonic_ms();
        let mut told = Told::default();
        let mut budget = BUDGET;
        loop {
            let (due, shard) = self.watching.first();
            if due > now_ms || budget == 0 {
                told.next_ms = if due > now_ms { due } else { 0 };
                return told;
            }
            let mut turn = events::Turn {
                now_ms,
                settings: self.watching.settings(),
                budget,
                wakes: ready,
                is_listened: false,
                diffs: &mut told.diffs,
                tally: &mut told.tally,
            };
            self.with_topics(shard, |topics| topics.turn(shard as u16, &mut turn));
            budget = turn.budget;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::events::Watcher as _;

    #[test]
    fn each_topic_has_its_turn_however_much_there_is_of_another() {
        let watcher = Watcher::new(&Arc::new(Outbox::new(1)));
        let place = |topic| Place { shard: 0, topic, watch: 0 };
        for topic in [1, 2, 3] {
            let _ = watcher.ready(place(topic));
        }
        let mut turns = Vec::new();
        for _ in 0..7 {
            let next = watcher.next().unwrap();
            turns.push(next.topic);
            let _ = watcher.ready(next);
        }
        assert_eq!(turns, [1, 2, 3, 1, 2, 3, 1]);
    }
}
