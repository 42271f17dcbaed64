//! Instances and what lies between them, one run of it, and what must hold all the time.

use std::collections::{BTreeMap, BTreeSet};

use hereabouts::crdt::{Incarnation, NodeId, Owner, Replica, Settings};

use crate::checks::{Followed, owner_of};
use crate::entries::{Entries, Name, Number, entries, keys};
use crate::random::Random;
use crate::reached::Reached;
use crate::schedule::{Schedule, Step};

/// Milliseconds at which faults and activity end.
pub(crate) const FAULTS_END: u64 = 60_000;
/// Milliseconds after which all must be alike: a failure is noticed after 7 s at most, then 5 s to converge.
pub(crate) const CONVERGED: u64 = FAULTS_END + 12_000;
pub(crate) const FORGET_AFTER: u64 = 40_000;
/// Milliseconds at which whoever is gone must be forgotten everywhere.
const END: u64 = CONVERGED + 2 * FORGET_AFTER + 5_000;
/// The wall clock at the beginning, far enough from zero to go back.
const EPOCH: u64 = 1_000_000_000;

/// What an instance's membership believes of another one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Belief {
    pub(crate) up: Option<Incarnation>,
    /// When that came about or ended, and of which life it is said.
    pub(crate) turned_at: u64,
    pub(crate) last: Option<Incarnation>,
    /// It was up once, under whatever name.
    pub(crate) met: bool,
    /// By the name that it had then.
    pub(crate) node: Option<NodeId>,
    pub(crate) last_seen: u64,
    patience: u64,
    /// The life of the other to which there is a link, and since when.
    pub(crate) linked: Option<u64>,
    pub(crate) linked_at: u64,
}

pub(crate) struct Instance {
    pub(crate) replica: Option<Replica<Name, Number>>,
    pub(crate) node: NodeId,
    pub(crate) life: u64,
    /// When this life began: at zero of its monotonic clock.
    pub(crate) started: u64,
    pub(crate) paused_since: Option<u64>,
    pub(crate) clock_back: u64,
    /// What the replica's events add up to.
    pub(crate) mirror: BTreeMap<Owner, Entries>,
    pub(crate) shown_before: BTreeSet<Owner>,
    /// The highest version that was held of each owner, and the last one at which all of it was right.
    pub(crate) reached: BTreeMap<Owner, u64>,
    pub(crate) right: BTreeMap<Owner, u64>,
    pub(crate) round: Option<Followed>,
    pub(crate) beliefs: Vec<Belief>,
    pub(crate) waiting: Vec<(usize, Vec<u8>)>,
    pub(crate) merging: bool,
    /// When its timer goes off; earlier plans are void.
    pub(crate) wake_at: u64,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) schedule: Schedule<usize>,
    pub(crate) now: u64,
    pub(crate) instances: Vec<Instance>,
    /// Directions in which nothing gets through.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// When the last frame of a link arrives: the next one comes after it.
    pub(crate) last_arrival: BTreeMap<(usize, usize), u64>,
    /// Every owner's contents at each of its versions.
    pub(crate) history: BTreeMap<Owner, Vec<Entries>>,
    /// When each of its versions came about.
    pub(crate) written: BTreeMap<Owner, Vec<u64>>,
    /// Some instances say of others what is not so.
    pub(crate) lies: bool,
    pub(crate) loss: u64,
    pub(crate) removal_bytes_max: usize,
    pub(crate) part_bytes: usize,
    pub(crate) next_node: u64,
    pub(crate) reached: Reached,
    pub(crate) told: bool,
}

