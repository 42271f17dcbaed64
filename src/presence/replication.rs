//! What other instances have sent, and what membership says of them.
//!
//! Owns how they are seen: whether what they hold counts. Must not know messages; the replicated map does.

use super::entry::{Content, Entry, State};
use super::jobs::Job;
use super::machine::Presence;
use super::name::{Name, SessionName, Subject};
use super::sessions::Liveness;
use super::stamp::Stamp;
use super::timers::Timer;
use super::{Fault, Reason};
use crate::crdt::wire::Malformed;
use crate::crdt::{Changed, Event, Incarnation, NodeId, Owner, Replica, Standing};
use crate::time::Now;

/// A stamp that is further ahead of this clock is counted: somebody's clock is wrong.
pub(super) const FAR_AHEAD_MS: i64 = 60_000;

/// Deadlines that one call looks after: a fraction of a millisecond. The leases of many sessions may end together.
const TIMERS_AT_ONCE: usize = 256;

/// How another instance is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnerView {
    /// It is up and has caught up.
    shown: bool,
    /// It is down, since then, which may be before this instance started.
    down_since: Option<i64>,
    /// Being down, it is shown until then.
    hide_at: Option<u64>,
    /// It has said that it leaves.
    pub(super) left: bool,
}

impl OwnerView {
    pub(super) fn is_up(&self) -> bool {
        self.down_since.is_none()
    }

    /// Whether what it holds is shown for its own sake.
    pub(super) fn is_visible(&self, now_ms: u64) -> bool {
        self.shown || self.hide_at.is_some_and(|hide_at| now_ms < hide_at)
    }

    /// Whether a session that it holds, with a lease of so many milliseconds if any, is alive.
    pub(super) fn holds(&self, ttl_ms: u64, now_ms: u64) -> bool {
        self.is_up() || self.lease_ends(ttl_ms).is_some_and(|ends_ms| now_ms < ends_ms)
    }

    /// When a lease that it held is over.
    pub(super) fn lease_ends(&self, ttl_ms: u64) -> Option<u64> {
        self.down_since.filter(|_| ttl_ms > 0).map(|since_ms| ttl_ms.saturating_add_signed(since_ms))
    }
}

impl Presence {
    /// The replicated map, for what links and the operator want to know of it.
    pub fn replica(&self) -> &Replica<Name, Entry> {
        &self.replica
    }

    /// By how many milliseconds the latest stamps of a node were ahead of this clock.
    pub fn skew_ms(&self, node: NodeId) -> Option<i64> {
        self.skews.get(&node).copied()
    }

    /// How many of the members that are shown were tracked at this node.
    pub fn tracked_at(&self, node: NodeId) -> usize {
        self.tracked_at.get(&node).copied().unwrap_or(0)
    }

    /// Takes a frame from a peer.
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(
        &mut self,
        now: Now,
        from: NodeId,
        frame: &[u8],
        random: u64,
    ) -> Result<(), Malformed> {
        self.replica.handle_message(now.monotonic_ms(), from, frame, random)
    }

    /// This instance is to be connected to a seed that it has not met: nothing is dropped before, for some time.
    pub fn expect_seed(&mut self, now: Now, seed: u64) {
        self.replica.expect_seed(now.monotonic_ms(), seed);
    }

    /// The seed has turned out to be an instance that membership knows.
    pub fn seed_met(&mut self, seed: u64) {
        self.replica.seed_met(seed);
    }

    /// There is a link to this peer.
    pub fn link_up(&mut self, now: Now, peer: NodeId) {
        self.replica.link_up(now.monotonic_ms(), peer);
    }

    /// The link to this peer is gone.
    pub fn link_down(&mut self, peer: NodeId) {
        self.replica.link_down(peer);
    }

    /// Membership calls a node up.
    pub fn node_up(&mut self, now: Now, node: NodeId, incarnation: Incarnation) {
        self.replica.node_up(now.monotonic_ms(), node, incarnation);
    }

    /// Membership calls a node down.
    pub fn node_down(&mut self, now: Now, node: NodeId) {
        self.replica.node_down(now.monotonic_ms(), node);
    }

    /// A node has said that it leaves.
    pub fn node_left(&mut self, now: Now, node: NodeId, incarnation: Incarnation) {
        if let Some(view) = self.owners.get_mut(&Owner { node, incarnation }) {
            view.left |= view.is_up();
        }
        self.replica.node_left(now.monotonic_ms(), node, incarnation);
    }

    /// The next frame to send, and to which peer.
    pub fn poll_message(&mut self) -> Option<(NodeId, Vec<u8>)> {
        self.replica.poll_message()
    }

    /// The next part of what is under way to a peer, for when its link has room.
    pub fn next_part(&mut self, peer: NodeId) -> Option<Vec<u8>> {
        self.replica.next_part(peer)
    }

