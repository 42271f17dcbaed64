//! Very many members of one key.
//!
//! Owns their order, as a list, and how one is found. Must not know anything else.

use super::Name;
use super::group::Shown;
use crate::crdt::Key;
use crate::map::HashKeys;
use crate::slots::{Keyed, Slots};

/// No slot.
const NONE: u32 = u32::MAX;

/// Members in the order in which they came.
pub struct Crowd {
    members: Slots<Option<Link>>,
    first: u32,
    last: u32,
}

struct Link {
    shown: Shown,
    before: u32,
    after: u32,
}

impl Keyed for Link {
    fn hash(&self, keys: HashKeys) -> u64 {
        self.shown.name.hash(keys)
    }
}

impl Crowd {
    pub(super) fn new(keys: HashKeys, members: impl Iterator<Item = Shown>) -> Self {
        let mut crowd = Crowd { members: Slots::default(), first: NONE, last: NONE };
        members.for_each(|shown| crowd.push(keys, shown));
        crowd
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shown> {
        std::iter::successors(self.link(self.first), |link| self.link(link.after)).map(|link| &link.shown)
    }

    pub(super) fn get(&self, keys: HashKeys, name: &Name) -> Option<&Shown> {
        self.link(self.find(keys, name)?).map(|link| &link.shown)
    }

    pub(super) fn get_mut(&mut self, keys: HashKeys, name: &Name) -> Option<&mut Shown> {
        let slot = self.find(keys, name)?;
        self.link_mut(slot).map(|link| &mut link.shown)
    }

    /// Adds a member that is not there.
    pub(super) fn push(&mut self, keys: HashKeys, shown: Shown) {
        let slot = self.members.insert(keys, Some(Link { shown, before: self.last, after: NONE }));
        match self.link_mut(self.last) {
            Some(last) => last.after = slot,
            None => self.first = slot,
        }
        self.last = slot;
    }

    pub(super) fn remove(&mut self, keys: HashKeys, name: &Name) {
        let slot = self.find(keys, name);
        let Some(link) = slot.and_then(|slot| self.members.remove(keys, slot)).flatten() else { return };
        match self.link_mut(link.before) {
            Some(before) => before.after = link.after,
            None => self.first = link.after,
        }
        match self.link_mut(link.after) {
            Some(after) => after.before = link.before,
            None => self.last = link.before,
        }
    }

    fn find(&self, keys: HashKeys, name: &Name) -> Option<u32> {
        let is_it = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.shown.name == *name);
        self.members.find(|| name.hash(keys), is_it)
    }

    fn link(&self, slot: u32) -> Option<&Link> {
        self.members.get(slot)?.as_ref()
    }

    fn link_mut(&mut self, slot: u32) -> Option<&mut Link> {
        self.members.get_mut(slot)?.as_mut()
    }
}
