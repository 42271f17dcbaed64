//! Membership among simulated instances: what must hold whatever the network does.

use rand::{Rng, RngExt};

use super::world_tests::{World, address};
use super::*;

fn down_of(node: crate::crdt::NodeId) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Down(peer) if peer.owner.node == node)
}

fn is_conflict(event: &Event) -> bool {
    matches!(event, Event::Conflict(_))
}

#[test]
fn all_find_each_other_through_one_seed_within_seconds() {
    for seed in 0..30 {
        let mut world = World::new(seed, 3 + seed as usize % 7);
        world.until_all_agree(3_000);
    }
}

#[test]
fn a_crash_is_seen_in_about_seven_seconds() {
    let (mut times, mut total_ms) = (0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed, 3 + seed as usize % 7);
        world.until_all_agree(3_000);
        world.loss = 0.02;
        world.run(3_000 + seed * 37);
        let (node, crashed_ms) = (world.hosts[1].node, world.now_ms);
        world.crash(1);
        world.run(15_000);
        for host in world.living() {
            let heard_ms = world.heard(host, crashed_ms, down_of(node)).expect("seen");
            let after_ms = heard_ms - crashed_ms;
            assert!(after_ms >= 4_000, "seed {seed}: called down without time to contradict");
            assert!(after_ms <= 13_000, "seed {seed}: seen after {after_ms} ms");
            (times, total_ms) = (times + 1, total_ms + after_ms);
        }
    }
    let mean_ms = total_ms / times;
    assert!((5_000..8_000).contains(&mean_ms), "seen after {mean_ms} ms on the average");
}

#[test]
fn a_leave_is_seen_at_once() {
    for seed in 0..60 {
        let mut world = World::new(seed, 3 + seed as usize % 7);
        world.until_all_agree(3_000);
        world.loss = if seed % 2 == 0 { 0.0 } else { 0.2 };
        let (node, left_ms) = (world.hosts[1].node, world.now_ms);
        world.leave(1);
        world.run(1_500);
        assert!(world.hosts[1].machine.is_none(), "seed {seed}: it stays");
        for host in world.living() {
            let is_left = |event: &Event| matches!(event, Event::Left(peer) if peer.owner.node == node);
            let heard_ms = world.heard(host, left_ms, is_left).expect("seen");
            assert!(heard_ms - left_ms <= if seed % 2 == 0 { 5 } else { 1_000 }, "seed {seed}");
            assert_eq!(world.heard(host, left_ms, down_of(node)), None, "seed {seed}: taken for crashed");
        }
        world.loss = 0.0;
        world.run(20_000);
        assert!(world.all_agree(), "seed {seed}: it came back");
        world.start(1);
        world.until_all_agree(3_000);
    }
}

#[test]
fn who_lives_and_is_reached_is_not_called_down() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3 + seed as usize % 7);
        (world.loss, world.duplicates, world.delay_ms, world.replays) = (0.05, 0.1, 100, 0.1);
        world.run(5_000);
        let from_ms = world.now_ms;
        world.run(120_000);
        for host in world.living() {
            let is_down = |event: &Event| matches!(event, Event::Down(_) | Event::Left(_));
            assert_eq!(world.heard(host, from_ms, is_down), None, "seed {seed}");
        }
        assert!(world.all_agree(), "seed {seed}");
    }
}

#[test]
fn where_much_is_lost_false_alarms_are_corrected_soon() {
    let mut alarms = 0;
    for seed in 0..12 {
        let mut world = World::new(seed, 3 + seed as usize % 4);
        (world.loss, world.duplicates, world.delay_ms) = (0.4, 0.1, 100);
        world.run(10_000);
        let mut away_ms = 0;
        for _ in 0..600 {
            world.run(100);
            away_ms = if world.all_agree() { 0 } else { away_ms + 100 };
            assert!(away_ms < 20_000, "seed {seed}");
        }
        let downs = |host: &super::world_tests::Host| {
            host.events.iter().filter(|(_, event)| matches!(event, Event::Down(_))).count()
        };
        alarms += world.hosts.iter().map(downs).sum::<usize>();
    }
    assert!(alarms > 0, "the network is too good to test anything");
}

#[test]
fn a_link_that_is_cut_between_two_is_no_crash() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        world.cuts = if seed % 2 == 0 { vec![(1, 2)] } else { vec![(1, 2), (2, 1)] };
        let from_ms = world.now_ms;
        world.run(60_000);
        for host in world.living() {
            assert_eq!(
                world.heard(host, from_ms, |event| matches!(event, Event::Down(_))),
                None,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_healed_split_is_no_restart() {
    for seed in 0..30 {
        let mut world = World::new(seed, 3 + seed as usize % 5);
        world.until_all_agree(3_000);
        let lives: Vec<_> = world.living().iter().map(|host| world.machine(*host).me().owner).collect();
        // In every other run the seed is alone, in the others one who is nobody's seed.
        world.split(&[seed as usize % 2]);
        world.run(30_000);
        assert!(!world.all_agree());
        world.cuts.clear();
        let took_ms = world.until_all_agree(4_000);
        assert!(took_ms > 0);
        let after: Vec<_> = world.living().iter().map(|host| world.machine(*host).me().owner).collect();
        assert_eq!(lives, after, "seed {seed}");
        let is_renewed = |event: &Event| matches!(event, Event::Renewed(_));
        assert!(
            world.living().into_iter().any(|host| world.heard(host, 0, is_renewed).is_some()),
            "seed {seed}"
        );
    }
}

#[test]
fn who_was_heard_but_could_not_hear_comes_back() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        let others = [0, 1, 3];
        world.cuts = others.map(|other| if seed % 2 == 0 { (other, 2) } else { (2, other) }).to_vec();
        world.run(20_000);
        world.cuts.clear();
        world.until_all_agree(6_000);
    }
}

