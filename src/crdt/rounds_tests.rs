//! Each instance that is waited for, and what it must have said.

use super::*;
use crate::crdt::entries::{Name, Number, keys};
use crate::crdt::message::{Down, Message};
use crate::crdt::replica::{Event, Settings};

type Sample = Replica<Name, Number>;

const FORGET_AFTER: u64 = 10_000;
const ME: Owner = owner(1, 5);
const OTHER: Owner = owner(2, 5);
const THIRD: Owner = owner(3, 5);

const fn owner(node: u64, incarnation: u64) -> Owner {
    Owner { node: NodeId(node), incarnation: Incarnation(incarnation) }
}

fn replica() -> Sample {
    let settings = Settings { forget_after_ms: FORGET_AFTER, ..Settings::default() };
    let mut replica = Sample::new(ME, settings, keys(), 0);
    replica.put(0, Name(1), Number(1));
    replica
}

/// A replica to which these are up and linked.
fn beside(others: &[Owner]) -> Sample {
    let mut replica = replica();
    for other in others {
        replica.node_up(0, other.node, other.incarnation);
        replica.link_up(0, other.node);
    }
    replica
}

fn up(owner: Owner, version: u64) -> Held {
    Held { owner, version, hash: None, down: None, shown: true }
}

fn down(owner: Owner, version: u64, for_ms: u64, for_good: bool) -> Held {
    Held { down: Some(Down { for_ms, for_good }), shown: false, ..up(owner, version) }
}

fn hear(replica: &mut Sample, now_ms: u64, from: NodeId, kind: DigestKind, held: &[Held]) {
    let frame = Message::<Name, Number>::Digest(kind, held.to_vec()).encode();
    replica.handle_message(now_ms, from, &frame, 0).unwrap();
}

/// `from` says that it holds all that is held here.
fn agree(replica: &mut Sample, now_ms: u64, from: Owner) {
    let mut held: Vec<Held> = replica.records().map(|(owner, log, _)| up(owner, log.version())).collect();
    if !held.iter().any(|held| held.owner == from) {
        held.push(up(from, 0));
    }
    hear(replica, now_ms, from.node, DigestKind::Full, &held);
}

#[test]
fn alone_it_is_over_at_once() {
    let replica = replica();
    assert!(replica.round_is_over(&replica.begin_round(), 0));
}

#[test]
fn every_instance_that_is_up_must_hold_what_was_held_here() {
    let mut replica = beside(&[OTHER, THIRD]);
    let round = replica.begin_round();
    assert!(!replica.round_is_over(&round, 0));
    agree(&mut replica, 0, OTHER);
    assert!(!replica.round_is_over(&round, 0), "the third has said nothing");
    hear(&mut replica, 0, THIRD.node, DigestKind::Full, &[up(THIRD, 0), up(OTHER, 0)]);
    assert!(!replica.round_is_over(&round, 0), "the third lacks an owner");
    hear(&mut replica, 0, THIRD.node, DigestKind::Full, &[up(THIRD, 0), up(OTHER, 0), up(ME, 0)]);
    assert!(!replica.round_is_over(&round, 0), "the third lacks a version");
    hear(&mut replica, 0, THIRD.node, DigestKind::Own, &[up(THIRD, 0)]);
    assert!(!replica.round_is_over(&round, 0), "its own record alone says nothing of the others");
    hear(&mut replica, 0, THIRD.node, DigestKind::Answer, &[up(THIRD, 0), up(OTHER, 0), up(ME, 1)]);
    assert!(replica.round_is_over(&round, 0));
    replica.put(0, Name(2), Number(2));
    assert!(replica.round_is_over(&round, 0), "what came later does not count");
}

#[test]
fn what_was_said_before_it_began_does_not_count() {
    let mut replica = beside(&[OTHER]);
    agree(&mut replica, 0, OTHER);
    let round = replica.begin_round();
    assert!(!replica.round_is_over(&round, 0));
    agree(&mut replica, 0, OTHER);
    assert!(replica.round_is_over(&round, 0));
}

#[test]
fn nobody_may_hold_what_is_not_held_here() {
    let mut replica = beside(&[OTHER, THIRD]);
    agree(&mut replica, 0, OTHER);
    agree(&mut replica, 0, THIRD);
    let round = replica.begin_round();
    agree(&mut replica, 0, THIRD);
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &[up(ME, 1), up(OTHER, 1), up(THIRD, 0)]);
    assert!(!replica.round_is_over(&round, 0), "a change of its own that has not come");
    let mut log = crate::crdt::Log::new(keys(), 100);
    log.put(Name(3), Number(3));
    let mut transfer = crate::crdt::outgoing::Transfer::open(OTHER, 1, &mut log, Some(0));
    let crate::crdt::outgoing::Part::Last(frame) = transfer.next(&mut log, 1000) else { panic!("one part") };
    replica.handle_message(0, OTHER.node, &frame, 0).unwrap();
    assert!(!replica.round_is_over(&round, 0), "it is not merged yet");
    replica.work(100);
    assert!(replica.round_is_over(&round, 0), "it has come");

    let round = replica.begin_round();
    agree(&mut replica, 0, THIRD);
    let unknown = up(owner(4, 5), 1);
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &[up(ME, 1), up(OTHER, 1), up(THIRD, 0), unknown]);
    assert!(!replica.round_is_over(&round, 0), "an owner that is unknown here");
}

