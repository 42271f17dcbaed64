//! What has changed in a topic since its watchers were told, and the diffs that tell them.
//!
//! Owns the comparison of what watchers know with what is so now, member by member: what came back to what it was is no change,
//! and several changes are one. Encodes in steps, a key at a time; a diff that gets long is cut into several.

use bytes::Bytes;

use super::{Settings, cost, finish};
use crate::crdt::Key;
use crate::map::HashKeys;
use crate::presence::{Entry, Member, Name, Reason, Stamp, Version, payload};
use crate::slots::{Keyed, Slots};

/// No other change of this key.
const LAST: u32 = u32::MAX;

/// Changes that watchers have not been told.
#[derive(Default)]
pub(super) struct Pending {
    /// In the order in which their members changed first: nothing is removed before it is told.
    changes: Slots<Option<Change>>,
    /// The same.
    keys: Slots<Option<Chain>>,
    /// How many changes there are to tell.
    different: usize,
    /// How many were noted.
    noted: u64,
}

struct Change {
    name: Name,
    /// What watchers know; nothing: that it is not there.
    known: Option<Entry>,
    now: Option<Entry>,
    reason: Reason,
    /// The next change of the same key.
    next: u32,
}

/// The changes of one key.
struct Chain {
    name: Name,
    first: u32,
    last: u32,
}

impl Keyed for Change {
    fn hash(&self, keys: HashKeys) -> u64 {
        self.name.hash(keys)
    }
}

impl Keyed for Chain {
    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(key_of(&self.name).as_bytes())
    }
}

fn key_of(name: &Name) -> &str {
    name.member().map_or("", Member::key)
}

impl Change {
    fn is_different(&self) -> bool {
        reference(self.known.as_ref()) != reference(self.now.as_ref())
    }
}

/// What watchers tell versions apart by.
fn reference(entry: Option<&Entry>) -> Option<Stamp> {
    entry.and_then(Entry::version).map(Version::reference)
}

impl Pending {
    /// Whether watchers know how it is.
    pub(super) fn is_told(&self) -> bool {
        self.different == 0
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// A member has changed.
    pub(super) fn note(
        &mut self,
        keys: HashKeys,
        name: &Name,
        before: Option<&Entry>,
        after: Option<&Entry>,
        reason: Reason,
    ) {
        if reference(before) == reference(after) {
            return;
        }
        self.noted += 1;
        let is_it = |change: &Option<Change>| change.as_ref().is_some_and(|change| change.name == *name);
        let known = self.changes.find(|| name.hash(keys), is_it);
        if let Some(change) = known.and_then(|slot| self.changes.get_mut(slot)?.as_mut()) {
            self.different -= usize::from(change.is_different());
            (change.now, change.reason) = (after.cloned(), reason);
            self.different += usize::from(change.is_different());
            return;
        }
        let change =
            Change { name: name.clone(), known: before.cloned(), now: after.cloned(), reason, next: LAST };
        let slot = self.changes.insert(keys, Some(change));
        self.different += 1;
        let is_it =
            |chain: &Option<Chain>| chain.as_ref().is_some_and(|chain| key_of(&chain.name) == key_of(name));
        let chain = self.keys.find(|| keys.hash(key_of(name).as_bytes()), is_it);
        let Some(chain) = chain.and_then(|slot| self.keys.get_mut(slot)?.as_mut()) else {
            self.keys.insert(keys, Some(Chain { name: name.clone(), first: slot, last: slot }));
            return;
        };
        let last = std::mem::replace(&mut chain.last, slot);
        if let Some(Some(last)) = self.changes.get_mut(last) {
            last.next = slot;
        }
    }

    /// The first change of a key.
    fn first_of(&self, key: u32) -> u32 {
        self.keys.get(key).and_then(Option::as_ref).map_or(LAST, |chain| chain.first)
    }
}

/// Changes that are being told. Each is freed when it is: all at once would be a stop.
pub(super) struct Batch {
    hash_keys: HashKeys,
    pending: Pending,
    /// The key that comes next, and the change of it.
    key: u32,
    change: u32,
    /// What the message that has begun says so far, each behind a brace.
    joins: Vec<u8>,
    leaves: Vec<u8>,
    /// Of the key that is being added.
    reasons: Vec<(Stamp, &'static str)>,
}

/// A reason and the ref that it is for.
const REASON_BYTES: usize = 48;

impl Batch {
    /// Tells these. Returns as well how many changes will not be told, since later ones made up for them.
    pub(super) fn new(hash_keys: HashKeys, pending: Pending) -> (Self, u64) {
        let coalesced = pending.noted - pending.different as u64;
        let change = pending.first_of(0);
        let (joins, leaves) = (vec![b'{'], vec![b'{']);
        (Batch { hash_keys, pending, key: 0, change, joins, leaves, reasons: Vec::new() }, coalesced)
    }

