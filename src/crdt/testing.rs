//! Small keys and values for the tests of this module.

use super::log::{Key, Log, Value};
use super::wire::{Input, Malformed, Wire, put_number};
use crate::map::HashKeys;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

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

pub(super) fn keys() -> HashKeys {
    HashKeys::new([1, 2])
}

/// A log's live entries in the order of their keys.
pub(super) fn contents(log: &Log<Name, Number>) -> Vec<(Name, Number)> {
    let mut entries: Vec<_> = log.iter().map(|(key, value)| (*key, *value)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}
