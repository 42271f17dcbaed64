//! Rounds: when all other instances are known to hold what is held here, and nothing that is not.
//!
//! Owns the last digest of each instance and the seeds that were not met. What a log says may be dropped from it once everybody
//! has seen what made it useless: that takes rounds, and whoever may still come back with something else is waited for. Must
//! not know what is dropped.

use super::log::{Key, Value};
use super::message::{DigestKind, Held};
use super::owner::{Incarnation, NodeId, Owner};
use super::replica::{Node, Replica};

/// What was held here at some time, for others to reach.
#[derive(Clone, Debug)]
pub struct Round {
    /// Who asks. Under another incarnation everything begins anew.
    me: Owner,
    /// Digests that had come before.
    digests: u64,
    versions: Vec<(Owner, u64)>,
}

/// The last full digest of an instance.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// How many digests had come with it.
    number: u64,
    incarnation: Incarnation,
    /// By owner.
    held: Vec<(Owner, u64)>,
}

impl Said {
    fn version_of(&self, owner: Owner) -> u64 {
        let place = self.held.binary_search_by_key(&owner, |(owner, _)| *owner);
        place.map_or(0, |place| self.held[place].1)
    }
}

impl<K: Key, V: Value> Replica<K, V> {
    /// This instance is to be connected to a seed, named by any number, that it has not met, or that has said that it leaves:
    /// for one forget-after no round is over before [`seed_met`](Self::seed_met). Who starts cut off from the others knows of
    /// none of them, nor they of it.
    pub fn expect_seed(&mut self, now_ms: u64, seed: u64) {
        self.seeds.insert(seed, now_ms + self.settings.forget_after_ms);
    }

    /// The seed has turned out to be an instance, which membership knows from now on, or this instance itself.
    pub fn seed_met(&mut self, seed: u64) {
        self.seeds.remove(&seed);
    }

    /// Begins a round, with what is held here now.
    pub fn begin_round(&self) -> Round {
        let versions = self.records.iter().map(|(owner, record)| (*owner, record.log.version()));
        Round { me: self.me, digests: self.digests, versions: versions.collect() }
    }

    /// Whether every instance that is up, or is down and may still come back with what it had, has said since the round began
    /// that it holds at least what was held here then, and nothing that is not held here by now. Never for a
    /// round of a former incarnation of this instance.
    pub fn round_is_over(&self, round: &Round, now_ms: u64) -> bool {
        let seeds_met = self.seeds.values().all(|until| now_ms >= *until);
        let others = || self.nodes.iter().filter(|(node, known)| self.is_awaited(now_ms, **node, known));
        // Whoever left after it has told of something is not waited for, but what it told is.
        let arriving = self.records.values().any(|record| record.merging.is_some() || record.pull.is_some());
        round.me == self.me
            && seeds_met
            && !arriving
            // The comparison is longer than the look at who has spoken at all.
            && others().all(|(_, known)| self.has_spoken(round, known).is_some())
            && others().all(|(_, known)| {
                self.has_spoken(round, known).is_some_and(|said| self.is_alike(round, said))
            })
    }

    fn is_awaited(&self, now_ms: u64, node: NodeId, known: &Node) -> bool {
        let kept_ms = self.settings.forget_after_ms;
        let is_kept = known.down_since.is_some_and(|at| now_ms < kept_ms.saturating_add_signed(at));
        node != self.me.node && (known.up.is_some() || is_kept)
    }

    /// What a node has said in its present life, since the round began.
    fn has_spoken<'a>(&self, round: &Round, known: &'a Node) -> Option<&'a Said> {
        known
            .said
            .as_ref()
            .filter(|said| said.number > round.digests && Some(said.incarnation) >= known.highest)
    }

    fn is_alike(&self, round: &Round, said: &Said) -> bool {
        // What has been forgotten here since then need not be held elsewhere.
        let held_here = round.versions.iter().filter(|(owner, _)| self.records.contains_key(owner));
        let nothing_missing = |(owner, version): &(Owner, u64)| said.version_of(*owner) >= *version;
        let nothing_more = |(owner, version): &(Owner, u64)| {
            self.records.get(owner).is_some_and(|record| record.log.version() >= *version)
        };
        held_here.into_iter().all(nothing_missing) && said.held.iter().all(nothing_more)
    }

    /// Keeps what a node has said of all owners.
    pub(super) fn note_digest(&mut self, from: NodeId, kind: DigestKind, held: &[Held]) {
        let own = held.iter().map(|held| held.owner).filter(|owner| owner.node == from).max();
        let (Some(own), Some(known)) = (own, self.nodes.get_mut(&from)) else { return };
        if kind == DigestKind::Own || Some(own.incarnation) < known.highest {
            return;
        }
        self.digests += 1;
        let mut held: Vec<(Owner, u64)> = held.iter().map(|held| (held.owner, held.version)).collect();
        held.sort_unstable();
        known.said = Some(Said { number: self.digests, incarnation: own.incarnation, held });
    }
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