    /// Goes on to the end of the message, of the changes or of the budget. Returns the message when it is complete, and whether
    /// that was all. The message gets this `seq`.
    pub(super) fn next_message(
        &mut self,
        topic: &str,
        seq: u64,
        settings: Settings,
        budget: &mut usize,
    ) -> (Option<Bytes>, bool) {
        loop {
            if self.change == LAST {
                let message = (self.bytes() > 0).then(|| self.seal(topic, seq));
                return (message, true);
            }
            if self.bytes() >= settings.piece_bytes {
                return (Some(self.seal(topic, seq)), false);
            }
            if *budget == 0 {
                return (None, false);
            }
            // A key that is cut goes on in another message: it may stand only once in each.
            if !self.add_key(settings, budget) && self.bytes() > 0 {
                return (Some(self.seal(topic, seq)), false);
            }
        }
    }

    /// Bytes of what the message says so far.
    fn bytes(&self) -> usize {
        self.joins.len() + self.leaves.len() + self.reasons.len() * REASON_BYTES - 2
    }

    /// Adds the changes of the next key; false if there are more of them than have room.
    fn add_key(&mut self, settings: Settings, budget: &mut usize) -> bool {
        let (joins, leaves) = (self.joins.len(), self.leaves.len());
        let mut is_first = true;
        while self.change != LAST && (is_first || (*budget > 0 && self.bytes() < settings.piece_bytes)) {
            let Some(change) = self.pending.changes.remove(self.hash_keys, self.change).flatten() else {
                break;
            };
            is_first = false;
            let before = self.bytes();
            if change.is_different() {
                change.append_join(&mut self.joins, joins);
                change.append_leave(&mut self.leaves, leaves, &mut self.reasons);
            }
            *budget = budget.saturating_sub(cost(self.bytes() - before));
            self.change = change.next;
        }
        if self.joins.len() > joins {
            payload::end_key(&mut self.joins);
        }
        if self.leaves.len() > leaves {
            payload::end_left_key(&mut self.leaves, self.reasons.drain(..));
        }
        let is_whole = self.change == LAST;
        if is_whole {
            self.pending.keys.remove(self.hash_keys, self.key);
            self.key += 1;
            self.change = self.pending.first_of(self.key);
        }
        is_whole
    }

    fn seal(&mut self, topic: &str, seq: u64) -> Bytes {
        let mut message = Vec::with_capacity(self.bytes() + topic.len() + 128);
        payload::begin_diff(&mut message, topic, seq);
        message.extend_from_slice(&self.joins[1..]);
        payload::begin_leaves(&mut message);
        message.extend_from_slice(&self.leaves[1..]);
        payload::end_diff(&mut message);
        self.joins.truncate(1);
        self.leaves.truncate(1);
        finish(message)
    }
}

impl Change {
    /// What is so now joins. The key's metas begin at `begin`.
    fn append_join(&self, out: &mut Vec<u8>, begin: usize) {
        let Some(now) = self.now.as_ref().and_then(Entry::version) else { return };
        begin_meta(out, key_of(&self.name), begin);
        payload::append_meta_after(out, now, reference(self.known.as_ref()).or(now.previous()));
    }

    /// What watchers know leaves.
    fn append_leave(&self, out: &mut Vec<u8>, begin: usize, reasons: &mut Vec<(Stamp, &'static str)>) {
        let Some(known) = self.known.as_ref().and_then(Entry::version) else { return };
        begin_meta(out, key_of(&self.name), begin);
        payload::append_meta(out, known);
        let reason = if self.now.is_some() { payload::UPDATE } else { self.reason.name() };
        reasons.push((known.reference(), reason));
    }
}

fn begin_meta(out: &mut Vec<u8>, key: &str, begin: usize) {
    if out.len() == begin {
        payload::begin_key(out, key);
    } else {
        payload::separate(out);
    }
}
