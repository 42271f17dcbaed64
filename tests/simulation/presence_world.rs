//! Instances that hold presence, the applications that use them, and what goes wrong: one run of it.
//!
//! Owns the order in which things happen and how an instance is driven. What applications do is in `sessions` and
//! `connections`, what must hold in `truth` and `oracle`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hereabouts::crdt::message::Message;
use hereabouts::crdt::wire::Malformed;
use hereabouts::crdt::{self, Incarnation, Log, NodeId, Owner};
use hereabouts::map::HashKeys;
use hereabouts::presence::{Entry, Name, Presence, Settings, Stamp};
use hereabouts::time::Now;

use crate::connections::{Connection, Resident};
use crate::faults::Faults;
use crate::network::{Machine, Network};
use crate::oracle::View;
use crate::random::Random;
use crate::reached::Reached;
use crate::schedule::Step;
use crate::sessions::{Application, Deed};
use crate::truth::{SKEW, Truth};

/// Milliseconds at which faults and activity end.
pub(crate) const FAULTS_END: u64 = 61_000;
/// Milliseconds after which a write is everywhere when nothing goes wrong.
const DUE: u64 = 2_000;
/// When all that is attached must be alike: a failure is noticed after 7 s at most, then 5 s to converge.
const CONVERGED: u64 = FAULTS_END + 12_000;
pub(crate) const GRACE: u64 = 10_000;
pub(crate) const DOWN_GRACE: u64 = 5_000;
pub(crate) const LEASE_MAX: u64 = 6_000;
/// When whoever is gone must have been given up as well.
const SETTLED: u64 = CONVERGED + LEASE_MAX + GRACE + 2_000;
/// When nothing may be left of what was ended when all had settled.
const EMPTIED: u64 = SETTLED + 1_000 + LEASE_MAX + GRACE + 12_000;
const FORGET_AFTER: u64 = 40_000;
/// When whoever is gone must be forgotten, and what was ended dropped: two rounds, and two more.
const END: u64 = EMPTIED + 150_000;

/// What is done to instances from outside.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// An application looks at its connections, and does something.
    Application(usize),
    /// An application sends a command.
    Deed(usize, Deed),
    /// Connections with members of their own come and go.
    Connections,
    /// A connection that came a moment ago goes.
    Hangup(u64),
    /// A client that is attached goes, when its instance runs.
    Detach { instance: usize, life: u64, session: Arc<str>, client: u64, named: bool },
    /// An instance that was told to end looks whether it may.
    Leave { instance: usize, life: u64, deadline: u64 },
    /// A wall clock is put right.
    Clock(usize),
    /// A moment at which something must hold.
    Check(Phase),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// What is written until now must be everywhere soon.
    Due,
    Converged,
    Settled,
    Emptied,
    End,
}

/// An instance, and which time it runs.
pub(crate) type Life = (usize, u64);

pub(crate) struct World {
    pub(crate) net: Network<Presence, Act>,
    pub(crate) views: Vec<View>,
    pub(crate) truth: Truth,
    pub(crate) applications: Vec<Application>,
    /// Sessions whose applications have gone for good, and when they were over.
    pub(crate) retired: BTreeMap<Arc<str>, u64>,
    /// The versions that all must have when all must be alike.
    pub(crate) due: BTreeMap<Owner, u64>,
    /// The names of each life of an instance.
    pub(crate) owners: BTreeMap<(usize, u64), BTreeSet<Owner>>,
    /// Who knew the log of an instance when it died, up to which version.
    pub(crate) heirs: BTreeMap<Life, Vec<(usize, u64, u64)>>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) residents: BTreeMap<Name, Resident>,
    /// Metas drawn so far, and the last one of each member.
    pub(crate) metas: u64,
    pub(crate) last_metas: BTreeMap<Name, u64>,
    /// Instances that have been told to end, in that life.
    pub(crate) draining: Vec<Option<u64>>,
    pub(crate) next_client: u64,
    pub(crate) faults: Faults,
    removal_bytes_max: usize,
    part_bytes: usize,
    budget: u64,
}

