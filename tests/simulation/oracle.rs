//! What every instance shows, held against what is true.
//!
//! Owns what an instance's changes add up to, and what must hold of it at all times. What must hold at the end is in
//! `endings`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hereabouts::crdt::Standing;
use hereabouts::presence::{Change, Entry, Fault, Name, Presence, Reason, Stamp, State, Version};

use crate::network::{EPOCH, PATIENCE};
use crate::presence_world::{DOWN_GRACE, GRACE, LEASE_MAX, World};
use crate::truth::{brief, session_of};

/// Milliseconds after which two instances that see each other know all of each other, though frames are lost.
pub(crate) const LATE: u64 = 12_000;
/// Milliseconds after which they do as a rule.
const SOON: u64 = 4_000;
/// For so many milliseconds an instance that has started hears of the others' logs one by one, and may show what a log that it
/// has yet to hear of makes void.
const JOINING: u64 = 6_000;

/// What an instance shows, by its changes.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) shown: BTreeMap<Name, Entry>,
    /// The latest version that was ever shown.
    latest: BTreeMap<Name, Stamp>,
    /// A removal that it has seen.
    removed: BTreeMap<Name, Stamp>,
    since: BTreeMap<Name, u64>,
    left: BTreeMap<Name, u64>,
}

impl View {
    pub(crate) fn reference(&self, name: &Name) -> Option<Stamp> {
        self.shown.get(name).and_then(Entry::version).map(Version::reference)
    }
}

impl World {
    /// Follows what an instance says that it shows.
    pub(crate) fn see(&mut self, index: usize, change: Change) -> Result<(), String> {
        let Change { name, after, reason } = change;
        match after {
            Some(entry) => self.see_shown(index, name, entry),
            None => self.see_left(index, name, reason),
        }
    }

    fn see_shown(&mut self, index: usize, name: Name, entry: Entry) -> Result<(), String> {
        let (now, member) = (self.net.now, brief(&name));
        let version = entry.version().filter(|version| version.state() == State::Live);
        let version = version.ok_or_else(|| format!("{index} shows {entry:?} as {member}"))?;
        let (stamp, reference) = (version.stamp, version.reference());
        self.net.tell(|| format!("{index} shows {member}: {} as of {stamp}", version.meta.as_str()));
        self.net.mix(stamp.time ^ index as u64);
        let text = version.meta.as_str();
        let was_tracked = match session_of(&name) {
            Some(_) => self.truth.metas.get(&(name.clone(), reference)).is_some_and(|meta| meta == text),
            None => self
                .residents
                .get(&name)
                .is_some_and(|resident| resident.metas.iter().any(|meta| meta == text)),
        };
        if !was_tracked {
            return Err(format!("{index} shows {member} as {version:?}, which was never tracked"));
        }
        let joins = now - self.net.instances[index].started < JOINING;
        let view = &self.views[index];
        if view.reference(&name) == Some(reference) {
            return Err(format!("{index} tells of {member} although nothing has changed"));
        }
        let latest = view.latest.get(&name).copied();
        let older = latest.is_some_and(|latest| stamp < latest);
        if older && joins {
            self.net.reached.note("went back while joining", 1);
        } else if older && latest.is_some_and(|latest| self.was_alone(&name, stamp, latest)) {
            self.net.reached.note("written where nobody knew of it", 1);
        } else if older || latest == Some(stamp) && view.shown.contains_key(&name) {
            return Err(format!(
                "{index} goes back from {latest:?} of {member} to {version:?}{}",
                self.records(index, &name)
            ));
        }
        let removed = view.removed.get(&name).copied().filter(|removed| stamp <= *removed);
        if removed.is_some_and(|removed| self.was_alone(&name, stamp, removed)) {
            self.net.reached.note("written where nobody knew of it", 1);
        } else if removed.is_some() {
            return Err(format!("{index} shows {member} as {version:?}, whose removal it has seen"));
        }
        let view = &mut self.views[index];
        if !view.shown.contains_key(&name) {
            self.net.reached.note("shown again", u64::from(latest == Some(stamp)));
            view.since.insert(name.clone(), now);
        }
        view.latest.insert(name.clone(), stamp);
        view.shown.insert(name, entry);
        Ok(())
    }

