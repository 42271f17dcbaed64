//! Updates that are too long for one frame, on their way to a peer.
//!
//! Owns how far each has come. A peer takes its next part when its link has room, so nothing else waits for them.

use super::log::{Key, Log, Value};
use super::message::PartWriter;
use super::owner::Owner;
use super::read::{Read, ReaderId};

/// One update under way.
pub(super) struct Transfer {
    pub(super) owner: Owner,
    number: u64,
    base: Option<u64>,
    reader: ReaderId,
    index: u64,
}

/// What became of a transfer.
pub(super) enum Part {
    /// The next frame; more follow.
    More(Vec<u8>),
    /// The last frame.
    Last(Vec<u8>),
    /// The record has changed so that what was sent is worthless.
    Broken,
}

impl Transfer {
    /// The `number`th transfer of this instance: of what comes after `version`, if that is still remembered, else of everything.
    pub(super) fn open<K: Key, V: Value>(
        owner: Owner,
        number: u64,
        log: &mut Log<K, V>,
        version: Option<u64>,
    ) -> Self {
        match version.and_then(|version| log.open_after(version)) {
            Some(reader) => Transfer { owner, number, base: version, reader, index: 0 },
            None => Transfer { owner, number, base: None, reader: log.open_all(), index: 0 },
        }
    }

    /// The next frame.
    pub(super) fn next<K: Key, V: Value>(&mut self, log: &mut Log<K, V>, part_bytes: usize) -> Part {
        let mut part = PartWriter::new(self.owner, self.number, self.base, self.index, part_bytes);
        self.index += 1;
        match log.read(self.reader, |key, version, value| part.push(key, version, value)) {
            Read::Broken => Part::Broken,
            Read::More => Part::More(part.finish(None)),
            Read::End(to) => {
                log.close(self.reader);
                Part::Last(part.finish(Some(to)))
            }
        }
    }

    /// Gives up.
    pub(super) fn close<K: Key, V: Value>(self, log: &mut Log<K, V>) {
        log.close(self.reader);
    }
}
