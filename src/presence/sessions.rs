//! The sessions that are known here, each with its members.
//!
//! Owns the table, and what each session has: who holds it, how it stands, which of its members are shown. What follows from
//! that is decided in `settle` and `lifecycle`. Must not know logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::{Attachment, Entry};
use super::members::Members;
use super::name::{Name, SessionName};
use super::stamp::Stamp;
use crate::crdt::Owner;
use crate::map::HashKeys;

/// How a named session stands in this instance's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Liveness {
    /// Nobody was ever seen to hold it.
    #[default]
    Unknown,
    /// Somebody holds it.
    Alive,
    /// Nobody has held it since then, in milliseconds of the monotonic clock.
    Grace(u64),
    /// It did not come back in time.
    Over,
}

/// What only a named session has.
#[derive(Default)]
pub(super) struct Named {
    /// Clients that are attached here.
    pub(super) clients: BTreeSet<u64>,
    /// When the lease ends that runs here, in milliseconds of the monotonic clock.
    pub(super) lease: Option<u64>,
    /// This instance's own entry, while the session is attached or leased here.
    pub(super) own: Option<Attachment>,
    /// The entries of others.
    pub(super) holders: BTreeMap<Owner, Attachment>,
    pub(super) liveness: Liveness,
    /// Somebody has held it in this instance's view, and it was not given up since. Otherwise its members are those that
    /// happen to have been tracked here.
    pub(super) was_held: bool,
    /// For how long its members stay, if a holder has said so.
    pub(super) grace_ms: Option<u64>,
    /// Versions up to this one are not shown for the session's sake any more.
    pub(super) given_up: Option<Stamp>,
    /// Something was given up, and the application has not been told.
    pub(super) owes_news: bool,
    /// The highest end that is known.
    pub(super) ended: Option<Stamp>,
    /// Slots of members of which a record holds an entry that the end covers.
    pub(super) covered: BTreeSet<u32>,
    /// Work on all its members that is under way.
    pub(super) jobs: u32,
    /// When something is due, as it stands among the timers.
    pub(super) timer: Option<u64>,
    /// The application will be told that members were lost.
    pub(super) tells: bool,
}

impl Named {
    /// Whether its members are kept for its sake.
    pub(super) fn keeps(&self) -> bool {
        matches!(self.liveness, Liveness::Alive | Liveness::Grace(_))
    }

    /// Whether an end covers what was written then.
    pub(super) fn is_ended(&self, stamp: Stamp) -> bool {
        self.ended.is_some_and(|ended| stamp <= ended)
    }

    /// Whether what was written then was given up.
    pub(super) fn is_given_up(&self, stamp: Stamp) -> bool {
        self.given_up.is_some_and(|given_up| stamp <= given_up)
    }
}

/// A session.
pub(super) struct Session {
    pub(super) name: SessionName,
    pub(super) members: Members,
    /// `None`: of a connection.
    pub(super) named: Option<Box<Named>>,
}

impl Session {
    /// Whether there is no reason to remember it.
    fn is_over(&self) -> bool {
        let idle = |named: &Named| {
            let held = named.own.is_some() || !named.holders.is_empty();
            !held && named.jobs == 0 && !named.tells && !matches!(named.liveness, Liveness::Grace(_))
        };
        self.members.is_empty() && self.named.as_deref().is_none_or(idle)
    }
}

/// Names a session in the table for as long as it is there.
pub(super) type SessionId = u32;

/// All sessions.
pub(super) struct Sessions {
    keys: HashKeys,
    slots: Vec<Option<Session>>,
    free: Vec<SessionId>,
    index: HashTable<SessionId>,
    named: usize,
}

fn hash(keys: HashKeys, name: &SessionName) -> u64 {
    let mut hasher = keys.hasher();
    match name {
        SessionName::Connection { life, client } => hasher.numbers(&[*life, *client]),
        SessionName::Named(name) => hasher.string(name),
    }
    hasher.finish()
}

impl Sessions {
    pub(super) fn new(keys: HashKeys) -> Self {
        Sessions { keys, slots: Vec::new(), free: Vec::new(), index: HashTable::new(), named: 0 }
    }

    /// Named sessions.
    pub(super) fn named(&self) -> usize {
        self.named
    }

    /// One above the highest id in use.
    pub(super) fn end(&self) -> SessionId {
        self.slots.len() as SessionId
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn named_mut(&mut self, id: SessionId) -> Option<&mut Named> {
        self.get_mut(id)?.named.as_deref_mut()
    }

    pub(super) fn find(&self, name: &SessionName) -> Option<SessionId> {
        let same = |id: &SessionId| self.get(*id).is_some_and(|session| session.name == *name);
        self.index.find(hash(self.keys, name), same).copied()
    }

    pub(super) fn find_named(&self, name: &str) -> Option<SessionId> {
        let mut hasher = self.keys.hasher();
        hasher.string(name);
        let same = |id: &SessionId| {
            let known = self.get(*id).map(|session| &session.name);
            matches!(known, Some(SessionName::Named(known)) if **known == *name)
        };
        self.index.find(hasher.finish(), same).copied()
    }

    /// Remembers a session that is not known.
    pub(super) fn create(&mut self, name: SessionName) -> SessionId {
        let hash_of_name = hash(self.keys, &name);
        let named = matches!(name, SessionName::Named(_)).then(Box::default);
        self.named += usize::from(named.is_some());
        let session = Some(Session { name, members: Members::default(), named });
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = session;
                id
            }
            None => {
                self.slots.push(session);
                (self.slots.len() - 1) as SessionId
            }
        };
        let (slots, keys) = (&self.slots, self.keys);
        self.index.insert_unique(hash_of_name, id, |other| {
            slots[*other as usize].as_ref().map_or(0, |session| hash(keys, &session.name))
        });
        id
    }

    /// Forgets a session that there is no reason to remember. Returns whether it is gone.
    pub(super) fn forget_if_over(&mut self, id: SessionId) -> bool {
        let Some(session) = self.get(id) else { return true };
        if !session.is_over() {
            return false;
        }
        let (hash, is_named) = (hash(self.keys, &session.name), session.named.is_some());
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.named -= usize::from(is_named);
        self.slots[id as usize] = None;
        self.free.push(id);
        true
    }

    /// The version of a member that is shown.
    pub(super) fn shown(&self, keys: HashKeys, name: &Name) -> Option<&Entry> {
        let session = self.get(self.find(&name.member()?.session)?)?;
        session.members.get(session.members.find(keys, name)?)?.shown.as_ref()
    }

    /// The name of a named session.
    pub(super) fn name(&self, id: SessionId) -> Option<&Arc<str>> {
        match &self.get(id)?.name {
            SessionName::Named(name) => Some(name),
            SessionName::Connection { .. } => None,
        }
    }
}