#[test]
fn an_instance_that_is_down_is_waited_for_as_long_as_it_is_remembered() {
    let mut replica = beside(&[OTHER]);
    let round = replica.begin_round();
    replica.node_down(1_000, OTHER.node);
    assert!(!replica.round_is_over(&round, 1_000 + FORGET_AFTER - 1));
    assert!(replica.round_is_over(&round, 1_000 + FORGET_AFTER));
    replica.handle_lag(500);
    assert!(!replica.round_is_over(&round, 1_000 + FORGET_AFTER), "this instance stood still");
    replica.node_up(8_000, OTHER.node, OTHER.incarnation);
    assert!(!replica.round_is_over(&round, 8_000), "it is back");
    replica.node_left(8_000, OTHER.node, OTHER.incarnation);
    assert!(replica.round_is_over(&round, 8_000), "it has left");
}

#[test]
fn an_instance_that_only_others_know_is_waited_for() {
    let mut replica = beside(&[OTHER]);
    agree(&mut replica, 0, OTHER);
    let with_third = |for_good| [up(ME, 1), up(OTHER, 0), down(THIRD, 0, 1_000, for_good)];
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &with_third(false));
    let round = replica.begin_round();
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &with_third(false));
    assert!(!replica.round_is_over(&round, 0));
    assert!(replica.round_is_over(&round, FORGET_AFTER - 1_000));
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &with_third(true));
    assert!(replica.round_is_over(&round, 0), "it will not come back");
}

#[test]
fn only_the_present_life_of_an_instance_counts() {
    let mut replica = beside(&[OTHER]);
    let round = replica.begin_round();
    agree(&mut replica, 0, OTHER);
    assert!(replica.round_is_over(&round, 0));
    let risen = owner(2, 6);
    replica.node_up(0, risen.node, risen.incarnation);
    assert!(!replica.round_is_over(&round, 0));
    agree(&mut replica, 0, OTHER);
    assert!(!replica.round_is_over(&round, 0), "a digest that was on its way");
    hear(&mut replica, 0, risen.node, DigestKind::Full, &[up(ME, 1), down(OTHER, 0, 0, true), up(risen, 0)]);
    assert!(replica.round_is_over(&round, 0));
}

#[test]
fn after_a_renewal_everything_begins_anew() {
    let mut replica = beside(&[OTHER]);
    let round = replica.begin_round();
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &[up(ME, 1), up(OTHER, 0), up(owner(1, 9), 4)]);
    while replica.work(100) {}
    assert!(std::iter::from_fn(|| replica.poll_event()).any(|event| matches!(event, Event::Renewed(..))));
    agree(&mut replica, 0, OTHER);
    assert!(!replica.round_is_over(&round, 0));
    let round = replica.begin_round();
    agree(&mut replica, 0, OTHER);
    assert!(replica.round_is_over(&round, 0));
}

#[test]
fn a_seed_that_was_not_met_is_waited_for_as_long_as_an_instance_is_remembered() {
    let mut replica = replica();
    replica.expect_seed(0, 7);
    replica.expect_seed(0, 8);
    let round = replica.begin_round();
    assert!(!replica.round_is_over(&round, FORGET_AFTER - 1));
    assert!(replica.round_is_over(&round, FORGET_AFTER));
    replica.seed_met(7);
    assert!(!replica.round_is_over(&round, 0));
    replica.seed_met(8);
    assert!(replica.round_is_over(&round, 0));
    // It leaves, and may come back as somebody else.
    replica.expect_seed(9, 8);
    assert!(!replica.round_is_over(&round, FORGET_AFTER + 8));
    assert!(replica.round_is_over(&round, FORGET_AFTER + 9));
}

#[test]
fn what_is_forgotten_here_need_not_be_held_elsewhere() {
    let mut replica = beside(&[OTHER, THIRD]);
    agree(&mut replica, 0, THIRD);
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &[up(ME, 1), up(OTHER, 0), up(THIRD, 0)]);
    replica.node_left(0, THIRD.node, THIRD.incarnation);
    let round = replica.begin_round();
    hear(&mut replica, 0, OTHER.node, DigestKind::Full, &[up(ME, 1), up(OTHER, 0)]);
    assert!(replica.round_is_over(&round, 0), "nothing was ever put there");
    replica.handle_timeout(FORGET_AFTER);
    assert!(replica.log(THIRD).is_none());
    assert!(replica.round_is_over(&round, FORGET_AFTER));
}
