//! What is so in a topic, encoded for those who begin to watch it.
//!
//! Owns the encoding in steps of what was so at one moment. A group of members that changes before its turn has come is encoded
//! as it was, and is then done; one that appears meanwhile was not there. Must not know watchers.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Settings, cost, finish};
use crate::presence::group::Group;
use crate::presence::payload;
use crate::slots::Slots;

/// So many slots are looked at before the budget is.
const SLOTS_AT_ONCE: usize = 16;

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
    /// Keys that are in no part yet, behind a brace.
    body: Vec<u8>,
    parts: Vec<Bytes>,
    bytes: u64,
}

impl Building {
    /// Begins with what is so now.
    pub(super) fn new(seq: Option<u64>) -> Self {
        Building { seq, cursor: 0, done: BTreeSet::new(), body: vec![b'{'], parts: Vec::new(), bytes: 0 }
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
    pub(super) fn step(
        &mut self,
        topic: &str,
        groups: &Slots<Group>,
        settings: Settings,
        budget: &mut usize,
    ) -> Option<State> {
        let seq = self.seq?;
        while *budget > 0 {
            let mut spent = 1;
            let next = groups.visit(self.cursor, SLOTS_AT_ONCE, |slot, group| {
                if !self.done.remove(&slot) {
                    if self.body.len() >= settings.piece_bytes {
                        self.seal(topic, seq, true);
                    }
                    let before = self.body.len();
                    self.append(group);
                    spent += cost(self.body.len() - before);
                }
            });
            *budget = budget.saturating_sub(spent);
            match next {
                Some(next) => self.cursor = next,
                None => {
                    self.seal(topic, seq, false);
                    let parts = std::mem::take(&mut self.parts).into_boxed_slice();
                    return Some(State { seq, parts, bytes: self.bytes });
                }
            }
        }
        None
    }

    fn append(&mut self, group: &Group) {
        payload::append_key(&mut self.body, group.key(), group.versions());
    }

    fn seal(&mut self, topic: &str, seq: u64, more: bool) {
        let mut message = Vec::with_capacity(self.body.len() + topic.len() + 128);
        payload::begin_state(&mut message, topic, seq);
        message.extend_from_slice(&self.body[1..]);
        payload::end_state(&mut message, more);
        self.body.truncate(1);
        self.bytes += message.len() as u64;
        self.parts.push(finish(message));
    }
}
