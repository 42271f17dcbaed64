//! What goes wrong: cuts, ends without warning and in good order, starts, pauses.

use hereabouts::crdt::Log;
use hereabouts::presence::Name;

use crate::presence_world::{Act, FAULTS_END, World, highest};
use crate::random::Random;
use crate::schedule::Step;
use crate::truth::Write;

/// What goes wrong in this run, and how often.
#[derive(Debug)]
pub(crate) struct Faults {
    every_ms: (u64, u64),
    /// Of all faults: cuts, ends without warning, drains, pauses.
    weights: [u64; 4],
    /// Frames of a thousand that are lost.
    pub(crate) loss: u64,
    long: bool,
    one_way: bool,
    new_names: bool,
    clocks_back: bool,
}

impl Faults {
    /// Those of one run: some have none.
    pub(crate) fn draw(random: &mut Random) -> Faults {
        let calm = random.chance(120);
        let weight = |random: &mut Random| if calm || random.chance(300) { 0 } else { random.between(1, 10) };
        let weights = [(); 4].map(|()| weight(random));
        Faults {
            every_ms: if random.chance(400) { (3_000, 12_000) } else { (300, 5_000) },
            weights,
            loss: if calm { 0 } else { [0, 0, 20, 50][random.below(4) as usize] },
            long: random.chance(300),
            one_way: random.chance(500),
            new_names: random.chance(500),
            clocks_back: random.chance(400),
        }
    }
}

impl World {
    pub(crate) fn fault(&mut self) -> Result<(), String> {
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
        let span =
            if long { self.net.random.between(10_000, 58_000) } else { self.net.random.between(100, 14_000) };
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
        self.bury(
            index,
            if self.draining[index] == Some(self.net.instances[index].life) { Vec::new() } else { seen_by },
        );
        let back = (self.net.now + self.net.random.between(50, 20_000)).min(FAULTS_END);
        self.net.schedule.plan(back, Step::Restart(index));
    }

    pub(crate) fn restart(&mut self, index: usize) {
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

    pub(crate) fn leave(&mut self, index: usize, life: u64, deadline: u64) -> Result<(), String> {
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
                && machine
                    .and_then(|machine| machine.replica().log(me))
                    .is_some_and(|log| log.version() >= version)
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
        let others =
            || net.instances.iter().enumerate().filter_map(|(other, it)| Some((other, it.machine.as_ref()?)));
        // By which versions others know it, under any name that it had in this life.
        let known_to: Vec<(usize, u64, u64)> = others()
            .filter_map(|(other, other_machine)| {
                let names = self.owners.get(&(index, life)).into_iter().flatten();
                let versions =
                    names.filter_map(|owner| other_machine.replica().log(*owner)).map(Log::version);
                Some((other, net.instances[other].life, versions.max()?))
            })
            .collect();
        self.heirs.insert((index, life), known_to);
        let heirs = &self.heirs;
        let is_lost = |name: &Name, write: &Write| {
            let Some(heirs) = heirs.get(&(write.instance, write.life)) else { return false };
            let heir = |(other, life, version): &(usize, u64, u64)| {
                *version >= write.version && net.lives(*other, *life)
            };
            let held = || {
                others().any(|(_, machine)| highest(machine, name).is_some_and(|known| known >= write.stamp))
            };
            !heirs.iter().any(heir) && !held()
        };
        let orphaned = self.truth.orphan(is_lost);
        for write in &orphaned {
            self.net.tell(|| format!("nobody else has {write:?}"));
        }
        self.net.reached.note("excepted: writes lost with their instance", orphaned.len() as u64);
    }
}
