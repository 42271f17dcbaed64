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
use crate::network::{Machine, Network};
use crate::oracle::View;
use crate::random::Random;
use crate::reached::Reached;
use crate::schedule::Step;
use crate::sessions::{Application, Deed};
use crate::truth::{SKEW, Truth, Write};

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

/// What goes wrong in this run, and how often.
#[derive(Debug)]
struct Faults {
    every_ms: (u64, u64),
    /// Of all faults: cuts, ends without warning, drains, pauses.
    weights: [u64; 4],
    long: bool,
    one_way: bool,
    new_names: bool,
    clocks_back: bool,
}

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
    owners: BTreeMap<(usize, u64), BTreeSet<Owner>>,
    /// Who knew the log of an instance when it died, up to which version.
    heirs: BTreeMap<(usize, u64), Vec<(usize, u64, u64)>>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) residents: BTreeMap<Name, Resident>,
    /// Metas drawn so far, and the last one of each member.
    pub(crate) metas: u64,
    pub(crate) last_metas: BTreeMap<Name, u64>,
    /// Instances that have been told to end, in that life.
    pub(crate) draining: Vec<Option<u64>>,
    pub(crate) next_client: u64,
    faults: Faults,
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
        let calm = random.chance(120);
        let weight = |random: &mut Random| if calm || random.chance(300) { 0 } else { random.between(1, 10) };
        let weights = [(); 4].map(|()| weight(&mut random));
        let slow = random.chance(400);
        let faults = Faults {
            every_ms: if slow { (3_000, 12_000) } else { (300, 5_000) },
            weights,
            long: random.chance(300),
            one_way: random.chance(500),
            new_names: random.chance(500),
            clocks_back: random.chance(400),
        };
        let mut net = Network::new(random, FAULTS_END, told);
        net.loss = if calm { 0 } else { [0, 0, 20, 50][net.random.below(4) as usize] };
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

    fn start(&mut self, index: usize) {
        let (now, me) = self.net.prepare(index);
        let life = self.net.random.next();
        let settings = settings(self.removal_bytes_max, self.part_bytes);
        let keys = HashKeys::new([1, 2]);
        let mut machine = Presence::new(me, life, settings, keys, now);
        (0..self.net.instances.len()).filter(|seed| *seed != index).for_each(|seed| machine.expect_seed(seed as u64));
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
            self.hear(index, notice, more)?;
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

    fn fault(&mut self) -> Result<(), String> {
        if self.net.now >= FAULTS_END {
            return Ok(());
        }
        let (least, most) = self.faults.every_ms;
        let next = self.net.random.between(least, most);
        self.net.plan(next, Step::Fault);
        let count = self.net.instances.len() as u64;
        let (a, b) = (self.net.random.below(count) as usize, self.net.random.below(count) as usize);
        let mut drawn = self.net.random.below(self.faults.weights.iter().sum());
        let weights = self.faults.weights;
        let Some(kind) = weights.iter().position(|weight| {
            let here = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            here
        }) else {
            return Ok(());
        };
        match kind {
            0 => self.cut(a, b),
            1 => self.kill(a, "is killed"),
            2 => return self.begin_drain(a),
            _ => {
                let until = (self.net.now + self.net.random.between(50, 12_000)).min(FAULTS_END);
                self.net.pause(a, until);
            }
        }
        Ok(())
    }

    /// Cuts one pair, one direction of it, one instance off from all, or all in two halves.
    fn cut(&mut self, a: usize, b: usize) {
        let count = self.net.instances.len();
        let pairs: Vec<(usize, usize)> = match self.net.random.below(4) {
            0 => (0..count).map(|other| (a, other)).collect(),
            1 => {
                let side: Vec<bool> = (0..count).map(|_| self.net.random.chance(500)).collect();
                let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
                pairs.filter(|(a, b)| side[*a] && !side[*b]).collect()
            }
            _ => vec![(a, b)],
        };
        let one_way = self.faults.one_way && self.net.random.chance(300);
        let long = self.faults.long && self.net.random.chance(150);
        let span = if long {
            self.net.random.between(10_000, 58_000)
        } else {
            self.net.random.between(100, 14_000)
        };
        let heal = (self.net.now + span).min(FAULTS_END);
        for (a, b) in pairs.into_iter().filter(|(a, b)| a != b) {
            self.net.cut(a, b, one_way, heal);
        }
    }

    fn kill(&mut self, index: usize, how: &str) {
        self.count(index);
        let seen_by = (0..self.net.instances.len()).filter(|other| self.is_calm(*other, index)).collect();
        if self.net.instances[index].machine.take().is_none() {
            return;
        }
        self.net.instances[index].paused_since = None;
        self.net.instances[index].steady_since = self.net.now;
        self.net.reached.note("restarts", 1);
        self.net.tell(|| format!("{index} {how}"));
        self.bury(index, if self.draining[index] == Some(self.net.instances[index].life) { Vec::new() } else { seen_by });
        let back = (self.net.now + self.net.random.between(50, 20_000)).min(FAULTS_END);
        self.net.schedule.plan(back, Step::Restart(index));
    }

    fn restart(&mut self, index: usize) {
        if self.net.instances[index].machine.is_some() {
            return;
        }
        match self.net.random.below(4) {
            0 if self.faults.new_names => self.net.instances[index].node = self.net.draw_node(),
            1 if self.faults.clocks_back => {
                self.net.instances[index].clock_back = self.net.random.below(20_000);
                let right = if self.net.random.chance(700) { 10 } else { 10_000 };
                self.net.plan(right, Step::Act(Act::Clock(index)));
            }
            _ => {}
        }
        self.start(index);
    }

    /// SIGTERM: its clients are closed, the rest is sent, and it goes when somebody has it.
    fn begin_drain(&mut self, index: usize) -> Result<(), String> {
        if !self.usable(index) {
            return Ok(());
        }
        let life = self.net.instances[index].life;
        self.draining[index] = Some(life);
        self.net.reached.note("drains", 1);
        self.net.tell(|| format!("{index} is told to end"));
        self.close_clients(index)?;
        let deadline = (self.net.now + 3_000).min(FAULTS_END - 1);
        self.net.plan(60, Step::Act(Act::Leave { instance: index, life, deadline }));
        Ok(())
    }

    fn leave(&mut self, index: usize, life: u64, deadline: u64) -> Result<(), String> {
        if !self.net.lives(index, life) {
            return Ok(());
        }
        let again = Step::Act(Act::Leave { instance: index, life, deadline });
        if !self.net.runs(index) {
            self.net.plan(50, again);
            return Ok(());
        }
        let machine = self.net.instances[index].machine.as_ref().unwrap();
        let me = machine.replica().me();
        let version = machine.replica().log(me).unwrap().version();
        let working = self.connections.iter().any(|open| open.instance == index && open.life == life);
        let acknowledged = self.net.running().into_iter().any(|other| {
            let machine = self.net.instances[other].machine.as_ref();
            other != index
                && machine.and_then(|machine| machine.replica().log(me)).is_some_and(|log| log.version() >= version)
        });
        if (working || !acknowledged) && self.net.now < deadline {
            self.drain(index)?;
            self.net.plan(50, again);
            return Ok(());
        }
        self.net.reached.note(if acknowledged { "drains acknowledged" } else { "drains in vain" }, 1);
        self.net.leave(index);
        self.kill(index, "has left");
        let others = self.net.running();
        others.into_iter().try_for_each(|other| self.drain(other))
    }

    /// What it had acknowledged and nobody else has may be lost.
    fn bury(&mut self, index: usize, seen_by: Vec<usize>) {
        let (now, net) = (self.net.now, &self.net);
        let life = net.instances[index].life;
        self.connections.retain(|open| net.lives(open.instance, open.life));
        for resident in self.residents.values_mut() {
            if resident.died_at.is_none() && !net.lives(resident.instance, resident.life) {
                resident.died_at = Some(now);
                resident.seen_by = seen_by.clone();
            }
        }
        let others = || net.instances.iter().enumerate().filter_map(|(other, it)| Some((other, it.machine.as_ref()?)));
        // By which versions others know it, under any name that it had in this life.
        let known_to: Vec<(usize, u64, u64)> = others()
            .filter_map(|(other, other_machine)| {
                let names = self.owners.get(&(index, life)).into_iter().flatten();
                let versions = names.filter_map(|owner| other_machine.replica().log(*owner)).map(Log::version);
                Some((other, net.instances[other].life, versions.max()?))
            })
            .collect();
        self.heirs.insert((index, life), known_to);
        let heirs = &self.heirs;
        let is_lost = |name: &Name, write: &Write| {
            let Some(heirs) = heirs.get(&(write.instance, write.life)) else { return false };
            let heir = |(other, life, version): &(usize, u64, u64)| *version >= write.version && net.lives(*other, *life);
            let held = || others().any(|(_, machine)| highest(machine, name).is_some_and(|known| known >= write.stamp));
            !heirs.iter().any(heir) && !held()
        };
        let orphaned = self.truth.orphan(is_lost);
        for write in &orphaned {
            self.net.tell(|| format!("nobody else has {write:?}"));
        }
        self.net.reached.note("excepted: writes lost with their instance", orphaned.len() as u64);
    }

    fn count(&mut self, index: usize) {
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

    fn handle_timeout(&mut self, now: Now, random: u64) {
        Presence::handle_timeout(self, now, random);
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

    fn node_left(&mut self, now: Now, node: NodeId) {
        Presence::node_left(self, now, node);
    }

    fn poll_message(&mut self) -> Option<(NodeId, Vec<u8>)> {
        Presence::poll_message(self)
    }

    fn next_part(&mut self, peer: NodeId) -> Option<Vec<u8>> {
        Presence::next_part(self, peer)
    }

    fn seed_met(&mut self, seed: u64) {
        Presence::seed_met(self, seed);
    }
}
