//! What is due when.
//!
//! Owns the order of deadlines. Must not know what is done then. One ordered set for all: a session has at most one place in
//! it, which moves; so does an owner.

use std::collections::BTreeSet;

use super::sessions::SessionId;
use crate::crdt::Owner;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A session's grace or lease ends.
    Session(SessionId),
    /// The entries of an owner that is down are hidden.
    Owner(Owner),
}

/// All deadlines, in milliseconds of the monotonic clock.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeSet<(u64, Timer)>,
}

impl Timers {
    /// Moves a deadline.
    pub(super) fn set(&mut self, timer: Timer, before: Option<u64>, after: Option<u64>) {
        before.into_iter().for_each(|at| {
            self.due.remove(&(at, timer));
        });
        after.into_iter().for_each(|at| {
            self.due.insert((at, timer));
        });
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes what is due.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        (at <= now_ms).then(|| {
            self.due.pop_first();
            timer
        })
    }

    /// This instance has stood still for so long: every deadline moves.
    pub(super) fn handle_lag(&mut self, lag_ms: u64) {
        let due = std::mem::take(&mut self.due);
        self.due = due.into_iter().map(|(at, timer)| (at + lag_ms, timer)).collect();
    }
}
