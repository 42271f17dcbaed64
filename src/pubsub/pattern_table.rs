//! Patterns with their receivers.
//!
//! Owns what the pattern index does not know: who receives, and since when, so that a delivery that is interrupted
//! meets neither a pattern that took a removed one's place nor a receiver that came after it began; and which peers want it.
//! Must not know locks.

use std::collections::VecDeque;

use super::patterns::{MatchCursor, PatternIndex};
use super::receivers::{Receiver, Receivers};
use super::remote::{self, First, Interested, Others};
use super::reserved::TOPICS;
use crate::map::HashKeys;

/// All patterns that somebody is subscribed to.
pub struct PatternTable {
    index: PatternIndex,
    entries: Vec<Entry>,
    latest: u64,
    /// Those that have subscribers of this instance.
    local: usize,
    /// Of these, those for channels of topics.
    of_topics: usize,
}

/// When fan-outs never cease and so many have come meanwhile, they are forgotten to have come late: some may then receive
/// what was published just before they subscribed.
const LATE_MAX: usize = 16 * 1024;

#[derive(Default)]
struct Entry {
    receivers: Receivers,
    /// Who was added while a fan-out was unfinished, in the order of numbers and slots alike.
    late: Vec<Late>,
    /// The peer that wants it.
    first: First,
    /// The peers, if they are several.
    others: Others,
}

impl Entry {
    fn interested(&self, linked: u64) -> Interested {
        if self.others.is_empty() { self.first.interested(linked) } else { self.others.interested(linked) }
    }

    fn is_wanted(&self) -> bool {
        self.first.is_some() || !self.others.is_empty()
    }
}

struct Late {
    number: u64,
    slot: u32,
}

impl PatternTable {
    /// An empty table.
    pub fn new(keys: HashKeys) -> Self {
        PatternTable {
            index: PatternIndex::new(keys),
            entries: Vec::new(),
            latest: 0,
            local: 0,
            of_topics: 0,
        }
    }

