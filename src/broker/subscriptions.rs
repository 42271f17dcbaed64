//! The subscription table behind its locks: who receives what, and how a message reaches them.
//!
//! Owns the shards of channels, the patterns, and the fan-outs that are under way. The only writer of both directions
//! of the index: the table, and the set of each client ([`Subscribed`]). Start with [`Subscriptions::publish`].
//!
//! One order for all: a message is delivered under the lock of its channel's shard, receivers of matching patterns
//! included. When that takes longer than a turn the channel is *busy*; until the fan-out has ended, later publishes
//! to it queue up behind it, each publisher waiting for its own.
//!
//! What other instances want stands in the same table: see `subscriptions/remote.rs`.

mod remote;

use std::sync::Arc;

use crossbeam::queue::SegQueue;
use crossbeam::utils::CachePadded;

use crate::map::HashKeys;
use crate::outbox::Outbox;
use crate::pubsub::busiest::Busy;
use crate::pubsub::channels::Channels;
use crate::pubsub::fanout::{Audience, Cursor, Delivery, Fanout, Message, advance};
use crate::pubsub::pattern_table::PatternTable;
use crate::pubsub::remote::Peers;
use crate::pubsub::reserved::{INSTANCE, LOSSES, SESSIONS, TOPICS};
use crate::pubsub::wanted::Wanted;
use crate::pubsub::{Kind, Subscribed};
use crate::resp::push::{ChannelKind, Payload};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

/// Locks that channels are spread over, by their hash. Enough that two publishers rarely meet, and that growing one
/// shard's table is a matter of microseconds even with millions of channels.
const SHARDS: usize = 256;
/// Bits of a channel's id that are its index within the shard: 16 million channels each.
const INDEX_BITS: u32 = 24;

/// Patterns looked at to find out whether several messages can be delivered together.
const MAY_MATCH_BUDGET: usize = 64;

type Shard = CachePadded<Mutex<Channels>>;

/// All subscriptions of this instance.
pub struct Subscriptions {
    keys: HashKeys,
    global: Box<[Shard]>,
    shard: Box<[Shard]>,
    patterns: RwLock<PatternTable>,
    remote: remote::Remote,
    /// Lets a publish pass by the patterns' lock when there are none, here or elsewhere.
    pattern_count: AtomicUsize,
    /// Those that have subscribers here.
    local_pattern_count: AtomicUsize,
    /// Lets what happens in a topic pass by them when none of them is for topics.
    topic_pattern_count: AtomicUsize,
    /// Chains of fan-outs that are under way.
    unfinished: AtomicUsize,
    /// Fan-outs to patterns alone that are under way or wait for their turn.
    diffs_unfinished: AtomicUsize,
    /// Fan-outs that can go on.
    fanouts: SegQueue<Fanout>,
    /// Who publishes what the broker itself says: nobody is told how many received it.
    nobody: Arc<Outbox>,
}

/// A channel's locked shard, and where in it the channel is.
struct Place<'a> {
    hash: u64,
    index: Option<u32>,
    shard: MutexGuard<'a, Channels>,
}

/// What a publish came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// So many receivers have it, or will have it from the peers to which it is forwarded.
    Delivered(u64),
    /// It goes on in other turns; the publisher's outbox will be told the number.
    Unfinished,
    /// Nothing is delivered: somebody may receive each of these messages in several ways, which must take turns, so they
    /// are to be published one at a time.
    Separately,
}

impl Subscriptions {
    /// An empty table that counts nothing.
    pub fn new(keys: HashKeys) -> Self {
        Subscriptions::counting(keys, 0)
    }

