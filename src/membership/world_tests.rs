//! A virtual network of instances: what the simulation of membership runs in.
//!
//! Owns time, hosts and the ways in which datagrams go astray. One seed decides everything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::crdt::{Incarnation, NodeId, Owner};

/// What the kernel keeps for a process that stands still.
const INBOX_MAX: usize = 300;
/// As in the shell.
const LAG_MS: u64 = 1_000;

pub(super) struct Host {
    pub(super) machine: Option<Membership>,
    pub(super) node: NodeId,
    pub(super) secrets: Vec<Vec<u8>>,
    /// What its clock is ahead of true time.
    pub(super) clock_ahead_ms: i64,
    pub(super) paused_until_ms: u64,
    inbox: Vec<(SocketAddr, Vec<u8>)>,
    /// Since it was started.
    pub(super) events: Vec<(u64, Event)>,
    view: BTreeMap<NodeId, Owner>,
    pub(super) seeds: Vec<usize>,
}

type Flight = Reverse<(u64, u64, SocketAddr, usize, Vec<u8>)>;

pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) random: SmallRng,
    pub(super) hosts: Vec<Host>,
    flying: BinaryHeap<Flight>,
    sent: u64,
    pub(super) loss: f64,
    pub(super) duplicates: f64,
    pub(super) delay_ms: u64,
    pub(super) remember_down_ms: u64,
    /// From one host to another nothing goes.
    pub(super) cuts: Vec<(usize, usize)>,
    /// Everything that ever was sent, for who wants to send it again.
    pub(super) recorded: Vec<(SocketAddr, usize, Vec<u8>)>,
    /// So likely each datagram makes somebody send an old one again.
    pub(super) replays: f64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) trace: u64,
}

pub(super) fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host as u8 + 1], 17_379))
}

impl World {
    /// All hosts run, and the first one is everybody's seed.
    pub(super) fn new(seed: u64, hosts: usize) -> Self {
        let mut world = World::asleep(seed, hosts);
        (0..hosts).for_each(|host| world.start(host));
        world
    }

    pub(super) fn asleep(seed: u64, hosts: usize) -> Self {
        let host = |number: usize| Host {
            machine: None,
            node: NodeId(number as u64 + 1),
            secrets: vec![b"secret".to_vec()],
            clock_ahead_ms: 0,
            paused_until_ms: 0,
            inbox: Vec::new(),
            events: Vec::new(),
            view: BTreeMap::new(),
            seeds: vec![0],
        };
        World {
            now_ms: 1_000_000,
            random: SmallRng::seed_from_u64(seed),
            hosts: (0..hosts).map(host).collect(),
            flying: BinaryHeap::new(),
            sent: 0,
            loss: 0.0,
            duplicates: 0.0,
            delay_ms: 5,
            remember_down_ms: Settings::default().remember_down_ms,
            cuts: Vec::new(),
            recorded: Vec::new(),
            replays: 0.0,
            refused: BTreeMap::new(),
            trace: 0,
        }
    }

    pub(super) fn start(&mut self, host: usize) {
        let unix_ms =
            1_700_000_000_000_u64.saturating_add_signed(self.hosts[host].clock_ahead_ms) + self.now_ms;
        let incarnation = Incarnation::draw(unix_ms, None, self.random.next_u64());
        let owner = Owner { node: self.hosts[host].node, incarnation };
        let link = SocketAddr::from(([10, 0, 0, host as u8 + 1], 6_379));
        let settings = Settings {
            cluster_name: b"simulated".to_vec(),
            secrets: self.hosts[host].secrets.clone(),
            remember_down_ms: self.remember_down_ms,
            ..Settings::default()
        };
        let me = Peer::new(owner, address(host), link, (1, 1));
        let mut machine = Membership::new(me, &settings, self.random.next_u64(), self.now_ms);
        for (number, seed) in self.hosts[host].seeds.iter().enumerate() {
            machine.set_seed(self.now_ms, number as u64, vec![address(*seed)]);
        }
        let host = &mut self.hosts[host];
        host.machine = Some(machine);
        host.paused_until_ms = 0;
        host.inbox.clear();
        host.events.clear();
        host.view.clear();
    }

