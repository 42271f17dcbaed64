//! Where a log's entries stand: in chunks, so that none is ever moved and no call pays for the growth of all.
//!
//! Owns the slots and which of them are free. Must not know their order or how they are found.

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Slots of one chunk: 32 KiB of them.
const CHUNK: usize = 1024;

/// One key, its last state, and its neighbours in the order.
pub(super) struct Slot<K, V> {
    pub(super) key: K,
    /// `None`: removed at `version`.
    pub(super) value: Option<V>,
    pub(super) version: u64,
    pub(super) before: u32,
    pub(super) after: u32,
}

enum Place<K, V> {
    Used(Slot<K, V>),
    /// With the next one that is free.
    Free(u32),
}

/// All slots of a log.
pub(super) struct Slots<K, V> {
    chunks: Vec<Vec<Place<K, V>>>,
    free: u32,
}

impl<K, V> Slots<K, V> {
    pub(super) fn new() -> Self {
        Slots { chunks: Vec::new(), free: NONE }
    }

    /// Slots that there is memory for.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    pub(super) fn add(&mut self, slot: Slot<K, V>) -> u32 {
        if self.free != NONE {
            let at = self.free;
            let place = self.place(at);
            if let Place::Free(next) = std::mem::replace(place, Place::Used(slot)) {
                self.free = next;
            }
            return at;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first one of a small log is no larger than it needs to be.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(Place::Used(slot));
        (chunk * CHUNK + self.chunks[chunk].len() - 1) as u32
    }

    /// Takes a slot out; its place is free.
    pub(super) fn take(&mut self, at: u32) -> Option<Slot<K, V>> {
        let next = self.free;
        match std::mem::replace(self.place(at), Place::Free(next)) {
            Place::Used(slot) => {
                self.free = at;
                Some(slot)
            }
            free @ Place::Free(_) => {
                *self.place(at) = free;
                None
            }
        }
    }

    pub(super) fn get(&self, at: u32) -> Option<&Slot<K, V>> {
        match &self.chunks[at as usize / CHUNK][at as usize % CHUNK] {
            Place::Used(slot) => Some(slot),
            Place::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Slot<K, V>> {
        match self.place(at) {
            Place::Used(slot) => Some(slot),
            Place::Free(_) => None,
        }
    }

    fn place(&mut self, at: u32) -> &mut Place<K, V> {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn slot(key: u64) -> Slot<u64, u64> {
        Slot { key, value: None, version: 0, before: NONE, after: NONE }
    }

    #[test]
    fn a_slot_of_two_handles_takes_32_bytes() {
        assert_eq!(size_of::<Place<Arc<str>, Arc<str>>>(), 48, "of two fat ones");
        assert_eq!(size_of::<Place<Arc<u64>, Arc<u64>>>(), 32);
    }

    #[test]
    fn places_are_used_again() {
        let mut slots = Slots::new();
        let places: Vec<u32> = (0..3_000).map(|key| slots.add(slot(key))).collect();
        assert_eq!(places, (0..3_000).collect::<Vec<u32>>());
        for at in (0..3_000).step_by(3) {
            assert_eq!(slots.take(at).map(|slot| slot.key), Some(u64::from(at)));
            assert!(slots.take(at).is_none() && slots.get(at).is_none() && slots.get_mut(at).is_none());
        }
        for key in 0..1_000 {
            let at = slots.add(slot(key));
            assert_eq!(slots.get(at).map(|slot| slot.key), Some(key));
        }
        assert_eq!((slots.places(), slots.add(slot(0))), (3_000, 3_000));
    }
}
