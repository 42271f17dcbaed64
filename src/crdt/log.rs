//! One owner's record: its live entries, in the order in which they were put, and its removals for as long as they are
//! remembered.
//!
//! Owns the order and what the owner does: put and remove. How it is read in parts while it changes is in `read.rs`,
//! how what the owner sent is merged in `merge.rs`. Must not know other owners, peers or messages.
//!
//! Every key that is known stands in one slot, and all slots form a list by version: "everything after version v" is the
//! end of that list, each key once with its last state. A removed key keeps its slot without a value, until so many
//! bytes of removed keys have gathered that the oldest is forgotten and `floor` rises to its version: who has less than
//! that must take everything anew.

use std::collections::VecDeque;
use std::hint::black_box;

use twox_hash::XxHash3_64;

use super::read::Reader;
use super::wire::Wire;
use crate::map::HashKeys;
use crate::slots::{Guess, Keyed, Slots};

/// What entries are found by.
pub trait Key: Clone + Eq + Wire {
    /// The keyed hash by which tables find it.
    fn hash(&self, keys: HashKeys) -> u64;

    /// Bytes that it takes in memory: the log of removals is bounded by them.
    fn bytes(&self) -> usize;

    /// Reads a little of each part of it, so that the processor fetches what comparing it will read.
    fn touch(&self) {}
}

/// What an entry holds. Cheap to clone: a merge reports the old one and the new one.
pub trait Value: Clone + Wire {
    /// Reads a little of each part of it, so that the processor fetches what dropping it will read.
    fn touch(&self) {}
}

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// One key, its last state, and its neighbours in the order.
pub(super) struct Slot<K, V> {
    pub(super) key: K,
    /// `None`: removed at `version`.
    pub(super) value: Option<V>,
    pub(super) version: u64,
    pub(super) before: u32,
    pub(super) after: u32,
}

impl<K: Key, V> Keyed for Slot<K, V> {
    fn hash(&self, keys: HashKeys) -> u64 {
        self.key.hash(keys)
    }
}

/// All slots of a log: a million of them grow without a stop.
type Table<K, V> = Slots<Option<Slot<K, V>>>;

/// Whether the slot still is what this removal made of it.
fn stands<K: Key, V>(slots: &Table<K, V>, (version, at): (u64, u32)) -> bool {
    let slot = slots.get(at).and_then(Option::as_ref);
    slot.is_some_and(|slot| slot.version == version && slot.value.is_none())
}

/// One owner's record.
pub struct Log<K, V> {
    keys: HashKeys,
    pub(super) version: u64,
    pub(super) floor: u64,
    hash: u64,
    live: usize,
    slots: Table<K, V>,
    pub(super) oldest: u32,
    pub(super) newest: u32,
    /// Removals by version. One whose slot has another version by now has been put again since.
    pub(super) removals: VecDeque<(u64, u32)>,
    removal_bytes: usize,
    removal_bytes_max: usize,
    pub(super) readers: Vec<Reader>,
    pub(super) last_reader: u64,
    /// For what the content hash is computed from.
    scratch: Vec<u8>,
}

impl<K: Key, V: Value> Log<K, V> {
    /// An empty one. `keys` are those of this process's tables; removed keys are remembered up to `removal_bytes_max` bytes.
    pub fn new(keys: HashKeys, removal_bytes_max: usize) -> Self {
        Log {
            keys,
            version: 0,
            floor: 0,
            hash: 0,
            live: 0,
            slots: Slots::default(),
            oldest: NONE,
            newest: NONE,
            removals: VecDeque::new(),
            removal_bytes: 0,
            removal_bytes_max,
            readers: Vec::new(),
            last_reader: 0,
            scratch: Vec::new(),
        }
    }

