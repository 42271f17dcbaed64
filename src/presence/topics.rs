//! One shard of the view: who is shown in which topic.
//!
//! Owns the topics, which have stable slots and exist while somebody is present or watches. What it shows it is told, change by
//! change, and telling it twice changes nothing. Must not know why a version counts, locks or the other shards. A topic is in
//! `topic.rs`.

use std::sync::Arc;

use super::topic::{Applied, Topic};
use super::watched::Watched;
use super::{Change, Version};
use crate::map::HashKeys;
use crate::slots::Slots;

/// How many are in a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Different keys.
    pub keys: usize,
    /// Members.
    pub members: usize,
}

/// One shard of the view. Which topics belong to it is for the owner of the shards to say, who takes the lower half of a hash of
/// the name for it: the upper half finds it within the shard.
pub struct Topics {
    pub(super) keys: HashKeys,
    topics: Slots<Option<Topic>>,
    /// Topics that have members.
    inhabited: usize,
    pub(super) watched: Watched,
}

impl Topics {
    /// An empty one.
    pub fn new(keys: HashKeys) -> Self {
        Topics { keys, topics: Slots::default(), inhabited: 0, watched: Watched::default() }
    }

    /// Shows a change. Returns what it came to; nothing if users see what they saw before.
    pub fn apply(&mut self, now_ms: u64, change: Change) -> Option<Applied> {
        let member = change.name.member()?;
        let slot = match self.find(&member.topic) {
            Some(slot) => slot,
            None if change.after.is_some() => self.create(Arc::clone(&member.topic)),
            None => return None,
        };
        self.listen_to(slot);
        let keys = self.keys;
        let topic = self.topic_mut(slot)?;
        let was_inhabited = topic.count().members > 0;
        let applied = topic.apply(keys, change);
        let is_inhabited = topic.count().members > 0;
        self.inhabited = self.inhabited + usize::from(is_inhabited) - usize::from(was_inhabited);
        self.schedule(slot, now_ms);
        self.remove_if_unused(slot);
        applied
    }

    /// How many are in a topic.
    pub fn count(&self, topic: &str) -> Count {
        self.named(topic).map_or(Count::default(), Topic::count)
    }

    /// Topics that have members.
    pub fn len(&self) -> usize {
        self.inhabited
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inhabited == 0
    }

    /// Visits the versions of a key's members, in the order in which the members came.
    pub fn get(&self, topic: &str, key: &str, visit: impl FnMut(&Version)) {
        if let Some(topic) = self.named(topic) {
            topic.get(self.keys, key).for_each(visit);
        }
    }

    /// Visits the keys of a topic from the slot `from` on, `most` slots looked at. A key keeps its slot while it is present. Returns
    /// the slot to go on from; nothing: these were all.
    pub fn visit(
        &self,
        topic: &str,
        from: u32,
        most: usize,
        visit: impl FnMut(&str, &mut dyn Iterator<Item = &Version>),
    ) -> Option<u32> {
        self.named(topic)?.visit(from, most, visit)
    }

    /// Visits the names of the topics that have members from the slot `from` on, `most` slots looked at. A topic keeps its slot while
    /// it has members. Returns the slot to go on from; nothing: these were all.
    pub fn names(&self, from: u32, most: usize, mut visit: impl FnMut(&Arc<str>)) -> Option<u32> {
        self.topics.visit(from, most, |_, topic| {
            if let Some(topic) = topic.as_ref().filter(|topic| topic.count().members > 0) {
                visit(topic.name());
            }
        })
    }

    /// The name of a topic that exists, to be shared.
    pub fn topic_name(&self, topic: &str) -> Option<Arc<str>> {
        self.named(topic).map(|topic| Arc::clone(topic.name()))
    }

    /// The slot of a topic.
    pub fn find(&self, topic: &str) -> Option<u32> {
        let is_it = |found: &Option<Topic>| found.as_ref().is_some_and(|found| **found.name() == *topic);
        self.topics.find(|| self.keys.hash(topic.as_bytes()), is_it)
    }

    /// The topic in a slot.
    pub fn topic(&self, slot: u32) -> Option<&Topic> {
        self.topics.get(slot)?.as_ref()
    }

    /// The topic in a slot.
    pub fn topic_mut(&mut self, slot: u32) -> Option<&mut Topic> {
        self.topics.get_mut(slot)?.as_mut()
    }

    fn named(&self, topic: &str) -> Option<&Topic> {
        self.topic(self.find(topic)?)
    }

    pub(super) fn create(&mut self, name: Arc<str>) -> u32 {
        self.topics.insert(self.keys, Some(Topic::new(name)))
    }

    pub(super) fn remove_if_unused(&mut self, slot: u32) {
        if self.topic(slot).is_some_and(|topic| topic.events.is_none() && topic.count().members == 0) {
            self.topics.remove(self.keys, slot);
        }
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
