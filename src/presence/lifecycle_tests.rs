//! The rules by which sessions live.

use std::time::Duration;

use super::*;
use crate::presence::world::{World, member};
use crate::presence::{Counts, Settings};

#[test]
fn a_session_that_comes_back_elsewhere_in_time_shows_nothing() {
    let mut world = World::new(3);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    assert_eq!(world.notices[0], [(Some(1), 0, false)]);
    for key in 0..20 {
        world.track(key % 3, member("t", &format!("u{key}"), "s", ""), "{}");
    }
    world.pass(500);
    world.kill(0);
    (0..3).for_each(|index| drop(world.take_told(index)));
    world.pass(7_000);
    world.at(1, |machine, now| machine.attach(now, "s", 9));
    assert_eq!(world.notices[1][0], (Some(9), 20, true));
    assert_eq!(
        world.notices[1].last(),
        Some(&(None, 20, false)),
        "what was adopted from a crashed one is tracked again"
    );
    world.pass(60_000);
    for index in 1..3 {
        assert_eq!(world.take_told(index), [""; 0]);
        assert_eq!(world.views[index].len(), 20);
    }
    assert!(world.machine(1).counts().adopted >= 7);
}

#[test]
fn a_session_that_does_not_come_back_loses_its_members_and_is_told_so() {
    let mut world = World::new(2);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.track(1, member("t", "bob", "s", ""), "{}");
    world.pass(500);
    world.at(0, |machine, now| machine.detach(now, "s", 1, Detach::Quiet));
    world.pass(9_900);
    assert_eq!(world.views[1].len(), 2);
    world.pass(500);
    for index in 0..2 {
        let told = world.take_told(index);
        assert_eq!(told[2..], ["-t/ann/s/ lost", "-t/bob/s/ lost"], "{index}");
    }
    world.at(1, |machine, now| machine.attach(now, "s", 2));
    assert_eq!(world.notices[1], [(Some(2), 0, false)]);
    world.pass(5_000);
    assert_eq!(world.views[1].len(), 0, "a later attach does not revive what was given up");
    world.track(1, member("t", "ann", "s", ""), "{}");
    world.pass(5_000);
    assert_eq!(world.keys(0), ["t/ann/s/"]);
}

#[test]
fn an_end_covers_all_that_was_tracked_anywhere() {
    let mut world = World::new(3);
    for index in 0..3 {
        world.at(index, |machine, now| machine.attach(now, "s", 1));
        for key in 0..10 {
            world.track(index, member("t", &format!("u{key}"), "s", &index.to_string()), "{}");
        }
    }
    world.pass(500);
    assert_eq!(world.at(2, |machine, now| machine.end(now, "s")), Ok(30));
    assert_eq!(world.views[2].len(), 0);
    world.track(2, member("t", "again", "s", ""), "{}");
    world.pass(30_000);
    for index in 0..3 {
        assert_eq!(world.keys(index), ["t/again/s/"]);
        let log = world.machine(index).replica();
        let entries = log.log(log.me()).unwrap().len();
        assert_eq!(
            entries,
            if index == 2 { 2 } else { 1 },
            "what is covered is dropped in the end, and the end itself"
        );
    }
}

#[test]
fn ends_that_others_have_not_heard_of_count_as_sessions() {
    let mut world = World::new(2);
    let settings = Settings { sessions_max: 3, ..*world.machine(0).settings() };
    world.machine(0).set_settings(settings);
    let sessions = |world: &mut World| world.machine(0).counts().sessions;
    let end = |world: &mut World, name: &str| world.at(0, |machine, now| machine.end(now, name));
    world.track(0, member("t", "ann", "known", ""), "{}");
    world.pass(500);
    world.split(0, 1);
    for name in ["never seen", "nor this", "nor this"] {
        assert_eq!(end(&mut world, name), Ok(0));
    }
    assert_eq!(end(&mut world, "one too many"), Err(Refusal::TooManySessions(3)));
    assert_eq!(end(&mut world, "known"), Ok(1), "one that is known can always be ended");
    assert_eq!(end(&mut world, "known"), Ok(0));
    let touched = world.at(0, |machine, now| machine.touch(now, "new", 1_000, None));
    assert_eq!((touched, sessions(&mut world)), (Err(Refusal::TooManySessions(3)), 3));
    world.heal(0, 1);
    world.pass(5_000);
    assert_eq!(world.views[1].len(), 0);
    let machine = world.machine(0);
    let own = machine.replica().log(machine.replica().me()).unwrap().len();
    assert_eq!((own, sessions(&mut world)), (0, 0), "nothing is left");
    assert_eq!(end(&mut world, "another"), Ok(0));
}

#[test]
fn an_end_covers_what_is_learned_of_later() {
    let mut world = World::new(2);
    world.split(0, 1);
    world.track(1, member("t", "ann", "s", ""), "{}");
    world.pass(1_000);
    assert_eq!(world.at(0, |machine, now| machine.end(now, "s")), Ok(0));
    world.heal(0, 1);
    world.pass(1_000);
    assert_eq!(world.take_told(1), ["+t/ann/s/", "-t/ann/s/ untrack"]);
    assert_eq!(world.take_told(0), [""; 0]);
}

#[test]
fn one_that_is_alone_forgets_at_once_what_was_ended() {
    let mut world = World::new(1);
    let machine = world.machines[0].as_mut().unwrap();
    let settings = Settings { sessions_max: 1, ..*machine.settings() };
    machine.set_settings(settings);
    let now = Now { monotonic: Duration::from_secs(1), unix: Duration::from_secs(1_700_000_000) };
    for name in ["a", "b"] {
        assert_eq!(machine.touch(now, name, 1_000, None), Ok(false));
        assert_eq!(machine.end(now, name), Ok(0));
        assert_eq!(machine.counts().sessions, 0);
    }
    assert_eq!(machine.end(now, "never seen"), Ok(0));
    assert_eq!(machine.counts().sessions, 0);
}

