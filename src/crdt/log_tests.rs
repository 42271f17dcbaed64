//! One owner's log and copies of it: whatever is sent in whatever pieces, a copy is always a prefix of the owner's history.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::crdt::entries::{Entries, Name, Number, entries, keys};
use crate::crdt::merge::Changed;
use crate::crdt::message::{Change, Message};
use crate::crdt::outgoing::{Part, Transfer};
use crate::crdt::owner::{Incarnation, NodeId, Owner};
use crate::crdt::read::{Read, ReaderId};

type Sample = Log<Name, Number>;

const OWNER: Owner = Owner { node: NodeId(1), incarnation: Incarnation(1) };

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u64),
    Remove(u8),
    /// The copy asks the owner, or another copy.
    Ask {
        copy: usize,
        source: usize,
    },
    /// So many entries of what a copy has asked for arrive.
    Receive {
        copy: usize,
        entries: usize,
    },
    /// What a copy has received entirely is merged, so many entries at a time.
    Merge {
        copy: usize,
        budget: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let copy = 0..3_usize;
    let step = prop_oneof![
        4 => (0..12_u8, any::<u64>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..12_u8).prop_map(Step::Remove),
        2 => (copy.clone(), 0..4_usize).prop_map(|(copy, source)| Step::Ask { copy, source }),
        4 => (copy.clone(), 1..6_usize).prop_map(|(copy, entries)| Step::Receive { copy, entries }),
        2 => (copy, 1..20_usize).prop_map(|(copy, budget)| Step::Merge { copy, budget }),
    ];
    prop::collection::vec(step, 1..200)
}

/// What a copy has asked for and is receiving.
struct Receiving {
    source: usize,
    reader: ReaderId,
    snapshot: bool,
    changes: Vec<Change<Name, Number>>,
}

/// The owner's log at 0, copies of it behind.
struct World {
    logs: Vec<Sample>,
    receiving: BTreeMap<usize, Receiving>,
    history: Vec<Entries>,
    snapshots: usize,
}

impl World {
    fn new(removal_bytes_max: usize) -> World {
        World {
            logs: (0..4).map(|_| Log::new(keys(), removal_bytes_max)).collect(),
            receiving: BTreeMap::new(),
            history: vec![Entries::new()],
            snapshots: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Put(key, value) => {
                self.logs[0].put(Name(key), Number(value));
                self.history.push(entries(&self.logs[0]));
            }
            Step::Remove(key) => {
                if self.logs[0].remove(&Name(key)).is_some() {
                    self.history.push(entries(&self.logs[0]));
                }
            }
            Step::Ask { copy, source } => self.ask(copy + 1, source),
            Step::Receive { copy, entries } => self.receive(copy + 1, entries),
            // A merge is driven to its end here, in pieces: in between nobody may read the record.
            Step::Merge { copy, budget } => self.receive_all(copy + 1, budget),
        }
    }

    fn ask(&mut self, copy: usize, source: usize) {
        if source == copy {
            return;
        }
        if let Some(old) = self.receiving.remove(&copy) {
            self.logs[old.source].close(old.reader);
        }
        let version = self.logs[copy].version();
        if self.logs[source].version() <= version {
            return;
        }
        let after = self.logs[source].open_after(version);
        let reader = after.unwrap_or_else(|| self.logs[source].open_all());
        let receiving = Receiving { source, reader, snapshot: after.is_none(), changes: Vec::new() };
        self.receiving.insert(copy, receiving);
    }

    fn receive(&mut self, copy: usize, entries: usize) {
        self.receive_some(copy, entries, 7);
    }

    fn receive_all(&mut self, copy: usize, budget: usize) {
        self.receive_some(copy, usize::MAX, budget);
    }

    fn receive_some(&mut self, copy: usize, mut entries: usize, budget: usize) {
        let Some(mut receiving) = self.receiving.remove(&copy) else { return };
        let changes = &mut receiving.changes;
        let read = self.logs[receiving.source].read(receiving.reader, |key, version, value| {
            changes.push(Change { key: *key, version, value: value.copied() });
            entries -= 1;
            entries > 0
        });
        match read {
            Read::More => {
                self.receiving.insert(copy, receiving);
            }
            Read::Broken => self.logs[receiving.source].close(receiving.reader),
            Read::End(to) => {
                self.logs[receiving.source].close(receiving.reader);
                if to > self.logs[copy].version() {
                    self.merge(copy, receiving, to, budget);
                }
            }
        }
    }

