//! Lives of nodes: what each of them leaves behind, and what it is told of those before.

use super::*;
use crate::crdt::entries::{Name, Number, entries, keys};
use crate::crdt::message::{DigestKind, Held};
use crate::crdt::replica::Settings;

type Sample = Replica<Name, Number>;

const FORGET_AFTER: u64 = 10_000;

fn owner(node: u64, incarnation: u64) -> Owner {
    Owner { node: NodeId(node), incarnation: Incarnation(incarnation) }
}

fn replica(me: Owner, now_ms: u64) -> Sample {
    let settings = Settings {
        forget_after_ms: FORGET_AFTER,
        forget_former_after_ms: 1_000,
        removal_bytes_max: 8,
        ..Settings::default()
    };
    Sample::new(me, settings, keys(), now_ms)
}

fn hear(replica: &mut Sample, from: Owner, down: Option<Down>) {
    let held = vec![Held { owner: from, version: 0, hash: None, down, shown: down.is_none() }];
    let frame = Message::<Name, Number>::Digest(DigestKind::Own, held).encode();
    replica.handle_message(0, from.node, &frame, 0).unwrap();
}

/// Hands over what one instance has to say to another one. Returns whether there was anything.
fn send(now_ms: u64, from: &mut Sample, to: &mut Sample) -> bool {
    let (node, peer) = (from.me().node, to.me().node);
    let mut frames: Vec<Vec<u8>> =
        std::iter::from_fn(|| from.poll_message()).map(|(_, frame)| frame).collect();
    frames.extend(std::iter::from_fn(|| from.next_part(peer)));
    for frame in &frames {
        to.handle_message(now_ms, node, frame, 0).unwrap();
        work(to);
    }
    !frames.is_empty()
}

fn work(replica: &mut Sample) {
    while replica.work(10) {}
    while replica.poll_event().is_some() {}
}

#[test]
fn a_life_that_is_known_only_by_name_is_told_to_the_next_one() {
    let mut replica = replica(owner(1, 5), 0);
    let (former, present) = (owner(2, 1 << 40), owner(2, 1 << 30));
    replica.node_up(0, former.node, former.incarnation);
    replica.node_down(0, former.node);
    replica.node_up(0, present.node, present.incarnation);
    replica.link_up(0, present.node);
    hear(&mut replica, present, None);
    let (to, frame) = replica.poll_message().unwrap();
    let expected = Message::Stale(former.incarnation);
    assert_eq!((to, Message::<Name, Number>::decode(&frame)), (present.node, Ok(expected)));
}

#[test]
fn a_node_knows_its_former_lives_for_what_they_are() {
    let mut replica = replica(owner(1, 5), 0);
    let present = owner(2, 1 << 40);
    replica.node_up(0, present.node, present.incarnation);
    replica.link_up(0, present.node);
    hear(&mut replica, owner(2, 1 << 30), Some(Down { for_ms: 5, for_good: true }));
    assert_eq!(replica.poll_message(), None);
}

#[test]
fn whoever_knows_more_of_an_owner_is_asked() {
    let mut replica = replica(owner(1, 5), 0);
    let (other, unseen) = (owner(2, 5), owner(3, 5));
    for up in [other, unseen] {
        replica.node_up(0, up.node, up.incarnation);
    }
    replica.link_up(0, other.node);
    let held = vec![Held { owner: unseen, version: 7, hash: None, down: None, shown: true }];
    let frame = Message::<Name, Number>::Digest(DigestKind::Full, held).encode();
    replica.handle_message(0, other.node, &frame, 0).unwrap();
    let (to, frame) = replica.poll_message().unwrap();
    let expected = Message::Pull { owner: unseen, version: 0, repair: false };
    assert_eq!((to, Message::<Name, Number>::decode(&frame)), (other.node, Ok(expected)));
}

#[test]
fn a_life_ends_when_the_next_one_begins() {
    for next in [1 << 30, 1 << 50] {
        let mut replica = replica(owner(1, 5), 0);
        let (former, present) = (owner(2, 1 << 40), owner(2, next));
        replica.node_up(0, former.node, former.incarnation);
        replica.link_up(0, former.node);
        hear(&mut replica, former, None);
        assert_eq!(replica.standing(former), Some(Standing::Shown));
        replica.node_up(0, present.node, present.incarnation);
        assert!(matches!(replica.standing(former), Some(Standing::Down { .. })), "{next}");
    }
}

#[test]
fn ages_reach_back_before_the_start() {
    let mut replica = replica(owner(1, 5), 0);
    let (other, gone) = (owner(2, 5), owner(3, 5));
    replica.node_up(0, other.node, other.incarnation);
    replica.link_up(0, other.node);
    let down = Some(Down { for_ms: FORGET_AFTER - 10, for_good: false });
    let held = vec![Held { owner: gone, version: 0, hash: None, down, shown: down.is_none() }];
    let frame = Message::<Name, Number>::Digest(DigestKind::Full, held).encode();
    replica.handle_message(0, other.node, &frame, 0).unwrap();
    assert!(replica.log(gone).is_some());
    replica.handle_timeout(9);
    assert!(replica.log(gone).is_some());
    replica.handle_timeout(10);
    assert!(replica.log(gone).is_none());
}

