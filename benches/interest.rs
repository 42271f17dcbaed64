//! What it costs to know what another instance wants: memory of a channel, on the side that wants it and on the other one.
//!
//! `cargo bench --bench interest`, with a number behind `--` for other than 100,000 channels. Memory is what the process has
//! more of, names included. Owns no figure of the server as a whole: those come from `benches/broker`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hereabouts::broker::subscriptions::Subscriptions;
use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::map::HashKeys;
use hereabouts::outbox::Outbox;
use hereabouts::pubsub::interest::{Interest, Settings, Wants};
use hereabouts::pubsub::{Kind, Subscribed};
use hereabouts::resp::push::ChannelKind;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: HashKeys = HashKeys::new([1, 2]);

fn name(number: u64) -> String {
    format!("room:{number}:chat")
}

fn machine(node: u64, other: u64) -> Interest {
    let me = Owner { node: NodeId(node), incarnation: Incarnation(1) };
    let mut machine = Interest::new(me, Settings::default(), KEYS, 0);
    machine.node_up(0, NodeId(other), Incarnation(1));
    machine.link_up(0, NodeId(other));
    machine
}

fn main() {
    // Cargo passes `--bench`.
    let number = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let channels: u64 =
        number.map_or(100_000, |number| number.parse().expect("the number of channels is none"));
    let mut table = Table {
        subscriptions: Subscriptions::new(KEYS),
        outbox: Arc::new(Outbox::new(1)),
        subscribed: Subscribed::default(),
    };
    let (mut alone, mut pair) = (machine(3, 4), Pair::new());
    let subscribed = bytes_of_each(channels, |numbers| table.subscribe(numbers));
    let kept = bytes_of_each(channels, |numbers| table.keep(numbers, &mut alone, 0));
    let kept_and_known = bytes_of_each(channels, |numbers| {
        table.keep(numbers.clone(), &mut pair.one, pair.now_ms);
        pair.tell(&table.subscriptions);
        let last = name(numbers.end - 1);
        assert_eq!(pair.there.all_subscribers(ChannelKind::Global, last.as_bytes()), 1);
    });
    let known = kept_and_known - kept;
    println!("{channels} channels like {:?}, bytes of each:", name(channels - 1));
    println!("  subscribed to                      {subscribed:>7.1}");
    println!("  and kept for peers                 {kept:>7.1}");
    println!("  known of a peer, and in the table  {known:>7.1}");
}

/// What a step takes for each further channel: when it is done for the second time, what it needs only for a while is there.
fn bytes_of_each(channels: u64, mut step: impl FnMut(Range<u64>)) -> f64 {
    step(0..channels);
    let before = resident();
    step(channels..2 * channels);
    (resident() - before) as f64 / channels as f64
}

/// Where a client is subscribed.
struct Table {
    subscriptions: Subscriptions,
    outbox: Arc<Outbox>,
    subscribed: Subscribed,
}

impl Table {
    fn subscribe(&mut self, numbers: Range<u64>) {
        for channel in numbers.map(name) {
            let Table { subscriptions, outbox, subscribed } = self;
            subscriptions.subscribe(Kind::Channel, channel.as_bytes(), outbox, subscribed, |_| ());
        }
    }

    fn keep(&self, numbers: Range<u64>, machine: &mut Interest, now_ms: u64) {
        for channel in numbers.map(name) {
            let (what, count) = self.subscriptions.local(Kind::Channel, channel.as_bytes()).unwrap();
            machine.set_subscribers(now_ms, &what, count);
        }
    }
}

/// Two instances that are linked, and the table of the second one.
struct Pair {
    one: Interest,
    two: Interest,
    there: Subscriptions,
    now_ms: u64,
}

impl Pair {
    fn new() -> Self {
        Pair { one: machine(1, 2), two: machine(2, 1), there: Subscriptions::new(KEYS), now_ms: 0 }
    }

    fn tell(&mut self, here: &Subscriptions) {
        for _ in 0..200 {
            self.now_ms += 10;
            pass(&mut self.one, NodeId(1), &mut self.two, NodeId(2), self.now_ms, here);
            pass(&mut self.two, NodeId(2), &mut self.one, NodeId(1), self.now_ms, &self.there);
        }
    }
}

/// One does what it has to, and tells the other.
fn pass(
    from: &mut Interest,
    me: NodeId,
    to: &mut Interest,
    peer: NodeId,
    now_ms: u64,
    table: &Subscriptions,
) {
    from.handle_timeout(now_ms);
    loop {
        let more = from.work(1_000);
        while let Some(Wants { peer, what, count }) = from.poll_wants() {
            table.set_wanted(&what, peer, count);
        }
        if !more {
            break;
        }
    }
    table.set_peers(from.peers());
    while let Some((_, frame)) = from.poll_message() {
        to.handle_message(now_ms, me, &frame, 0).unwrap();
    }
    while let Some(frame) = from.next_part(peer) {
        to.handle_message(now_ms, me, &frame, 0).unwrap();
    }
}

/// Resident bytes of this process, when the allocator has given back what is free: it does so a while later (a second), and when
/// something else is freed.
fn resident() -> i64 {
    for _ in 0..15 {
        thread::sleep(Duration::from_millis(100));
        drop(black_box(vec![1_u8; 1 << 20]));
    }
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024
}
