//! Reading along a log's order while it changes: how a long record is sent in parts.
//!
//! Owns the places of readers. An entry that changes moves to the end of the order, where every reader meets it again, so
//! that whoever has read to the end knows exactly what is there, without the record having stood still or been copied.

use super::log::{Key, Log, Value};
use super::slots::NONE;

/// A place in the order that holds while the order changes.
pub(super) struct Reader {
    pub(super) id: ReaderId,
    /// The last slot that was read, `NONE` before the first.
    pub(super) position: u32,
    /// Nothing was read: the position goes back, a part of the way at a time, until it stands before all that is asked for.
    seeks: bool,
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

/// So far a reader looks for its beginning at a time: the way through a long log would hold up everything else.
const SEEK_STEPS: usize = 4096;

impl<K: Key, V: Value> Log<K, V> {
    /// A reader of what comes after a version; `None` if removals after it are forgotten.
    pub fn open_after(&mut self, version: u64) -> Option<ReaderId> {
        if version < self.floor {
            return None;
        }
        let all = self.oldest == NONE || self.at(self.oldest).version > version;
        Some(if all { self.open(NONE, version, false) } else { self.open(self.newest, version, true) })
    }

    /// A reader of all that is live.
    pub fn open_all(&mut self) -> ReaderId {
        // Of a key that is removed now whoever reads will not hear.
        self.open(NONE, self.version, false)
    }

    pub(super) fn open(&mut self, position: u32, needs_removals_after: u64, seeks: bool) -> ReaderId {
        self.last_reader += 1;
        let id = ReaderId(self.last_reader);
        self.readers.push(Reader { id, position, seeks, needs_removals_after, broken: false });
        id
    }

    /// Ends a reader.
    pub fn close(&mut self, id: ReaderId) {
        self.readers.retain(|reader| reader.id != id);
    }

    /// Reads on; `visit` says whether it wants more after this one.
    pub fn read(&mut self, id: ReaderId, mut visit: impl FnMut(&K, u64, Option<&V>) -> bool) -> Read {
        let Some(index) = self.readers.iter().position(|reader| reader.id == id) else { return Read::Broken };
        let Reader { mut position, seeks, needs_removals_after, broken, .. } = self.readers[index];
        if broken {
            return Read::Broken;
        }
        if seeks {
            let found;
            (position, found) = self.seek(position, needs_removals_after);
            (self.readers[index].position, self.readers[index].seeks) = (position, !found);
            if !found {
                return Read::More;
            }
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

    /// Goes back from a position to what is not after a version. Returns whether it is there.
    fn seek(&self, mut position: u32, version: u64) -> (u32, bool) {
        for _ in 0..SEEK_STEPS {
            if position == NONE || self.at(position).version <= version {
                return (position, true);
            }
            position = self.at(position).before;
        }
        (position, false)
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
            let Reader { position, seeks, needs_removals_after, .. } = self.readers[index];
            let read = !seeks && position != NONE && self.at(position).version >= version;
            self.readers[index].broken |= !read && version > needs_removals_after;
        }
    }
}
