//! Commands of applications at an instance, and what they must answer.
//!
//! Owns how a command is given, and what becomes true by it. What an instance writes for a command is read from its own log:
//! a later command must be a later write there.

use std::sync::Arc;

use hereabouts::presence::{Detach, Entry, MetaChange, Name, Presence, Refusal, SessionName, Stamp, Version};

use crate::network::Instance;
use crate::oracle::LATE;
use crate::presence_world::{Act, World, own_log};
use crate::schedule::Step;
use crate::sessions::{Deed, meta};
use crate::truth::{SKEW, Write, Wrote, brief, wrote};

impl World {
    /// Now, at this instance.
    fn write_of(&self, instance: usize, stamp: Stamp, wrote: Wrote) -> Write {
        let Instance { life, machine, .. } = &self.net.instances[instance];
        let version = machine.as_ref().map_or(0, |machine| own_log(machine).version());
        Write { at: self.net.now, instance, life: *life, stamp, wrote, version, orphaned: false }
    }

    /// How far an instance's clock is behind the one that is most ahead.
    fn behind(&self, instance: usize) -> u64 {
        let instance = &self.net.instances[instance];
        SKEW - instance.skew + instance.clock_back
    }

    fn machine(&mut self, instance: usize) -> &mut Presence {
        self.net.instances[instance].machine.as_mut().expect("commands go to instances that run")
    }

