//! What the runs have met: a run that meets none of the hard cases proves nothing.

use std::collections::BTreeMap;

use hereabouts::crdt::{Key, Replica, Value};
use hereabouts::presence;

/// How often each case was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    pub(crate) fn note(&mut self, case: &'static str, times: u64) {
        *self.0.entry(case).or_default() += times;
    }

    pub(crate) fn add(&mut self, run: &Reached) {
        run.0.iter().for_each(|(case, times)| self.note(case, *times));
    }

    pub(crate) fn count<K: Key, V: Value>(&mut self, replica: &Replica<K, V>) {
        let counts = replica.counts();
        for (case, times) in [
            ("gaps", counts.gaps),
            ("pulls through third parties", counts.third_party_pulls),
            ("pulls that were not answered", counts.pull_timeouts),
            ("snapshots", counts.snapshots),
            ("updates of several parts", counts.long_updates),
            ("transfers begun anew", counts.restarted_transfers),
            ("updates during a merge", counts.late_updates),
        ] {
            self.note(case, times);
        }
    }

    pub(crate) fn count_presence(&mut self, counts: presence::Counts) {
        self.note("adoptions", counts.adopted);
        self.note("sessions given up", counts.given_up);
        self.note("entries dropped after two rounds", counts.dropped);
    }

    /// A run that meets none of these proves nothing.
    pub(crate) fn assert_met(&self, cases: &[(&str, u64)]) {
        for (case, least) in cases {
            let times = self.0.get(case).copied().unwrap_or(0);
            assert!(times >= *least, "{case}: {times} of at least {least}");
        }
    }

    pub(crate) fn assert_hard_states(&self) {
        self.assert_met(&[
            ("restarts", 300),
            ("pauses", 300),
            ("renewals", 30),
            ("gaps", 1_000),
            ("pulls through third parties", 1_000),
            ("pulls that were not answered", 100),
            ("snapshots", 1_000),
            ("updates of several parts", 1_000),
            ("transfers begun anew", 30),
            ("updates during a merge", 30),
            ("owners hidden", 300),
            ("owners shown again", 100),
            ("owners forgotten", 300),
            ("entries forgotten", 1_000),
            ("rounds", 1_000),
            ("lies", 10),
            ("divergences", 10),
        ]);
    }
}
