//! The other instances: their numbers, the links to them, and how much is known of what they want.
//!
//! Owns which bit is whose. A number belongs to one life of an instance until what that wanted is forgotten: the next life has
//! another one, so that the two are never mistaken for each other. Must not know what is wanted.

use std::collections::BTreeMap;

use crate::crdt::message::Message;
use crate::crdt::{NodeId, Owner};
use crate::pubsub::remote::{PEERS_MAX, Peers};
use crate::pubsub::wanted::{Count, Wanted};

/// A life of another instance.
#[derive(Default)]
struct Life {
    /// Its number; none: there were too many.
    bit: Option<u32>,
    /// There is, or was, a record of what it wants.
    recorded: bool,
    /// Membership calls it up.
    up: bool,
    /// What it wants counts when it is linked: it is up, or was until now and still is linked.
    current: bool,
}

/// A control link.
#[derive(Default)]
struct Link {
    /// The version that the peer had when it was linked, once it has said so.
    target: Option<u64>,
    /// As much is in the table.
    caught_up: bool,
    /// What the peer wants is in the table up to this version.
    applied: u64,
    /// It was told so up to this one.
    told: Option<u64>,
    /// What is wanted here is in the peer's table up to this version.
    acknowledged: u64,
    /// It is not waited for until it has acknowledged this version.
    excused: Option<u64>,
}

/// All other instances that are known of.
#[derive(Default)]
pub(super) struct Known {
    lives: BTreeMap<Owner, Life>,
    links: BTreeMap<NodeId, Link>,
    /// The bits that belong to somebody.
    taken: u64,
}

impl Known {
    /// A node is up in this life. Returns false if it is new and has got no number.
    pub(super) fn node_up(&mut self, owner: Owner) -> bool {
        let was_current = self.lives.get(&owner).is_some_and(|life| life.current);
        if !was_current {
            // What was known of its former life says nothing of this one.
            if let Some(link) = self.links.get_mut(&owner.node) {
                (link.target, link.caught_up, link.applied, link.told) = (None, false, 0, None);
            }
            let others = self.lives.iter_mut().filter(|(other, _)| other.node == owner.node);
            others.for_each(|(_, life)| (life.up, life.current) = (false, false));
            self.forget_unused();
        }
        let numbered = self.insert(owner);
        let life = self.lives.entry(owner).or_default();
        (life.up, life.current) = (true, true);
        numbered
    }

    /// It is down. What it wants counts for as long as there is a link to it.
    pub(super) fn node_down(&mut self, node: NodeId) {
        let linked = self.links.contains_key(&node);
        for (_, life) in self.lives.iter_mut().filter(|(owner, _)| owner.node == node) {
            (life.up, life.current) = (false, life.current && linked);
        }
        self.forget_unused();
    }

    /// There is a record of what it wants. Returns false if it is new and has got no number.
    pub(super) fn has_record(&mut self, owner: Owner) -> bool {
        let numbered = self.insert(owner);
        self.lives.entry(owner).or_default().recorded = true;
        numbered
    }

    fn insert(&mut self, owner: Owner) -> bool {
        if self.lives.contains_key(&owner) {
            return true;
        }
        let bit = self.free_bit();
        self.taken |= bit.map_or(0, |bit| 1 << bit);
        self.lives.insert(owner, Life { bit, ..Life::default() });
        bit.is_some()
    }

    fn free_bit(&self) -> Option<u32> {
        let bit = self.taken.trailing_ones();
        (bit < PEERS_MAX).then_some(bit)
    }

    /// What it wanted is out of the table.
    pub(super) fn forgotten(&mut self, owner: Owner) {
        if let Some(life) = self.lives.get_mut(&owner) {
            life.recorded = false;
        }
        self.forget_unused();
    }

    /// Of a life that is over and has left no record, nothing is kept.
    fn forget_unused(&mut self) {
        let taken = &mut self.taken;
        self.lives.retain(|_, life| {
            let used = life.current || life.recorded;
            if !used {
                *taken &= !life.bit.map_or(0, |bit| 1 << bit);
            }
            used
        });
    }

    /// Gives a free number to somebody that has none, if there are both.
    pub(super) fn give_number(&mut self) -> Option<(Owner, u32)> {
        let bit = self.free_bit()?;
        let (owner, life) = self.lives.iter_mut().find(|(_, life)| life.bit.is_none() && life.current)?;
        life.bit = Some(bit);
        self.taken |= 1 << bit;
        // Until what it wants is in the table, it gets everything, and is told nothing else.
        if let Some(link) = self.links.get_mut(&owner.node) {
            (link.caught_up, link.applied) = (false, 0);
        }
        Some((*owner, bit))
    }

