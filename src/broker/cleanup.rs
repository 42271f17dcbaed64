//! What clients that are gone have left behind in the table.
//!
//! Owns the queue of it. A connection that ends with many subscriptions hands them over here and is gone at once; the
//! flush task removes them in turns, so that nobody waits for it.

use crossbeam::queue::SegQueue;

use super::Broker;
use crate::pubsub::{Kind, Subscribed};

/// Subscriptions removed in one turn, and by a closing connection itself.
const UNSUBSCRIBE_BUDGET: usize = 512;

/// Subscriptions of clients that are gone.
#[derive(Default)]
pub(super) struct Cleanup {
    queue: SegQueue<Box<Subscribed>>,
}

impl Broker {
    /// Takes over the subscriptions of a client that is gone. Few are removed at once.
    ///
    /// Returns whether some are left for [`Broker::clean_up`].
    pub fn leave(&self, mut subscribed: Box<Subscribed>) -> bool {
        if self.remove_some(&mut subscribed) {
            return false;
        }
        self.cleanup.queue.push(subscribed);
        true
    }

    /// Removes some of what gone clients have left. Returns whether there is more.
    pub fn clean_up(&self) -> bool {
        let Some(mut subscribed) = self.cleanup.queue.pop() else { return false };
        if !self.remove_some(&mut subscribed) {
            self.cleanup.queue.push(subscribed);
        }
        !self.cleanup.queue.is_empty()
    }

    /// Removes as many as one turn may; true if none is left.
    fn remove_some(&self, subscribed: &mut Subscribed) -> bool {
        let mut budget = UNSUBSCRIBE_BUDGET;
        for kind in Kind::ALL {
            for id in subscribed.some(kind, budget) {
                self.subscriptions.unsubscribe_id(kind, id, subscribed, |_| ());
                budget -= 1;
            }
        }
        subscribed.total() == 0
    }
}
