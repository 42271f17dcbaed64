//! The receivers of one channel or pattern: a slab of 8-byte handles.
//!
//! Owns slots that stay where they are, so that a fan-out can stop after any of them, let go of the lock, and go on
//! later: who was removed meanwhile gets nothing, who was added behind the end noted at its start gets nothing
//! either. Must not know names.

use std::sync::Arc;

use crate::outbox::Outbox;

/// So many free slots are kept from reuse during fan-outs in any case.
const FREE_SLOTS_MIN: usize = 16 * 1024;

/// One who receives. Eight bytes.
pub type Receiver = Arc<Outbox>;

/// A slab of receivers. Most channels have one, which needs no allocation.
#[derive(Default)]
pub struct Receivers(Slots);

#[derive(Default)]
enum Slots {
    #[default]
    None,
    One(Receiver),
    Many(Box<Many>),
}

#[derive(Default)]
struct Many {
    slots: Vec<Option<Receiver>>,
    free: Vec<u32>,
}

impl Receivers {
    /// Number of receivers.
    pub fn len(&self) -> usize {
        match &self.0 {
            Slots::None => 0,
            Slots::One(_) => 1,
            Slots::Many(many) => many.slots.len() - many.free.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of the slots: a fan-out that starts now visits those before it.
    pub fn end(&self) -> u32 {
        match &self.0 {
            Slots::None => 0,
            Slots::One(_) => 1,
            Slots::Many(many) => many.slots.len() as u32,
        }
    }

    /// Adds a receiver and returns its slot. While a fan-out is unfinished `reuse` must be false: a slot that the
    /// fan-out still has before it must not be given to somebody new.
    pub fn add(&mut self, receiver: Receiver, reuse: bool) -> u32 {
        match &mut self.0 {
            Slots::None => {
                self.0 = Slots::One(receiver);
                0
            }
            Slots::One(_) => {
                let Slots::One(first) = std::mem::take(&mut self.0) else { unreachable!("matched above") };
                let slots = vec![Some(first), Some(receiver)];
                self.0 = Slots::Many(Box::new(Many { slots, free: Vec::new() }));
                1
            }
            Slots::Many(many) => many.add(receiver, reuse),
        }
    }

    /// Frees a slot that [`Receivers::add`] returned. While a fan-out is unfinished `reuse` must be false: the
    /// slots are then kept until [`Receivers::release_slots`], even when nobody is left in them.
    pub fn remove(&mut self, slot: u32, reuse: bool) {
        let empty = match &mut self.0 {
            Slots::None => true,
            Slots::One(_) => {
                debug_assert_eq!(slot, 0, "a single receiver stands in slot 0");
                true
            }
            Slots::Many(many) => {
                let removed = many.slots[slot as usize].take();
                debug_assert!(removed.is_some(), "a slot is freed once");
                many.free.push(slot);
                many.free.len() == many.slots.len()
            }
        };
        if empty && reuse {
            self.0 = Slots::None;
        } else if empty {
            let slots = vec![None; self.end() as usize];
            let free = (0..self.end()).collect();
            self.0 = Slots::Many(Box::new(Many { slots, free }));
        }
    }

    /// The fan-outs are finished: gives back slots that nobody is left in.
    pub fn release_slots(&mut self) {
        if self.is_empty() {
            self.0 = Slots::None;
        }
    }

    /// Receivers in the slots from `first` up to `end`, with their slots.
    pub fn range(&self, first: u32, end: u32) -> impl Iterator<Item = (u32, &Receiver)> {
        let (one, many): (Option<&Receiver>, &[Option<Receiver>]) = match &self.0 {
            Slots::None => (None, &[]),
            Slots::One(receiver) => (Some(receiver).filter(|_| first == 0 && end > 0), &[]),
            Slots::Many(many) => {
                let end = (end as usize).min(many.slots.len());
                (None, &many.slots[(first as usize).min(end)..end])
            }
        };
        let many = many.iter().enumerate().filter_map(move |(offset, slot)| {
            slot.as_ref().map(|receiver| (first + offset as u32, receiver))
        });
        one.map(|receiver| (0, receiver)).into_iter().chain(many)
    }
}

impl Many {
    fn add(&mut self, receiver: Receiver, reuse: bool) -> u32 {
        // When fan-outs never cease, receivers come and go, and most slots are free, memory comes first: somebody new may
        // then receive what was published just before.
        let crowded_out = self.free.len() > self.slots.len() / 2 + FREE_SLOTS_MIN;
        if (reuse || crowded_out)
            && let Some(slot) = self.free.pop()
        {
            self.slots[slot as usize] = Some(receiver);
            return slot;
        }
        if self.slots.len() == self.slots.capacity() {
            // An eighth more instead of twice as much: handles are most of what a shared subscription costs.
            self.slots.reserve_exact((self.slots.len() / 8).max(2));
        }
        self.slots.push(Some(receiver));
        self.slots.len() as u32 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(id: u64) -> Receiver {
        Arc::new(Outbox::new(id))
    }

    fn ids(receivers: &Receivers, first: u32, end: u32) -> Vec<u64> {
        receivers.range(first, end).map(|(_, receiver)| receiver.id()).collect()
    }

    #[test]
    fn handles_are_small() {
        assert_eq!(size_of::<Option<Receiver>>(), 8);
        assert_eq!(size_of::<Receivers>(), 16);
    }

    #[test]
    fn slots_stay_and_are_reused() {
        let mut receivers = Receivers::default();
        let slots: Vec<u32> = (1..=4).map(|id| receivers.add(receiver(id), true)).collect();
        assert_eq!(slots, [0, 1, 2, 3]);
        receivers.remove(1, true);
        assert_eq!(ids(&receivers, 0, receivers.end()), [1, 3, 4]);
        assert_eq!(receivers.len(), 3);
        assert_eq!(receivers.add(receiver(5), true), 1);
        assert_eq!(ids(&receivers, 1, 3), [5, 3]);
    }

    #[test]
    fn a_cursor_meets_nobody_who_came_later() {
        let mut receivers = Receivers::default();
        for id in 1..=3 {
            receivers.add(receiver(id), true);
        }
        let end = receivers.end();
        receivers.remove(1, false);
        receivers.add(receiver(9), false);
        assert_eq!(ids(&receivers, 1, end), [3]);
        assert_eq!(receivers.len(), 3);
    }

    #[test]
    fn not_even_when_all_others_have_left() {
        for count in [1, 3] {
            let mut receivers = Receivers::default();
            let slots: Vec<u32> = (0..count).map(|id| receivers.add(receiver(id), true)).collect();
            let end = receivers.end();
            slots.into_iter().for_each(|slot| receivers.remove(slot, false));
            receivers.add(receiver(9), false);
            assert_eq!(ids(&receivers, 0, end), [0; 0]);
            assert_eq!(receivers.len(), 1);
        }
    }

    #[test]
    fn the_last_one_takes_the_slots_along() {
        let mut receivers = Receivers::default();
        for id in 1..=3 {
            receivers.add(receiver(id), true);
        }
        for slot in [2, 0, 1] {
            receivers.remove(slot, true);
        }
        assert!(receivers.is_empty());
        assert_eq!(receivers.end(), 0);
        assert_eq!(receivers.add(receiver(7), true), 0);
        assert_eq!(ids(&receivers, 0, 1), [7]);
    }
}
