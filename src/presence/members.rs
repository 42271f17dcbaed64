//! The members of one session, in slots that stay.
//!
//! Owns the slots, so that work on all of them can stop after any and go on from there. Must not know what follows from a
//! member.

use super::entry::Entry;
use super::name::{Member, Name};
use super::stamp::Stamp;
use crate::crdt::Key;
use crate::map::HashKeys;
use crate::slots::{Keyed, Slots};

/// A member of which some record holds an entry.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Name,
    /// The version that is shown.
    pub(super) shown: Option<Entry>,
}

impl Keyed for Slot {
    fn hash(&self, keys: HashKeys) -> u64 {
        self.name.hash(keys)
    }
}

/// The members of one session.
#[derive(Default)]
pub(super) struct Members {
    slots: Slots<Option<Slot>>,
    shown: usize,
}

impl Members {
    /// Whether no record knows any.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Members that are shown.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// One above the highest slot in use, or more.
    pub(super) fn end(&self) -> u32 {
        self.slots.end()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot)?.as_ref()
    }

    /// The stamp of the version that is shown.
    pub(super) fn shown_at(&self, slot: u32) -> Option<Stamp> {
        self.get(slot)?.shown.as_ref().map(Entry::stamp)
    }

    /// The slot of the member whose name has this hash.
    pub(super) fn find(&self, hash: u64, member: &Member) -> Option<u32> {
        let is_it =
            |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.name.member() == Some(member));
        self.slots.find(|| hash, is_it)
    }

    /// Adds a member that is not there, with the hash of its name.
    pub(super) fn insert(&mut self, keys: HashKeys, hash: u64, name: Name) -> u32 {
        self.slots.insert_hashed(keys, |_| hash, Some(Slot { name, shown: None }))
    }

    /// Shows a version, or nothing. Returns what was shown before.
    pub(super) fn show(&mut self, slot: u32, version: Option<Entry>) -> Option<Entry> {
        let member = self.slots.get_mut(slot)?.as_mut()?;
        self.shown += usize::from(version.is_some());
        let before = std::mem::replace(&mut member.shown, version);
        self.shown -= usize::from(before.is_some());
        before
    }

    /// Forgets a member, which must not be shown.
    pub(super) fn remove(&mut self, keys: HashKeys, slot: u32) {
        self.slots.remove(keys, slot);
    }
}
