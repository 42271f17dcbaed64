//! Who of the other instances wants a channel or a pattern, and for how many subscribers.
//!
//! Owns the arithmetic. Each peer has a number below 64, and is a bit in a word: to ask whether anybody wants something is one
//! comparison. Must not know what is wanted, or where peers get their numbers.

/// Peers at most: their bits fill a word.
pub const PEERS_MAX: u32 = 64;

/// The bits of the peers that matter now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// There is a link to them: what they want counts.
    pub linked: u64,
    /// Their link is lost, and is being dialled again: what they wanted is forwarded, and waits, but counts for nothing.
    pub unlinked: u64,
    /// Of those that are linked: what they want is not known yet, so that they get everything.
    pub everything: u64,
}

impl Peers {
    /// Those to which something may be forwarded.
    pub fn reached(self) -> u64 {
        self.linked | self.unlinked
    }
}

/// What peers want of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interested {
    /// Their bits.
    pub peers: u64,
    /// Their subscribers.
    pub subscribers: u64,
}

impl Interested {
    /// With what others want, or the same ones want in another way.
    pub fn add(&mut self, other: Interested) {
        self.peers |= other.peers;
        self.subscribers += other.subscribers;
    }
}

/// Bits of [`First`] that are a count of subscribers: 67 million of one instance.
const COUNT_BITS: u32 = 26;
const COUNT_MAX: u32 = (1 << COUNT_BITS) - 2;

/// The only peer that wants something, and for how many subscribers; or that there is none, or more than one. Four bytes:
/// with a hundred thousand channels that one peer wants each, others would be paid for nothing.
#[derive(Clone, Copy, Default)]
pub struct First(u32);

impl First {
    fn new(peer: u32, count: u32) -> Self {
        First(peer << COUNT_BITS | (count.min(COUNT_MAX) + 1))
    }

    fn get(self) -> Option<(u32, u32)> {
        Some((self.0 >> COUNT_BITS, (self.0 & ((1 << COUNT_BITS) - 1)).checked_sub(1)?))
    }

    /// Whether there is one.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }

    /// What it wants, if it is linked.
    pub fn interested(self, linked: u64) -> Interested {
        let linked = self.get().filter(|(peer, _)| linked >> peer & 1 == 1);
        linked.map_or(Interested::default(), |(peer, count)| Interested {
            peers: 1 << peer,
            subscribers: u64::from(count),
        })
    }
}

/// All peers that want something, if they are several.
#[derive(Default)]
pub struct Others {
    peers: u64,
    subscribers: u64,
    /// Those of each peer, in no order.
    counts: Vec<(u32, u32)>,
}

impl Others {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.peers == 0
    }

    /// What those want that are linked.
    pub fn interested(&self, linked: u64) -> Interested {
        if self.peers & !linked == 0 {
            return Interested { peers: self.peers, subscribers: self.subscribers };
        }
        let linked_ones = self.counts.iter().filter(|(peer, _)| linked >> peer & 1 == 1);
        let subscribers = linked_ones.map(|(_, count)| u64::from(*count)).sum();
        Interested { peers: self.peers & linked, subscribers }
    }

    fn set(&mut self, peer: u32, count: Option<u32>) {
        self.counts.retain(|(other, _)| *other != peer);
        self.counts.extend(count.map(|count| (peer, count)));
        self.peers = self.counts.iter().map(|(peer, _)| 1 << peer).fold(0, |peers, bit: u64| peers | bit);
        self.subscribers = self.counts.iter().map(|(_, count)| u64::from(*count)).sum();
    }
}

/// For how many subscribers a peer wants something now; nothing if it does not. `others` is asked for only with a second peer
/// that wants it.
pub fn set<'a>(
    first: &mut First,
    others: impl FnOnce() -> &'a mut Others,
    several: bool,
    peer: u32,
    count: Option<u32>,
) {
    debug_assert!(peer < PEERS_MAX);
    let same = first.get().is_none_or(|(known, _)| known == peer);
    if same && !several {
        *first = count.map_or(First::default(), |count| First::new(peer, count));
    } else if several || count.is_some() {
        let others = others();
        if let Some((known, count)) = std::mem::take(first).get() {
            others.set(known, Some(count));
        }
        others.set(peer, count);
        if let [(only, count)] = others.counts[..] {
            *first = First::new(only, count);
            *others = Others::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            steps in proptest::collection::vec((0..4_u32, proptest::option::of(0..5_u32)), 0..40),
            linked in 0..16_u64,
        ) {
            let (mut first, mut others) = (First::default(), Others::default());
            let mut truth = BTreeMap::new();
            for (peer, count) in steps {
                let peer = peer * 21;
                let several = !others.is_empty();
                set(&mut first, || &mut others, several, peer, count);
                match count {
                    Some(count) => truth.insert(peer, count),
                    None => truth.remove(&peer),
                };
                prop_assert!(!first.is_some() || others.is_empty());
                prop_assert_eq!(first.is_some() || !others.is_empty(), !truth.is_empty());
            }
            let spread = (0..4).filter(|peer| linked >> peer & 1 == 1).map(|peer| 1 << (peer * 21)).sum();
            let mut interested = first.interested(spread);
            interested.add(others.interested(spread));
            let counted = truth.iter().filter(|(peer, _)| spread >> **peer & 1 == 1);
            prop_assert_eq!(interested.subscribers, counted.clone().map(|(_, count)| u64::from(*count)).sum::<u64>());
            prop_assert_eq!(interested.peers, counted.map(|(peer, _)| 1_u64 << peer).sum::<u64>());
        }
    }

    #[test]
    fn more_than_can_be_counted_are_many() {
        let mut first = First::default();
        set(&mut first, || unreachable!(), false, 63, Some(u32::MAX));
        assert_eq!(
            first.interested(u64::MAX),
            Interested { peers: 1 << 63, subscribers: u64::from(COUNT_MAX) }
        );
        assert_eq!(first.interested(1), Interested::default());
    }
}
