//! Updates that come in several parts: put together before anything of them is merged.
//!
//! Owns the parts that have arrived. A record must stay a prefix of its owner's log, and a part alone is none: a key that was
//! changed again later stands only in a later part.

use super::message::{Change, Update};
use super::owner::{NodeId, Owner};

/// Parts of one update.
struct Staged<K, V> {
    from: NodeId,
    owner: Owner,
    transfer: u64,
    next: u64,
    /// Without a part for so long it is given up.
    deadline_ms: u64,
    changes: Vec<Change<K, V>>,
}

/// All that is not whole yet.
pub(super) struct Incoming<K, V> {
    staged: Vec<Staged<K, V>>,
}

impl<K, V> Default for Incoming<K, V> {
    fn default() -> Self {
        Incoming { staged: Vec::new() }
    }
}

impl<K, V> Incoming<K, V> {
    /// Takes a part; the next one is to come by `deadline_ms`. Returns the whole update when it was the last one.
    pub(super) fn take(
        &mut self,
        from: NodeId,
        mut part: Update<K, V>,
        deadline_ms: u64,
    ) -> Option<Update<K, V>> {
        let place = self.staged.iter().position(|staged| (staged.from, staged.owner) == (from, part.owner));
        if part.index == 0 {
            // A peer that begins anew has given up what it sent before.
            place.map(|place| self.staged.swap_remove(place));
            if part.to.is_some() {
                return Some(part);
            }
            let Update { owner, transfer, changes, .. } = part;
            self.staged.push(Staged { from, owner, transfer, next: 1, deadline_ms, changes });
            return None;
        }
        let place = place?;
        let staged = &mut self.staged[place];
        if (staged.next, staged.transfer) != (part.index, part.transfer) {
            self.staged.swap_remove(place);
            return None;
        }
        staged.next += 1;
        staged.deadline_ms = deadline_ms;
        staged.changes.append(&mut part.changes);
        part.to?;
        part.changes = self.staged.swap_remove(place).changes;
        Some(part)
    }

    /// The link to this peer is gone, and the rest with it.
    pub(super) fn discard_from(&mut self, peer: NodeId) {
        self.staged.retain(|staged| staged.from != peer);
    }

    /// What has waited too long for its next part.
    pub(super) fn discard_late(&mut self, now_ms: u64) {
        self.staged.retain(|staged| staged.deadline_ms > now_ms);
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
        self.staged.retain(|staged| staged.owner != owner);
    }

    /// Entries that wait for the rest of their update.
    pub(super) fn len(&self) -> usize {
        self.staged.iter().map(|staged| staged.changes.len()).sum()
    }
}
