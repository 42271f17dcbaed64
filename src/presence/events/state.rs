//! What is so in a topic, encoded for those who begin to watch it.
//!
//! Owns the encoding in steps of what was so at one moment. A group of members that changes before its turn has come is encoded
//! as it was, and is then done; one that appears meanwhile was not there. Must not know watchers.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::{Settings, cost, finish};
use crate::presence::group::Group;
use crate::presence::payload;
use crate::slots::Slots;

/// So many slots are looked at before the budget is.
const SLOTS_AT_ONCE: usize = 16;
/// Behind all slots.
const END: u32 = u32::MAX;

/// An encoded state, shared by all who take it.
#[derive(Debug)]
pub(super) struct State {
    /// Of the last diff that is in it.
    pub(super) seq: u64,
    /// Its messages.
    pub(super) parts: Box<[Bytes]>,
    /// Bytes of all of them.
    pub(super) bytes: u64,
}

/// A state that is being encoded.
pub(super) struct Building {
    /// Of the last diff that is in it; nothing while the changes of that moment are still being told.
    pub(super) seq: Option<u64>,
    /// The groups before this slot are encoded.
    cursor: u32,
    /// Groups from there on that are done as well.
    done: BTreeSet<u32>,
    piece_bytes: usize,
    /// Keys that are in no part yet, behind a brace: enough for a part each.
    full: VecDeque<Vec<u8>>,
    /// The same, with room for more.
    body: Vec<u8>,
    parts: Vec<Bytes>,
    bytes: u64,
}

impl Building {
    /// Begins with what is so now.
    pub(super) fn new(seq: Option<u64>, settings: Settings) -> Self {
        Building {
            seq,
            cursor: 0,
            done: BTreeSet::new(),
            piece_bytes: settings.piece_bytes,
            full: VecDeque::new(),
            body: vec![b'{'],
            parts: Vec::new(),
            bytes: 0,
        }
    }

    /// The group in this slot, or none, is about to change.
    pub(super) fn before(&mut self, slot: u32, group: Option<&Group>) {
        if slot >= self.cursor
            && self.done.insert(slot)
            && let Some(group) = group
        {
            self.append(group);
        }
    }

    /// Goes on to the end of the groups or of the budget. Returns the state when it is complete.
    pub(super) fn step(&mut self, topic: &str, groups: &Slots<Group>, budget: &mut usize) -> Option<State> {
        let seq = self.seq?;
        while *budget > 0 {
            if let Some(body) = self.full.pop_front() {
                *budget = budget.saturating_sub(cost(body.len()));
                self.seal(&body, topic, seq, true);
                continue;
            }
            if self.cursor == END {
                let body = std::mem::take(&mut self.body);
                self.seal(&body, topic, seq, false);
                let parts = std::mem::take(&mut self.parts).into_boxed_slice();
                return Some(State { seq, parts, bytes: self.bytes });
            }
            let mut spent = 1;
            let next = groups.visit(self.cursor, SLOTS_AT_ONCE, |slot, group| {
                if !self.done.remove(&slot) {
                    spent += cost(self.append(group));
                }
            });
            *budget = budget.saturating_sub(spent);
            self.cursor = next.unwrap_or(END);
        }
        None
    }

    /// Returns how many bytes that took.
    fn append(&mut self, group: &Group) -> usize {
        if self.body.len() >= self.piece_bytes {
            self.full.push_back(std::mem::replace(&mut self.body, vec![b'{']));
        }
        let before = self.body.len();
        payload::append_key(&mut self.body, group.key(), group.versions());
        self.body.len() - before
    }

    fn seal(&mut self, body: &[u8], topic: &str, seq: u64, more: bool) {
        let mut message = Vec::with_capacity(body.len() + topic.len() + 128);
        payload::begin_state(&mut message, topic, seq);
        message.extend_from_slice(&body[1..]);
        payload::end_state(&mut message, more);
        self.bytes += message.len() as u64;
        self.parts.push(finish(message));
    }
}
