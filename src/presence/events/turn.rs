//! What a shard's topics share in one turn, and what a watcher is to them.
//!
//! Owns nothing but the terms. Must not know topics.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Milliseconds from one diff to the next. (`presence-event-interval`.)
    pub interval_ms: u64,
    /// Bytes of diffs that a watcher may be owed. (`presence-watcher-backlog`.)
    pub backlog_bytes: u64,
    /// A message that gets longer is cut into several. ([`super::PIECE_BYTES`].)
    pub piece_bytes: usize,
}

/// Where a watch is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The shard of its topic.
    pub shard: u16,
    /// The topic's slot there.
    pub topic: u32,
    /// The watch's slot in the topic.
    pub watch: u32,
}

/// Somebody who watches topics.
pub trait Watcher: Send + Sync {
    /// No other one has this id at the same time.
    fn id(&self) -> u64;
    /// There is something to take. Returns whom to wake.
    fn ready(&self, place: Place) -> Option<Waker>;
    /// It is owed so many bytes of diffs more. Returns the sum over all topics.
    fn owe(&self, bytes: u64) -> u64;
    /// It is owed so many bytes less.
    fn settle(&self, bytes: u64);
}

/// What has happened, to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Diffs made.
    pub diffs: u64,
    /// Diffs taken, by each watcher.
    pub delivered: u64,
    /// Changes that were not told since others made up for them.
    pub coalesced: u64,
    /// States encoded.
    pub states: u64,
    /// States that watchers have begun to take.
    pub states_taken: u64,
    /// Of those, in place of diffs that they had not taken.
    pub states_resent: u64,
}

/// One step of the work on topics.
pub struct Turn<'a> {
    /// Milliseconds of the monotonic clock.
    pub now_ms: u64,
    /// What can be set.
    pub settings: Settings,
    /// Members and watchers that it may still look at.
    pub budget: usize,
    /// Whom to wake.
    pub wakes: &'a mut VecDeque<Waker>,
    /// Somebody listens to all topics, by a pattern.
    pub is_listened: bool,
    /// Then this gets each diff, with its topic.
    pub diffs: &'a mut Vec<(Arc<str>, Bytes)>,
    /// What has happened.
    pub tally: &'a mut Tally,
}

/// What takes messages for a watcher.
pub struct Taker<'a> {
    /// Bytes that it still takes; a message that does not fit is the last.
    pub room: usize,
    /// Takes a message of a topic, with a line end behind it.
    pub sink: &'a mut dyn FnMut(&str, &Bytes),
    /// What has happened.
    pub tally: &'a mut Tally,
}
