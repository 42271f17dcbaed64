//! What is asked of topics, keys and instances.
//!
//! Owns how much is looked at under one lock. What is long is read in steps: who is present all the while is met, once; who
//! comes or goes meanwhile may be.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Presence, SHARDS, shard_of};
use crate::crdt::{NodeId, Standing};
use crate::presence::{Count, Counts, Version};

/// Slots and versions that are looked at under one lock: a fraction of a millisecond.
const LOOKED_AT_PER_STEP: usize = 2048;

/// A place in what is spread over the shards: of topics, or of places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: u32,
    slot: u32,
}

impl Cursor {
    /// As one number, which is 0 only at the beginning.
    pub fn number(self) -> u64 {
        u64::from(self.slot) * SHARDS as u64 + u64::from(self.shard)
    }

    /// From a number.
    pub fn from_number(number: u64) -> Option<Cursor> {
        let slot = u32::try_from(number / SHARDS as u64).ok()?;
        Some(Cursor { shard: (number % SHARDS as u64) as u32, slot })
    }

    /// Where to go on, when a shard's visit has ended there.
    fn after(self, next: Option<u32>) -> Option<Cursor> {
        match next {
            Some(slot) => Some(Cursor { slot, ..self }),
            None => {
                let shard = self.shard + 1;
                ((shard as usize) < SHARDS).then_some(Cursor { shard, slot: 0 })
            }
        }
    }
}

/// What is known of an instance. (PRESENCE.NODES.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Which one.
    pub node: NodeId,
    /// It is this one.
    pub is_me: bool,
    /// `up`, `catching-up`, `down`, or `left` if it will not come back.
    pub state: &'static str,
    /// The life of it that is known, a number that rises with each.
    pub incarnation: u64,
    /// Changes of it that are known.
    pub version: u64,
    /// Changes that it is known to have made and that are not known: those before they are it is not shown.
    pub lag: u64,
    /// Members that are shown here and were tracked there.
    pub members: usize,
    /// By how many milliseconds its latest stamps were ahead of this instance's clock.
    pub skew_ms: i64,
}

/// For INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Topics that have members.
    pub topics: usize,
    /// What the machine counts.
    pub machine: Counts,
}

impl Presence {
    /// How many are in a topic. (PRESENCE.COUNT.)
    pub fn count(&self, topic: &str) -> Count {
        self.shard(topic).lock().count(topic)
    }

    /// Visits the versions of a key's members. (PRESENCE.GET.)
    pub fn get(&self, topic: &str, key: &str, visit: impl FnMut(&Version)) {
        self.shard(topic).lock().get(topic, key, visit);
    }

    /// Visits the keys of a topic from a slot on, at most `most` slots or what one step may. `visit` is given a key with its
    /// versions, and may end the step behind it. Returns the slot to go on from; nothing: these were all. (PRESENCE.LIST,
    /// PRESENCE.SCAN.)
    pub fn visit(
        &self,
        topic: &str,
        from: u32,
        most: usize,
        mut visit: impl FnMut(&str, &mut dyn Iterator<Item = &Version>) -> ControlFlow<()>,
    ) -> Option<u32> {
        let topics = self.shard(topic).lock();
        let topic = topics.topic(topics.find(topic)?)?;
        let (mut looked, mut ended, mut next) = (0, false, from);
        for _ in 0..most {
            // A slot counts too: those of very many who have left are free.
            looked += 1;
            next = topic.visit(next, 1, |key, shown| {
                let mut counted = shown.inspect(|_| looked += 1);
                ended = visit(key, &mut counted).is_break();
            })?;
            if ended || looked >= LOOKED_AT_PER_STEP {
                break;
            }
        }
        Some(next)
    }

    /// Visits topics that have members, at most `most` slots of one shard. Returns where to go on. (PRESENCE.TOPICS.)
    pub fn topics(&self, from: Cursor, most: usize, visit: impl FnMut(&Arc<str>)) -> Option<Cursor> {
        let topics = self.topics.get(from.shard as usize)?.lock();
        from.after(topics.names(from.slot, most, visit))
    }

    /// Whether it is known in which topics a key is. (`presence-key-index`.)
    pub fn has_index(&self) -> bool {
        self.places.is_some()
    }

    /// Visits the topics in which a key is present, from a slot on, at most `most` of them. Returns where to go on.
    /// (PRESENCE.WHERE.)
    pub fn topics_of(&self, key: &str, from: u32, most: usize, visit: impl FnMut(&Arc<str>)) -> Option<u32> {
        let places = self.places.as_ref()?[shard_of(self.keys, key)].lock();
        places.visit(key, from, most, visit)
    }

    /// What is known of each instance. (PRESENCE.NODES.)
    pub fn nodes(&self) -> Vec<NodeReport> {
        let machine = self.machine();
        let replica = machine.replica();
        let mut reports: Vec<NodeReport> = Vec::new();
        for (owner, log, standing) in replica.records() {
            let (state, target) = match standing {
                Standing::Shown => ("up", None),
                Standing::CatchingUp { target, .. } => ("catching-up", target),
                Standing::Down { for_good: false, .. } => ("down", None),
                Standing::Down { for_good: true, .. } => ("left", None),
            };
            // Of a node's lives the latest stands last.
            if reports.last().is_some_and(|last| last.node == owner.node) {
                reports.pop();
            }
            reports.push(NodeReport {
                node: owner.node,
                is_me: owner.node == replica.me().node,
                state,
                incarnation: owner.incarnation.0,
                version: log.version(),
                lag: target.map_or(0, |target| target.saturating_sub(log.version())),
                members: machine.tracked_at(owner.node),
                skew_ms: machine.skew_ms(owner.node).unwrap_or(0),
            });
        }
        reports
    }

    /// What is known altogether. (INFO.)
    pub fn totals(&self) -> Totals {
        let machine = self.machine().counts();
        let topics = self.topics.iter().map(|topics| topics.lock().len()).sum();
        Totals { topics, machine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_number_and_0_only_at_the_beginning() {
        assert_eq!(Cursor::default().number(), 0);
        let mut last = Cursor::default();
        for (next, shard, slot) in
            [(Some(7), 0, 7), (None, 1, 0), (None, 2, 0), (Some(u32::MAX), 2, u32::MAX)]
        {
            let cursor = last.after(next).unwrap();
            assert_eq!(cursor, Cursor { shard, slot });
            assert_ne!(cursor.number(), 0);
            assert_eq!(Cursor::from_number(cursor.number()), Some(cursor));
            last = cursor;
        }
        assert_eq!(Cursor { shard: SHARDS as u32 - 1, slot: 3 }.after(None), None);
        assert_eq!(Cursor::from_number(u64::MAX), None);
    }
}