    pub(super) fn bit(&self, owner: Owner) -> Option<u32> {
        self.lives.get(&owner)?.bit
    }

    fn current(&self, node: NodeId) -> Option<(Owner, &Life)> {
        let mut lives = self.lives.iter().filter(|(owner, _)| owner.node == node);
        lives.find(|(_, life)| life.current).map(|(owner, life)| (*owner, life))
    }

    /// The number of a node's present life.
    pub(super) fn bit_of(&self, node: NodeId) -> Option<u32> {
        self.current(node)?.1.bit
    }

    /// The numbers of all nodes' present lives.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (u32, NodeId)> {
        let current = self.lives.iter().filter(|(_, life)| life.current);
        current.filter_map(|(owner, life)| Some((life.bit?, owner.node)))
    }

    pub(super) fn link_up(&mut self, node: NodeId) {
        self.links.insert(node, Link::default());
    }

    pub(super) fn link_down(&mut self, node: NodeId) {
        self.links.remove(&node);
        for (_, life) in self.lives.iter_mut().filter(|(owner, _)| owner.node == node) {
            life.current &= life.up;
        }
        self.forget_unused();
    }

    /// Looks for what a peer says of itself, until it has.
    pub(super) fn listen(&mut self, from: NodeId, frame: &[u8]) {
        let waits = self.links.get(&from).is_some_and(|link| link.target.is_none());
        let Some((owner, _)) = self.current(from).filter(|_| waits) else { return };
        let Ok(Message::<Wanted, Count>::Digest(_, held)) = Message::decode(frame) else { return };
        let own = held.iter().find(|held| held.owner == owner);
        if let (Some(own), Some(link)) = (own, self.links.get_mut(&from)) {
            link.target = Some(own.version);
        }
    }

    /// What peers want is in the table up to these versions.
    pub(super) fn settle(&mut self, version_of: impl Fn(Owner) -> u64) {
        for (owner, _) in self.lives.iter().filter(|(_, life)| life.current) {
            let Some(link) = self.links.get_mut(&owner.node) else { continue };
            link.applied = version_of(*owner);
            link.caught_up |= link.target.is_some_and(|target| link.applied >= target);
        }
    }

    /// The peers that count.
    pub(super) fn mask(&self) -> Peers {
        let mut peers = Peers::default();
        for (owner, life) in self.lives.iter().filter(|(_, life)| life.current) {
            match (life.bit, self.links.get(&owner.node)) {
                (None, _) => {}
                (Some(bit), None) => peers.unlinked |= u64::from(life.recorded) << bit,
                (Some(bit), Some(link)) => {
                    peers.linked |= 1 << bit;
                    peers.everything |= u64::from(!link.caught_up) << bit;
                }
            }
        }
        peers
    }

    pub(super) fn poll_applied(&mut self) -> Option<(NodeId, u64)> {
        // What cannot be forwarded to it must not be said to be.
        let lives = self.lives.iter().filter(|(_, life)| life.current && life.bit.is_some());
        for (owner, _) in lives {
            if let Some(link) = self.links.get_mut(&owner.node)
                && link.told != Some(link.applied)
            {
                link.told = Some(link.applied);
                return Some((owner.node, link.applied));
            }
        }
        None
    }

    /// A peer has what is wanted here in its table up to this version.
    pub(super) fn acknowledged(&mut self, peer: NodeId, version: u64) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.acknowledged = link.acknowledged.max(version);
            link.excused = link.excused.filter(|excused| link.acknowledged < *excused);
        }
    }

    /// What a peer has acknowledged, if there is a link to it.
    pub(super) fn acknowledged_by(&self, peer: NodeId) -> Option<u64> {
        self.links.get(&peer).map(|link| link.acknowledged)
    }

    /// Peers that have not acknowledged this version are not waited for until they do.
    pub(super) fn excuse(&mut self, version: u64) {
        for link in self.links.values_mut().filter(|link| link.acknowledged < version) {
            link.excused = link.excused.max(Some(version));
        }
    }

    /// Everybody who is waited for has acknowledged this version.
    pub(super) fn confirmed(&self) -> u64 {
        let awaited = self.links.values().filter(|link| link.excused.is_none());
        awaited.map(|link| link.acknowledged).min().unwrap_or(u64::MAX)
    }

    /// Everybody has.
    pub(super) fn heard(&self) -> u64 {
        self.links.values().map(|link| link.acknowledged).min().unwrap_or(u64::MAX)
    }
}
