//! The laws of merging: in whatever order and however often states and deltas are merged, the same comes out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::crdt::entries::{Entries, Name, Number, entries, keys};
use crate::crdt::read::Read;

type Sample = Log<Name, Number>;

/// What an instance holds of each owner.
type State = BTreeMap<u8, Sample>;

/// What is compared: of each owner the version, the entries and their hash.
type Seen = BTreeMap<u8, (u64, Entries, u64)>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u8, u64),
    Remove(u8),
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..6_u8, any::<u64>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0..6_u8).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 0..24)
}

fn removal_bytes_max() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![0, 2, 1_000])
}

fn step(log: &mut Sample, step: Step) {
    match step {
        Step::Put(key, value) => log.put(Name(key), Number(value)),
        Step::Remove(key) => log.remove(&Name(key)),
    };
}

/// The owner's log after so many steps.
fn written(history: &[Step], steps: usize, removal_bytes_max: usize) -> Sample {
    let mut log = Sample::new(keys(), removal_bytes_max);
    history.iter().take(steps).for_each(|one| step(&mut log, *one));
    log
}

/// All that a log sends to who has a version, and whether it is a snapshot.
fn sent(from: &mut Sample, version: Option<u64>) -> (Vec<Change<Name, Number>>, u64, bool) {
    let after = version.and_then(|version| from.open_after(version));
    let snapshot = after.is_none();
    let reader = after.unwrap_or_else(|| from.open_all());
    let mut changes = Vec::new();
    let to = loop {
        let read = from.read(reader, |key, version, value| {
            changes.push(Change { key: *key, version, value: value.copied() });
            true
        });
        match read {
            Read::End(to) => break to,
            Read::More => {}
            Read::Broken => unreachable!("nothing changes meanwhile"),
        }
    };
    from.close(reader);
    (changes, to, snapshot)
}

/// Merges what `from` holds, as a snapshot or as what comes after. What is older changes nothing.
fn join_log(into: &mut Sample, from: &mut Sample, whole: bool) {
    if from.version() <= into.version() {
        return;
    }
    let (changes, to, snapshot) = sent(from, (!whole).then_some(into.version()));
    let mut merge = into.begin_merge(changes.into(), to, snapshot);
    while !into.merge(&mut merge, &mut 3, |_| {}) {}
}

fn join(into: &mut State, from: &mut State, whole: bool) {
    for (owner, log) in from {
        join_log(into.entry(*owner).or_insert_with(|| Sample::new(keys(), 2)), log, whole);
    }
}

fn seen(state: &State) -> Seen {
    state.iter().map(|(owner, log)| (*owner, (log.version(), entries(log), log.hash()))).collect()
}

/// Three instances that hold each owner's log up to some step.
#[derive(Clone, Debug)]
struct Drawn {
    histories: Vec<Vec<Step>>,
    /// Of each instance, how far of each owner.
    steps: [Vec<usize>; 3],
    removal_bytes_max: usize,
    /// Whether each merge is one of states or of deltas.
    whole: [bool; 4],
}

impl Drawn {
    fn state(&self, instance: usize) -> State {
        let of = |owner: usize| {
            let history = &self.histories[owner];
            written(history, self.steps[instance][owner], self.removal_bytes_max)
        };
        (0..self.histories.len()).map(|owner| (owner as u8, of(owner))).collect()
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let steps = || prop::collection::vec(0..24_usize, 3);
    (
        prop::collection::vec(history(), 3),
        [steps(), steps(), steps()],
        removal_bytes_max(),
        any::<[bool; 4]>(),
    )
        .prop_map(|(histories, steps, removal_bytes_max, whole)| Drawn {
            histories,
            steps,
            removal_bytes_max,
            whole,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn merging_commutes(drawn in drawn()) {
        let (mut one, mut other) = (drawn.state(0), drawn.state(1));
        join(&mut one, &mut drawn.state(1), drawn.whole[0]);
        join(&mut other, &mut drawn.state(0), drawn.whole[1]);
        prop_assert_eq!(seen(&one), seen(&other));
    }

    #[test]
    fn merging_associates(drawn in drawn()) {
        // (a + b) + c
        let mut left = drawn.state(0);
        join(&mut left, &mut drawn.state(1), drawn.whole[0]);
        join(&mut left, &mut drawn.state(2), drawn.whole[1]);
        // a + (b + c)
        let (mut right, mut rest) = (drawn.state(0), drawn.state(1));
        join(&mut rest, &mut drawn.state(2), drawn.whole[2]);
        join(&mut right, &mut rest, drawn.whole[3]);
        prop_assert_eq!(seen(&left), seen(&right));
    }

    #[test]
    fn merging_twice_is_merging_once(drawn in drawn()) {
        let mut state = drawn.state(0);
        join(&mut state, &mut drawn.state(1), drawn.whole[0]);
        let once = seen(&state);
        join(&mut state, &mut drawn.state(1), drawn.whole[1]);
        join(&mut state, &mut drawn.state(0), drawn.whole[2]);
        prop_assert_eq!(seen(&state), once.clone());
        // The very same changes again, past every guard of the exchange.
        for (owner, log) in &mut drawn.state(1) {
            let (changes, _, snapshot) = sent(log, Some(0));
            let known = state.get_mut(owner).unwrap();
            if !snapshot {
                let mut merge = known.begin_merge(changes.into(), known.version(), false);
                while !known.merge(&mut merge, &mut 3, |changed| panic!("{changed:?} is told twice")) {}
            }
        }
        prop_assert_eq!(seen(&state), once);
    }

    /// A copy that has come as far as `split` gets the rest, in two deltas that overlap as a state: always the same.
    #[test]
    fn deltas_and_states_lead_to_the_same(history in history(), removal_bytes_max in removal_bytes_max()) {
        let mut whole = Sample::new(keys(), removal_bytes_max);
        join_log(&mut whole, &mut written(&history, history.len(), removal_bytes_max), true);
        let end = |log: &Sample| (log.version(), entries(log), log.hash());
        for split in 0..=history.len() {
            for between in [split, (split + history.len()) / 2, history.len()] {
                let mut copy = Sample::new(keys(), removal_bytes_max);
                for steps in [split, between, split, history.len()] {
                    join_log(&mut copy, &mut written(&history, steps, removal_bytes_max), false);
                }
                prop_assert_eq!(end(&copy), end(&whole), "split at {} and {}", split, between);
                prop_assert!(copy.slots() <= copy.len() + removal_bytes_max, "removals are bounded");
            }
        }
    }
}