#[test]
fn who_stood_still_accuses_nobody() {
    for seed in 0..30 {
        let mut world = World::new(seed, 3 + seed as usize % 5);
        world.until_all_agree(3_000);
        world.run(seed * 31);
        let paused_ms = world.now_ms;
        world.pause(1, 1_500 + seed * 1_000);
        world.run(1_500 + seed * 1_000);
        world.until_all_agree(4_000);
        world.run(10_000);
        for host in 0..world.hosts.len() {
            for other in (0..world.hosts.len()).filter(|other| *other != 1) {
                let node = world.hosts[other].node;
                assert_eq!(
                    world.heard(host, paused_ms, down_of(node)),
                    None,
                    "seed {seed}: {host} of {other}"
                );
            }
        }
        assert!(world.all_agree());
    }
}

#[test]
fn who_stood_still_gives_suspects_the_rest_of_their_time() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        let (node, from_ms) = (world.hosts[2].node, world.now_ms);
        world.cuts = vec![(2, 0), (2, 1), (2, 3)];
        world.run(3_500);
        // Now it is heard again, but not by the one that stands still: what came for that one is lost.
        world.cuts = vec![(0, 1), (2, 1), (3, 1)];
        world.pause(1, 20_000);
        world.run(20_000);
        world.cuts.clear();
        world.until_all_agree(6_000);
        world.run(10_000);
        assert_eq!(world.heard(1, from_ms, down_of(node)), None, "seed {seed}");
    }
}

#[test]
fn seeds_that_are_away_are_tried_for_ever() {
    let mut world = World::asleep(1, 4);
    (1..4).for_each(|host| world.start(host));
    world.run(600_000);
    assert!(world.living().iter().all(|host| world.machine(*host).peers().count() == 0));
    world.start(0);
    world.until_all_agree(3_000);
    // Nor is it needed by those who know each other.
    world.crash(0);
    world.until_all_agree(20_000);
    world.split(&[1]);
    world.run(600_000);
    world.cuts.clear();
    world.until_all_agree(4_000);
    world.start_as_another(0);
    world.until_all_agree(3_000);
}

#[test]
fn whoever_comes_to_an_address_shows_that_its_former_holder_is_gone() {
    let mut world = World::new(5, 3);
    world.until_all_agree(3_000);
    let (node, from_ms) = (world.hosts[2].node, world.now_ms);
    world.crash(2);
    world.start_as_another(2);
    world.until_all_agree(2_000);
    assert!([0, 1].iter().all(|host| world.heard(*host, from_ms, down_of(node)).is_some()));
}

#[test]
fn who_moves_is_the_same_node() {
    let mut world = World::new(6, 4);
    world.until_all_agree(3_000);
    world.crash(2);
    world.crash(3);
    world.hosts[3].node = world.hosts[2].node;
    world.start(3);
    world.run(3_000);
    let node = world.hosts[3].node;
    let seen = world.machine(0).peers().find(|peer| peer.owner.node == node).unwrap();
    assert_eq!(seen.gossip, address(3));
    world.until_all_agree(20_000);
}

#[test]
fn whose_clock_went_back_begins_a_later_life() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        let before = world.machine(2).me().owner;
        world.crash(2);
        world.run(if seed % 2 == 0 { 100 } else { 60_000 });
        world.hosts[2].clock_ahead_ms = -3_600_000;
        world.start(2);
        world.until_all_agree(5_000);
        assert!(world.machine(2).me().owner > before, "seed {seed}");
        let conflicts = world.hosts[2].events.iter().filter(|(_, event)| is_conflict(event)).count();
        assert_eq!(conflicts, 1, "seed {seed}");
    }
}

#[test]
fn of_two_with_one_id_one_hears_of_it_twice() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        world.hosts[3].node = world.hosts[2].node;
        world.crash(3);
        world.start(3);
        let mut is_settled = false;
        for _ in 0..200 {
            world.run(100);
            let conflicts =
                |host: usize| world.hosts[host].events.iter().filter(|it| is_conflict(&it.1)).count();
            if let Some(stopped) = [2, 3].into_iter().find(|host| conflicts(*host) >= 2) {
                world.crash(stopped);
                is_settled = true;
                break;
            }
        }
        assert!(is_settled, "seed {seed}");
        world.until_all_agree(20_000);
    }
}

