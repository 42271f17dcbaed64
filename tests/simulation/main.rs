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

// Instances, links between them, what is checked.
mod world;

use world::{Reached, World};

/// Seeds of a run without instructions: as many as CI has time for.
const SEEDS: u64 = 300;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn instances_become_alike_whatever_happens_between_them() {
    if let Some(seed) = from_environment("HEREABOUTS_SIMULATION_SEED") {
        World::new(seed, true).run().unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        return;
    }
    let seeds = from_environment("HEREABOUTS_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let mut reached = Reached::default();
    for seed in 0..seeds {
        match World::new(seed, false).run() {
            Ok(run) => reached.add(&run),
            Err(failure) => {
                let _ = World::new(seed, true).run();
                panic!("seed {seed}: {failure}");
            }
        }
    }
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
