//! Connections with members of their own, which live as long as they do.

use hereabouts::presence::{Entry, Member, Name, Version};

use crate::presence_world::{Act, FAULTS_END, World};
use crate::schedule::Step;
use crate::sessions::{TOPICS, meta};
use crate::truth::brief;

/// Milliseconds for which changes are gathered before they are sent.
const BATCH: u64 = 50;

pub(crate) struct Connection {
    pub(crate) client: u64,
    pub(crate) instance: usize,
    pub(crate) life: u64,
    pub(crate) since: u64,
    /// Somebody has asked for what its instance holds since.
    pub(crate) pulled: bool,
    /// Each with the number of its meta.
    pub(crate) members: Vec<(Name, u64)>,
}

/// A connection's member, for as long as anybody may still show it.
#[derive(Clone, Debug)]
pub(crate) struct Resident {
    pub(crate) instance: usize,
    pub(crate) life: u64,
    /// When it changed last.
    pub(crate) changed: u64,
    /// When it was untracked, or its connection closed.
    pub(crate) left_at: Option<u64>,
    /// It has left before, and may be back.
    pub(crate) has_left: bool,
    /// When its instance died.
    pub(crate) died_at: Option<u64>,
    /// Who had seen its instance for some time when that died without a word.
    pub(crate) seen_by: Vec<usize>,
    /// All metas that it had, in order.
    pub(crate) metas: Vec<String>,
}

impl World {
    pub(crate) fn come_and_go(&mut self) -> Result<(), String> {
        if self.net.now >= FAULTS_END {
            return Ok(());
        }
        let again = self.net.random.between(200, 1_500);
        self.net.plan(again, Step::Act(Act::Connections));
        if self.connections.len() < 8
            && let Some(instance) = self.choose_any()
        {
            self.open(instance)?;
        }
        if self.connections.len() > 3 && self.net.random.chance(600) {
            let place = self.net.random.below(self.connections.len() as u64) as usize;
            if self.net.runs(self.connections[place].instance) {
                self.use_connection(place)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, instance: usize) -> Result<(), String> {
        self.next_client += 1;
        let (client, life) = (self.next_client, self.net.instances[instance].life);
        let since = self.net.now;
        self.connections.push(Connection {
            client,
            instance,
            life,
            since,
            pulled: false,
            members: Vec::new(),
        });
        let place = self.connections.len() - 1;
        for _ in 0..self.net.random.between(1, 4) {
            self.track_own(place)?;
        }
        self.drain(instance)?;
        if self.net.random.chance(350) {
            let after = self.net.random.between(1, 70);
            self.net.plan(after, Step::Act(Act::Hangup(client)));
        }
        Ok(())
    }

    fn track_own(&mut self, place: usize) -> Result<(), String> {
        let number = self.net.random.next() >> 40;
        let open = &mut self.connections[place];
        let machine = self.net.instances[open.instance].machine.as_mut().unwrap();
        let topic = TOPICS[open.members.len() % 2];
        let key = format!("k{}", self.net.random.below(4));
        let member = Member::new(topic.into(), &key, machine.connection(open.client), "");
        let name = Name::from(member.clone());
        let now = {
            let index = open.instance;
            self.net.clocks(index)
        };
        let machine = self.net.instances[open.instance].machine.as_mut().unwrap();
        let answer = machine.track(now, member, meta(number), false);
        if answer.is_err()
            || machine.shown(&name).and_then(Entry::version).map(Version::reference) != answer.ok()
        {
            return Err(format!("TRACK of {}: {answer:?}", brief(&name)));
        }
        let text = meta(number).as_str().to_owned();
        let known = open.members.iter_mut().find(|(known, _)| *known == name);
        match known {
            Some(known) => known.1 = number,
            None => open.members.push((name.clone(), number)),
        }
        let resident = self.residents.entry(name).or_insert_with(|| Resident {
            instance: open.instance,
            life: open.life,
            changed: 0,
            left_at: None,
            has_left: false,
            died_at: None,
            seen_by: Vec::new(),
            metas: Vec::new(),
        });
        resident.left_at = None;
        resident.changed = self.net.now;
        resident.metas.push(text);
        Ok(())
    }

    fn use_connection(&mut self, place: usize) -> Result<(), String> {
        let (client, instance) = (self.connections[place].client, self.connections[place].instance);
        match self.net.random.below(5) {
            0 => self.track_own(place)?,
            1 => {
                let Some((name, _)) = self.connections[place].members.pop() else { return Ok(()) };
                let now = self.net.clocks(instance);
                let machine = self.net.instances[instance].machine.as_mut().unwrap();
                let removed = machine.untrack(now, name.member().unwrap().clone(), None);
                self.forget_own(&name)?;
                if !removed {
                    return Err(format!("UNTRACK of {} finds nothing", brief(&name)));
                }
            }
            _ => return self.hang_up(client),
        }
        self.drain(instance)
    }

    fn forget_own(&mut self, name: &Name) -> Result<(), String> {
        let now = self.net.now;
        let resident =
            self.residents.get_mut(name).ok_or_else(|| format!("{} was never here", brief(name)))?;
        resident.left_at = Some(now);
        resident.changed = now;
        resident.has_left = true;
        Ok(())
    }

    pub(crate) fn hang_up(&mut self, client: u64) -> Result<(), String> {
        let Some(place) = self.connections.iter().position(|open| open.client == client) else {
            return Ok(());
        };
        if self.net.instances[self.connections[place].instance].paused_since.is_some() {
            self.net.plan(100, Step::Act(Act::Hangup(client)));
            return Ok(());
        }
        let Connection { instance, life, since, pulled, members, .. } = self.connections.remove(place);
        if !self.net.lives(instance, life) {
            return Ok(());
        }
        let within = self.net.now < since + BATCH;
        self.net.reached.note("members put and removed within a batch", u64::from(within));
        self.net.reached.note("of those, pulled in its middle", u64::from(within && pulled));
        let machine = self.net.instances[instance].machine.as_mut().unwrap();
        machine.close_connection(client);
        for (name, _) in members {
            self.forget_own(&name)?;
        }
        self.drain(instance)
    }
}
