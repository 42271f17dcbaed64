//! The replicated map under a network that loses, repeats, delays and cuts, in virtual time.
//!
//! A run is drawn from a seed and checked after every step against what is true: each record is a prefix of its owner's
//! history, what was told adds up to it, and when the faults stop all instances hold the same. A failure prints its seed
//! and the schedule; `HEREABOUTS_SIMULATION_SEED=n` runs that one with its schedule, `HEREABOUTS_SIMULATION_SEEDS=n` so
//! many, from 0 on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

// Numbers from a seed.
mod random;

// What happens when, and to whom.
mod schedule;

// Instances, and links between them.
mod world;

// What must hold.
mod checks;

// What was met.
mod reached;

// What the instances share.
#[path = "../support/entries.rs"]
mod entries;

use std::sync::atomic::{AtomicBool, Ordering};

use reached::Reached;
use world::World;

/// Seeds of a run without instructions: as many as CI has time for.
const SEEDS: u64 = 300;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn run_all(seeds: impl Iterator<Item = u64>, failed: &AtomicBool) -> Reached {
    let mut reached = Reached::default();
    for seed in seeds.take_while(|_| !failed.load(Ordering::Relaxed)) {
        match World::new(seed, false).run() {
            Ok(run) => reached.add(&run),
            Err(failure) => {
                failed.store(true, Ordering::Relaxed);
                let _ = World::new(seed, true).run();
                panic!("seed {seed}: {failure}");
            }
        }
    }
    reached
}

#[test]
fn instances_become_alike_whatever_happens_between_them() {
    if let Some(seed) = from_environment("HEREABOUTS_SIMULATION_SEED") {
        World::new(seed, true).run().unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        return;
    }
    let seeds = from_environment("HEREABOUTS_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let failed = AtomicBool::new(false);
    let reached = std::thread::scope(|scope| {
        let share = |first| {
            let failed = &failed;
            scope.spawn(move || run_all((first..seeds).step_by(threads as usize), failed))
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares.into_iter().fold(Reached::default(), |mut sum, share| {
            sum.add(&share.join().expect("a seed that fails has printed why"));
            sum
        })
    });
    println!("{seeds} seeds: {reached:?}");
    if seeds >= SEEDS {
        reached.assert_hard_states();
    }
}

#[test]
fn a_seed_run_twice_is_the_same_run() {
    for seed in 0..5 {
        let [first, second] = [(); 2].map(|()| World::new(seed, false).run());
        assert_eq!(first, second);
    }
}
