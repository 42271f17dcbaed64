//! What is wanted here.
//!
//! Owns when it is told: the first subscriber at once, further ones together with others, and the end only after a while.

use std::collections::{BTreeMap, VecDeque};

use super::Interest;
use crate::crdt::Replica;
use crate::pubsub::wanted::{Count, Wanted};

/// Entries that one call writes: a fraction of a millisecond.
const AT_ONCE: usize = 1024;

/// Own wants that are to be written later.
#[derive(Default)]
pub(super) struct Own {
    /// Counts that have changed.
    changed: BTreeMap<Wanted, u32>,
    /// When they are written.
    write_at: Option<u64>,
    /// What nobody wants any more, and until when it is kept.
    lingering: BTreeMap<Wanted, u64>,
    /// The ends of these, in order. One that is not the one above is of an earlier time.
    ends: VecDeque<(u64, Wanted)>,
}

impl Own {
    pub(super) fn next_timeout(&self) -> Option<u64> {
        let end = self.ends.front().map(|(at, _)| *at);
        self.write_at.into_iter().chain(end).min()
    }

    pub(super) fn handle_timeout(&mut self, now_ms: u64, replica: &mut Replica<Wanted, Count>) {
        if self.write_at.is_some_and(|at| at <= now_ms) {
            for _ in 0..AT_ONCE {
                let Some((what, count)) = self.changed.pop_first() else { break };
                replica.put(now_ms, what, Count(count));
            }
            self.write_at = self.write_at.filter(|_| !self.changed.is_empty());
            replica.flush_now(now_ms);
        }
        for _ in 0..AT_ONCE {
            if self.ends.front().is_none_or(|(at, _)| *at > now_ms) {
                return;
            }
            let Some((_, what)) = self.ends.pop_front() else { return };
            if self.lingering.get(&what).is_some_and(|at| *at <= now_ms) {
                self.lingering.remove(&what);
                replica.remove(now_ms, &what);
            }
        }
    }
}

impl Interest {
    /// How many subscribers something has here now; [`Wanted::travelling`] tells what others hear of.
    pub fn set_subscribers(&mut self, now_ms: u64, what: &Wanted, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match (self.own_log().get(what).map(|count| count.0), count) {
            (None, 0) => {}
            (None, _) => {
                self.replica.put(now_ms, what.clone(), Count(count));
                self.replica.flush_now(now_ms);
            }
            (Some(told), 0) => {
                self.own.changed.remove(what);
                if told > 0 {
                    self.replica.put(now_ms, what.clone(), Count(0));
                }
                if !self.own.lingering.contains_key(what) {
                    let end = now_ms + self.settings.linger_ms;
                    self.own.lingering.insert(what.clone(), end);
                    self.own.ends.push_back((end, what.clone()));
                }
            }
            (Some(told), _) => {
                self.own.lingering.remove(what);
                if told == count {
                    self.own.changed.remove(what);
                } else {
                    self.own.changed.insert(what.clone(), count);
                    let at = now_ms + self.settings.replica.replication_interval_ms;
                    self.own.write_at.get_or_insert(at);
                }
            }
        }
    }
}