fn settings(removal_bytes_max: usize, part_bytes: usize) -> Settings {
    Settings {
        grace_ms: GRACE,
        down_grace_ms: DOWN_GRACE,
        replica: crdt::Settings {
            forget_after_ms: FORGET_AFTER,
            removal_bytes_max,
            part_bytes,
            ..crdt::Settings::default()
        },
        ..Settings::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64, told: bool) -> World {
        // Other numbers than those of the simulation of the map alone.
        let mut random = Random::new(seed ^ 0x7072_6573_656e_6365);
        let count = random.between(3, 8) as usize;
        let faults = Faults::draw(&mut random);
        let mut net = Network::new(random, FAULTS_END, told);
        net.loss = faults.loss;
        let mut world = World {
            views: (0..count).map(|_| View::default()).collect(),
            truth: Truth::default(),
            applications: Vec::new(),
            retired: BTreeMap::new(),
            due: BTreeMap::new(),
            owners: BTreeMap::new(),
            heirs: BTreeMap::new(),
            connections: Vec::new(),
            residents: BTreeMap::new(),
            metas: 0,
            last_metas: BTreeMap::new(),
            draining: vec![None; count],
            next_client: 0,
            faults,
            removal_bytes_max: [0, 200, 1_000, 100_000][net.random.below(4) as usize],
            part_bytes: [150, 600, 65_536][net.random.below(3) as usize],
            budget: [6, 40, 1_000][net.random.below(3) as usize],
            net,
        };
        world.net.tell(|| format!("{:?}", world.faults));
        for _ in 0..count {
            let skew = world.net.random.below(SKEW);
            world.net.add(count, skew);
        }
        (0..count).for_each(|index| world.start(index));
        world.open_applications();
        world.plan_acts();
        world
    }

    fn plan_acts(&mut self) {
        self.net.plan(600, Step::Act(Act::Connections));
        self.net.plan(1_500, Step::Fault);
        let phases = [
            (CONVERGED - DUE, Phase::Due),
            (CONVERGED, Phase::Converged),
            (SETTLED - DUE, Phase::Due),
            (SETTLED, Phase::Settled),
            (EMPTIED, Phase::Emptied),
            (END, Phase::End),
        ];
        for (at, phase) in phases {
            self.net.schedule.plan(at, Step::Act(Act::Check(phase)));
        }
    }

    pub(crate) fn run(mut self) -> Result<Reached, String> {
        while let Some((at, step)) = self.net.schedule.next() {
            if at > END {
                break;
            }
            self.net.now = at;
            self.apply(step).map_err(|failure| format!("at {at} ms: {failure}"))?;
        }
        for index in 0..self.net.instances.len() {
            self.count(index);
        }
        let mut reached = self.net.reached;
        reached.note("trace", self.net.trace % 1_000_003);
        Ok(reached)
    }

    fn apply(&mut self, step: Step<Act>) -> Result<(), String> {
        match step {
            Step::Deliver { from, to, life, frame } => {
                self.note_pull(to, &frame);
                if self.net.deliver(from, to, life, frame)? {
                    self.drain(to)?;
                }
                Ok(())
            }
            Step::Wake(index) => {
                if self.net.wake(index) {
                    self.drain(index)?;
                }
                Ok(())
            }
            Step::Look(index) => self.look(index),
            Step::Act(act) => self.act(act),
            Step::Fault => self.fault(),
            Step::Heal(a, b) => {
                self.net.heal(a, b);
                Ok(())
            }
            Step::Restart(index) => {
                self.restart(index);
                Ok(())
            }
            Step::Resume(index) => self.resume(index),
        }
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Application(number) => self.run_application(number),
            Act::Deed(number, deed) => self.do_deed(number, deed),
            Act::Connections => self.come_and_go(),
            Act::Hangup(client) => self.hang_up(client),
            Act::Detach { instance, life, session, client, named } => {
                self.detach_at((instance, life), &session, client, named)
            }
            Act::Leave { instance, life, deadline } => self.leave(instance, life, deadline),
            Act::Clock(index) => {
                self.net.instances[index].clock_back = 0;
                Ok(())
            }
            Act::Check(phase) => match phase {
                Phase::Due => {
                    self.note_due();
                    Ok(())
                }
                Phase::Converged => self.check_alike(false),
                Phase::Settled => {
                    self.check_alike(true)?;
                    self.end_all()
                }
                Phase::Emptied => self.check_empty(),
                Phase::End => self.check_forgotten(),
            },
        }
    }

    /// Commands reach it, and it is not about to end.
    pub(crate) fn usable(&self, index: usize) -> bool {
        self.net.runs(index) && self.draining[index] != Some(self.net.instances[index].life)
    }

    pub(crate) fn start(&mut self, index: usize) {
        let (now, me) = self.net.prepare(index);
        let life = self.net.random.next();
        let settings = settings(self.removal_bytes_max, self.part_bytes);
        let keys = HashKeys::new([1, 2]);
        let mut machine = Presence::new(me, life, settings, keys, now);
        (0..self.net.instances.len())
            .filter(|seed| *seed != index)
            .for_each(|seed| machine.expect_seed(now, seed as u64));
        self.net.instances[index].machine = Some(machine);
        self.views[index] = View::default();
        self.net.tell(|| format!("{index} starts as {me:?}"));
    }

    /// Does what has to be done after each call, or leaves the rest of it for later.
    pub(crate) fn drain(&mut self, index: usize) -> Result<(), String> {
        let budget = self.net.random.between(1, self.budget) as usize;
        self.drain_with(index, budget)
    }

    pub(crate) fn drain_with(&mut self, index: usize, budget: usize) -> Result<(), String> {
        let (now, life) = (self.net.clocks(index), self.net.instances[index].life);
        let Some(machine) = &mut self.net.instances[index].machine else { return Ok(()) };
        let more = machine.work(now, budget);
        let names = self.owners.entry((index, life)).or_default();
        let renewed = names.insert(machine.replica().me()) && names.len() > 1;
        let mut changes = Vec::new();
        while let Some(change) = machine.poll_change() {
            changes.push(change);
        }
        let mut notices = Vec::new();
        while let Some(notice) = machine.poll_notice() {
            notices.push(notice);
        }
        self.net.reached.note("renewals", u64::from(renewed));
        for change in changes {
            self.see(index, change)?;
        }
        for notice in notices {
            self.hear(index, notice)?;
        }
        self.net.flush(index, more);
        Ok(())
    }

    /// Whoever pulls now may see what is put and removed again before it is sent.
    fn note_pull(&mut self, index: usize, frame: &[u8]) {
        const PULL: u8 = 3;
        let Some(machine) = &self.net.instances[index].machine else { return };
        if frame.get(1) == Some(&PULL)
            && let Ok(Message::<Name, Entry>::Pull { owner, .. }) = Message::decode(frame)
            && owner == machine.replica().me()
        {
            let here = |open: &&mut Connection| open.instance == index;
            self.connections.iter_mut().filter(here).for_each(|open| open.pulled = true);
        }
    }

    fn look(&mut self, index: usize) -> Result<(), String> {
        if self.net.instances[index].machine.is_none() {
            return Ok(());
        }
        let quiet = self.net.now > CONVERGED;
        self.net.plan(if quiet { 1_000 } else { 200 }, Step::Look(index));
        if self.net.runs(index) {
            self.net.look(index);
            self.drain(index)?;
            // Once a second, each at another time.
            if (quiet || (self.net.now / 200 + index as u64).is_multiple_of(5)) && self.net.now < EMPTIED {
                self.inspect(index)?;
            }
        }
        Ok(())
    }

    fn resume(&mut self, index: usize) -> Result<(), String> {
        let Some(waiting) = self.net.resume(index) else { return Ok(()) };
        self.net.tell(|| format!("{index} goes on"));
        for (from, frame) in waiting {
            self.net.take(from, index, &frame)?;
            self.drain(index)?;
        }
        if self.net.wake(index) {
            self.drain(index)?;
        }
        Ok(())
    }

    pub(crate) fn count(&mut self, index: usize) {
        let Some(machine) = &self.net.instances[index].machine else { return };
        self.net.reached.count(machine.replica());
        let counts = machine.counts();
        self.net.reached.count_presence(counts);
    }
}

