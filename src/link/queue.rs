//! What waits for one data connection, in the order of each publisher.
//!
//! Most messages are small. They are appended, as frames, to chunks of about 64 KiB, which are taken one at a time and
//! written as they are. A large message must not hold up those of other publishers, but the same publisher's next ones must
//! not overtake it. So a publisher who has published something large gets a *lane* of his own: everything that he publishes
//! goes there until it has been sent. Each batch is one chunk of the many and 64 KiB of one lane; lanes take turns, eight
//! of them at a time. So a large message delays another publisher's small one by 64 KiB, and others' large ones as
//! if all were sent at the same time.
//!
//! Owns order and fairness. Must not know connections, limits or who counts what is lost.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::fragment::{Cut, FRAGMENT_BYTES, LANES};
use super::frame::{self, BODY_BYTES_MAX, Frame, HEADER_BYTES};
use crate::resp::push::ChannelKind;

/// A chunk has about so many bytes: what is written at once, and what is lost at most, beside what the operating system holds,
/// when the connection is.
const CHUNK_BYTES: usize = 64 * 1024;
/// What is kept beside a frame's bytes.
const MARK_BYTES: usize = size_of::<Mark>();

/// A frame for any number of peers, encoded once.
pub struct Outgoing<'a> {
    kind: u8,
    messages: u32,
    body: Body<'a>,
}

enum Body<'a> {
    Small(&'a [u8]),
    Large(Bytes),
}

impl<'a> Outgoing<'a> {
    /// Encodes a frame. `scratch` is for use again and again.
    pub fn new(frame: &Frame<'_>, scratch: &'a mut Vec<u8>) -> Self {
        scratch.clear();
        frame.append_body(scratch);
        Outgoing::encoded(frame.kind(), frame.messages(), scratch)
    }

    /// Encodes what a client has published with one command: channels and payloads.
    pub fn messages<'m>(
        kind: ChannelKind,
        messages: impl Iterator<Item = (&'m [u8], &'m [u8])>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        let mut count = 0;
        frame::append_messages(scratch, kind, messages.inspect(|_| count += 1));
        Outgoing::encoded(frame::kind::MESSAGES, count, scratch)
    }

    fn encoded(kind: u8, messages: u64, scratch: &'a mut Vec<u8>) -> Self {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        let body = if scratch.len() > BODY_BYTES_MAX {
            Body::Large(Bytes::from(std::mem::take(scratch)))
        } else {
            Body::Small(scratch)
        };
        Outgoing { kind, messages, body }
    }

    /// Bytes of its body.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Small(body) => body.len(),
            Body::Large(body) => body.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages of clients in it.
    pub fn count(&self) -> u64 {
        u64::from(self.messages)
    }

    /// What it takes in a queue.
    pub fn queued_bytes(&self) -> usize {
        self.len() + HEADER_BYTES + MARK_BYTES
    }
}

/// A bounded part of a queue, to be written at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Messages that are handed over with it, be it in part.
    pub messages: u64,
    /// There is more.
    pub more: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Queue {
    chunks: VecDeque<Chunk>,
    /// Chunks that have been taken.
    chunks_taken: u64,
    lanes: BTreeMap<u64, Lane>,
    /// Publishers with a lane; the first eight take turns.
    turns: VecDeque<u64>,
    /// Which of the eight numbers lanes have, one bit each.
    numbers: u8,
    bytes: usize,
    messages: u64,
}

#[derive(Default)]
struct Chunk {
    frames: Vec<u8>,
    marks: Vec<Mark>,
}

/// Whose frame it is, for when publishers are bound to other connections.
#[derive(Clone, Copy)]
struct Mark {
    publisher: u64,
    length: u32,
    messages: u32,
}

struct Lane {
    /// When so many chunks have been taken, all that its publisher had published before is on its way.
    after: u64,
    waiting: VecDeque<Waiting>,
    /// The number that fragments of the large message under way have.
    number: Option<u8>,
}

enum Waiting {
    Frame { bytes: Vec<u8>, messages: u32 },
    Large { cut: Cut, messages: u32 },
}

impl Waiting {
    fn queued_bytes(&self) -> usize {
        match self {
            Waiting::Frame { bytes, .. } => bytes.len() + MARK_BYTES,
            Waiting::Large { cut, .. } => cut.len() + HEADER_BYTES + MARK_BYTES,
        }
    }

    /// Messages that have not been handed over.
    fn messages(&self) -> u64 {
        match self {
            Waiting::Large { cut, .. } if cut.has_begun() => 0,
            Waiting::Frame { messages, .. } | Waiting::Large { messages, .. } => u64::from(*messages),
        }
    }
}