    fn merge(&mut self, copy: usize, receiving: Receiving, to: u64, budget: usize) {
        self.snapshots += usize::from(receiving.snapshot);
        let mut told = entries(&self.logs[copy]);
        let log = &mut self.logs[copy];
        let mut merge = log.begin_merge(receiving.changes.into(), to, receiving.snapshot);
        loop {
            let done = log.merge(&mut merge, &mut { budget }, |Changed { key, before, after }| {
                assert_eq!(told.get(&key).copied(), before, "what is told follows on what was told before");
                match after {
                    Some(value) => told.insert(key, value),
                    None => told.remove(&key),
                };
            });
            if done {
                break;
            }
        }
        assert_eq!(told, entries(log), "all that has changed is told");
        assert_eq!(entries(log), self.history[to as usize], "a copy is a prefix of the history");
    }

    fn check(&self) {
        for log in &self.logs {
            assert_eq!(entries(log), self.history[log.version() as usize]);
            assert_eq!(log.len(), entries(log).len());
            for other in &self.logs {
                assert!(log.version() != other.version() || log.hash() == other.hash());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_is_always_a_prefix(steps in steps(), removal_bytes_max in prop::sample::select(vec![0, 3, 1000])) {
        let mut world = World::new(removal_bytes_max);
        for step in &steps {
            world.apply(step);
            world.check();
            for log in &world.logs {
                prop_assert!(log.slots() <= log.len() + removal_bytes_max, "removals are bounded");
            }
        }
        for copy in 1..4 {
            world.ask(copy, 0);
            world.receive_all(copy, 5);
            prop_assert_eq!(world.logs[copy].version(), world.logs[0].version());
        }
        world.check();
    }

    #[test]
    fn equal_versions_with_other_contents_have_other_hashes(a: Vec<(u8, u64)>, b: Vec<(u8, u64)>) {
        let [one, other] = [a, b].map(|entries| {
            let mut log = Sample::new(keys(), 0);
            for (key, value) in entries {
                log.put(Name(key), Number(value));
            }
            log
        });
        let same = one.version() == other.version() && entries(&one) == entries(&other);
        prop_assert!(same || one.hash() != other.hash() || entries(&one).is_empty());
    }

    /// The whole way: parts on the wire instead of entries handed over.
    #[test]
    fn parts_put_together_are_the_log(count in 0..40_u64, version in 0..40_u64) {
        let mut log = Sample::new(keys(), 1000);
        for number in 0..count {
            log.put(Name((number % 13) as u8), Number(number));
            if number % 3 == 0 {
                log.remove(&Name((number % 7) as u8));
            }
        }
        let version = version.min(log.version());
        let mut transfer = Transfer::open(OWNER, 1, &mut log, Some(version));
        let mut changes = Vec::new();
        let to = loop {
            let (frame, last) = match transfer.next(&mut log, 16) {
                Part::More(frame) => (frame, false),
                Part::Last(frame) => (frame, true),
                Part::Broken => unreachable!("nothing has changed"),
            };
            let Ok(Message::<Name, Number>::Update(mut update)) = Message::decode(&frame) else { panic!("an update") };
            changes.append(&mut update.changes);
            if last {
                break update.to.unwrap();
            }
        };
        prop_assert_eq!(to, log.version());
        prop_assert!(changes.windows(2).all(|pair| pair[0].version < pair[1].version));
        prop_assert!(changes.iter().all(|change| change.version > version));
    }
}

#[test]
fn a_key_that_changes_again_and_again_takes_no_more_memory() {
    let mut log = Sample::new(keys(), 10);
    for number in 0..100_000 {
        log.put(Name((number % 5) as u8), Number(number));
        log.remove(&Name((number % 5) as u8));
    }
    assert!(log.slots() <= 10);
    assert!(log.removals.len() <= 64, "{}", log.removals.len());
    assert!(log.slots.places() <= 16, "{}", log.slots.places());
}

#[test]
fn a_removal_that_was_forgotten_unread_breaks_the_reader_that_needs_it() {
    let mut log = Sample::new(keys(), 1);
    for key in 0..4 {
        log.put(Name(key), Number(0));
    }
    let reader = log.open_all();
    assert_eq!(log.read(reader, |_, _, _| false), Read::More);
    log.remove(&Name(0));
    log.remove(&Name(1));
    assert_eq!(log.floor(), 5, "the removal of 0 is forgotten");
    assert_eq!(log.read(reader, |_, _, _| true), Read::Broken);
    assert!(log.open_after(4).is_none() && log.open_after(5).is_some());
}
