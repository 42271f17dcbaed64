//! A shard of the view.

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
