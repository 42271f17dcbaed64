//! What must hold all the time, and at the end.

use std::collections::BTreeSet;

use hereabouts::crdt::{Event, Log, Owner, Replica, Standing};

use crate::entries::{Name, Number, entries};
use crate::world::World;

impl World {
    /// Follows what an instance tells of its records.
    pub(crate) fn note(&mut self, index: usize, event: Event<Name, Number>) -> Result<(), String> {
        let instance = &mut self.instances[index];
        match event {
            Event::Changed(owner, changed) => {
                let entries = instance.mirror.entry(owner).or_default();
                if entries.get(&changed.key).copied() != changed.before {
                    return Err(format!(
                        "{index} tells {changed:?} of {owner:?} although there was something else"
                    ));
                }
                match changed.after {
                    Some(value) => entries.insert(changed.key, value),
                    None => entries.remove(&changed.key),
                };
            }
            Event::Standing(owner, Standing::Down { .. }) => {
                self.reached.note("owners hidden", u64::from(instance.shown_before.contains(&owner)));
            }
            Event::Standing(owner, Standing::Shown) => {
                self.reached.note("owners shown again", u64::from(!instance.shown_before.insert(owner)));
            }
            Event::Standing(_, Standing::CatchingUp { .. }) => {}
            Event::Forgetting(owner, key, value) => {
                self.reached.note("entries forgotten", 1);
                if instance.mirror.get_mut(&owner).and_then(|entries| entries.remove(&key)) != Some(value) {
                    return Err(format!("{index} forgets {key:?} of {owner:?}, which was not there"));
                }
            }
            Event::Forgotten(owner) => {
                self.reached.note("owners forgotten", 1);
                if !instance.mirror.remove(&owner).unwrap_or_default().is_empty() {
                    return Err(format!("{index} forgets {owner:?} without telling all of it"));
                }
            }
            Event::Renewed(before, after) => {
                self.reached.note("renewals", 1);
                self.tell(|| format!("{index} takes another incarnation: {after:?}"));
                let history = self.history[&before].clone();
                self.history.insert(after, history);
            }
            Event::Conflict(_) => self.reached.note("conflicts", 1),
            Event::Diverged { owner, version, peer } => {
                return Err(format!("{index} and {peer} differ in {owner:?} at version {version}"));
            }
        }
        Ok(())
    }

    /// Each record is a prefix of its owner's history, and what was told adds up to it.
    pub(crate) fn check(&self, index: usize, owner: Owner) -> Result<(), String> {
        let instance = &self.instances[index];
        let log = instance.replica.as_ref().and_then(|replica| replica.log(owner));
        let Some(log) = log else { return Ok(()) };
        let entries = entries(log);
        let own = instance.replica.as_ref().is_some_and(|replica| replica.me() == owner);
        if !own && instance.mirror.get(&owner).cloned().unwrap_or_default() != entries {
            return Err(format!("{index} has not told all of {owner:?}"));
        }
        let true_then = &self.history[&owner][log.version() as usize];
        if !instance.merging && entries != *true_then {
            return Err(format!(
                "{index} holds {entries:?} of {owner:?} at {}, not {true_then:?}",
                log.version()
            ));
        }
        Ok(())
    }

    /// Every instance holds all that every other one has, and shows it.
    pub(crate) fn check_alike(&self) -> Result<(), String> {
        let replicas: Vec<_> =
            self.instances.iter().filter_map(|instance| instance.replica.as_ref()).collect();
        for (index, instance) in self.instances.iter().enumerate() {
            let owners = instance.replica.iter().flat_map(Replica::records).map(|(owner, ..)| owner);
            owners.into_iter().try_for_each(|owner| self.check(index, owner))?;
        }
        for replica in &replicas {
            for other in &replicas {
                let owner = other.me();
                let wanted = other.log(owner).unwrap().version();
                let held = replica.log(owner).map(Log::version);
                let standing = replica.standing(owner);
                // Who never wrote anything need not be known.
                let right = held == Some(wanted) && standing == Some(Standing::Shown)
                    || held.is_none() && wanted == 0;
                if !right {
                    return Err(format!(
                        "not alike in time: {:?} holds {held:?} of {owner:?} as {standing:?} instead of {wanted}",
                        replica.me()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Nobody keeps anything of those who are gone.
    pub(crate) fn check_forgotten(&self) -> Result<(), String> {
        let alive: BTreeSet<Owner> =
            self.instances.iter().filter_map(|instance| instance.replica.as_ref()).map(Replica::me).collect();
        for replica in self.instances.iter().filter_map(|instance| instance.replica.as_ref()) {
            if let Some((owner, ..)) = replica.records().find(|(owner, ..)| !alive.contains(owner)) {
                return Err(format!("{:?} still knows {owner:?}", replica.me()));
            }
            if replica.staged() > 0 {
                return Err(format!("{:?} keeps parts of an update that will not come", replica.me()));
            }
        }
        Ok(())
    }
}

/// Whose entries an event is about.
pub(crate) fn owner_of(event: &Event<Name, Number>) -> Option<Owner> {
    match event {
        Event::Changed(owner, _) | Event::Standing(owner, _) => Some(*owner),
        _ => None,
    }
}
