//! Small keys and values for tests of the replicated map: its own, and the simulation.

use std::collections::BTreeMap;

use hereabouts::crdt::wire::{Input, Malformed, Wire, put_number};
use hereabouts::crdt::{Key, Log, Value};
use hereabouts::map::HashKeys;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl Wire for Name {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.byte().map(Name)
    }
}

impl Wire for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.number().map(Number)
    }
}

impl Key for Name {
    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(&[self.0])
    }

    fn bytes(&self) -> usize {
        1
    }
}

impl Value for Number {}

/// What an owner holds.
pub(crate) type Entries = BTreeMap<Name, Number>;

/// A log's live entries.
pub(crate) fn entries(log: &Log<Name, Number>) -> Entries {
    log.iter().map(|(key, value)| (*key, *value)).collect()
}

/// The keys of every table.
pub(crate) fn keys() -> HashKeys {
    HashKeys::new([1, 2])
}
