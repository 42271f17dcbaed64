//! Work on many members at once, in pieces.
//!
//! Owns how far each piece of work has come. A member that is added behind it is looked at by whoever adds it. Must not know
//! why the work is done.

use std::collections::BTreeMap;

use super::Reason;
use super::entry::{Entry, State};
use super::machine::Presence;
use super::name::{Name, SessionName, Subject};
use super::sessions::{News, SessionId};
use super::stamp::Stamp;
use crate::crdt::{Key, Owner};
use crate::time::Now;

/// Something that concerns many members.
pub(super) enum Job {
    /// Look at all members of a session again.
    Settle { session: SessionId, next: u32 },
    /// All members of a session are lost.
    GiveUp { session: SessionId, next: u32, at: Stamp },
    /// A connection has ended: its members leave.
    Close { session: SessionId, name: SessionName, next: u32 },
    /// Another instance counts, or does not any more: look at all that it holds.
    Owner { owner: Owner, next: u32 },
    /// Entries that nobody needs.
    Drop { names: BTreeMap<Name, u64> },
    /// The application is told that members may be lost, when nothing else is to be done for its session.
    Tell { session: SessionId },
}

/// UNTRACKALL under way.
#[derive(Clone, Debug)]
pub struct Removal {
    session: SessionName,
    topic: Option<String>,
    reason: Reason,
    next: u32,
    /// Members that were shown and are no longer.
    pub removed: usize,
}

impl Presence {
    /// Begins to untrack all members of a session, or those in one topic.
    pub fn begin_removal(&self, session: SessionName, topic: Option<&str>) -> Removal {
        Removal { session, topic: topic.map(str::to_owned), reason: Reason::Untrack, next: 0, removed: 0 }
    }

    /// Begins to remove the members that live as long as a connection, which goes on as another one.
    pub fn begin_reset(&self, client: u64) -> Removal {
        let removal = self.begin_removal(self.connection(client), None);
        Removal { reason: Reason::Closed, ..removal }
    }

    /// Goes on, at most `budget` members. Returns whether that was all.
    pub fn continue_removal(&mut self, now: Now, removal: &mut Removal, budget: usize) -> bool {
        let Some(id) = self.sessions.find(&removal.session) else { return true };
        for _ in 0..budget {
            let Some(session) = self.sessions.get(id) else { return true };
            if removal.next >= session.members.end() {
                return true;
            }
            let slot = session.members.get(removal.next);
            removal.next += 1;
            let Some(slot) = slot.filter(|slot| slot.shown.is_some()) else { continue };
            let in_topic = |topic: &String| slot.name.member().is_some_and(|member| *member.topic == **topic);
            if removal.topic.as_ref().is_none_or(in_topic) {
                let name = slot.name.clone();
                let hash = name.hash(self.keys);
                self.untrack_name(now, &name, hash, true, removal.reason);
                removal.removed += 1;
            }
        }
        false
    }

    /// A connection has ended: its members leave.
    pub fn close_connection(&mut self, client: u64) {
        let name = self.connection(client);
        if let Some(session) = self.sessions.find(&name) {
            self.jobs.push_back(Job::Close { session, name, next: 0 });
        }
    }

    /// Looks at all members of a named session again. A client can ask for that more often than it can be done.
    pub(super) fn settle_all(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(id)
            && !session.members.is_empty()
            && let Some(named) = session.named.as_deref_mut()
        {
            if named.settles {
                named.settles_again = true;
                return;
            }
            named.settles = true;
            self.jobs.push_back(Job::Settle { session: id, next: 0 });
        }
    }

    /// Does what is to be done, at most `budget` members, which is lowered. Returns whether there is more.
    pub(super) fn run_jobs(&mut self, now: Now, budget: &mut usize) -> bool {
        // What waits for others to be done is asked once.
        let mut waiting = 0;
        while *budget > 0 && waiting < self.jobs.len() {
            *budget -= 1;
            let Some(job) = self.jobs.pop_front() else { break };
            match self.run(now, job, budget) {
                None => waiting = 0,
                Some(job @ Job::Tell { .. }) => {
                    waiting += 1;
                    self.jobs.push_back(job);
                }
                Some(job) => self.jobs.push_front(job),
            }
        }
        !self.jobs.is_empty()
    }

