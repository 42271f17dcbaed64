//! What becomes of named sessions: held, let go, in grace, given up, ended.
//!
//! Owns the rules by which a session lives, and what its application is told. Must not know how members are shown.

use super::entry::{Attachment, Content, Entry};
use super::jobs::Job;
use super::machine::{Detach, Presence};
use super::name::{Name, SessionName};
use super::sessions::{Liveness, Named, News, SessionId};
use super::timers::Timer;
use super::{Notice, Refusal};
use crate::time::Now;

/// Wall clocks of instances are apart by less than this many milliseconds, as a rule: ten times what NTP makes of them.
const CLOCKS_DIFFER_MS: u64 = 1_000;

impl Presence {
    /// A client is attached to a session from now on, which is told what it must know.
    pub fn attach(&mut self, now: Now, session: &str, client: u64) {
        let id = self.named_session(session);
        let resumed = self.is_resumed(id);
        let Some(named) = self.sessions.named_mut(id) else { return };
        named.news = if resumed { News::None } else { News::Told };
        named.clients.insert(client);
        if named.own.is_none() {
            self.hold(now, id, 0, None);
        }
        self.notify(id, Some(client), resumed);
    }

    /// A client is not attached to a session any more.
    pub fn detach(&mut self, now: Now, session: &str, client: u64, how: Detach) {
        let Some(id) = self.sessions.find_named(session) else { return };
        let Some(named) = self.sessions.named_mut(id) else { return };
        if !named.clients.remove(&client) || !named.clients.is_empty() || named.lease.is_some() {
            return;
        }
        let was_last = named.holders.is_empty();
        self.let_go(now, id);
        if how == Detach::Named && was_last {
            self.end_anyway(now, session);
        }
    }

    /// Opens or renews a lease: so many milliseconds long, and as many of grace if that is said. Returns whether the session
    /// was alive and has lost nothing.
    ///
    /// # Errors
    /// There are too many sessions.
    pub fn touch(
        &mut self,
        now: Now,
        session: &str,
        ttl_ms: u64,
        grace_ms: Option<u64>,
    ) -> Result<bool, Refusal> {
        let id = match self.sessions.find_named(session) {
            Some(id) => id,
            None => {
                self.check_room_for_sessions(1)?;
                self.named_session(session)
            }
        };
        let resumed = self.is_resumed(id);
        let Some(named) = self.sessions.named_mut(id) else { return Ok(false) };
        named.news = News::None;
        named.lease = Some(now.monotonic_ms().saturating_add(ttl_ms));
        // Of a lease only beginning and end are replicated, and what others must know of it.
        if named.own.is_none_or(|own| (own.ttl_ms, own.grace_ms) != (ttl_ms, grace_ms)) {
            self.hold(now, id, ttl_ms, grace_ms);
        }
        self.plan(now, id);
        Ok(resumed)
    }

    /// Ends a session. Returns how many members were shown; [`Presence::is_settled`] says when they are gone.
    ///
    /// # Errors
    /// It is not known here, but may be elsewhere, and there are too many sessions to remember that it has ended. One that is
    /// known can always be ended.
    pub fn end(&mut self, now: Now, session: &str) -> Result<usize, Refusal> {
        match self.sessions.find_named(session) {
            Some(_) => {}
            None if self.is_alone() => return Ok(0),
            None => self.check_room_for_sessions(1)?,
        }
        Ok(self.end_anyway(now, session))
    }

    /// The same, also if there are too many.
    fn end_anyway(&mut self, now: Now, session: &str) -> usize {
        let (is_alone, stamp) = (self.is_alone(), self.clock.stamp(now.unix_ms()));
        let id = self.named_session(session);
        let members = self.sessions.get(id).map(|session| &session.members);
        let (shown, is_empty) = members.map_or((0, true), |members| (members.shown(), members.is_empty()));
        // Others are told, who may know members of it, and until all have heard of it, it counts as a session.
        if !(is_empty && is_alone) {
            let name = Name::of_end(session.into());
            self.replica.put(now.monotonic_ms(), name.clone(), Content::End(stamp).into());
            self.note_end(&name);
            self.may_drop(&name);
        }
        self.learn_end(now, id, stamp, true);
        shown
    }

    /// A session, which is remembered from now on if it was not.
    pub(super) fn session(&mut self, name: &SessionName) -> SessionId {
        match (self.sessions.find(name), name) {
            (Some(id), _) => id,
            (None, SessionName::Named(session)) => self.named_session(session),
            (None, SessionName::Connection(_)) => self.sessions.create(name.clone()),
        }
    }