    /// Does what has become due, or a part of it if that is much.
    pub fn handle_timeout(&mut self, now: Now) {
        let now_ms = now.monotonic_ms();
        self.replica.handle_timeout(now_ms);
        for _ in 0..TIMERS_AT_ONCE {
            match self.timers.take(now_ms) {
                Some(Timer::Session(id)) => self.session_due(now, id),
                Some(Timer::Owner(owner)) => self.look_at(owner),
                None => return,
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, in milliseconds of the monotonic clock.
    pub fn next_timeout(&self) -> u64 {
        self.timers.next().unwrap_or(u64::MAX).min(self.replica.next_timeout())
    }

    /// This instance has stood still for so long: what it was waiting for has had no chance to happen.
    pub fn handle_lag(&mut self, lag_ms: u64) {
        self.replica.handle_lag(lag_ms);
        self.timers.handle_lag(lag_ms);
        for view in self.owners.values_mut() {
            view.down_since = view.down_since.map(|at| at.saturating_add_unsigned(lag_ms));
            view.hide_at = view.hide_at.map(|at| at + lag_ms);
        }
        for id in 0..self.sessions.end() {
            let Some(named) = self.sessions.named_mut(id) else { continue };
            named.timer = named.timer.map(|at| at + lag_ms);
            if let Liveness::Grace(since_ms) = &mut named.liveness {
                *since_ms += lag_ms;
            }
            named.lease = named.lease.map(|at| at + lag_ms);
        }
    }

    /// Goes on with everything that takes long, at most `budget` entries. Returns whether there is more to do now.
    pub fn work(&mut self, now: Now, budget: usize) -> bool {
        let mut left = budget;
        let merging = self.replica.work(budget);
        while left > 0
            && let Some(event) = self.replica.poll_event()
        {
            left -= 1;
            self.handle_event(now, event);
        }
        let more = self.run_jobs(now, &mut left);
        let dropped = left > 0 && self.drop_useless(now);
        merging || left == 0 || more || dropped
    }

    fn handle_event(&mut self, now: Now, event: Event<Name, Entry>) {
        match event {
            Event::Changed(owner, changed) => self.entry_changed(now, owner, changed),
            Event::Standing(owner, standing) => self.standing_changed(now, owner, standing),
            Event::Forgetting(owner, key, before) => {
                self.outlive(now, &key, &before);
                self.entry_changed(now, owner, Changed { key, before: Some(before), after: None });
            }
            Event::Forgotten(owner) => {
                let view = self.owners.remove(&owner).unwrap_or_default();
                self.timers.set(Timer::Owner(owner), view.hide_at, None);
            }
            Event::Renewed(..) => self.dropping.restart(),
            Event::Conflict(node) => self.faults.push_back(Fault::SameNodeId(node)),
            Event::Diverged { owner, version, peer } => {
                self.faults.push_back(Fault::Diverged { owner, version, peer });
            }
        }
    }

    fn standing_changed(&mut self, now: Now, owner: Owner, standing: Standing) {
        let before = self.owners.get(&owner).copied().unwrap_or_default();
        let mut view = OwnerView { left: before.left, ..OwnerView::default() };
        match standing {
            Standing::Shown => view.shown = true,
            // What was seen until now goes on to be seen for as long: it may have been away for a moment only.
            Standing::CatchingUp { .. } => view.hide_at = before.hide_at,
            Standing::Down { since_ms, .. } => {
                view.down_since = Some(since_ms);
                // It was seen until now, or is hidden already.
                let down_grace_ms = if view.left { 0 } else { self.settings.down_grace_ms };
                view.hide_at = if before.shown {
                    Some(down_grace_ms.saturating_add_signed(since_ms))
                } else {
                    before.hide_at
                };
            }
        }
        let due = view.hide_at.filter(|hide_at| *hide_at > now.monotonic_ms());
        self.timers.set(Timer::Owner(owner), before.hide_at, due);
        self.owners.insert(owner, view);
        // The timer may have been about to fire.
        if view != before || view.hide_at != due {
            self.look_at(owner);
        }
    }

    /// Looks again at everything that an owner holds.
    fn look_at(&mut self, owner: Owner) {
        self.jobs.push_back(Job::Owner { owner, next: 0 });
    }

    fn observe(&mut self, now: Now, stamp: Stamp) {
        self.clock.observe(stamp);
        let ahead = (stamp.unix_ms() as i64).saturating_sub(now.unix_ms() as i64);
        self.counts.far_stamps += u64::from(ahead > FAR_AHEAD_MS);
        self.skews.insert(stamp.node, ahead);
    }

    fn entry_changed(&mut self, now: Now, owner: Owner, changed: Changed<Name, Entry>) {
        let Changed { key: name, after, .. } = changed;
        if let Some(after) = &after {
            self.observe(now, after.stamp());
        }
        match (name.subject(), after.as_ref().map(Entry::content)) {
            (Subject::Session(session), content) => {
                let id = self.named_session(session);
                let Some(named) = self.sessions.named_mut(id) else { return };
                if let Some(Content::Attachment(attachment)) = content {
                    named.holders.insert(owner, **attachment);
                    named.grace_ms = attachment.grace_ms;
                } else {
                    named.holders.remove(&owner);
                }
                self.reconsider(now, id);
            }
            (Subject::End(session), Some(Content::End(stamp))) => {
                let id = self.named_session(session);
                self.learn_end(now, id, *stamp, false);
            }
            (Subject::End(_), _) => {}
            (Subject::Member(_), _) => self.version_changed(now, owner, &name, after.as_ref()),
        }
    }

    fn version_changed(&mut self, now: Now, owner: Owner, name: &Name, after: Option<&Entry>) {
        let version = after.and_then(Entry::version);
        if let Some(version) = version
            && let Some(member) = name.member()
            && let SessionName::Named(_) = member.session
        {
            let id = self.session(&member.session);
            let is_up = self.owners.get(&owner).is_some_and(OwnerView::is_up);
            let Some(named) = self.sessions.named_mut(id) else { return };
            match version.state() {
                // Tracked in a session that nobody holds: it has its grace to be opened, here as there.
                State::Live if is_up && !named.is_given_up(version.stamp) => self.session_used(now, id),
                State::Lost(at) => {
                    let before = named.own.is_some_and(|own| at <= own.stamp);
                    let counts = before && !named.is_ended(version.stamp);
                    self.observe(now, at);
                    if counts {
                        self.tell(id);
                    }
                }
                _ => {}
            }
        }
        self.settle(now, name, Reason::Closed);
    }
}
