//! Those who watch a topic, and where each of them stands.
//!
//! Owns what one takes: the parts of its state, then the diffs behind it. Must not know when there is something to take.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::ring::Ring;
use super::state::State;
use super::{Place, Taker, Watcher};

/// Watches, each in a slot of its own.
#[derive(Default)]
pub(super) struct Watches {
    slots: Vec<Option<Box<Watch>>>,
    free: Vec<u32>,
}

impl Watches {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one and returns its slot.
    pub(super) fn insert(&mut self, watch: Watch) -> u32 {
        let watch = Some(Box::new(watch));
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = watch;
                slot
            }
            None => {
                self.slots.push(watch);
                (self.slots.len() - 1) as u32
            }
        }
    }

    /// Takes one out of its slot.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Watch> {
        let watch = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        if self.is_empty() {
            *self = Watches::default();
        }
        Some(*watch)
    }

    /// The one in this slot.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Watch> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The one in this slot.
    #[cfg(test)]
    pub(super) fn get(&self, slot: u32) -> Option<&Watch> {
        self.slots.get(slot as usize)?.as_deref()
    }

    /// The slots that there are, free ones too.
    pub(super) fn end(&self) -> u32 {
        self.slots.len() as u32
    }
}

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

impl Watch {
    /// Tells the watcher that there is something, unless it knows.
    pub(super) fn announce(&mut self, place: Place) -> Option<Waker> {
        if mem::replace(&mut self.is_ready, true) { None } else { self.watcher.ready(place) }
    }

    /// Takes what there is room for. Returns whether there is more.
    pub(super) fn take(&mut self, ring: &mut Ring, taker: &mut Taker<'_>) -> bool {
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
            (taker.sink)(&message);
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
