//! One shard of the channel table: names, their receivers, and fan-outs that are under way.
//!
//! Owns each name once, and which peers want it. A channel has an index that does not change while it lives, so that a client
//! remembers it in four bytes. Must not know the other shards, locks or sessions.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::busiest::Busiest;
use super::fanout::Fanout;
use super::receivers::{Receiver, Receivers};
use super::remote::{self, First, Interested, Others};
use super::slab::Slab;
use super::wanted::Wanted;

/// The table of keys shrinks when less than this part of it is used.
const SHRINK_BELOW: usize = 8;

/// A channel with nobody in it, here or elsewhere, and no fan-out does not exist.
struct Channel {
    wanted: Wanted,
    hash: u32,
    first: First,
    receivers: Receivers,
    extra: Option<Box<Extra>>,
}

/// What few channels have.
#[derive(Default)]
struct Extra {
    /// There while a fan-out is unfinished.
    busy: Option<Busy>,
    /// Peers that want it, if they are several.
    others: Others,
}

impl Channel {
    fn busy(&self) -> Option<&Busy> {
        self.extra.as_ref().and_then(|extra| extra.busy.as_ref())
    }

    fn busy_mut(&mut self) -> Option<&mut Busy> {
        self.extra.as_mut().and_then(|extra| extra.busy.as_mut())
    }

    fn has_others(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.others.is_empty())
    }

    fn drop_empty_extra(&mut self) {
        if self.busy().is_none() && !self.has_others() {
            self.extra = None;
        }
    }
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
    /// Those that have subscribers of this instance.
    local: usize,
    /// What is published most, to channels that exist or not.
    pub busiest: Busiest,
}

impl Channels {
    /// An empty shard that counts what is published to so many channels.
    pub fn counting(channels: usize) -> Self {
        Channels { busiest: Busiest::new(channels), ..Channels::default() }
    }

    /// Number of channels that have a subscriber here.
    pub fn local(&self) -> usize {
        self.local
    }

    /// Number of channels that somebody wants, here or elsewhere, or that have an unfinished fan-out.
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
            .find(spread(hash), |key| key.hash == hash && self.channel(key.index).wanted.name() == name)
            .map(|key| key.index)
    }

    /// The index of the channel with this name, which comes to exist, as what `create` returns, if need be.
    pub fn find_or_create(&mut self, hash: u64, name: &[u8], create: impl FnOnce() -> Wanted) -> u32 {
        if let Some(index) = self.find(hash, name) {
            return index;
        }
        let channel = Channel {
            wanted: create(),
            hash: hash as u32,
            first: First::default(),
            receivers: Receivers::default(),
            extra: None,
        };
        let index = self.entries.insert(channel);
        let key = Key { hash: hash as u32, index };
        self.keys.insert_unique(spread(key.hash), key, |key| spread(key.hash));
        index
    }

    /// The name of a channel.
    pub fn name(&self, index: u32) -> &[u8] {
        self.channel(index).wanted.name()
    }

    /// A channel as other instances are told of it.
    pub fn wanted(&self, index: u32) -> &Wanted {
        &self.channel(index).wanted
    }

    /// What those peers want of a channel that are linked.
    pub fn interested(&self, index: u32, linked: u64) -> Interested {
        let channel = self.channel(index);
        match &channel.extra {
            Some(extra) if !extra.others.is_empty() => extra.others.interested(linked),
            _ => channel.first.interested(linked),
        }
    }

    /// A peer wants a channel for so many subscribers from now on, or not any more.
    pub fn set_wanted(&mut self, hash: u64, wanted: &Wanted, peer: u32, count: Option<u32>) {
        let index = match count {
            Some(_) => self.find_or_create(hash, wanted.name(), || wanted.clone()),
            None => match self.find(hash, wanted.name()) {
                Some(index) => index,
                None => return,
            },
        };
        let channel = self.channel_mut(index);
        let (several, extra) = (channel.has_others(), &mut channel.extra);
        remote::set(&mut channel.first, || &mut extra.get_or_insert_default().others, several, peer, count);
        channel.drop_empty_extra();
        self.remove_if_unused(index);
    }

    /// The receivers of a channel.
    pub fn receivers(&self, index: u32) -> &Receivers {
        &self.channel(index).receivers
    }

    /// Adds a receiver; returns its slot.
    pub fn add(&mut self, index: u32, receiver: Receiver) -> u32 {
        let channel = self.entries.get_mut(index);
        self.local += usize::from(channel.receivers.is_empty());
        channel.receivers.add(receiver, channel.busy().is_none())
    }

    /// Frees a receiver's slot, and the channel if nothing is left of it.
    pub fn remove(&mut self, index: u32, slot: u32) {
        let channel = self.entries.get_mut(index);
        channel.receivers.remove(slot, channel.busy().is_none());
        self.local -= usize::from(channel.receivers.is_empty());
        self.remove_if_unused(index);
    }

    /// Whether a fan-out of this channel is unfinished: then a publish must queue behind it.
    pub fn is_busy(&self, index: u32) -> bool {
        self.channel(index).busy().is_some()
    }

    /// From now on, and until [`Channels::next_turn`] finds nothing, publishes to this channel queue up.
    pub fn begin_turn(&mut self, index: u32) {
        self.channel_mut(index).extra.get_or_insert_default().busy = Some(Busy::default());
    }

    /// Queues a publish behind the unfinished one.
    pub fn queue(&mut self, index: u32, fanout: Fanout) {
        match self.channel_mut(index).busy_mut() {
            Some(busy) => {
                busy.bytes += fanout.bytes();
                busy.waiting.push_back(fanout);
            }
            None => unreachable!("only a busy channel has a queue"),
        }
    }

    /// Bytes of what is queued behind the unfinished fan-out.
    pub fn queued_bytes(&self, index: u32) -> usize {
        self.channel(index).busy().map_or(0, |busy| busy.bytes)
    }

    /// The fan-out is finished: the one that follows, or the channel is not busy any more.
    pub fn next_turn(&mut self, index: u32) -> Option<Fanout> {
        let channel = self.channel_mut(index);
        let next = channel.busy_mut().and_then(|busy| {
            let next = busy.waiting.pop_front()?;
            busy.bytes -= next.bytes();
            Some(next)
        });
        if next.is_none() {
            if let Some(extra) = &mut channel.extra {
                extra.busy = None;
            }
            channel.drop_empty_extra();
            channel.receivers.release_slots();
            self.remove_if_unused(index);
        }
        next
    }

    /// Names of the channels that have subscribers, here or at a peer that is linked, from the entry at `first` on, at most
    /// `most` entries looked at. Returns where to go on, or nothing at the end.
    pub fn for_each_name(
        &self,
        first: usize,
        most: usize,
        linked: u64,
        mut visit: impl FnMut(&[u8]),
    ) -> Option<usize> {
        for (index, channel) in self.entries.range(first, most) {
            if !channel.receivers.is_empty() || self.interested(index, linked).subscribers > 0 {
                visit(channel.wanted.name());
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

    /// Drops a channel that nobody wants and that has no unfinished fan-out.
    fn remove_if_unused(&mut self, index: u32) {
        let channel = self.channel(index);
        if !channel.receivers.is_empty() || channel.first.is_some() || channel.extra.is_some() {
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
