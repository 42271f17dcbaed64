//! The members of a topic that have the same key.
//!
//! Owns their order: that in which they came. Most keys have one member, and take sixteen bytes. Must not know the topic.

use super::{Entry, Name, Version};
use crate::slab::Slot;

/// A member and the version of it that is shown.
#[derive(Debug)]
pub struct Shown {
    /// The member.
    pub name: Name,
    /// The version.
    pub entry: Entry,
}

/// The members with one key, or a free slot.
#[derive(Debug)]
pub enum Group {
    /// One member.
    One(Shown),
    /// Several members; nothing: a free slot.
    Several(Option<Box<Vec<Shown>>>),
}

impl Slot for Group {
    const FREE: Self = Group::Several(None);

    fn is_free(&self) -> bool {
        matches!(self, Group::Several(None))
    }
}

impl Group {
    /// Number of members.
    pub(super) fn len(&self) -> usize {
        self.members().len()
    }

    /// The key.
    pub fn key(&self) -> &str {
        self.members().first().and_then(|shown| shown.name.member()).map_or("", |member| member.key())
    }

    /// The versions that are shown, in the order in which their members came.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.members().iter().filter_map(|shown| shown.entry.version())
    }

    /// The entry that is shown of a member.
    pub fn get(&self, name: &Name) -> Option<&Entry> {
        self.members().iter().find(|shown| shown.name == *name).map(|shown| &shown.entry)
    }

    fn members(&self) -> &[Shown] {
        match self {
            Group::One(shown) => std::slice::from_ref(shown),
            Group::Several(several) => several.as_ref().map_or(&[], |several| several.as_slice()),
        }
    }

    /// Shows this entry of a member, which joins unless it is there.
    pub(super) fn set(&mut self, name: &Name, entry: &Entry) {
        let found = match self {
            Group::One(shown) => Some(shown).filter(|shown| shown.name == *name),
            Group::Several(Some(several)) => several.iter_mut().find(|shown| shown.name == *name),
            Group::Several(None) => None,
        };
        match found {
            Some(shown) => shown.entry = entry.clone(),
            None => self.push(Shown { name: name.clone(), entry: entry.clone() }),
        }
    }

    fn push(&mut self, shown: Shown) {
        *self = match std::mem::replace(self, Group::FREE) {
            Group::One(first) => Group::Several(Some(Box::new(vec![first, shown]))),
            Group::Several(Some(mut several)) => {
                several.push(shown);
                Group::Several(Some(several))
            }
            Group::Several(None) => Group::One(shown),
        };
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, name: &Name) {
        let Group::Several(Some(several)) = self else { return };
        several.retain(|shown| shown.name != *name);
        if several.len() == 1
            && let Some(last) = several.pop()
        {
            *self = Group::One(last);
        }
    }
}