    /// A named one. That it was ended may be known for longer than the session was remembered.
    pub(super) fn named_session(&mut self, name: &str) -> SessionId {
        if let Some(id) = self.sessions.find_named(name) {
            return id;
        }
        let id = self.sessions.create(SessionName::Named(name.into()));
        let end = Name::of_end(name.into());
        let ends = self.replica.records().filter_map(|(_, log, _)| log.get(&end));
        let ended = ends.map(Entry::stamp).max();
        if let Some(named) = self.sessions.named_mut(id) {
            named.ended = ended;
        }
        id
    }

    /// Whether nothing is under way that concerns all members of a session.
    pub fn is_settled(&self, session: &str) -> bool {
        let named = self.sessions.find_named(session).and_then(|id| self.sessions.get(id)?.named.as_deref());
        named.is_none_or(|named| !named.is_busy())
    }

    /// A session was ended at this time; here and now, if `is_latest`, and nothing was tracked since.
    pub(super) fn learn_end(&mut self, now: Now, id: SessionId, stamp: super::Stamp, is_latest: bool) {
        let Some(named) = self.sessions.named_mut(id) else { return };
        named.ended = named.ended.max(Some(stamp));
        if named.lease.is_some() && named.own.is_some_and(|own| own.stamp < stamp) {
            named.lease = None;
            self.lease_over(now, id);
        }
        if let Some(named) = self.sessions.named_mut(id).filter(|_| is_latest)
            && named.own.is_none()
            && named.holders.is_empty()
        {
            // There is nothing to come back to, and nothing whose grace runs.
            (named.liveness, named.was_held, named.grace_ms) = (Liveness::Over, false, None);
            self.plan(now, id);
        }
        self.settle_all(id);
        self.forget_if_over(id);
    }

    /// Whether what the application has tracked is still known, as far as can be seen here.
    fn is_resumed(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(id) else { return false };
        let Some(named) = session.named.as_deref() else { return false };
        // Who has lost its instance may track one member at another before it opens the session there.
        named.keeps()
            && named.was_held
            && named.news == News::None
            && (session.members.shown() > 0 || session.members.is_empty())
    }

    /// This instance holds the session from now on, or holds it on in another way.
    fn hold(&mut self, now: Now, id: SessionId, ttl_ms: u64, grace_ms: Option<u64>) {
        let Some(name) = self.sessions.name(id).cloned() else { return };
        let fresh = self.clock.stamp(now.unix_ms());
        let Some(named) = self.sessions.named_mut(id) else { return };
        let is_new = named.own.is_none();
        let stamp = named.own.map_or(fresh, |own| own.stamp);
        if !named.keeps() {
            // What was not kept until now does not come back, here or elsewhere: the application is told to track it again.
            // What it tracks at once elsewhere, where the clock may be behind, is kept.
            named.given_up = named.given_up.max(Some(fresh.before(CLOCKS_DIFFER_MS)));
        }
        let attachment = Attachment { stamp, ttl_ms, grace_ms, given_up: named.latest_given_up() };
        named.own = Some(attachment);
        named.grace_ms = grace_ms;
        let entry = Entry::from(Content::Attachment(Box::new(attachment)));
        self.replica.put(now.monotonic_ms(), Name::of_session(name), entry);
        self.reconsider(now, id);
        if is_new {
            // It may be for this instance now to keep what others have left.
            self.settle_all(id);
        }
    }

    /// This instance does not hold the session any more.
    fn let_go(&mut self, now: Now, id: SessionId) {
        let Some(name) = self.sessions.name(id).cloned() else { return };
        if let Some(named) = self.sessions.named_mut(id) {
            named.own = None;
        }
        self.replica.remove(now.monotonic_ms(), &Name::of_session(name));
        self.reconsider(now, id);
    }

    fn lease_over(&mut self, now: Now, id: SessionId) {
        let Some(named) = self.sessions.named_mut(id) else { return };
        if named.clients.is_empty() {
            self.let_go(now, id);
        } else {
            let grace_ms = named.grace_ms;
            self.hold(now, id, 0, grace_ms);
        }
    }

