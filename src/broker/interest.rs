//! What other instances want behind its lock, and carried into the table.
//!
//! Owns the machine's lock and the order of what goes on: whoever has called the machine carries what peers want into the table
//! before another one calls it. Must not know links. Without other instances nothing of it is ever touched: an instance that is to have
//! peers says so ([`Interest::enable`]) before it has clients.
//!
//! Lock order: the machine, then a shard of channels or the patterns. So whoever has subscribed does not tell a number, which
//! could be out of date when the machine gets it, but the name; how many there are is looked up when the machine is locked.

use super::Broker;
use super::subscriptions::Subscriptions;
use crate::crdt::wire::Malformed;
use crate::crdt::{Incarnation, NodeId, Owner};
use crate::map::HashKeys;
use crate::pubsub::Kind;
use crate::pubsub::interest::{Counts, Fault, Interest as Machine, Settings};
use crate::pubsub::wanted::Wanted;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::time::Now;

/// Entries that one turn looks at: a fraction of a millisecond, during which nobody subscribes.
const ENTRIES_PER_TURN: usize = 256;

/// What other instances want, as all clients share it.
pub struct Interest {
    machine: Mutex<Machine>,
    enabled: AtomicBool,
    /// There is something for the task of links to do of which it has not been told.
    has_work: AtomicBool,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// There is more to do now.
    pub more: bool,
    /// When there is something to do at the latest, in milliseconds of the monotonic clock.
    pub next_ms: u64,
}

impl Interest {
    /// Of an instance that has no peers.
    pub(super) fn new(me: Owner, keys: HashKeys, now: Now) -> Self {
        let machine = Machine::new(me, Settings::default(), keys, now.monotonic_ms());
        Interest {
            machine: Mutex::new(machine),
            enabled: AtomicBool::new(false),
            has_work: AtomicBool::new(false),
        }
    }

    /// From now on what clients subscribe to is noted for other instances.
    pub fn enable(&self) {
        self.enabled.store(true, Ordering::Release);
    }

