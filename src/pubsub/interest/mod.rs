//! What other instances want, and telling them what is wanted here: each instance's own part of the replicated map.
//!
//! Owns an entry for each channel and pattern with subscribers here (`own.rs`), the numbers and links of peers (`peers.rs`), and
//! who waits until peers have heard of a subscription (`confirm.rs`). Must not know tables, locks or sockets: whoever drives it
//! carries what peers want into the table, in order.
//!
//! # What is promised
//!
//! Each instance notes what it has *applied*: what a peer wants up to some version is in its table, so that what is published
//! there from now on is forwarded. The peer is told ([`Interest::poll_applied`], [`Interest::acknowledged`]), and confirms a
//! subscription when all have told so. Until an instance knows as much of a peer as that had when they were linked, it
//! forwards everything to it: a link that was down must not lose what was confirmed before.

mod confirm;
mod own;
mod peers;

use std::collections::VecDeque;

use super::remote::Peers;
use super::wanted::{Count, Wanted};
use crate::crdt::wire::Malformed;
use crate::crdt::{Changed, Event, Incarnation, NodeId, Owner, Replica, Settings as ReplicaSettings};
use crate::map::HashKeys;
use confirm::Waiting;
use own::Own;
use peers::Known;

/// Entries of the frames before that are merged before another one is taken: a fraction of a millisecond. Many small frames may
/// come at once, each with a few subscriptions that somebody waits for.
const ENTRIES_BEFORE_A_FRAME: usize = 1024;

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A channel whose last subscriber has gone is forwarded for so long: longer than a library takes to connect again.
    pub linger_ms: u64,
    /// A subscription is confirmed after this long even if a peer has not heard of it.
    pub confirm_ms: u64,
    /// Those of the replicated map. Counts that have changed are told once in its replication interval. What an instance
    /// wanted that is down is worth little: it is fetched anew when that comes back.
    pub replica: ReplicaSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let replica = ReplicaSettings { forget_after_ms: 60_000, ..ReplicaSettings::default() };
        Settings { linger_ms: 1_000, confirm_ms: 100, replica }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instances that got no number, there being too many.
    pub refused_peers: u64,
    /// Subscriptions that were confirmed although a peer had not heard of them.
    pub unheard: u64,
}

/// A peer wants something for so many subscribers from now on; nothing: not any more. With none it has just lost the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Its number.
    pub peer: u32,
    /// What it wants.
    pub what: Wanted,
    /// For how many subscribers.
    pub count: Option<u32>,
}

/// What the operator must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another process uses the same node id.
    SameNodeId(NodeId),
    /// Two instances hold different entries at one version: a fault of ours, which is repaired.
    Diverged {
        /// Whose entries.
        owner: Owner,
        /// At which version.
        version: u64,
        /// Who else.
        peer: NodeId,
    },
}

/// What all instances want.
///
/// After each call, until they have nothing more: [`work`](Self::work), [`poll_wants`](Self::poll_wants), and when that has
/// ended [`peers`](Self::peers), [`poll_applied`](Self::poll_applied), [`poll_confirmed`](Self::poll_confirmed),
/// [`poll_message`](Self::poll_message) and, as far as links have room, [`next_part`](Self::next_part).
pub struct Interest {
    settings: Settings,
    replica: Replica<Wanted, Count>,
    own: Own,
    known: Known,
    waiting: Waiting,
    /// What a peer wants that has got its number late.
    late: VecDeque<Wants>,
    faults: VecDeque<Fault>,
    counts: Counts,
}

