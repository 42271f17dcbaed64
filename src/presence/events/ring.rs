//! The diffs of a topic that somebody has yet to take.
//!
//! Owns them, and how many watchers stand before each, so that one that everybody has taken is freed at once. A watcher's
//! position is the `seq` of the diff that it takes next. Must not know watchers.

use std::collections::VecDeque;

use bytes::Bytes;

/// A queue of diffs, read by many.
#[derive(Debug)]
pub(super) struct Ring {
    diffs: VecDeque<Diff>,
    /// The `seq` of the first diff.
    first: u64,
    /// Watchers that have taken all.
    caught_up: u32,
    /// Bytes of all diffs that there ever were.
    end: u64,
}

#[derive(Debug)]
struct Diff {
    message: Bytes,
    /// Bytes of those before it.
    begin: u64,
    /// Watchers that take it next.
    waiting: u32,
}

impl Ring {
    /// An empty one; the next diff will have the `seq` `first`.
    pub(super) fn new(first: u64) -> Self {
        Ring { diffs: VecDeque::new(), first, caught_up: 0, end: 0 }
    }

    /// The `seq` of the diff that comes next.
    pub(super) fn next(&self) -> u64 {
        self.first + self.diffs.len() as u64
    }

    /// Bytes of all diffs that there ever were.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of all diffs that there ever were before the one at `at`.
    pub(super) fn offset(&self, at: u64) -> u64 {
        self.index(at).map_or(self.end, |index| self.diffs[index].begin)
    }

    /// The diff at `at`, unless it is yet to come.
    pub(super) fn get(&self, at: u64) -> Option<&Bytes> {
        self.index(at).map(|index| &self.diffs[index].message)
    }

    /// Adds a diff.
    pub(super) fn push(&mut self, message: Bytes) {
        let (begin, waiting) = (self.end, std::mem::take(&mut self.caught_up));
        self.end += message.len() as u64;
        self.diffs.push_back(Diff { message, begin, waiting });
    }

    /// A watcher stands before the diff at `at`, which stays until it moves on.
    pub(super) fn enter(&mut self, at: u64) {
        *self.waiting(at) += 1;
    }

    /// It does not stand there any more.
    pub(super) fn leave(&mut self, at: u64) {
        *self.waiting(at) -= 1;
    }

    /// Frees the diffs before `keep` that nobody stands before, as far as those before them are freed as well.
    pub(super) fn trim(&mut self, keep: u64) {
        while self.first < keep && self.diffs.front().is_some_and(|diff| diff.waiting == 0) {
            self.diffs.pop_front();
            self.first += 1;
        }
        if self.diffs.is_empty() {
            self.diffs = VecDeque::new();
        }
    }

    /// Bytes of the diffs that are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.end - self.offset(self.first)
    }

    fn index(&self, at: u64) -> Option<usize> {
        debug_assert!(self.first <= at && at <= self.next(), "a position whose diff is gone");
        Some((at - self.first) as usize).filter(|index| *index < self.diffs.len())
    }

    fn waiting(&mut self, at: u64) -> &mut u32 {
        match self.index(at) {
            Some(index) => &mut self.diffs[index].waiting,
            None => &mut self.caught_up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_stays_until_the_last_has_taken_it() {
        let mut ring = Ring::new(5);
        ring.enter(5);
        ring.enter(5);
        for text in ["a", "bc", "def"] {
            ring.push(Bytes::from(text));
        }
        assert_eq!((ring.next(), ring.end(), ring.offset(7), ring.offset(8)), (8, 6, 3, 6));
        ring.leave(5);
        ring.enter(7);
        ring.trim(u64::MAX);
        assert_eq!((ring.bytes(), ring.get(5).map(|diff| &diff[..])), (6, Some(&b"a"[..])));
        ring.leave(5);
        ring.trim(6);
        assert_eq!(ring.bytes(), 5);
        ring.trim(u64::MAX);
        assert_eq!((ring.bytes(), ring.get(7).map(|diff| &diff[..])), (3, Some(&b"def"[..])));
        ring.leave(7);
        ring.trim(u64::MAX);
        assert_eq!((ring.bytes(), ring.next(), ring.get(8)), (0, 8, None));
    }
}
