//! The sessions that are known here, each with its members.
//!
//! Owns the table, and what each session has: who holds it, how it stands, which of its members are shown. What follows from
//! that is decided in `settle` and `lifecycle`. Must not know logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::Attachment;
use super::members::Members;
use super::name::{Connection, SessionName};
use super::stamp::Stamp;
use crate::crdt::Owner;
use crate::map::HashKeys;
use crate::slots::{Keyed, Slots};

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

/// How far an application is from knowing that members of its session were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum News {
    /// There is nothing to know.
    #[default]
    None,
    /// It has not been told.
    Owed,
    /// It has been told, and has not tracked anything since: what it is told may be lost with its connection.
    Told,
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
    /// Nor are those up to this one, since all that hold the session have given them up, and would not take them over.
    pub(super) given_up_by_all: Option<Stamp>,
    /// Whether the application must be told that something was given up.
    pub(super) news: News,
    /// The highest end that is known.
    pub(super) ended: Option<Stamp>,
    /// This instance's own log tells others that it was ended.
    pub(super) tells_end: bool,
    /// Slots of members of which a record holds an entry that the end covers.
    pub(super) covered: BTreeSet<u32>,
    /// All its members are being looked at again.
    pub(super) settles: bool,
    /// And that is to begin anew when it has come to the end: however often it is wanted, once.
    pub(super) settles_again: bool,
    /// All its members are being given up.
    pub(super) gives_up: bool,
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

    /// Whether work on all its members is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.settles || self.gives_up
    }

    /// Whether an end covers what was written then.
    pub(super) fn is_ended(&self, stamp: Stamp) -> bool {
        self.ended.is_some_and(|ended| stamp <= ended)
    }

    /// The latest time up to which things were given up.
    pub(super) fn latest_given_up(&self) -> Option<Stamp> {
        self.given_up.max(self.given_up_by_all)
    }

    /// Whether what was written then was given up.
    pub(super) fn is_given_up(&self, stamp: Stamp) -> bool {
        self.latest_given_up().is_some_and(|given_up| stamp <= given_up)
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
            !held
                && !named.is_busy()
                && !named.tells
                && !named.tells_end
                && !matches!(named.liveness, Liveness::Grace(_))
        };
        self.members.is_empty() && self.named.as_deref().is_none_or(idle)
    }
}

/// Names a session in the table for as long as it is there.
pub(super) type SessionId = u32;

/// All sessions.
pub(super) struct Sessions {
    keys: HashKeys,
    slots: Slots<Option<Session>>,
    named: usize,
}

impl Keyed for Session {
    fn hash(&self, keys: HashKeys) -> u64 {
        match &self.name {
            SessionName::Connection(connection) => hash_of_connection(keys, **connection),
            SessionName::Named(name) => hash_of_named(keys, name),
        }
    }
}

fn hash_of_connection(keys: HashKeys, connection: Connection) -> u64 {
    let mut hasher = keys.hasher();
    hasher.numbers(&[connection.life, connection.client]);
    hasher.finish()
}

fn hash_of_named(keys: HashKeys, name: &str) -> u64 {
    let mut hasher = keys.hasher();
    hasher.string(name);
    hasher.finish()
}

impl Sessions {
    pub(super) fn new(keys: HashKeys) -> Self {
        Sessions { keys, slots: Slots::default(), named: 0 }
    }

    /// Named sessions.
    pub(super) fn named(&self) -> usize {
        self.named
    }

    /// One above the highest id in use, or more.
    pub(super) fn end(&self) -> SessionId {
        self.slots.end()
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id)?.as_mut()
    }

    pub(super) fn named_mut(&mut self, id: SessionId) -> Option<&mut Named> {
        self.get_mut(id)?.named.as_deref_mut()
    }

    pub(super) fn find(&self, name: &SessionName) -> Option<SessionId> {
        match name {
            SessionName::Named(name) => self.find_named(name),
            SessionName::Connection(connection) => self.find_connection(**connection),
        }
    }

    pub(super) fn find_connection(&self, connection: Connection) -> Option<SessionId> {
        let is_it = |session: &Option<Session>| {
            let known = session.as_ref().map(|session| &session.name);
            matches!(known, Some(SessionName::Connection(known)) if **known == connection)
        };
        self.slots.find(|| hash_of_connection(self.keys, connection), is_it)
    }

    pub(super) fn find_named(&self, name: &str) -> Option<SessionId> {
        let is_it = |session: &Option<Session>| {
            let known = session.as_ref().map(|session| &session.name);
            matches!(known, Some(SessionName::Named(known)) if **known == *name)
        };
        self.slots.find(|| hash_of_named(self.keys, name), is_it)
    }

    /// Remembers a session that is not known.
    pub(super) fn create(&mut self, name: SessionName) -> SessionId {
        let named = matches!(name, SessionName::Named(_)).then(Box::default);
        self.named += usize::from(named.is_some());
        self.slots.insert(self.keys, Some(Session { name, members: Members::default(), named }))
    }

    /// Forgets a session that there is no reason to remember. Returns whether it is gone.
    pub(super) fn forget_if_over(&mut self, id: SessionId) -> bool {
        let Some(session) = self.get(id) else { return true };
        if !session.is_over() {
            return false;
        }
        self.named -= usize::from(session.named.is_some());
        self.slots.remove(self.keys, id);
        true
    }

    /// The name of a named session.
    pub(super) fn name(&self, id: SessionId) -> Option<&Arc<str>> {
        match &self.get(id)?.name {
            SessionName::Named(name) => Some(name),
            SessionName::Connection(_) => None,
        }
    }
}