    /// Goes on with a job; returns it if it is not done.
    fn run(&mut self, now: Now, job: Job, budget: &mut usize) -> Option<Job> {
        match job {
            Job::Settle { session, mut next } => {
                let settle = |presence: &mut Presence, name: &Name| {
                    presence.settle(now, name, Reason::NodeDown);
                };
                if !self.for_members(session, &mut next, budget, settle) {
                    return Some(Job::Settle { session, next });
                }
                let named = self.sessions.named_mut(session)?;
                if std::mem::take(&mut named.settles_again) {
                    // Behind what waits already.
                    self.jobs.push_back(Job::Settle { session, next: 0 });
                    return None;
                }
                named.settles = false;
                self.reconsider(now, session);
                None
            }
            Job::GiveUp { session, mut next, at } => {
                let lose = |presence: &mut Presence, name: &Name| presence.lose(now, name, at);
                if !self.for_members(session, &mut next, budget, lose) {
                    return Some(Job::GiveUp { session, next, at });
                }
                self.sessions.named_mut(session)?.gives_up = false;
                self.reconsider(now, session);
                None
            }
            Job::Close { session, name, mut next } => {
                self.sessions.get(session).filter(|session| session.name == name)?;
                let close = |presence: &mut Presence, name: &Name| {
                    presence.replica.remove(now.monotonic_ms(), name);
                    presence.settle(now, name, Reason::Closed);
                };
                let done = self.for_members(session, &mut next, budget, close);
                (!done).then_some(Job::Close { session, name, next })
            }
            Job::Owner { owner, next } => self.run_owner(now, owner, next, budget),
            Job::Drop { mut names } => {
                while *budget > 0 {
                    *budget -= 1;
                    let (name, version) = names.pop_first()?;
                    self.drop_entry(now, &name, version);
                }
                Some(Job::Drop { names })
            }
            Job::Tell { session } => {
                let named = self.sessions.named_mut(session)?;
                if named.is_busy() {
                    return Some(Job::Tell { session });
                }
                named.tells = false;
                if !named.clients.is_empty() {
                    named.news = News::Told;
                    self.notify(session, None, false);
                }
                self.forget_if_over(session);
                None
            }
        }
    }

    /// Calls `each` for a session's members from a slot on. Returns whether that was all.
    fn for_members(
        &mut self,
        id: SessionId,
        next: &mut u32,
        budget: &mut usize,
        mut each: impl FnMut(&mut Presence, &Name),
    ) -> bool {
        loop {
            let Some(session) = self.sessions.get(id) else { return true };
            if *next >= session.members.end() {
                return true;
            }
            if *budget == 0 {
                return false;
            }
            let name = session.members.get(*next).map(|slot| slot.name.clone());
            *next += 1;
            *budget -= 1;
            if let Some(name) = name {
                each(self, &name);
            }
        }
    }

    /// A member's session was given up: where this instance has a live entry it says so. Superseded ones too, since whoever
    /// has the newer one may be away.
    fn lose(&mut self, now: Now, name: &Name, at: Stamp) {
        let own = self.replica.log(self.replica.me()).and_then(|log| log.get(name));
        let live = own.and_then(Entry::version).filter(|own| own.state() == State::Live && own.stamp <= at);
        match live.map(|own| own.with_state(State::Lost(at))) {
            Some(_) if self.is_alone() => {
                self.replica.remove(now.monotonic_ms(), name);
            }
            Some(lost) => {
                self.replica.put(now.monotonic_ms(), name.clone(), lost.into());
            }
            None => {}
        }
        self.settle(now, name, Reason::Lost);
    }

    fn run_owner(&mut self, now: Now, owner: Owner, mut next: u32, budget: &mut usize) -> Option<Job> {
        while *budget > 0 {
            *budget -= 1;
            let log = self.replica.log(owner).filter(|log| next < log.end())?;
            let name = log.key_at(next).cloned();
            next += 1;
            let Some(name) = name else { continue };
            match name.subject() {
                Subject::Member(_) => self.settle(now, &name, Reason::NodeDown),
                Subject::Session(session) => {
                    if let Some(id) = self.sessions.find_named(session) {
                        self.reconsider(now, id);
                    }
                }
                Subject::End(_) => {}
            }
        }
        Some(Job::Owner { owner, next })
    }
}

#[cfg(test)]
#[path = "jobs_tests.rs"]
mod tests;