    /// The machine, for what links have to tell and to send: messages, links, who is up, who has applied what. What follows from
    /// it is done by [`Broker::interest_turn`].
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }

    /// The same, for what a turn follows from.
    fn change(&self) -> MutexGuard<'_, Machine> {
        // Whoever looks takes the machine's lock then, and waits until it has changed.
        self.has_work.store(true, Ordering::Release);
        self.machine()
    }

    /// Whether something is to be done or sent of which nobody has been told.
    pub fn take_work(&self) -> bool {
        self.has_work.load(Ordering::Relaxed) && self.has_work.swap(false, Ordering::AcqRel)
    }

    /// Who this instance is.
    pub fn owner(&self) -> Owner {
        self.machine().replica().me()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.machine().counts()
    }

    /// Times that two instances had different entries at one version.
    pub fn divergences(&self) -> u64 {
        self.machine().replica().counts().divergences
    }

    /// Changes of what is wanted here that are not in this peer's table; nothing without a control link.
    pub fn lag(&self, peer: NodeId) -> Option<u64> {
        self.machine().lag(peer)
    }

    /// The bit of a node among those to which a message is to be forwarded.
    pub fn bit(&self, node: NodeId) -> Option<u32> {
        self.machine().bit(node)
    }

    /// Takes a frame from a peer.
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(&self, now: Now, from: NodeId, frame: &[u8], random: u64) -> Result<(), Malformed> {
        self.change().handle_message(now.monotonic_ms(), from, frame, random)
    }

    /// There is a control link to this peer.
    pub fn link_up(&self, now: Now, peer: NodeId) {
        self.change().link_up(now.monotonic_ms(), peer);
    }

    /// The control link to this peer is gone: what it wants does not count.
    pub fn link_down(&self, subscriptions: &Subscriptions, peer: NodeId) {
        let mut machine = self.change();
        machine.link_down(peer);
        subscriptions.set_peers(machine.peers());
    }

    /// Membership calls a node up.
    pub fn node_up(&self, now: Now, node: NodeId, incarnation: Incarnation) {
        self.change().node_up(now.monotonic_ms(), node, incarnation);
    }

    /// Membership calls a node down.
    pub fn node_down(&self, now: Now, node: NodeId) {
        self.change().node_down(now.monotonic_ms(), node);
    }

    /// A node has said that it leaves.
    pub fn node_left(&self, now: Now, node: NodeId, incarnation: Incarnation) {
        self.change().node_left(now.monotonic_ms(), node, incarnation);
    }

    /// The next frame to send, and to which peer.
    pub fn poll_message(&self) -> Option<(NodeId, Vec<u8>)> {
        self.machine().poll_message()
    }

    /// The next part of what is under way to a peer, for when its link has room.
    pub fn next_part(&self, peer: NodeId) -> Option<Vec<u8>> {
        self.machine().next_part(peer)
    }

    /// A peer is to be told that what it wants is in the table up to this version.
    pub fn poll_applied(&self) -> Option<(NodeId, u64)> {
        self.machine().poll_applied()
    }

    /// A peer has what is wanted here in its table up to this version.
    pub fn acknowledged(&self, peer: NodeId, version: u64) {
        self.change().acknowledged(peer, version);
    }

    /// A client is to be told that it is subscribed to something. Returns whether it must wait until
    /// [`poll_confirmed`](Self::poll_confirmed) names it: it is to be asked for the last of several, and names are confirmed in
    /// their order.
    pub fn wait_for_peers(&self, now: Now, kind: Kind, name: &[u8], client: u64) -> bool {
        if !self.enabled.load(Ordering::Acquire) {
            return false;
        }
        let Some(what) = Wanted::new(kind, name).travelling() else { return false };
        let mut machine = self.machine();
        let version = machine.version_of(&what);
        version.is_some_and(|version| machine.wait_for_peers(now.monotonic_ms(), version, client))
    }

    /// A client that waits no more.
    pub fn poll_confirmed(&self) -> Option<u64> {
        self.machine().poll_confirmed()
    }

    /// This process has stood still for so long.
    pub fn handle_lag(&self, lag_ms: u64) {
        self.machine().handle_lag(lag_ms);
    }

    /// What the operator must be told.
    pub fn poll_fault(&self) -> Option<Fault> {
        self.machine().poll_fault()
    }

    /// The subscribers of something have become more or less.
    pub(super) fn note(&self, subscriptions: &Subscriptions, now: Now, kind: Kind, name: &[u8]) {
        if !self.enabled.load(Ordering::Acquire) {
            return;
        }
        let Some(what) = Wanted::new(kind, name).travelling() else { return };
        let mut machine = self.change();
        let (what, count) = match subscriptions.local(kind, name) {
            // The log and the table hold one copy of the name.
            Some((shared, count)) if !what.is_digest() => (shared, count),
            Some((_, count)) => (what, count),
            None => (what, 0),
        };
        machine.set_subscribers(now.monotonic_ms(), &what, count);
    }

    /// Whether names must be kept for [`note`](Self::note).
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Acquire)
    }
}

impl Broker {
    /// One turn of what is due, and of carrying what peers want into the table.
    pub fn interest_turn(&self, now: Now) -> Turn {
        // What is done from here on is told anew.
        self.interest.take_work();
        let mut machine = self.interest.machine();
        if machine.next_timeout() <= now.monotonic_ms() {
            machine.handle_timeout(now.monotonic_ms());
        }
        let merging = machine.work(ENTRIES_PER_TURN);
        for _ in 0..ENTRIES_PER_TURN {
            let Some(wants) = machine.poll_wants() else {
                // What has been said until now is in the table: only then may a peer be spared the rest.
                self.peers.set_numbers(machine.numbers());
                self.subscriptions.set_peers(machine.peers());
                return Turn { more: merging, next_ms: machine.next_timeout() };
            };
            self.subscriptions.set_wanted(&wants.what, wants.peer, wants.count);
        }
        Turn { more: true, next_ms: machine.next_timeout() }
    }
}
