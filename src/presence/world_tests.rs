//! One to three machines for the tests of presence, whose messages are handed over by hand, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Entry, Member, Meta, Presence, SessionName, Settings, Stamp};
use crate::crdt::{self, Incarnation, NodeId, Owner};
use crate::map::HashKeys;
use crate::time::Now;

/// Milliseconds of the wall clock at the beginning.
const EPOCH: u64 = 1_700_000_000_000;

pub(super) struct World {
    pub(super) machines: Vec<Option<Presence>>,
    /// What each machine's changes add up to: member's text to its meta.
    pub(super) views: Vec<BTreeMap<String, String>>,
    /// What each machine has told: `+` joined, `-reason` left, `~` changed.
    told: Vec<Vec<String>>,
    pub(super) notices: Vec<Vec<(Option<u64>, usize, bool)>>,
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) now_ms: u64,
}

fn now(now_ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(now_ms), unix: Duration::from_millis(EPOCH + now_ms) }
}

pub(super) fn node(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

pub(super) fn meta(text: &str) -> Meta {
    Meta::parse(text.as_bytes(), 4096).unwrap()
}

pub(super) fn member(topic: &str, key: &str, session: &str, id: &str) -> Member {
    Member::new(topic.into(), key, SessionName::Named(session.into()), id)
}

fn text(member: &Member) -> String {
    let session = match &member.session {
        SessionName::Connection(connection) => format!("#{}", connection.client),
        SessionName::Named(session) => session.to_string(),
    };
    format!("{}/{}/{session}/{}", member.topic, member.key(), member.id())
}

impl World {
    /// An instance says to the other one that it leaves.
    pub(super) fn leave(&mut self, index: usize) {
        let Some(left) = self.machines[index].take() else { return };
        let me = left.replica().me();
        self.at(1 - index, |machine, now| {
            machine.link_down(me.node);
            machine.node_left(now, me.node, me.incarnation);
        });
    }

    pub(super) fn new(count: usize) -> World {
        let mut world = World {
            machines: Vec::new(),
            views: vec![BTreeMap::new(); count],
            told: vec![Vec::new(); count],
            notices: vec![Vec::new(); count],
            cut: BTreeSet::new(),
            now_ms: 1_000,
        };
        for index in 0..count {
            world.machines.push(None);
            world.start(index);
        }
        world.pass(1_500);
        world
    }

    pub(super) fn start(&mut self, index: usize) {
        let incarnation = Incarnation::draw(EPOCH + self.now_ms, None, index as u64);
        let me = Owner { node: node(index), incarnation };
        let settings = Settings {
            replica: crdt::Settings { forget_after_ms: 40_000, ..crdt::Settings::default() },
            ..Settings::default()
        };
        let keys = HashKeys::new([1, index as u64]);
        self.machines[index] = Some(Presence::new(me, self.now_ms, settings, keys, now(self.now_ms)));
        self.views[index].clear();
        for other in (0..self.machines.len()).filter(|other| *other != index) {
            let at = now(self.now_ms);
            if self.machines[other].is_some() {
                let theirs = self.machine(other).replica().me();
                self.machine(index).node_up(at, theirs.node, theirs.incarnation);
                self.machine(index).link_up(at, theirs.node);
                self.machine(other).node_up(at, me.node, me.incarnation);
                self.machine(other).link_up(at, me.node);
            }
        }
    }

    pub(super) fn machine(&mut self, index: usize) -> &mut Presence {
        self.machines[index].as_mut().unwrap()
    }

    /// Does something on a machine, and what follows from it there.
    pub(super) fn at<T>(&mut self, index: usize, action: impl FnOnce(&mut Presence, Now) -> T) -> T {
        let at = now(self.now_ms);
        let result = action(self.machine(index), at);
        self.drain(index);
        result
    }

    pub(super) fn track(&mut self, index: usize, member: Member, text: &str) -> Stamp {
        self.at(index, |machine, now| machine.track(now, member, meta(text), false)).unwrap()
    }

    pub(super) fn drain(&mut self, index: usize) {
        let at = now(self.now_ms);
        // A small budget, so that everything is done in pieces.
        while self.machine(index).work(at, 3) {}
        while let Some(change) = self.machine(index).poll_change() {
            let name = text(change.name.member().unwrap());
            let after = change
                .after
                .as_ref()
                .and_then(Entry::version)
                .map(|version| version.meta.as_str().to_owned());
            let before = match &after {
                Some(meta) => self.views[index].insert(name.clone(), meta.clone()),
                None => self.views[index].remove(&name),
            };
            let told = match (before, after) {
                (None, None) => panic!("a change that changes nothing: {name}"),
                (None, Some(_)) => format!("+{name}"),
                (Some(_), Some(_)) => format!("~{name}"),
                (Some(_), None) => format!("-{name} {}", change.reason.name()),
            };
            self.told[index].push(told);
        }
        while let Some(notice) = self.machine(index).poll_notice() {
            self.notices[index].push((notice.client, notice.members, notice.resumed));
        }
    }

    pub(super) fn step(&mut self) {
        self.now_ms += 10;
        for index in 0..self.machines.len() {
            let at = now(self.now_ms);
            let Some(machine) = &mut self.machines[index] else { continue };
            if machine.next_timeout() <= self.now_ms {
                machine.handle_timeout(at);
            }
            self.drain(index);
            let mut frames = Vec::new();
            while let Some(frame) = self.machine(index).poll_message() {
                frames.push(frame);
            }
            for other in 0..self.machines.len() {
                while let Some(frame) = self.machine(index).next_part(node(other)) {
                    frames.push((node(other), frame));
                }
            }
            for (to, frame) in frames {
                let to = to.0 as usize - 1;
                if self.machines[to].is_some() && !self.cut.contains(&(index, to)) {
                    let random = self.now_ms;
                    self.machine(to).handle_message(at, node(index), &frame, random).unwrap();
                    self.drain(to);
                }
            }
        }
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        let end = self.now_ms + milliseconds;
        while self.now_ms < end {
            self.step();
        }
    }

    /// Both sides notice at once that they do not see each other.
    pub(super) fn split(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.cut.insert((from, to));
            self.at(from, |machine, now| {
                machine.link_down(node(to));
                machine.node_down(now, node(to));
            });
        }
    }

    pub(super) fn heal(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.cut.remove(&(from, to));
            let incarnation = self.machine(to).replica().me().incarnation;
            self.at(from, |machine, now| {
                machine.node_up(now, node(to), incarnation);
                machine.link_up(now, node(to));
            });
        }
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.machines[index] = None;
        for other in 0..self.machines.len() {
            if self.machines[other].is_some() {
                self.at(other, |machine, now| {
                    machine.link_down(node(index));
                    machine.node_down(now, node(index));
                });
            }
        }
    }

    pub(super) fn take_told(&mut self, index: usize) -> Vec<String> {
        std::mem::take(&mut self.told[index])
    }

    pub(super) fn keys(&self, index: usize) -> Vec<&str> {
        self.views[index].keys().map(String::as_str).collect()
    }
}
