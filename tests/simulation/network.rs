//! Instances and what lies between them: links that lose, repeat, delay and cut frames, membership, pauses, lives.
//!
//! Owns who can hear whom and since when, and what membership believes. Must not know what the instances hold: a
//! [`Machine`] is whatever answers frames.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hereabouts::crdt::wire::Malformed;
use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::time::Now;

use crate::random::Random;
use crate::reached::Reached;
use crate::schedule::{Schedule, Step};

/// The wall clock at the beginning, far enough from zero to go back.
pub(crate) const EPOCH: u64 = 1_000_000_000;
/// Membership reaches a verdict after this long at the latest.
pub(crate) const PATIENCE: u64 = 7_000;

/// What runs on an instance.
pub(crate) trait Machine {
    fn me(&self) -> Owner;
    fn handle_message(&mut self, now: Now, from: NodeId, frame: &[u8], random: u64) -> Result<(), Malformed>;
    fn handle_timeout(&mut self, now: Now);
    fn handle_lag(&mut self, now: Now, lag_ms: u64);
    fn next_timeout(&self) -> u64;
    fn link_up(&mut self, now: Now, peer: NodeId);
    fn link_down(&mut self, now: Now, peer: NodeId);
    fn node_up(&mut self, now: Now, node: NodeId, incarnation: Incarnation);
    fn node_down(&mut self, now: Now, node: NodeId);
    fn node_left(&mut self, now: Now, node: NodeId, incarnation: Incarnation);
    fn poll_message(&mut self) -> Option<(NodeId, Vec<u8>)>;
    fn next_part(&mut self, peer: NodeId) -> Option<Vec<u8>>;
    /// An instance that it is to be connected to has said that it leaves.
    fn expect_seed(&mut self, now: Now, seed: u64);
    /// An instance that it is to be connected to has been met.
    fn seed_met(&mut self, seed: u64);
}

/// What an instance's membership believes of another one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Belief {
    pub(crate) up: Option<Incarnation>,
    /// Since when it is down, once it was up.
    pub(crate) down_since: u64,
    /// By the name that it had then.
    pub(crate) node: Option<NodeId>,
    last_seen: u64,
    patience: u64,
    /// The life of the other to which there is a link.
    pub(crate) linked: Option<u64>,
}

pub(crate) struct Instance<M> {
    pub(crate) machine: Option<M>,
    pub(crate) node: NodeId,
    pub(crate) life: u64,
    pub(crate) started: u64,
    /// Since when it has run without standing still.
    pub(crate) steady_since: u64,
    pub(crate) paused_since: Option<u64>,
    /// Its wall clock is ahead of the true one by this, and behind by that.
    pub(crate) skew: u64,
    pub(crate) clock_back: u64,
    pub(crate) beliefs: Vec<Belief>,
    waiting: Vec<(usize, Vec<u8>)>,
    /// When its timer goes off; earlier plans are void.
    wake_at: u64,
}

/// One of an instance's lives.
pub(crate) type Life = (usize, u64);

pub(crate) struct Network<M, T> {
    pub(crate) random: Random,
    pub(crate) schedule: Schedule<T>,
    pub(crate) now: u64,
    pub(crate) instances: Vec<Instance<M>>,
    /// Directions in which nothing gets through.
    cut: BTreeSet<(usize, usize)>,
    /// When what lies between a pair has changed last.
    changed: BTreeMap<(usize, usize), u64>,
    /// Since when a life of an instance has known one of another instance.
    met: BTreeMap<(Life, Life), u64>,
    /// When the last frame of a link arrives: the next one comes after it.
    last_arrival: BTreeMap<(usize, usize), u64>,
    /// Of a thousand frames.
    pub(crate) loss: u64,
    /// No frame is lost or late after this.
    pub(crate) faults_end: u64,
    next_node: u64,
    pub(crate) reached: Reached,
    /// Of all that has happened: two runs of a seed have the same.
    pub(crate) trace: u64,
    pub(crate) told: bool,
}

