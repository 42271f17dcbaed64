//! What it costs to know what another instance wants: memory of a channel, on the side that wants it and on the other one.
//!
//! `cargo bench --bench interest`, with a number behind `--` for other than 100,000 channels. Memory is what the process has
//! more of, names included. Owns no figure of the server as a whole: those come from `benches/broker`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::ops::Range;
use std::sync::Arc;

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
    let mut pair = Pair {
        here: Subscriptions::new(KEYS),
        there: Subscriptions::new(KEYS),
        outbox: Arc::new(Outbox::new(1)),
        subscribed: Subscribed::default(),
        one: machine(1, 2),
        two: machine(2, 1),
        now_ms: 0,
    };
    // What it takes only while it happens is there already when it happens again.
    pair.grow(0..channels);
    let [subscribed, kept, known] =
        pair.grow(channels..2 * channels).map(|more| more as f64 / channels as f64);
    println!("{channels} channels like {:?}, bytes of each:", name(channels - 1));
    println!("  subscribed to                      {subscribed:>7.1}");
    println!("  and kept for peers                 {kept:>7.1}");
    println!("  known of a peer, and in the table  {known:>7.1}");
}

/// Two instances: clients are subscribed at the first, and the second hears of it.
struct Pair {
    here: Subscriptions,
    there: Subscriptions,
    outbox: Arc<Outbox>,
    subscribed: Subscribed,
    one: Interest,
    two: Interest,
    now_ms: u64,
}

impl Pair {
    /// Subscribes to more channels. Returns the bytes that each step took.
    fn grow(&mut self, numbers: Range<u64>) -> [i64; 3] {
        let at_first = resident();
        for number in numbers.clone() {
            let channel = name(number);
            self.here.subscribe(
                Kind::Channel,
                channel.as_bytes(),
                &self.outbox,
                &mut self.subscribed,
                |_| (),
            );
        }
        let subscribed = resident();
        for number in numbers.clone() {
            let (what, count) = self.here.local(Kind::Channel, name(number).as_bytes()).unwrap();
            self.one.set_subscribers(self.now_ms, &what, count);
        }
        let kept = resident();
        for _ in 0..200 {
            self.now_ms += 10;
            pass(&mut self.one, NodeId(1), &mut self.two, NodeId(2), self.now_ms, &self.here);
            pass(&mut self.two, NodeId(2), &mut self.one, NodeId(1), self.now_ms, &self.there);
        }
        let last = name(numbers.end - 1);
        assert_eq!(self.there.all_subscribers(ChannelKind::Global, last.as_bytes()), 1);
        [subscribed - at_first, kept - subscribed, resident() - kept]
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

/// Resident bytes of this process.
fn resident() -> i64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024
}