#[test]
fn what_was_ended_is_not_resumed() {
    let mut world = World::new(1);
    let touch = |world: &mut World| world.at(0, |machine, now| machine.touch(now, "s", 2_000, None)).unwrap();
    assert!(!touch(&mut world));
    assert!(touch(&mut world));
    world.track(0, member("t", "ann", "s", ""), "{}");
    assert_eq!(world.at(0, |machine, now| machine.end(now, "s")), Ok(1));
    assert_eq!(world.machine(0).counts().sessions, 0);
    assert!(!touch(&mut world));
}

#[test]
fn to_unsubscribe_by_name_ends_a_session_that_nobody_else_holds() {
    let mut world = World::new(2);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.at(1, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.pass(500);
    world.at(0, |machine, now| machine.detach(now, "s", 1, Detach::Named));
    world.pass(500);
    assert_eq!(world.keys(1), ["t/ann/s/"], "the other one holds it");
    world.at(1, |machine, now| machine.detach(now, "s", 1, Detach::Named));
    world.pass(500);
    assert_eq!(world.take_told(0), ["+t/ann/s/", "-t/ann/s/ untrack"]);
}

#[test]
fn a_lease_lives_for_its_time_and_then_has_its_own_grace() {
    let mut world = World::new(2);
    let touch =
        |world: &mut World| world.at(0, |machine, now| machine.touch(now, "s", 2_000, Some(500))).unwrap();
    assert!(!touch(&mut world), "new");
    world.track(0, member("t", "ann", "s", ""), "{}");
    for _ in 0..5 {
        world.pass(1_500);
        assert!(touch(&mut world));
    }
    world.pass(2_450);
    assert_eq!(world.views[1].len(), 1);
    world.pass(200);
    for index in 0..2 {
        assert_eq!(world.take_told(index), ["+t/ann/s/", "-t/ann/s/ lost"]);
    }
    assert!(!touch(&mut world), "track again");
}

#[test]
fn a_session_that_nobody_opens_has_its_grace() {
    let mut world = World::new(2);
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.pass(9_000);
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.pass(9_000);
    assert_eq!(world.keys(1), ["t/ann/s/"], "it begins anew with each member");
    world.pass(1_500);
    assert_eq!(world.take_told(1), ["+t/ann/s/", "-t/ann/s/ lost"]);
    world.pass(10_000);
    assert_eq!(world.machine(0).counts(), Counts { given_up: 1, dropped: 1, ..Counts::default() });
}

#[test]
fn an_application_is_told_again_until_it_has_tracked_something() {
    let mut world = World::new(1);
    for client in 1..4 {
        world.at(0, |machine, now| machine.attach(now, "s", client));
        world.at(0, |machine, now| machine.detach(now, "s", client, Detach::Quiet));
    }
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.at(0, |machine, now| machine.attach(now, "s", 4));
    let told: Vec<bool> = world.notices[0].iter().map(|notice| notice.2).collect();
    assert_eq!(told, [false, false, false, true]);
}

#[test]
fn what_others_keep_is_kept_by_one_that_hears_of_the_session_later() {
    let mut world = World::new(2);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.split(0, 1);
    world.kill(1);
    world.start(1);
    // The latest attachment is above what was tracked.
    world.at(0, |machine, now| machine.detach(now, "s", 1, Detach::Quiet));
    world.at(0, |machine, now| machine.attach(now, "s", 2));
    world.heal(0, 1);
    world.pass(2_000);
    world.at(1, |machine, now| machine.attach(now, "s", 3));
    world.pass(500);
    world.leave(0);
    world.pass(20_000);
    assert_eq!(world.take_told(1), ["+t/ann/s/"]);
    assert_eq!(world.notices[1][0], (Some(3), 1, true));
}

#[test]
fn a_session_that_was_tracked_into_before_it_is_opened_is_not_resumed() {
    let mut world = World::new(1);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.track(0, member("t", "bob", "s", ""), "{}");
    world.kill(0);
    world.start(0);
    // A pooled connection was back first.
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    assert_eq!(world.notices[0], [(Some(1), 0, false), (Some(1), 1, false)]);
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.at(0, |machine, now| machine.detach(now, "s", 1, Detach::Quiet));
    world.at(0, |machine, now| machine.attach(now, "s", 2));
    assert_eq!(world.notices[0].last(), Some(&(Some(2), 1, true)));
    world.track(0, member("t", "ann", "leased", ""), "{}");
    let touch =
        |world: &mut World| world.at(0, |machine, now| machine.touch(now, "leased", 2_000, None)).unwrap();
    assert!(!touch(&mut world));
    assert!(touch(&mut world));
}

#[test]
fn one_that_leaves_in_good_order_hands_over_without_a_word() {
    let mut world = World::new(2);
    world.at(0, |machine, now| machine.attach(now, "s", 1));
    world.track(0, member("t", "ann", "s", ""), "{}");
    world.pass(500);
    world.leave(0);
    world.pass(3_000);
    world.at(1, |machine, now| machine.attach(now, "s", 2));
    world.pass(60_000);
    assert_eq!(world.take_told(1), ["+t/ann/s/"]);
    assert_eq!(world.notices[1], [(Some(2), 1, true)]);
}
