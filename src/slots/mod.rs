//! Entries that stay where they are, by an index of four bytes (a *slot*), and are found by a key that they hold themselves.
//!
//! Owns the storage: nothing is stored twice, one entry takes the memory of one, and a million of them grow without a stop. So a
//! reader can note the slot that it has come to and go on from there after others have changed the table: what was there all the
//! time is not missed. Must not know what it stores. The slots are in `slab.rs`, how they are found in `index.rs`.

mod index;
mod slab;

use std::hint::black_box;

use crate::map::HashKeys;
use index::Index;
use slab::Slab;

/// So many entries are looked through without an index.
const FEW: usize = 8;

/// Where an entry may be.
pub struct Guess {
    /// The hash of its key.
    pub hash: u64,
    /// Nearly always where it is, if it is there.
    pub slot: Option<u32>,
}

/// What stands in a slot, or that nothing does.
pub trait Slot {
    /// Nothing.
    const FREE: Self;

    /// Whether it is nothing.
    fn is_free(&self) -> bool;

    /// The hash of what it is found by.
    fn hash(&self, keys: HashKeys) -> u64;
}

/// What is found by a part of itself.
pub trait Keyed {
    /// The hash of that part.
    fn hash(&self, keys: HashKeys) -> u64;
}

impl<T: Keyed> Slot for Option<T> {
    const FREE: Self = None;

    fn is_free(&self) -> bool {
        self.is_none()
    }

    fn hash(&self, keys: HashKeys) -> u64 {
        self.as_ref().map_or(0, |entry| entry.hash(keys))
    }
}

/// A table whose entries keep their slots. It must always be given the same hash keys.
pub struct Slots<T>(Storage<T>);

enum Storage<T> {
    Few(Vec<T>),
    Many(Box<Many<T>>),
}

struct Many<T> {
    slab: Slab<T>,
    index: Index,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots(Storage::Few(Vec::new()))
    }
}

impl<T: Slot> Slots<T> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        match &self.0 {
            Storage::Few(few) => few.iter().filter(|entry| !entry.is_free()).count(),
            Storage::Many(many) => many.slab.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slot of the entry that `is` the one. The hash of its key is asked for only if need be.
    pub fn find(&self, hash: impl FnOnce() -> u64, is: impl Fn(&T) -> bool) -> Option<u32> {
        let is_it = |entry: &T| !entry.is_free() && is(entry);
        match &self.0 {
            Storage::Few(few) => few.iter().position(is_it).map(|slot| slot as u32),
            Storage::Many(many) => many.index.find(hash(), |slot| many.slab.get(slot).is_some_and(&is_it)),
        }
    }

    /// Guesses where several entries are, and has the processor fetch what [`find`](Self::find) reads, and then what `touch` reads of
    /// the entries: what is asked for one by one is waited for one by one, what is asked for at once is waited for once.
    pub fn guess(&self, guesses: &mut [Guess], touch: impl Fn(&T)) {
        let Storage::Many(many) = &self.0 else { return };
        guesses.iter().for_each(|guess| many.index.touch(guess.hash));
        guesses.iter_mut().for_each(|guess| guess.slot = many.index.find(guess.hash, |_| true));
        let entries = || guesses.iter().filter_map(|guess| many.slab.get(guess.slot?));
        entries().for_each(|entry| _ = black_box(entry.is_free()));
        entries().for_each(touch);
    }

    /// One above the highest slot in use, or a little more.
    pub fn end(&self) -> u32 {
        match &self.0 {
            Storage::Few(few) => few.len() as u32,
            Storage::Many(many) => many.slab.end(),
        }
    }

    /// Adds an entry with a key that is not there, and returns its slot.
    pub fn insert(&mut self, keys: HashKeys, entry: T) -> u32 {
        self.insert_hashed(keys, |entry| entry.hash(keys), entry)
    }

    /// The same, with the hash of its key, which is asked for only if need be.
    pub fn insert_hashed(&mut self, keys: HashKeys, hash: impl FnOnce(&T) -> u64, entry: T) -> u32 {
        debug_assert!(!entry.is_free());
        if let Storage::Few(few) = &mut self.0 {
            match few.iter().position(Slot::is_free) {
                Some(free) => {
                    few[free] = entry;
                    return free as u32;
                }
                None if few.len() < FEW => {
                    push_tightly(few, FEW, entry);
                    return (few.len() - 1) as u32;
                }
                None => self.0 = Storage::Many(Box::new(Many::new(keys, std::mem::take(few)))),
            }
        }
        match &mut self.0 {
            Storage::Few(_) => unreachable!("there were too many for that"),
            Storage::Many(many) => many.insert(hash(&entry), entry),
        }
    }

    /// Takes an entry out of its slot.
    pub fn remove(&mut self, keys: HashKeys, slot: u32) -> Option<T> {
        let entry = match &mut self.0 {
            Storage::Few(few) => {
                let entry = few.get_mut(slot as usize).filter(|entry| !entry.is_free())?;
                std::mem::replace(entry, T::FREE)
            }
            Storage::Many(many) => {
                let entry = many.slab.remove(slot)?;
                many.index.remove(entry.hash(keys), slot);
                entry
            }
        };
        if self.is_empty() {
            *self = Slots::default();
        }
        Some(entry)
    }

    /// The entry in this slot.
    pub fn get(&self, slot: u32) -> Option<&T> {
        match &self.0 {
            Storage::Few(few) => few.get(slot as usize).filter(|entry| !entry.is_free()),
            Storage::Many(many) => many.slab.get(slot),
        }
    }

    /// The entry in this slot. It must keep its key.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        match &mut self.0 {
            Storage::Few(few) => few.get_mut(slot as usize).filter(|entry| !entry.is_free()),
            Storage::Many(many) => many.slab.get_mut(slot),
        }
    }

    /// Visits the entries from the slot `from` on, `most` slots looked at (at least one). Returns the slot to go on from; nothing:
    /// these were all.
    pub fn visit(&self, from: u32, most: usize, mut visit: impl FnMut(u32, &T)) -> Option<u32> {
        match &self.0 {
            Storage::Few(few) => {
                let end = (from as usize).saturating_add(most.max(1));
                let range = few.iter().enumerate().skip(from as usize).take(most.max(1));
                range
                    .filter(|(_, entry)| !entry.is_free())
                    .for_each(|(slot, entry)| visit(slot as u32, entry));
                (end < few.len()).then_some(end as u32)
            }
            Storage::Many(many) => many.slab.visit(from, most, visit),
        }
    }
}

impl<T: Slot> Many<T> {
    fn new(keys: HashKeys, few: Vec<T>) -> Self {
        let mut index = Index::default();
        for (slot, entry) in few.iter().enumerate().filter(|(_, entry)| !entry.is_free()) {
            index.insert(entry.hash(keys), slot as u32);
        }
        Many { slab: few.into(), index }
    }

    fn insert(&mut self, hash: u64, entry: T) -> u32 {
        let slot = self.slab.insert(entry);
        self.index.insert(hash, slot);
        slot
    }
}

/// Adds an entry to a vector that takes memory for `most` entries at most, and for one if it has one.
fn push_tightly<T>(entries: &mut Vec<T>, most: usize, entry: T) {
    if entries.len() == entries.capacity() {
        entries.reserve_exact(entries.len().min(most - entries.len()).max(1));
    }
    entries.push(entry);
}

#[cfg(test)]
mod tests;
