//! Reading along a log's order while it changes: how a long record is sent in parts.
//!
//! Owns the places of readers. An entry that changes moves to the end of the order, where every reader meets it again, so
//! that whoever has read to the end knows exactly what is there, without the record having stood still or been copied.

use super::log::{Key, Log, NONE, Value};

/// A place in the order that holds while the order changes.
pub(super) struct Reader {
    pub(super) id: ReaderId,
    /// The last slot that was read, `NONE` before the first.
    pub(super) position: u32,
    /// Removals after this version must be read: whoever reads may hold the key.
    needs_removals_after: u64,
    /// A removal that it needs was forgotten, or the record was replaced.
    pub(super) broken: bool,
}

/// Names a reader of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderId(u64);

/// How reading ended for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// There is more; nothing that has been read is in question.
    More,
    /// All has been read: with it, whoever reads knows the log up to this version.
    End(u64),
    /// What has been read is worthless: begin anew.
    Broken,
}

impl<K: Key, V: Value> Log<K, V> {
    /// A reader of what comes after a version; `None` if removals after it are forgotten.
    pub fn open_after(&mut self, version: u64) -> Option<ReaderId> {
        if version < self.floor {
            return None;
        }
        let mut position = self.newest;
        while position != NONE && self.at(position).version > version {
            position = self.at(position).before;
        }
        Some(self.open(position, version))
    }

    /// A reader of all that is live.
    pub fn open_all(&mut self) -> ReaderId {
        // Of a key that is removed now whoever reads will not hear.
        self.open(NONE, self.version)
    }

    pub(super) fn open(&mut self, position: u32, needs_removals_after: u64) -> ReaderId {
        self.last_reader += 1;
        let id = ReaderId(self.last_reader);
        self.readers.push(Reader { id, position, needs_removals_after, broken: false });
        id
    }

    /// Ends a reader.
    pub fn close(&mut self, id: ReaderId) {
        self.readers.retain(|reader| reader.id != id);
    }

    /// Reads on; `visit` says whether it wants more after this one.
    pub fn read(&mut self, id: ReaderId, mut visit: impl FnMut(&K, u64, Option<&V>) -> bool) -> Read {
        let Some(index) = self.readers.iter().position(|reader| reader.id == id) else { return Read::Broken };
        let Reader { mut position, needs_removals_after, broken, .. } = self.readers[index];
        if broken {
            return Read::Broken;
        }
        let end = loop {
            let next = if position == NONE { self.oldest } else { self.at(position).after };
            if next == NONE {
                break Read::End(self.version);
            }
            position = next;
            let slot = self.at(next);
            let wanted = slot.value.is_some() || slot.version > needs_removals_after;
            if wanted && !visit(&slot.key, slot.version, slot.value.as_ref()) {
                break Read::More;
            }
        };
        self.readers[index].position = position;
        end
    }

    /// A slot leaves its place: who has read up to it has read up to the one before.
    pub(super) fn move_readers(&mut self, at: u32, before: u32) {
        for reader in self.readers.iter_mut().filter(|reader| reader.position == at) {
            reader.position = before;
        }
    }

    /// A removal is forgotten: who needs it and has not read it can only begin anew.
    pub(super) fn break_readers_before(&mut self, version: u64) {
        for index in 0..self.readers.len() {
            let Reader { position, needs_removals_after, .. } = self.readers[index];
            let read = position != NONE && self.at(position).version >= version;
            self.readers[index].broken |= !read && version > needs_removals_after;
        }
    }
}
