//! What must hold all the time, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use hereabouts::crdt::{Event, Log, Owner, Replica, Round, Standing};

use crate::entries::{Name, Number, entries};
use crate::world::{CONVERGED, FORGET_AFTER, World};

/// A digest is on its way no longer than this.
const DELAY_MAX: u64 = 1_000;

/// Versions that an instance held.
type Held = BTreeMap<Owner, u64>;

/// A round, and what was held when it began.
pub(crate) struct Followed {
    round: Round,
    mine: Held,
    /// Of each instance that did not hold all of it yet: who it was, and what it held. (One that did has said nothing new
    /// since, perhaps: what it wrote later it wrote with that in mind.)
    theirs: Vec<Option<(Owner, Held)>>,
}

fn held(replica: &Replica<Name, Number>) -> Held {
    replica.records().map(|(owner, log, _)| (owner, log.version())).collect()
}

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
                let again = !instance.shown_before.insert(owner);
                self.reached.note("owners shown again", u64::from(again));
                if again {
                    self.check_caught_up(index, owner)?;
                }
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
                instance.reached.remove(&owner);
                instance.right.remove(&owner);
                if !instance.mirror.remove(&owner).unwrap_or_default().is_empty() {
                    return Err(format!("{index} forgets {owner:?} without telling all of it"));
                }
            }
            Event::Renewed(before, after) => {
                self.reached.note("renewals", 1);
                self.tell(|| format!("{index} takes another incarnation: {after:?}"));
                let (history, written) = (self.history[&before].clone(), self.written[&before].clone());
                self.history.insert(after, history);
                self.written.insert(after, written);
                self.instances[index].round = None;
            }
            Event::Conflict(_) => self.reached.note("conflicts", 1),
            Event::Diverged { .. } if self.lies => self.reached.note("divergences", 1),
            Event::Diverged { owner, version, peer } => {
                return Err(format!("{index} and {peer} differ in {owner:?} at version {version}"));
            }
        }
        Ok(())
    }

    /// Each record is a prefix of its owner's history, and what was told adds up to it.
    pub(crate) fn check(&mut self, index: usize, owner: Owner) -> Result<(), String> {
        let instance = &mut self.instances[index];
        let log = instance.replica.as_ref().and_then(|replica| replica.log(owner));
        let Some(log) = log else { return Ok(()) };
        let entries = entries(log);
        let own = instance.replica.as_ref().is_some_and(|replica| replica.me() == owner);
        if !own && instance.mirror.get(&owner).cloned().unwrap_or_default() != entries {
            return Err(format!("{index} has not told all of {owner:?}"));
        }
        let version = log.version();
        if instance.reached.insert(owner, version).is_some_and(|before| before > version) {
            return Err(format!("{index} goes back to {version} of {owner:?}"));
        }
        if instance.merging {
            return Ok(());
        }
        let true_then = &self.history[&owner][version as usize];
        if entries == *true_then {
            instance.right.insert(owner, version);
        } else if !self.lies || self.now >= CONVERGED || instance.right.get(&owner) == Some(&version) {
            return Err(format!("{index} holds {entries:?} of {owner:?} at {version}, not {true_then:?}"));
        }
        Ok(())
    }

    /// An owner that is up again is shown with nothing older than what it could have said since: its own word counts where
    /// there is a link to it.
    fn check_caught_up(&self, index: usize, owner: Owner) -> Result<(), String> {
        let Some(other) = self.instances.iter().position(|instance| instance.node == owner.node) else {
            return Ok(());
        };
        let belief = &self.instances[index].beliefs[other];
        let linked =
            belief.linked == Some(self.instances[other].life) && belief.linked_at <= belief.turned_at;
        if !linked || belief.up != Some(owner.incarnation) {
            return Ok(());
        }
        let heard = belief.turned_at.saturating_sub(DELAY_MAX);
        let wanted = self.written[&owner].partition_point(|at| *at <= heard).saturating_sub(1) as u64;
        let log = self.instances[index].replica.as_ref().and_then(|replica| replica.log(owner));
        let version = log.map_or(0, Log::version);
        if version < wanted {
            return Err(format!(
                "{index} shows {owner:?} at {version}, before it has caught up with {wanted}"
            ));
        }
        Ok(())
    }

    /// Each instance has a round under way at all times.
    pub(crate) fn follow_round(&mut self, index: usize) -> Result<(), String> {
        let now = self.clock(index);
        let instance = &self.instances[index];
        let Some(replica) = &instance.replica else { return Ok(()) };
        let Some(followed) = &instance.round else {
            let mine = held(replica);
            let holds_less = |replica: &&Replica<Name, Number>| {
                mine.iter().any(|(owner, version)| replica.log(*owner).map_or(0, Log::version) < *version)
            };
            let replicas = self.instances.iter().map(|instance| instance.replica.as_ref());
            let theirs = replicas
                .map(|replica| replica.filter(holds_less).map(|replica| (replica.me(), held(replica))))
                .collect();
            let followed = Followed { round: replica.begin_round(), mine, theirs };
            self.instances[index].round = Some(followed);
            return Ok(());
        };
        if !replica.round_is_over(&followed.round, now) {
            return Ok(());
        }
        for other in (0..self.instances.len()).filter(|other| *other != index) {
            self.check_round(index, followed, other)?;
        }
        self.reached.note("rounds", 1);
        self.instances[index].round = None;
        Ok(())
    }

    /// Whoever is waited for holds what the instance held when the round began, which holds what it held itself.
    fn check_round(&self, index: usize, followed: &Followed, other: usize) -> Result<(), String> {
        let belief = &self.instances[index].beliefs[other];
        let (Some(mine), Some(theirs)) = (&self.instances[index].replica, &self.instances[other].replica)
        else {
            return Ok(());
        };
        if !belief.met {
            return match self.clock(index) < FORGET_AFTER {
                true => Err(format!("{index} ends a round without having met {other}")),
                false => Ok(()),
            };
        }
        let known = belief.last == Some(theirs.me().incarnation) && belief.node == Some(theirs.me().node);
        if !known || belief.up.is_none() && self.now >= belief.turned_at + FORGET_AFTER {
            return Ok(());
        }
        let lacks = |replica: &Replica<Name, Number>, then: &Held, of: &Replica<Name, Number>| {
            let here = |owner| of.log(owner).is_some();
            let less = |owner, version| replica.log(owner).is_some_and(|log| log.version() < version);
            then.iter()
                .find(|(owner, version)| here(**owner) && less(**owner, **version))
                .map(|(owner, _)| *owner)
        };
        if let Some(owner) = lacks(theirs, &followed.mine, mine) {
            return Err(format!("{index} ends a round although {other} holds less of {owner:?}"));
        }
        let Some((_, then)) = followed.theirs[other].as_ref().filter(|(me, _)| *me == theirs.me()) else {
            return Ok(());
        };
        match lacks(mine, then, theirs) {
            Some(owner) => Err(format!("{index} ends a round although {other} held more of {owner:?}")),
            None => Ok(()),
        }
    }

    /// Every instance holds all that every other one has, and shows it.
    pub(crate) fn check_alike(&mut self) -> Result<(), String> {
        let live: BTreeSet<Owner> =
            self.instances.iter().filter_map(|i| i.replica.as_ref()).map(Replica::me).collect();
        for index in 0..self.instances.len() {
            live.iter().try_for_each(|owner| self.check(index, *owner))?;
        }
        let replicas: Vec<_> =
            self.instances.iter().filter_map(|instance| instance.replica.as_ref()).collect();
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