    fn see_left(&mut self, index: usize, name: Name, reason: Reason) -> Result<(), String> {
        let (now, member) = (self.net.now, brief(&name));
        self.net.tell(|| format!("{index} does not show {member} any more: {reason:?}"));
        let before = self.views[index].shown.get(&name).cloned();
        let before =
            before.ok_or_else(|| format!("{index} tells that {member} leaves, which was not there"))?;
        let stamp = before.stamp();
        self.net.mix(!stamp.time ^ index as u64);
        match session_of(&name).cloned() {
            None => self.check_resident_left(index, &name, reason)?,
            Some(session) => match reason {
                Reason::Untrack => {
                    let removal = self.truth.removal_after(&name, stamp);
                    let removal = removal.ok_or_else(|| {
                        format!("{index} tells that {member} was untracked: {}", self.records(index, &name))
                    })?;
                    self.views[index].removed.insert(name.clone(), removal);
                }
                Reason::Lost | Reason::NodeDown => self.check_lost(index, &name, &session)?,
                Reason::Closed => return Err(format!("{index} tells that {member} was closed")),
            },
        }
        self.net.reached.note("lost", u64::from(reason == Reason::Lost));
        self.net.reached.note("hidden", u64::from(reason == Reason::NodeDown));
        let view = &mut self.views[index];
        view.shown.remove(&name);
        view.since.remove(&name);
        view.left.insert(name, now);
        Ok(())
    }

    /// All that an instance knows of a member.
    pub(crate) fn records(&self, index: usize, name: &Name) -> String {
        let Some(machine) = &self.net.instances[index].machine else { return String::new() };
        let end = session_of(name).map(|session| Name::of_end(session.clone()));
        let records = machine.replica().records().map(|(owner, log, standing)| {
            let entry = log.get(name).into_iter().chain(end.as_ref().and_then(|end| log.get(end)));
            let entries: Vec<&Entry> = entry.collect();
            format!("\n    {owner:?} {standing:?} v{}: {:?}", log.version(), entries)
        });
        records.collect()
    }

    /// Two instances have seen each other, and have run, for some time.
    pub(crate) fn is_calm(&self, a: usize, b: usize) -> bool {
        let settled = |index: usize| self.net.now - self.net.instances[index].started > JOINING;
        a == b || self.net.clear_for(a, b) > SOON && settled(a) && settled(b)
    }

    fn check_resident_left(&self, index: usize, name: &Name, reason: Reason) -> Result<(), String> {
        let member = brief(name);
        let Some(resident) = self.residents.get(name) else { return Err(format!("{member} was never here")) };
        let right = match reason {
            Reason::Untrack | Reason::Closed => resident.has_left,
            Reason::Lost => false,
            Reason::NodeDown => {
                let lives = self.net.lives(resident.instance, resident.life);
                // It was seen until its instance died, and is for some time after, unless that had said that it leaves.
                let too_soon = resident.died_at.is_some_and(|died_at| self.net.now < died_at + DOWN_GRACE)
                    && resident.seen_by.contains(&index);
                // It may take longer to catch up than what was seen goes on to be seen.
                let catches_up = self.late(index, resident.instance) > LATE;
                let calm = self.is_calm(index, resident.instance) && !catches_up;
                resident.has_left || !(too_soon || lives && calm)
            }
        };
        if right {
            return Ok(());
        }
        let records = self.records(index, name);
        Err(format!("{index} tells that {member} leaves: {reason:?} of {resident:?}{records}"))
    }

    /// A session was away, or seemed to be.
    fn check_lost(&mut self, index: usize, name: &Name, session: &Arc<str>) -> Result<(), String> {
        let now = self.net.now;
        let application = self.applications.iter().find(|application| application.session == *session);
        let Some(application) = application.filter(|application| application.running) else { return Ok(()) };
        let Some((write, _)) = self.truth.present(name) else { return Ok(()) };
        if now - write.at < 3_000 || now < application.ended_at + 3_000 || application.away_since.is_some() {
            return Ok(());
        }
        // It was told, and has yet to do something about it, or has done it where this instance cannot know.
        let shown = self.views[index].shown.get(name).map(Entry::stamp);
        let elsewhere = shown < Some(write.stamp) && !self.is_calm(index, write.instance);
        if application.tracks_again || elsewhere {
            return Ok(());
        }
        let grace = application.least_grace();
        if application.gaps.iter().any(|(since, until)| until - since + 2_500 > grace) {
            return Ok(());
        }
        let holder = application.holds.iter().find(|hold| {
            let view = &self.views[hold.instance];
            let shown_there = view.since.get(name).is_some_and(|since| now - since > 1_500)
                || view.left.get(name).is_some_and(|left| now - left < 1_500);
            self.net.lives(hold.instance, hold.life)
                && now - hold.since > 2_500
                && self.is_calm(index, hold.instance)
                && (hold.instance == index || shown_there)
        });
        match holder {
            None => Ok(()),
            // Writes closer together than the clocks differ may invert: to the holder this one came before the session.
            Some(hold) if write.stamp.unix_ms() < EPOCH + hold.since => {
                self.net.reached.note("written by a clock that was behind", 1);
                Ok(())
            }
            Some(hold) => {
                Err(format!("{index} loses {} although its session is held by {hold:?}", brief(name)))
            }
        }
    }