impl Queue {
    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages of which nothing has been handed over.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.lanes.is_empty()
    }

    /// Appends a frame. Behind all that this publisher has published before.
    pub fn push(&mut self, publisher: u64, frame: &Outgoing<'_>) {
        let messages = frame.messages;
        match &frame.body {
            Body::Large(body) => {
                let cut = Cut::new(frame.kind, body.clone());
                self.push_to_lane(publisher, Waiting::Large { cut, messages });
            }
            Body::Small(body) if self.lanes.is_empty() || !self.lanes.contains_key(&publisher) => {
                let frames = self.tail();
                frame::append_header(&mut frames.frames, frame.kind, body.len());
                frames.frames.extend_from_slice(body);
                self.mark(publisher, HEADER_BYTES + body.len(), messages);
            }
            Body::Small(body) => {
                let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
                frame::append_header(&mut bytes, frame.kind, body.len());
                bytes.extend_from_slice(body);
                self.push_to_lane(publisher, Waiting::Frame { bytes, messages });
            }
        }
    }

    fn tail(&mut self) -> &mut Chunk {
        if self.chunks.back().is_none_or(|chunk| chunk.frames.len() >= CHUNK_BYTES) {
            self.chunks.push_back(Chunk::default());
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Notes whose the frame at the end of the last chunk is.
    fn mark(&mut self, publisher: u64, length: usize, messages: u32) {
        self.bytes += length + MARK_BYTES;
        self.messages += u64::from(messages);
        // A frame is at most 64 KiB long.
        let mark = Mark { publisher, length: length as u32, messages };
        self.chunks.back_mut().into_iter().for_each(|chunk| chunk.marks.push(mark));
    }

    fn push_to_lane(&mut self, publisher: u64, waiting: Waiting) {
        self.bytes += waiting.queued_bytes();
        self.messages += waiting.messages();
        let after = self.chunks_taken + self.chunks.len() as u64;
        let lane = self.lanes.entry(publisher).or_insert_with(|| {
            self.turns.push_back(publisher);
            Lane { after, waiting: VecDeque::new(), number: None }
        });
        lane.waiting.push_back(waiting);
    }

    /// Appends what is to be written next to `batch`.
    pub fn take(&mut self, batch: &mut Vec<u8>) -> Taken {
        let before = self.messages;
        if let Some(chunk) = self.chunks.pop_front() {
            self.chunks_taken += 1;
            self.bytes -= chunk.frames.len() + chunk.marks.len() * MARK_BYTES;
            self.messages -= chunk.marks.iter().map(|mark| u64::from(mark.messages)).sum::<u64>();
            if batch.is_empty() {
                *batch = chunk.frames;
            } else {
                batch.extend_from_slice(&chunk.frames);
            }
        }
        self.take_turn(batch);
        Taken { messages: before - self.messages, more: !self.is_empty() }
    }

    /// One lane's turn: of the first that may.
    fn take_turn(&mut self, batch: &mut Vec<u8>) {
        for _ in 0..self.turns.len().min(LANES) {
            let Some(publisher) = self.turns.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&publisher) else { continue };
            let is_due = lane.after <= self.chunks_taken;
            if is_due {
                let (bytes, messages) = lane.take(batch, &mut self.numbers);
                self.bytes -= bytes;
                self.messages -= messages;
            }
            if lane.waiting.is_empty() {
                self.lanes.remove(&publisher);
            } else {
                // Behind those who take turns, before those who wait until one of them has ended.
                self.turns.insert(self.turns.len().min(LANES - 1), publisher);
            }
            if is_due {
                return;
            }
        }
    }

    /// The connection is lost, and the next one begins: what has been handed over in part is not sent again.
    pub fn restart(&mut self) {
        self.numbers = 0;
        for lane in self.lanes.values_mut() {
            lane.number = None;
            let has_begun =
                matches!(lane.waiting.front(), Some(Waiting::Large { cut, .. }) if cut.has_begun());
            let cut = if has_begun { lane.waiting.pop_front() } else { None };
            self.bytes -= cut.map_or(0, |cut| cut.queued_bytes());
        }
        self.lanes.retain(|_, lane| !lane.waiting.is_empty());
        self.turns.retain(|publisher| self.lanes.contains_key(publisher));
    }

    /// Moves everything to the queues that `bind` names, which may have other publishers' frames already. It has been
    /// [restarted](Queue::restart). In time proportional to what waits; it happens when an operator changes the number of
    /// connections.
    pub fn move_to(self, queues: &mut [Queue], bind: impl Fn(u64) -> usize) {
        // What is in chunks was published before what is in the same publisher's lane.
        for chunk in self.chunks {
            let mut frames = chunk.frames.as_slice();
            for mark in chunk.marks {
                let (frame, rest) = frames.split_at(mark.length as usize);
                let queue = &mut queues[bind(mark.publisher)];
                queue.tail().frames.extend_from_slice(frame);
                queue.mark(mark.publisher, frame.len(), mark.messages);
                frames = rest;
            }
        }
        for (publisher, lane) in self.lanes {
            let queue = &mut queues[bind(publisher)];
            lane.waiting.into_iter().for_each(|waiting| queue.push_to_lane(publisher, waiting));
        }
    }
}

impl Lane {
    /// Appends about 64 KiB of frames, or one fragment. Returns by how many bytes and messages less wait.
    fn take(&mut self, batch: &mut Vec<u8>, numbers: &mut u8) -> (usize, u64) {
        let end = batch.len() + FRAGMENT_BYTES;
        let (mut bytes, mut messages) = (0, 0);
        while batch.len() < end
            && let Some(first) = self.waiting.front_mut()
        {
            messages += first.messages();
            let is_over = match first {
                Waiting::Frame { bytes, .. } => {
                    batch.extend_from_slice(bytes);
                    true
                }
                Waiting::Large { cut, .. } => {
                    let free = numbers.trailing_ones() as u8;
                    let number = *self.number.get_or_insert(free);
                    *numbers |= 1 << number;
                    let is_over = !cut.append_next(number, batch);
                    if is_over {
                        *numbers &= !(1 << number);
                        self.number = None;
                    }
                    is_over
                }
            };
            if !is_over {
                break;
            }
            bytes += first.queued_bytes();
            self.waiting.pop_front();
        }
        (bytes, messages)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
