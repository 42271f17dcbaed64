//! The bytes that wait in an outbox, and those that its owner has taken.
//!
//! Owns how small frames are copied to the end of one buffer while large payloads are queued by reference. Must not know
//! limits, locks or who waits.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::resp::Protocol;
use crate::resp::push::Frame;

/// The first push to an empty buffer reserves what the batch before took, up to this many bytes: a busy
/// connection's buffer is allocated once per batch, and an idle one has none.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// What the owner takes from the queue, and writes in order: first the parts, then the tail.
#[derive(Default)]
pub struct Batch {
    /// Large payloads and what stood between them.
    pub parts: VecDeque<Bytes>,
    /// Everything behind the last part.
    pub tail: Vec<u8>,
}

impl Batch {
    /// Whether all of it is written.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.tail.is_empty()
    }

    /// Bytes of all parts and the tail.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum::<usize>() + self.tail.len()
    }

    /// Appends a frame that the owner has fetched.
    pub fn append(&mut self, frame: Frame<'_>, protocol: Protocol) {
        frame.append_head(&mut self.tail, protocol);
        if let Some(shared) = frame.shared {
            self.parts.push_back(seal(std::mem::take(&mut self.tail)));
            self.parts.push_back(shared.clone());
        }
    }
}

/// What is queued.
#[derive(Default)]
pub(super) struct Queue {
    /// Rarely there: most messages are small.
    large: Option<Box<Large>>,
    tail: Vec<u8>,
    pub(super) bytes: usize,
}

/// Large payloads and what stands between them.
#[derive(Default)]
struct Large {
    parts: VecDeque<Bytes>,
}

impl Queue {
    pub(super) fn append(&mut self, frame: Frame<'_>, protocol: Protocol, expected: usize) {
        // What precedes a large payload is sealed at once and must not keep room for more.
        self.reserve(frame.head.len(), if frame.shared.is_some() { 0 } else { expected });
        frame.append_head(&mut self.tail, protocol);
        if let Some(shared) = frame.shared {
            self.share(shared.clone());
        }
        self.bytes += frame.len();
    }

    pub(super) fn append_bytes(&mut self, bytes: &[u8], expected: usize) {
        self.reserve(bytes.len(), expected);
        self.tail.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    /// Moves everything into an empty batch, whose buffer it gets.
    pub(super) fn move_into(&mut self, batch: &mut Batch) {
        self.bytes = 0;
        std::mem::swap(&mut batch.tail, &mut self.tail);
        if let Some(large) = self.large.take() {
            batch.parts = large.parts;
        }
    }

    /// Gives back the buffer of an empty queue.
    pub(super) fn shrink(&mut self) {
        self.tail = Vec::new();
    }

    fn reserve(&mut self, length: usize, expected: usize) {
        if self.tail.capacity() == 0 {
            self.tail.reserve_exact(length.max(expected.min(RESERVED_BYTES_MAX)));
        }
    }

    pub(super) fn pieces(&self) -> usize {
        self.large.as_ref().map_or(0, |large| large.parts.len()) + usize::from(!self.tail.is_empty())
    }

    /// Queues a reference behind what has been copied so far.
    fn share(&mut self, shared: Bytes) {
        let parts = &mut self.large.get_or_insert_default().parts;
        if !self.tail.is_empty() {
            parts.push_back(seal(std::mem::take(&mut self.tail)));
        }
        parts.push_back(shared);
    }

    pub(super) fn append_queue(&mut self, mut other: Queue) {
        if let Some(large) = other.large.take() {
            for part in large.parts {
                self.share(part);
            }
        }
        if self.tail.is_empty() {
            self.tail = other.tail;
        } else {
            self.tail.extend_from_slice(&other.tail);
        }
        self.bytes += other.bytes;
    }
}

/// The bytes without the room that was reserved behind them: they may wait for as long as the client does not read.
fn seal(bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() > bytes.len() * 2 { Bytes::copy_from_slice(&bytes) } else { Bytes::from(bytes) }
}