    fn own<'a>(&'a self, instance: usize, name: &Name) -> Option<&'a Entry> {
        own_log(self.net.instances[instance].machine.as_ref()?).get(name)
    }

    /// The version that an instance shows.
    fn shown(&self, instance: usize, name: &Name) -> Option<Version> {
        let machine = self.net.instances[instance].machine.as_ref()?;
        machine.shown(name).and_then(Entry::version).cloned()
    }

    /// Takes down what the last command has written at an instance.
    pub(crate) fn take_down(&mut self, instance: usize, name: &Name) -> Result<Wrote, String> {
        let entry = self.own(instance, name).and_then(wrote);
        let (stamp, wrote) =
            entry.ok_or_else(|| format!("{instance} has written nothing of {}", brief(name)))?;
        let write = self.write_of(instance, stamp, wrote);
        let behind = self.behind(instance);
        let inverted = self.truth.write(name, write, behind)?;
        self.net.reached.note("excepted: writes closer together than the clocks", inverted);
        Ok(wrote)
    }

    pub(crate) fn carry_out(&mut self, number: usize, instance: usize, deed: Deed) -> Result<(), String> {
        self.net.tell(|| format!("{} {deed:?} at {instance}", self.applications[number].session));
        let of = |user: u64| self.applications[number].name(user);
        match deed {
            Deed::Track(user) => {
                let name = of(user);
                let new = self.next_meta();
                self.track(number, instance, &name, new, false)
            }
            Deed::TrackNew(user) => {
                let name = of(user);
                let new = self.next_meta();
                self.track(number, instance, &name, new, true)
            }
            Deed::TrackAgain(user) => {
                let name = of(user);
                let same = self.applications[number].wanted.get(&name).map(|(number, _)| *number);
                let again = same.or_else(|| self.last_metas.get(&name).copied());
                let Some(again) = again else { return Ok(()) };
                self.track(number, instance, &name, again, false)
            }
            Deed::TrackAll => {
                self.applications[number].tracks_again = false;
                let wanted: Vec<(Name, u64)> = self.applications[number]
                    .wanted
                    .iter()
                    .map(|(name, (meta, _))| (name.clone(), *meta))
                    .collect();
                for (name, again) in wanted {
                    self.track(number, instance, &name, again, false)?;
                }
                Ok(())
            }
            Deed::Update(user) => {
                let name = of(user);
                let new = self.next_meta();
                self.update(number, instance, &name, new, MetaChange::Replace(meta(new)))
            }
            Deed::Merge(user) => {
                let name = of(user);
                let new = self.next_meta();
                self.update(number, instance, &name, new, MetaChange::Merge(meta(new), 4_096))
            }
            Deed::Untrack(user) => {
                let name = of(user);
                self.untrack(number, instance, &name)
            }
            Deed::UntrackAll(topic) => self.untrack_all(number, instance, topic),
            Deed::End => self.end(number, instance),
        }
    }

    fn next_meta(&mut self) -> u64 {
        self.metas += 1;
        self.metas
    }

    fn track(
        &mut self,
        number: usize,
        instance: usize,
        name: &Name,
        new: u64,
        only_new: bool,
    ) -> Result<(), String> {
        let before = self.shown(instance, name);
        let now = self.net.clocks(instance);
        let member = name.member().unwrap().clone();
        let answer = self.machine(instance).track(now, member, meta(new), only_new);
        match (answer, before) {
            (Err(Refusal::AlreadyTracked), Some(_)) if only_new => return Ok(()),
            (Ok(reference), before) if !only_new || before.is_none() => {
                self.learn_ref(name, reference, new, before.as_ref())?;
                self.applications[number].wanted.insert(name.clone(), (new, reference));
            }
            (answer, before) => {
                return Err(format!(
                    "TRACK of {} at {instance}: {answer:?}, shown was {before:?}",
                    brief(name)
                ));
            }
        }
        self.last_metas.insert(name.clone(), new);
        self.expect_live(instance, name)
    }

    /// The ref that a command has answered stands for this meta, is new unless nothing has changed, and is shown.
    fn learn_ref(
        &mut self,
        name: &Name,
        reference: Stamp,
        new: u64,
        before: Option<&Version>,
    ) -> Result<(), String> {
        let text = meta(new).as_str().to_owned();
        let kept = before.filter(|before| before.meta.as_str() == text).map(Version::reference);
        if kept.is_some_and(|kept| kept != reference) {
            return Err(format!("{} gets another ref although nothing changes", brief(name)));
        }
        match self.truth.metas.insert((name.clone(), reference), text.clone()) {
            None if kept.is_none() => Ok(()),
            Some(known) if known == text && kept.is_some() => Ok(()),
            known => Err(format!("the ref {reference} of {} is {known:?} and {text}", brief(name))),
        }
    }

    fn expect_live(&mut self, instance: usize, name: &Name) -> Result<(), String> {
        let written = self.take_down(instance, name)?;
        let shown = self.shown(instance, name).map(|version| Wrote::Live(version.reference()));
        if matches!(written, Wrote::Live(_)) && shown == Some(written) {
            return Ok(());
        }
        Err(format!(
            "{} was tracked at {instance}, which writes {written:?} and shows {shown:?}",
            brief(name)
        ))
    }

    fn update(
        &mut self,
        number: usize,
        instance: usize,
        name: &Name,
        new: u64,
        change: MetaChange,
    ) -> Result<(), String> {
        let before = self.shown(instance, name);
        let after = self.causal_ref(number, name);
        let now = self.net.clocks(instance);
        let member = name.member().unwrap().clone();
        match (self.machine(instance).update(now, member, change, after), before) {
            // It is not known here; the application tracks it as it is.
            (Err(Refusal::NotTracked), None) => self.track(number, instance, name, new, false),
            (Ok(reference), Some(before)) => {
                self.learn_ref(name, reference, new, Some(&before))?;
                if after.is_some_and(|after| reference <= after) {
                    return Err(format!("the update of {} does not come after its REF", brief(name)));
                }
                self.applications[number].wanted.insert(name.clone(), (new, reference));
                self.last_metas.insert(name.clone(), new);
                let previous = self.shown(instance, name).and_then(|version| version.previous());
                if previous != Some(before.reference()) {
                    return Err(format!("the update of {} forgets its former ref", brief(name)));
                }
                self.expect_live(instance, name)
            }
            (answer, before) => {
                Err(format!("UPDATE of {} at {instance}: {answer:?}, shown was {before:?}", brief(name)))
            }
        }
    }

    fn causal_ref(&mut self, number: usize, name: &Name) -> Option<Stamp> {
        let reference = self.applications[number].wanted.get(name).map(|(_, reference)| *reference);
        reference.filter(|_| self.net.random.chance(300))
    }

    fn untrack(&mut self, number: usize, instance: usize, name: &Name) -> Result<(), String> {
        let before = self.shown(instance, name).is_some();
        let after = self.causal_ref(number, name);
        let now = self.net.clocks(instance);
        let member = name.member().unwrap().clone();
        let removed = self.machine(instance).untrack(now, member, after);
        self.applications[number].wanted.remove(name);
        if removed != before {
            return Err(format!("UNTRACK of {} at {instance}: {removed}, shown was {before}", brief(name)));
        }
        self.expect_gone(instance, name)
    }

    fn expect_gone(&mut self, instance: usize, name: &Name) -> Result<(), String> {
        let written = self.take_down(instance, name)?;
        if written != Wrote::Gone || self.shown(instance, name).is_some() {
            return Err(format!("{} was untracked at {instance}, which writes {written:?}", brief(name)));
        }
        Ok(())
    }

    fn untrack_all(
        &mut self,
        number: usize,
        instance: usize,
        topic: Option<&'static str>,
    ) -> Result<(), String> {
        let session = self.applications[number].session.clone();
        let concerned: Vec<Name> = self.truth.of_session(&session).cloned().collect();
        let concerned: Vec<Name> = concerned
            .into_iter()
            .filter(|name| topic.is_none_or(|topic| *name.member().unwrap().topic == *topic))
            .filter(|name| self.shown(instance, name).is_some())
            .collect();
        let named = SessionName::Named(session);
        let mut removal = self.machine(instance).begin_removal(named, topic);
        loop {
            let budget = self.net.random.between(1, 4) as usize;
            let now = self.net.clocks(instance);
            if self.machine(instance).continue_removal(now, &mut removal, budget) {
                break;
            }
        }
        if removal.removed != concerned.len() {
            return Err(format!("UNTRACKALL at {instance}: {} of {concerned:?}", removal.removed));
        }
        for name in &concerned {
            self.applications[number].wanted.remove(name);
            self.expect_gone(instance, name)?;
        }
        Ok(())
    }

    fn end(&mut self, number: usize, instance: usize) -> Result<(), String> {
        let session = self.applications[number].session.clone();
        let before =
            self.truth.of_session(&session).filter(|name| self.shown(instance, name).is_some()).count();
        let now = self.net.clocks(instance);
        let shown = self
            .machine(instance)
            .end(now, &session)
            .map_err(|why| format!("END of {session} at {instance}: {why:?}"))?;
        self.net.reached.note("ends", 1);
        if shown != before {
            return Err(format!("END of {session} at {instance}: {shown}, shown were {before}"));
        }
        self.take_down_end(instance, &session)
    }

    /// A session was ended by a command at this instance.
    fn take_down_end(&mut self, instance: usize, session: &Arc<str>) -> Result<(), String> {
        let name = Name::of_end(session.clone());
        let stamp = self.own(instance, &name).map(Entry::stamp);
        let stamp = stamp.ok_or_else(|| format!("{instance} does not remember the end of {session}"))?;
        let write = self.write_of(instance, stamp, Wrote::Gone);
        let behind = self.behind(instance);
        let inverted = self.truth.end(session, write, behind)?;
        self.net.reached.note("excepted: writes closer together than the clocks", inverted);
        let now = self.net.now;
        for application in self.applications.iter_mut().filter(|application| application.session == *session)
        {
            application.wanted.clear();
            application.ended_at = now;
            // Its lease has ended with it.
            application.holds.retain(|hold| hold.client.is_some());
        }
        Ok(())
    }

    /// A client that was attached goes, or says that it does not want to be any more.
    pub(crate) fn detach_at(
        &mut self,
        (instance, life): (usize, u64),
        session: &Arc<str>,
        client: u64,
        named: bool,
    ) -> Result<(), String> {
        if !self.net.lives(instance, life) {
            return Ok(());
        }
        if !self.net.runs(instance) {
            // It hears of it when it goes on.
            let session = session.clone();
            self.net.plan(100, Step::Act(Act::Detach { instance, life, session, client, named }));
            return Ok(());
        }
        let end = Name::of_end(session.clone());
        let before = self.own(instance, &end).map(Entry::stamp);
        let now = self.net.clocks(instance);
        let how = if named { Detach::Named } else { Detach::Quiet };
        self.machine(instance).detach(now, session, client, how);
        let ended = self.own(instance, &end).map(Entry::stamp) != before;
        if ended {
            let elsewhere =
                self.applications.iter().find(|application| application.session == *session).and_then(
                    |application| {
                        application.holds.iter().find(|hold| {
                            self.net.now - hold.since > LATE
                                && self.net.lives(hold.instance, hold.life)
                                && (hold.instance == instance
                                    || self.net.clear_for(instance, hold.instance) > LATE)
                        })
                    },
                );
            if !named || elsewhere.is_some() {
                return Err(format!("{session} is ended by a client that goes, held by {elsewhere:?}"));
            }
            self.net.reached.note("sessions ended by name", 1);
            self.take_down_end(instance, session)?;
        }
        self.drain(instance)
    }
}
