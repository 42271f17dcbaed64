//! Entries that stay where they are, by an index of four bytes.
//!
//! Owns nothing but the storage: pieces of fixed size, so that growing copies nothing and leaves no outgrown memory
//! behind, which with a million channels would be as much again as is used.

/// Entries of one piece. A shard that has one channel pays for a piece; a shard that has thousands wastes half of one.
const PIECE: usize = 16;

/// A growing array with a free list.
pub(super) struct Slab<T> {
    pieces: Vec<Vec<Entry<T>>>,
    free: Option<u32>,
}

enum Entry<T> {
    Used(T),
    Free { next: Option<u32> },
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { pieces: Vec::new(), free: None }
    }
}

impl<T> Slab<T> {
    /// Adds an entry and returns its index, that of a removed one if there is any.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free {
            let entry = self.entry_mut(index);
            let Entry::Free { next } = std::mem::replace(entry, Entry::Used(value)) else {
                unreachable!("the free list holds free entries");
            };
            self.free = next;
            return index;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let full = (self.pieces.len() - 1) * PIECE;
        let Some(piece) = self.pieces.last_mut() else { unreachable!("a piece was added") };
        piece.push(Entry::Used(value));
        (full + piece.len() - 1) as u32
    }

    /// Removes the entry with this index.
    pub(super) fn remove(&mut self, index: u32) {
        let next = self.free.replace(index);
        *self.entry_mut(index) = Entry::Free { next };
    }

    /// The entry with this index.
    pub(super) fn get(&self, index: u32) -> &T {
        match &self.pieces[index as usize / PIECE][index as usize % PIECE] {
            Entry::Used(value) => value,
            Entry::Free { .. } => unreachable!("an index is given up with its entry"),
        }
    }

    /// The entry with this index.
    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        match self.entry_mut(index) {
            Entry::Used(value) => value,
            Entry::Free { .. } => unreachable!("an index is given up with its entry"),
        }
    }

    /// The used entries, with their indexes, among those with an index from `first` on, `most` looked at.
    pub(super) fn range(&self, first: usize, most: usize) -> impl Iterator<Item = (u32, &T)> {
        let entries = self.pieces.iter().skip(first / PIECE).flatten().skip(first % PIECE).take(most);
        (first as u32..).zip(entries).filter_map(|(index, entry)| match entry {
            Entry::Used(value) => Some((index, value)),
            Entry::Free { .. } => None,
        })
    }

    /// The index behind the last entry.
    pub(super) fn end(&self) -> usize {
        self.pieces.last().map_or(0, |piece| (self.pieces.len() - 1) * PIECE + piece.len())
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.pieces[index as usize / PIECE][index as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_and_indexes_are_reused() {
        let mut slab = Slab::default();
        let indexes: Vec<u32> = (0..100).map(|value| slab.insert(value)).collect();
        assert_eq!(indexes, (0..100).collect::<Vec<u32>>());
        slab.remove(3);
        slab.remove(50);
        assert_eq!(slab.range(0, 100).count(), 98);
        assert_eq!((slab.insert(1003), slab.insert(1050)), (50, 3));
        *slab.get_mut(7) += 1;
        assert_eq!((*slab.get(50), *slab.get(3), *slab.get(7)), (1003, 1050, 8));
        assert_eq!(slab.end(), 100);
        let range: Vec<(u32, i32)> = slab.range(40, 12).map(|(index, value)| (index, *value)).collect();
        assert_eq!(range[9..], [(49, 49), (50, 1003), (51, 51)]);
    }
}