    /// An empty table that counts what is published to so many channels of each kind, those that are published to most.
    pub fn counting(keys: HashKeys, channels: usize) -> Self {
        let channels = channels.div_ceil(SHARDS);
        let shards = || (0..SHARDS).map(|_| Shard::new(Mutex::new(Channels::counting(channels)))).collect();
        Subscriptions {
            keys,
            global: shards(),
            shard: shards(),
            patterns: RwLock::new(PatternTable::new(keys)),
            remote: remote::Remote::default(),
            pattern_count: AtomicUsize::new(0),
            local_pattern_count: AtomicUsize::new(0),
            topic_pattern_count: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            diffs_unfinished: AtomicUsize::new(0),
            fanouts: SegQueue::new(),
            nobody: Arc::new(Outbox::new(0)),
        }
    }

    /// The same, and subscribers elsewhere are not counted.
    pub fn with_own_counts(mut self) -> Self {
        self.remote.is_uncounted = true;
        self
    }

    fn shards(&self, kind: ChannelKind) -> &[Shard] {
        match kind {
            ChannelKind::Global => &self.global,
            ChannelKind::Shard => &self.shard,
        }
    }

    /// Delivers a message to everybody who is subscribed here, or as far as the budget goes. To which peers it is to be forwarded
    /// is said in `delivery`, as far as is known by now.
    pub fn publish(
        &self,
        message: Message<'_>,
        publisher: &Arc<Outbox>,
        delivery: &mut Delivery<'_>,
    ) -> Published {
        // Before the look-up: a peer that does not get everything any more has what it wants in the table.
        self.publish_among(self.peers(), message, publisher, delivery)
    }

    /// The same for a message that came from a peer: it is not forwarded again.
    pub fn publish_here(
        &self,
        message: Message<'_>,
        publisher: &Arc<Outbox>,
        delivery: &mut Delivery<'_>,
    ) -> Published {
        self.publish_among(Peers::default(), message, publisher, delivery)
    }

    // Into both: to hand on what describes a publish costs a part of a publish.
    #[inline(always)]
    fn publish_among(
        &self,
        peers: Peers,
        message: Message<'_>,
        publisher: &Arc<Outbox>,
        delivery: &mut Delivery<'_>,
    ) -> Published {
        let hash = self.keys.hash(message.channel);
        let mut shard = self.shards(message.kind)[shard_of(hash)].lock();
        let index = shard.find(hash, message.channel);
        let busy = index.is_some_and(|index| shard.is_busy(index));
        let applies = message.kind == ChannelKind::Global && self.pattern_count.load(Ordering::Acquire) > 0;
        let patterns = applies.then(|| self.patterns.read());
        let several = matches!(message.payload, Payload::Several(_));
        if several && let Some(patterns) = patterns.as_deref() {
            let ways = if index.is_some_and(|index| !shard.receivers(index).is_empty()) { 1 } else { 2 };
            if busy || patterns.may_match(message.channel, ways, MAY_MATCH_BUDGET) {
                return Published::Separately;
            }
        }
        let (messages, bytes) = (message.payload.messages() as u64, message.payload.bytes() as u64);
        shard.busiest.note(hash, message.channel, messages, bytes);
        let interested = self.interested(&shard, index, (message.kind, message.channel), peers);
        delivery.forward = interested.peers;
        if index.is_none() && patterns.is_none() {
            return Published::Delivered(interested.subscribers);
        }
        // Several messages that wait for their turn must not meet a pattern that comes meanwhile: it was not asked above
        // whether they may go to it together.
        let cursor = Cursor::among(applies || !several, peers, interested);
        self.begin(message, cursor, publisher, Place { hash, index, shard }, patterns, delivery)
    }

    /// Delivers what happens in a topic, on its reserved channel, to subscribers of patterns that begin as all such
    /// channels do. It is in no limit of theirs. Who has more than `backlog` bytes waiting loses it, and all do while so
    /// many bytes wait for an unfinished delivery on the same channel: counted in `delivery`.
    pub fn publish_to_patterns(
        &self,
        channel: &[u8],
        payload: Payload<'_>,
        backlog: usize,
        delivery: &mut Delivery<'_>,
    ) {
        if self.topic_patterns() > 0 {
            self.publish_reserved(channel, payload, Audience::Patterns { prefix: TOPICS, backlog }, delivery);
        }
    }

