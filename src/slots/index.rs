//! Slots, found by the hash of what stands in them.
//!
//! Owns a table that grows and shrinks in small steps (linear hashing; Litwin, 1980): it is made of many small tables, of which
//! one is divided when they are full on the average, or two are put together. A part of the hash stands beside the slot, so that
//! none of this looks at what is stored. Must not know what that is. A small table is in `table.rs`.

use super::table::{Place, Table};

/// So many entries a small table has on the average at most; one that is to be divided next has twice as many.
const AVERAGE: usize = 512;

/// Two tables are put together when less than this part of that is used.
const SHRINK_BELOW: usize = 4;

/// A map from hashes to slots; several slots may have the same hash.
#[derive(Default)]
pub(super) struct Index {
    tables: Vec<Table>,
    len: usize,
}

impl Index {
    /// The slot with this hash that `is` the one.
    pub(super) fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = part(hash);
        self.tables.get(self.table_of(hash))?.find(hash, is)
    }

    /// Adds a slot.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        if self.tables.is_empty() {
            self.tables.reserve_exact(1);
            self.tables.push(Table::default());
        } else if self.len >= self.tables.len() * AVERAGE {
            self.divide();
        }
        self.put(Place { hash: part(hash), slot });
        self.len += 1;
    }

    /// Removes a slot that is there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let hash = part(hash);
        let number = self.table_of(hash);
        if !self.tables.get_mut(number).is_some_and(|table| table.remove(hash, slot)) {
            return;
        }
        self.len -= 1;
        if self.tables.len() > 1 && self.len < self.tables.len() * AVERAGE / SHRINK_BELOW {
            self.put_together();
        }
    }

    #[cfg(test)]
    pub(super) fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Which table a hash belongs to: that with the number of its first bits, or the one that has not been divided yet.
    fn table_of(&self, hash: u32) -> usize {
        // The last bits are those by which a table finds its places.
        let bits = hash.reverse_bits() as usize;
        let mask = self.tables.len().next_power_of_two() - 1;
        let number = bits & mask;
        if number < self.tables.len() { number } else { bits & (mask >> 1) }
    }

    fn divide(&mut self) {
        let number = self.tables.len();
        // The one with the same number but for its first bit.
        let divided = number - (1 << number.ilog2());
        let half = self.tables[divided].len() / 2;
        let old = std::mem::replace(&mut self.tables[divided], Table::with_room(half));
        self.tables.push(Table::with_room(half));
        old.iter().for_each(|place| self.put(place));
    }

    fn put_together(&mut self) {
        let Some(last) = self.tables.pop() else { return };
        last.iter().for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let number = self.table_of(place.hash);
        self.tables[number].insert(place);
    }
}

/// The part of a hash that is kept. The other half is for whoever divides what there is into shards.
fn part(hash: u64) -> u32 {
    (hash >> 32) as u32
}
