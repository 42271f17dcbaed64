//! Who was heard, and which of their envelopes: so that an old one is not taken again.
//!
//! Owns a window of counters for each sender. Must not know what was in the envelopes.

use std::collections::BTreeMap;

use crate::crdt::{Incarnation, NodeId, Owner};

/// Senders that are remembered. An instance that is started ten thousand times is that many nodes, unless it has a fixed id.
const SENDERS_MAX: usize = 1024;

/// Envelopes that may be overtaken by later ones.
const WINDOW: u64 = u128::BITS as u64;

/// What was heard, by sender. Only who knows the secret can make it grow.
#[derive(Default)]
pub(super) struct Senders {
    records: BTreeMap<NodeId, Record>,
}

struct Record {
    incarnation: Incarnation,
    /// The highest counter so far.
    highest: u64,
    /// Which of those below it were there: the lowest bit is the highest one's.
    seen: u128,
    /// With which secret the last one was sealed.
    secret: usize,
    heard_at_ms: u64,
}

impl Senders {
    /// The latest life of a node of which an envelope was taken.
    pub(super) fn incarnation(&self, node: NodeId) -> Option<Incarnation> {
        self.records.get(&node).map(|record| record.incarnation)
    }

    /// With which secret this owner seals, if it was heard.
    pub(super) fn secret(&self, owner: Owner) -> Option<usize> {
        let record = self.records.get(&owner.node)?;
        (record.incarnation == owner.incarnation).then_some(record.secret)
    }

    /// Whether this envelope is new; from now on it is not. A later life of the sender begins anew; that the sender is not of an
    /// earlier life has been checked.
    pub(super) fn take(&mut self, now_ms: u64, sender: Owner, counter: u64, secret: usize) -> bool {
        let known =
            self.records.get_mut(&sender.node).filter(|record| record.incarnation == sender.incarnation);
        let Some(record) = known else {
            self.make_room();
            let incarnation = sender.incarnation;
            let record = Record { incarnation, highest: counter, seen: 1, secret, heard_at_ms: now_ms };
            self.records.insert(sender.node, record);
            return true;
        };
        if !record.slide(counter) {
            return false;
        }
        (record.secret, record.heard_at_ms) = (secret, now_ms);
        true
    }

    fn make_room(&mut self) {
        if self.records.len() < SENDERS_MAX {
            return;
        }
        let silent = self.records.iter().min_by_key(|(_, record)| record.heard_at_ms).map(|(node, _)| *node);
        silent.map(|node| self.records.remove(&node));
    }
}

impl Record {
    fn slide(&mut self, counter: u64) -> bool {
        if let Some(ahead) = counter.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 };
            self.seen |= 1;
            self.highest = counter;
            return true;
        }
        let behind = self.highest - counter;
        if behind >= WINDOW || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
impl Senders {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(node: u64, incarnation: u64) -> Owner {
        Owner { node: NodeId(node), incarnation: Incarnation(incarnation) }
    }

    #[test]
    fn each_envelope_is_taken_once_in_whatever_order() {
        let mut senders = Senders::default();
        let mut taken = |counter| senders.take(0, owner(1, 1), counter, 0);
        assert!(taken(1000));
        assert!(!taken(1000));
        assert!(taken(1003) && taken(1001) && taken(1002));
        assert!(!taken(1001) && !taken(1003));
        assert!(taken(1003 + WINDOW));
        assert!(!taken(1003), "too old to tell");
        assert!(taken(1004 + 1000) && !taken(1004 + WINDOW));
        assert!(taken(2004 + WINDOW - 1) && !taken(2004));
    }

    #[test]
    fn a_later_life_begins_anew() {
        let mut senders = Senders::default();
        assert!(senders.take(0, owner(1, 1), 1000, 1));
        assert_eq!(senders.secret(owner(1, 1)), Some(1));
        assert!(senders.take(0, owner(1, 2), 5, 0));
        assert_eq!(senders.secret(owner(1, 1)), None);
        assert_eq!(senders.incarnation(NodeId(1)), Some(Incarnation(2)));
        assert!(!senders.take(0, owner(1, 2), 5, 0));
    }

    #[test]
    fn who_was_silent_longest_is_forgotten_first() {
        let mut senders = Senders::default();
        for node in 0..SENDERS_MAX as u64 + 10 {
            senders.take(node, owner(node, 1), 1, 0);
            senders.take(node, owner(0, 1), node + 1, 0);
        }
        assert_eq!(senders.records.len(), SENDERS_MAX);
        assert!(senders.incarnation(NodeId(0)).is_some() && senders.incarnation(NodeId(1)).is_none());
    }
}