    /// Delivers a notice to those who are subscribed to a session's reserved channel, and to patterns that begin as all
    /// such channels do.
    pub fn publish_to_session(&self, channel: &[u8], payload: Payload<'_>, delivery: &mut Delivery<'_>) {
        self.publish_reserved(channel, payload, Audience::Reserved { prefix: SESSIONS }, delivery);
    }

    /// Delivers an event to those who want to know of losses.
    pub fn publish_loss(&self, event: &[u8], delivery: &mut Delivery<'_>) {
        self.publish_reserved(
            LOSSES,
            Payload::Small(event),
            Audience::Reserved { prefix: INSTANCE },
            delivery,
        );
    }

    fn publish_reserved(
        &self,
        channel: &[u8],
        payload: Payload<'_>,
        audience: Audience,
        delivery: &mut Delivery<'_>,
    ) {
        let hash = self.keys.hash(channel);
        let shard = self.global[shard_of(hash)].lock();
        let index = shard.find(hash, channel);
        if let Audience::Patterns { backlog, .. } = audience
            && index.is_some_and(|index| shard.queued_bytes(index) > backlog)
        {
            delivery.lost += 1;
            return;
        }
        let message = Message { kind: ChannelKind::Global, channel, payload };
        let (place, patterns) = (Place { hash, index, shard }, Some(self.patterns.read()));
        self.begin(message, Cursor::to(audience), &self.nobody, place, patterns, delivery);
    }

    /// Delivers as far as the budget goes, or queues behind an unfinished delivery on the same channel.
    fn begin(
        &self,
        message: Message<'_>,
        mut cursor: Cursor,
        publisher: &Arc<Outbox>,
        Place { hash, mut index, mut shard }: Place<'_>,
        patterns: Option<RwLockReadGuard<'_, PatternTable>>,
        delivery: &mut Delivery<'_>,
    ) -> Published {
        if let Some(index) = index
            && shard.is_busy(index)
        {
            self.count_diffs(cursor.audience(), 1);
            shard.queue(index, Fanout::new(message, cursor, publisher.clone()));
            return Published::Unfinished;
        }
        let receivers = index.map(|index| shard.receivers(index));
        if advance(message, &mut cursor, receivers, patterns.as_deref(), delivery) {
            return Published::Delivered(cursor.receivers());
        }
        // Counted while the patterns are locked: from here on their slots are not reused. Without patterns, those that
        // come from now on do not count for this delivery.
        self.unfinished.fetch_add(1, Ordering::AcqRel);
        self.count_diffs(cursor.audience(), 1);
        drop(patterns);
        let create = || Wanted::channel(message.kind, message.channel);
        let index = *index.get_or_insert_with(|| shard.find_or_create(hash, message.channel, create));
        shard.begin_turn(index);
        self.fanouts.push(Fanout::new(message, cursor, publisher.clone()));
        Published::Unfinished
    }