    pub(super) fn start_as_another(&mut self, host: usize) {
        self.hosts[host].node = NodeId(self.random.next_u64());
        self.start(host);
    }

    pub(super) fn crash(&mut self, host: usize) {
        self.hosts[host].machine = None;
    }

    pub(super) fn leave(&mut self, host: usize) {
        let now_ms = self.now_ms;
        if let Some(machine) = &mut self.hosts[host].machine {
            machine.leave(now_ms);
            self.drain(host);
        }
    }

    pub(super) fn pause(&mut self, host: usize, for_ms: u64) {
        self.hosts[host].paused_until_ms = self.now_ms + for_ms;
    }

    /// Nothing goes between these and the others.
    pub(super) fn split(&mut self, some: &[usize]) {
        for one in 0..self.hosts.len() {
            for other in 0..self.hosts.len() {
                if some.contains(&one) != some.contains(&other) {
                    self.cuts.push((one, other));
                }
            }
        }
    }

    pub(super) fn machine(&self, host: usize) -> &Membership {
        self.hosts[host].machine.as_ref().unwrap()
    }

    pub(super) fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].machine.is_some()).collect()
    }

    /// Whether each that lives sees all that live, in their present lives, and nobody else.
    pub(super) fn all_agree(&self) -> bool {
        let mut owners: Vec<_> = self.living().iter().map(|host| self.machine(*host).me().owner).collect();
        owners.sort_unstable();
        self.living().into_iter().all(|host| {
            let machine = self.machine(host);
            let mut seen: Vec<_> =
                machine.peers().map(|peer| peer.owner).chain([machine.me().owner]).collect();
            seen.sort_unstable();
            seen == owners
        })
    }

    /// How long it takes until all agree.
    pub(super) fn until_all_agree(&mut self, at_most_ms: u64) -> u64 {
        let began_ms = self.now_ms;
        while !self.all_agree() {
            assert!(self.now_ms < began_ms + at_most_ms, "they do not agree: {:#?}", self.views());
            self.run(50);
        }
        self.now_ms - began_ms
    }

    fn views(&self) -> Vec<(u64, Vec<u64>)> {
        let view = |host: usize| self.machine(host).peers().map(|peer| peer.owner.node.0).collect();
        self.living().into_iter().map(|host| (self.hosts[host].node.0, view(host))).collect()
    }

    /// When `host` heard something of `node` that `is` describes, since `from_ms`.
    pub(super) fn heard(&self, host: usize, from_ms: u64, is: impl Fn(&Event) -> bool) -> Option<u64> {
        self.hosts[host]
            .events
            .iter()
            .find(|(at_ms, event)| *at_ms >= from_ms && is(event))
            .map(|(at_ms, _)| *at_ms)
    }

    pub(super) fn run(&mut self, for_ms: u64) {
        let end_ms = self.now_ms + for_ms;
        loop {
            let arrival = self.flying.peek().map(|flight| flight.0.0);
            let due = (0..self.hosts.len()).filter_map(|host| self.wakes_at(host)).min();
            let Some(next_ms) = arrival.into_iter().chain(due).min().filter(|next| *next <= end_ms) else {
                break;
            };
            self.now_ms = self.now_ms.max(next_ms);
            while self.flying.peek().is_some_and(|flight| flight.0.0 <= self.now_ms) {
                let Reverse((_, _, from, to, datagram)) = self.flying.pop().unwrap();
                self.arrive(from, to, datagram);
            }
            for host in 0..self.hosts.len() {
                if self.wakes_at(host).is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.wake(host);
                }
            }
        }
        self.now_ms = end_ms;
    }

    fn wakes_at(&self, host: usize) -> Option<u64> {
        let host = &self.hosts[host];
        let due = host.machine.as_ref()?.next_timeout()?;
        Some(due.max(host.paused_until_ms))
    }

    /// As the shell does: lag first, then what has arrived, and only then the timers.
    fn wake(&mut self, host: usize) {
        let due = self.machine(host).next_timeout().unwrap();
        let lag_ms = self.now_ms - due;
        if lag_ms > LAG_MS {
            self.hosts[host].machine.as_mut().unwrap().handle_lag(lag_ms);
        }
        for (from, datagram) in std::mem::take(&mut self.hosts[host].inbox) {
            self.take(from, host, &datagram);
        }
        let now_ms = self.now_ms;
        if let Some(machine) = &mut self.hosts[host].machine {
            machine.handle_timeout(now_ms);
            self.drain(host);
        }
    }

    fn arrive(&mut self, from: SocketAddr, to: usize, datagram: Vec<u8>) {
        if self.hosts[to].paused_until_ms <= self.now_ms {
            self.take(from, to, &datagram);
        } else if self.hosts[to].inbox.len() < INBOX_MAX {
            self.hosts[to].inbox.push((from, datagram));
        }
    }

    pub(super) fn take(&mut self, from: SocketAddr, to: usize, datagram: &[u8]) {
        let now_ms = self.now_ms;
        let Some(machine) = &mut self.hosts[to].machine else { return };
        if let Err(refused) = machine.handle_datagram(now_ms, from, datagram) {
            assert_ne!(refused, Refused::Malformed);
            *self.refused.entry(format!("{refused:?}")).or_default() += 1;
        }
        self.drain(to);
    }

    fn drain(&mut self, host: usize) {
        let Some(mut machine) = self.hosts[host].machine.take() else { return };
        while let Some((to, datagram)) = machine.poll_datagram() {
            self.note(&datagram);
            if let Some(to) = (0..self.hosts.len()).find(|other| address(*other) == to) {
                self.send(host, to, datagram);
            }
        }
        while let Some(event) = machine.poll_event() {
            self.note(format!("{host} {event:?}").as_bytes());
            self.hosts[host].check(&event);
            self.hosts[host].events.push((self.now_ms, event));
            if let Event::Conflict(heard) = event {
                machine
                    .set_incarnation(self.now_ms, Incarnation::draw(0, Some(heard), self.random.next_u64()));
            }
        }
        assert_eq!(machine.faults(), 0);
        self.hosts[host].machine = (!machine.has_left()).then_some(machine);
        if self.hosts[host].machine.as_mut().is_some_and(|machine| machine.is_busy()) {
            self.drain(host);
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.trace = bytes.iter().fold(self.trace ^ self.now_ms, mix);
    }

    fn send(&mut self, from: usize, to: usize, datagram: Vec<u8>) {
        self.recorded.push((address(from), to, datagram.clone()));
        let copies = 1 + u32::from(self.random.random_bool(self.duplicates));
        for _ in 0..copies {
            if !self.cuts.contains(&(from, to)) && !self.random.random_bool(self.loss) {
                self.fly(address(from), to, datagram.clone());
            }
        }
        if self.random.random_bool(self.replays) {
            let (from, to, datagram) =
                self.recorded[self.random.random_range(0..self.recorded.len())].clone();
            let to =
                if self.random.random_bool(0.5) { to } else { self.random.random_range(0..self.hosts.len()) };
            self.fly(from, to, datagram);
        }
    }

    fn fly(&mut self, from: SocketAddr, to: usize, datagram: Vec<u8>) {
        self.sent += 1;
        let delay_ms = self.random.random_range(0..=self.delay_ms);
        self.flying.push(Reverse((self.now_ms + delay_ms, self.sent, from, to, datagram)));
    }
}

impl Host {
    /// Whoever is said to come was away, and whoever is said to go was there.
    fn check(&mut self, event: &Event) {
        match event {
            Event::Up(peer) => {
                assert_eq!(self.view.insert(peer.owner.node, peer.owner), None, "{event:?} twice");
                assert_ne!(peer.owner.node, self.node);
            }
            Event::Down(peer) => {
                assert_eq!(self.view.remove(&peer.owner.node), Some(peer.owner), "{event:?}")
            }
            Event::Left(peer) => {
                let before = self.view.remove(&peer.owner.node);
                assert!(before.is_none_or(|before| before == peer.owner), "{event:?}");
            }
            Event::Conflict(_) | Event::Renewed(_) | Event::SeedMet(_) | Event::SeedLeft(_) => {}
        }
    }
}
