//! What the replicated map costs with presence's own entries: whole sets merged, changes merged, and the longest single put.
//!
//! `cargo bench --bench replication`, with a part of a name to run some; `-- --test` runs each once. For comparison:
//! Phoenix.Tracker merges two sets of 100,000 entries in 650 ms and a delta of 1,000 changes into 200,000 entries in 23 ms.
//! All times are those of the processor: others may use the machine.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hereabouts::crdt::{Incarnation, NodeId, Owner, Replica, Settings};
use hereabouts::map::HashKeys;
use hereabouts::presence::{Connection, Entry, Member, Meta, Name, SessionName, Stamp, Version};
use rustix::time::{ClockId, clock_gettime};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Presence = Replica<Name, Entry>;

const TOPICS: u64 = 1_000;

fn owner(node: u64) -> Owner {
    Owner { node: NodeId(node), incarnation: Incarnation(1) }
}

/// Topics, each shared by its members.
struct Topics(Vec<Arc<str>>);

impl Topics {
    fn new() -> Self {
        Topics((0..TOPICS).map(|number| format!("room:{number}").into()).collect())
    }

    fn member(&self, number: u64) -> Name {
        let session = SessionName::from(Connection { life: 7, client: number });
        let topic = &self.0[(number % TOPICS) as usize];
        Member::new(topic.clone(), &format!("user:{number}"), session, "").into()
    }
}

fn version(node: u64, time: u64) -> Entry {
    let meta = Meta::parse(br#"{"online_at":"1700000000","device":"phone"}"#, 4096).unwrap();
    let stamp = Stamp { time, node: NodeId(node) };
    Version::live(stamp, meta, stamp, None).into()
}

fn put(replica: &mut Presence, topics: &Topics, numbers: impl Iterator<Item = u64>, time: u64) {
    let node = replica.me().node.0;
    for number in numbers {
        replica.put(0, topics.member(number), version(node, time + number));
    }
}

/// An instance that is linked to the other one.
fn instance(node: u64, other: u64) -> Presence {
    let mut replica = Presence::new(owner(node), Settings::default(), HashKeys::new([1, 2]), 0);
    replica.node_up(0, NodeId(other), Incarnation(1));
    replica.link_up(0, NodeId(other));
    replica
}

/// What an instance sends the other one of its changes.
fn frames(from: &mut Presence, to: u64) -> Vec<Vec<u8>> {
    from.flush_now(0);
    from.handle_timeout(0, 0);
    let mut frames: Vec<Vec<u8>> =
        std::iter::from_fn(|| from.poll_message()).map(|(_, frame)| frame).collect();
    frames.extend(std::iter::from_fn(|| from.next_part(NodeId(to))));
    frames
}

/// Merges what was sent. Returns how many entries have changed.
fn merge(to: &mut Presence, from: u64, frames: &[Vec<u8>]) -> usize {
    for frame in frames {
        to.handle_message(0, NodeId(from), frame, 0).unwrap();
    }
    while to.work(1_000) {}
    std::iter::from_fn(|| to.poll_event()).count()
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn merges(criterion: &mut Criterion) {
    let topics = Topics::new();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(10);

    let mut other = instance(2, 1);
    put(&mut other, &topics, 100_000..200_000, 1);
    let whole = frames(&mut other, 1);
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("two_sets_of_100000", |bencher| {
        bencher.iter_custom(|iterations| {
            let once = |_| {
                let mut replica = instance(1, 2);
                put(&mut replica, &topics, 0..100_000, 1);
                let start = processor_time();
                assert!(merge(&mut replica, 2, &whole) >= 100_000);
                processor_time() - start
            };
            (0..iterations).map(once).sum()
        });
    });

    for (name, first) in [("1000_updates_into_200000", 0), ("1000_joins_into_200000", 200_000)] {
        let mut here = instance(1, 2);
        let mut other = instance(2, 1);
        put(&mut other, &topics, 0..200_000, 1);
        merge(&mut here, 2, &frames(&mut other, 1));
        let mut round = 0;
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    round += 1;
                    // Scattered over all of them.
                    let numbers = || (0..1_000).map(|number| first + number * 197 + round % 197);
                    put(&mut other, &topics, numbers(), round << 32);
                    let delta = frames(&mut other, 1);
                    let start = processor_time();
                    let changed = merge(&mut here, 2, &delta);
                    spent += processor_time() - start;
                    assert!(changed >= 1_000, "{changed}");
                    if first > 0 {
                        numbers().for_each(|number| drop(other.remove(0, &topics.member(number))));
                        merge(&mut here, 2, &frames(&mut other, 1));
                    }
                }
                spent
            });
        });
    }
    group.finish();
}

/// What a client waits for in the worst case: everything that grows has to grow in small steps.
fn longest_put(criterion: &mut Criterion) {
    let topics = Topics::new();
    let mut group = criterion.benchmark_group("put");
    group.sample_size(10);
    group.bench_function("longest_of_1000000", |bencher| {
        bencher.iter_custom(|iterations| {
            let longest = (0..iterations).map(|_| {
                let mut replica = instance(1, 2);
                let each = (0..1_000_000).map(|number| {
                    let (name, entry) = (topics.member(number), version(1, number));
                    let start = processor_time();
                    replica.put(0, name, entry);
                    processor_time() - start
                });
                each.max().unwrap()
            });
            longest.sum()
        });
    });
    group.finish();
}

criterion_group!(replication, merges, longest_put);
criterion_main!(replication);
