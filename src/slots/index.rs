//! Slots, found by the hash of what stands in them.
//!
//! Owns a table that grows and shrinks in small steps (linear hashing; Litwin, *Linear Hashing: A New Tool for File and Table
//! Addressing*, 1980): it is made of many small buckets, of which one is divided when they have become too full on the average,
//! or two are put together. One table of a million entries would stand still for tens of milliseconds whenever it doubles, and
//! be half empty then. A part of the hash stands beside the slot, so that none of this looks at what is stored. Must not know
//! what that is.

use super::push_tightly;

/// So many places a bucket has on the average at most. One that is to be divided next has twice as many: to look through half
/// a kilobyte that lies in one piece takes no longer than to fetch one thing from elsewhere.
const AVERAGE: usize = 32;

/// By so many places the memory of a bucket grows.
const STEP: usize = 8;

/// The index shrinks when buckets have less than this part of what they have at most.
const SHRINK_BELOW: usize = 4;

/// Buckets of one page.
const PAGE: usize = 512;

#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    slot: u32,
}

type Bucket = Vec<Place>;

/// A map from hashes to slots; several slots may have the same hash.
#[derive(Default)]
pub struct Index {
    /// All full but the last one.
    pages: Vec<Vec<Bucket>>,
    buckets: usize,
    len: usize,
}

impl Index {
    /// Number of slots.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot with this hash that `is` the one.
    pub fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let number = self.bucket_of(hash);
        let bucket = self.pages.get(number / PAGE)?.get(number % PAGE)?;
        bucket.iter().find(|place| place.hash == hash && is(place.slot)).map(|place| place.slot)
    }

    /// Adds a slot.
    pub fn insert(&mut self, hash: u32, slot: u32) {
        if self.len >= self.buckets * AVERAGE {
            self.divide();
        }
        self.put(Place { hash, slot });
        self.len += 1;
    }

    /// Removes a slot.
    pub fn remove(&mut self, hash: u32, slot: u32) {
        let number = self.bucket_of(hash);
        if self.buckets == 0 {
            return;
        }
        let bucket = self.bucket(number);
        let Some(at) = bucket.iter().position(|place| place.slot == slot) else { return };
        bucket.swap_remove(at);
        trim(bucket);
        self.len -= 1;
        if self.buckets > 1 && self.len < self.buckets * AVERAGE / SHRINK_BELOW {
            self.put_together();
        }
    }

    #[cfg(test)]
    pub(super) fn buckets(&self) -> impl Iterator<Item = usize> {
        self.pages.iter().flatten().map(Vec::capacity)
    }

    fn bucket(&mut self, number: usize) -> &mut Bucket {
        &mut self.pages[number / PAGE][number % PAGE]
    }

    /// Which bucket a hash belongs to: that with the number of its last bits, or the one that has not been divided yet.
    fn bucket_of(&self, hash: u32) -> usize {
        let mask = self.buckets.next_power_of_two() - 1;
        let number = hash as usize & mask;
        if number < self.buckets { number } else { number & (mask >> 1) }
    }

    /// Adds a bucket. What belongs to it is in the one whose number has the highest bit less.
    fn divide(&mut self) {
        if self.buckets % PAGE == 0 {
            self.pages.push(Vec::new());
        }
        let page = self.buckets / PAGE;
        let number = self.buckets;
        push_tightly(&mut self.pages[page], PAGE, Bucket::new());
        self.buckets += 1;
        if number > 0 {
            let divided = number - (1 << number.ilog2());
            let places = std::mem::take(self.bucket(divided));
            places.into_iter().for_each(|place| self.put(place));
        }
    }

    fn put_together(&mut self) {
        let page = (self.buckets - 1) / PAGE;
        let last = self.pages[page].pop().unwrap_or_default();
        if self.pages[page].is_empty() {
            self.pages.pop();
        }
        self.buckets -= 1;
        last.into_iter().for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let number = self.bucket_of(place.hash);
        let bucket = self.bucket(number);
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(STEP);
        }
        bucket.push(place);
    }
}

/// Gives back memory that is not used.
fn trim(bucket: &mut Bucket) {
    if bucket.capacity() >= bucket.len() + 2 * STEP {
        bucket.shrink_to(bucket.len() + STEP);
    }
}
