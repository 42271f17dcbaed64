//! Where others may be found: seeds, and where members were that are down.
//!
//! Owns both and whose turn it is, and which seeds have turned out to be somebody. Must not know who is up: the machine tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::identity::plain;
use crate::crdt::NodeId;

/// Last addresses of members that are down: four times the members of the largest cluster.
const LOST_MAX: usize = 256;

/// Knocks at one time. More addresses than that take turns.
const KNOCKS_MAX: usize = 16;

/// Addresses of a seed that count: a name that has more is that of a large cluster, where any few will do.
const SEED_ADDRESSES_MAX: usize = 64;

/// Where to knock.
#[derive(Default)]
pub(super) struct Addresses {
    seeds: BTreeMap<u64, Vec<SocketAddr>>,
    lost: VecDeque<(NodeId, SocketAddr)>,
    /// Who has answered at the address of a seed, where that is another one than it says itself.
    answered: BTreeMap<SocketAddr, NodeId>,
    /// Seeds that are or were somebody who has not left since.
    met: BTreeSet<u64>,
    turn: usize,
}

impl Addresses {
    /// A seed is at these addresses now. None, when its name was not found, leaves those that it had.
    pub(super) fn set_seed(&mut self, number: u64, addresses: Vec<SocketAddr>) {
        if !addresses.is_empty() {
            self.seeds.insert(number, addresses.into_iter().take(SEED_ADDRESSES_MAX).map(plain).collect());
            let known: BTreeSet<SocketAddr> = self.seeds.values().flatten().copied().collect();
            self.answered.retain(|address, _| known.contains(address));
        }
    }

    /// Whether this is an address of a seed.
    fn is_seed(&self, address: SocketAddr) -> bool {
        self.seeds.values().flatten().any(|seed| *seed == address)
    }

    /// This node has answered from there.
    pub(super) fn note_answer(&mut self, from: SocketAddr, node: NodeId) {
        let from = plain(from);
        if self.is_seed(from) {
            self.answered.insert(from, node);
        }
    }

    /// Seeds that have turned out to be somebody whom `is_here` knows, by address or by id.
    pub(super) fn meet(&mut self, is_here: impl Fn(SocketAddr, Option<NodeId>) -> bool) -> Vec<u64> {
        let Addresses { seeds, answered, met, .. } = self;
        let is_met = |addresses: &Vec<SocketAddr>| {
            addresses.iter().any(|address| is_here(*address, answered.get(address).copied()))
        };
        let new = seeds.iter().filter(|(number, addresses)| !met.contains(*number) && is_met(addresses));
        let new: Vec<u64> = new.map(|(number, _)| *number).collect();
        met.extend(&new);
        new
    }

    /// This node has left, and was here. Returns the seeds that it was: another one is expected there.
    pub(super) fn part(&mut self, node: NodeId, address: SocketAddr) -> Vec<u64> {
        let Addresses { seeds, answered, met, .. } = self;
        let was_there = |at: &SocketAddr| *at == address || answered.get(at) == Some(&node);
        let gone = seeds.iter().filter(|(_, addresses)| addresses.iter().any(was_there));
        let gone: Vec<u64> = gone.map(|(number, _)| *number).filter(|number| met.remove(number)).collect();
        answered.retain(|_, answered| *answered != node);
        gone
    }

    /// A member that was here is down.
    pub(super) fn lose(&mut self, node: NodeId, address: SocketAddr) {
        self.find(node, address);
        if self.lost.len() == LOST_MAX {
            self.lost.pop_front();
        }
        self.lost.push_back((node, address));
    }

    /// This member is up, and here; or it has said that it goes.
    pub(super) fn find(&mut self, node: NodeId, address: SocketAddr) {
        self.lost.retain(|lost| lost.0 != node && lost.1 != address);
    }

    /// Where to knock now: everywhere but where somebody is known to be.
    pub(super) fn next(&mut self, is_taken: impl Fn(SocketAddr) -> bool) -> Vec<SocketAddr> {
        let lost = self.lost.iter().map(|(_, address)| *address);
        let mut all: Vec<_> =
            self.seeds.values().flatten().copied().chain(lost).filter(|at| !is_taken(*at)).collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return all;
        }
        let begin = self.turn % all.len();
        all.rotate_left(begin);
        all.truncate(KNOCKS_MAX);
        self.turn = begin + all.len();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn all_have_their_turn() {
        let mut addresses = Addresses::default();
        addresses.set_seed(0, (1..=20).map(at).collect());
        addresses.set_seed(1, (15..=30).map(at).collect());
        addresses.lose(NodeId(1), at(31));
        let mut knocked = [addresses.next(|_| false), addresses.next(|_| false)].concat();
        knocked.sort_unstable();
        knocked.dedup();
        assert_eq!(knocked, (1..=31).map(at).collect::<Vec<_>>());
        assert!(addresses.next(|_| true).is_empty());
    }

    #[test]
    fn a_name_that_is_not_found_leaves_the_addresses_that_it_had() {
        let mut addresses = Addresses::default();
        addresses.set_seed(0, vec![at(1)]);
        addresses.set_seed(0, vec![]);
        assert_eq!(addresses.next(|_| false), [at(1)]);
        addresses.set_seed(0, vec![at(2)]);
        assert_eq!(addresses.next(|_| false), [at(2)]);
    }

    #[test]
    fn a_seed_is_met_at_its_address_or_by_who_answers_there_and_expected_again_when_that_has_left() {
        let mut addresses = Addresses::default();
        addresses.set_seed(0, vec![at(1)]);
        addresses.set_seed(1, vec![at(2), at(3)]);
        addresses.note_answer(at(3), NodeId(7));
        addresses.note_answer(at(4), NodeId(8));
        let here = |address, node| address == at(1) || node == Some(NodeId(7)) || node == Some(NodeId(8));
        assert_eq!(addresses.meet(here), [0, 1]);
        assert!(addresses.meet(here).is_empty());
        assert!(addresses.part(NodeId(8), at(4)).is_empty());
        assert_eq!(addresses.part(NodeId(7), at(5)), [1]);
        assert!(addresses.meet(|address, node| address == at(1) || node.is_some()).is_empty());
        assert_eq!(addresses.part(NodeId(9), at(1)), [0]);
    }

    #[test]
    fn who_comes_back_elsewhere_is_not_looked_for_where_it_was() {
        let mut addresses = Addresses::default();
        for node in 0..1000 {
            addresses.lose(NodeId(node), at(node as u16));
        }
        assert_eq!(addresses.lost.len(), LOST_MAX);
        addresses.find(NodeId(999), at(5000));
        addresses.find(NodeId(5000), at(998));
        assert_eq!(addresses.lost.len(), LOST_MAX - 2);
    }
}
