//! What operators are told of a peer: that a link was lost, that it has caught up again, where its options differ.
//!
//! Owns lines of the log, each said once. Must not change anything.

use super::{Known, Standing, Versions};
use crate::broker::Broker;
use crate::config::common_options;
use crate::crdt::Owner;
use crate::link::Ending;

impl Broker {
    /// Warns of options of a peer that must be the same here, once in its life.
    pub(super) fn compare_options(&self, known: &mut Known) {
        if std::mem::replace(&mut known.is_compared, true) {
            return;
        }
        let own: Vec<_> = common_options(&self.config()).collect();
        for (name, theirs) in known.link.report().0.options {
            if let Some((_, ours)) = own.iter().find(|(own, _)| **own == *name)
                && *ours != theirs
            {
                tracing::warn!(
                    "{name} is {ours} here and {theirs} at instance {}: it must be the same on all instances",
                    known.peer.owner.node
                );
            }
        }
    }

    /// The link to a peer is gone.
    pub(super) fn note_lost_link(&self, known: &mut Known, why: Ending) {
        let (node, reason) = (known.peer.owner.node, why.reason());
        if known.standing == Standing::Left || why == Ending::Stops {
            tracing::info!("The link with instance {node} has ended: {reason}");
        } else {
            tracing::warn!("The link with instance {node} is lost: {reason}");
            let present = self.versions(known.peer.owner);
            known.behind.get_or_insert(present);
        }
    }

    fn versions(&self, owner: Owner) -> Versions {
        Versions { interest: self.interest.version(owner), presence: self.presence.version(owner) }
    }

    /// Says which peers have caught up again after a link to them was lost. To be called now and then.
    pub fn tell_caught_up(&self) {
        let mut state = self.peers.state.lock();
        for known in state.known.values_mut().filter(|known| known.linked && known.behind.is_some()) {
            let owner = known.peer.owner;
            if !(self.interest.has_caught_up(owner.node) && self.presence.has_caught_up(owner)) {
                continue;
            }
            let (Some(before), after) = (known.behind.take(), self.versions(owner)) else { continue };
            tracing::info!(
                "Caught up with instance {} after a lost link: {} changes of subscriptions, {} of members",
                owner.node,
                after.interest.saturating_sub(before.interest),
                after.presence.saturating_sub(before.presence)
            );
        }
    }
}