    /// Number of distinct patterns that somebody wants, here or elsewhere.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Number of distinct patterns that have subscribers here.
    pub fn local(&self) -> usize {
        self.local
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of distinct patterns that begin as the channels of topics do.
    pub fn of_topics(&self) -> usize {
        self.of_topics
    }

    /// The id of a pattern.
    pub fn find(&self, pattern: &[u8]) -> Option<u32> {
        self.index.find(pattern)
    }

    /// The pattern with this id.
    pub fn pattern(&self, id: u32) -> &[u8] {
        self.index.pattern(id)
    }

    /// Number of subscribers that a pattern has here.
    pub fn subscribers(&self, id: u32) -> usize {
        self.entries.get(id as usize).map_or(0, |entry| entry.receivers.len())
    }

    /// Counts the patterns that have subscribers, here or at a peer that is linked, from the entry at `first` on, at most `most`
    /// entries looked at. Returns also where to go on, or nothing at the end.
    pub fn count_subscribed(&self, first: usize, most: usize, linked: u64) -> (usize, Option<usize>) {
        let entries = self.entries.iter().skip(first).take(most);
        let is_subscribed =
            |entry: &&Entry| !entry.receivers.is_empty() || entry.interested(linked).subscribers > 0;
        let next = first.saturating_add(most);
        (entries.filter(is_subscribed).count(), (next < self.entries.len()).then_some(next))
    }

    /// What those peers want of a pattern that are linked.
    pub fn interested(&self, id: u32, linked: u64) -> Interested {
        self.entries.get(id as usize).map_or(Interested::default(), |entry| entry.interested(linked))
    }

    /// A peer wants a pattern for so many subscribers from now on, or not any more.
    pub fn set_wanted(&mut self, pattern: &[u8], peer: u32, count: Option<u32>) {
        let id = match count {
            Some(_) => self.insert(pattern),
            None => match self.index.find(pattern) {
                Some(id) => id,
                None => return,
            },
        };
        let entry = &mut self.entries[id as usize];
        let (several, others) = (!entry.others.is_empty(), &mut entry.others);
        remote::set(&mut entry.first, || others, several, peer, count);
        self.remove_if_unused(id);
    }

    /// The id of a pattern, which comes to exist if need be.
    fn insert(&mut self, pattern: &[u8]) -> u32 {
        let id = self.index.insert(pattern);
        let place = id as usize;
        if place >= self.entries.len() {
            self.entries.resize_with(place + 1, Entry::default);
        }
        id
    }

    fn remove_if_unused(&mut self, id: u32) {
        let entry = &mut self.entries[id as usize];
        if entry.receivers.is_empty() && !entry.is_wanted() {
            *entry = Entry::default();
            self.index.remove(id);
        }
    }

    /// Adds a receiver to a pattern, which comes to exist if need be; returns its id and the receiver's slot.
    /// `reuse`: see [`Receivers::add`].
    pub fn add(&mut self, pattern: &[u8], receiver: Receiver, reuse: bool) -> (u32, u32) {
        let id = self.insert(pattern);
        self.latest += 1;
        let entry = &mut self.entries[id as usize];
        if entry.receivers.is_empty() {
            self.local += 1;
            self.of_topics += usize::from(pattern.starts_with(TOPICS));
        }
        let end = entry.receivers.end();
        let slot = entry.receivers.add(receiver, reuse);
        if reuse || entry.late.len() == LATE_MAX {
            entry.late = Vec::new();
        }
        // Who gets a slot from among the others does not mark where those who came late begin.
        if !reuse && slot == end {
            entry.late.push(Late { number: self.latest, slot });
        }
        (id, slot)
    }

    /// Frees a receiver's slot, and the pattern with its last one if no peer wants it.
    pub fn remove(&mut self, id: u32, slot: u32, reuse: bool) {
        let entry = &mut self.entries[id as usize];
        entry.receivers.remove(slot, reuse);
        if entry.receivers.is_empty() {
            // To a fan-out that is under way it is a pattern that has gone.
            (entry.receivers, entry.late) = (Receivers::default(), Vec::new());
            self.local -= 1;
            self.of_topics -= usize::from(self.index.pattern(id).starts_with(TOPICS));
            self.remove_if_unused(id);
        }
    }

    /// Number of the latest subscription.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// A pattern, its receivers, and the end of the slots of those that were there when the subscription with this number
    /// was the latest; nothing if nobody was.
    pub fn subscribed_until(&self, id: u32, number: u64) -> Option<(&[u8], &Receivers, u32)> {
        let entry = self.entries.get(id as usize)?;
        let first_later = entry.late.get(entry.late.partition_point(|late| late.number <= number));
        let end = first_later.map_or(entry.receivers.end(), |late| late.slot);
        (end > 0).then(|| (self.index.pattern(id), &entry.receivers, end))
    }

    /// Whether at least `count` patterns with subscribers here match; true also if that takes more than `budget` to find out.
    pub fn may_match(&self, channel: &[u8], count: usize, mut budget: usize) -> bool {
        let mut found = Vec::new();
        let all = self.index.matching(channel, &mut MatchCursor::default(), &mut budget, &mut found);
        let is_local = |id: &&u32| !self.entries[**id as usize].receivers.is_empty();
        !all || found.iter().filter(is_local).count() >= count
    }

    /// Looks for patterns that match `channel` as far as the budget goes. Returns whether the search has ended.
    pub fn search(
        &self,
        channel: &[u8],
        cursor: &mut MatchCursor,
        budget: &mut usize,
        found: &mut VecDeque<u32>,
    ) -> bool {
        let mut ids = Vec::new();
        let finished = self.index.matching(channel, cursor, budget, &mut ids);
        found.extend(ids);
        finished
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outbox::Outbox;

    #[test]
    fn who_gets_a_free_slot_during_a_fan_out_keeps_nobody_from_his_message() {
        let receiver = Arc::new(Outbox::new(1));
        let mut table = PatternTable::new(HashKeys::new([1, 2]));
        let slots: Vec<u32> = (0..40_000).map(|_| table.add(b"a*", receiver.clone(), true).1).collect();
        let id = table.find(b"a*").unwrap();
        let begin = table.latest();
        slots[..38_000].iter().for_each(|&slot| table.remove(id, slot, false));
        let (_, slot) = table.add(b"a*", receiver.clone(), false);
        assert!(slot < 38_000, "so many free slots are not kept from reuse");
        let end = |number| table.subscribed_until(id, number).unwrap().2;
        assert_eq!(end(begin), 40_000);
        assert_eq!(end(table.latest()), 40_000);
    }

    #[test]
    fn who_comes_during_a_fan_out_stands_behind_its_end() {
        let receiver = Arc::new(Outbox::new(1));
        let mut table = PatternTable::new(HashKeys::new([1, 2]));
        let (id, _) = table.add(b"a*", receiver.clone(), true);
        let begin = table.latest();
        let ends: Vec<u32> = (0..3)
            .map(|_| {
                table.add(b"a*", receiver.clone(), false);
                table.subscribed_until(id, begin).unwrap().2
            })
            .collect();
        assert_eq!(ends, [1; 3]);
        assert_eq!(table.subscribed_until(id, begin + 2).unwrap().2, 3);
        // Another pattern under the same id.
        (0..4).for_each(|slot| table.remove(id, slot, false));
        assert_eq!(table.add(b"b*", receiver, false).0, id);
        assert!(table.subscribed_until(id, begin).is_none());
    }
}
