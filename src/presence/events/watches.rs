//! Those who watch a topic, and where each of them stands.
//!
//! Owns what one takes: the parts of its state, then the diffs behind it. Must not know when there is something to take.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::ring::Ring;
use super::state::State;
use super::{Place, Taker, Watcher};
use crate::map::HashKeys;
use crate::slots::{Keyed, Slots};

/// Watches, found by the id of their watcher.
pub(super) type Watches = Slots<Option<Watch>>;

/// One of them.
pub(super) struct Watch {
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) position: Position,
    /// The diff that it takes next; of no meaning while it waits.
    pub(super) at: u64,
    /// Up to here its watcher is owed the diffs.
    pub(super) owed_to: u64,
    /// It was told that there is something to take.
    pub(super) is_ready: bool,
}

/// Where it stands.
pub(super) enum Position {
    /// It takes no diff before it has a state of at least this `seq`.
    Waiting { seq: u64, again: bool },
    /// It takes this part of a state.
    Reading(Arc<State>, usize),
    /// It has a state and takes diffs.
    Following,
}

impl Keyed for Watch {
    fn hash(&self, keys: HashKeys) -> u64 {
        hash_of(self.watcher.id(), keys)
    }
}

/// The hash of a watcher's id.
pub(super) fn hash_of(id: u64, keys: HashKeys) -> u64 {
    let mut hasher = keys.hasher();
    hasher.numbers(&[id]);
    hasher.finish()
}

impl Watch {
    /// Tells the watcher that there is something, unless it knows.
    pub(super) fn announce(&mut self, place: Place) -> Option<Waker> {
        if mem::replace(&mut self.is_ready, true) { None } else { self.watcher.ready(place) }
    }

    /// Takes what there is room for. Returns whether there is more.
    pub(super) fn take(&mut self, topic: &str, ring: &mut Ring, taker: &mut Taker<'_>) -> bool {
        let begin = self.at;
        let more = loop {
            if taker.room == 0 {
                break true;
            }
            let message = match &mut self.position {
                Position::Reading(state, part) => {
                    let message = state.parts[*part].clone();
                    *part += 1;
                    if *part == state.parts.len() {
                        self.position = Position::Following;
                    }
                    message
                }
                Position::Following => {
                    let Some(message) = ring.get(self.at) else { break false };
                    self.at += 1;
                    taker.tally.delivered += 1;
                    message.clone()
                }
                Position::Waiting { .. } => break false,
            };
            taker.room = taker.room.saturating_sub(message.len());
            (taker.sink)(topic, &message);
        };
        self.is_ready = more;
        if self.at != begin {
            let (before, after) = (ring.offset(begin), ring.offset(self.at));
            self.watcher.settle(self.owed_to.min(after) - before);
            self.owed_to = self.owed_to.max(after);
            ring.leave(begin);
            ring.enter(self.at);
        }
        more
    }
}
