//! Where keys are present.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::presence::{Connection, SessionName};

fn name(topic: u32, key: u32, session: u32) -> Name {
    let session = SessionName::from(Connection { life: 1, client: u64::from(session) });
    Member::new(format!("t{topic}").into(), &format!("k{key}"), session, "id").into()
}

/// The topics of a key, in pieces.
fn topics(places: &Places, key: u32, most: usize) -> Vec<String> {
    let (mut from, mut topics) = (Some(0), Vec::new());
    while let Some(slot) = from {
        let before = topics.len();
        from = places.visit(&format!("k{key}"), slot, most, |topic| topics.push(topic.to_string()));
        assert!(topics.len() - before <= most && from.is_none_or(|next| next > slot));
    }
    topics.sort();
    topics
}

#[test]
fn one_key_in_very_many_topics() {
    let mut places = Places::new(HashKeys::new([1, 2]));
    let all = 0..100_000;
    assert!(all.clone().all(|topic| places.add(&name(topic, 1, 0))));
    assert!(all.clone().all(|topic| !places.add(&name(topic, 1, 1))));
    assert_eq!((places.len(), topics(&places, 1, 1000).len()), (1, 100_000));
    assert!(all.clone().skip(1).all(|topic| places.remove(&name(topic, 1, 1))));
    assert!(all.clone().skip(1).all(|topic| !places.remove(&name(topic, 1, 1))));
    assert_eq!(topics(&places, 1, 1), ["t0"]);
    assert!(places.remove(&name(0, 1, 5)));
    assert!(places.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_a_plain_map(steps in proptest::collection::vec((any::<bool>(), 0..20_u32, 0..12_u32), 0..500), most in 1..9_usize) {
        let mut places = Places::new(HashKeys::new([1, 2]));
        let mut model = BTreeMap::<u32, BTreeSet<String>>::new();
        for (turn, (adds, topic, key)) in steps.into_iter().enumerate() {
            let name = name(topic, key, turn as u32);
            let all = model.entry(key).or_default();
            if adds {
                prop_assert_eq!(places.add(&name), all.insert(format!("t{topic}")));
            } else {
                prop_assert_eq!(places.remove(&name), all.remove(&format!("t{topic}")));
            }
            prop_assert!(topics(&places, key, most).iter().eq(all.iter()));
            prop_assert_eq!(places.len(), model.values().filter(|topics| !topics.is_empty()).count());
        }
    }

    #[test]
    fn a_topic_that_stays_is_visited(
        stays in proptest::collection::btree_set(0..30_u32, 1..4),
        steps in proptest::collection::vec(proptest::collection::vec(0..30_u32, 0..40), 1..30),
        most in 1..4_usize,
    ) {
        let mut places = Places::new(HashKeys::new([1, 2]));
        let mut present = BTreeSet::new();
        let mut turn = |places: &mut Places, topic: u32| {
            if present.insert(topic) {
                assert!(places.add(&name(topic, 1, 0)));
            } else {
                present.remove(&topic);
                assert!(places.remove(&name(topic, 1, 0)));
            }
        };
        // Who stays came last, so that it has a high slot.
        (0..30).filter(|topic| !stays.contains(topic)).for_each(|topic| turn(&mut places, topic));
        stays.iter().for_each(|topic| turn(&mut places, *topic));
        let mut visited = BTreeSet::new();
        let (mut from, mut steps) = (Some(0), steps.iter().cycle());
        while let Some(slot) = from {
            from = places.visit("k1", slot, most, |topic| {
                visited.insert(topic.to_string());
            });
            let turned = steps.next().unwrap().iter().filter(|topic| !stays.contains(topic));
            turned.for_each(|topic| turn(&mut places, *topic));
        }
        prop_assert!(stays.iter().all(|topic| visited.contains(&format!("t{topic}"))), "{visited:?} of {stays:?}");
    }
}
