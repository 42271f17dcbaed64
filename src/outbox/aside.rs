//! Output that must not be written yet: what others push while the owner holds, and what stands behind barriers.
//!
//! Owns which of it comes first: the queue, then what is behind each barrier, then what is held. Must not know what a barrier
//! waits for. There only while there is a hold or a barrier.

use std::collections::VecDeque;

use super::queue::Queue;
use crate::resp::Protocol;
use crate::resp::push::Frame;

/// What is not in the queue yet.
#[derive(Default)]
pub(super) struct Aside {
    held: Option<Queue>,
    /// Behind each barrier, the one that is lowered first at the front.
    behind: VecDeque<Queue>,
    /// The latest barrier may still get what it is there for.
    is_rising: bool,
    /// Of all of it.
    pub(super) bytes: usize,
}

impl Aside {
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none() && self.behind.is_empty()
    }

    pub(super) fn has_barrier(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Forgets all output. A hold lasts.
    pub(super) fn discard(&mut self) {
        let held = self.held.take().map(|_| Queue::default());
        *self = Aside { held, ..Aside::default() };
    }

    /// There is a hold or a barrier.
    pub(super) fn append(&mut self, frame: Frame<'_>, protocol: Protocol) {
        self.bytes += frame.len();
        if let Some(last) = self.held.as_mut().or(self.behind.back_mut()) {
            last.append(frame, protocol, 0);
        }
    }

    /// Before what is held.
    pub(super) fn append_replies(&mut self, queue: &mut Queue, replies: &[u8], expected: usize) {
        match self.behind.back_mut() {
            Some(last) => {
                self.bytes += replies.len();
                last.append_bytes(replies, 0);
            }
            None => queue.append_bytes(replies, expected),
        }
    }

    pub(super) fn release(&mut self, queue: &mut Queue) {
        let Some(held) = self.held.take() else { return };
        match self.behind.back_mut() {
            Some(last) => last.append_queue(held),
            None => {
                self.bytes -= held.bytes;
                queue.append_queue(held);
            }
        }
    }

    pub(super) fn raise(&mut self) {
        if !std::mem::replace(&mut self.is_rising, true) {
            self.behind.push_back(Queue::default());
        }
    }

    pub(super) fn seal(&mut self) {
        self.is_rising = false;
    }

    /// Lets out what is behind the first barrier. Returns whether there was one.
    pub(super) fn lower(&mut self, queue: &mut Queue) -> bool {
        let Some(first) = self.behind.pop_front() else { return false };
        self.bytes -= first.bytes;
        queue.append_queue(first);
        self.is_rising &= self.has_barrier();
        true
    }

    pub(super) fn pieces(&self) -> usize {
        self.held.iter().chain(&self.behind).map(Queue::pieces).sum()
    }
}
