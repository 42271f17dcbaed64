//! What a broken or malicious instance may send that knows the secret, and what anybody may who does not.

use std::net::SocketAddr;

use rand::{Rng, RngExt};

use super::envelope::Secrets;
use super::world_tests::{World, address};
use super::*;
use crate::crdt::{Incarnation, NodeId, Owner};

fn changed(world: &mut World, content: &mut Vec<u8>) {
    for _ in 0..world.random.random_range(0..4) {
        let at = world.random.random_range(0..content.len());
        match world.random.random_range(0..5) {
            0 => content[at] = world.random.next_u32() as u8,
            1 => content[at] ^= 1 << world.random.random_range(0..8),
            2 => content.truncate(at.max(1)),
            3 => content.insert(at, world.random.next_u32() as u8),
            _ => content.extend_from_within(at..),
        }
    }
}

/// Each letter that was ever sent, changed in some places, sealed again by its sender or by somebody else.
#[test]
fn letters_that_were_changed_by_who_knows_the_secret_break_nothing() {
    for seed in 0..10 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        world.crash(3);
        world.run(10_000);
        let secrets = Secrets::new(b"simulated", &[b"secret".to_vec()]);
        let recorded = std::mem::take(&mut world.recorded);
        let mut refused = 0;
        for counter in 0..10_000 {
            let (from, to, datagram) = &recorded[world.random.random_range(0..recorded.len())];
            let opened = secrets.open(datagram).ok().unwrap();
            let mut content = opened.content;
            changed(&mut world, &mut content);
            let other = Owner { node: NodeId(99), incarnation: Incarnation(99) };
            let sender = if world.random.random_bool(0.5) { opened.sender } else { other };
            let datagram = secrets.sealer(sender, (1 << 63) + counter).seal(0, &content).unwrap();
            let Some(mut machine) = world.hosts[*to].machine.take() else { continue };
            refused += u32::from(machine.handle_datagram(world.now_ms, *from, &datagram).is_err());
            machine.handle_timeout(world.now_ms);
            while let Some((_, datagram)) = machine.poll_datagram() {
                assert!(datagram.len() <= machine::DATAGRAM_BYTES_MAX);
            }
            while machine.poll_event().is_some() {}
            assert!(machine.sizes().1 < 10_000);
            world.hosts[*to].machine = Some(machine);
            world.now_ms += 1;
        }
        assert!(refused > 1_000, "seed {seed}: {refused}");
    }
}

#[test]
fn what_strangers_send_changes_nothing_and_gets_no_answer() {
    let mut world = World::new(1, 3);
    world.until_all_agree(3_000);
    let recorded = std::mem::take(&mut world.recorded);
    let mut machine = world.hosts[1].machine.take().unwrap();
    let peers: Vec<_> = machine.peers().copied().collect();
    for _ in 0..5_000 {
        let (from, _, datagram) = &recorded[world.random.random_range(0..recorded.len())];
        let mut datagram = datagram.clone();
        let at = world.random.random_range(0..datagram.len());
        datagram[at] ^= 1 << world.random.random_range(0..8);
        assert!(machine.handle_datagram(world.now_ms, *from, &datagram).is_err());
        assert_eq!(machine.poll_datagram(), None);
    }
    assert_eq!(machine.handle_datagram(world.now_ms, address(0), &[1; 1_401]), Err(Refused::TooLong));
    assert_eq!(machine.handle_datagram(world.now_ms, address(0), &[]), Err(Refused::NoEnvelope));
    assert!(machine.poll_event().is_none());
    assert_eq!(machine.peers().copied().collect::<Vec<_>>(), peers);
}

#[test]
fn without_a_secret_only_the_own_machine_is_heard() {
    let peer = |node: u64, address: SocketAddr| {
        let owner = Owner { node: NodeId(node), incarnation: Incarnation(1) };
        Peer::new(owner, address, address, (1, 1))
    };
    let local: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let mut knocking = Membership::new(peer(1, local), &Settings::default(), 1, 0);
    knocking.set_seed(0, 0, vec!["127.0.0.1:2".parse().unwrap()]);
    knocking.handle_timeout(0);
    let (_, knock) = knocking.poll_datagram().unwrap();
    let mut open = Membership::new(peer(2, local), &Settings::default(), 2, 0);
    for far in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[2001:db8::1]:1"] {
        assert_eq!(open.handle_datagram(0, far.parse().unwrap(), &knock), Err(Refused::Stranger));
    }
    assert_eq!(open.poll_datagram(), None);
    for near in ["127.0.0.1:1", "[::ffff:127.0.0.1]:1", "[::1]:1"] {
        assert_eq!(open.handle_datagram(0, near.parse().unwrap(), &knock), Ok(()));
        assert!(open.poll_datagram().is_some());
    }
}
