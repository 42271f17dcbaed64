//! What it costs to know what another instance wants: memory of a channel, on the side that wants it and on the other one.
//!
//! `cargo bench --bench interest`, with a number behind `--` for other than 100,000 channels. Memory is what the process has
//! more of, names included. Owns no figure of the server as a whole: those come from `benches/broker`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::sync::Arc;

use hereabouts::broker::subscriptions::Subscriptions;
use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::map::HashKeys;
use hereabouts::outbox::Outbox;
use hereabouts::pubsub::interest::{Interest, Settings, Wants};
use hereabouts::pubsub::{Kind, Subscribed};

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
    let (here, there) = (Subscriptions::new(KEYS), Subscriptions::new(KEYS));
    let (outbox, mut subscribed) = (Arc::new(Outbox::new(1)), Subscribed::default());
    let (mut one, mut two) = (machine(1, 2), machine(2, 1));
    let each = |before: i64| (resident() - before) as f64 / channels as f64;

    let before = resident();
    for number in 0..channels {
        here.subscribe(Kind::Channel, name(number).as_bytes(), &outbox, &mut subscribed, |_| ());
    }
    println!("{channels} channels like {:?}, bytes of each:", name(channels - 1));
    println!("  subscribed to, without peers       {:>7.1}", each(before));
    let before = resident();
    for number in 0..channels {
        let (what, count) = here.local(Kind::Channel, name(number).as_bytes()).unwrap();
        one.set_subscribers(0, &what, count);
    }
    println!("  and kept for peers                 {:>7.1}", each(before));
    let before = resident();
    for now_ms in (0..2_000).step_by(10) {
        pass(&mut one, NodeId(1), &mut two, NodeId(2), now_ms, &here);
        pass(&mut two, NodeId(2), &mut one, NodeId(1), now_ms, &there);
    }
    println!("  known of a peer, and in the table  {:>7.1}", each(before));
    assert_eq!(there.all_subscribers(hereabouts::resp::push::ChannelKind::Global, name(7).as_bytes()), 1);
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
    from.handle_timeout(now_ms, 0);
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
