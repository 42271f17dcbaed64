//! Presence as one instance sees it: the replicated map, the sessions, and who is shown.
//!
//! Owns the machine and what applications ask of members. How it is decided who is shown is in `settle`, what becomes of
//! sessions in `lifecycle`, work in pieces in `jobs`, what others send in `replication`, and what is dropped when nobody
//! needs it any more in `dropping`. One instance is a cluster of one: there is no other way through. Must not know topics as
//! watchers see them; it says what changed ([`Presence::poll_change`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::dropping::Dropping;
use super::entry::{Entry, State, Version};
use super::jobs::Job;
use super::meta::Meta;
use super::name::{Connection, Member, Name, SessionName};
use super::replication::{FAR_AHEAD_MS, OwnerView};
use super::sessions::{Liveness, News, SessionId, Sessions};
use super::stamp::{Clock, Stamp};
use super::timers::Timers;
use super::{Change, Fault, Notice, Reason, Refusal};
use crate::crdt::{self, NodeId, Owner, Replica};
use crate::map::HashKeys;
use crate::time::Now;

/// How long things take, in milliseconds, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For so long the members of a session stay that nobody holds.
    pub grace_ms: u64,
    /// For so long the members of an instance that is down stay.
    pub down_grace_ms: u64,
    /// Members of one session.
    pub members_per_session_max: usize,
    /// Members that this instance knows.
    pub members_max: usize,
    /// Named sessions that this instance knows, or has ended a moment ago.
    pub sessions_max: usize,
    /// Those of the replicated map.
    pub replica: crdt::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            grace_ms: 10_000,
            down_grace_ms: 5_000,
            members_per_session_max: usize::MAX,
            members_max: usize::MAX,
            sessions_max: usize::MAX,
            replica: crdt::Settings::default(),
        }
    }
}

/// What is known, and what has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members that are shown.
    pub members: usize,
    /// Members that some record knows.
    pub known_members: usize,
    /// Named sessions, those included of which others are still told that they have ended.
    pub sessions: usize,
    /// Entries of others that were copied so that they stay.
    pub adopted: u64,
    /// Sessions that were given up.
    pub given_up: u64,
    /// Entries that were dropped because nobody needs them any more.
    pub dropped: u64,
    /// Entries that were taken over from records that were forgotten, since they made others void.
    pub outlived: u64,
    /// Stamps that were far ahead of this instance's clock.
    pub far_stamps: u64,
}

/// What to do to a member's meta.
#[derive(Clone, Debug)]
pub enum MetaChange {
    /// This one from now on.
    Replace(Meta),
    /// Patch it; the result has at most so many bytes. (RFC 7396.)
    Merge(Meta, usize),
}

/// How a client stops to be attached to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// It said so by name: the session ends if nobody else holds it.
    Named,
    /// Any other way: the session may come back.
    Quiet,
}

/// A member, as far as it is known.
struct Found {
    name: Name,
    /// Of the name.
    hash: u64,
    session: Option<SessionId>,
    shown: Option<Entry>,
}

impl Found {
    /// The version that is shown.
    fn version(&self) -> Option<&Version> {
        self.shown.as_ref().and_then(Entry::version)
    }

    /// The session's name, if an application has given it.
    fn named_session(&self) -> Option<&Arc<str>> {
        match &self.name.member()?.session {
            SessionName::Named(name) => Some(name),
            SessionName::Connection(_) => None,
        }
    }
}

/// Presence. Calls, in any order, each with the present time:
/// - *what happens here*: [`track`](Self::track) and its kin, [`attach`](Self::attach) and its kin;
/// - *what others send*, links and membership: as for [`Replica`];
/// - *time*: [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout) or later.
///
/// After each, until there is nothing more: [`work`](Self::work), [`poll_change`](Self::poll_change),
/// [`poll_notice`](Self::poll_notice), [`poll_message`](Self::poll_message).
pub struct Presence {
    pub(super) replica: Replica<Name, Entry>,
    pub(super) settings: Settings,
    pub(super) keys: HashKeys,
    pub(super) clock: Clock,
    pub(super) life: u64,
    pub(super) sessions: Sessions,
    pub(super) owners: BTreeMap<Owner, OwnerView>,
    /// By how many milliseconds the latest stamps of a node were ahead of this clock, or behind it.
    pub(super) skews: BTreeMap<NodeId, i64>,
    /// How many of the members that are shown were tracked at which instance: a ref says where it was given.
    pub(super) tracked_at: BTreeMap<NodeId, usize>,
    pub(super) timers: Timers,
    pub(super) jobs: VecDeque<Job>,
    pub(super) dropping: Dropping,
    pub(super) changes: VecDeque<Change>,
    pub(super) notices: VecDeque<Notice>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) counts: Counts,
}

