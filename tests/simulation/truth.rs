//! What applications have done, in the order of its stamps: what is true.
//!
//! Owns every write that was acknowledged and the rules by which stamps must follow real time. Must not know views.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hereabouts::presence::{Entry, Name, SessionName, Stamp, State};

/// Wall clocks are ahead of the true time by less than this.
pub(crate) const SKEW: u64 = 6;

/// What a write said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// The member is present, known by this ref.
    Live(Stamp),
    Gone,
}

/// An acknowledged write about one member, or the end of its session.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) at: u64,
    pub(crate) instance: usize,
    pub(crate) life: u64,
    pub(crate) stamp: Stamp,
    pub(crate) wrote: Wrote,
    /// Its number in the log of that instance.
    pub(crate) version: u64,
    /// Its instance died, and nobody else had it: it may be lost.
    pub(crate) orphaned: bool,
}

#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) members: BTreeMap<Name, Vec<Write>>,
    pub(crate) ends: BTreeMap<Arc<str>, Vec<Write>>,
    /// What each ref stands for.
    pub(crate) metas: BTreeMap<(Name, Stamp), String>,
    /// Members of which an application no longer knows whether they were lost with their session.
    pub(crate) doubtful: BTreeSet<Name>,
}

/// The named session of a member.
pub(crate) fn session_of(name: &Name) -> Option<&Arc<str>> {
    match &name.member()?.session {
        SessionName::Named(session) => Some(session),
        SessionName::Connection(_) => None,
    }
}

/// A member in few words.
pub(crate) fn brief(name: &Name) -> String {
    let Some(member) = name.member() else { return format!("{name:?}") };
    let session = match &member.session {
        SessionName::Named(session) => session.to_string(),
        SessionName::Connection(connection) => format!("client {}", connection.client),
    };
    format!("{}/{}{} of {session}", member.topic, member.key(), member.id())
}

impl Truth {
    /// All that was written about a member, its session's ends among it.
    pub(crate) fn about<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a Write> + use<'a> {
        let ends = session_of(name).and_then(|session| self.ends.get(session));
        self.members.get(name).into_iter().flatten().chain(ends.into_iter().flatten())
    }

    /// The writes that may be the last one: several if the last ones may be lost.
    pub(crate) fn last(&self, name: &Name) -> Vec<&Write> {
        let mut writes: Vec<&Write> = self.about(name).collect();
        writes.sort_by_key(|write| std::cmp::Reverse((write.stamp, write.wrote == Wrote::Gone)));
        let certain = writes.iter().position(|write| !write.orphaned).map_or(writes.len(), |at| at + 1);
        writes.truncate(certain);
        writes
    }

    /// The ref by which a member is present, if it certainly is.
    pub(crate) fn present(&self, name: &Name) -> Option<(&Write, Stamp)> {
        let last = self.last(name);
        match (last.as_slice(), self.doubtful.contains(name)) {
            ([write], false) => match write.wrote {
                Wrote::Live(reference) => Some((write, reference)),
                Wrote::Gone => None,
            },
            _ => None,
        }
    }

    /// Whether this may be shown at the end: nothing, or a ref.
    pub(crate) fn may_show(&self, name: &Name, shown: Option<Stamp>) -> bool {
        let last = self.last(name);
        let all_orphaned = last.iter().all(|write| write.orphaned);
        let absent_may_be = self.doubtful.contains(name) || all_orphaned;
        match shown {
            None => absent_may_be || last.iter().any(|write| write.wrote == Wrote::Gone),
            Some(reference) => last.iter().any(|write| write.wrote == Wrote::Live(reference)),
        }
    }

    /// The first removal that came after a version.
    pub(crate) fn removal_after(&self, name: &Name, stamp: Stamp) -> Option<Stamp> {
        let removals = self.about(name).filter(|write| write.wrote == Wrote::Gone);
        removals.map(|write| write.stamp).filter(|removal| *removal > stamp).min()
    }

    /// Takes down a write. `behind`: its instance's clock is so far behind the one that is most ahead.
    /// Returns how many earlier ones it falls behind, as writes closer together than the clocks may.
    pub(crate) fn write(&mut self, name: &Name, write: Write, behind: u64) -> Result<u64, String> {
        let inverted = self.check_order(name, &write, behind)?;
        self.doubtful.remove(name);
        let writes = self.members.entry(name.clone()).or_default();
        if writes.iter().all(|known| (known.stamp, known.wrote) != (write.stamp, write.wrote)) {
            writes.push(write);
        }
        Ok(inverted)
    }

    fn check_order(&self, name: &Name, write: &Write, behind: u64) -> Result<u64, String> {
        let mut inverted = 0;
        let later = |earlier: &&Write| earlier.stamp > write.stamp && earlier.wrote != write.wrote;
        for earlier in self.about(name).filter(later) {
            if write.at - earlier.at > behind + 1 {
                return Err(format!(
                    "what {} is told of {} counts less than {earlier:?}, although it came later: {write:?}",
                    write.instance,
                    brief(name)
                ));
            }
            inverted += 1;
        }
        Ok(inverted)
    }

    /// Takes down that a session was ended.
    pub(crate) fn end(&mut self, session: &Arc<str>, write: Write, behind: u64) -> Result<u64, String> {
        let named = |name: &&Name| session_of(name) == Some(session);
        let names: Vec<Name> = self.members.keys().filter(named).cloned().collect();
        let mut inverted = 0;
        for name in &names {
            inverted += self.check_order(name, &write, behind)?;
            self.doubtful.remove(name);
        }
        self.ends.entry(session.clone()).or_default().push(write);
        Ok(inverted)
    }

    /// Instances died. Returns the writes that may be lost by that: nobody who lives has them.
    pub(crate) fn orphan(&mut self, is_lost: impl Fn(&Name, &Write) -> bool) -> Vec<Write> {
        let mut orphaned = Vec::new();
        let mut visit = |name: &Name, write: &mut Write| {
            if !write.orphaned && is_lost(name, write) {
                write.orphaned = true;
                orphaned.push(write.clone());
            }
        };
        for (name, writes) in &mut self.members {
            writes.iter_mut().for_each(|write| visit(name, write));
        }
        for (session, writes) in &mut self.ends {
            let name = Name::of_end(session.clone());
            writes.iter_mut().for_each(|write| visit(&name, write));
        }
        orphaned
    }

    pub(crate) fn of_session<'a>(&'a self, session: &'a Arc<str>) -> impl Iterator<Item = &'a Name> {
        self.members.keys().filter(move |name| session_of(name) == Some(session))
    }
}

/// What an entry of a log says about its member.
pub(crate) fn wrote(entry: &Entry) -> Option<(Stamp, Wrote)> {
    let version = entry.version()?;
    let wrote = match version.state() {
        State::Live => Wrote::Live(version.reference()),
        State::Gone => Wrote::Gone,
        State::Lost(_) => return None,
    };
    Some((version.stamp, wrote))
}
