//! What Phoenix's own tests of presence check, and limits.

use super::*;
use crate::presence::world::{World, member, meta, node};

#[test]
fn join_update_and_leave_are_seen_everywhere_exactly_once() {
    let mut world = World::new(3);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    let first = world.track(0, member("t", "ann", "s", ""), r#"{"a":1}"#);
    assert_eq!(world.track(0, member("t", "ann", "s", ""), r#"{"a":1}"#), first, "the same again");
    world.pass(500);
    for index in 0..3 {
        assert_eq!(world.take_told(index), ["+t/ann/s/"]);
    }
    let second = world.track(1, member("t", "ann", "s", ""), r#"{"a":2}"#);
    assert!(second > first);
    world.pass(500);
    for index in 0..3 {
        assert_eq!(world.take_told(index), ["~t/ann/s/"]);
        let shown = world.machine(index).shown(&member("t", "ann", "s", "").into()).cloned().unwrap();
        assert_eq!(shown.version().unwrap().previous(), Some(first));
    }
    assert!(world.at(2, |machine, now| machine.untrack(now, member("t", "ann", "s", ""), None)));
    assert!(
        !world.at(2, |machine, now| machine.untrack(now, member("t", "ann", "s", ""), None)),
        "nothing there"
    );
    world.pass(30_000);
    for index in 0..3 {
        assert_eq!(world.take_told(index), ["-t/ann/s/ untrack"]);
        let counts = world.machine(index).counts();
        assert_eq!((counts.members, counts.known_members), (0, 0), "nothing is left behind");
    }
}

#[test]
fn a_key_may_be_present_several_times() {
    let mut world = World::new(2);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", "phone"), "{}");
    world.track(1, member("t", "ann", "s", "desk"), "{}");
    let connection = world.machine(1).connection(7);
    world.track(1, Member::new("t".into(), "ann", connection, ""), "{}");
    world.pass(500);
    assert_eq!(world.keys(0), ["t/ann/#7/", "t/ann/s/desk", "t/ann/s/phone"]);
    world.at(0, |machine, now| machine.untrack(now, member("t", "ann", "s", "desk"), None));
    world.at(1, |machine, _| machine.close_connection(7));
    world.pass(500);
    assert_eq!(world.keys(1), ["t/ann/s/phone"]);
    assert_eq!(world.take_told(0)[3..], ["-t/ann/s/desk untrack", "-t/ann/#7/ closed"]);
}

#[test]
fn a_killed_instances_members_leave_and_do_not_come_back_with_it() {
    let mut world = World::new(3);
    let connection = world.machine(0).connection(1);
    world.track(0, Member::new("t".into(), "ann", connection, ""), "{}");
    world.pass(500);
    world.kill(0);
    world.pass(4_900);
    assert_eq!(world.keys(1), ["t/ann/#1/"], "it may come back");
    world.pass(200);
    assert_eq!(world.take_told(1), ["+t/ann/#1/", "-t/ann/#1/ node_down"]);
    world.start(0);
    let connection = world.machine(0).connection(1);
    world.track(0, Member::new("t".into(), "bob", connection, ""), "{}");
    world.pass(60_000);
    for index in 0..3 {
        assert_eq!(world.keys(index), ["t/bob/#1/"]);
        assert_eq!(world.machine(index).replica().records().count(), 3, "the dead are forgotten");
    }
}

#[test]
fn a_split_hides_the_other_sides_members_and_healing_shows_them_as_they_are_then() {
    let mut world = World::new(2);
    let (a, b) = (world.machine(0).connection(1), world.machine(1).connection(1));
    world.track(0, Member::new("t".into(), "ann", a.clone(), ""), "{}");
    world.track(0, Member::new("t".into(), "old", a.clone(), ""), "{}");
    world.track(1, Member::new("t".into(), "bob", b, ""), "{}");
    world.pass(500);
    world.split(0, 1);
    world.pass(6_000);
    assert_eq!(world.keys(0), ["t/ann/#1/", "t/old/#1/"]);
    assert_eq!(world.keys(1), ["t/bob/#1/"]);
    world.at(0, |machine, now| machine.untrack(now, Member::new("t".into(), "old", a.clone(), ""), None));
    world.track(0, Member::new("t".into(), "new", a, ""), "{}");
    world.take_told(1);
    world.heal(0, 1);
    world.pass(2_000);
    assert_eq!(world.keys(0), ["t/ann/#1/", "t/bob/#1/", "t/new/#1/"]);
    assert_eq!(
        world.take_told(1),
        ["+t/ann/#1/", "+t/new/#1/"],
        "what was untracked meanwhile is not shown again"
    );
}

#[test]
fn a_short_split_shows_nothing() {
    let mut world = World::new(2);
    let connection = world.machine(0).connection(1);
    world.track(0, Member::new("t".into(), "ann", connection, ""), "{}");
    world.pass(500);
    world.split(0, 1);
    world.pass(3_000);
    world.heal(0, 1);
    world.pass(10_000);
    assert_eq!(world.take_told(1), ["+t/ann/#1/"]);
}

#[test]
fn changes_reach_an_instance_through_a_third_one() {
    let mut world = World::new(3);
    // Links are down, but membership sees them through the third.
    for (from, to) in [(0, 1), (1, 0)] {
        world.cut.insert((from, to));
        world.at(from, |machine, _| machine.link_down(node(to)));
    }
    let connection = world.machine(0).connection(1);
    world.track(0, Member::new("t".into(), "ann", connection, ""), "{}");
    world.pass(4_000);
    assert_eq!(world.keys(1), ["t/ann/#1/"]);
}

#[test]
fn limits_are_kept_and_refusals_change_nothing() {
    let mut world = World::new(1);
    let settings = Settings {
        members_per_session_max: 2,
        members_max: 3,
        sessions_max: 2,
        ..*world.machine(0).settings()
    };
    world.machine(0).set_settings(settings);
    let mut track = |key: &str, session: &str| {
        let member = member("t", key, session, "");
        world.at(0, |machine, now| machine.track(now, member, meta("{}"), true)).err()
    };
    assert_eq!(track("a", "s"), None);
    assert_eq!(track("a", "s"), Some(Refusal::AlreadyTracked));
    assert_eq!(track("b", "s"), None);
    assert_eq!(track("c", "s"), Some(Refusal::TooManyInSession(2)));
    assert_eq!(track("c", "r"), None);
    assert_eq!(track("d", "r"), Some(Refusal::TooMany(3)));
    let update = |machine: &mut Presence, now| {
        machine.update(now, member("t", "z", "s", ""), MetaChange::Replace(meta("{}")), None)
    };
    assert_eq!(world.at(0, update), Err(Refusal::NotTracked));
    assert_eq!(
        world.at(0, |machine, now| machine.touch(now, "q", 1, None)),
        Err(Refusal::TooManySessions(2))
    );
    assert_eq!(world.views[0].len(), 3);
}

#[test]
fn untracking_all_of_a_session_or_of_one_topic() {
    let mut world = World::new(1);
    for key in ["a", "b", "c"] {
        world.track(0, member("t", key, "s", ""), "{}");
        world.track(0, member("u", key, "s", ""), "{}");
    }
    let remove = |world: &mut World, topic| {
        let name = SessionName::Named("s".into());
        let mut removal = world.machine(0).begin_removal(name, topic);
        while !world.at(0, |machine, now| machine.continue_removal(now, &mut removal, 2)) {}
        removal.removed
    };
    assert_eq!(remove(&mut world, Some("u")), 3);
    assert_eq!(world.keys(0), ["t/a/s/", "t/b/s/", "t/c/s/"]);
    assert_eq!(remove(&mut world, None), 3);
    assert_eq!(world.views[0].len(), 0);
}
