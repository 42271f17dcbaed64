//! Patterns with their receivers.
//!
//! Owns what the pattern index does not know: who receives, and since when a pattern is subscribed to, so that a
//! delivery that is interrupted does not meet a pattern that took a removed one's place. Must not know locks.

use std::collections::VecDeque;

use super::patterns::{MatchCursor, PatternIndex};
use super::receivers::{Receiver, Receivers};
use crate::map::HashKeys;

/// All patterns that somebody is subscribed to.
pub struct PatternTable {
    index: PatternIndex,
    entries: Vec<Entry>,
    latest: u64,
}

#[derive(Default)]
struct Entry {
    receivers: Receivers,
    /// Number of the subscription that made this pattern exist.
    since: u64,
}

impl PatternTable {
    /// An empty table.
    pub fn new(keys: HashKeys) -> Self {
        PatternTable { index: PatternIndex::new(keys), entries: Vec::new(), latest: 0 }
    }

    /// Number of distinct patterns. (Redis `PUBSUB NUMPAT`.)
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of a pattern.
    pub fn find(&self, pattern: &[u8]) -> Option<u32> {
        self.index.find(pattern)
    }

    /// The pattern with this id.
    pub fn pattern(&self, id: u32) -> &[u8] {
        self.index.pattern(id)
    }

    /// Adds a receiver to a pattern, which comes to exist if need be; returns its id and the receiver's slot.
    /// `reuse`: see [`Receivers::add`].
    pub fn add(&mut self, pattern: &[u8], receiver: Receiver, reuse: bool) -> (u32, u32) {
        let id = self.index.insert(pattern);
        let place = id as usize;
        if place >= self.entries.len() {
            self.entries.resize_with(place + 1, Entry::default);
        }
        if self.entries[place].receivers.is_empty() {
            self.latest += 1;
            self.entries[place] = Entry { receivers: Receivers::default(), since: self.latest };
        }
        (id, self.entries[place].receivers.add(receiver, reuse))
    }

    /// Frees a receiver's slot, and the pattern with its last one.
    pub fn remove(&mut self, id: u32, slot: u32, reuse: bool) {
        let entry = &mut self.entries[id as usize];
        entry.receivers.remove(slot, reuse);
        if entry.receivers.is_empty() {
            *entry = Entry::default();
            self.index.remove(id);
        }
    }

    /// Number of the latest pattern that came to exist.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// A pattern and its receivers, if it has existed since before `since` ended.
    pub fn subscribed_before(&self, id: u32, since: u64) -> Option<(&[u8], &Receivers)> {
        let entry = self.entries.get(id as usize)?;
        let alive = !entry.receivers.is_empty() && entry.since <= since;
        alive.then(|| (self.index.pattern(id), &entry.receivers))
    }

    /// Looks for patterns that match `channel`, examining `budget` candidates at most. Returns how many were
    /// examined and whether the search has ended.
    pub fn search(
        &self,
        channel: &[u8],
        cursor: &mut MatchCursor,
        budget: usize,
        found: &mut VecDeque<u32>,
    ) -> (usize, bool) {
        let mut ids = Vec::new();
        let finished = self.index.matching(channel, cursor, budget, &mut ids);
        found.extend(ids);
        (if finished { 1 } else { budget }, finished)
    }
}
