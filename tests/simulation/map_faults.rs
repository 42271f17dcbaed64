//! What breaks between and in the instances of the map, and how it is mended.

use hereabouts::crdt::Owner;
use hereabouts::crdt::message::{Change, Message, Update};

use crate::entries::{Name, Number};
use crate::schedule::Step;
use crate::world::{FAULTS_END, World};

impl World {
    pub(crate) fn fault(&mut self) {
        if self.now >= FAULTS_END {
            return;
        }
        let next = self.now + self.random.between(200, 4_000);
        self.schedule.plan(next, Step::Fault);
        let count = self.instances.len() as u64;
        let (a, b) = (self.random.below(count) as usize, self.random.below(count) as usize);
        if self.lies && self.random.chance(500) {
            return self.lie();
        }
        match self.random.below(10) {
            0..=4 => self.cut(a, b),
            5..=7 => self.kill(a),
            _ => self.pause(a),
        }
    }

    /// Cuts one pair, one direction of it, or one instance off from all.
    fn cut(&mut self, a: usize, b: usize) {
        let others: Vec<usize> = match self.random.below(3) {
            0 => (0..self.instances.len()).collect(),
            _ => vec![b],
        };
        let one_way = self.random.chance(200);
        let long = self.random.chance(100);
        let span = if long { self.random.between(10_000, 58_000) } else { self.random.between(100, 12_000) };
        let heal = (self.now + span).min(FAULTS_END);
        for other in others.into_iter().filter(|other| *other != a) {
            self.cut.insert((a, other));
            if !one_way {
                self.cut.insert((other, a));
            }
            self.reached.note("cuts", 1);
            self.tell(|| format!("{a} and {other} are cut until {heal}, one way: {one_way}"));
            self.schedule.plan(heal, Step::Heal(a, other));
        }
    }

    /// Somebody tells another one of a change of a third one that was another change: what a fault in a program would do.
    fn lie(&mut self) {
        let true_version = |owner: &Owner| self.history[owner].len() as u64 - 1;
        let mut chances = Vec::new();
        for (index, instance) in self.instances.iter().enumerate().filter(|(index, _)| self.runs(*index)) {
            let Some(replica) = &instance.replica else { continue };
            let linked = (0..instance.beliefs.len())
                .find(|other| instance.beliefs[*other].linked == Some(self.instances[*other].life));
            let behind = replica.records().map(|(owner, log, _)| (owner, log.version()));
            let behind =
                behind.filter(|(owner, version)| *owner != replica.me() && *version < true_version(owner));
            chances.extend(behind.filter_map(|(owner, version)| Some((index, linked?, owner, version))));
        }
        if chances.is_empty() {
            return;
        }
        let (index, from, owner, version) = chances[self.random.below(chances.len() as u64) as usize];
        let change = Change { key: Name(200), version: version + 1, value: Some(Number(666)) };
        let update = Update {
            owner,
            transfer: 1 << 40,
            base: Some(version),
            index: 0,
            changes: vec![change],
            to: Some(version + 1),
        };
        self.reached.note("lies", 1);
        self.tell(|| format!("{from} lies to {index} about {owner:?} after {version}"));
        let step = Step::Deliver {
            from,
            to: index,
            life: self.instances[index].life,
            frame: Message::Update(update).encode(),
        };
        self.schedule.plan(self.now, step);
    }

    fn kill(&mut self, index: usize) {
        let Some(replica) = self.instances[index].replica.take() else { return };
        self.reached.count(&replica);
        self.instances[index].paused_since = None;
        self.reached.note("restarts", 1);
        self.tell(|| format!("{index} is killed"));
        let back = (self.now + self.random.between(50, 15_000)).min(FAULTS_END);
        self.schedule.plan(back, Step::Restart(index));
    }

    pub(crate) fn restart(&mut self, index: usize) {
        if self.instances[index].replica.is_some() {
            return;
        }
        match self.random.below(4) {
            0 => self.instances[index].node = self.draw_node(),
            1 => self.instances[index].clock_back += self.random.below(20_000),
            _ => {}
        }
        self.start(index);
    }

    fn pause(&mut self, index: usize) {
        if !self.runs(index) {
            return;
        }
        self.instances[index].paused_since = Some(self.now);
        self.reached.note("pauses", 1);
        let until = (self.now + self.random.between(50, 12_000)).min(FAULTS_END);
        self.tell(|| format!("{index} stands still until {until}"));
        self.schedule.plan(until, Step::Resume(index));
    }

    /// First its deadlines move, then it takes what has arrived, then its timers fire.
    pub(crate) fn resume(&mut self, index: usize) -> Result<(), String> {
        let Some(since) = self.instances[index].paused_since.take() else { return Ok(()) };
        let lag = self.now - since;
        for belief in &mut self.instances[index].beliefs {
            belief.last_seen += lag;
            if lag > 1_000 && belief.up.is_none() {
                belief.turned_at += lag;
            }
        }
        if let Some(replica) = self.instances[index].replica.as_mut().filter(|_| lag > 1_000) {
            replica.handle_lag(lag);
        }
        self.instances[index].wake_at = self.now;
        for (from, frame) in std::mem::take(&mut self.instances[index].waiting) {
            self.take(from, index, &frame)?;
            self.drain(index)?;
        }
        self.wake(index)
    }
}
