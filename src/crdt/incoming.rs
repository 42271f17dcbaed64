//! Updates that come in several parts: put together before anything of them is merged.
//!
//! Owns the parts that have arrived. A record must stay a prefix of its owner's log, and a part alone is none: a key that was
//! changed again later stands only in a later part.

use super::merge::Parts;
use super::message::Update;
use super::owner::{NodeId, Owner};

/// Parts of one update.
struct Staged<K, V> {
    from: NodeId,
    owner: Owner,
    transfer: u64,
    next: u64,
    /// Without a part for so long it is given up.
    deadline_ms: u64,
    changes: Parts<K, V>,
}

/// All that is not whole yet.
pub(super) struct Incoming<K, V> {
    staged: Vec<Staged<K, V>>,
    /// What will not be merged: to free a long update takes long.
    discarded: Vec<Parts<K, V>>,
}

/// An update of which all parts have come.
pub(super) struct Whole<K, V> {
    pub(super) base: Option<u64>,
    pub(super) to: u64,
    pub(super) changes: Parts<K, V>,
}

impl<K, V> Default for Incoming<K, V> {
    fn default() -> Self {
        Incoming { staged: Vec::new(), discarded: Vec::new() }
    }
}

impl<K, V> Incoming<K, V> {
    /// Takes a part; the next one is to come by `deadline_ms`. Returns the whole update when it was the last one.
    pub(super) fn take(&mut self, from: NodeId, part: Update<K, V>, deadline_ms: u64) -> Option<Whole<K, V>> {
        let Update { owner, transfer, base, index, changes, to } = part;
        if index == 0 {
            // A peer that begins anew has given up what it sent before.
            self.discard_if(|staged| (staged.from, staged.owner) == (from, owner));
            let changes = changes.into();
            if let Some(to) = to {
                return Some(Whole { base, to, changes });
            }
            self.staged.push(Staged { from, owner, transfer, next: 1, deadline_ms, changes });
            return None;
        }
        let place = self.staged.iter().position(|staged| (staged.from, staged.owner) == (from, owner))?;
        let staged = &mut self.staged[place];
        if (staged.next, staged.transfer) != (index, transfer) {
            let staged = self.staged.swap_remove(place);
            self.discarded.push(staged.changes);
            return None;
        }
        staged.next += 1;
        staged.deadline_ms = deadline_ms;
        staged.changes.push(changes);
        let to = to?;
        Some(Whole { base, to, changes: self.staged.swap_remove(place).changes })
    }

    fn discard_if(&mut self, is_it: impl Fn(&Staged<K, V>) -> bool) {
        let discarded = self.staged.extract_if(.., |staged| is_it(staged)).map(|staged| staged.changes);
        self.discarded.extend(discarded);
    }

    /// These changes will not be merged.
    pub(super) fn discard(&mut self, changes: Parts<K, V>) {
        self.discarded.push(changes);
    }

    /// Frees what was discarded, at most `budget` changes, which is lowered. Returns whether there is more.
    pub(super) fn free(&mut self, budget: &mut usize) -> bool {
        while let Some(changes) = self.discarded.last_mut() {
            if *budget == 0 {
                return true;
            }
            *budget -= 1;
            if changes.pop().is_none() {
                self.discarded.pop();
            }
        }
        false
    }

    /// The link to this peer is gone, and the rest with it.
    pub(super) fn discard_from(&mut self, peer: NodeId) {
        self.discard_if(|staged| staged.from == peer);
    }

    /// What has waited too long for its next part.
    pub(super) fn discard_late(&mut self, now_ms: u64) {
        self.discard_if(|staged| staged.deadline_ms <= now_ms);
    }

    /// When there will be something to discard.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.staged.iter().map(|staged| staged.deadline_ms).min()
    }

    /// This instance has stood still.
    pub(super) fn handle_lag(&mut self, lag_ms: u64) {
        self.staged.iter_mut().for_each(|staged| staged.deadline_ms += lag_ms);
    }

    /// This owner is forgotten.
    pub(super) fn discard_of(&mut self, owner: Owner) {
        self.discard_if(|staged| staged.owner == owner);
    }

    /// Entries that wait for the rest of their update.
    pub(super) fn len(&self) -> usize {
        self.staged.iter().map(|staged| staged.changes.len()).sum()
    }
}
