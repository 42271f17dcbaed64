//! When an instance drops entries of its own that nobody needs any more.
//!
//! Owns what may be dropped, and the two rounds that it waits for: a round ends when all others are known to know as much as
//! this instance did when it began. After one, all have the newer entry; after the second, none that still had the older
//! one can have handed it on. Must not know why an entry is useless.

use std::collections::BTreeMap;

use super::Reason;
use super::entry::{Content, Entry, State, Version};
use super::jobs::Job;
use super::machine::Presence;
use super::name::{Name, Subject};
use super::stamp::Stamp;
use crate::crdt::Round;
use crate::time::Now;

/// Own entries, with the versions at which they were put.
type Names = BTreeMap<Name, u64>;

struct Running {
    round: Round,
    names: Names,
    is_second: bool,
}

/// What may be dropped.
#[derive(Default)]
pub(super) struct Dropping {
    candidates: Names,
    running: Option<Running>,
}

impl Dropping {
    /// This instance has another incarnation, with the same entries: rounds of the former one never end, so that all begins
    /// anew.
    pub(super) fn restart(&mut self) {
        if let Some(Running { mut names, .. }) = self.running.take() {
            // Of what was put again meanwhile the later version counts.
            names.append(&mut self.candidates);
            self.candidates = names;
        }
    }
}

impl Presence {
    /// This instance's own entry of this name may be dropped when all others know as much.
    pub(super) fn may_drop(&mut self, name: &Name) {
        let own = self.replica.log(self.replica.me());
        if let Some(version) = own.and_then(|log| log.version_of(name)) {
            self.dropping.candidates.insert(name.clone(), version);
        }
    }

    /// It is of use again. If it becomes useless once more it is by what others have yet to learn: rounds begin anew.
    pub(super) fn must_keep(&mut self, name: &Name) {
        self.dropping.candidates.remove(name);
        if let Some(running) = &mut self.dropping.running {
            running.names.remove(name);
        }
    }

    /// Takes the next step, if it is time for it. Returns whether something was done.
    pub(super) fn drop_useless(&mut self, now: Now) -> bool {
        let (names, is_second) = match self.dropping.running.take() {
            None => (std::mem::take(&mut self.dropping.candidates), false),
            Some(running) if !self.replica.round_is_over(&running.round, now.monotonic_ms()) => {
                self.dropping.running = Some(running);
                return false;
            }
            Some(Running { names, is_second: true, .. }) => {
                self.jobs.push_back(Job::Drop { names });
                return true;
            }
            Some(Running { names, .. }) => (names, true),
        };
        if names.is_empty() {
            return false;
        }
        let round = self.replica.begin_round();
        self.dropping.running = Some(Running { round, names, is_second });
        true
    }

    /// Drops an entry, unless it has changed, or is of use again.
    pub(super) fn drop_entry(&mut self, now: Now, name: &Name, version: u64) {
        let own = self.replica.log(self.replica.me());
        if own.and_then(|log| log.version_of(name)) != Some(version) {
            return;
        }
        if self.is_useless(now, name) {
            self.replica.remove(now.monotonic_ms(), name);
            self.counts.dropped += 1;
            self.settle(now, name, Reason::NodeDown);
            self.note_end(name);
        } else if matches!(name.subject(), Subject::End(_)) {
            // It is looked at by itself, not when one of the entries goes that it covers.
            self.may_drop(name);
        }
    }

    /// A record is being forgotten that had this entry. If others have entries which only this one makes void, this instance
    /// says so from now on, until they are gone: what was superseded does not come back because time has passed.
    pub(super) fn outlive(&mut self, now: Now, name: &Name, entry: &Entry) {
        let copy = match (name.subject(), entry.content()) {
            (Subject::Member(_), Content::Version(version)) => self.outlived_version(now, name, version),
            (Subject::End(session), Content::End(stamp)) => self.outlived_end(session, name, *stamp),
            _ => None,
        };
        if let Some(copy) = copy {
            self.counts.outlived += 1;
            self.replica.put(now.monotonic_ms(), name.clone(), copy);
            self.note_end(name);
            self.may_drop(name);
        }
    }

    fn outlived_version(&mut self, now: Now, name: &Name, version: &Version) -> Option<Entry> {
        let fresh = self.clock.stamp(now.unix_ms());
        let named = self
            .sessions
            .find(&name.member()?.session)
            .and_then(|id| self.sessions.get(id)?.named.as_deref())?;
        if named.is_ended(version.stamp) {
            return None;
        }
        let mut has_lower = false;
        for (_, log, _) in self.replica.records() {
            let other = log.get(name).and_then(Entry::version);
            let Some(other) = other else { continue };
            if other.rank() >= version.rank() {
                return None;
            }
            has_lower |= other.state() == State::Live && !named.is_ended(other.stamp);
        }
        let lost = || {
            State::Lost(
                named.latest_given_up().filter(|given_up| version.stamp <= *given_up).unwrap_or(fresh),
            )
        };
        has_lower.then(|| match version.state() {
            State::Live => version.with_state(lost()).into(),
            State::Lost(_) | State::Gone => version.clone().into(),
        })
    }

    fn outlived_end(&self, session: &str, name: &Name, stamp: Stamp) -> Option<Entry> {
        let named =
            self.sessions.find_named(session).and_then(|id| self.sessions.get(id)?.named.as_deref())?;
        let known = self
            .replica
            .records()
            .filter_map(|(_, log, _)| log.get(name))
            .any(|other| other.stamp() >= stamp);
        (!known && named.ended == Some(stamp) && !named.covered.is_empty())
            .then(|| Content::End(stamp).into())
    }

    /// An entry was put into this instance's log, or dropped from it: if it is the end of a session, that is remembered for as
    /// long as it stands there.
    pub(super) fn note_end(&mut self, name: &Name) {
        let Subject::End(session) = name.subject() else { return };
        let own = self.replica.log(self.replica.me());
        let tells_end = own.is_some_and(|log| log.get(name).is_some());
        if let Some(id) = self.sessions.find_named(session)
            && let Some(named) = self.sessions.named_mut(id)
        {
            named.tells_end = tells_end;
            self.forget_if_over(id);
        }
    }

    fn is_useless(&self, now: Now, name: &Name) -> bool {
        match name.subject() {
            Subject::Member(_) => self.is_useless_version(now, name),
            Subject::Session(_) => false,
            Subject::End(session) => {
                let session = self.sessions.find_named(session).and_then(|id| self.sessions.get(id));
                let named = session.and_then(|session| session.named.as_deref());
                named.is_none_or(|named| !named.is_busy() && named.covered.is_empty())
            }
        }
    }
}
