//! What one client is subscribed to: the other direction of the table.
//!
//! Owns, for each subscription of a client, where its handle stands in the table. Eight bytes each and no names:
//! the table stores those once. Must not know the table itself.

use super::places::Places;

/// The three kinds of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];
}

/// The subscriptions of one client.
#[derive(Default)]
pub struct Subscribed {
    channels: Places,
    patterns: Places,
    shard: Places,
}

impl Subscribed {
    fn places(&self, kind: Kind) -> &Places {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard,
        }
    }

    fn places_mut(&mut self, kind: Kind) -> &mut Places {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard,
        }
    }

    /// Number of subscriptions of this kind.
    pub fn len(&self, kind: Kind) -> usize {
        self.places(kind).len()
    }

    /// Number of subscriptions of all kinds.
    pub fn total(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard.len()
    }

    /// Whether there is one to the channel or pattern with this id.
    pub fn contains(&self, kind: Kind, id: u32) -> bool {
        self.places(kind).contains(id)
    }

    /// Notes a subscription that is not there yet.
    pub fn insert(&mut self, kind: Kind, id: u32, slot: u32) {
        self.places_mut(kind).insert(id, slot);
    }

    /// Forgets a subscription and returns its slot.
    pub fn remove(&mut self, kind: Kind, id: u32) -> Option<u32> {
        self.places_mut(kind).remove(id)
    }

    /// Up to `most` ids of this kind, in no order.
    pub fn some(&mut self, kind: Kind, most: usize) -> Vec<u32> {
        self.places_mut(kind).some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_apart() {
        let mut subscribed = Subscribed::default();
        subscribed.insert(Kind::Channel, 1, 10);
        subscribed.insert(Kind::Shard, 1, 20);
        assert!(!subscribed.contains(Kind::Pattern, 1));
        assert_eq!(subscribed.total(), 2);
        assert_eq!(subscribed.remove(Kind::Shard, 1), Some(20));
        assert_eq!(subscribed.remove(Kind::Shard, 1), None);
        assert_eq!(subscribed.some(Kind::Channel, 5), [1]);
    }

    #[test]
    fn many() {
        let mut subscribed = Subscribed::default();
        for id in 0..10_000 {
            subscribed.insert(Kind::Channel, id, id * 2);
        }
        assert_eq!(subscribed.len(Kind::Channel), 10_000);
        for id in 0..10_000 {
            assert_eq!(subscribed.remove(Kind::Channel, id), Some(id * 2));
        }
        assert_eq!(subscribed.total(), 0);
    }
}