    /// Looks again at who holds a session.
    pub(super) fn reconsider(&mut self, now: Now, id: SessionId) {
        let now_ms = now.monotonic_ms();
        let owners = &self.owners;
        let default_ms = self.settings.grace_ms;
        let Some(named) = self.sessions.named_mut(id) else { return };
        let counts = |owner: &crate::crdt::Owner, attachment: &Attachment| {
            owners.get(owner).is_some_and(|view| view.holds(attachment.ttl_ms, now_ms))
        };
        let others = named.holders.iter().filter(|(owner, attachment)| counts(owner, attachment));
        let holders = others.map(|(_, attachment)| attachment).chain(&named.own);
        // Nothing was given up by all if somebody holds it who has given up nothing.
        let given_up = holders.map(|attachment| attachment.given_up).min();
        let is_held = given_up.is_some();
        named.was_held |= is_held;
        let mut looks_again = false;
        if let Some(given_up_by_all) = given_up.filter(|given_up| *given_up != named.given_up_by_all) {
            named.given_up_by_all = given_up_by_all;
            looks_again = true;
        }
        match (is_held, named.liveness) {
            (true, Liveness::Alive) | (false, Liveness::Unknown | Liveness::Over) => {}
            (true, Liveness::Grace(_)) => named.liveness = Liveness::Alive,
            (true, Liveness::Unknown | Liveness::Over) => {
                named.liveness = Liveness::Alive;
                looks_again = true;
            }
            (false, Liveness::Alive) => named.liveness = Liveness::Grace(now_ms),
            (false, Liveness::Grace(since_ms)) => {
                let ends_ms = since_ms.saturating_add(named.grace_ms.unwrap_or(default_ms));
                // It comes back and is lost again faster than its members can be given up.
                if now_ms >= ends_ms && !named.gives_up {
                    self.give_up(now, id);
                }
            }
        }
        if looks_again {
            self.settle_all(id);
        }
        self.plan(now, id);
        self.forget_if_over(id);
    }

    /// A session did not come back in time.
    fn give_up(&mut self, now: Now, id: SessionId) {
        let stamp = self.clock.stamp(now.unix_ms());
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(named) = session.named.as_deref_mut() else { return };
        (named.liveness, named.was_held) = (Liveness::Over, false);
        named.given_up = Some(stamp);
        if session.members.is_empty() {
            return;
        }
        named.news = News::Owed;
        named.gives_up = true;
        self.counts.given_up += 1;
        self.jobs.push_back(Job::GiveUp { session: id, next: 0, at: stamp });
    }

    /// Something is due for a session.
    pub(super) fn session_due(&mut self, now: Now, id: SessionId) {
        let Some(named) = self.sessions.named_mut(id) else { return };
        named.timer = None;
        if named.lease.is_some_and(|ends_ms| ends_ms <= now.monotonic_ms()) {
            named.lease = None;
            self.lease_over(now, id);
        }
        self.reconsider(now, id);
    }

    /// Notes when something is due for a session.
    pub(super) fn plan(&mut self, now: Now, id: SessionId) {
        let now_ms = now.monotonic_ms();
        let (owners, default_ms) = (&self.owners, self.settings.grace_ms);
        let Some(named) = self.sessions.named_mut(id) else { return };
        let grace = match named.liveness {
            // When its members are given up it is looked at again anyway.
            Liveness::Grace(since_ms) if !named.gives_up => {
                Some(since_ms.saturating_add(named.grace_ms.unwrap_or(default_ms)))
            }
            _ => None,
        };
        let left_behind = |(owner, attachment): (&crate::crdt::Owner, &Attachment)| {
            owners.get(owner).and_then(|view| view.lease_ends(attachment.ttl_ms))
        };
        let holders = match named.liveness {
            // One that is over already keeps nothing alive, and nothing is due for it.
            Liveness::Alive => named.holders.iter().filter_map(left_behind).filter(|at| *at > now_ms).min(),
            _ => None,
        };
        let due = [grace, holders, named.lease].into_iter().flatten().min();
        let before = std::mem::replace(&mut named.timer, due);
        self.timers.set(Timer::Session(id), before, due);
    }

    /// Forgets a session that there is no reason to remember.
    pub(super) fn forget_if_over(&mut self, id: SessionId) {
        let timer = self.sessions.named_mut(id).and_then(|named: &mut Named| named.timer);
        if self.sessions.forget_if_over(id) {
            self.timers.set(Timer::Session(id), timer, None);
        }
    }

    /// The application has to track its members again.
    pub(super) fn tell(&mut self, id: SessionId) {
        let Some(named) = self.sessions.named_mut(id) else { return };
        if !named.tells {
            named.tells = true;
            self.jobs.push_back(Job::Tell { session: id });
        }
    }

    /// Tells an application how its session stands.
    pub(super) fn notify(&mut self, id: SessionId, client: Option<u64>, resumed: bool) {
        let Some(session) = self.sessions.name(id).cloned() else { return };
        let members = self.sessions.get(id).map_or(0, |session| session.members.shown());
        self.notices.push_back(Notice { session, client, members, resumed });
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
