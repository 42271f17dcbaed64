//! A shard of the view.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::crdt::NodeId;
use crate::presence::topic::KeyChange;
use crate::presence::{Entry, Member, Meta, Name, Reason, SessionName, Stamp};

fn name(topic: &str, key: &str, id: &str) -> Name {
    Member::new(topic.into(), key, SessionName::Named("s".into()), id).into()
}

fn stamp(time: u64) -> Stamp {
    Stamp { time, node: NodeId(1) }
}

fn version(time: u64) -> Entry {
    Version::live(stamp(time), Meta::default(), stamp(time), None).into()
}

fn change(name: Name, after: Option<Entry>) -> Change {
    Change { name, after, reason: Reason::Untrack }
}

fn times(topics: &Topics, topic: &str, key: &str) -> Vec<u64> {
    let mut times = Vec::new();
    topics.get(topic, key, |version| times.push(version.stamp.time));
    times
}

#[test]
fn members_join_change_and_leave() {
    let mut topics = Topics::new(HashKeys::new([1, 2]));
    let mut apply = |key, id, after| {
        let applied = topics.apply(0, change(name("lobby", key, id), after));
        let applied = applied.map(|applied| (applied.before.is_some(), applied.after.is_some(), applied.key));
        (applied, topics.count("lobby"), times(&topics, "lobby", "ann"))
    };
    let count = |keys, members| Count { keys, members };
    let (joined, updated, left) = ((false, true), (true, true), (true, false));
    let what = |(before, after): (bool, bool), key| Some((before, after, key));
    assert_eq!(apply("ann", "a", None), (None, count(0, 0), vec![]));
    assert_eq!(
        apply("ann", "a", Some(version(1))),
        (what(joined, KeyChange::Appeared), count(1, 1), vec![1])
    );
    assert_eq!(apply("ann", "a", Some(version(1))), (None, count(1, 1), vec![1]));
    assert_eq!(
        apply("ann", "b", Some(version(2))),
        (what(joined, KeyChange::Stayed), count(1, 2), vec![1, 2])
    );
    assert_eq!(apply("bob", "", Some(version(3))).1, count(2, 3));
    assert_eq!(
        apply("ann", "a", Some(version(4))),
        (what(updated, KeyChange::Stayed), count(2, 3), vec![4, 2])
    );
    assert_eq!(apply("ann", "a", None), (what(left, KeyChange::Stayed), count(2, 2), vec![2]));
    assert_eq!(apply("ann", "a", None), (None, count(2, 2), vec![2]));
    assert_eq!(apply("ann", "b", None), (what(left, KeyChange::Disappeared), count(1, 1), vec![]));
    assert_eq!(apply("bob", "", None).1, count(0, 0));
    assert!(topics.is_empty() && topics.find("lobby").is_none());
}

#[test]
fn what_was_only_written_again_is_no_news() {
    let mut topics = Topics::new(HashKeys::new([1, 2]));
    let written = |time, reference, previous: Option<u64>| -> Option<Entry> {
        let version = Version::live(stamp(time), Meta::default(), stamp(reference), previous.map(stamp));
        Some(version.into())
    };
    let mut apply = |after| topics.apply(0, change(name("t", "k", ""), after)).is_some();
    assert!(apply(written(1, 1, None)));
    assert!(!apply(written(2, 1, None)));
    assert!(apply(written(3, 3, Some(1))));
    assert!(!apply(written(4, 3, Some(1))));
    assert_eq!(times(&topics, "t", "k"), [4]);
    // What is not about a member, or is none, shows nothing.
    let session = Name::of_session("s".into());
    assert!(topics.apply(0, change(session, Some(version(1)))).is_none());
    let end: Entry = crate::presence::entry::Content::End(stamp(9)).into();
    assert!(topics.apply(0, change(name("u", "k", ""), Some(end))).is_none());
    assert_eq!((topics.len(), topics.find("u")), (1, None));
}

#[test]
fn a_key_of_very_many_members_is_as_quick_as_others() {
    let mut topics = Topics::new(HashKeys::new([1, 2]));
    let names: Vec<Name> = (0..20_000).map(|id| name("lobby", "guest", &id.to_string())).collect();
    for (time, name) in names.iter().enumerate() {
        assert!(topics.apply(0, change(name.clone(), Some(version(time as u64)))).is_some());
    }
    assert_eq!(topics.count("lobby"), Count { keys: 1, members: 20_000 });
    assert!(times(&topics, "lobby", "guest").iter().copied().eq(0..20_000));
    for name in names.iter().skip(2) {
        assert!(topics.apply(0, change(name.clone(), None)).is_some());
    }
    assert_eq!(times(&topics, "lobby", "guest"), [0, 1]);
}

/// Key: members in the order in which they came, with the ref and the stamp that are shown.
type Model = BTreeMap<String, BTreeMap<String, Vec<(Name, u64, u64)>>>;

/// The stamps of the versions before and after, and what became of the key.
type CameTo = (Option<u64>, Option<u64>, KeyChange);

/// What is done with a member.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A new version.
    Show,
    /// The same one again.
    Repeat,
    /// The same one under a new stamp.
    Renew,
    Hide,
}

