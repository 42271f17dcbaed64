//! Two and three machines that are linked, cut off, restarted, and lose frames, against what is truly wanted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::pubsub::Kind;

const CHANNELS: u8 = 5;

/// What goes from one to another: a frame of the map, or that something is applied.
enum Frame {
    Map(Vec<u8>),
    Applied(u64),
}

struct Instance {
    interest: Interest,
    /// What peers want, by their bits.
    table: BTreeMap<(u32, Wanted), u32>,
    peers: Peers,
    /// How many are subscribed here.
    subscribers: BTreeMap<Wanted, usize>,
    confirmed: Vec<u64>,
}

/// Instances are numbered from 0, and are nodes from 1.
struct World {
    now_ms: u64,
    instances: Vec<Instance>,
    linked: BTreeSet<(usize, usize)>,
    lose: usize,
    /// That what somebody wants is in the table of somebody else was told; nothing of it may be missing from then on.
    promised: BTreeSet<(usize, Wanted, usize)>,
    starts: u64,
}

fn node(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

fn channel(number: u8) -> Wanted {
    match number {
        0 => Wanted::new(Kind::Pattern, b"*"),
        1 => Wanted::new(Kind::Shard, b"1"),
        number => Wanted::new(Kind::Channel, number.to_string().as_bytes()),
    }
}

impl World {
    fn new(count: usize) -> Self {
        let mut world = World {
            now_ms: 1,
            instances: Vec::new(),
            linked: BTreeSet::new(),
            lose: 0,
            promised: BTreeSet::new(),
            starts: 0,
        };
        for index in 0..count {
            let instance = world.start(index);
            world.instances.push(instance);
        }
        for index in 0..count {
            world.introduce(index);
        }
        for (one, other) in world.pairs() {
            world.link(one, other);
        }
        world
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.instances.len();
        (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))).collect()
    }

    fn start(&mut self, index: usize) -> Instance {
        self.starts += 1;
        let me = Owner { node: node(index), incarnation: Incarnation(self.starts << 20) };
        let mut settings = Settings::default();
        // So that snapshots happen.
        settings.replica.removal_bytes_max = 200;
        Instance {
            interest: Interest::new(me, settings, HashKeys::new([self.starts, 7]), self.now_ms),
            table: BTreeMap::new(),
            peers: Peers::default(),
            subscribers: BTreeMap::new(),
            confirmed: Vec::new(),
        }
    }

    fn introduce(&mut self, index: usize) {
        let now_ms = self.now_ms;
        let me = self.instances[index].interest.replica().me();
        for other in 0..self.instances.len() {
            let them = self.instances[other].interest.replica().me();
            self.instances[index].interest.node_up(now_ms, them.node, them.incarnation);
            self.instances[other].interest.node_up(now_ms, me.node, me.incarnation);
        }
    }

    fn link(&mut self, one: usize, other: usize) {
        if self.linked.insert((one, other)) {
            self.instances[one].interest.link_up(self.now_ms, node(other));
            self.instances[other].interest.link_up(self.now_ms, node(one));
        }
    }

    fn cut(&mut self, one: usize, other: usize) {
        if self.linked.remove(&(one, other)) {
            self.instances[one].interest.link_down(node(other));
            self.instances[other].interest.link_down(node(one));
        }
    }

    fn restart(&mut self, index: usize) {
        for (one, other) in self.pairs() {
            if one == index || other == index {
                self.cut(one, other);
            }
        }
        self.promised.retain(|(who, _, to)| *who != index && *to != index);
        self.instances[index] = self.start(index);
        self.introduce(index);
    }

    fn set(&mut self, index: usize, what: &Wanted, count: usize) {
        let instance = &mut self.instances[index];
        instance.interest.set_subscribers(self.now_ms, what, count);
        if count == 0 {
            instance.subscribers.remove(what);
            self.promised.retain(|(who, other, _)| (*who, other) != (index, what));
        } else {
            instance.subscribers.insert(what.clone(), count);
        }
    }

    /// What one has to do and to tell.
    fn turn(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        let mut frames = Vec::new();
        if instance.interest.next_timeout() <= self.now_ms {
            instance.interest.handle_timeout(self.now_ms);
        }
        loop {
            let more = instance.interest.work(3);
            while let Some(Wants { peer, what, count }) = instance.interest.poll_wants() {
                match count {
                    Some(count) => instance.table.insert((peer, what), count),
                    None => instance.table.remove(&(peer, what)),
                };
            }
            instance.peers = instance.interest.peers();
            frames.extend(
                std::iter::from_fn(|| instance.interest.poll_applied())
                    .map(|(to, version)| (to, Frame::Applied(version))),
            );
            if !more {
                break;
            }
        }
        let messages = std::iter::from_fn(|| instance.interest.poll_message());
        frames.extend(messages.map(|(to, frame)| (to, Frame::Map(frame))));
        for to in (1..=3).map(NodeId) {
            let parts = std::iter::from_fn(|| instance.interest.next_part(to));
            frames.extend(parts.map(|frame| (to, Frame::Map(frame))));
        }
        instance.confirmed.extend(std::iter::from_fn(|| instance.interest.poll_confirmed()));
        for (to, frame) in frames {
            self.receive(index, to.0 as usize - 1, frame);
        }
    }

    fn receive(&mut self, from: usize, to: usize, frame: Frame) {
        let instance = &mut self.instances[to];
        match frame {
            Frame::Map(_) if self.lose > 0 => self.lose -= 1,
            Frame::Map(frame) => {
                instance.interest.handle_message(self.now_ms, node(from), &frame, self.now_ms).unwrap();
            }
            Frame::Applied(version) => {
                instance.interest.acknowledged(node(from), version);
                let log = instance.interest.own_log();
                let applied =
                    instance.subscribers.keys().filter(|what| log.version_of(what) <= Some(version));
                self.promised.extend(applied.map(|what| (to, what.clone(), from)));
            }
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        // Long times in larger steps, for the test not to take as long.
        let step = if milliseconds > 100 { 20 } else { 5 };
        for _ in 0..milliseconds.div_ceil(step) {
            self.now_ms += step;
            for index in 0..self.instances.len() {
                self.turn(index);
                self.check();
            }
        }
    }

    /// To whom one forwards a message.
    fn forwards(&self, index: usize, what: &Wanted) -> u64 {
        let Instance { table, peers, .. } = &self.instances[index];
        let wanting = table.keys().filter(|(_, other)| other == what);
        let bits = wanting.map(|(bit, _)| 1 << bit).fold(0, |bits, bit: u64| bits | bit);
        (bits | peers.everything) & peers.linked
    }

    /// What has been promised is kept.
    fn check(&self) {
        for (index, what, publisher) in &self.promised {
            let instance = &self.instances[*publisher];
            let Some(bit) = instance.interest.bit(node(*index)) else { continue };
            if instance.peers.linked >> bit & 1 == 1 {
                assert!(
                    self.forwards(*publisher, what) >> bit & 1 == 1,
                    "{publisher} does not forward {what:?} to {index}, which was promised"
                );
            }
        }
    }

    /// All know what all want, and nothing else.
    fn check_end(&self) {
        for (index, instance) in self.instances.iter().enumerate() {
            let others = self.instances.iter().enumerate().filter(|(other, _)| *other != index);
            let truth: BTreeMap<(u32, Wanted), u32> = others
                .flat_map(|(other, them)| {
                    let bit = instance.interest.bit(node(other)).unwrap();
                    them.subscribers.iter().map(move |(what, count)| ((bit, what.clone()), *count as u32))
                })
                .collect();
            assert_eq!(instance.table, truth);
            assert_eq!(instance.peers.everything, 0);
            assert_eq!(instance.peers.linked.count_ones() as usize, self.instances.len() - 1);
            assert_eq!(instance.interest.replica().counts().divergences, 0);
            assert_eq!(instance.interest.poll_fault_ref(), None);
        }
    }
}

