//! Which topics of a shard somebody watches, and what is due for them.
//!
//! Owns the list of what is due, so that a turn looks at no topic that has nothing to tell. What a topic's watchers are told is
//! in `events/`.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::Topics;
use super::events::{Events, Place, Settings, Taker, Turn, Watcher};

/// What there is of a shard's watched topics beside themselves.
#[derive(Default)]
pub(super) struct Watched {
    /// When which topic has something to do.
    due: BTreeSet<(u64, u32)>,
    /// Somebody listens to all topics, by a pattern.
    is_listened: bool,
    /// Topics that have events for those only.
    unwatched: BTreeSet<u32>,
    /// Above all numbers of diffs that were used in topics whose events are gone.
    seq: u64,
}

impl Topics {
    /// Somebody watches a topic: it takes a state first, then what changes. Returns whom to wake.
    pub fn watch(
        &mut self,
        shard: u16,
        topic: &str,
        watcher: Arc<dyn Watcher>,
        settings: Settings,
    ) -> Option<Waker> {
        let slot = self.find(topic).unwrap_or_else(|| self.create(topic.into()));
        let (keys, seq) = (self.keys, self.watched.seq);
        self.watched.unwatched.remove(&slot);
        let topic = self.topic_mut(slot)?;
        let events = topic.events.get_or_insert_with(|| Box::new(Events::new(keys, seq)));
        if events.find(watcher.id()).is_some() {
            return None;
        }
        let (_, wake) = events.watch(watcher, settings, (shard, slot));
        self.schedule(slot, 0);
        wake
    }

    /// A watcher does not watch a topic any more. Returns where its watch was.
    pub fn unwatch(&mut self, shard: u16, topic: &str, watcher: u64) -> Option<Place> {
        let slot = self.find(topic)?;
        let events = self.topic_mut(slot)?.events.as_mut()?;
        let watch = events.unwatch(watcher)?;
        if events.is_unwatched() {
            self.watched.unwatched.insert(slot);
        }
        self.schedule(slot, 0);
        self.remove_if_unused(slot);
        Some(Place { shard, topic: slot, watch })
    }

    /// Gives a watcher what it has room for; `sink` gets the topic and a message with its line end. Returns whether there is more.
    pub fn take(&mut self, place: Place, watcher: u64, taker: &mut Taker<'_>) -> bool {
        let Some(topic) = self.topic_mut(place.topic) else { return false };
        let name = Arc::clone(topic.name());
        let more =
            topic.events.as_mut().is_some_and(|events| events.take(&name, place.watch, watcher, taker));
        self.schedule(place.topic, 0);
        more
    }

    /// Somebody listens to all topics by a pattern, or nobody does any more.
    pub fn listen(&mut self, is_listened: bool) {
        self.watched.is_listened = is_listened;
    }

    /// When [`Topics::turn`] has something to do; 0 for at once.
    pub fn due(&self) -> Option<u64> {
        if !self.watched.is_listened && !self.watched.unwatched.is_empty() {
            return Some(0);
        }
        self.watched.due.first().map(|(due, _)| *due)
    }

    /// Does a part of what is due.
    pub fn turn(&mut self, shard: u16, turn: &mut Turn<'_>) {
        turn.is_listened = self.watched.is_listened;
        while turn.budget > 0 {
            turn.budget -= 1;
            if !self.watched.is_listened
                && let Some(slot) = self.watched.unwatched.first().copied()
            {
                self.schedule(slot, turn.now_ms);
                self.remove_if_unused(slot);
                continue;
            }
            let Some((due, slot)) = self.watched.due.first().copied() else { return };
            if due > turn.now_ms {
                return;
            }
            if let Some(topic) = self.topic_mut(slot) {
                topic.step((shard, slot), turn);
            }
            self.schedule(slot, turn.now_ms);
            self.remove_if_unused(slot);
        }
    }

    /// Those who listen to all topics are told what changes in this one.
    pub(super) fn listen_to(&mut self, slot: u32) {
        if !self.watched.is_listened {
            return;
        }
        let (keys, seq) = (self.keys, self.watched.seq);
        let Some(topic) = self.topic_mut(slot) else { return };
        if topic.events.is_none() {
            topic.events = Some(Box::new(Events::new(keys, seq)));
            self.watched.unwatched.insert(slot);
        }
    }

    /// Notes when a topic has something to do; what has to be done at once comes behind what was due before `now_ms`. A topic
    /// that nobody is told anything of does not get there.
    pub(super) fn schedule(&mut self, slot: u32, now_ms: u64) {
        let is_listened = self.watched.is_listened;
        let Some(topic) = self.topic_mut(slot) else { return };
        let is_empty = topic.count().members == 0;
        let Some(events) = &mut topic.events else { return };
        let due = events.due();
        let is_over = events.is_unwatched() && (!is_listened || (is_empty && due.is_none()));
        let due = due.filter(|_| !is_over).map(|due| if due == 0 { now_ms } else { due });
        let before = mem::replace(&mut events.scheduled, due);
        if is_over {
            let seq = events.seq() + 1;
            topic.events = None;
            self.watched.seq = self.watched.seq.max(seq);
            self.watched.unwatched.remove(&slot);
        }
        if before != due {
            before.into_iter().for_each(|before| _ = self.watched.due.remove(&(before, slot)));
            self.watched.due.extend(due.map(|due| (due, slot)));
        }
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
