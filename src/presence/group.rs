//! The members of a topic that have the same key.
//!
//! Owns their order: that in which they came. Most keys have one member, and take sixteen bytes; one that has very many (a key for
//! all who are anonymous) is no slower than many keys. Must not know the topic.

use super::crowd::Crowd;
use super::{Entry, Member, Name, Version};
use crate::map::HashKeys;
use crate::slots::Slot;

/// So many members of one key are looked through one by one.
const FEW: usize = 16;

/// A member and the version of it that is shown.
#[derive(Clone)]
pub struct Shown {
    /// The member.
    pub name: Name,
    /// The version.
    pub entry: Entry,
}

/// The members with one key, or a free slot.
pub enum Group {
    /// One member.
    One(Shown),
    /// Several members; nothing: a free slot. (A third variant would take eight bytes more of each slot.)
    Several(Option<Box<Several>>),
}

/// The members with one key, two at least.
pub enum Several {
    /// In their order.
    Few(Vec<Shown>),
    /// Too many to look through.
    Many(Box<Crowd>),
}

impl Slot for Group {
    const FREE: Self = Group::Several(None);

    fn is_free(&self) -> bool {
        matches!(self, Group::Several(None))
    }

    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(self.key().as_bytes())
    }
}

impl Group {
    /// Whether there is one member only.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Group::One(_))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Group::One(_) => 1,
            Group::Several(several) => match several.as_deref() {
                None => 0,
                Some(Several::Few(few)) => few.len(),
                Some(Several::Many(crowd)) => crowd.len(),
            },
        }
    }

    /// The key.
    pub fn key(&self) -> &str {
        self.members().next().and_then(|shown| shown.name.member()).map_or("", Member::key)
    }

    /// The versions that are shown, in the order in which their members came.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.members().filter_map(|shown| shown.entry.version())
    }

    /// The members, in the order in which they came.
    pub fn members(&self) -> impl Iterator<Item = &Shown> {
        let (few, many) = match self {
            Group::One(shown) => (std::slice::from_ref(shown), None),
            Group::Several(several) => match several.as_deref() {
                None => (&[][..], None),
                Some(Several::Few(few)) => (few.as_slice(), None),
                Some(Several::Many(crowd)) => (&[][..], Some(crowd.iter())),
            },
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// The entry that is shown of a member.
    pub fn get(&self, keys: HashKeys, name: &Name) -> Option<&Entry> {
        let shown = match self {
            Group::Several(Some(several)) => match &**several {
                Several::Few(few) => few.iter().find(|shown| shown.name == *name),
                Several::Many(crowd) => crowd.get(keys, name),
            },
            Group::One(shown) => Some(shown).filter(|shown| shown.name == *name),
            Group::Several(None) => None,
        };
        shown.map(|shown| &shown.entry)
    }

    /// Shows this entry of a member, which joins unless it is there.
    pub(super) fn set(&mut self, keys: HashKeys, name: &Name, entry: &Entry) {
        let found = match self {
            Group::Several(Some(several)) => match &mut **several {
                Several::Few(few) => few.iter_mut().find(|shown| shown.name == *name),
                Several::Many(crowd) => crowd.get_mut(keys, name),
            },
            Group::One(shown) => Some(shown).filter(|shown| shown.name == *name),
            Group::Several(None) => None,
        };
        match found {
            Some(shown) => shown.entry = entry.clone(),
            None => self.push(keys, Shown { name: name.clone(), entry: entry.clone() }),
        }
    }

    fn push(&mut self, keys: HashKeys, shown: Shown) {
        match self {
            Group::One(first) => {
                let few = Several::Few(vec![first.clone(), shown]);
                *self = Group::Several(Some(Box::new(few)));
            }
            Group::Several(Some(several)) => match &mut **several {
                Several::Few(few) if few.len() < FEW => few.push(shown),
                Several::Few(few) => {
                    let all = few.drain(..).chain([shown]);
                    **several = Several::Many(Box::new(Crowd::new(keys, all)));
                }
                Several::Many(crowd) => crowd.push(keys, shown),
            },
            Group::Several(None) => *self = Group::One(shown),
        }
    }

    /// Removes one of several members.
    pub(super) fn remove(&mut self, keys: HashKeys, name: &Name) {
        let Group::Several(Some(several)) = self else { return };
        match &mut **several {
            Several::Few(few) => few.retain(|shown| shown.name != *name),
            Several::Many(crowd) => {
                crowd.remove(keys, name);
                if crowd.len() <= FEW / 2 {
                    **several = Several::Few(crowd.iter().cloned().collect());
                }
            }
        }
        if let Several::Few(few) = &mut **several
            && few.len() == 1
            && let Some(last) = few.pop()
        {
            *self = Group::One(last);
        }
    }
}