impl World {
    pub(crate) fn new(seed: u64, told: bool) -> World {
        let mut random = Random::new(seed);
        let count = random.between(2, 8) as usize;
        let mut world = World {
            schedule: Schedule::default(),
            now: 1_000,
            instances: Vec::new(),
            cut: BTreeSet::new(),
            last_arrival: BTreeMap::new(),
            history: BTreeMap::new(),
            written: BTreeMap::new(),
            lies: random.chance(100),
            loss: random.below(50),
            removal_bytes_max: [0, 2, 8, 1_000][random.below(4) as usize],
            part_bytes: [24, 64, 65_536][random.below(3) as usize],
            next_node: 0,
            reached: Reached::default(),
            told,
            random,
        };
        for index in 0..count {
            let node = world.draw_node();
            world.instances.push(Instance {
                replica: None,
                node,
                life: 0,
                started: 0,
                paused_since: None,
                clock_back: 0,
                mirror: BTreeMap::new(),
                shown_before: BTreeSet::new(),
                reached: BTreeMap::new(),
                right: BTreeMap::new(),
                round: None,
                beliefs: vec![Belief::default(); count],
                waiting: Vec::new(),
                merging: false,
                wake_at: u64::MAX,
            });
            world.start(index);
            let at = world.now + world.random.below(1_000);
            world.schedule.plan(at, Step::Act(index));
        }
        world.schedule.plan(2_000, Step::Fault);
        world
    }

    pub(crate) fn run(mut self) -> Result<Reached, String> {
        let mut converged = false;
        while let Some((at, step)) = self.schedule.next() {
            if at > END {
                break;
            }
            self.now = at;
            if at >= CONVERGED && !converged {
                converged = true;
                self.check_alike()?;
            }
            self.apply(step).map_err(|failure| format!("at {at} ms: {failure}"))?;
        }
        self.check_forgotten()?;
        for replica in self.instances.iter().filter_map(|instance| instance.replica.as_ref()) {
            self.reached.count(replica);
        }
        Ok(self.reached)
    }

    pub(crate) fn tell(&self, what: impl Fn() -> String) {
        if self.told {
            println!("{:>7} {}", self.now, what());
        }
    }

    pub(crate) fn draw_node(&mut self) -> NodeId {
        self.next_node += 1;
        NodeId(self.next_node << 32 | self.random.below(1 << 32))
    }

    pub(crate) fn start(&mut self, index: usize) {
        let random = self.random.next();
        let instance = &mut self.instances[index];
        let unix = EPOCH + self.now - instance.clock_back;
        let me = Owner { node: instance.node, incarnation: Incarnation::draw(unix, None, random) };
        let settings = Settings {
            forget_after_ms: FORGET_AFTER,
            removal_bytes_max: self.removal_bytes_max,
            part_bytes: self.part_bytes,
            ..Settings::default()
        };
        let mut replica = Replica::new(me, settings, keys(), 0);
        (0..instance.beliefs.len())
            .filter(|other| *other != index)
            .for_each(|seed| replica.expect_seed(0, seed as u64));
        instance.replica = Some(replica);
        instance.life += 1;
        instance.started = self.now;
        instance.mirror.clear();
        instance.shown_before.clear();
        instance.reached.clear();
        instance.right.clear();
        instance.round = None;
        instance.beliefs.fill(Belief::default());
        instance.waiting.clear();
        instance.merging = false;
        instance.wake_at = self.now + 1;
        self.history.insert(me, vec![Entries::new()]);
        self.written.insert(me, vec![self.now]);
        self.tell(|| format!("{index} starts as {me:?}"));
        self.schedule.plan(self.now + 1, Step::Wake(index));
        let look = self.now + self.random.below(200);
        self.schedule.plan(look, Step::Look(index));
    }

    fn apply(&mut self, step: Step<usize>) -> Result<(), String> {
        match step {
            Step::Deliver { from, to, life, frame } => self.deliver(from, to, life, frame),
            Step::Wake(index) => self.wake(index),
            Step::Look(index) => self.look(index),
            Step::Act(index) => self.act(index),
            Step::Fault => {
                self.fault();
                Ok(())
            }
            Step::Heal(a, b) => {
                self.cut.remove(&(a, b));
                self.cut.remove(&(b, a));
                self.tell(|| format!("{a} and {b} see each other again"));
                Ok(())
            }
            Step::Restart(index) => {
                self.restart(index);
                Ok(())
            }
            Step::Resume(index) => self.resume(index),
        }
    }

    /// By the instance's own clock.
    pub(crate) fn clock(&self, index: usize) -> u64 {
        self.now - self.instances[index].started
    }

