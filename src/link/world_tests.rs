//! Two sides and the connections between them, in one thread and in virtual time: whatever is lost, each publisher's messages
//! arrive in order, none twice, and every one that does not arrive is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::*;
use crate::crdt::{Incarnation, NodeId, Owner};
use crate::resp::push::ChannelKind;
use crate::time::Now;

#[path = "../../tests/simulation/random.rs"]
#[allow(dead_code)]
mod random;

use random::Random;

const MESSAGE_MAX: u64 = 600_000;
const LIMIT: usize = 1_500_000;
/// Bytes that the system holds in each direction.
const PIPE_BYTES: usize = 100_000;

/// What one side has, over all lives of its `Links`.
struct Side {
    node: NodeId,
    incarnation: u64,
    links: Links,
    /// Next number of each publisher.
    published: BTreeMap<u64, u64>,
    accepted: u64,
    refused: BTreeMap<&'static str, u64>,
    /// Last number that has come from each of the other side's publishers.
    arrived: BTreeMap<u64, u64>,
    delivered: u64,
    /// What the other side's messages died of, as told by events.
    lost: BTreeMap<&'static str, u64>,
    is_up: bool,
}

/// One connection: an end at each side, if it is still open there, and the bytes that are on their way to it.
struct Wire {
    ends: [Option<End>; 2],
    pipes: [VecDeque<u8>; 2],
    broken: bool,
}

struct End {
    connection: Connection,
    id: Option<ConnectionId>,
}

struct World {
    random: Random,
    now: Now,
    sides: [Side; 2],
    wires: Vec<Wire>,
}

fn me(node: u64, incarnation: u64) -> Me {
    Me {
        owner: Owner { node: NodeId(node), incarnation: Incarnation(incarnation) },
        cluster: b"test".to_vec(),
        features: 0,
        message_max: MESSAGE_MAX,
        clients: ClientAddress::default(),
    }
}

fn secrets() -> Secrets {
    Secrets::new(Some(b"secret".to_vec()), None)
}

impl World {
    fn new(seed: u64) -> Self {
        let side = |node: u64, other: u64| Side {
            node: NodeId(node),
            incarnation: 1,
            links: Links::new(me(node, 1), NodeId(other), settings(2), seed ^ node),
            published: BTreeMap::new(),
            accepted: 0,
            refused: BTreeMap::new(),
            arrived: BTreeMap::new(),
            delivered: 0,
            lost: BTreeMap::new(),
            is_up: false,
        };
        let sides = [side(1, 2), side(2, 1)];
        World { random: Random::new(seed), now: Now::default(), sides, wires: Vec::new() }
    }

    fn nonce(&mut self) -> [u8; 32] {
        [self.random.next() as u8; 32]
    }

    /// Does what a side wants after it has been called.
    fn drain(&mut self, at: usize) {
        while let Some(event) = self.sides[at].links.poll_event() {
            let side = &mut self.sides[at];
            match event {
                Event::Up => assert!(!std::mem::replace(&mut side.is_up, true)),
                Event::Down => assert!(std::mem::replace(&mut side.is_up, false)),
                Event::Close(id) => self.wires.iter_mut().for_each(|wire| {
                    wire.ends[at].take_if(|end| end.id == Some(id));
                }),
                Event::Lost(loss, count) => *side.lost.entry(loss.name()).or_default() += count,
                Event::Wake(_) | Event::Interest(_) => {}
            }
        }
        let node = self.sides[1].node;
        while let Some(Dial { id, hello }) = self.sides[at].links.poll_dial() {
            let (ours, theirs) = (self.nonce(), self.nonce());
            let dialled = Connection::dial(hello, node, secrets(), true, ours).unwrap();
            let accepted =
                Connection::accept(me(2, self.sides[1].incarnation), secrets(), true, theirs).unwrap();
            let ends = [
                Some(End { connection: dialled, id: Some(id) }),
                Some(End { connection: accepted, id: None }),
            ];
            self.wires.push(Wire { ends, pipes: Default::default(), broken: false });
        }
    }

