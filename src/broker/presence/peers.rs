//! Presence among several instances: what links and membership bring, and what is to be sent.
//!
//! Owns no lock of its own; each call takes the machine's. Merges that a message begins are done in turns of the presence task.
//! Must not know links.

use super::Presence;
use crate::crdt::wire::Malformed;
use crate::crdt::{Incarnation, NodeId, Owner};
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

    /// Takes a frame from a peer.
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(&self, now: Now, from: NodeId, frame: &[u8], random: u64) -> Result<(), Malformed> {
        self.with_machine(now, |machine| machine.handle_message(now, from, frame, random))
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
