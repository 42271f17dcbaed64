//! What clients that are gone have left behind in the table.
//!
//! Owns the queue of it. A connection that ends with many subscriptions hands them over here and is gone at once; the
//! flush task removes them in turns, so that nobody waits for it.

use crossbeam::queue::SegQueue;

use super::Broker;
use super::presence::hooks::Listener;
use super::session::Session;
use crate::presence::Detach;
use crate::pubsub::reserved::Reserved;
use crate::pubsub::{Kind, Subscribed};
use crate::time::Now;

/// Subscriptions removed in one turn, and by a closing connection itself.
const UNSUBSCRIBE_BUDGET: usize = 512;

/// Subscriptions of clients that are gone.
#[derive(Default)]
pub(super) struct Cleanup {
    queue: SegQueue<(Listener, Box<Subscribed>)>,
}

impl Broker {
    /// Takes over the subscriptions of a client that is gone, and ends the members that live as long as its connection.
    /// Few are removed at once.
    ///
    /// Returns whether some subscriptions are left for [`Broker::clean_up`].
    pub fn leave(&self, now: Now, session: &mut Session) -> bool {
        if std::mem::take(&mut session.has_members) {
            self.presence.close_connection(session.id());
        }
        let Some((listener, mut subscribed)) = session.take_subscriptions(self) else { return false };
        if self.remove_some(now, &listener, &mut subscribed) {
            return false;
        }
        self.cleanup.queue.push((listener, subscribed));
        true
    }

    /// Removes some of what gone clients have left. Returns whether there is more.
    pub fn clean_up(&self, now: Now) -> bool {
        let Some((listener, mut subscribed)) = self.cleanup.queue.pop() else { return false };
        if !self.remove_some(now, &listener, &mut subscribed) {
            self.cleanup.queue.push((listener, subscribed));
        }
        !self.cleanup.queue.is_empty()
    }

    /// Removes as many as one turn may; true if none is left.
    fn remove_some(&self, now: Now, listener: &Listener, subscribed: &mut Subscribed) -> bool {
        let mut budget = UNSUBSCRIBE_BUDGET;
        let mut name = Vec::new();
        for kind in Kind::ALL {
            for id in subscribed.some(kind, budget) {
                name.clear();
                self.subscriptions.unsubscribe_id(kind, id, subscribed, |shown| {
                    let is_reserved = kind == Kind::Channel && Reserved::of(shown).is_some();
                    if is_reserved || self.interest.is_enabled() {
                        name.extend_from_slice(shown);
                    }
                });
                self.interest.note(&self.subscriptions, now, kind, &name);
                if kind == Kind::Channel {
                    listener.ended(self, now, &name, Detach::Quiet);
                }
                budget -= 1;
            }
        }
        subscribed.total() == 0
    }
}