    /// What must hold of an instance at any time.
    pub(crate) fn inspect(&mut self, index: usize) -> Result<(), String> {
        let Some(machine) = &mut self.net.instances[index].machine else { return Ok(()) };
        while let Some(fault) = machine.poll_fault() {
            match fault {
                Fault::SameNodeId(_) => self.net.reached.note("conflicts", 1),
                Fault::Diverged { .. } => return Err(format!("{index}: {fault:?}")),
            }
        }
        self.count_holders(index);
        self.forget_residents();
        let names: Vec<Name> = self.truth.members.keys().chain(self.residents.keys()).cloned().collect();
        for name in &names {
            let told = self.views[index].reference(name);
            let machine = self.net.instances[index].machine.as_ref();
            let shown = machine.and_then(|machine| machine.shown(name)).and_then(Entry::version);
            if shown.map(Version::reference) != told {
                return Err(format!("{index} shows {shown:?} of {}, and has told {told:?}", brief(name)));
            }
            match session_of(name).cloned() {
                None => self.check_resident(index, name)?,
                Some(session) => {
                    self.check_stale(index, name)?;
                    self.check_dead(index, name, &session)?;
                    self.check_absent(index, name, &session)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing that somebody in sight knows better is shown.
    fn check_stale(&self, index: usize, name: &Name) -> Result<(), String> {
        let now = self.net.now;
        let Some(shown) = self.views[index].shown.get(name) else { return Ok(()) };
        let machine = self.net.instances[index].machine.as_ref();
        let stamp = machine.and_then(|machine| machine.shown(name)).map_or(shown.stamp(), Entry::stamp);
        let newer = self.truth.about(name).find(|write| {
            write.stamp > stamp
                && now - write.at > LATE
                && self.net.lives(write.instance, write.life)
                && (write.instance == index && self.net.runs(index)
                    || self.net.clear_for(index, write.instance) > self.late(index, write.instance))
        });
        match newer {
            None => Ok(()),
            Some(newer) if self.was_alone(name, stamp, newer.stamp) => Ok(()),
            Some(newer) => Err(format!("{index} still shows {shown:?} of {}, not {newer:?}", brief(name))),
        }
    }

    /// The instance that wrote the newer version had not heard that the other one's had started, cut off from it: it does not
    /// wait for it, and drops what only that one would need.
    pub(crate) fn was_alone(&self, name: &Name, older: Stamp, newer: Stamp) -> bool {
        let find = |stamp: Stamp| self.truth.about(name).find(|write| write.stamp == stamp);
        let (Some(older), Some(newer)) = (find(older), find(newer)) else { return false };
        !self.net.had_met((newer.instance, newer.life), (older.instance, older.life), newer.at)
    }

    /// For so long nothing has been broken or mended near this instance.
    fn quiet_for(&self, index: usize) -> u64 {
        let others = (0..self.net.instances.len()).filter(|other| *other != index);
        others.map(|other| self.net.unchanged_for(index, other)).min().unwrap_or(u64::MAX)
    }

    /// A session that nothing keeps alive is over some day.
    fn check_dead(&self, index: usize, name: &Name, session: &Arc<str>) -> Result<(), String> {
        let long = PATIENCE + LEASE_MAX + GRACE + LATE;
        if !self.views[index].shown.contains_key(name) || self.quiet_for(index) < long {
            return Ok(());
        }
        let Some(dead_since) = self.dead_since(session) else { return Ok(()) };
        let last = self.truth.about(name).map(|write| write.at).max().unwrap_or(0).max(dead_since);
        if self.net.now.saturating_sub(last) < long {
            return Ok(());
        }
        Err(format!("{index} still shows {} of a session that was over at {dead_since}", brief(name)))
    }

    /// When a session has lost its last holder.
    pub(crate) fn dead_since(&self, session: &Arc<str>) -> Option<u64> {
        match self.applications.iter().find(|application| application.session == *session) {
            Some(application) => application.away_since,
            None => self.retired.get(session).copied(),
        }
    }

    /// A member whose session is held in sight is shown.
    fn check_absent(&self, index: usize, name: &Name, session: &Arc<str>) -> Result<(), String> {
        let now = self.net.now;
        let application = self.applications.iter().find(|application| application.session == *session);
        let Some(application) = application.filter(|application| application.running) else { return Ok(()) };
        let Some((write, reference)) = self.truth.present(name) else { return Ok(()) };
        let clear = |a: usize, b: usize| a == b && self.net.runs(a) || self.net.clear_for(a, b) > LATE;
        let near = |instance: usize| clear(index, instance);
        let shown = self.views[index].reference(name);
        if shown == Some(reference)
            || application.tracks_again
            || application.away_since.is_some()
            || application.gaps.iter().any(|(_, until)| now - until < LATE)
            || now - write.at < LATE
            || now < application.ended_at + LATE
            || !self.net.lives(write.instance, write.life)
            || !near(write.instance)
        {
            return Ok(());
        }
        let held = application.holds.iter().any(|hold| {
            now - hold.since > LATE
                && self.net.lives(hold.instance, hold.life)
                && near(hold.instance)
                && clear(hold.instance, write.instance)
        });
        if held {
            return Err(format!("{index} shows {shown:?} of {}, not {write:?}", brief(name)));
        }
        Ok(())
    }

    /// A connection's member is shown while it is there, and not for long after.
    fn check_resident(&self, index: usize, name: &Name) -> Result<(), String> {
        let resident = &self.residents[name];
        let (now, host) = (self.net.now, resident.instance);
        let lives = self.net.lives(host, resident.life);
        let shown = self.views[index].shown.get(name);
        let text = shown.and_then(Entry::version).map(|version| version.meta.as_str());
        let clear_for = if host == index { u64::MAX } else { self.net.clear_for(index, host) };
        let steady = now - self.net.instances[index].steady_since;
        let wrong = match (shown, resident.left_at) {
            (Some(_), Some(_)) if lives => now - resident.changed > LATE && clear_for > LATE,
            (Some(_), _) if !lives => {
                let long = PATIENCE + DOWN_GRACE + 1_000;
                let died_at = resident.died_at.unwrap_or(now);
                now - died_at > long && steady > long
            }
            (Some(_), None) => {
                text != resident.metas.last().map(String::as_str)
                    && now - resident.changed > LATE
                    && clear_for > LATE
            }
            (None, None) => {
                let late = self.late(index, host);
                lives && now - resident.changed > late && clear_for > late
            }
            _ => false,
        };
        if wrong {
            let records = self.records(index, name);
            return Err(format!("{index} shows {text:?} of {}: {resident:?}{records}", brief(name)));
        }
        Ok(())
    }

    /// After how long an instance knows what another one has. Where frames are lost an update in many parts may need several
    /// attempts until the first one has come.
    fn late(&self, index: usize, host: usize) -> u64 {
        let replica = |index: usize| self.net.instances[index].machine.as_ref().map(Presence::replica);
        let (Some(here), Some(there)) = (replica(index), replica(host)) else { return LATE };
        if here.standing(there.me()) == Some(Standing::Shown) { LATE } else { 2 * LATE }
    }

    /// Who left long ago and is shown nowhere was never there: whoever shows it again is found out by that.
    fn forget_residents(&mut self) {
        let (now, views) = (self.net.now, &self.views);
        self.residents.retain(|name, resident| {
            let over_at = resident.left_at.into_iter().chain(resident.died_at).min();
            over_at.is_none_or(|at| now < at + 60_000)
                || views.iter().any(|view| view.shown.contains_key(name))
        });
    }

    /// What was met on the way.
    fn count_holders(&mut self, index: usize) {
        let Some(machine) = &self.net.instances[index].machine else { return };
        let twice = self.truth.members.keys().filter(|name| holders(machine, name) > 1).count();
        self.net.reached.note("members held by two", twice as u64);
    }
}

/// How many records hold exactly the live version that is shown.
fn holders(machine: &Presence, name: &Name) -> usize {
    let Some(shown) = machine.shown(name) else { return 0 };
    machine.replica().records().filter(|(_, log, _)| log.get(name) == Some(shown)).count()
}
