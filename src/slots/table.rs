//! A small hash table in nine to twelve bytes an entry.
//!
//! Owns nothing but the storage. General tables double: they are two thirds full on the average, at worst less than half, with a
//! byte beside each entry. This one grows by a quarter. Open addressing with linear probing and no tombstones (Knuth, The Art of
//! Computer Programming, volume 3, section 6.4, algorithms L and R). Must not know that there are others.

/// A slot and a part of the hash by which it is found.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) hash: u32,
    pub(super) slot: u32,
}

/// Never an entry's.
const NO_SLOT: u32 = u32::MAX;
const EMPTY: Place = Place { hash: 0, slot: NO_SLOT };

/// A map from hashes to slots; several slots may have the same hash.
#[derive(Default)]
pub(super) struct Table {
    places: Box<[Place]>,
    used: u32,
}

impl Table {
    /// One with room for so many entries.
    pub(super) fn with_room(entries: usize) -> Self {
        let mut table = Table::default();
        table.resize(entries + entries / 6 + 1);
        table
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.used as usize
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        self.places.iter().copied().filter(|place| place.slot != NO_SLOT)
    }

    /// The slot with this hash that `is` the one.
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let position = self.position(hash, |place| place.hash == hash && is(place.slot));
        position.map(|position| self.places[position].slot)
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, place: Place) {
        debug_assert_ne!(place.slot, NO_SLOT, "the slot that marks what is empty");
        // At most 6/7 full: probes stay within a few cache lines.
        if (self.len() + 1) * 7 > self.places.len() * 6 {
            self.resize(self.places.len() + self.places.len() / 4 + 4);
        }
        self.used += 1;
        self.put(place);
    }

    /// Removes an entry. Returns whether it was there.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) -> bool {
        let Some(position) = self.position(hash, |place| place.slot == slot) else { return false };
        self.close_gap(position);
        self.used -= 1;
        if self.len() * 4 < self.places.len() {
            self.resize(self.len() * 2);
        }
        true
    }

    /// The position of the first entry from the home of a hash on that `is` the one.
    fn position(&self, hash: u32, mut is: impl FnMut(&Place) -> bool) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut position = self.home(hash);
        // One place at least is empty.
        while self.places[position].slot != NO_SLOT {
            if is(&self.places[position]) {
                return Some(position);
            }
            position = self.after(position);
        }
        None
    }

    /// Where a hash is looked for first.
    fn home(&self, hash: u32) -> usize {
        // The entries of one table may have the first bits of their hashes in common.
        let mixed = hash.wrapping_mul(0x9E37_79B1);
        ((u64::from(mixed) * self.places.len() as u64) >> u32::BITS) as usize
    }

    fn after(&self, position: usize) -> usize {
        if position + 1 == self.places.len() { 0 } else { position + 1 }
    }

    fn put(&mut self, place: Place) {
        let mut position = self.home(place.hash);
        while self.places[position].slot != NO_SLOT {
            position = self.after(position);
        }
        self.places[position] = place;
    }

    /// Moves entries back that the removed one had kept from their homes.
    fn close_gap(&mut self, mut gap: usize) {
        let mut position = gap;
        loop {
            position = self.after(position);
            let place = self.places[position];
            if place.slot == NO_SLOT {
                break;
            }
            let home = self.home(place.hash);
            let stays =
                if gap <= position { gap < home && home <= position } else { gap < home || home <= position };
            if !stays {
                self.places[gap] = place;
                gap = position;
            }
        }
        self.places[gap] = EMPTY;
    }

    fn resize(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.places, vec![EMPTY; size].into_boxed_slice());
        old.iter().filter(|place| place.slot != NO_SLOT).for_each(|place| self.put(*place));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As hashes are.
    fn mixed(number: u32) -> u32 {
        number.wrapping_mul(0x85EB_CA6B) ^ (number >> 3)
    }

    #[test]
    fn it_is_small_at_every_size() {
        let mut table = Table::default();
        for number in 0..5_000 {
            table.insert(Place { hash: mixed(number), slot: number });
            let bytes = table.places.len() * size_of::<Place>();
            assert!(number < 100 || bytes <= 12 * (number as usize + 1), "{bytes} bytes for {number}");
        }
        for number in 0..5_000 {
            assert!(table.remove(mixed(number), number));
        }
        assert!(table.places.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(steps in proptest::collection::vec(0..60_u32, 0..600), shift in 0..20_u32) {
            let mut table = Table::default();
            let mut model = Vec::new();
            // With a large shift many hashes are the same.
            let hash = |slot| mixed(slot) >> (12 + shift);
            for (step, slot) in steps.into_iter().enumerate() {
                match model.iter().position(|other| *other == slot) {
                    Some(at) => {
                        model.swap_remove(at);
                        prop_assert!(table.remove(hash(slot), slot));
                    }
                    None => {
                        model.push(slot);
                        table.insert(Place { hash: hash(slot), slot });
                    }
                }
                let found = |slot| table.find(hash(slot), |found| found == slot);
                let asked = if step % 16 == 0 { 0..60 } else { slot..slot + 1 };
                prop_assert!(asked.into_iter().all(|slot| found(slot).is_some() == model.contains(&slot)));
                prop_assert_eq!(table.iter().count(), model.len());
            }
        }
    }
}