impl Presence {
    /// Of an instance that starts. `life` is a random number that tells its connections' members from those of any other
    /// start.
    pub fn new(me: Owner, life: u64, settings: Settings, keys: HashKeys, now: Now) -> Self {
        Presence {
            replica: Replica::new(me, settings.replica, keys, now.monotonic_ms()),
            settings,
            keys,
            clock: Clock::new(me.node),
            life,
            sessions: Sessions::new(keys),
            owners: BTreeMap::new(),
            skews: BTreeMap::new(),
            tracked_at: BTreeMap::new(),
            timers: Timers::default(),
            jobs: VecDeque::new(),
            dropping: Dropping::default(),
            changes: VecDeque::new(),
            notices: VecDeque::new(),
            faults: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Other limits and times from now on. A time that runs already ends when it was to, or later if it is longer now.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The limits and times.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known, and what has happened.
    pub fn counts(&self) -> Counts {
        Counts { sessions: self.sessions.named(), ..self.counts }
    }

    /// The session of a connection; if it is known its name is shared.
    pub fn connection(&self, client: u64) -> SessionName {
        let connection = Connection { life: self.life, client };
        let known = self.sessions.find_connection(connection).and_then(|id| self.sessions.get(id));
        known.map_or_else(|| connection.into(), |session| session.name.clone())
    }

    /// The session with this name; if it is known its name is shared.
    pub fn named(&self, session: &str) -> SessionName {
        let known = self.sessions.find_named(session).and_then(|id| self.sessions.name(id));
        SessionName::Named(known.map_or_else(|| session.into(), Arc::clone))
    }

    /// Whether a client's ref would take this instance's clock far ahead of its time, where no other instance has taken it
    /// yet: it is made up.
    pub fn is_from_the_future(&self, now: Now, reference: Stamp) -> bool {
        let ahead_ms = reference.unix_ms().saturating_sub(now.unix_ms());
        ahead_ms > FAR_AHEAD_MS.unsigned_abs() && !self.clock.is_beyond(reference)
    }

    /// The version of a member that is shown.
    pub fn shown(&self, name: &Name) -> Option<&Entry> {
        let member = name.member()?;
        let session = self.sessions.get(self.sessions.find(&member.session)?)?;
        session.members.get(session.members.find(member.hash(self.keys), member)?)?.shown.as_ref()
    }

    /// What there is of a member.
    fn find(&self, member: Member) -> Found {
        let hash = member.hash(self.keys);
        let session = self.sessions.find(&member.session);
        let Some(known) = session.and_then(|id| self.sessions.get(id)) else {
            return Found { name: member.into(), hash, session, shown: None };
        };
        match known.members.find(hash, &member).and_then(|slot| known.members.get(slot)) {
            Some(slot) => Found { name: slot.name.clone(), hash, session, shown: slot.shown.clone() },
            None => Found { name: member.into(), hash, session, shown: None },
        }
    }

    /// What has changed of what is shown.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// What an application must be told.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What the operator must be told.
    pub fn poll_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front()
    }

    /// A member is present, with this meta. Returns its ref. Nobody is told if nothing changes.
    ///
    /// # Errors
    /// It is present and was to be new, or there are too many.
    pub fn track(&mut self, now: Now, member: Member, meta: Meta, only_new: bool) -> Result<Stamp, Refusal> {
        let found = self.find(member);
        match &found.shown {
            Some(_) if only_new => return Err(Refusal::AlreadyTracked),
            Some(_) => {}
            None => self.check_room(&found)?,
        }
        Ok(self.write(now, &found, meta))
    }

    /// A present member gets another meta. `after`: not before the version with this ref. Returns the new ref.
    ///
    /// # Errors
    /// It is not present, or the new meta is none.
    pub fn update(
        &mut self,
        now: Now,
        member: Member,
        change: MetaChange,
        after: Option<Stamp>,
    ) -> Result<Stamp, Refusal> {
        let found = self.find(member);
        let Some(version) = found.version() else { return Err(Refusal::NotTracked) };
        let meta = match change {
            MetaChange::Replace(meta) => meta,
            MetaChange::Merge(patch, bytes_max) => {
                version.meta.merged(&patch, bytes_max).map_err(Refusal::Meta)?
            }
        };
        after.into_iter().for_each(|after| self.clock.observe(after));
        Ok(self.write(now, &found, meta))
    }

    /// A member is not present any more. `after`: not before the version with this ref. Returns whether it was shown.
    pub fn untrack(&mut self, now: Now, member: Member, after: Option<Stamp>) -> bool {
        after.into_iter().for_each(|after| self.clock.observe(after));
        let found = self.find(member);
        let was_shown = found.shown.is_some();
        self.untrack_name(now, &found.name, found.hash, was_shown, Reason::Untrack);
        was_shown
    }

    pub(super) fn untrack_name(&mut self, now: Now, name: &Name, hash: u64, was_shown: bool, reason: Reason) {
        let is_named = name.member().is_some_and(|member| matches!(member.session, SessionName::Named(_)));
        if !is_named || self.is_alone() {
            self.replica.remove(now.monotonic_ms(), name);
        } else if self.needs_marker(name, hash, was_shown) {
            let stamp = self.clock.stamp(now.unix_ms());
            self.replica.put_hashed(now.monotonic_ms(), hash, name, Version::gone(stamp).into());
        }
        self.settle_hashed(now, name, hash, reason);
    }

    /// Whether an untracked member must be remembered as such, if there are others: they may know it, or may be about to
    /// tell of it. Of those that nobody is known to have tracked there may not be more than of members.
    fn needs_marker(&self, name: &Name, hash: u64, was_shown: bool) -> bool {
        was_shown
            || self.replica.log(self.replica.me()).is_some_and(|log| log.get_hashed(hash, name).is_some())
            || self.counts.known_members < self.settings.members_max
    }

    /// Whether nobody else is known or expected: then nobody can know of a member, or come with it, and what is said for
    /// others' sake would be dropped at once, since all rounds are over when they begin.
    pub(super) fn is_alone(&self) -> bool {
        self.owners.is_empty() && self.replica.is_alone()
    }

    fn check_room(&self, found: &Found) -> Result<(), Refusal> {
        let settings = &self.settings;
        if self.counts.known_members >= settings.members_max {
            return Err(Refusal::TooMany(settings.members_max));
        }
        match found.session.and_then(|id| self.sessions.get(id)) {
            Some(session) if session.members.shown() >= settings.members_per_session_max => {
                Err(Refusal::TooManyInSession(settings.members_per_session_max))
            }
            None if found.named_session().is_some() => self.check_room_for_sessions(1),
            _ => Ok(()),
        }
    }

    /// Whether there may be so many named sessions more.
    ///
    /// # Errors
    /// There would be too many.
    pub fn check_room_for_sessions(&self, new: usize) -> Result<(), Refusal> {
        let most = self.settings.sessions_max;
        if new > 0 && self.sessions.named() + new > most {
            return Err(Refusal::TooManySessions(most));
        }
        Ok(())
    }

    /// Whether a named session is known.
    pub fn knows_session(&self, session: &str) -> bool {
        self.sessions.find_named(session).is_some()
    }

    /// Puts a version of a member. Returns its ref.
    fn write(&mut self, now: Now, found: &Found, meta: Meta) -> Stamp {
        let shown = found.version();
        let kept = shown.filter(|shown| shown.meta.is_equal(&meta));
        // Elsewhere it may have been untracked or updated a moment ago, and this came later.
        if let Some(kept) = kept
            && (found.named_session().is_none() || self.is_alone())
            && self.holds(found, kept)
        {
            self.note_tracked(now, found);
            return kept.reference();
        }
        let stamp = self.clock.stamp(now.unix_ms());
        let version = match kept {
            // Written again, since the copy that there is may be an instance's that dies.
            Some(kept) => Version::live(stamp, kept.meta.clone(), kept.reference(), kept.previous()),
            None => Version::live(stamp, meta, stamp, shown.map(Version::reference)),
        };
        let reference = version.reference();
        self.replica.put_hashed(now.monotonic_ms(), found.hash, &found.name, version.into());
        self.note_tracked(now, found);
        self.settle_hashed(now, &found.name, found.hash, Reason::Untrack);
        reference
    }

    /// Whether this instance's own log has this version of a member.
    fn holds(&self, found: &Found, version: &Version) -> bool {
        let own = self.replica.log(self.replica.me());
        let own = own.and_then(|log| log.get_hashed(found.hash, &found.name));
        let same = |own: &Version| own.stamp == version.stamp && own.state() == State::Live;
        own.and_then(Entry::version).is_some_and(same)
    }

    /// A member has been tracked here.
    fn note_tracked(&mut self, now: Now, found: &Found) {
        let Some(name) = found.named_session() else { return };
        let id = found.session.unwrap_or_else(|| self.named_session(name));
        self.session_used(now, id);
    }

    /// A member of a session was tracked, here or elsewhere: its application knows how it stands, and unless somebody holds it
    /// it has its grace anew.
    pub(super) fn session_used(&mut self, now: Now, id: SessionId) {
        let Some(named) = self.sessions.named_mut(id) else { return };
        if named.news == News::Told {
            named.news = News::None;
        }
        if named.liveness != Liveness::Alive {
            named.liveness = Liveness::Grace(now.monotonic_ms());
            self.plan(now, id);
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