#[test]
fn what_was_recorded_changes_nothing() {
    for seed in 0..10 {
        let mut world = World::asleep(seed, 5);
        // What foca itself remembers of the dead must not be what this depends on.
        world.remember_down_ms = 20_000;
        (0..5).for_each(|host| world.start(host));
        world.until_all_agree(3_000);
        world.leave(3);
        world.run(1_000);
        world.crash(2);
        world.run(20_000);
        world.start(2);
        world.crash(0);
        world.start(0);
        world.until_all_agree(20_000);
        world.run(40_000);
        let events: usize = world.hosts.iter().map(|host| host.events.len()).sum();
        let recorded = std::mem::take(&mut world.recorded);
        for _ in 0..3_000 {
            let (from, _, datagram) = &recorded[world.random.random_range(0..recorded.len())];
            for host in 0..5 {
                world.take(*from, host, datagram);
            }
        }
        world.run(10_000);
        assert!(world.all_agree(), "seed {seed}");
        assert_eq!(events, world.hosts.iter().map(|host| host.events.len()).sum::<usize>(), "seed {seed}");
    }
}

#[test]
fn a_secret_is_changed_one_instance_after_the_other() {
    for seed in 0..10 {
        let mut world = World::new(seed, 4);
        world.until_all_agree(3_000);
        let (old, new) = (b"secret".to_vec(), b"better".to_vec());
        for secrets in [vec![new.clone(), old], vec![new]] {
            for host in 0..4 {
                world.leave(host);
                world.run(1_000);
                world.hosts[host].secrets = secrets.clone();
                world.start(host);
                world.until_all_agree(4_000);
                world.run(20_000);
                assert!(world.all_agree(), "seed {seed}");
            }
        }
        let is_down = |event: &Event| matches!(event, Event::Down(_));
        assert!((0..4).all(|host| world.heard(host, 0, is_down).is_none()), "seed {seed}");
    }
}

#[test]
fn nothing_grows_with_the_number_of_restarts() {
    let mut world = World::new(1, 2);
    for _ in 0..1_500 {
        world.run(1_200);
        world.crash(1);
        world.start_as_another(1);
        world.recorded.clear();
        world.hosts[0].events.clear();
    }
    world.until_all_agree(3_000);
    let machine = world.hosts[0].machine.as_ref().unwrap();
    let (senders, members) = machine.sizes();
    assert!(senders <= 1_024 && members <= 1_502, "{senders} senders, {members} members");
    world.run(3_600_000);
    let (_, members) = world.hosts[0].machine.as_ref().unwrap().sizes();
    assert!(members <= 2, "{members} members are remembered");
}

/// Everything at once, and then nothing any more.
fn chaos(seed: u64) -> (u64, u64) {
    let hosts = 3 + seed as usize % 7;
    let mut world = World::new(seed, hosts);
    (world.duplicates, world.delay_ms, world.replays) = (0.1, 60, 0.1);
    for _ in 0..16 {
        let host = world.random.random_range(0..hosts);
        let is_there = world.hosts[host].machine.is_some();
        match world.random.random_range(0..12) {
            0 | 1 if is_there => world.crash(host),
            2 if is_there => world.leave(host),
            0..=2 => world.start(host),
            3 if !is_there => world.start_as_another(host),
            3 if is_there => {
                world.crash(host);
                world.start_as_another(host);
            }
            4 => {
                world.crash(host);
                world.hosts[host].clock_ahead_ms -= 600_000;
                world.start(host);
            }
            5 if is_there => {
                let for_ms = world.random.random_range(100..20_000);
                world.pause(host, for_ms);
            }
            6 => world.split(&[host, (host + 1) % hosts]),
            7 => {
                let other = world.random.random_range(0..hosts);
                world.cuts.push((host, other));
            }
            8 | 9 => world.cuts.clear(),
            10 => world.loss = [0.0, 0.05, 0.3][world.random.random_range(0..3_usize)],
            _ => {}
        }
        let for_ms = u64::from(world.random.next_u32() % 6_000);
        world.run(for_ms);
    }
    world.cuts.clear();
    world.loss = 0.0;
    world.hosts.iter_mut().for_each(|host| host.paused_until_ms = 0);
    // Who was leaving has left.
    world.run(1_000);
    for host in 0..hosts {
        if world.hosts[host].machine.is_none() {
            world.start(host);
        }
    }
    // A crash just before the end takes its time to be seen.
    let took_ms = world.until_all_agree(20_000);
    world.run(8_000);
    assert!(world.all_agree(), "seed {seed}: they agreed for a moment only");
    (took_ms, world.trace)
}

#[test]
fn after_chaos_all_see_who_lives() {
    // More, on request: HEREABOUTS_SIMULATION_SEEDS=5000.
    let seeds =
        std::env::var("HEREABOUTS_SIMULATION_SEEDS").map_or(100, |text| text.parse().expect("a number"));
    for seed in 0..seeds {
        chaos(seed);
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in [3, 17] {
        assert_eq!(chaos(seed), chaos(seed));
    }
    assert_ne!(chaos(3).1, chaos(17).1);
}
