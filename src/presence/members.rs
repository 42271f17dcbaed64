//! The members of one session, in slots that stay.
//!
//! Owns the slots, so that work on all of them can stop after any and go on from there. Must not know what follows from a
//! member. Small sessions, which most are, have no index.

use hashbrown::HashTable;

use super::entry::Entry;
use super::name::Name;
use super::stamp::Stamp;
use crate::crdt::Key;
use crate::map::HashKeys;

/// From so many slots on there is an index.
const INDEXED: usize = 9;

/// A member of which some record holds an entry.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Name,
    /// The version that is shown.
    pub(super) shown: Option<Entry>,
}

/// The members of one session.
#[derive(Default)]
pub(super) struct Members {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    shown: usize,
}

impl Members {
    /// Members that some record knows.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Members that are shown.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// One above the highest slot in use.
    pub(super) fn end(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The stamp of the version that is shown.
    pub(super) fn shown_at(&self, slot: u32) -> Option<Stamp> {
        self.get(slot)?.shown.as_ref().map(Entry::stamp)
    }

    pub(super) fn find(&self, keys: HashKeys, name: &Name) -> Option<u32> {
        if self.slots.len() < INDEXED {
            let is_it = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.name == *name);
            return self.slots.iter().position(is_it).map(|slot| slot as u32);
        }
        let is_it = |slot: &u32| self.get(*slot).is_some_and(|slot| slot.name == *name);
        self.index.find(name.hash(keys), is_it).copied()
    }

    pub(super) fn find_or_insert(&mut self, keys: HashKeys, name: &Name) -> u32 {
        if let Some(slot) = self.find(keys, name) {
            return slot;
        }
        let member = Some(Slot { name: name.clone(), shown: None });
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = member;
                at
            }
            None => {
                if self.slots.is_empty() {
                    // Most sessions of a connection have one member.
                    self.slots.reserve_exact(1);
                }
                self.slots.push(member);
                (self.slots.len() - 1) as u32
            }
        };
        if self.slots.len() == INDEXED {
            (0..self.end()).for_each(|slot| self.add_to_index(keys, slot));
        } else if self.slots.len() > INDEXED {
            self.add_to_index(keys, at);
        }
        at
    }

    fn add_to_index(&mut self, keys: HashKeys, at: u32) {
        let slots = &self.slots;
        let hash = |slot: &u32| slots[*slot as usize].as_ref().map_or(0, |slot| slot.name.hash(keys));
        // A slot that is free has no name to be found by.
        if slots[at as usize].is_some() && self.index.find(hash(&at), |slot| *slot == at).is_none() {
            self.index.insert_unique(hash(&at), at, hash);
        }
    }

    /// Shows a version, or nothing. Returns what was shown before.
    pub(super) fn show(&mut self, slot: u32, version: Option<Entry>) -> Option<Entry> {
        let member = self.slots.get_mut(slot as usize)?.as_mut()?;
        self.shown += usize::from(version.is_some());
        let before = std::mem::replace(&mut member.shown, version);
        self.shown -= usize::from(before.is_some());
        before
    }

    /// Forgets a member, which must not be shown.
    pub(super) fn remove(&mut self, keys: HashKeys, slot: u32) {
        let Some(member) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(member.name.hash(keys), |other| *other == slot) {
            entry.remove();
        }
        self.free.push(slot);
        if self.is_empty() {
            *self = Members::default();
        }
    }
}
