//! What other instances want, in the same table: whether a message is to be forwarded is known from the one look-up by which
//! its receivers are found.
//!
//! Owns the bits of the peers that count. Who wants what is told by `broker/interest.rs`; it must not be known here how that is
//! found out.

use super::{ListPlace, Subscriptions, channel_kind, shard_of};
use crate::map::HashKeys;
use crate::pubsub::Kind;
use crate::pubsub::channels::Channels;
use crate::pubsub::remote::{Interested, Peers};
use crate::pubsub::wanted::{Wanted, long_name};
use crate::resp::push::ChannelKind;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Patterns that one step counts.
const PATTERNS_PER_STEP: usize = 1024;

/// What is kept for peers beside the table.
#[derive(Default)]
pub(super) struct Remote {
    reached: AtomicU64,
    unlinked: AtomicU64,
    everything: AtomicU64,
    /// What peers want is forwarded to them, and as if for nobody: so counts are those of this instance.
    pub(super) is_uncounted: bool,
    /// Channels with long names that peers want, by the hashes of their names.
    long: LongNames,
}

#[derive(Default)]
struct LongNames {
    global: Mutex<Channels>,
    shard: Mutex<Channels>,
    count: AtomicUsize,
}

impl LongNames {
    fn of(&self, kind: ChannelKind) -> &Mutex<Channels> {
        match kind {
            ChannelKind::Global => &self.global,
            ChannelKind::Shard => &self.shard,
        }
    }

    fn interested(&self, keys: HashKeys, kind: ChannelKind, name: &[u8], linked: u64) -> Interested {
        let digest = if self.count.load(Ordering::Acquire) > 0 { long_name(name) } else { None };
        let Some(digest) = digest else { return Interested::default() };
        let channels = self.of(kind).lock();
        let index = channels.find(keys.hash(&digest), &digest);
        index.map_or(Interested::default(), |index| channels.interested(index, linked))
    }
}

impl Subscriptions {
    /// The peers that count.
    #[inline]
    pub fn peers(&self) -> Peers {
        // In this order: who is linked anew gets everything from its first moment on.
        let reached = self.remote.reached.load(Ordering::Acquire);
        if reached == 0 {
            return Peers::default();
        }
        let unlinked = reached & self.remote.unlinked.load(Ordering::Acquire);
        let everything = self.remote.everything.load(Ordering::Acquire);
        Peers { linked: reached & !unlinked, unlinked, everything }
    }

    /// These peers count from now on.
    pub fn set_peers(&self, peers: Peers) {
        let both = self.remote.reached.load(Ordering::Acquire) & peers.reached();
        self.remote.reached.store(both, Ordering::Release);
        self.remote.everything.store(peers.everything, Ordering::Release);
        self.remote.unlinked.store(peers.unlinked, Ordering::Release);
        self.remote.reached.store(peers.reached(), Ordering::Release);
    }

    /// A peer wants something for so many subscribers from now on, or not any more.
    pub fn set_wanted(&self, wanted: &Wanted, peer: u32, count: Option<u32>) {
        let count = if self.remote.is_uncounted { count.map(|_| 0) } else { count };
        let Some(kind) = channel_kind(wanted.kind()) else {
            let mut patterns = self.patterns.write();
            patterns.set_wanted(wanted.name(), peer, count);
            self.count_patterns(&patterns);
            return;
        };
        let hash = self.keys.hash(wanted.name());
        if wanted.is_digest() {
            let mut channels = self.remote.long.of(kind).lock();
            let before = channels.len();
            channels.set_wanted(hash, wanted, peer, count);
            let change = channels.len().wrapping_sub(before);
            self.remote.long.count.fetch_add(change, Ordering::AcqRel);
        } else {
            self.shards(kind)[shard_of(hash)].lock().set_wanted(hash, wanted, peer, count);
        }
    }

    /// To which of these peers what is published to a channel goes, patterns not counted, and the channel's subscribers there.
    #[inline]
    pub(super) fn interested(
        &self,
        channels: &Channels,
        index: Option<u32>,
        (kind, name): (ChannelKind, &[u8]),
        peers: Peers,
    ) -> Interested {
        if peers.reached() == 0 {
            return Interested::default();
        }
        self.interested_peers(channels, index, (kind, name), peers)
    }

    /// Apart, so that an instance without peers does not carry it through each publish.
    #[inline(never)]
    fn interested_peers(
        &self,
        channels: &Channels,
        index: Option<u32>,
        (kind, name): (ChannelKind, &[u8]),
        peers: Peers,
    ) -> Interested {
        let of = |some: u64| {
            let mut interested = self.remote.long.interested(self.keys, kind, name, some);
            index.into_iter().for_each(|index| interested.add(channels.interested(index, some)));
            interested
        };
        let mut interested = of(peers.linked);
        interested.peers |= peers.linked & peers.everything;
        if peers.unlinked != 0 {
            interested.peers |= of(peers.unlinked).peers;
        }
        interested
    }

    /// What is subscribed to here under a name, and how often; nothing if it is not.
    pub fn local(&self, kind: Kind, name: &[u8]) -> Option<(Wanted, usize)> {
        let Some(channel_kind) = channel_kind(kind) else {
            let patterns = self.patterns.read();
            let subscribers = patterns.find(name).map_or(0, |id| patterns.subscribers(id));
            return (subscribers > 0).then(|| (Wanted::new(kind, name), subscribers));
        };
        let hash = self.keys.hash(name);
        let shard = self.shards(channel_kind)[shard_of(hash)].lock();
        let index = shard.find(hash, name)?;
        let subscribers = shard.receivers(index).len();
        (subscribers > 0).then(|| (shard.wanted(index).clone(), subscribers))
    }