impl<M: Machine, T> Network<M, T> {
    pub(crate) fn new(random: Random, faults_end: u64, told: bool) -> Self {
        Network {
            random,
            schedule: Schedule::default(),
            now: 1_000,
            instances: Vec::new(),
            cut: BTreeSet::new(),
            changed: BTreeMap::new(),
            met: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            loss: 0,
            faults_end,
            next_node: 0,
            reached: Reached::default(),
            trace: 0,
            told,
        }
    }

    pub(crate) fn tell(&self, what: impl Fn() -> String) {
        if self.told {
            println!("{:>7} {}", self.now, what());
        }
    }

    pub(crate) fn mix(&mut self, number: u64) {
        self.trace = (self.trace ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    }

    pub(crate) fn plan(&mut self, after: u64, step: Step<T>) {
        self.schedule.plan(self.now + after, step);
    }

    pub(crate) fn draw_node(&mut self) -> NodeId {
        self.next_node += 1;
        // Names in no order of time: the lowest of several decides in places.
        NodeId(self.random.below(1 << 20) << 32 | self.next_node)
    }

    /// An instance that does not run yet.
    pub(crate) fn add(&mut self, count: usize, skew: u64) {
        let node = self.draw_node();
        self.instances.push(Instance {
            machine: None,
            node,
            life: 0,
            started: 0,
            steady_since: 0,
            paused_since: None,
            skew,
            clock_back: 0,
            beliefs: vec![Belief::default(); count],
            waiting: Vec::new(),
            wake_at: u64::MAX,
        });
    }

    /// Both clocks of an instance.
    pub(crate) fn clocks(&self, index: usize) -> Now {
        let instance = &self.instances[index];
        Now {
            monotonic: Duration::from_millis(self.now - instance.started),
            unix: Duration::from_millis(EPOCH + self.now + instance.skew - instance.clock_back),
        }
    }

    /// The clocks and the name of an instance that is about to start.
    pub(crate) fn prepare(&mut self, index: usize) -> (Now, Owner) {
        let (random, now) = (self.random.next(), self.now);
        let instance = &mut self.instances[index];
        instance.started = now - 1;
        instance.life += 1;
        instance.steady_since = now;
        instance.paused_since = None;
        instance.beliefs.fill(Belief::default());
        instance.waiting.clear();
        instance.wake_at = now + 1;
        let node = instance.node;
        let clocks = self.clocks(index);
        let unix_ms = clocks.unix.as_millis() as u64;
        let me = Owner { node, incarnation: Incarnation::draw(unix_ms, None, random) };
        self.schedule.plan(now + 1, Step::Wake(index));
        let look = now + self.random.below(200);
        self.schedule.plan(look, Step::Look(index));
        (clocks, me)
    }

    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.instances.len()).filter(|index| self.runs(*index)).collect()
    }

    pub(crate) fn runs(&self, index: usize) -> bool {
        self.instances[index].machine.is_some() && self.instances[index].paused_since.is_none()
    }

    /// Whether a life of an instance had heard by then of one of another instance.
    pub(crate) fn had_met(&self, life: Life, other: Life, by: u64) -> bool {
        life.0 == other.0 || self.met.get(&(life, other)).is_some_and(|at| *at <= by)
    }

    /// It has not ended since.
    pub(crate) fn lives(&self, index: usize, life: u64) -> bool {
        self.instances[index].machine.is_some() && self.instances[index].life == life
    }

    pub(crate) fn sees(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }

    /// Since when two instances have run and seen each other.
    pub(crate) fn clear_since(&self, a: usize, b: usize) -> Option<u64> {
        if !self.runs(a) || !self.runs(b) || !self.sees(a, b) {
            return None;
        }
        let changed = self.changed.get(&(a.min(b), a.max(b))).copied().unwrap_or(0);
        Some(changed.max(self.instances[a].steady_since).max(self.instances[b].steady_since))
    }

    /// For how long that has been so.
    pub(crate) fn clear_for(&self, a: usize, b: usize) -> u64 {
        self.clear_since(a, b).map_or(0, |since| self.now - since)
    }

    /// For how long nothing has been broken or mended between two instances.
    pub(crate) fn unchanged_for(&self, a: usize, b: usize) -> u64 {
        let changed = self.changed.get(&(a.min(b), a.max(b))).copied().unwrap_or(0);
        let of = |index: usize| {
            let instance = &self.instances[index];
            if instance.paused_since.is_some() { self.now } else { instance.steady_since }
        };
        self.now - changed.max(of(a)).max(of(b))
    }

    /// Membership reaches others through third parties.
    fn reaches(&self, a: usize, b: usize) -> bool {
        self.runs(b)
            && (self.sees(a, b)
                || (0..self.instances.len()).any(|third| {
                    third != a && third != b && self.runs(third) && self.sees(a, third) && self.sees(third, b)
                }))
    }

    /// A frame arrives. Returns whether the instance has taken it.
    pub(crate) fn deliver(
        &mut self,
        from: usize,
        to: usize,
        life: u64,
        frame: Vec<u8>,
    ) -> Result<bool, String> {
        if !self.lives(to, life) {
            return Ok(false);
        }
        if self.cut.contains(&(from, to)) {
            self.reached.note("frames lost", 1);
            return Ok(false);
        }
        if self.instances[to].paused_since.is_some() {
            self.instances[to].waiting.push((from, frame));
            return Ok(false);
        }
        self.take(from, to, &frame)?;
        Ok(true)
    }

    pub(crate) fn take(&mut self, from: usize, to: usize, frame: &[u8]) -> Result<(), String> {
        // Without a link nothing is read from it.
        if self.instances[to].beliefs[from].linked != Some(self.instances[from].life) {
            return Ok(());
        }
        let (node, random, now) = (self.instances[from].node, self.random.next(), self.clocks(to));
        let Some(machine) = &mut self.instances[to].machine else { return Ok(()) };
        machine.handle_message(now, node, frame, random).map_err(|error| format!("{to}: {error:?}"))
    }

    /// Returns whether the instance's timer was due.
    pub(crate) fn wake(&mut self, index: usize) -> bool {
        if !self.runs(index) || self.instances[index].wake_at > self.now {
            return false;
        }
        self.instances[index].wake_at = u64::MAX;
        let now = self.clocks(index);
        let Some(machine) = &mut self.instances[index].machine else { return false };
        machine.handle_timeout(now);
        true
    }

    /// Sends what an instance has to send, some parts of long updates among it, and sets its timer; `more`: it has work
    /// left.
    pub(crate) fn flush(&mut self, index: usize, more: bool) {
        let mut frames = Vec::new();
        let parts = self.random.below(4);
        let peers: Vec<NodeId> = (0..self.instances.len())
            .filter(|peer| self.instances[index].beliefs[*peer].linked.is_some())
            .map(|peer| self.instances[peer].node)
            .collect();
        let (now, started) = (self.now, self.instances[index].started);
        let Some(machine) = &mut self.instances[index].machine else { return };
        while let Some(frame) = machine.poll_message() {
            frames.push(frame);
        }
        let mut more = more;
        for node in peers {
            let taken: Vec<_> = (0..parts).map_while(|_| machine.next_part(node)).collect();
            more |= parts == 0 || taken.len() == parts as usize;
            frames.extend(taken.into_iter().map(|frame| (node, frame)));
        }
        let next = machine.next_timeout().saturating_add(started);
        let wake = if more { now + 2 } else { next.max(now + 1) };
        if wake < self.instances[index].wake_at {
            self.instances[index].wake_at = wake;
            self.schedule.plan(wake, Step::Wake(index));
        }
        for (to, frame) in frames {
            self.send(index, to, frame);
        }
    }

    fn send(&mut self, from: usize, to: NodeId, frame: Vec<u8>) {
        let Some(to) = self.instances.iter().position(|instance| instance.node == to) else { return };
        let Some(life) = self.instances[from].beliefs[to].linked else { return };
        self.mix((from * 8 + to) as u64 + frame.len() as u64 * 64 + self.now * 65_536);
        self.reached.note("frames", 1);
        let calm = self.now > self.faults_end;
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

    /// Membership of an instance looks around.
    pub(crate) fn look(&mut self, index: usize) {
        for other in (0..self.instances.len()).filter(|other| *other != index) {
            self.look_at(index, other);
        }
    }

    fn look_at(&mut self, index: usize, other: usize) {
        let (reaches, direct) = (self.reaches(index, other), self.runs(other) && self.sees(index, other));
        let patience = self.random.between(3_000, PATIENCE);
        let (node, life) = (self.instances[other].node, self.instances[other].life);
        let incarnation = self.instances[other].machine.as_ref().map(|machine| machine.me().incarnation);
        let (now, clocks) = (self.now, self.clocks(index));
        let instance = &mut self.instances[index];
        let belief = &mut instance.beliefs[other];
        let Some(machine) = &mut instance.machine else { return };
        if belief.node != Some(node) {
            // It came back under another name: nobody will hear of the former one again.
            if let Some(former) = belief.node.replace(node) {
                belief.up = None;
                belief.linked = None;
                machine.link_down(clocks, former);
                machine.node_down(clocks, former);
            }
        }
        if reaches {
            belief.last_seen = now;
            belief.patience = patience;
            if belief.up != incarnation {
                belief.up = incarnation;
                let pair = ((index, instance.life), (other, life));
                self.met.entry(pair).or_insert(now);
                incarnation.into_iter().for_each(|incarnation| machine.node_up(clocks, node, incarnation));
                machine.seed_met(other as u64);
            }
        } else if belief.up.is_some() && now > belief.last_seen + belief.patience {
            belief.up = None;
            belief.down_since = now;
            machine.node_down(clocks, node);
        }
        if direct && belief.linked != Some(life) {
            belief.linked = Some(life);
            machine.link_up(clocks, node);
        } else if !direct && belief.linked.is_some() && now > belief.last_seen + 1_000 {
            belief.linked = None;
            machine.link_down(clocks, node);
        }
    }

    /// Nothing gets from `a` to `b`, nor back unless `one_way`, until then.
    pub(crate) fn cut(&mut self, a: usize, b: usize, one_way: bool, heal: u64) {
        self.cut.insert((a, b));
        if !one_way {
            self.cut.insert((b, a));
        }
        self.changed.insert((a.min(b), a.max(b)), self.now);
        self.reached.note("cuts", 1);
        self.tell(|| format!("{a} and {b} are cut until {heal}, one way: {one_way}"));
        self.schedule.plan(heal, Step::Heal(a, b));
    }

    pub(crate) fn heal(&mut self, a: usize, b: usize) {
        self.cut.remove(&(a, b));
        self.cut.remove(&(b, a));
        self.changed.insert((a.min(b), a.max(b)), self.now);
        self.tell(|| format!("{a} and {b} see each other again"));
    }

    /// An instance has said to those who hear it that it leaves.
    pub(crate) fn leave(&mut self, index: usize) {
        let node = self.instances[index].node;
        let Some(incarnation) =
            self.instances[index].machine.as_ref().map(|machine| machine.me().incarnation)
        else {
            return;
        };
        for other in self.running() {
            let clocks = self.clocks(other);
            let sees = self.sees(index, other);
            let belief = &mut self.instances[other].beliefs[index];
            if other == index || !sees || belief.node != Some(node) || belief.up.is_none() {
                continue;
            }
            belief.up = None;
            belief.down_since = self.now;
            if let Some(machine) = &mut self.instances[other].machine {
                machine.node_left(clocks, node, incarnation);
                machine.expect_seed(clocks, index as u64);
            }
        }
    }

    pub(crate) fn pause(&mut self, index: usize, until: u64) {
        if !self.runs(index) {
            return;
        }
        self.instances[index].paused_since = Some(self.now);
        self.reached.note("pauses", 1);
        self.tell(|| format!("{index} stands still until {until}"));
        self.schedule.plan(until, Step::Resume(index));
    }

    /// First its deadlines move, then it takes what has arrived, which is returned, then its timers fire.
    pub(crate) fn resume(&mut self, index: usize) -> Option<Vec<(usize, Vec<u8>)>> {
        let since = self.instances[index].paused_since.take()?;
        let (lag, clocks) = (self.now - since, self.clocks(index));
        let instance = &mut self.instances[index];
        instance.steady_since = self.now;
        instance.wake_at = self.now;
        for belief in &mut instance.beliefs {
            belief.last_seen += lag;
            belief.down_since += lag;
        }
        if let Some(machine) = instance.machine.as_mut().filter(|_| lag > 1_000) {
            machine.handle_lag(clocks, lag);
        }
        Some(std::mem::take(&mut instance.waiting))
    }
}
