//! What the parts of the hot path cost by themselves: decoder, table, pattern index, outbox, dispatch.
//!
//! `cargo bench --bench micro`, with a part of a name to run some; `-- --test` runs each once. Owns no figure: those of
//! the whole come from `benches/broker`. All times are those of one call, or of what the name says.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

// What a broker needs of its surroundings.
#[path = "../tests/support/brokers.rs"]
mod brokers;

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use brokers::{NoHost, identity};
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use hereabouts::broker::clients::{Address, Client};
use hereabouts::broker::session::Session;
use hereabouts::broker::subscriptions::{Published, Subscriptions};
use hereabouts::broker::{Broker, Identity};
use hereabouts::command::{Interpreter, Workspace};
use hereabouts::config::{Config, OutputLimit};
use hereabouts::crdt::NodeId;
use hereabouts::map::HashKeys;
use hereabouts::outbox::{Batch, Outbox, Taken};
use hereabouts::pubsub::fanout::{Delivery, Message};
use hereabouts::pubsub::patterns::{MatchCursor, PatternIndex};
use hereabouts::pubsub::{Kind, Subscribed};
use hereabouts::resp::push::{ChannelKind, Frame, FrameBuffer, Payload, Payloads, share};
use hereabouts::resp::request::{Decoder, Limits};
use hereabouts::time::Now;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: [u64; 2] = [1, 2];
const NOW: Now = Now { monotonic: Duration::ZERO, unix: Duration::ZERO };
const UNLIMITED: OutputLimit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_duration: Duration::ZERO };
const LIMITS: Limits = Limits { bulk_bytes_max: 512 * 1024 * 1024, authenticated: true };
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Calls after which what they have queued is taken, outside of what is measured.
const CALLS_PER_RESET: u64 = 64;

fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn decoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decoder");
    let publish = request(&[b"PUBLISH", b"room:1234", &PAYLOAD]);
    let names: Vec<String> = (0..999).map(|number| format!("room:{number}")).collect();
    let mut arguments: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    arguments.insert(0, b"SUBSCRIBE");
    let subscribe = request(&arguments);

    for (name, bytes, arguments) in [("publish", &publish, 3), ("1000_arguments", &subscribe, 1000)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::default();
            bencher.iter(|| {
                let mut consumed = 0;
                let request = decoder.decode(black_box(bytes), LIMITS, &mut consumed).unwrap().unwrap();
                assert_eq!(request.len(), arguments);
                consumed
            });
        });
    }
    group.throughput(Throughput::Bytes(publish.len() as u64));
    group.bench_function("publish_byte_by_byte", |bencher| {
        let mut decoder = Decoder::default();
        bencher.iter(|| {
            let mut consumed = 0;
            for arrived in 1..publish.len() {
                assert!(
                    decoder.decode(black_box(&publish[..arrived]), LIMITS, &mut consumed).unwrap().is_none()
                );
            }
            decoder.decode(&publish, LIMITS, &mut consumed).unwrap().expect("a request").len()
        });
    });
    group.finish();
}

/// A table, and what a delivery leaves behind.
struct Table {
    subscriptions: Subscriptions,
    publisher: Arc<Outbox>,
    ready: VecDeque<Waker>,
    overflowed: Vec<u64>,
    frame: FrameBuffer,
}

impl Table {
    fn new() -> Self {
        Table {
            subscriptions: Subscriptions::counting(HashKeys::new(KEYS), 4096),
            publisher: Arc::new(Outbox::new(0)),
            ready: VecDeque::new(),
            overflowed: Vec::new(),
            frame: FrameBuffer::default(),
        }
    }

    fn subscribers(&self, count: u64) -> Vec<Arc<Outbox>> {
        let outboxes: Vec<_> = (0..count).map(|id| Arc::new(Outbox::new(id))).collect();
        for outbox in &outboxes {
            let mut subscribed = Subscribed::default();
            self.subscriptions.subscribe(Kind::Channel, b"room:1234", outbox, &mut subscribed, |_| ());
        }
        outboxes
    }

    fn publish(&mut self, payload: Payload<'_>) -> Published {
        let message = Message { kind: ChannelKind::Global, channel: black_box(b"room:1234"), payload };
        let mut delivery = Delivery {
            limit: UNLIMITED,
            now: NOW,
            ready: &mut self.ready,
            overflowed: &mut self.overflowed,
            frame: &mut self.frame,
            budget: 1024,
            delivered: 0,
            lost: 0,
            forward: 0,
        };
        let published = self.subscriptions.publish(message, &self.publisher, &mut delivery);
        self.ready.clear();
        published
    }
}

/// Takes what is queued, whose buffers then serve for what comes next.
fn take(outbox: &Outbox, batch: &mut Batch) {
    if outbox.take(batch, Waker::noop()) == Taken::Output {
        batch.parts.clear();
        batch.tail.clear();
    }
}

/// Times `call` alone. What it has queued is dropped by `reset` now and then, as an owner would take it.
fn timed(iterations: u64, mut call: impl FnMut(), mut reset: impl FnMut()) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let calls = left.min(CALLS_PER_RESET);
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        spent += start.elapsed();
        left -= calls;
        reset();
    }
    spent
}

