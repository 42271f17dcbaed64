//! Large bodies: cut into fragments, and put together again.
//!
//! Owns both ends; the layout is drawn in `frame.rs`. Memory is taken for what has arrived, and there are eight lanes, so that
//! what a peer can make us keep is bounded. Must not know what is in a body.

use bytes::Bytes;

use super::frame::{BODY_BYTES_MAX, Fault, append_header, finish, kind};
use crate::crdt::wire::{Input, put_number};

/// Bytes of a body in one fragment: what remains beside the fragment's own fields.
pub const FRAGMENT_BYTES: usize = BODY_BYTES_MAX - 16;
/// Large bodies under way at the same time on one connection.
pub const LANES: usize = 8;

/// A large body that is being sent. Those for several peers share it.
pub(super) struct Cut {
    kind: u8,
    body: Bytes,
    sent: usize,
}

impl Cut {
    pub(super) fn new(kind: u8, body: Bytes) -> Self {
        Cut { kind, body, sent: 0 }
    }

    /// Whether some of it has been sent.
    pub(super) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    #[cfg(test)]
    pub(super) fn shares(&self, body: &Bytes) -> bool {
        self.body.as_ptr() == body.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// Appends the next fragment; false if that was the last one.
    pub(super) fn append_next(&mut self, lane: u8, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        append_header(out, kind::FRAGMENT, 0);
        if self.sent == 0 {
            out.extend_from_slice(&[lane | FIRST, self.kind]);
            put_number(out, self.body.len() as u64);
        } else {
            out.push(lane);
        }
        let end = self.body.len().min(self.sent + FRAGMENT_BYTES);
        out.extend_from_slice(&self.body[self.sent..end]);
        self.sent = end;
        let fits = finish(out, start);
        debug_assert!(fits, "a fragment leaves room for its own fields");
        self.sent < self.body.len()
    }
}

/// Set in the lane of a body's first fragment.
const FIRST: u8 = 0x80;

/// Bodies of which some fragments have arrived.
#[derive(Default)]
pub struct Fragments {
    lanes: [Option<Partial>; LANES],
}

struct Partial {
    kind: u8,
    length: usize,
    bytes: Vec<u8>,
}

impl Fragments {
    /// Takes a fragment; returns kind and body when it was the last one. A body has at most `most` bytes.
    ///
    /// # Errors
    /// It does not go on with what its lane has, or the whole is too large or of a kind that is never cut.
    pub fn add(&mut self, body: &[u8], most: usize) -> Result<Option<(u8, Vec<u8>)>, Fault> {
        let mut input = Input::new(body);
        let first = input.byte()?;
        let lane = self.lanes.get_mut(usize::from(first & !FIRST));
        let lane = lane.ok_or(Fault::Malformed("a fragment is in a lane that does not exist"))?;
        if first & FIRST != 0 {
            let (kind, length) = (input.byte()?, input.number()?);
            if lane.is_some() {
                return Err(Fault::Malformed("a body begins before the one in its lane has ended"));
            }
            if length > most as u64 {
                return Err(Fault::TooLong { kind, length });
            }
            *lane = Some(Partial { kind, length: length as usize, bytes: Vec::new() });
        }
        let partial = lane.as_mut().ok_or(Fault::Malformed("a fragment goes on with nothing"))?;
        let bytes = input.rest();
        if bytes.is_empty() || bytes.len() > partial.length - partial.bytes.len() {
            return Err(Fault::Malformed("a fragment has no bytes, or more than its body has left"));
        }
        partial.bytes.extend_from_slice(bytes);
        let is_whole = partial.bytes.len() == partial.length;
        Ok(lane.take_if(|_| is_whole).map(|partial| (partial.kind, partial.bytes)))
    }

    /// Bytes that wait for the rest of their body.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().flatten().map(|partial| partial.bytes.len()).sum()
    }
}
