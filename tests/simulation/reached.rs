//! What the runs have met: a run that meets none of the hard cases proves nothing.

use hereabouts::crdt::Replica;

use crate::entries::{Name, Number};

/// How often the hard cases were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) frames: u64,
    pub(crate) lost: u64,
    pub(crate) cuts: u64,
    pub(crate) pauses: u64,
    pub(crate) restarts: u64,
    pub(crate) renewals: u64,
    pub(crate) conflicts: u64,
    pub(crate) gaps: u64,
    pub(crate) third_party_pulls: u64,
    pub(crate) pull_timeouts: u64,
    pub(crate) snapshots: u64,
    pub(crate) long_updates: u64,
    pub(crate) restarted_transfers: u64,
    pub(crate) late_updates: u64,
    pub(crate) hidden: u64,
    pub(crate) shown_again: u64,
    pub(crate) forgotten: u64,
}

impl Reached {
    pub(crate) fn add(&mut self, run: &Reached) {
        for (sum, more) in self.fields().into_iter().zip(run.clone().fields()) {
            *sum += *more;
        }
    }

    pub(crate) fn count(&mut self, replica: &Replica<Name, Number>) {
        let counts = replica.counts();
        self.gaps += counts.gaps;
        self.third_party_pulls += counts.third_party_pulls;
        self.pull_timeouts += counts.pull_timeouts;
        self.snapshots += counts.snapshots;
        self.long_updates += counts.long_updates;
        self.restarted_transfers += counts.restarted_transfers;
        self.late_updates += counts.late_updates;
    }

    fn fields(&mut self) -> [&mut u64; 17] {
        let Reached {
            frames,
            lost,
            cuts,
            pauses,
            restarts,
            renewals,
            conflicts,
            gaps,
            third_party_pulls,
            pull_timeouts,
            snapshots,
            long_updates,
            restarted_transfers,
            late_updates,
            hidden,
            shown_again,
            forgotten,
        } = self;
        [
            frames,
            lost,
            cuts,
            pauses,
            restarts,
            renewals,
            conflicts,
            gaps,
            third_party_pulls,
            pull_timeouts,
            snapshots,
            long_updates,
            restarted_transfers,
            late_updates,
            hidden,
            shown_again,
            forgotten,
        ]
    }

    /// A run that meets none of these proves nothing.
    pub(crate) fn assert_hard_states(&self) {
        for (what, count, least) in [
            ("restarts", self.restarts, 300),
            ("pauses", self.pauses, 300),
            ("renewals", self.renewals, 30),
            ("gaps", self.gaps, 1_000),
            ("pulls through third parties", self.third_party_pulls, 1_000),
            ("pulls that were not answered", self.pull_timeouts, 100),
            ("snapshots", self.snapshots, 1_000),
            ("updates of several parts", self.long_updates, 1_000),
            ("transfers begun anew", self.restarted_transfers, 30),
            ("updates during a merge", self.late_updates, 30),
            ("owners hidden", self.hidden, 300),
            ("owners shown again", self.shown_again, 100),
            ("owners forgotten", self.forgotten, 300),
        ] {
            assert!(count >= least, "{what}: {count} of at least {least}");
        }
    }
}
