//! Where keys are present: one shard of the index behind PRESENCE.WHERE.
//!
//! Owns the topics of each key. A name of the key and of the topic, any member's, stands for both, so that nothing is copied; most
//! keys are in one topic, and take sixteen bytes. Must not know members, or the other shards. It is told when a key appears in a
//! topic and when it disappears.

use std::sync::Arc;

use super::{Member, Name};
use crate::map::HashKeys;
use crate::slots::{Keyed, Slot, Slots};

/// A shard of keys. Which belong to it is for the owner of the shards to say, who takes the lower half of a hash of the key for it:
/// the upper half finds it within the shard.
pub struct Places {
    keys: HashKeys,
    places: Slots<Place>,
}

/// The topics of one key, or a free slot.
enum Place {
    /// One topic, which has the slot 0.
    One(Name),
    /// Several topics; nothing: a free slot. (A third variant would take eight bytes more of each slot.)
    Several(Option<Box<Several>>),
}

struct Several {
    /// A name of the key.
    key: Name,
    /// One at least.
    topics: Slots<Option<Topic>>,
}

/// A name of which the topic counts.
struct Topic(Name);

impl Keyed for Topic {
    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(topic_of(&self.0).as_bytes())
    }
}

impl Slot for Place {
    const FREE: Self = Place::Several(None);

    fn is_free(&self) -> bool {
        matches!(self, Place::Several(None))
    }

    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(self.key().as_bytes())
    }
}

impl Places {
    /// An empty one.
    pub fn new(keys: HashKeys) -> Self {
        Places { keys, places: Slots::default() }
    }

    /// The key of this member is present in its topic. Returns whether that is news.
    pub fn add(&mut self, name: &Name) -> bool {
        let Some(member) = name.member() else { return false };
        let keys = self.keys;
        let Some(slot) = self.find(member.key()) else {
            self.places.insert(keys, Place::One(name.clone()));
            return true;
        };
        self.places.get_mut(slot).is_some_and(|place| place.add(keys, name))
    }

    /// The key of this member is not present in its topic any more. Returns whether that is news.
    pub fn remove(&mut self, name: &Name) -> bool {
        let Some(member) = name.member() else { return false };
        let keys = self.keys;
        let Some(slot) = self.find(member.key()) else { return false };
        let Some(place) = self.places.get_mut(slot) else { return false };
        let topic = &*member.topic;
        let is_last = match place {
            Place::One(one) => topic_of(one) == topic,
            Place::Several(several) => {
                several.as_ref().is_some_and(|several| several.is_only_in(keys, topic))
            }
        };
        if is_last {
            self.places.remove(keys, slot).is_some()
        } else {
            place.remove_one_of_several(keys, topic)
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Visits the topics of a key from the slot `from` on, `most` slots looked at (at least one). A topic keeps its slot while the
    /// key is present in it. Returns the slot to go on from; nothing: these were all.
    pub fn visit(&self, key: &str, from: u32, most: usize, mut visit: impl FnMut(&Arc<str>)) -> Option<u32> {
        let mut visit_name = |name: &Name| {
            if let Some(member) = name.member() {
                visit(&member.topic);
            }
        };
        match self.places.get(self.find(key)?)? {
            Place::One(name) => {
                Some(name).filter(|_| from == 0).into_iter().for_each(visit_name);
                None
            }
            Place::Several(several) => several.as_ref()?.topics.visit(from, most, |_, topic| {
                topic.iter().for_each(|topic| visit_name(&topic.0));
            }),
        }
    }

    fn find(&self, key: &str) -> Option<u32> {
        self.places.find(|| self.keys.hash(key.as_bytes()), |place| place.key() == key)
    }
}

impl Place {
    fn key(&self) -> &str {
        let name = match self {
            Place::One(name) => Some(name),
            Place::Several(several) => several.as_ref().map(|several| &several.key),
        };
        name.and_then(Name::member).map_or("", Member::key)
    }

    fn add(&mut self, keys: HashKeys, name: &Name) -> bool {
        match self {
            Place::One(one) if topic_of(one) == topic_of(name) => false,
            Place::One(one) => {
                let mut topics = Slots::default();
                topics.insert(keys, Some(Topic(one.clone())));
                topics.insert(keys, Some(Topic(name.clone())));
                *self = Place::Several(Some(Box::new(Several { key: one.clone(), topics })));
                true
            }
            Place::Several(Some(several)) if several.find(keys, topic_of(name)).is_none() => {
                several.topics.insert(keys, Some(Topic(name.clone())));
                true
            }
            Place::Several(_) => false,
        }
    }

    fn remove_one_of_several(&mut self, keys: HashKeys, topic: &str) -> bool {
        let Place::Several(Some(several)) = self else { return false };
        let Some(slot) = several.find(keys, topic) else { return false };
        several.topics.remove(keys, slot);
        // Only who has the slot 0 keeps it so.
        if several.topics.len() == 1
            && let Some(Some(Topic(name))) = several.topics.get(0)
        {
            *self = Place::One(name.clone());
        }
        true
    }
}

impl Several {
    fn find(&self, keys: HashKeys, topic: &str) -> Option<u32> {
        let is_it = |found: &Option<Topic>| found.as_ref().is_some_and(|found| topic_of(&found.0) == topic);
        self.topics.find(|| keys.hash(topic.as_bytes()), is_it)
    }

    fn is_only_in(&self, keys: HashKeys, topic: &str) -> bool {
        self.topics.len() == 1 && self.find(keys, topic).is_some()
    }
}

fn topic_of(name: &Name) -> &str {
    name.member().map_or("", |member| &member.topic)
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
