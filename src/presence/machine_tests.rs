//! What Phoenix's own tests of presence check, and the rules of sessions, on one to three machines whose messages are handed
//! over by hand, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::crdt::Incarnation;

/// Milliseconds of the wall clock at the beginning.
const EPOCH: u64 = 1_700_000_000_000;

struct World {
    machines: Vec<Option<Presence>>,
    /// What each machine's changes add up to: member's text to its meta.
    views: Vec<BTreeMap<String, String>>,
    /// What each machine has told: `+` joined, `-reason` left, `~` changed.
    told: Vec<Vec<String>>,
    notices: Vec<Vec<(Option<u64>, usize, bool)>>,
    cut: BTreeSet<(usize, usize)>,
    now_ms: u64,
}

fn now(now_ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(now_ms), unix: Duration::from_millis(EPOCH + now_ms) }
}

fn node(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

fn meta(text: &str) -> Meta {
    Meta::parse(text.as_bytes(), 4096).unwrap()
}

fn member(topic: &str, key: &str, session: &str, id: &str) -> Member {
    Member::new(topic.into(), key, SessionName::Named(session.into()), id)
}

fn text(member: &Member) -> String {
    let session = match &member.session {
        SessionName::Connection(connection) => format!("#{}", connection.client),
        SessionName::Named(session) => session.to_string(),
    };
    format!("{}/{}/{session}/{}", member.topic, member.key(), member.id())
}

impl World {
    fn new(count: usize) -> World {
        let mut world = World {
            machines: Vec::new(),
            views: vec![BTreeMap::new(); count],
            told: vec![Vec::new(); count],
            notices: vec![Vec::new(); count],
            cut: BTreeSet::new(),
            now_ms: 1_000,
        };
        for index in 0..count {
            world.machines.push(None);
            world.start(index);
        }
        world.pass(1_500);
        world
    }

    fn start(&mut self, index: usize) {
        let incarnation = Incarnation::draw(EPOCH + self.now_ms, None, index as u64);
        let me = Owner { node: node(index), incarnation };
        let settings = Settings {
            replica: crdt::Settings { forget_after_ms: 40_000, ..crdt::Settings::default() },
            ..Settings::default()
        };
        let keys = HashKeys::new([1, index as u64]);
        self.machines[index] = Some(Presence::new(me, self.now_ms, settings, keys, now(self.now_ms)));
        self.views[index].clear();
        for other in (0..self.machines.len()).filter(|other| *other != index) {
            let at = now(self.now_ms);
            if self.machines[other].is_some() {
                let theirs = self.machine(other).replica().me();
                self.machine(index).node_up(at, theirs.node, theirs.incarnation);
                self.machine(index).link_up(at, theirs.node);
                self.machine(other).node_up(at, me.node, me.incarnation);
                self.machine(other).link_up(at, me.node);
            }
        }
    }

    fn machine(&mut self, index: usize) -> &mut Presence {
        self.machines[index].as_mut().unwrap()
    }

    /// Does something on a machine, and what follows from it there.
    fn at<T>(&mut self, index: usize, action: impl FnOnce(&mut Presence, Now) -> T) -> T {
        let at = now(self.now_ms);
        let result = action(self.machine(index), at);
        self.drain(index);
        result
    }

    fn track(&mut self, index: usize, member: Member, text: &str) -> Stamp {
        self.at(index, |machine, now| machine.track(now, member, meta(text), false)).unwrap()
    }

    fn drain(&mut self, index: usize) {
        let at = now(self.now_ms);
        // A small budget, so that everything is done in pieces.
        while self.machine(index).work(at, 3) {}
        while let Some(change) = self.machine(index).poll_change() {
            let name = text(change.name.member().unwrap());
            let after = change
                .after
                .as_ref()
                .and_then(Entry::version)
                .map(|version| version.meta.as_str().to_owned());
            let before = match &after {
                Some(meta) => self.views[index].insert(name.clone(), meta.clone()),
                None => self.views[index].remove(&name),
            };
            let told = match (before, after) {
                (None, None) => panic!("a change that changes nothing: {name}"),
                (None, Some(_)) => format!("+{name}"),
                (Some(_), Some(_)) => format!("~{name}"),
                (Some(_), None) => format!("-{name} {}", change.reason.name()),
            };
            self.told[index].push(told);
        }
        while let Some(notice) = self.machine(index).poll_notice() {
            self.notices[index].push((notice.client, notice.members, notice.resumed));
        }
    }

    fn step(&mut self) {
        self.now_ms += 10;
        for index in 0..self.machines.len() {
            let at = now(self.now_ms);
            let Some(machine) = &mut self.machines[index] else { continue };
            if machine.next_timeout() <= self.now_ms {
                machine.handle_timeout(at, self.now_ms / 1_000 + index as u64);
            }
            self.drain(index);
            let mut frames = Vec::new();
            while let Some(frame) = self.machine(index).poll_message() {
                frames.push(frame);
            }
            for other in 0..self.machines.len() {
                while let Some(frame) = self.machine(index).next_part(node(other)) {
                    frames.push((node(other), frame));
                }
            }
            for (to, frame) in frames {
                let to = to.0 as usize - 1;
                if self.machines[to].is_some() && !self.cut.contains(&(index, to)) {
                    let random = self.now_ms;
                    self.machine(to).handle_message(at, node(index), &frame, random).unwrap();
                    self.drain(to);
                }
            }
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        let end = self.now_ms + milliseconds;
        while self.now_ms < end {
            self.step();
        }
    }

    /// Both sides notice at once that they do not see each other.
    fn split(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.cut.insert((from, to));
            self.at(from, |machine, now| {
                machine.link_down(node(to));
                machine.node_down(now, node(to));
            });
        }
    }

    fn heal(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.cut.remove(&(from, to));
            let incarnation = self.machine(to).replica().me().incarnation;
            self.at(from, |machine, now| {
                machine.node_up(now, node(to), incarnation);
                machine.link_up(now, node(to));
            });
        }
    }

    fn kill(&mut self, index: usize) {
        self.machines[index] = None;
        for other in 0..self.machines.len() {
            if self.machines[other].is_some() {
                self.at(other, |machine, now| {
                    machine.link_down(node(index));
                    machine.node_down(now, node(index));
                });
            }
        }
    }

    fn take_told(&mut self, index: usize) -> Vec<String> {
        std::mem::take(&mut self.told[index])
    }

    fn keys(&self, index: usize) -> Vec<&str> {
        self.views[index].keys().map(String::as_str).collect()
    }
}

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
    assert_eq!(world.at(2, |machine, now| machine.end(now, "s")), 30);
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
fn what_was_ended_is_not_resumed() {
    let mut world = World::new(1);
    let touch = |world: &mut World| world.at(0, |machine, now| machine.touch(now, "s", 2_000, None)).unwrap();
    assert!(!touch(&mut world));
    assert!(touch(&mut world));
    world.track(0, member("t", "ann", "s", ""), "{}");
    assert_eq!(world.at(0, |machine, now| machine.end(now, "s")), 1);
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
    world.machines[0] = None;
    world.at(1, |machine, now| {
        machine.link_down(node(0));
        machine.node_left(now, node(0));
    });
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
    world.machines[0] = None;
    world.at(1, |machine, now| {
        machine.link_down(node(0));
        machine.node_left(now, node(0));
    });
    world.pass(3_000);
    world.at(1, |machine, now| machine.attach(now, "s", 2));
    world.pass(60_000);
    assert_eq!(world.take_told(1), ["+t/ann/s/"]);
    assert_eq!(world.notices[1], [(Some(2), 1, true)]);
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

/// A client can ask for a walk over a session's members far more often than one can be made.
#[test]
fn what_comes_again_waits_once() {
    let mut world = World::new(1);
    for key in 0..20 {
        world.track(0, member("t", &key.to_string(), "s", ""), "{}");
    }
    let at = now(world.now_ms);
    let machine = world.machine(0);
    for client in 0..100 {
        machine.attach(at, "s", client);
        machine.detach(at, "s", client, Detach::Quiet);
    }
    assert!(machine.jobs.len() <= 1, "{}", machine.jobs.len());
    world.pass(20_000);
    assert!(world.views[0].is_empty(), "it ends");
    for key in 0..20 {
        world.track(0, member("t", &key.to_string(), "s", ""), "{}");
    }
    for _ in 0..100 {
        world.now_ms += 10;
        let (at, later) = (now(world.now_ms), now(world.now_ms + 5));
        let machine = world.machine(0);
        machine.touch(at, "s", 1, Some(0)).unwrap();
        machine.handle_timeout(later, 0);
    }
    let jobs = world.machine(0).jobs.len();
    assert!(jobs <= 2, "{jobs}");
    world.pass(1_000);
    assert!(world.views[0].is_empty());
    assert!(world.machine(0).jobs.is_empty());
    assert_eq!(world.machine(0).sessions.named(), 0);
}