    pub(crate) fn runs(&self, index: usize) -> bool {
        self.instances[index].replica.is_some() && self.instances[index].paused_since.is_none()
    }

    fn sees(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }

    /// Membership reaches others through third parties.
    fn reaches(&self, a: usize, b: usize) -> bool {
        self.runs(b)
            && (self.sees(a, b)
                || (0..self.instances.len()).any(|third| {
                    third != a && third != b && self.runs(third) && self.sees(a, third) && self.sees(third, b)
                }))
    }

    fn deliver(&mut self, from: usize, to: usize, life: u64, frame: Vec<u8>) -> Result<(), String> {
        if self.instances[to].life != life || self.instances[to].replica.is_none() {
            return Ok(());
        }
        if self.cut.contains(&(from, to)) {
            self.reached.note("frames lost", 1);
            return Ok(());
        }
        if self.instances[to].paused_since.is_some() {
            self.instances[to].waiting.push((from, frame));
            return Ok(());
        }
        self.take(from, to, &frame)?;
        self.drain(to)
    }

    pub(crate) fn take(&mut self, from: usize, to: usize, frame: &[u8]) -> Result<(), String> {
        // Without a link nothing is read from it.
        if self.instances[to].beliefs[from].linked != Some(self.instances[from].life) {
            return Ok(());
        }
        let (node, random, now) = (self.instances[from].node, self.random.next(), self.clock(to));
        let Some(replica) = &mut self.instances[to].replica else { return Ok(()) };
        replica.handle_message(now, node, frame, random).map_err(|error| format!("{to}: {error:?}"))
    }

    pub(crate) fn wake(&mut self, index: usize) -> Result<(), String> {
        if !self.runs(index) || self.instances[index].wake_at > self.now {
            return Ok(());
        }
        self.instances[index].wake_at = u64::MAX;
        let now = self.clock(index);
        let Some(replica) = &mut self.instances[index].replica else { return Ok(()) };
        replica.handle_timeout(now);
        self.drain(index)
    }

    fn act(&mut self, index: usize) -> Result<(), String> {
        if self.now >= FAULTS_END {
            return Ok(());
        }
        let again = self.now + self.random.between(1, 1_500);
        self.schedule.plan(again, Step::Act(index));
        if !self.runs(index) {
            return Ok(());
        }
        let changes = if self.random.chance(100) { self.random.below(60) } else { self.random.below(4) };
        for _ in 0..changes {
            let (key, value) = (Name(self.random.below(30) as u8), Number(self.random.next() >> 40));
            let (remove, now) = (self.random.chance(400), self.clock(index));
            let Some(replica) = &mut self.instances[index].replica else { return Ok(()) };
            let me = replica.me();
            let before = replica.log(me).unwrap().version();
            if remove {
                replica.remove(now, &key);
            } else {
                replica.put(now, key, value);
            }
            if replica.log(me).unwrap().version() > before {
                let entries = entries(replica.log(me).unwrap());
                self.history.get_mut(&me).unwrap().push(entries);
                self.written.get_mut(&me).unwrap().push(self.now);
            }
        }
        self.drain(index)
    }

    /// Does what an instance has to do after each call, or leaves the rest of it for later.
    pub(crate) fn drain(&mut self, index: usize) -> Result<(), String> {
        let budget = self.random.between(1, 12) as usize;
        let parts = self.random.below(4);
        let Some(replica) = &mut self.instances[index].replica else { return Ok(()) };
        let merging = replica.work(budget);
        let mut events = Vec::new();
        while let Some(event) = replica.poll_event() {
            events.push(event);
        }
        let mut frames = Vec::new();
        while let Some(frame) = replica.poll_message() {
            frames.push(frame);
        }
        let mut more = merging;
        let peers: Vec<usize> = (0..self.instances.len())
            .filter(|peer| self.instances[index].beliefs[*peer].linked.is_some())
            .collect();
        for peer in peers {
            let node = self.instances[peer].node;
            let Some(replica) = &mut self.instances[index].replica else { return Ok(()) };
            let taken: Vec<_> = (0..parts).map_while(|_| replica.next_part(node)).collect();
            more |= parts == 0 || taken.len() == parts as usize;
            frames.extend(taken.into_iter().map(|frame| (node, frame)));
        }
        let instance = &self.instances[index];
        let next = instance.replica.as_ref().map_or(END, |replica| instance.started + replica.next_timeout());
        let wake = if more { self.now + 2 } else { next.max(self.now + 1) };
        if wake < self.instances[index].wake_at {
            self.instances[index].wake_at = wake;
            self.schedule.plan(wake, Step::Wake(index));
        }
        self.instances[index].merging = merging;
        let touched: BTreeSet<Owner> = events.iter().filter_map(owner_of).collect();
        for event in events {
            self.note(index, event)?;
        }
        for (to, frame) in frames {
            self.send(index, to, frame);
        }
        touched.into_iter().try_for_each(|owner| self.check(index, owner))?;
        self.follow_round(index)
    }

