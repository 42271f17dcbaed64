//! Presence behind its locks: the machine that decides who is shown, and the topics and places that are read.
//!
//! Owns the locks, and what goes from one to the others: whoever has called the machine carries what it says has changed into
//! the topics (`Presence::drain`) before another one calls it, so that a client's own change is there for its next command,
//! and every topic sees changes in the machine's order. Must not know commands' syntax or sockets. Start with
//! [`Presence::track`].
//!
//! Lock order: the machine, then a shard of topics, then a shard of places. Who only reads takes one of the latter two.

pub mod hooks;
pub mod watchers;

mod peers;
mod reads;
mod turn;
mod writes;

use std::hint::spin_loop;

use crossbeam::queue::SegQueue;
use crossbeam::utils::CachePadded;

pub use reads::{Cursor, NodeReport, Totals};
pub use turn::Turn;
pub use writes::{Limits, Target, Whose};

use super::Identity;
use crate::config::Config;
use crate::crdt::{self, Incarnation, Owner};
use crate::map::HashKeys;
use crate::presence::{Applied, KeyChange, Notice, Places, Presence as Machine, Settings, Topics};
use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, MutexGuard};
use crate::time::Now;
use watchers::Watching;

/// Locks that topics are spread over, by their hash; and keys. Under the model checker each look at one is a point at which it
/// may switch threads: with many, schedules would be long and say little.
const SHARDS: usize = if cfg!(feature = "shuttle") { 2 } else { 64 };

/// So often the machine is tried before its turn is slept for: a few microseconds. Not under the model checker, to which each
/// is a choice.
const TRIES: usize = if cfg!(feature = "shuttle") { 0 } else { 200 };

/// Who is present, as all clients share it.
pub struct Presence {
    keys: HashKeys,
    machine: Mutex<Machine>,
    topics: Box<[CachePadded<Mutex<Topics>>]>,
    /// In which topics each key is; nothing if nobody wants to know. (`presence-key-index`.)
    places: Option<Box<[CachePadded<Mutex<Places>>]>>,
    /// What applications are yet to be told.
    notices: SegQueue<Notice>,
    /// The presence task has something to do of which it has not been told.
    has_work: AtomicBool,
    watching: Watching,
}

impl Presence {
    /// Nobody is present.
    pub fn new(config: &Config, identity: &Identity, keys: HashKeys, now: Now) -> Self {
        let incarnation = Incarnation::draw(now.unix_ms(), None, identity.life);
        let me = Owner { node: identity.node, incarnation };
        let places = || (0..SHARDS).map(|_| CachePadded::new(Mutex::new(Places::new(keys)))).collect();
        Presence {
            keys,
            machine: Mutex::new(Machine::new(me, identity.life, settings(config), keys, now)),
            topics: (0..SHARDS).map(|_| CachePadded::new(Mutex::new(Topics::new(keys)))).collect(),
            places: config.presence_key_index.then(places),
            notices: SegQueue::new(),
            has_work: AtomicBool::new(false),
            watching: Watching::new(config),
        }
    }

    /// Follows a configuration that has changed.
    pub(super) fn configure(&self, config: &Config) {
        self.machine().set_settings(settings(config));
        self.watching.configure(config);
    }

    /// The machine. A command has it for about two microseconds. To sleep and be woken takes several times as long, for each
    /// command where several clients track at once; so it is waited for awake for a little longer than one command.
    fn machine(&self) -> MutexGuard<'_, Machine> {
        let attempt = |_| {
            spin_loop();
            self.machine.try_lock()
        };
        self.machine
            .try_lock()
            .or_else(|| (0..TRIES).find_map(attempt))
            .unwrap_or_else(|| self.machine.lock())
    }

    fn shard(&self, topic: &str) -> &Mutex<Topics> {
        &self.topics[shard_of(self.keys, topic)]
    }

    /// Carries into the topics what the machine says has changed: as much as the call before it was allowed to change. What
    /// else follows from the call is for the presence task.
    fn drain(&self, now: Now, machine: &mut Machine) {
        self.note_work();
        while let Some(change) = machine.poll_change() {
            let Some(member) = change.name.member() else { continue };
            let shard = shard_of(self.keys, &member.topic);
            let applied = self.with_topics(shard, |topics| topics.apply(now.monotonic_ms(), change));
            if let Some(applied) = applied {
                self.index(&applied);
            }
        }
    }

    /// Keeps the places of keys.
    fn index(&self, applied: &Applied) {
        let (Some(places), Some(member)) = (&self.places, applied.name.member()) else { return };
        let mut places = places[shard_of(self.keys, member.key())].lock();
        match applied.key {
            KeyChange::Appeared => places.add(&applied.name),
            KeyChange::Disappeared => places.remove(&applied.name),
            KeyChange::Stayed => false,
        };
    }
}

/// The lower half of the hash says which shard; the upper one is for the tables in it.
fn shard_of(keys: HashKeys, text: &str) -> usize {
    keys.hash(text.as_bytes()) as usize % SHARDS
}

fn settings(config: &Config) -> Settings {
    Settings {
        grace_ms: config.presence_grace.as_millis() as u64,
        down_grace_ms: config.presence_down_grace.as_millis() as u64,
        members_per_session_max: config.presence_session_members_max,
        members_max: config.presence_members_max,
        sessions_max: config.presence_sessions_max,
        replica: crdt::Settings::default(),
    }
}
