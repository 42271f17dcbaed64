//! The end of a set when one of the two instances stops: nothing that was queued is lost.
//!
//! Owns the goodbyes: each connection says its own behind all that it has written, and only when the other end has had them all does
//! it end the set. Must not know why an instance stops.

use std::time::Duration;

use super::{Links, Phase};
use crate::link::set::{ConnectionId, Ending, Event, Place};

impl Links {
    /// This instance stops. What waits is written yet, each connection says goodbye behind it ([`is_drained`](Links::is_drained)),
    /// and when the peer has closed them it is over. Without a complete set it is at once.
    pub fn leave(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Complete { .. }) {
            self.leaves = true;
            self.events.extend(self.set.iter().filter_map(|place| place.id()).map(Event::Wake));
        } else {
            self.give_up(now);
        }
    }

    /// Whether this instance stops, and this connection has written all.
    pub fn is_drained(&self, id: ConnectionId) -> bool {
        let place = self.set.iter().position(|place| *place == Place::Open(id));
        self.leaves
            && place.is_some_and(|place| match place.checked_sub(1) {
                None => self.control.is_empty(),
                Some(index) => self.queues[index].is_empty(),
            })
    }

    /// The peer stops, and nothing more comes over this connection. When that is so of all, the set ends.
    pub fn stopped(&mut self, now: Duration, id: ConnectionId, entropy: u64) {
        if let Some(place) = self.set.iter().position(|place| *place == Place::Open(id)) {
            self.stopped |= 1 << place;
            if self.stopped.count_ones() as usize == self.set.len() {
                self.end_epoch(now, Ending::Stops, entropy);
            }
        }
    }
}