#[test]
fn an_instance_that_is_renewed_keeps_its_entries_and_touches_none() {
    let mut replica = replica(owner(1, 5), 0);
    for key in 0..100 {
        replica.put(0, Name(key), Number(7));
    }
    for key in 0..50 {
        replica.remove(0, &Name(key));
    }
    let (before, me) = (entries(replica.own()), replica.me());
    let (version, hash) = (replica.own().version(), replica.own().hash());
    replica.renew_above(0, Incarnation(1 << 40), 0);
    assert!(replica.me() > me && replica.log(me).is_none());
    assert_eq!(
        (entries(replica.own()), replica.own().version(), replica.own().hash()),
        (before, version, hash)
    );
    assert!(!replica.work(0), "there is nothing to do");
}

#[test]
fn forgetting_takes_as_long_as_it_may() {
    let mut replica = replica(owner(1, 5), 0);
    let mut other = replica_with_entries(owner(2, 5), 0, 100);
    meet(0, &mut replica, &mut other);
    assert_eq!(replica.log(other.me()).map(Log::len), Some(100));
    replica.node_down(0, other.me().node);
    replica.poll_event();
    replica.handle_timeout(FORGET_AFTER);
    let mut told = 0;
    while replica.work(7) {
        let events = std::iter::from_fn(|| replica.poll_event()).count();
        assert!(events <= 7);
        told += events;
    }
    told += std::iter::from_fn(|| replica.poll_event()).count();
    assert_eq!(told, 101, "each entry, and that it was all");
}

#[test]
fn who_is_being_forgotten_is_not_accepted_before_all_is_told() {
    let mut replica = replica(owner(1, 5), 0);
    let mut other = replica_with_entries(owner(2, 5), 0, 100);
    meet(0, &mut replica, &mut other);
    replica.node_down(0, other.me().node);
    replica.handle_timeout(FORGET_AFTER);
    replica.node_up(FORGET_AFTER, other.me().node, other.me().incarnation);
    hear(&mut replica, other.me(), None);
    assert!(replica.log(other.me()).is_none());
    work(&mut replica);
    hear(&mut replica, other.me(), None);
    assert!(replica.log(other.me()).is_some());
}

fn replica_with_entries(me: Owner, now_ms: u64, entries: u8) -> Sample {
    let mut replica = replica(me, now_ms);
    for key in 0..entries {
        replica.put(now_ms, Name(key), Number(u64::from(key)));
    }
    replica
}

/// Two instances see each other and become alike, the second one as who it is by then.
fn meet(now_ms: u64, one: &mut Sample, other: &mut Sample) {
    other.node_up(now_ms, one.me().node, one.me().incarnation);
    other.link_up(now_ms, one.me().node);
    one.node_up(now_ms, other.me().node, other.me().incarnation);
    one.link_up(now_ms, other.me().node);
    loop {
        let known = other.me();
        for replica in [&mut *one, &mut *other] {
            replica.digest_at = now_ms;
            replica.handle_timeout(now_ms);
        }
        while send(now_ms, one, other) | send(now_ms, other, one) {}
        if other.me() == known {
            break;
        }
        one.node_up(now_ms, other.me().node, other.me().incarnation);
    }
    assert_eq!(one.log(other.me()).map(entries), Some(entries(other.own())));
    assert_eq!(other.log(one.me()).map(entries), Some(entries(one.own())));
}

/// 10,000 lives of a peer, with the same name, with a new one each time, and with a clock that goes back.
#[test]
fn restarts_leave_nothing() {
    const LIVES: u64 = 10_000;
    const LIFE: u64 = 2_000;
    let mut here = replica_with_entries(owner(1, 5), 0, 3);
    for life in 0..LIVES {
        let now = life * LIFE;
        let node = if life % 2 == 0 { 2 } else { 3 + life };
        let clock = if life % 7 == 0 { now / 2 } else { now };
        let me = Owner { node: NodeId(node), incarnation: Incarnation::draw(1 + clock, None, life) };
        let mut peer = replica_with_entries(me, now, (life % 30) as u8);
        meet(now, &mut here, &mut peer);
        here.link_down(me.node);
        if life % 3 == 0 {
            here.node_left(now, me.node, me.incarnation);
        } else {
            here.node_down(now, me.node);
        }
        here.handle_timeout(now);
        work(&mut here);
        while here.poll_message().is_some() {}
        // Records are kept for one forget-after, their names for another one; a clock that went back makes two lives of one.
        let lives = 2 * FORGET_AFTER / LIFE;
        assert!(here.records.len() as u64 <= lives && here.forgotten.len() as u64 <= lives);
        assert!(here.nodes.len() as u64 <= 2 * lives);
        assert!(here.own().readers.is_empty() && here.staged() == 0);
    }
    let end = LIVES * LIFE + 3 * FORGET_AFTER;
    for now in [end - 2 * FORGET_AFTER, end] {
        here.handle_timeout(now);
        work(&mut here);
    }
    assert_eq!((here.records.len(), here.nodes.len(), here.forgotten.len()), (1, 1, 0));
    assert_eq!(here.own().len(), 3);
}