/// What an instance has written itself.
pub(crate) fn own_log(machine: &Presence) -> &Log<Name, Entry> {
    machine.replica().log(machine.replica().me()).expect("every instance has a log of its own")
}

/// The highest stamp under which an instance holds anything under a name.
pub(crate) fn highest(machine: &Presence, name: &Name) -> Option<Stamp> {
    let entries = machine.replica().records().filter_map(|(_, log, _)| log.get(name));
    entries.map(Entry::stamp).max()
}

impl Machine for Presence {
    fn me(&self) -> Owner {
        self.replica().me()
    }

    fn handle_message(&mut self, now: Now, from: NodeId, frame: &[u8], random: u64) -> Result<(), Malformed> {
        Presence::handle_message(self, now, from, frame, random)
    }

    fn handle_timeout(&mut self, now: Now) {
        Presence::handle_timeout(self, now);
    }

    fn handle_lag(&mut self, _now: Now, lag_ms: u64) {
        Presence::handle_lag(self, lag_ms);
    }

    fn next_timeout(&self) -> u64 {
        Presence::next_timeout(self)
    }

    fn link_up(&mut self, now: Now, peer: NodeId) {
        Presence::link_up(self, now, peer);
    }

    fn link_down(&mut self, _now: Now, peer: NodeId) {
        Presence::link_down(self, peer);
    }

    fn node_up(&mut self, now: Now, node: NodeId, incarnation: Incarnation) {
        Presence::node_up(self, now, node, incarnation);
    }

    fn node_down(&mut self, now: Now, node: NodeId) {
        Presence::node_down(self, now, node);
    }

    fn node_left(&mut self, now: Now, node: NodeId, incarnation: Incarnation) {
        Presence::node_left(self, now, node, incarnation);
    }

    fn poll_message(&mut self) -> Option<(NodeId, Vec<u8>)> {
        Presence::poll_message(self)
    }

    fn next_part(&mut self, peer: NodeId) -> Option<Vec<u8>> {
        Presence::next_part(self, peer)
    }

    fn expect_seed(&mut self, now: Now, seed: u64) {
        Presence::expect_seed(self, now, seed);
    }

    fn seed_met(&mut self, seed: u64) {
        Presence::seed_met(self, seed);
    }
}
