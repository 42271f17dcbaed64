//! Merging what an owner sent into its record here, a few entries at a time.
//!
//! Owns the two merges: of changes, and of a snapshot, which replaces the record. Only what differs is reported.

use std::collections::VecDeque;
use std::vec;

use super::log::{Key, Log, NONE, Value};
use super::message::Change;
use super::read::ReaderId;
use crate::slots::Guess;

/// For so many changes memory is waited for at once: more than a processor asks for at a time, and far less than it has room for.
const AHEAD: usize = 32;

/// What a merge has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<K, V> {
    /// Of which entry.
    pub key: K,
    /// What was there.
    pub before: Option<V>,
    /// What is there now.
    pub after: Option<V>,
}

/// Changes in the order of their versions, in the parts in which they came: to put these together would move them all.
#[derive(Default)]
pub struct Parts<K, V>(VecDeque<vec::IntoIter<Change<K, V>>>);

impl<K, V> From<Vec<Change<K, V>>> for Parts<K, V> {
    fn from(part: Vec<Change<K, V>>) -> Self {
        Parts(VecDeque::from([part.into_iter()]))
    }
}

impl<K, V> Parts<K, V> {
    pub(super) fn push(&mut self, part: Vec<Change<K, V>>) {
        self.0.push_back(part.into_iter());
    }

    pub(super) fn pop(&mut self) -> Option<Change<K, V>> {
        loop {
            let change = self.0.front_mut()?.next();
            if change.is_some() {
                return change;
            }
            self.0.pop_front();
        }
    }

    /// The next changes, at most so many.
    fn coming(&self, most: usize) -> &[Change<K, V>] {
        let part =
            self.0.iter().map(vec::IntoIter::as_slice).find(|part| !part.is_empty()).unwrap_or_default();
        &part[..part.len().min(most)]
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }
}

/// A merge under way: it may stop after each entry.
pub struct Merge<K, V> {
    pub(super) changes: Parts<K, V>,
    /// Of the next changes, the last of them first.
    guesses: Vec<Guess>,
    to: u64,
    /// Of a snapshot: behind this reader's position stands what was merged, up to it what was there before.
    replaced: Option<ReaderId>,
}

impl<K: Key, V: Value> Log<K, V> {
    /// Begins to merge what the owner has sent: `changes` after this record's version, or, as a `snapshot`, all that is
    /// live at version `to`. Until it has ended the record is neither the old one nor the new one: nobody may read it
    /// for others.
    pub fn begin_merge(&mut self, changes: Parts<K, V>, to: u64, snapshot: bool) -> Merge<K, V> {
        self.readers.iter_mut().for_each(|reader| reader.broken = true);
        let replaced = snapshot.then(|| self.open(self.newest, u64::MAX, false));
        Merge { changes, guesses: Vec::new(), to, replaced }
    }

    /// Merges on, at most `budget` entries, which is lowered. Returns whether that was all.
    pub fn merge(
        &mut self,
        merge: &mut Merge<K, V>,
        budget: &mut usize,
        mut report: impl FnMut(Changed<K, V>),
    ) -> bool {
        while *budget > 0 {
            *budget -= 1;
            if let Some((guess, change)) = self.next_change(merge) {
                self.merge_one(guess, change, merge.replaced.is_some(), &mut report);
            } else if !self.drop_replaced(merge.replaced, &mut report) {
                self.version = merge.to;
                if let Some(reader) = merge.replaced.take() {
                    self.close(reader);
                    self.removals.clear();
                    self.floor = merge.to;
                }
                return true;
            }
        }
        false
    }

    /// The next change, and where its key may stand.
    fn next_change(&self, merge: &mut Merge<K, V>) -> Option<(Guess, Change<K, V>)> {
        if merge.guesses.is_empty() {
            let coming = merge.changes.coming(AHEAD).iter().rev();
            merge.guesses.extend(coming.map(|change| Guess { hash: self.hash_of(&change.key), slot: None }));
            self.guess(&mut merge.guesses);
        }
        merge.guesses.pop().zip(merge.changes.pop())
    }

    fn merge_one(
        &mut self,
        guess: Guess,
        Change { key, version, value }: Change<K, V>,
        snapshot: bool,
        report: &mut impl FnMut(Changed<K, V>),
    ) {
        if !snapshot && version <= self.version {
            return;
        }
        let (at, hash) = (self.find_guessed(&guess, &key), guess.hash);
        let known = at.and_then(|at| self.live_at(at));
        if known.is_none() && value.is_none() {
            // Nothing to remove; but of a delta others may have to hear of it.
            if !snapshot {
                self.set_at(at, hash, &key, version, None);
            }
            return;
        }
        let after = value.clone();
        let before = match (value, at) {
            // A snapshot leaves no removals behind.
            (None, Some(at)) if snapshot => self.discard(at),
            (value, at) => self.set_at(at, hash, &key, version, value),
        };
        if known != Some(version) || after.is_none() {
            report(Changed { key, before, after });
        }
    }

    /// Drops the oldest entry that a snapshot did not name. Returns whether there was one.
    fn drop_replaced(&mut self, replaced: Option<ReaderId>, report: &mut impl FnMut(Changed<K, V>)) -> bool {
        let Some(reader) = self.readers.iter().find(|reader| Some(reader.id) == replaced) else {
            return false;
        };
        if reader.position == NONE {
            return false;
        }
        let at = self.oldest;
        let key = self.at(at).key.clone();
        if let Some(before) = self.discard(at) {
            report(Changed { key, before: Some(before), after: None });
        }
        true
    }
}

#[cfg(test)]
#[path = "laws_tests.rs"]
mod tests;