    fn publish(&mut self, at: usize) {
        let publisher = self.random.below(7);
        let length = match self.random.below(20) {
            0 => self.random.below(500_000),
            1 => self.random.below(70_000),
            _ => self.random.below(2_000),
        };
        let side = &mut self.sides[at];
        let number = side.published.entry(publisher).or_default();
        *number += 1;
        let mut payload = [publisher.to_be_bytes(), number.to_be_bytes()].concat();
        payload.resize(16 + length as usize, *number as u8);
        let frame = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload: &payload };
        let mut scratch = Vec::new();
        match side.links.publish(publisher, &Outgoing::new(&frame, &mut scratch)) {
            Ok(_) => side.accepted += 1,
            Err(loss) => *side.refused.entry(loss.name()).or_default() += 1,
        }
    }

    /// A side writes what it has, if the system takes it.
    fn write(&mut self, wire: usize, at: usize) {
        let Wire { ends, pipes, broken } = &mut self.wires[wire];
        let Some(end) = &mut ends[at] else { return };
        let pipe = &mut pipes[1 - at];
        while pipe.len() < PIPE_BYTES {
            let mut batch = Vec::new();
            end.connection.take_output(&mut batch);
            if let Some(id) = end.id {
                self.sides[at].links.take(id, &mut batch);
            }
            if batch.is_empty() {
                return;
            }
            if !*broken {
                pipe.extend(batch);
            }
        }
    }

    /// Some bytes arrive at a side, or it sees that the other is gone.
    fn read(&mut self, wire: usize, at: usize) {
        let pieces = self.random.between(1, 60_000);
        let entropy = self.random.next();
        let Wire { ends, pipes, broken } = &mut self.wires[wire];
        let is_over = *broken || ends[1 - at].is_none();
        let Some(end) = &mut ends[at] else { return };
        let pipe = &mut pipes[at];
        if pipe.is_empty() {
            if is_over {
                let end = ends[at].take();
                let id = end.and_then(|end| end.id);
                id.into_iter().for_each(|id| self.sides[at].links.lost(self.now.monotonic, id, entropy));
                self.drain(at);
            }
            return;
        }
        let bytes: Vec<u8> = pipe.drain(..pipe.len().min(pieces as usize)).collect();
        let mut bytes = bytes.as_slice();
        loop {
            let side = &mut self.sides[at];
            let id = end.id;
            let mut deliver = |frame: Frame<'_>| {
                side.deliver(id, frame);
                true
            };
            match end.connection.receive(self.now, bytes, &mut deliver) {
                Err(failure) => panic!("{failure}"),
                Ok(false) => break,
                Ok(true) => {
                    let agreed = end.connection.agreed().unwrap();
                    let links = &mut side.links;
                    let opened = match end.id {
                        Some(id) => links.established(self.now.monotonic, id, agreed, entropy).map(|()| id),
                        None => links.accept(self.now.monotonic, agreed, entropy),
                    };
                    match opened {
                        Ok(id) => end.id = Some(id),
                        Err(_) => {
                            ends[at] = None;
                            break;
                        }
                    }
                    bytes = &[];
                }
            }
        }
        self.drain(at);
    }

    /// A side begins anew: as another process, or because it had given the other one up and forgotten it.
    fn restart(&mut self, at: usize) {
        let (is_other_process, life) = (self.random.chance(500), self.random.next());
        let side = &mut self.sides[at];
        side.incarnation += u64::from(is_other_process);
        let me = me(side.node.0, side.incarnation);
        side.links = Links::new(me, NodeId(3 - side.node.0), settings(2), life);
        side.is_up = false;
        self.wires.iter_mut().for_each(|wire| wire.ends[at] = None);
    }

    fn step(&mut self, faults: bool) {
        self.now.monotonic += Duration::from_millis(self.random.below(5));
        for at in 0..2 {
            let entropy = self.random.next();
            let links = &mut self.sides[at].links;
            if links.next_timeout().is_some_and(|at| at <= self.now.monotonic) {
                links.handle_timeout(self.now.monotonic, entropy);
            }
            self.drain(at);
        }
        if faults {
            let at = self.random.below(2) as usize;
            (0..self.random.below(6)).for_each(|_| self.publish(at));
            if self.random.chance(10) && !self.wires.is_empty() {
                let wire = self.random.below(self.wires.len() as u64) as usize;
                self.wires[wire].broken = true;
                // Of what is on its way some still arrives.
                for pipe in &mut self.wires[wire].pipes {
                    pipe.truncate(self.random.below(pipe.len() as u64 + 1) as usize);
                }
            }
            if self.random.chance(2) {
                let (number, entropy) = (self.random.between(1, 4), self.random.next());
                let links = &mut self.sides[0].links;
                links.configure(self.now.monotonic, settings(number), MESSAGE_MAX, entropy);
                self.drain(0);
            }
        }
        for wire in 0..self.wires.len() {
            let at = self.random.below(2) as usize;
            match self.random.below(3) {
                0 => self.write(wire, at),
                _ => self.read(wire, at),
            }
        }
        self.wires.retain(|wire| wire.ends.iter().any(Option::is_some));
    }

    fn is_quiet(&self) -> bool {
        self.wires.iter().all(|wire| wire.pipes.iter().all(VecDeque::is_empty))
            && self.sides.iter().all(|side| {
                let report = side.links.report();
                report.standing == Standing::Up && report.queued_bytes == 0
            })
    }
}

