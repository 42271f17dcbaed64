//! What the replicated map costs with presence's own entries: whole sets merged, changes merged, and the longest single put.
//!
//! `cargo bench --bench replication`, with a part of a name to run some; `-- --test` runs each once. For comparison:
//! Phoenix.Tracker merges two sets of 100,000 entries in 650 ms and a delta of 1,000 changes into 200,000 entries in 23 ms. That
//! is its `State.merge`, which gets terms of Erlang and hands out who joined and left: what stands under "merge" here. "decode" is
//! what its runtime does for it, and "decode, merge and show" all that happens to a frame until a client can ask for what it says.
//! All times are those of the processor: others may use the machine.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hereabouts::crdt::message::Message;
use hereabouts::crdt::{Incarnation, NodeId, Owner, Replica, Settings};
use hereabouts::map::HashKeys;
use hereabouts::presence::{
    self, Connection, Entry, KeyChange, Member, Meta, Name, Places, Presence, SessionName, Stamp,
    Topics as View, Version,
};
use hereabouts::time::Now;
use rustix::time::{ClockId, clock_gettime};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Map = Replica<Name, Entry>;

const TOPICS: u64 = 1_000;

const KEYS: HashKeys = HashKeys::new([1, 2]);
const NOW: Now = Now { monotonic: Duration::ZERO, unix: Duration::from_secs(1_700_000_000) };

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

fn meta() -> Meta {
    Meta::parse(br#"{"online_at":"1700000000","device":"phone"}"#, 4096).unwrap()
}

fn version(node: u64, time: u64) -> Entry {
    let stamp = Stamp { time, node: NodeId(node) };
    Version::live(stamp, meta(), stamp, None).into()
}

fn put(replica: &mut Map, topics: &Topics, numbers: impl Iterator<Item = u64>, time: u64) {
    let node = replica.me().node.0;
    for number in numbers {
        replica.put(0, topics.member(number), version(node, time + number));
    }
}

/// An instance that is linked to the other one.
fn instance(node: u64, other: u64) -> Map {
    let mut replica = Map::new(owner(node), Settings::default(), KEYS, 0);
    replica.node_up(0, NodeId(other), Incarnation(1));
    replica.link_up(0, NodeId(other));
    replica
}

/// What an instance sends the other one of its changes.
fn frames(from: &mut Map, to: u64) -> Vec<Vec<u8>> {
    from.flush_now(0);
    from.handle_timeout(0);
    let mut frames: Vec<Vec<u8>> =
        std::iter::from_fn(|| from.poll_message()).map(|(_, frame)| frame).collect();
    frames.extend(std::iter::from_fn(|| from.next_part(NodeId(to))));
    frames
}

/// An instance that takes what another one sends, of which one step is measured.
trait Receiver {
    const STEP: &'static str;

    /// With so many members of its own, linked to instance 2.
    fn new(topics: &Topics, own: u64) -> Self;

    /// Takes frames with so many changes, or more. Returns how long the step has taken.
    fn take(&mut self, frames: &[Vec<u8>], changes: usize) -> Duration;
}

fn read(frames: &[Vec<u8>]) -> Vec<Message<Name, Entry>> {
    frames.iter().map(|frame| Message::decode(frame).unwrap()).collect()
}

fn merge(map: &mut Map, messages: Vec<Message<Name, Entry>>, changes: usize) {
    messages.into_iter().for_each(|message| map.handle(0, NodeId(2), message, 0));
    while map.work(1_000) {}
    let changed = std::iter::from_fn(|| map.poll_event()).count();
    assert!(changed >= changes, "{changed}");
}

/// The step from frames to changes, each checked.
struct Decoding(Map);

impl Receiver for Decoding {
    const STEP: &'static str = "decode";

    fn new(topics: &Topics, own: u64) -> Self {
        Decoding(Merging::new(topics, own).0)
    }

    fn take(&mut self, frames: &[Vec<u8>], changes: usize) -> Duration {
        let start = processor_time();
        let messages = read(frames);
        let spent = processor_time() - start;
        merge(&mut self.0, messages, changes);
        spent
    }
}

/// The step from changes to the events that tell what differs.
struct Merging(Map);

impl Receiver for Merging {
    const STEP: &'static str = "merge";

    fn new(topics: &Topics, own: u64) -> Self {
        let mut map = instance(1, 2);
        put(&mut map, topics, 0..own, 1);
        Merging(map)
    }

    fn take(&mut self, frames: &[Vec<u8>], changes: usize) -> Duration {
        let messages = read(frames);
        let start = processor_time();
        merge(&mut self.0, messages, changes);
        processor_time() - start
    }
}

/// All steps, from frames to what users see.
struct Showing {
    machine: Presence,
    topics: View,
    places: Places,
}

impl Receiver for Showing {
    const STEP: &'static str = "decode, merge and show";

    fn new(topics: &Topics, own: u64) -> Self {
        let mut machine = Presence::new(owner(1), 1, presence::Settings::default(), KEYS, NOW);
        machine.node_up(NOW, NodeId(2), Incarnation(1));
        machine.link_up(NOW, NodeId(2));
        let mut showing = Showing { machine, topics: View::new(KEYS), places: Places::new(KEYS) };
        for number in 0..own {
            let member = topics.member(number).member().unwrap().clone();
            assert!(showing.machine.track(NOW, member, meta(), false).is_ok());
            showing.show();
        }
        showing
    }

    fn take(&mut self, frames: &[Vec<u8>], changes: usize) -> Duration {
        let start = processor_time();
        for frame in frames {
            self.machine.handle_message(NOW, NodeId(2), frame, 0).unwrap();
        }
        let mut changed = 0;
        while self.machine.work(NOW, 256) {
            changed += self.show();
        }
        changed += self.show();
        let spent = processor_time() - start;
        assert!(changed >= changes, "{changed}");
        spent
    }
}

impl Showing {
    fn show(&mut self) -> usize {
        let mut changed = 0;
        while let Some(change) = self.machine.poll_change() {
            changed += 1;
            let Some(applied) = self.topics.apply(0, change) else { continue };
            match applied.key {
                KeyChange::Appeared => _ = self.places.add(&applied.name),
                KeyChange::Disappeared => _ = self.places.remove(&applied.name),
                KeyChange::Stayed => {}
            }
        }
        changed
    }
}

fn merges<R: Receiver>(criterion: &mut Criterion) {
    let topics = Topics::new();
    let mut group = criterion.benchmark_group(R::STEP);
    group.sample_size(10);

    let mut other = instance(2, 1);
    put(&mut other, &topics, 100_000..200_000, 1);
    let whole = frames(&mut other, 1);
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("two_sets_of_100000", |bencher| {
        let once = |_| R::new(&topics, 100_000).take(&whole, 100_000);
        bencher.iter_custom(|iterations| (0..iterations).map(once).sum());
    });

    for (name, first) in [("1000_updates_into_200000", 0), ("1000_joins_into_200000", 200_000)] {
        let mut here = R::new(&topics, 0);
        let mut other = instance(2, 1);
        put(&mut other, &topics, 0..200_000, 1);
        here.take(&frames(&mut other, 1), 200_000);
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
                    spent += here.take(&frames(&mut other, 1), 1_000);
                    if first > 0 {
                        numbers().for_each(|number| drop(other.remove(0, &topics.member(number))));
                        here.take(&frames(&mut other, 1), 1_000);
                    }
                }
                spent
            });
        });
    }
    group.finish();
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

criterion_group!(replication, merges<Decoding>, merges<Merging>, merges<Showing>, longest_put);
criterion_main!(replication);
