//! Presence among several instances: what links and membership bring, and what is to be sent.
//!
//! Owns no lock of its own; each call takes the machine's. Merges that a message begins are done in turns of the presence task.
//! Must not know links.

use super::Presence;
use crate::crdt::wire::Malformed;
use crate::crdt::{Incarnation, NodeId, Owner, Standing};
use crate::presence::Presence as Machine;
use crate::time::Now;

impl Presence {
    /// Who this instance is.
    pub fn owner(&self) -> Owner {
        self.machine().replica().me()
    }

    /// Times that two instances had different entries at one version.
    pub fn divergences(&self) -> u64 {
        self.machine().replica().counts().divergences
    }

    fn with_machine<T>(&self, now: Now, call: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine();
        let result = call(&mut machine);
        self.drain(now, &mut machine);
        result
    }

    /// Takes a frame from a peer. Returns in which life this instance is by then.
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(
        &self,
        now: Now,
        from: NodeId,
        frame: &[u8],
        random: u64,
    ) -> Result<Incarnation, Malformed> {
        self.with_machine(now, |machine| {
            machine.handle_message(now, from, frame, random)?;
            Ok(machine.replica().me().incarnation)
        })
    }

    /// Somebody knows a later life of this instance: it begins a still later one. Returns in which it is by then.
    pub fn renew_above(&self, now: Now, known: Incarnation, random: u64) -> Incarnation {
        self.with_machine(now, |machine| {
            machine.renew_above(now, known, random);
            machine.replica().me().incarnation
        })
    }

    /// This instance is in this life from now on. Returns whether another process uses its node id.
    pub fn renew(&self, now: Now, incarnation: Incarnation) -> bool {
        self.note_work();
        self.with_machine(now, |machine| {
            machine.renew(now, incarnation);
            machine.replica().is_contested()
        })
    }

    /// This instance is to be connected to a seed, which has a number, and has not met it: nothing is dropped before, for some
    /// time.
    pub fn expect_seed(&self, now: Now, seed: u64) {
        self.with_machine(now, |machine| machine.expect_seed(now, seed));
    }

    /// The seed has turned out to be an instance that membership knows, or this one.
    pub fn seed_met(&self, now: Now, seed: u64) {
        self.with_machine(now, |machine| machine.seed_met(seed));
    }

    /// How many changes of an owner are known.
    pub fn version(&self, owner: Owner) -> u64 {
        self.machine().replica().log(owner).map_or(0, |log| log.version())
    }

    /// Whether an owner is shown: what it had when it came up is known.
    pub fn has_caught_up(&self, owner: Owner) -> bool {
        self.machine().replica().standing(owner) == Some(Standing::Shown)
    }

    /// This instance stops: whether another one has said that it has all that was changed here, or there is none to say so. If
    /// not, they are sent the rest.
    pub fn hand_over(&self, now: Now) -> bool {
        self.note_work();
        self.with_machine(now, |machine| machine.hand_over(now))
    }

    /// Whether anything is remembered of a node: that it is down, for instance.
    pub fn remembers(&self, node: NodeId) -> bool {
        self.machine().replica().remembers(node)
    }

    /// There is a link to this peer.
    pub fn link_up(&self, now: Now, peer: NodeId) {
        self.with_machine(now, |machine| machine.link_up(now, peer));
    }

    /// The link to this peer is gone.
    pub fn link_down(&self, now: Now, peer: NodeId) {
        self.with_machine(now, |machine| machine.link_down(peer));
    }

    /// Membership calls a node up.
    pub fn node_up(&self, now: Now, node: NodeId, incarnation: Incarnation) {
        self.with_machine(now, |machine| machine.node_up(now, node, incarnation));
    }

    /// Membership calls a node down.
    pub fn node_down(&self, now: Now, node: NodeId) {
        self.with_machine(now, |machine| machine.node_down(now, node));
    }

    /// A node has said that it leaves.
    pub fn node_left(&self, now: Now, node: NodeId, incarnation: Incarnation) {
        self.with_machine(now, |machine| machine.node_left(now, node, incarnation));
    }

    /// The next frame to send, and to which peer.
    pub fn poll_message(&self) -> Option<(NodeId, Vec<u8>)> {
        self.machine().poll_message()
    }

    /// The next part of what is under way to a peer, for when its link has room.
    pub fn next_part(&self, peer: NodeId) -> Option<Vec<u8>> {
        self.machine().next_part(peer)
    }
}
