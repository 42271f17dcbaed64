//! Who is shown in one topic: its members by key.
//!
//! Owns the groups of members that have the same key. A key has a slot that does not change while it is present, so that reading
//! goes on from where it stopped. Must not know the other topics. A group is in `group.rs`.

use std::sync::Arc;

use super::events::{self, Events};
use super::group::{Group, Shown};
use super::topics::Count;
use super::{Change, Entry, Name, Reason, Version};
use crate::map::HashKeys;
use crate::slots::{Keyed, Slots};

/// A change of what users see.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Of which member.
    pub name: Name,
    /// The version that was shown; nothing: it has joined.
    pub before: Option<Entry>,
    /// The version that is shown; nothing: it has left.
    pub after: Option<Entry>,
    /// Why it has left.
    pub reason: Reason,
    /// What became of its key.
    pub key: KeyChange,
}

/// What a change did to a key of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It had no member before.
    Appeared,
    /// It has none any more.
    Disappeared,
    /// It has members as before.
    Stayed,
}

/// A topic.
pub struct Topic {
    name: Arc<str>,
    groups: Slots<Group>,
    members: usize,
    /// What its watchers are told; it stays without members as long as this is there.
    pub(super) events: Option<Box<Events>>,
}

impl Keyed for Topic {
    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(self.name.as_bytes())
    }
}

impl Topic {
    pub(super) fn new(name: Arc<str>) -> Self {
        Topic { name, groups: Slots::default(), members: 0, events: None }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many are present.
    pub fn count(&self) -> Count {
        Count { keys: self.groups.len(), members: self.members }
    }

    /// The versions of a key's members.
    pub(super) fn get(&self, keys: HashKeys, key: &str) -> impl Iterator<Item = &Version> {
        self.find(keys, key).and_then(|slot| self.group(slot)).into_iter().flat_map(Group::versions)
    }

    /// Visits the keys from the slot `from` on, `most` slots looked at. Returns the slot to go on from; nothing: these were all.
    pub fn visit(
        &self,
        from: u32,
        most: usize,
        mut visit: impl FnMut(&str, &mut dyn Iterator<Item = &Version>),
    ) -> Option<u32> {
        self.groups.visit(from, most, |_, group| visit(group.key(), &mut group.versions()))
    }

    /// The group in a slot.
    pub fn group(&self, slot: u32) -> Option<&Group> {
        self.groups.get(slot)
    }

    /// Shows a change. Returns what it came to; nothing if users see what they saw before.
    pub(super) fn apply(&mut self, keys: HashKeys, change: Change) -> Option<Applied> {
        let Change { name, after, reason } = change;
        let after = after.filter(|after| after.version().is_some());
        let slot = self.find(keys, name.member()?.key());
        let before = slot.and_then(|slot| self.group(slot)).and_then(|group| group.get(keys, &name)).cloned();
        if seen(&before) == seen(&after) {
            self.renew(keys, slot, &name, after);
            return None;
        }
        if let (Some(events), Some(slot)) = (&mut self.events, slot) {
            events.before(slot, self.groups.get(slot));
        }
        let (slot, key) = match (slot, &after) {
            (None, None) => return None,
            (None, Some(after)) => {
                let group = Group::One(Shown { name: name.clone(), entry: after.clone() });
                (self.groups.insert(keys, group), KeyChange::Appeared)
            }
            (Some(slot), after) => (slot, self.change(keys, slot, &name, after.as_ref())),
        };
        if let Some(events) = &mut self.events {
            if key == KeyChange::Appeared {
                events.before(slot, None);
            }
            events.note(&name, before.as_ref(), after.as_ref(), reason);
        }
        self.members = self.members + usize::from(after.is_some()) - usize::from(before.is_some());
        Some(Applied { name, before, after, reason, key })
    }

    /// Takes another entry for a version that users know: it may have been written again elsewhere.
    fn renew(&mut self, keys: HashKeys, slot: Option<u32>, name: &Name, after: Option<Entry>) {
        let group = slot.and_then(|slot| self.groups.get_mut(slot));
        if let (Some(group), Some(after)) = (group, after) {
            group.set(keys, name, &after);
        }
    }

    fn change(&mut self, keys: HashKeys, slot: u32, name: &Name, after: Option<&Entry>) -> KeyChange {
        let Some(group) = self.groups.get_mut(slot) else { return KeyChange::Stayed };
        match after {
            Some(after) => group.set(keys, name, after),
            None if group.is_single() => {
                self.groups.remove(keys, slot);
                return KeyChange::Disappeared;
            }
            None => group.remove(keys, name),
        }
        KeyChange::Stayed
    }

    /// Does a part of what is due for its watchers.
    pub(super) fn step(&mut self, place: (u16, u32), turn: &mut events::Turn<'_>) {
        if let Some(events) = &mut self.events {
            events.step(&self.name, &self.groups, place, turn);
        }
    }

    /// The slot of a key.
    pub fn find(&self, keys: HashKeys, key: &str) -> Option<u32> {
        self.groups.find(|| keys.hash(key.as_bytes()), |group| group.key() == key)
    }
}

/// What users see of an entry.
fn seen(entry: &Option<Entry>) -> Option<(super::Stamp, Option<super::Stamp>)> {
    entry.as_ref().and_then(Entry::version).map(|version| (version.reference(), version.previous()))
}