fn publishes(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, receivers: u64, payload: Payload<'_>) {
    let mut table = Table::new();
    let outboxes = table.subscribers(receivers);
    let mut batches: Vec<Batch> = outboxes.iter().map(|_| Batch::default()).collect();
    group.throughput(Throughput::Elements(receivers.max(1) * payload.messages() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            timed(
                iterations,
                || assert_eq!(table.publish(payload), Published::Delivered(receivers)),
                || outboxes.iter().zip(&mut batches).for_each(|(outbox, batch)| take(outbox, batch)),
            )
        });
    });
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    for receivers in [0, 1, 100] {
        publishes(&mut group, &format!("publish_to_{receivers}"), receivers, Payload::Small(&PAYLOAD));
    }
    let mut burst = Payloads::default();
    (0..64).for_each(|_| burst.push(&PAYLOAD));
    publishes(&mut group, "burst_of_64_to_1", 1, Payload::Several(&burst));
    group.finish();
    million(criterion);
}

fn million(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table/among_1m_channels");
    let subscriptions = Subscriptions::new(HashKeys::new(KEYS));
    let mut crowd = Subscribed::default();
    let outbox = Arc::new(Outbox::new(1));
    for number in 0..1_000_000 {
        let name = format!("room:{number}");
        subscriptions.subscribe(Kind::Channel, name.as_bytes(), &outbox, &mut crowd, |_| ());
    }
    // Names far apart, so that each is as cold as among so many it would be.
    let names: Vec<String> = (0..4096).map(|number| format!("room:{}", number * 241)).collect();
    for (name, prefix) in [("subscribe_unsubscribe_known", ""), ("subscribe_unsubscribe_new", "new:")] {
        let names: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        let other = Arc::new(Outbox::new(2));
        let mut subscribed = Subscribed::default();
        let mut turn = names.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let name = turn.next().unwrap().as_bytes();
                subscriptions.subscribe(Kind::Channel, name, &other, &mut subscribed, |_| ());
                subscriptions.unsubscribe(Kind::Channel, name, &mut subscribed);
            });
        });
    }
    group.finish();
}

fn patterns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patterns");
    let mut index = PatternIndex::new(HashKeys::new(KEYS));
    for number in 0..10_000 {
        index.insert(format!("user:{number}:*").as_bytes());
    }
    for (name, channel, expected) in [
        ("10000_disjoint_none_matching", &b"room:77:message"[..], 0),
        ("10000_disjoint_one_matching", b"user:77:message", 1),
    ] {
        let mut found = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                found.clear();
                let mut cursor = MatchCursor::default();
                assert!(index.matching(black_box(channel), &mut cursor, &mut 1024, &mut found));
                assert_eq!(found.len(), expected);
            });
        });
    }
    group.finish();
}

fn outbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outbox");
    let mut buffer = FrameBuffer::default();
    let small = Payload::Small(&PAYLOAD).message(ChannelKind::Global, b"room:1234", &mut buffer);
    let payload: Bytes = share(&[b'x'; 64 * 1024]);
    let mut buffer = FrameBuffer::default();
    let shared = Payload::Shared(&payload).message(ChannelKind::Global, b"room:1234", &mut buffer);

    for (name, frame) in [("push_small", small), ("push_shared_64k", shared)] {
        let (outbox, mut batch) = (Outbox::new(1), Batch::default());
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                timed(iterations, || push(&outbox, frame), || take(&outbox, &mut batch))
            });
        });
        group.bench_function(format!("{name}_and_take"), |bencher| {
            bencher.iter(|| {
                push(&outbox, frame);
                take(&outbox, &mut batch);
            });
        });
    }
    group.finish();
}

fn push(outbox: &Outbox, frame: Frame<'_>) {
    black_box(outbox.push(frame, &UNLIMITED, NOW));
}

/// Pipelines of one kind of command, from dispatch to replies; a turn of 64 each.
fn commands(criterion: &mut Criterion) {
    const COMMANDS: u64 = 64;
    let mut group = criterion.benchmark_group("commands");
    let identity = Identity { monotonic, ..identity(NodeId(1), 1) };
    let broker = Broker::new(Config::default(), Box::new(NoHost), identity, HashKeys::new(KEYS), NOW);
    for (name, requests) in [
        ("ping", [request(&[b"PING"]), request(&[b"PING"])]),
        (
            "publish",
            [request(&[b"PUBLISH", b"room:1", &PAYLOAD]), request(&[b"PUBLISH", b"room:1", &PAYLOAD])],
        ),
        (
            "publish_in_turns",
            [request(&[b"PUBLISH", b"room:1", &PAYLOAD]), request(&[b"PUBLISH", b"room:2", &PAYLOAD])],
        ),
    ] {
        let client = Client::new(1, Address::Internal, Address::Internal, -1, NOW);
        let mut interpreter = Interpreter::new(Session::new(Arc::new(client), &broker));
        let mut workspace = Workspace::default();
        let mut decoder = Decoder::default();
        group.throughput(Throughput::Elements(COMMANDS));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                workspace.begin_turn(4096, Now { monotonic: monotonic(), unix: Duration::ZERO });
                for bytes in requests.iter().cycle().take(COMMANDS as usize) {
                    let request = decoder.decode(bytes, LIMITS, &mut 0).unwrap().unwrap();
                    assert!(interpreter.execute(&broker, &mut workspace, NOW, request));
                }
                interpreter.finish_burst(&broker, &mut workspace, NOW);
                broker.stats.add_turn(1, &mut workspace.counts);
                workspace.reply.clear();
            });
        });
    }
    group.finish();
}

fn monotonic() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

criterion_group!(micro, decoder, table, patterns, outbox, commands);
criterion_main!(micro);
