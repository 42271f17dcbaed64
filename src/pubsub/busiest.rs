//! The channels of one shard that are published to most, in bounded memory.
//!
//! Owns a sketch of fixed size: Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and
//! Top-k Elements in Data Streams", 2005). A channel that has no place takes the one of the channel with the lowest
//! count, and might have had up to that count before. So:
//!
//! - of `n` messages and `k` places, a channel with more than `n / k` messages has a place, whatever the others did;
//! - what is counted of a channel has been published; at most [`Busy::uncounted`] more are missing, and that is at most
//!   `n / k`, and 0 while there have been no more channels than places.
//!
//! Must not know locks or who asks. On the hot path: the tags of all places are one cache line.

/// A channel and what was published to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// The channel's name.
    pub name: Vec<u8>,
    /// Messages counted.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Messages that may have been published before the channel was counted, at most.
    pub uncounted: u64,
}

/// The sketch. What every message looks at stands together, apart from the rest.
#[derive(Default)]
pub struct Busiest {
    places: usize,
    /// A part of each channel's hash.
    tags: Vec<u32>,
    /// Messages of each channel, those that may have come before it was counted included.
    counts: Vec<u64>,
    channels: Vec<Channel>,
}

#[derive(Default)]
struct Channel {
    name: Vec<u8>,
    bytes: u64,
    uncounted: u64,
}

impl Busiest {
    /// With room for so many channels; none: nothing is counted.
    pub fn new(places: usize) -> Self {
        Busiest { places, ..Busiest::default() }
    }

    /// Counts messages to the channel with this name, whose hash the caller knows.
    pub fn note(&mut self, hash: u64, name: &[u8], messages: u64, bytes: u64) {
        let tag = hash as u32;
        let is_it = |&index: &usize| self.tags[index] == tag && self.channels[index].name == name;
        let place = match (0..self.tags.len()).find(is_it) {
            Some(place) => place,
            None if self.places == 0 => return,
            None => self.place(tag, name),
        };
        self.counts[place] += messages;
        self.channels[place].bytes += bytes;
    }

    /// A place for a channel that has none.
    fn place(&mut self, tag: u32, name: &[u8]) -> usize {
        if self.channels.len() < self.places {
            self.tags.push(tag);
            self.counts.push(0);
            self.channels.push(Channel { name: name.to_vec(), ..Channel::default() });
            return self.channels.len() - 1;
        }
        let counts = self.counts.iter().enumerate();
        let (lowest, count) =
            counts.min_by_key(|(_, count)| **count).map_or((0, 0), |(at, count)| (at, *count));
        self.tags[lowest] = tag;
        let channel = &mut self.channels[lowest];
        // Its buffer is used again: many channels of one message each must not cost an allocation each.
        channel.name.clear();
        channel.name.extend_from_slice(name);
        channel.bytes = 0;
        channel.uncounted = count;
        lowest
    }

    /// The channels that have a place, in no order.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = Busy> {
        self.channels.iter().zip(&self.counts).map(|(channel, count)| Busy {
            name: channel.name.clone(),
            messages: count - channel.uncounted,
            bytes: channel.bytes,
            uncounted: channel.uncounted,
        })
    }

    /// Forgets all that was counted.
    pub fn clear(&mut self) {
        *self = Busiest::new(self.places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(busiest: &mut Busiest, name: &str, messages: u64) {
        let hash = name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte));
        busiest.note(hash, name.as_bytes(), messages, messages * 10);
    }

    fn find(busiest: &Busiest, name: &str) -> Option<Busy> {
        busiest.channels().find(|channel| channel.name == name.as_bytes())
    }

    #[test]
    fn exact_while_all_have_a_place() {
        let mut busiest = Busiest::new(3);
        for (name, messages) in [("a", 1), ("b", 5), ("c", 2), ("a", 3)] {
            note(&mut busiest, name, messages);
        }
        for (name, messages) in [("a", 4), ("b", 5), ("c", 2)] {
            let channel = find(&busiest, name).unwrap();
            assert_eq!((channel.messages, channel.bytes, channel.uncounted), (messages, messages * 10, 0));
        }
        busiest.clear();
        assert_eq!(busiest.channels().len(), 0);
        note(&mut busiest, "a", 1);
        assert_eq!(find(&busiest, "a").unwrap().messages, 1);
    }

    #[test]
    fn channels_of_one_hash_are_told_apart() {
        let mut busiest = Busiest::new(3);
        busiest.note(1, b"a", 1, 1);
        busiest.note(1 << 32 | 1, b"b", 2, 2);
        assert_eq!((find(&busiest, "a").unwrap().messages, find(&busiest, "b").unwrap().messages), (1, 2));
    }

    #[test]
    fn without_places_nothing_is_counted() {
        let mut busiest = Busiest::new(0);
        note(&mut busiest, "a", 1);
        assert_eq!(busiest.channels().len(), 0);
    }

    proptest::proptest! {
        #[test]
        fn the_guarantee_holds(published in proptest::collection::vec((0..30_usize, 1..5_u64), 0..300)) {
            let places = 5;
            let mut busiest = Busiest::new(places);
            let mut truth = [0; 30];
            for (channel, messages) in published {
                // Low numbers are drawn more often.
                let channel = channel * channel / 30;
                truth[channel] += messages;
                note(&mut busiest, &channel.to_string(), messages);
            }
            let all: u64 = truth.iter().sum();
            for (channel, messages) in truth.into_iter().enumerate() {
                match find(&busiest, &channel.to_string()) {
                    Some(found) => {
                        assert!(found.messages <= messages && messages <= found.messages + found.uncounted);
                        assert!(found.uncounted <= all / places as u64);
                    }
                    None => assert!(messages <= all / places as u64),
                }
            }
            assert!(busiest.channels().len() <= places);
        }
    }
}
