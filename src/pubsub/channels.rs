//! One shard of the channel table: names, their receivers, and fan-outs that are under way.
//!
//! Owns each name once. A channel has an index that does not change while it lives, so that a client remembers it in
//! four bytes. Must not know the other shards, locks or sessions.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::busiest::Busiest;
use super::fanout::Fanout;
use super::receivers::{Receiver, Receivers};
use super::slab::Slab;

/// The table of keys shrinks when less than this part of it is used.
const SHRINK_BELOW: usize = 8;

/// A channel with nobody in it and no fan-out does not exist.
struct Channel {
    name: Box<[u8]>,
    hash: u32,
    receivers: Receivers,
    /// There while a fan-out is unfinished.
    busy: Option<Box<Busy>>,
}

/// A fan-out is unfinished: these wait.
#[derive(Default)]
struct Busy {
    waiting: VecDeque<Fanout>,
    /// What those keep.
    bytes: usize,
}

/// Where a name's entry is. A part of its hash stands beside it so that growing needs no names.
#[derive(Clone, Copy)]
struct Key {
    hash: u32,
    index: u32,
}

/// A shard of channels.
#[derive(Default)]
pub struct Channels {
    keys: HashTable<Key>,
    entries: Slab<Channel>,
    /// What is published most, to channels that exist or not.
    pub busiest: Busiest,
}

impl Channels {
    /// An empty shard that counts what is published to so many channels.
    pub fn counting(channels: usize) -> Self {
        Channels { busiest: Busiest::new(channels), ..Channels::default() }
    }

    /// Number of channels that have a subscriber or an unfinished fan-out.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The index of the channel with this name, whose hash the caller knows.
    pub fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let hash = hash as u32;
        self.keys
            .find(spread(hash), |key| key.hash == hash && &*self.channel(key.index).name == name)
            .map(|key| key.index)
    }

    /// The index of the channel with this name, which comes to exist if need be.
    pub fn find_or_create(&mut self, hash: u64, name: &[u8]) -> u32 {
        if let Some(index) = self.find(hash, name) {
            return index;
        }
        let channel =
            Channel { name: name.into(), hash: hash as u32, receivers: Receivers::default(), busy: None };
        let index = self.entries.insert(channel);
        let key = Key { hash: hash as u32, index };
        self.keys.insert_unique(spread(key.hash), key, |key| spread(key.hash));
        index
    }

    /// The name of a channel.
    pub fn name(&self, index: u32) -> &[u8] {
        &self.channel(index).name
    }

    /// The receivers of a channel.
    pub fn receivers(&self, index: u32) -> &Receivers {
        &self.channel(index).receivers
    }

    /// Adds a receiver; returns its slot.
    pub fn add(&mut self, index: u32, receiver: Receiver) -> u32 {
        let channel = self.channel_mut(index);
        channel.receivers.add(receiver, channel.busy.is_none())
    }

    /// Frees a receiver's slot, and the channel if nothing is left of it.
    pub fn remove(&mut self, index: u32, slot: u32) {
        let channel = self.channel_mut(index);
        channel.receivers.remove(slot, channel.busy.is_none());
        self.remove_if_unused(index);
    }

    /// Whether a fan-out of this channel is unfinished: then a publish must queue behind it.
    pub fn is_busy(&self, index: u32) -> bool {
        self.channel(index).busy.is_some()
    }

    /// From now on, and until [`Channels::next_turn`] finds nothing, publishes to this channel queue up.
    pub fn begin_turn(&mut self, index: u32) {
        self.channel_mut(index).busy = Some(Box::default());
    }

    /// Queues a publish behind the unfinished one.
    pub fn queue(&mut self, index: u32, fanout: Fanout) {
        match &mut self.channel_mut(index).busy {
            Some(busy) => {
                busy.bytes += fanout.bytes();
                busy.waiting.push_back(fanout);
            }
            None => unreachable!("only a busy channel has a queue"),
        }
    }

    /// Bytes of what is queued behind the unfinished fan-out.
    pub fn queued_bytes(&self, index: u32) -> usize {
        self.channel(index).busy.as_ref().map_or(0, |busy| busy.bytes)
    }

    /// The fan-out is finished: the one that follows, or the channel is not busy any more.
    pub fn next_turn(&mut self, index: u32) -> Option<Fanout> {
        let channel = self.channel_mut(index);
        let next = channel.busy.as_mut().and_then(|busy| {
            let next = busy.waiting.pop_front()?;
            busy.bytes -= next.bytes();
            Some(next)
        });
        if next.is_none() {
            channel.busy = None;
            channel.receivers.release_slots();
            self.remove_if_unused(index);
        }
        next
    }

    /// Names of the channels that have subscribers, from the entry at `first` on, at most `most` entries looked at.
    /// Returns where to go on, or nothing at the end.
    pub fn for_each_name(&self, first: usize, most: usize, mut visit: impl FnMut(&[u8])) -> Option<usize> {
        for channel in self.entries.range(first, most) {
            if !channel.receivers.is_empty() {
                visit(&channel.name);
            }
        }
        let next = first.saturating_add(most);
        (next < self.entries.end()).then_some(next)
    }

    fn channel(&self, index: u32) -> &Channel {
        self.entries.get(index)
    }

    fn channel_mut(&mut self, index: u32) -> &mut Channel {
        self.entries.get_mut(index)
    }

    /// Drops a channel that has neither a receiver nor an unfinished fan-out.
    fn remove_if_unused(&mut self, index: u32) {
        let channel = self.channel(index);
        if !channel.receivers.is_empty() || channel.busy.is_some() {
            return;
        }
        let hash = channel.hash;
        let Ok(key) = self.keys.find_entry(spread(hash), |key| key.index == index) else {
            unreachable!("a channel that is used has its key");
        };
        key.remove();
        // A crowd that has left gives its memory back.
        if self.keys.len() < self.keys.capacity() / SHRINK_BELOW {
            self.keys.shrink_to(self.keys.len() * 2, |key| spread(key.hash));
        }
        self.entries.remove(index);
    }
}

/// All 64 bits that the table wants, from the 32 that are kept.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
