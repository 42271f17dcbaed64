//! Slots, found by the hash of what stands in them.
//!
//! Owns a table that grows and shrinks in small steps (linear hashing; Litwin, 1980): it is made of many small tables, of which
//! one is divided when they are full on the average, or two are put together. A part of the hash stands beside the slot, so that
//! none of this looks at what is stored. Must not know what that is.

use hashbrown::HashTable;

/// So many entries a small table has on the average at most. One that is to be divided next has twice as many: they, and the usual
/// deviation, fit into 2048 buckets.
const AVERAGE: usize = 850;

/// Tables shrink when less than this part of them is used.
const SHRINK_BELOW: usize = 8;

#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    slot: u32,
}

/// A map from hashes to slots; several slots may have the same hash.
#[derive(Default)]
pub(super) struct Index {
    tables: Vec<HashTable<Place>>,
    len: usize,
}

impl Index {
    /// The slot with this hash that `is` the one.
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = part(hash);
        let table = self.tables.get(self.table_of(hash))?;
        table.find(spread(hash), |place| place.hash == hash && is(place.slot)).map(|place| place.slot)
    }

    /// Adds a slot.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        if self.tables.is_empty() {
            self.tables.reserve_exact(1);
            self.tables.push(HashTable::new());
        } else if self.len >= self.tables.len() * AVERAGE {
            self.divide();
        }
        self.put(Place { hash: part(hash), slot });
        self.len += 1;
    }

    /// Removes a slot.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let hash = part(hash);
        let number = self.table_of(hash);
        let Some(table) = self.tables.get_mut(number) else { return };
        let Ok(entry) = table.find_entry(spread(hash), |place| place.slot == slot) else { return };
        entry.remove();
        if table.len() < table.capacity() / SHRINK_BELOW {
            table.shrink_to(table.len() * 2, |place| spread(place.hash));
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
        // The last bits are those that a table of its own finds its buckets by.
        let bits = hash.reverse_bits() as usize;
        let mask = self.tables.len().next_power_of_two() - 1;
        let number = bits & mask;
        if number < self.tables.len() { number } else { bits & (mask >> 1) }
    }

    /// Which table a new one, with the next number, has its entries from.
    fn divided_next(&self) -> usize {
        let number = self.tables.len();
        number - (1 << number.ilog2())
    }

    fn divide(&mut self) {
        let divided = self.divided_next();
        let old = std::mem::take(&mut self.tables[divided]);
        self.tables[divided].reserve(old.len() / 2, |place| spread(place.hash));
        self.tables.push(HashTable::with_capacity(old.len() / 2));
        old.into_iter().for_each(|place| self.put(place));
    }

    fn put_together(&mut self) {
        let Some(last) = self.tables.pop() else { return };
        last.into_iter().for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let number = self.table_of(place.hash);
        self.tables[number].insert_unique(spread(place.hash), place, |place| spread(place.hash));
    }
}

/// The part of a hash that is kept. The other half is for whoever divides what there is into shards.
fn part(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// All 64 bits that a table wants, from the 32 that are kept.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