    /// Number of the owner's last change that is known.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Removals up to this version are forgotten.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// The same for equal contents on every instance, and in any order of arrival.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Live entries.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is no live entry.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Slots that are in use: the live entries and the removals that are remembered.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The value of a live entry.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.get_hashed(self.hash_of(key), key)
    }

    /// The same, with the key's hash: whoever looks into several tables computes it once.
    pub fn get_hashed(&self, hash: u64, key: &K) -> Option<&V> {
        self.find(hash, key).and_then(|at| self.at(at).value.as_ref())
    }

    /// The version at which a live entry was put.
    pub fn version_of(&self, key: &K) -> Option<u64> {
        self.find(self.hash_of(key), key).and_then(|at| self.live_at(at))
    }

    /// Places of keys end here; some have none.
    pub fn end(&self) -> u32 {
        self.slots.end()
    }

    /// The key at this place, which it keeps for as long as it is here.
    pub fn key_at(&self, place: u32) -> Option<&K> {
        let slot = self.slots.get(place)?.as_ref()?;
        slot.value.as_ref().map(|_| &slot.key)
    }

    /// The live entries, in the order in which they were put.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let next = |at: u32| (at != NONE).then(|| self.at(at));
        std::iter::successors(next(self.oldest), move |slot| next(slot.after))
            .filter_map(|slot| slot.value.as_ref().map(|value| (&slot.key, value)))
    }

    /// All live entries, in the order in which they were put, one by one.
    pub fn into_entries(self) -> Entries<K, V> {
        Entries { keys: self.keys, slots: self.slots, next: self.oldest }
    }

    /// The owner puts an entry. Returns what was there.
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        self.put_hashed(self.hash_of(&key), &key, value)
    }

    /// The same, with the key's hash.
    pub fn put_hashed(&mut self, hash: u64, key: &K, value: V) -> Option<V> {
        self.version += 1;
        self.set_at(self.find(hash, key), hash, key, self.version, Some(value))
    }

    /// The owner removes an entry. Returns what was there; nothing changes if there was none.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hash_of(key);
        let at = self.find(hash, key).filter(|at| self.live_at(*at).is_some())?;
        self.version += 1;
        self.set_at(Some(at), hash, key, self.version, None)
    }

    /// Gives a key its last state, at the end of the order. `at`: where it stands, if it is known.
    pub(super) fn set_at(
        &mut self,
        at: Option<u32>,
        hash: u64,
        key: &K,
        version: u64,
        value: Option<V>,
    ) -> Option<V> {
        let at = match at {
            Some(at) => {
                self.unlink(at);
                at
            }
            None => {
                let slot = Slot { key: key.clone(), value: None, version: 0, before: NONE, after: NONE };
                self.slots.insert_hashed(self.keys, |_| hash, Some(slot))
            }
        };
        let before = self.replace(at, version, value);
        self.link_newest(at);
        self.forget_removals();
        before
    }

    /// Sets a slot's contents and what is counted of them.
    fn replace(&mut self, at: u32, version: u64, value: Option<V>) -> Option<V> {
        let was_removal = self.at(at).value.is_none() && self.at(at).version > 0;
        let old = self.clear(at);
        let slot = self.at_mut(at);
        let bytes = slot.key.bytes();
        slot.version = version;
        if was_removal {
            self.removal_bytes -= bytes;
        }
        match value {
            None => {
                self.removal_bytes += bytes;
                self.removals.push_back((version, at));
            }
            Some(value) => {
                let hash = self.content_hash(at, &value);
                self.hash = self.hash.wrapping_add(hash);
                self.live += 1;
                self.at_mut(at).value = Some(value);
            }
        }
        old
    }

    /// The hash of a slot's key and version with a value. It is compared among instances, so it has no keys: it is there to find
    /// faults of ours. Who makes two contents with one hash could hide such a fault, but not cause one, and peers that would lie
    /// may as well send another hash.
    fn content_hash(&mut self, at: u32, value: &V) -> u64 {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let slot = self.at(at);
        scratch.extend_from_slice(&slot.version.to_le_bytes());
        slot.key.encode(&mut scratch);
        value.encode(&mut scratch);
        let hash = XxHash3_64::oneshot(&scratch);
        self.scratch = scratch;
        hash
    }

    /// Forgets the oldest removals while they take more memory than they may.
    fn forget_removals(&mut self) {
        if self.removals.len() > 2 * (self.slots() - self.live) + 16 {
            // Of keys that were put again since, only the place in the queue is left.
            let slots = &self.slots;
            self.removals.retain(|removal| stands(slots, *removal));
        }
        while self.removal_bytes > self.removal_bytes_max {
            let Some((version, at)) = self.removals.pop_front() else { return };
            if stands(&self.slots, (version, at)) {
                self.floor = self.floor.max(version);
                self.break_readers_before(version);
                self.discard(at);
            }
        }
    }

    /// Takes a slot out of everything. Returns what it held.
    pub(super) fn discard(&mut self, at: u32) -> Option<V> {
        self.unlink(at);
        let old = self.clear(at);
        if old.is_none() {
            self.removal_bytes -= self.at(at).key.bytes();
        }
        self.slots.remove(self.keys, at);
        old
    }

    /// Takes a slot's value and what was counted of it.
    fn clear(&mut self, at: u32) -> Option<V> {
        let old = self.at_mut(at).value.take()?;
        let hash = self.content_hash(at, &old);
        self.hash = self.hash.wrapping_sub(hash);
        self.live -= 1;
        Some(old)
    }

    pub(super) fn hash_of(&self, key: &K) -> u64 {
        key.hash(self.keys)
    }

    /// Guesses where several keys stand, and has the processor fetch what merging changes of them will read.
    pub(super) fn guess(&self, guesses: &mut [Guess]) {
        self.slots.guess(guesses, |slot| {
            let Some(slot) = slot else { return };
            slot.key.touch();
            slot.value.iter().for_each(Value::touch);
            for neighbour in [slot.before, slot.after].into_iter().filter(|at| *at != NONE) {
                black_box(self.at(neighbour).version);
            }
        });
    }

    /// The slot of a key, which may be that of the guess.
    pub(super) fn find_guessed(&self, guess: &Guess, key: &K) -> Option<u32> {
        let is_it = |slot: &Option<Slot<K, V>>| slot.as_ref().is_some_and(|slot| slot.key == *key);
        guess.slot.filter(|at| self.slots.get(*at).is_some_and(is_it)).or_else(|| self.find(guess.hash, key))
    }

    pub(super) fn find(&self, hash: u64, key: &K) -> Option<u32> {
        self.slots.find(|| hash, |slot| slot.as_ref().is_some_and(|slot| slot.key == *key))
    }

    /// The version of a slot's entry, if it is not removed.
    pub(super) fn live_at(&self, at: u32) -> Option<u64> {
        let slot = self.at(at);
        slot.value.is_some().then_some(slot.version)
    }

    pub(super) fn at(&self, slot: u32) -> &Slot<K, V> {
        match self.slots.get(slot) {
            Some(Some(slot)) => slot,
            _ => unreachable!("the list and the table hold only slots that are in use"),
        }
    }

    fn at_mut(&mut self, slot: u32) -> &mut Slot<K, V> {
        match self.slots.get_mut(slot) {
            Some(Some(slot)) => slot,
            _ => unreachable!("the list and the table hold only slots that are in use"),
        }
    }

    fn link_newest(&mut self, at: u32) {
        let before = self.newest;
        let slot = self.at_mut(at);
        (slot.before, slot.after) = (before, NONE);
        match before {
            NONE => self.oldest = at,
            before => self.at_mut(before).after = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: u32) {
        let (before, after) = (self.at(at).before, self.at(at).after);
        self.move_readers(at, before);
        match before {
            NONE => self.oldest = after,
            before => self.at_mut(before).after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.at_mut(after).before = before,
        }
    }
}

/// The live entries of a log that is gone.
pub struct Entries<K, V> {
    keys: HashKeys,
    slots: Table<K, V>,
    next: u32,
}

impl<K: Key, V: Value> Iterator for Entries<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        while self.next != NONE {
            let slot = self.slots.remove(self.keys, self.next)??;
            self.next = slot.after;
            if let Some(value) = slot.value {
                return Some((slot.key, value));
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