/// Applies a step to a model. Returns the change, and what it is to come to.
fn step(model: &mut Model, time: u64, name: Name, step: Step) -> (Change, Option<CameTo>) {
    let member = name.member().unwrap();
    let keys = model.entry(member.topic.to_string()).or_default();
    let members = keys.entry(member.key().to_owned()).or_default();
    let at = members.iter().position(|(other, ..)| *other == name);
    let entry = |reference, time| -> Entry {
        Version::live(stamp(time), Meta::default(), stamp(reference), None).into()
    };
    let stays = |members: &Vec<_>| if members.len() == 1 { KeyChange::Appeared } else { KeyChange::Stayed };
    let (after, expected) = match (step, at) {
        (Step::Hide, None) => (None, None),
        (Step::Hide, Some(at)) => {
            let (_, _, before) = members.remove(at);
            let key = if members.is_empty() { KeyChange::Disappeared } else { KeyChange::Stayed };
            (None, Some((Some(before), None, key)))
        }
        (_, None) => {
            members.push((name.clone(), time, time));
            (Some(entry(time, time)), Some((None, Some(time), stays(members))))
        }
        (Step::Show, Some(at)) => {
            let before = std::mem::replace(&mut members[at], (name.clone(), time, time)).2;
            (Some(entry(time, time)), Some((Some(before), Some(time), KeyChange::Stayed)))
        }
        (Step::Repeat, Some(at)) => (Some(entry(members[at].1, members[at].2)), None),
        (Step::Renew, Some(at)) => {
            members[at].2 = time;
            (Some(entry(members[at].1, time)), None)
        }
    };
    keys.retain(|_, members| !members.is_empty());
    model.retain(|_, keys| !keys.is_empty());
    (change(name, after), expected)
}

/// All keys of a topic with the stamps of their versions, read in pieces.
fn all(topics: &Topics, topic: &str, most: usize) -> BTreeMap<String, Vec<u64>> {
    let (mut from, mut keys) = (Some(0), BTreeMap::new());
    while let Some(slot) = from {
        let before = keys.len();
        from = topics.visit(topic, slot, most, |key, versions| {
            let times = versions.map(|version| version.stamp.time).collect();
            assert!(keys.insert(key.to_owned(), times).is_none(), "{key} was there");
        });
        assert!(keys.len() - before <= most && from.is_none_or(|next| next > slot));
    }
    keys
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8, Step)>> {
    let step = prop_oneof![
        4 => Just(Step::Show),
        1 => Just(Step::Repeat),
        1 => Just(Step::Renew),
        3 => Just(Step::Hide),
    ];
    // Few topics and many keys, few keys and many members, and in between.
    (1..12_u8, 1..30_u8, 1..40_u8).prop_flat_map(move |(topics, keys, ids)| {
        proptest::collection::vec((0..topics, 0..keys, 0..ids, step.clone()), 0..1_000)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn agrees_with_a_plain_map(steps in steps(), most in 1..20_usize) {
        let mut topics = Topics::new(HashKeys::new([1, 2]));
        let mut model = Model::new();
        for (time, (topic, key, id, what)) in steps.into_iter().enumerate() {
            let name = name(&format!("t{topic}"), &format!("k{key}"), &id.to_string());
            let (change, expected) = step(&mut model, time as u64, name.clone(), what);
            let applied = topics.apply(0, change);
            let time_of = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.stamp().time);
            let came_to = applied.as_ref().map(|it| (time_of(&it.before), time_of(&it.after), it.key));
            prop_assert_eq!(came_to, expected);
            prop_assert!(applied.is_none_or(|applied| applied.name == name));
            prop_assert_eq!(topics.len(), model.len());
            if time % 256 == 0 {
                check(&topics, &model, most);
            }
        }
        check(&topics, &model, most);
    }

    #[test]
    fn what_stays_is_visited(
        stays in proptest::collection::btree_set(0..400_u32, 1..40),
        turns in proptest::collection::vec((0..400_u32, 0..100_u32), 1..30),
        most in 1..30_usize,
    ) {
        let mut topics = Topics::new(HashKeys::new([1, 2]));
        // Each number is a key of one topic, and a topic with one key.
        let turn = |topics: &mut Topics, number: u32, shown: bool| {
            for name in [name("lobby", &number.to_string(), ""), name(&number.to_string(), "k", "")] {
                topics.apply(0, change(name, shown.then(|| version(1))));
            }
        };
        (0..400).for_each(|number| turn(&mut topics, number, true));
        let (mut left_keys, mut left_topics) = (stays.clone(), stays.clone());
        let (mut key_from, mut topic_from) = (Some(0), Some(0));
        for (at, (first, many)) in turns.iter().cycle().enumerate() {
            key_from = key_from.and_then(|from| topics.visit("lobby", from, most, |key, _| {
                left_keys.remove(&key.parse().unwrap());
            }));
            topic_from = topic_from.and_then(|from| topics.names(from, most, |topic| {
                left_topics.retain(|left| left.to_string() != **topic);
            }));
            if key_from.is_none() && topic_from.is_none() {
                break;
            }
            for number in (*first..*first + *many).map(|number| number % 400) {
                if !stays.contains(&number) {
                    turn(&mut topics, number, at % 3 == 0);
                }
            }
        }
        prop_assert!(left_keys.is_empty() && left_topics.is_empty(), "{left_keys:?}, {left_topics:?}");
    }
}

fn check(topics: &Topics, model: &Model, most: usize) {
    for (topic, keys) in model {
        let expected: BTreeMap<String, Vec<u64>> = keys
            .iter()
            .map(|(key, members)| (key.clone(), members.iter().map(|(_, _, time)| *time).collect()))
            .collect();
        assert_eq!(all(topics, topic, most), expected);
        assert!(expected.iter().all(|(key, expected)| times(topics, topic, key) == *expected));
        let members = expected.values().map(Vec::len).sum();
        assert_eq!(topics.count(topic), Count { keys: keys.len(), members });
    }
    let (mut from, mut names) = (Some(0), BTreeSet::new());
    while let Some(slot) = from {
        from = topics.names(slot, most, |name| assert!(names.insert(name.to_string())));
    }
    assert!(names.iter().eq(model.keys()));
}
