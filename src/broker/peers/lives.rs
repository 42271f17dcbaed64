//! The lives of this instance: when others know a later one of its node, it begins a still later one, everywhere.
//!
//! Owns the order: presence and interest, which share one owner, then links, then gossip; each is told once. Must not know how
//! others are found out to know more: membership says so, and frames of both replicated maps.

use crate::broker::{Broker, StopRequest};
use crate::crdt::Incarnation;
use crate::time::Now;

impl Broker {
    /// Somebody knows this life of this instance's node.
    pub(super) fn begin_life_above(&self, now: Now, known: Incarnation, random: u64) {
        if !self.peers.state.lock().is_contested {
            let life = self.presence.renew_above(now, known, random);
            self.follow_life(now, life);
        }
    }

    /// Presence or interest is in this life, which may be later than what all others have been told.
    pub(super) fn follow_life(&self, now: Now, life: Incarnation) {
        {
            let mut state = self.peers.state.lock();
            if life <= state.life || state.is_contested {
                return;
            }
            let contested = [self.presence.renew(now, life), self.interest.renew(now, life)];
            let node = self.identity.node;
            if contested.contains(&true) {
                // The other process has the last word, and nobody else hears of this life.
                state.is_contested = true;
                tracing::error!(
                    "Another process uses this instance's node id {node}: again and again it has had to begin anew. \
                     It ends, so that one of them is left; give each its own node-id"
                );
                self.request_stop(StopRequest::SameNodeId);
                return;
            }
            (state.life, state.untold_life) = (life, Some(life));
            tracing::warn!(
                "Others know a later life of instance {node} than this one: its clock has gone back, or another process \
                 uses the same node-id. It goes on in a new life, {:016x}, with all its clients",
                life.0
            );
        }
        self.peers.renew();
    }

    /// Gossip is to be told that this instance is in this life from now on.
    pub fn poll_life(&self) -> Option<Incarnation> {
        self.peers.state.lock().untold_life.take()
    }
}

#[cfg(test)]
#[path = "lives_tests.rs"]
mod tests;
