//! What must hold when the faults have stopped.

use std::collections::{BTreeMap, BTreeSet};

use hereabouts::crdt::{Owner, Standing};
use hereabouts::presence::{Entry, Name, Presence, Stamp};

use crate::network::Machine;
use crate::presence_world::{World, own_log};
use crate::truth::{brief, session_of};

impl World {
    /// All instances show the same, and what is true. `settled`: long enough after the faults that sessions that are over
    /// are seen to be.
    pub(crate) fn check_alike(&mut self, settled: bool) -> Result<(), String> {
        self.check_records()?;
        let names: Vec<Name> = self.truth.members.keys().chain(self.residents.keys()).cloned().collect();
        for name in &names {
            let counts = settled || session_of(name).is_none_or(|session| self.dead_since(session).is_none());
            if !counts {
                continue;
            }
            let shown: BTreeSet<Option<Stamp>> = self.views.iter().map(|view| view.reference(name)).collect();
            if shown.len() > 1 {
                return Err(format!("instances do not agree on {}: {shown:?}", brief(name)));
            }
            for shown in shown {
                self.check_true(name, shown)?;
            }
        }
        Ok(())
    }

    fn check_true(&mut self, name: &Name, shown: Option<Stamp>) -> Result<(), String> {
        let Some(session) = session_of(name) else {
            let resident = &self.residents[name];
            let is_there = resident.left_at.is_none() && self.net.lives(resident.instance, resident.life);
            if is_there != shown.is_some() {
                return Err(format!("all show {shown:?} of {}: {resident:?}", brief(name)));
            }
            return Ok(());
        };
        let right = match self.dead_since(session) {
            Some(_) => shown.is_none(),
            None => self.truth.may_show(name, shown),
        };
        if right {
            return Ok(());
        }
        let last = self.truth.last(name);
        let shown_stamp = self.views[0].shown.get(name).map(Entry::stamp);
        if shown_stamp.is_some_and(|stamp| last.iter().any(|last| self.was_alone(name, stamp, last.stamp))) {
            self.net.reached.note("written where nobody knew of it", 1);
            return Ok(());
        }
        let dead_since = self.dead_since(session);
        Err(format!("all show {shown:?} of {}, over since {dead_since:?}, not {last:?}", brief(name)))
    }

    /// By when who has written what.
    pub(crate) fn note_due(&mut self) {
        self.due = self.machines().map(|(_, machine)| (machine.me(), own_log(machine).version())).collect();
    }

    /// Every instance holds all that every other one has, and shows it.
    fn check_records(&self) -> Result<(), String> {
        for (index, machine) in self.machines() {
            for (_, other) in self.machines() {
                let owner = other.replica().me();
                // What was written in the last moment may be under way.
                let due = self.due.get(&owner).copied().unwrap_or(0);
                let held = machine.replica().log(owner);
                let standing = machine.replica().standing(owner);
                let right = match held {
                    // What was written in the last moment is under way.
                    Some(held) => held.version() >= due && standing == Some(Standing::Shown),
                    None => due == 0,
                };
                if !right {
                    let held = held.map(|log| log.version());
                    return Err(format!("{index} holds {held:?} of {owner:?} as {standing:?}, not {due}"));
                }
            }
        }
        Ok(())
    }

    fn machines(&self) -> impl Iterator<Item = (usize, &Presence)> {
        let machines = self.net.instances.iter().enumerate();
        machines.filter_map(|(index, instance)| Some((index, instance.machine.as_ref()?)))
    }

    /// All was ended: nothing is shown, and nothing is remembered.
    pub(crate) fn check_empty(&self) -> Result<(), String> {
        for (index, view) in self.views.iter().enumerate() {
            if let Some((name, entry)) = view.shown.first_key_value() {
                return Err(format!("{index} still shows {}: {entry:?}", brief(name)));
            }
        }
        Ok(())
    }

    /// Nobody keeps anything of what is over.
    pub(crate) fn check_forgotten(&self) -> Result<(), String> {
        self.check_empty()?;
        if self.net.told {
            for (index, machine) in self.machines() {
                println!("{index} {:?}", machine.counts());
                for (owner, log, standing) in machine.replica().records() {
                    println!(
                        "    {owner:?} {standing:?} v{} {:?}",
                        log.version(),
                        log.iter().collect::<Vec<_>>()
                    );
                }
            }
        }
        let alive: BTreeMap<Owner, usize> =
            self.machines().map(|(index, machine)| (machine.replica().me(), index)).collect();
        for (index, machine) in self.machines() {
            let replica = machine.replica();
            if let Some((owner, ..)) = replica.records().find(|(owner, ..)| !alive.contains_key(owner)) {
                return Err(format!("{index} still knows {owner:?}"));
            }
            if replica.staged() > 0 {
                return Err(format!("{index} keeps parts of an update that will not come"));
            }
            let left = replica.log(replica.me()).into_iter().flat_map(|log| log.iter()).next();
            if let Some((name, entry)) = left {
                return Err(format!("{index} still has {name:?}: {entry:?}"));
            }
            let counts = machine.counts();
            if (counts.members, counts.known_members, counts.sessions) != (0, 0, 0) {
                return Err(format!("{index} still counts {counts:?}"));
            }
        }
        Ok(())
    }
}
