//! Slots, found by the hash of what stands in them.
//!
//! Owns a table that grows and shrinks in small steps (linear hashing; Litwin, *Linear Hashing: A New Tool for File and Table
//! Addressing*, 1980): it is made of many small buckets, of which one is divided when they are full on the average, or two are
//! put together. One table of a million entries would stand still for tens of milliseconds whenever it doubles, and then be half
//! empty; this one takes ten to thirteen bytes an entry, at every size. A part of the hash stands beside the slot, so that
//! none of this looks at what is stored. Must not know what that is.

use std::hint::black_box;

use super::push_tightly;

/// So many places a bucket has on the average at most; one that is to be divided next has twice as many. To look through half a
/// kilobyte that lies in one piece takes no longer than to fetch one thing from elsewhere.
const AVERAGE: usize = 32;

/// By so many places a bucket's memory grows: all sizes are among those that allocators have.
const STEP: usize = 8;

/// Two buckets are put together when less than this part of that is used.
const SHRINK_BELOW: usize = 4;

/// Buckets of a page: what holds them grows in pieces, too.
const PAGE: usize = 512;

/// A slot and a part of the hash by which it is found.
#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    slot: u32,
}

type Bucket = Vec<Place>;

/// A map from hashes to slots; several slots may have the same hash.
#[derive(Default)]
pub(super) struct Index {
    /// All full but the last one.
    pages: Vec<Vec<Bucket>>,
    buckets: usize,
    len: usize,
}

impl Index {
    /// The slot with this hash that `is` the one.
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = part(hash);
        let number = self.bucket_of(hash);
        let bucket = self.pages.get(number / PAGE)?.get(number % PAGE)?;
        bucket.iter().find(|place| place.hash == hash && is(place.slot)).map(|place| place.slot)
    }

    /// Reads a little of each part of what [`find`](Self::find) reads.
    pub(super) fn touch(&self, hash: u64) {
        let number = self.bucket_of(part(hash));
        let bucket = self.pages.get(number / PAGE).and_then(|page| page.get(number % PAGE));
        bucket
            .into_iter()
            .flat_map(|bucket| bucket.iter().step_by(STEP))
            .for_each(|place| _ = black_box(place.slot));
    }

    /// Adds a slot.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        if self.len >= self.buckets * AVERAGE {
            self.divide();
        }
        self.put(Place { hash: part(hash), slot });
        self.len += 1;
    }

    /// Removes a slot that is there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let number = self.bucket_of(part(hash));
        let Some(bucket) = self.bucket(number) else { return };
        let Some(at) = bucket.iter().position(|place| place.slot == slot) else { return };
        bucket.swap_remove(at);
        if bucket.capacity() >= bucket.len() + 2 * STEP {
            bucket.shrink_to(bucket.len().next_multiple_of(STEP) + STEP);
        }
        self.len -= 1;
        if self.buckets > 1 && self.len < self.buckets * AVERAGE / SHRINK_BELOW {
            self.put_together();
        }
    }

    /// The places that each bucket has room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> impl Iterator<Item = usize> {
        self.pages.iter().flatten().map(Vec::capacity)
    }

    fn bucket(&mut self, number: usize) -> Option<&mut Bucket> {
        self.pages.get_mut(number / PAGE)?.get_mut(number % PAGE)
    }

    /// Which bucket a hash belongs to: that with the number of its last bits, or the one that has not been divided yet.
    fn bucket_of(&self, hash: u32) -> usize {
        let mask = self.buckets.next_power_of_two() - 1;
        let number = hash as usize & mask;
        if number < self.buckets { number } else { number & (mask >> 1) }
    }

    /// Adds a bucket. What belongs into it is in the one with the same number but for its first bit.
    fn divide(&mut self) {
        let number = self.buckets;
        if number.is_multiple_of(PAGE) {
            self.pages.push(Vec::new());
        }
        if let Some(page) = self.pages.last_mut() {
            push_tightly(page, PAGE, Bucket::new());
            self.buckets += 1;
        }
        let divided = number.checked_ilog2().map(|bits| number - (1 << bits));
        let places = divided.and_then(|divided| self.bucket(divided)).map(std::mem::take);
        places.into_iter().flatten().for_each(|place| self.put(place));
    }

    fn put_together(&mut self) {
        let Some(last) = self.pages.last_mut().and_then(Vec::pop) else { return };
        if self.pages.last().is_some_and(Vec::is_empty) {
            self.pages.pop();
        }
        self.buckets -= 1;
        last.into_iter().for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let number = self.bucket_of(place.hash);
        let Some(bucket) = self.bucket(number) else { return };
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(STEP);
        }
        bucket.push(place);
    }
}

/// The part of a hash that is kept. The other half is for whoever divides what there is into shards.
fn part(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::HashKeys;

    fn hash(slot: u32) -> u64 {
        HashKeys::new([1, 2]).hash(&slot.to_le_bytes())
    }

    #[test]
    fn it_is_small_at_every_size_and_has_no_large_bucket() {
        let mut index = Index::default();
        for slot in 0..100_000 {
            index.insert(hash(slot), slot);
            if slot % 1000 == 999 {
                let places: usize = index.room().sum();
                assert!(places * 10 < (slot as usize + 1) * 13, "room for {places}, {} used", slot + 1);
            }
        }
        assert!(index.room().max() < Some(150));
        (0..100_000).for_each(|slot| assert_eq!(index.find(hash(slot), |other| other == slot), Some(slot)));
        (0..100_000).for_each(|slot| index.remove(hash(slot), slot));
        assert_eq!((index.len, index.room().count()), (0, 1));
        assert_eq!(index.find(hash(7), |_| true), None);
    }

    #[test]
    fn what_has_one_hash_is_told_apart() {
        let mut index = Index::default();
        (0..2_000).for_each(|slot| index.insert(5, slot));
        assert!((0..2_000).all(|slot| index.find(5, |other| other == slot) == Some(slot)));
        (0..2_000).for_each(|slot| index.remove(5, slot));
        assert_eq!((index.len, index.find(5, |_| true)), (0, None));
    }
}
