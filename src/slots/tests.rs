//! Tables whose entries keep their slots, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Entry(Option<u32>);

impl Slot for Entry {
    const FREE: Self = Entry(None);

    fn is_free(&self) -> bool {
        self.0.is_none()
    }

    fn hash(&self, keys: HashKeys) -> u64 {
        hash(keys, self.0.unwrap())
    }
}

fn keys() -> HashKeys {
    HashKeys::new([1, 2])
}

/// Some hashes are the same.
fn hash(keys: HashKeys, number: u32) -> u64 {
    keys.hash(&(number / 2).to_le_bytes())
}

struct Tested {
    slots: Slots<Entry>,
    /// Slots by number.
    model: BTreeMap<u32, u32>,
}

impl Tested {
    fn new() -> Self {
        Tested { slots: Slots::default(), model: BTreeMap::new() }
    }

    fn find(&self, number: u32) -> Option<u32> {
        self.slots.find(|| hash(keys(), number), |entry| entry.0 == Some(number))
    }

    /// Adds a number, or removes it if it is there.
    fn turn(&mut self, number: u32) {
        match self.model.remove(&number) {
            Some(slot) => {
                assert_eq!(self.slots.remove(keys(), slot), Some(Entry(Some(number))));
                assert_eq!(self.slots.remove(keys(), slot), None);
                assert_eq!((self.slots.get(slot), self.find(number)), (None, None));
            }
            None => {
                let slot = self.slots.insert(keys(), Entry(Some(number)));
                assert!(self.model.values().all(|other| *other != slot), "slot {slot} is taken");
                self.model.insert(number, slot);
            }
        }
        assert_eq!(self.slots.len(), self.model.len());
    }

    fn check(&mut self) {
        for (number, slot) in &self.model {
            assert_eq!(self.find(*number), Some(*slot));
            assert_eq!(self.slots.get(*slot), Some(&Entry(Some(*number))));
        }
        for most in [1, 3, 1000] {
            let (mut from, mut visited) = (Some(0), Vec::new());
            while let Some(slot) = from {
                let before = visited.len();
                from = self.slots.visit(slot, most, |slot, entry| visited.push((entry.0.unwrap(), slot)));
                assert!(visited.len() - before <= most);
                assert!(from.is_none_or(|next| next > slot));
            }
            visited.sort_unstable();
            assert!(visited.iter().copied().eq(self.model.iter().map(|(number, slot)| (*number, *slot))));
        }
    }
}

#[test]
fn a_table_grows_and_shrinks_and_gives_its_memory_back() {
    let mut tested = Slots::default();
    let all = 0..100_000;
    let slots: Vec<u32> = all.clone().map(|number| tested.insert(keys(), Entry(Some(number)))).collect();
    let find =
        |tested: &Slots<Entry>, number| tested.find(|| hash(keys(), number), |entry| entry.0 == Some(number));
    assert!(all.clone().all(|number| find(&tested, number) == Some(slots[number as usize])));
    for number in all.clone().filter(|number| number % 1000 != 0) {
        assert_eq!(tested.remove(keys(), slots[number as usize]), Some(Entry(Some(number))));
    }
    assert!(all.clone().all(|number| find(&tested, number).is_some() == (number % 1000 == 0)));
    let Storage::Many(many) = &tested.0 else { panic!("there are a hundred") };
    assert!(many.index.room().sum::<usize>() < 400);
    assert!(many.slab.capacity() <= 100 * 128);
    for number in all.step_by(1000) {
        tested.remove(keys(), slots[number as usize]);
    }
    assert!(matches!(&tested.0, Storage::Few(few) if few.capacity() == 0));
}

proptest! {
    #[test]
    fn agrees_with_a_plain_map(numbers in proptest::collection::vec(0..30_u32, 0..300)) {
        let mut tested = Tested::new();
        for (turn, number) in numbers.into_iter().enumerate() {
            tested.turn(number);
            if turn % 8 == 0 {
                tested.check();
            }
        }
        tested.check();
    }

    #[test]
    fn what_stays_is_visited(
        stays in proptest::collection::btree_set(0..2_000_u32, 1..100),
        turns in proptest::collection::vec((0..2_000_u32, 0..2_000_u32), 1..50),
        most in 1..60_usize,
    ) {
        let mut tested = Tested::new();
        stays.iter().for_each(|number| tested.turn(*number));
        let mut left = stays.clone();
        let (mut from, mut turn) = (Some(0), turns.iter().cycle());
        while let Some(slot) = from {
            from = tested.slots.visit(slot, most, |_, entry| {
                left.remove(&entry.0.unwrap());
            });
            let (first, many) = turn.next().unwrap();
            for number in (*first..*first + *many / 40).filter(|number| !stays.contains(number)) {
                tested.turn(number);
            }
        }
        prop_assert!(left.is_empty(), "{left:?} not visited");
        tested.check();
    }
}