fn settings(data_links: u64) -> Settings {
    Settings { data_links, limit_bytes: LIMIT }
}

impl Side {
    fn deliver(&mut self, id: Option<ConnectionId>, frame: Frame<'_>) {
        let id = id.expect("frames come after the handshake");
        if !self.links.is_current(id) || self.links.handle_frame(id, &frame) {
            return;
        }
        let Frame::Message { channel: b"news", payload, .. } = frame else { panic!("{frame:?}") };
        let word = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().unwrap());
        let (publisher, number) = (word(0), word(8));
        assert!(payload[16..].iter().all(|byte| *byte == number as u8), "a message was corrupted");
        let last = self.arrived.entry(publisher).or_default();
        assert!(number > *last, "{number} of {publisher} came after {last}");
        *last = number;
        self.delivered += 1;
        self.links.note_read(id, 1);
    }
}

fn run(seed: u64, restarts: bool) -> (u64, u64) {
    let mut world = World::new(seed);
    for step in 0..1000 {
        world.step(true);
        if restarts && step % 40 == 0 && world.random.chance(300) {
            let at = world.random.below(2) as usize;
            world.restart(at);
        }
    }
    // Faults stop; one more set, so that each side says what it had handed over before.
    let (now, entropy) = (world.now.monotonic, world.random.next());
    let links = &mut world.sides[0].links;
    links.configure(now, settings(5), MESSAGE_MAX, entropy);
    world.drain(0);
    // It is quiet when for some seconds nothing has happened.
    let (mut steps, mut quiet_steps) = (0, 0);
    while quiet_steps < 1000 {
        world.step(false);
        quiet_steps = if world.is_quiet() { quiet_steps + 1 } else { 0 };
        steps += 1;
        assert!(steps < 100_000, "{:?}", world.sides.map(|side| side.links.report()));
    }
    let mut lost_by_reconnects = 0;
    for (sender, receiver) in [(0, 1), (1, 0)] {
        let (sender, receiver) = (&world.sides[sender], &world.sides[receiver]);
        let reconnect = receiver.lost.get("reconnect").copied().unwrap_or_default();
        lost_by_reconnects += reconnect;
        if restarts {
            // What a process that is gone had accepted is counted by nobody, but nothing is missed that was not sent.
            assert!(receiver.delivered + reconnect <= sender.accepted);
            continue;
        }
        assert_eq!(sender.accepted, receiver.delivered + reconnect, "accepted = delivered + lost");
        let told: BTreeMap<_, _> =
            receiver.lost.iter().filter(|(loss, _)| **loss != "reconnect").map(|(l, c)| (*l, *c)).collect();
        assert_eq!(sender.refused, told, "what was dropped is told");
    }
    (lost_by_reconnects, world.sides.iter().map(|side| side.refused.values().sum::<u64>()).sum())
}

fn run_seeds(restarts: bool) {
    let (mut reconnects, mut refused) = (0, 0);
    let seeds = std::env::var("LINK_SEEDS").ok().map_or(6, |text| text.parse().unwrap());
    for seed in 0..seeds {
        println!("seed {seed}");
        let (lost, dropped) = run(seed, restarts);
        reconnects += lost;
        refused += dropped;
    }
    assert!(reconnects > 0 && refused > 0, "the faults were none: {reconnects}, {refused}");
}

#[test]
fn every_message_arrives_in_order_or_is_counted() {
    run_seeds(false);
}

#[test]
fn nothing_is_missed_that_was_sent_to_a_former_life() {
    run_seeds(true);
}