    /// Number of subscribers of a channel itself on all instances, patterns not counted. (PUBSUB NUMSUB.)
    pub fn all_subscribers(&self, kind: ChannelKind, name: &[u8]) -> u64 {
        let peers = self.peers();
        let hash = self.keys.hash(name);
        let shard = self.shards(kind)[shard_of(hash)].lock();
        let index = shard.find(hash, name);
        let local = index.map_or(0, |index| shard.receivers(index).len() as u64);
        local + self.interested(&shard, index, (kind, name), peers).subscribers
    }

    /// Counts some of the distinct patterns that have subscribers on any instance. Returns also where to go on, or nothing at
    /// the end. (PUBSUB NUMPAT.)
    pub fn count_patterns_of_all(&self, first: usize) -> (usize, Option<usize>) {
        let linked = self.peers().linked;
        let patterns = self.patterns.read();
        if linked == 0 {
            (patterns.local(), None)
        } else {
            patterns.count_subscribed(first, PATTERNS_PER_STEP, linked)
        }
    }

    /// Shows names of channels that have subscribers on any instance, a piece at a time; of those with long names only the ones
    /// that have them here. (PUBSUB CHANNELS.)
    pub fn for_each_channel(
        &self,
        kind: ChannelKind,
        place: ListPlace,
        most: usize,
        visit: impl FnMut(&[u8]),
    ) -> Option<ListPlace> {
        let linked = self.peers().linked;
        let shards = self.shards(kind);
        let next = shards[place.shard].lock().for_each_name(place.entry, most, linked, visit);
        match next {
            Some(entry) => Some(ListPlace { entry, ..place }),
            None => {
                (place.shard + 1 < shards.len()).then_some(ListPlace { shard: place.shard + 1, entry: 0 })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::subscriptions::Published;
    use crate::broker::subscriptions::tests::deliver;
    use crate::outbox::Outbox;
    use crate::pubsub::Subscribed;
    use crate::pubsub::fanout::Message;
    use crate::resp::push::Payload;

    /// One subscriber of `a` and of `p*` here, five elsewhere.
    fn table(table: Subscriptions) -> Subscriptions {
        table.set_peers(Peers { linked: 1, ..Peers::default() });
        for (kind, name) in [(Kind::Channel, &b"a"[..]), (Kind::Pattern, b"p*")] {
            let receiver = Arc::new(Outbox::new(1));
            table.subscribe(kind, name, &receiver, &mut Subscribed::default(), |_| ());
            table.set_wanted(&Wanted::new(kind, name), 0, Some(5));
        }
        table.set_wanted(&Wanted::new(Kind::Channel, b"only there"), 0, Some(1));
        table.set_wanted(&Wanted::new(Kind::Pattern, b"only there*"), 0, Some(1));
        table
    }

    /// What a publisher is told, and the peers that get it.
    fn published(table: &Subscriptions, channel: &[u8]) -> (Published, u64) {
        let message = Message { kind: ChannelKind::Global, channel, payload: Payload::Small(b"x") };
        deliver(100, |delivery| {
            let published = table.publish(message, &Arc::new(Outbox::new(0)), delivery);
            (published, delivery.forward)
        })
    }

    fn channels(table: &Subscriptions) -> usize {
        let (mut place, mut found) = (Some(ListPlace::default()), 0);
        while let Some(next) = place {
            place = table.for_each_channel(ChannelKind::Global, next, 100, |_| found += 1);
        }
        found
    }

    #[test]
    fn who_has_lost_its_link_gets_what_it_wanted_and_counts_for_nothing() {
        let table = table(Subscriptions::new(HashKeys::new([1, 2])));
        table.set_peers(Peers { unlinked: 1, ..Peers::default() });
        for (channel, here) in [(&b"a"[..], 1), (b"only there", 0), (b"pattern", 1), (b"only there too", 0)] {
            assert_eq!(
                published(&table, channel),
                (Published::Delivered(here), 1),
                "{}",
                channel.escape_ascii()
            );
        }
        assert_eq!(published(&table, b"nobody's"), (Published::Delivered(0), 0));
        assert_eq!(table.all_subscribers(ChannelKind::Global, b"a"), 1);
        table.set_peers(Peers::default());
        assert_eq!(published(&table, b"a"), (Published::Delivered(1), 0));
    }

    #[test]
    fn counts_are_those_of_all_instances_or_of_this_one_and_peers_get_it_either_way() {
        let keys = HashKeys::new([1, 2]);
        let all = table(Subscriptions::new(keys));
        assert_eq!(published(&all, b"a"), (Published::Delivered(6), 1));
        assert_eq!(published(&all, b"pq"), (Published::Delivered(6), 1));
        assert_eq!(all.all_subscribers(ChannelKind::Global, b"a"), 6);
        assert_eq!((channels(&all), all.count_patterns_of_all(0).0), (2, 2));
        let own = table(Subscriptions::new(keys).with_own_counts());
        assert_eq!(published(&own, b"a"), (Published::Delivered(1), 1));
        assert_eq!(published(&own, b"pq"), (Published::Delivered(1), 1));
        assert_eq!(published(&own, b"only there"), (Published::Delivered(0), 1));
        assert_eq!(own.all_subscribers(ChannelKind::Global, b"a"), 1);
        assert_eq!((channels(&own), own.count_patterns_of_all(0).0), (1, 1));
        own.set_wanted(&Wanted::new(Kind::Channel, b"a"), 0, None);
        assert_eq!(published(&own, b"a"), (Published::Delivered(1), 0));
    }
}