    fn send(&mut self, from: usize, to: NodeId, frame: Vec<u8>) {
        let Some(to) = self.instances.iter().position(|instance| instance.node == to) else { return };
        let Some(life) = self.instances[from].beliefs[to].linked else { return };
        self.reached.note("frames", 1);
        let calm = self.now > FAULTS_END;
        let copies = if !calm && self.random.chance(20) { 2 } else { 1 };
        for _ in 0..copies {
            if !calm && self.random.chance(self.loss) {
                self.reached.note("frames lost", 1);
                continue;
            }
            let at = if !calm && self.random.chance(20) {
                // Behind others that are sent later.
                self.now + self.random.between(50, 900)
            } else {
                let soonest = self.last_arrival.get(&(from, to)).copied().unwrap_or(0);
                let at = soonest.max(self.now + self.random.between(1, 15));
                self.last_arrival.insert((from, to), at);
                at
            };
            self.schedule.plan(at, Step::Deliver { from, to, life, frame: frame.clone() });
        }
    }

    fn look(&mut self, index: usize) -> Result<(), String> {
        if self.instances[index].replica.is_none() {
            return Ok(());
        }
        self.schedule.plan(self.now + 200, Step::Look(index));
        if !self.runs(index) {
            return Ok(());
        }
        for other in (0..self.instances.len()).filter(|other| *other != index) {
            self.look_at(index, other);
        }
        self.drain(index)
    }

    fn look_at(&mut self, index: usize, other: usize) {
        let (reaches, direct) = (self.reaches(index, other), self.runs(other) && self.sees(index, other));
        let patience = self.random.between(3_000, 7_000);
        let (node, life) = (self.instances[other].node, self.instances[other].life);
        let incarnation = self.instances[other].replica.as_ref().map(|replica| replica.me().incarnation);
        let (now, clock) = (self.now, self.clock(index));
        let instance = &mut self.instances[index];
        let belief = &mut instance.beliefs[other];
        let Some(replica) = &mut instance.replica else { return };
        if belief.node != Some(node) {
            // It came back under another name: nobody will hear of the former one again.
            if let Some(former) = belief.node.replace(node) {
                (belief.up, belief.last) = (None, None);
                belief.linked = None;
                replica.link_down(former);
                replica.node_down(clock, former);
            }
        }
        if reaches {
            belief.last_seen = now;
            belief.patience = patience;
            if belief.up != incarnation {
                (belief.up, belief.last, belief.turned_at) = (incarnation, incarnation, now);
                incarnation.into_iter().for_each(|incarnation| replica.node_up(clock, node, incarnation));
                replica.seed_met(other as u64);
                belief.met = true;
            }
        } else if belief.up.is_some() && now > belief.last_seen + belief.patience {
            (belief.up, belief.turned_at) = (None, now);
            replica.node_down(clock, node);
        }
        if direct && belief.linked != Some(life) {
            (belief.linked, belief.linked_at) = (Some(life), now);
            replica.link_up(clock, node);
        } else if !direct && belief.linked.is_some() && now > belief.last_seen + 1_000 {
            belief.linked = None;
            replica.link_down(node);
        }
    }
}