impl Interest {
    /// Of an instance that starts.
    pub fn new(me: Owner, settings: Settings, keys: HashKeys, now_ms: u64) -> Self {
        Interest {
            settings,
            replica: Replica::new(me, settings.replica, keys, now_ms),
            own: Own::default(),
            known: Known::default(),
            waiting: Waiting::default(),
            late: VecDeque::new(),
            faults: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// The replicated map, for what links and the operator want to know of it.
    pub fn replica(&self) -> &Replica<Wanted, Count> {
        &self.replica
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Changes of what is wanted here that a peer has not acknowledged; nothing without a link to it.
    pub fn lag(&self, peer: NodeId) -> Option<u64> {
        let version = self.replica.log(self.replica.me()).map_or(0, |log| log.version());
        Some(version.saturating_sub(self.known.acknowledged_by(peer)?))
    }

    /// The number of a node's bit, if it is known and has one.
    pub fn bit(&self, node: NodeId) -> Option<u32> {
        self.known.bit_of(node)
    }

    /// The numbers of the peers that count, and whose they are.
    pub fn numbers(&self) -> impl Iterator<Item = (u32, NodeId)> {
        self.known.numbers()
    }

    /// The peers that count, as of the last time that [`poll_wants`](Self::poll_wants) returned nothing.
    pub fn peers(&self) -> Peers {
        self.known.mask()
    }

    /// Takes a frame from a peer.
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(
        &mut self,
        now_ms: u64,
        from: NodeId,
        frame: &[u8],
        random: u64,
    ) -> Result<(), Malformed> {
        self.known.listen(from, frame);
        // What comes while something is merged is lost, and noticed only with the next digest.
        self.replica.work(ENTRIES_BEFORE_A_FRAME);
        self.replica.handle_message(now_ms, from, frame, random)
    }

    /// There is a link to this peer, the control link.
    pub fn link_up(&mut self, now_ms: u64, peer: NodeId) {
        self.replica.link_up(now_ms, peer);
        self.known.link_up(peer);
    }

    /// The link to this peer is gone.
    pub fn link_down(&mut self, peer: NodeId) {
        self.replica.link_down(peer);
        self.known.link_down(peer);
    }

    /// Membership calls a node up. What it wants counts from when there is a link to it, too.
    pub fn node_up(&mut self, now_ms: u64, node: NodeId, incarnation: Incarnation) {
        let owner = Owner { node, incarnation };
        if node == self.replica.me().node {
            return;
        }
        self.counts.refused_peers += u64::from(!self.known.node_up(owner));
        self.replica.node_up(now_ms, node, incarnation);
        self.give_numbers();
    }

    /// Membership calls a node down.
    pub fn node_down(&mut self, now_ms: u64, node: NodeId) {
        self.replica.node_down(now_ms, node);
        self.known.node_down(node);
        self.give_numbers();
    }

    /// A node has said that it leaves.
    pub fn node_left(&mut self, now_ms: u64, node: NodeId, incarnation: Incarnation) {
        self.replica.node_left(now_ms, node, incarnation);
        self.known.node_down(node);
        self.give_numbers();
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
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.own.handle_timeout(now_ms, &mut self.replica);
        for version in self.waiting.overdue(now_ms) {
            self.known.excuse(version);
        }
        self.replica.handle_timeout(now_ms);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, in milliseconds of the monotonic clock.
    pub fn next_timeout(&self) -> u64 {
        let own = self.own.next_timeout().into_iter().chain(self.waiting.next_timeout());
        own.fold(self.replica.next_timeout(), u64::min)
    }

    /// This instance has stood still for so long: what it was waiting for has had no chance to happen.
    pub fn handle_lag(&mut self, lag_ms: u64) {
        self.replica.handle_lag(lag_ms);
        self.waiting.handle_lag(lag_ms);
    }

    /// Goes on with what takes long, at most `budget` entries. Returns whether there is more to do now.
    pub fn work(&mut self, budget: usize) -> bool {
        self.replica.work(budget)
    }

    /// What a peer wants, or wants no more, in order.
    pub fn poll_wants(&mut self) -> Option<Wants> {
        loop {
            if let Some(wants) = self.late.pop_front() {
                return Some(wants);
            }
            let Some(event) = self.replica.poll_event() else {
                let replica = &self.replica;
                self.known.settle(|owner| replica.log(owner).map_or(0, |log| log.version()));
                return None;
            };
            let (owner, what, count) = match event {
                Event::Changed(owner, Changed { key, after, .. }) => (owner, key, after),
                Event::Forgetting(owner, key, _) => (owner, key, None),
                Event::Standing(owner, _) => {
                    self.counts.refused_peers += u64::from(!self.known.has_record(owner));
                    continue;
                }
                Event::Forgotten(owner) => {
                    self.known.forgotten(owner);
                    self.give_numbers();
                    continue;
                }
                Event::Renewed(..) => continue,
                Event::Conflict(node) => {
                    self.faults.push_back(Fault::SameNodeId(node));
                    continue;
                }
                Event::Diverged { owner, version, peer } => {
                    self.faults.push_back(Fault::Diverged { owner, version, peer });
                    continue;
                }
            };
            if let Some(peer) = self.known.bit(owner) {
                return Some(Wants { peer, what, count: count.map(|count| count.0) });
            }
        }
    }

    /// Numbers that have become free go to those that have none, with all that they want.
    fn give_numbers(&mut self) {
        while let Some((owner, peer)) = self.known.give_number() {
            let entries = self.replica.log(owner).into_iter().flat_map(|log| log.iter());
            let wants = entries.map(|(what, count)| Wants { peer, what: what.clone(), count: Some(count.0) });
            self.late.extend(wants);
        }
    }

    /// A peer is to be told that what it wants is in the table up to this version.
    pub fn poll_applied(&mut self) -> Option<(NodeId, u64)> {
        self.known.poll_applied()
    }

    /// What the operator must be told.
    pub fn poll_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front()
    }
}

#[cfg(test)]
#[path = "../interest_tests.rs"]
mod tests;