impl Interest {
    fn poll_fault_ref(&self) -> Option<&Fault> {
        self.faults.front()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u8, usize),
    Pass(u64),
    Cut(usize),
    Link(usize),
    Lose(usize),
    Restart(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 0..CHANNELS, 0..3_usize).prop_map(|(index, what, count)| Step::Set(index, what, count)),
        4 => prop_oneof![1..60_u64, 500..3_000_u64].prop_map(Step::Pass),
        1 => (0..3_usize).prop_map(Step::Cut),
        2 => (0..3_usize).prop_map(Step::Link),
        1 => (1..10_usize).prop_map(Step::Lose),
        1 => (0..3_usize).prop_map(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn they_become_alike_and_keep_what_was_promised(count in 2..4_usize, steps in steps()) {
        let mut world = World::new(count);
        let pairs = world.pairs();
        for step in steps {
            match step {
                Step::Set(index, what, subscribers) => world.set(index % count, &channel(what), subscribers),
                Step::Pass(milliseconds) => world.pass(milliseconds),
                Step::Cut(pair) => {
                    let (one, other) = pairs[pair % pairs.len()];
                    world.cut(one, other);
                }
                Step::Link(pair) => {
                    let (one, other) = pairs[pair % pairs.len()];
                    world.link(one, other);
                }
                Step::Lose(frames) => world.lose = frames,
                Step::Restart(index) => world.restart(index % count),
            }
        }
        world.lose = 0;
        for (one, other) in pairs {
            world.link(one, other);
        }
        // Former lives are forgotten too.
        world.pass(30_000);
        world.check_end();
    }
}

fn two() -> World {
    let mut world = World::new(2);
    world.pass(100);
    world
}

/// What the second one knows of what the first one wants.
fn known(world: &World, what: &Wanted) -> Option<u32> {
    let bit = world.instances[1].interest.bit(node(0)).unwrap();
    world.instances[1].table.get(&(bit, what.clone())).copied()
}

#[test]
fn the_first_subscriber_is_told_at_once_and_others_together() {
    let mut world = two();
    let what = channel(3);
    world.set(0, &what, 1);
    world.turn(0);
    world.turn(1);
    assert_eq!(known(&world, &what), Some(1));
    let version = world.instances[0].interest.version_of(&what).unwrap();
    assert!(world.instances[0].interest.is_confirmed(version));
    (2..50).for_each(|count| world.set(0, &what, count));
    assert_eq!(world.instances[0].interest.version_of(&what), Some(version));
    world.pass(60);
    assert_eq!(known(&world, &what), Some(49));
    assert_eq!(world.instances[0].interest.version_of(&what), Some(version + 1));
}

#[test]
fn the_last_one_lingers_in_the_bit_and_not_in_the_count() {
    let mut world = two();
    let what = channel(3);
    world.set(0, &what, 2);
    world.pass(100);
    world.set(0, &what, 0);
    world.pass(60);
    assert_eq!(known(&world, &what), Some(0));
    world.pass(600);
    // Somebody comes back in time, and goes again: the time begins anew.
    world.set(0, &what, 1);
    world.pass(100);
    assert_eq!(known(&world, &what), Some(1));
    world.set(0, &what, 0);
    world.pass(900);
    assert_eq!(known(&world, &what), Some(0));
    world.pass(200);
    assert_eq!(known(&world, &what), None);
}

#[test]
fn who_does_not_answer_is_waited_for_once() {
    let mut world = two();
    let (first, second) = (channel(2), channel(3));
    let set = |world: &mut World, what: &Wanted, client: u64| {
        world.set(0, what, 1);
        let now_ms = world.now_ms;
        let interest = &mut world.instances[0].interest;
        let version = interest.version_of(what).unwrap();
        interest.wait_for_peers(now_ms, version, client)
    };
    // The other one stands still.
    assert!(set(&mut world, &first, 7));
    let now_ms = world.now_ms;
    let interest = &mut world.instances[0].interest;
    assert_eq!(interest.poll_confirmed(), None);
    interest.handle_timeout(now_ms + 99);
    assert_eq!(interest.poll_confirmed(), None);
    assert!(interest.next_timeout() <= now_ms + 100);
    interest.handle_timeout(now_ms + 100);
    assert_eq!((interest.poll_confirmed(), interest.poll_confirmed()), (Some(7), None));
    assert_eq!(interest.counts().unheard, 1);
    world.now_ms += 100;
    assert!(!set(&mut world, &second, 8));
    assert_eq!(world.instances[0].interest.counts().unheard, 2);
    // It goes on.
    world.pass(10);
    assert!(world.instances[0].confirmed.is_empty());
    let third = channel(4);
    assert!(set(&mut world, &third, 9));
    world.pass(10);
    assert_eq!(world.instances[0].confirmed, [9]);
    assert_eq!(world.instances[0].interest.counts().unheard, 2);
}

#[test]
fn a_peer_that_goes_is_waited_for_no_more_and_who_is_alone_waits_for_nobody() {
    let mut world = two();
    world.set(0, &channel(2), 1);
    let now_ms = world.now_ms;
    let interest = &mut world.instances[0].interest;
    let version = interest.version_of(&channel(2)).unwrap();
    assert!(interest.wait_for_peers(now_ms, version, 1));
    world.cut(0, 1);
    let interest = &mut world.instances[0].interest;
    assert_eq!(interest.poll_confirmed(), Some(1));
    assert!(!interest.wait_for_peers(now_ms, version, 2));
    assert_eq!(interest.counts().unheard, 0);
}

#[test]
fn the_65th_gets_a_number_when_there_is_one() {
    let owner = |number: u64| Owner { node: NodeId(number), incarnation: Incarnation(1) };
    let mut interest = Interest::new(owner(1), Settings::default(), HashKeys::new([1, 2]), 0);
    (2..=66).for_each(|number| interest.node_up(0, NodeId(number), Incarnation(1)));
    assert_eq!(interest.counts().refused_peers, 1);
    let bits: BTreeSet<u32> = (2..66).filter_map(|number| interest.bit(NodeId(number))).collect();
    assert_eq!(bits.len(), 64);
    assert_eq!(interest.bit(NodeId(66)), None);
    // What it wants is known, and counts from when it has a number.
    let mut other = Interest::new(owner(66), Settings::default(), HashKeys::new([3, 4]), 0);
    other.node_up(0, NodeId(1), Incarnation(1));
    other.link_up(0, NodeId(1));
    interest.link_up(0, NodeId(66));
    other.set_subscribers(0, &channel(3), 4);
    let mut wants = VecDeque::new();
    for now_ms in (0..200).step_by(10) {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for (machine, frames) in [(&mut interest, &mut here), (&mut other, &mut there)] {
            machine.handle_timeout(now_ms);
            while machine.work(100) {}
            wants.extend(std::iter::from_fn(|| machine.poll_wants()));
            frames.extend(std::iter::from_fn(|| machine.poll_message()));
            let to = [NodeId(1), NodeId(66)];
            to.iter().for_each(|to| {
                while let Some(frame) = machine.next_part(*to) {
                    frames.push((*to, frame))
                }
            });
        }
        here.into_iter().for_each(|(_, frame)| other.handle_message(now_ms, NodeId(1), &frame, 0).unwrap());
        there
            .into_iter()
            .for_each(|(_, frame)| interest.handle_message(now_ms, NodeId(66), &frame, 0).unwrap());
    }
    assert_eq!(wants, []);
    assert_eq!((interest.peers(), interest.poll_applied()), (Peers::default(), None));
    interest.node_down(200, NodeId(7));
    let bit = interest.bit(NodeId(66)).unwrap();
    assert_eq!(interest.poll_wants(), Some(Wants { peer: bit, what: channel(3), count: Some(4) }));
    assert_eq!(interest.poll_wants(), None);
    assert_eq!(interest.peers(), Peers { linked: 1 << bit, ..Peers::default() });
    assert_eq!(interest.poll_applied(), Some((NodeId(66), 1)));
}