    /// Goes on with one of the fan-outs that are under way. Returns whether there is more to do. `forward` gets what patterns of
    /// peers have been found to match, with its publisher's id and the bits of these peers, before the publisher goes on.
    pub fn continue_fanout(
        &self,
        delivery: &mut Delivery<'_>,
        forward: impl FnOnce(Message<'_>, u64, u64),
    ) -> bool {
        let Some(mut fanout) = self.fanouts.pop() else { return false };
        let hash = self.keys.hash(fanout.channel());
        let mut shard = self.shards(fanout.kind())[shard_of(hash)].lock();
        let Some(index) = shard.find(hash, fanout.channel()) else {
            unreachable!("a busy channel exists until its fan-outs have ended");
        };
        let patterns = (fanout.kind() == ChannelKind::Global).then(|| self.patterns.read());
        let finished = fanout.advance(Some(shard.receivers(index)), patterns.as_deref(), delivery);
        drop(patterns);
        let peers = std::mem::take(&mut delivery.forward);
        if finished {
            self.count_diffs(fanout.audience(), -1);
            let next = shard.next_turn(index);
            drop(shard);
            if next.is_none() {
                self.unfinished.fetch_sub(1, Ordering::AcqRel);
            }
            next.into_iter().for_each(|next| self.fanouts.push(next));
        } else {
            drop(shard);
        }
        if peers != 0 {
            forward(fanout.message(), fanout.publisher(), peers);
        }
        if finished {
            delivery.ready.extend(fanout.finish());
        } else {
            self.fanouts.push(fanout);
        }
        !self.fanouts.is_empty()
    }

    fn count_diffs(&self, audience: Audience, change: isize) {
        if let Audience::Patterns { .. } = audience {
            self.diffs_unfinished.fetch_add(change as usize, Ordering::AcqRel);
        }
    }

    /// Deliveries of what happens in topics, to subscribers of patterns, that have not ended.
    pub fn diffs_unfinished(&self) -> usize {
        self.diffs_unfinished.load(Ordering::Acquire)
    }

    /// Whether a fan-out waits to go on.
    pub fn has_fanouts(&self) -> bool {
        !self.fanouts.is_empty()
    }

    /// Subscribes, if the client is not subscribed yet. `confirm` is called before anybody can deliver, so that
    /// what it queues precedes every message.
    pub fn subscribe(
        &self,
        kind: Kind,
        name: &[u8],
        outbox: &Arc<Outbox>,
        subscribed: &mut Subscribed,
        confirm: impl FnOnce(&Subscribed),
    ) {
        let Some(channel_kind) = channel_kind(kind) else {
            let mut patterns = self.patterns.write();
            let known = patterns.find(name).is_some_and(|id| subscribed.contains(kind, id));
            if !known {
                let reuse = self.unfinished.load(Ordering::Acquire) == 0;
                let (id, slot) = patterns.add(name, outbox.clone(), reuse);
                subscribed.insert(kind, id, slot);
                self.count_patterns(&patterns);
            }
            confirm(subscribed);
            return;
        };
        let hash = self.keys.hash(name);
        let mut shard = self.shards(channel_kind)[shard_of(hash)].lock();
        let index = shard.find_or_create(hash, name, || Wanted::channel(channel_kind, name));
        let id = channel_id(shard_of(hash), index);
        if !subscribed.contains(kind, id) {
            let slot = shard.add(index, outbox.clone());
            subscribed.insert(kind, id, slot);
        }
        confirm(subscribed);
    }

    /// Ends the subscription to the channel or pattern with this name, if there is one. When it returns nobody
    /// delivers to the client any more.
    pub fn unsubscribe(&self, kind: Kind, name: &[u8], subscribed: &mut Subscribed) {
        if let Some(id) = self.find(kind, name) {
            self.unsubscribe_id(kind, id, subscribed, |_| ());
        }
    }

    /// The id of a channel or pattern. It belongs to the name for as long as somebody is subscribed.
    pub fn find(&self, kind: Kind, name: &[u8]) -> Option<u32> {
        let Some(channel_kind) = channel_kind(kind) else { return self.patterns.read().find(name) };
        let hash = self.keys.hash(name);
        let shard = self.shards(channel_kind)[shard_of(hash)].lock();
        shard.find(hash, name).map(|index| channel_id(shard_of(hash), index))
    }

    /// Ends the subscription with this id, if the client has it, after showing its name.
    ///
    /// An id belongs to a name only while somebody is subscribed: the client's own subscription keeps it.
    pub fn unsubscribe_id(
        &self,
        kind: Kind,
        id: u32,
        subscribed: &mut Subscribed,
        show_name: impl FnOnce(&[u8]),
    ) {
        let Some(slot) = subscribed.remove(kind, id) else { return };
        match channel_kind(kind) {
            None => {
                let mut patterns = self.patterns.write();
                show_name(patterns.pattern(id));
                let reuse = self.unfinished.load(Ordering::Acquire) == 0;
                patterns.remove(id, slot, reuse);
                self.count_patterns(&patterns);
            }
            Some(channel_kind) => {
                let (shard, index) = (id >> INDEX_BITS, id & ((1 << INDEX_BITS) - 1));
                let mut shard = self.shards(channel_kind)[shard as usize].lock();
                show_name(shard.name(index));
                shard.remove(index, slot);
            }
        }
    }

    /// Number of subscribers that a channel itself has here, patterns not counted.
    pub fn subscribers(&self, kind: ChannelKind, name: &[u8]) -> usize {
        let hash = self.keys.hash(name);
        let shard = self.shards(kind)[shard_of(hash)].lock();
        shard.find(hash, name).map_or(0, |index| shard.receivers(index).len())
    }

    /// Shows the ids of a channel's own subscribers, from the slot at `first` on, at most `most` slots looked at. Returns
    /// where to go on, or nothing at the end. (PUBSUB SUBSCRIBERS.)
    pub fn for_each_subscriber(
        &self,
        kind: ChannelKind,
        name: &[u8],
        first: u32,
        most: u32,
        mut visit: impl FnMut(u64),
    ) -> Option<u32> {
        let hash = self.keys.hash(name);
        let shard = self.shards(kind)[shard_of(hash)].lock();
        let receivers = shard.receivers(shard.find(hash, name)?);
        let next = first.saturating_add(most);
        receivers.range(first, next).for_each(|(_, receiver)| visit(receiver.id()));
        (next < receivers.end()).then_some(next)
    }

    /// The channels of one shard that were published to most; nothing behind the last shard. (PUBSUB STATS.)
    pub fn busiest(&self, kind: ChannelKind, shard: usize) -> Option<Vec<Busy>> {
        Some(self.shards(kind).get(shard)?.lock().busiest.channels().collect())
    }

    /// Begins anew to count what is published.
    pub fn reset_busiest(&self) {
        self.global.iter().chain(&self.shard).for_each(|shard| shard.lock().busiest.clear());
    }

    /// Number of distinct patterns that have subscribers here. (INFO `pubsub_patterns`.)
    pub fn patterns(&self) -> usize {
        self.local_pattern_count.load(Ordering::Acquire)
    }

    /// Number of distinct patterns that begin as the channels of topics do: without one nothing is to be published there.
    pub fn topic_patterns(&self) -> usize {
        self.topic_pattern_count.load(Ordering::Acquire)
    }

    fn count_patterns(&self, patterns: &PatternTable) {
        self.pattern_count.store(patterns.len(), Ordering::Release);
        self.local_pattern_count.store(patterns.local(), Ordering::Release);
        self.topic_pattern_count.store(patterns.of_topics(), Ordering::Release);
    }

    /// Number of channels that have subscribers here. (INFO `pubsub_channels`.)
    pub fn channels(&self, kind: ChannelKind) -> usize {
        self.shards(kind).iter().map(|shard| shard.lock().local()).sum()
    }
}

/// How far a walk through all channels has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListPlace {
    shard: usize,
    entry: usize,
}

fn channel_kind(kind: Kind) -> Option<ChannelKind> {
    match kind {
        Kind::Channel => Some(ChannelKind::Global),
        Kind::Shard => Some(ChannelKind::Shard),
        Kind::Pattern => None,
    }
}

/// The shard of a hash: its upper bits, since the lower ones choose the place within the shard.
fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARDS.ilog2())) as usize
}

fn channel_id(shard: usize, index: u32) -> u32 {
    // The very last id is the one that no channel may have.
    assert!(index < (1 << INDEX_BITS) - 1, "more than 16 million channels in one of {SHARDS} shards");
    (shard as u32) << INDEX_BITS | index
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "subscriptions_reserved_tests.rs"]
mod reserved_tests;
