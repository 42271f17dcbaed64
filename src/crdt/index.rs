//! Finds a log's slots by the hashes of their keys, and grows a little at a time.
//!
//! Owns the tables. Must not know keys: hashes stand beside the slots, so that growing reads nothing else.
//!
//! One table of a million entries would stand still for tens of milliseconds whenever it doubles. Linear hashing (Litwin,
//! *Linear Hashing: A New Tool for File and Table Addressing*, 1980): there are many small tables, the lower bits of a hash
//! choose one, and each time the entries have become so many more, the next table in turn is split into two.

use hashbrown::HashTable;

/// Entries of a table on average. Those that wait for their turn have up to twice as many: what a table of 2048 places holds
/// before it grows, with a little to spare.
const AVERAGE: usize = 832;

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    slot: u32,
}

/// Slots by hash.
pub(super) struct Index {
    /// At least one.
    tables: Vec<HashTable<Entry>>,
    entries: usize,
}

/// What a table places an entry by: other bits than those that have chosen the table.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

impl Index {
    pub(super) fn new() -> Self {
        Index { tables: vec![HashTable::new()], entries: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// The slot with this hash that is the right one.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let table = &self.tables[self.table_of(hash)];
        table.find(spread(hash), |entry| entry.hash == hash && is_it(entry.slot)).map(|entry| entry.slot)
    }

    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        if self.entries >= self.tables.len() * AVERAGE {
            self.split();
        }
        let table = self.table_of(hash);
        self.tables[table].insert_unique(spread(hash), Entry { hash, slot }, |entry| spread(entry.hash));
        self.entries += 1;
    }

    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let table = self.table_of(hash);
        if let Ok(entry) = self.tables[table].find_entry(spread(hash), |entry| entry.slot == slot) {
            entry.remove();
            self.entries -= 1;
        }
    }

    fn table_of(&self, hash: u32) -> usize {
        let tables = self.tables.len();
        let bits = tables.next_power_of_two() - 1;
        let table = hash as usize & bits;
        // Not split yet: it is still where one bit less says.
        if table < tables { table } else { table & (bits >> 1) }
    }

    /// Splits the table whose turn it is: what has the next bit set moves into a new one.
    fn split(&mut self) {
        let new = self.tables.len();
        // Its number without its highest bit.
        let turn = new - (1 << new.ilog2());
        let entries = std::mem::take(&mut self.tables[turn]);
        self.tables[turn].reserve(entries.len() / 2, |entry| spread(entry.hash));
        self.tables.push(HashTable::with_capacity(entries.len() / 2));
        for entry in entries {
            let table = self.table_of(entry.hash);
            self.tables[table].insert_unique(spread(entry.hash), entry, |entry| spread(entry.hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::HashKeys;

    fn hash(number: u32) -> u32 {
        HashKeys::new([1, 2]).hash(&number.to_le_bytes()) as u32
    }

    #[test]
    fn every_slot_is_found_however_often_it_was_split() {
        let mut index = Index::new();
        for slot in 0..100_000 {
            index.insert(hash(slot), slot);
            if slot % 3 == 0 {
                index.remove(hash(slot / 2), slot / 2);
            }
        }
        let mut found = 0;
        for slot in 0..100_000 {
            found += usize::from(index.find(hash(slot), |other| other == slot).is_some());
        }
        assert_eq!(found, index.len());
        assert_eq!(index.find(hash(7), |_| false), None);
        let sizes = index.tables.iter().map(HashTable::len);
        assert!(index.tables.len() > 50 && sizes.clone().all(|size| size < 1_792), "{:?}", sizes.max());
    }

    #[test]
    fn what_has_one_hash_is_told_apart() {
        let mut index = Index::new();
        (0..2_000).for_each(|slot| index.insert(5, slot));
        assert!((0..2_000).all(|slot| index.find(5, |other| other == slot) == Some(slot)));
        (0..2_000).for_each(|slot| index.remove(5, slot));
        assert_eq!((index.len(), index.find(5, |_| true)), (0, None));
    }
}
