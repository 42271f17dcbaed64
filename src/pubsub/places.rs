//! Where the handles of one client's subscriptions stand: a map from id to slot, in eight bytes and a quarter.
//!
//! Owns nothing but the storage. There are as many of these entries as there are subscriptions, and general tables
//! double: on the average they are two thirds full, at worst less than half, with a byte beside each entry. This one
//! grows by a quarter. Open addressing with linear probing and no tombstones (Knuth, The Art of Computer Programming,
//! volume 3, section 6.4, algorithms L and R).

/// One subscription: which channel or pattern, and the receiver's slot there.
#[derive(Clone, Copy)]
struct Place {
    id: u32,
    slot: u32,
}

/// No channel or pattern has this id.
const NO_ID: u32 = u32::MAX;
const EMPTY: Place = Place { id: NO_ID, slot: 0 };

/// A map from ids to slots.
#[derive(Default)]
pub(super) struct Places {
    places: Box<[Place]>,
    used: u32,
    /// Where [`Places::some`] goes on, so that emptying the map does not search what it has emptied.
    next: u32,
}

impl Places {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.used as usize
    }

    /// Whether the id is there.
    pub(super) fn contains(&self, id: u32) -> bool {
        self.find(id).is_ok()
    }

    /// Adds an id that is not there.
    pub(super) fn insert(&mut self, id: u32, slot: u32) {
        debug_assert_ne!(id, NO_ID, "the id that marks what is empty");
        // At most 6/7 full: probes stay within a cache line or two.
        if (self.len() + 1) * 7 > self.places.len() * 6 {
            self.resize(self.places.len() + self.places.len() / 4 + 2);
        }
        match self.find(id) {
            Ok(_) => unreachable!("one client subscribes once"),
            Err(position) => self.places[position] = Place { id, slot },
        }
        self.used += 1;
    }

    /// Removes an id and returns its slot.
    pub(super) fn remove(&mut self, id: u32) -> Option<u32> {
        let position = self.find(id).ok()?;
        let slot = self.places[position].slot;
        self.close_gap(position);
        self.used -= 1;
        if self.len() * 4 < self.places.len() {
            self.resize(self.len() * 2);
        }
        Some(slot)
    }

    /// Up to `most` ids.
    pub(super) fn some(&mut self, most: usize) -> Vec<u32> {
        let most = most.min(self.len());
        let mut ids = Vec::with_capacity(most);
        let mut position = self.next as usize;
        while ids.len() < most {
            if position >= self.places.len() {
                position = 0;
            }
            let id = self.places[position].id;
            if id != NO_ID {
                ids.push(id);
            }
            position += 1;
        }
        self.next = position as u32;
        ids
    }

    /// The position of an id, or that of the empty place where it belongs.
    fn find(&self, id: u32) -> Result<usize, usize> {
        if self.places.is_empty() {
            return Err(0);
        }
        let mut position = self.home(id);
        loop {
            match self.places[position].id {
                found if found == id => return Ok(position),
                NO_ID => return Err(position),
                _ => position = self.after(position),
            }
        }
    }

    /// Where an id is looked for first. Ids are given out again in the order in which a client gave them up, which is
    /// the order of another table like this one: were the places of two sizes alike, the beginning of a growing table
    /// would fill up first. So the size takes part in the mixing (Wellons, lowbias32).
    fn home(&self, id: u32) -> usize {
        let mut mixed = id ^ (self.places.len() as u32).wrapping_mul(0x9E37_79B1);
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7FEB_352D);
        mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846C_A68B);
        mixed ^= mixed >> 16;
        ((u64::from(mixed) * self.places.len() as u64) >> u32::BITS) as usize
    }

    fn after(&self, position: usize) -> usize {
        if position + 1 == self.places.len() { 0 } else { position + 1 }
    }

    /// Moves entries back that the removed one had kept from their homes.
    fn close_gap(&mut self, mut gap: usize) {
        let mut position = gap;
        loop {
            position = self.after(position);
            let place = self.places[position];
            if place.id == NO_ID {
                break;
            }
            let home = self.home(place.id);
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
        self.next = 0;
        for place in old.iter().filter(|place| place.id != NO_ID) {
            if let Err(position) = self.find(place.id) {
                self.places[position] = *place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_small_at_every_size() {
        let mut places = Places::default();
        for id in 0..100_000 {
            places.insert(id << 8, id);
            let bytes = places.places.len() * size_of::<Place>();
            assert!(id < 100 || bytes <= 12 * places.len(), "{bytes} bytes for {}", places.len());
        }
    }

    #[test]
    fn it_can_be_emptied_in_parts() {
        let mut places = Places::default();
        (0..10_000).for_each(|id| places.insert(id, id + 1));
        let mut left = 10_000;
        while places.len() > 0 {
            for id in places.some(100) {
                assert_eq!(places.remove(id), Some(id + 1));
                left -= 1;
            }
        }
        assert_eq!(left, 0);
        assert!(places.some(5).is_empty());
        assert!(!places.contains(5));
    }

    #[test]
    fn ids_in_the_order_of_another_table_take_no_longer() {
        let mut first = Places::default();
        (0..20_000).for_each(|id| first.insert(id, 0));
        let mut second = Places::default();
        let mut probes = 0;
        for id in first.some(20_000) {
            second.insert(id, 0);
            let (home, size) = (second.home(id), second.places.len());
            probes += (second.find(id).unwrap() + size - home) % size;
        }
        assert!(probes < 20_000 * 10, "{probes} probes");
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(steps in proptest::collection::vec((any::<bool>(), 0..50_u32), 0..400)) {
            let mut places = Places::default();
            let mut model = BTreeMap::new();
            for (turn, (adds, id)) in steps.into_iter().enumerate() {
                // Far apart, and near the largest ones.
                let id = NO_ID - 1 - id * 77_777_777 % 1000;
                if adds && !model.contains_key(&id) {
                    places.insert(id, turn as u32);
                    model.insert(id, turn as u32);
                } else {
                    prop_assert_eq!(places.remove(id), model.remove(&id));
                }
                prop_assert_eq!(places.len(), model.len());
                prop_assert!(model.keys().all(|id| places.contains(*id)));
                let mut ids = places.some(usize::MAX);
                ids.sort_unstable();
                prop_assert!(ids.iter().eq(model.keys()));
            }
        }
    }
}
