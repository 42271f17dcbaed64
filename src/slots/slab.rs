//! A growing array whose entries stay where they are.
//!
//! Owns nothing but the storage. It is made of pieces, so that growing copies little, and a piece that is empty gives its memory
//! back. Must not know what it stores, or how that is found.

use super::{Slot, push_tightly};

/// Slots of one piece. Of the largest entries, which take 32 bytes, it fills four kilobytes: above that the allocator takes a
/// quarter more.
const PIECE: usize = 128;

/// A growing array that uses the slots of what was removed again.
pub(super) struct Slab<T> {
    pieces: Vec<Piece<T>>,
    /// The pieces that are not full.
    roomy: Vec<u32>,
    used: usize,
}

/// So many slots at most; those that are not there are free.
struct Piece<T> {
    slots: Vec<T>,
    used: u16,
    /// Below this one no slot is free.
    free_from: u16,
}

impl<T: Slot> From<Vec<T>> for Slab<T> {
    /// Of entries whose slots are their places; fewer than fill a piece.
    fn from(slots: Vec<T>) -> Self {
        let used = slots.iter().filter(|value| !value.is_free()).count();
        Slab { pieces: vec![Piece { slots, used: used as u16, free_from: 0 }], roomy: vec![0], used }
    }
}

impl<T: Slot> Slab<T> {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// One above the last slot there is memory for.
    pub(super) fn end(&self) -> u32 {
        (self.pieces.len() * PIECE) as u32
    }

    /// Adds an entry and returns its slot.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        debug_assert!(!value.is_free());
        let number = match self.roomy.last() {
            Some(number) => *number,
            None => {
                self.pieces.push(Piece { slots: Vec::new(), used: 0, free_from: 0 });
                self.roomy.push((self.pieces.len() - 1) as u32);
                (self.pieces.len() - 1) as u32
            }
        };
        let piece = &mut self.pieces[number as usize];
        let at = piece.insert(value);
        if piece.used as usize == PIECE {
            self.roomy.pop();
        }
        self.used += 1;
        number * PIECE as u32 + at as u32
    }

    /// Takes an entry out of its slot.
    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let (number, at) = (slot as usize / PIECE, slot as usize % PIECE);
        let piece = self.pieces.get_mut(number)?;
        let value = piece.remove(at)?;
        if piece.used as usize + 1 == PIECE {
            self.roomy.push(number as u32);
        }
        self.used -= 1;
        Some(value)
    }

    /// The entry in this slot.
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        let piece = self.pieces.get(slot as usize / PIECE)?;
        piece.slots.get(slot as usize % PIECE).filter(|value| !value.is_free())
    }

    /// The entry in this slot. It must not be made a free one.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let piece = self.pieces.get_mut(slot as usize / PIECE)?;
        piece.slots.get_mut(slot as usize % PIECE).filter(|value| !value.is_free())
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.pieces.iter().map(|piece| piece.slots.capacity()).sum()
    }

    /// Visits the entries from the slot `from` on, `most` slots looked at. Returns the slot to go on from; nothing: these were all.
    pub(super) fn visit(&self, from: u32, most: usize, mut visit: impl FnMut(u32, &T)) -> Option<u32> {
        let (mut at, mut left) = (from as usize, most.max(1));
        while let Some(piece) = self.pieces.get(at / PIECE) {
            let slots = piece.slots.get(at % PIECE..).unwrap_or_default();
            for (slot, value) in slots.iter().enumerate().take(left).filter(|(_, value)| !value.is_free()) {
                visit((at + slot) as u32, value);
            }
            if slots.len() > left {
                return Some((at + left) as u32);
            }
            left -= slots.len();
            at = (at / PIECE + 1) * PIECE;
            if left == 0 {
                return (at / PIECE < self.pieces.len()).then_some(at as u32);
            }
        }
        None
    }
}

impl<T: Slot> Piece<T> {
    fn insert(&mut self, value: T) -> usize {
        let free_from = self.free_from as usize;
        let free = self.slots[free_from..].iter().position(Slot::is_free);
        let at = free.map_or(self.slots.len(), |free| free_from + free);
        if at == self.slots.len() {
            push_tightly(&mut self.slots, PIECE, value);
        } else {
            self.slots[at] = value;
        }
        self.used += 1;
        self.free_from = (at + 1) as u16;
        at
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        let slot = self.slots.get_mut(at).filter(|value| !value.is_free())?;
        let value = std::mem::replace(slot, T::FREE);
        self.used -= 1;
        self.free_from = self.free_from.min(at as u16);
        if self.used == 0 {
            *self = Piece { slots: Vec::new(), used: 0, free_from: 0 };
        }
        Some(value)
    }
}
