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

// The map alone: instances, links between them, and what breaks.
mod map_faults;
mod world;

// What must hold.
mod checks;

// Presence: links, membership, lives.
mod network;

// One run of it, and what goes wrong in it.
mod faults;
mod presence_world;

// Applications, their sessions, and what they ask.
mod deeds;
mod habits;
mod sessions;

// Connections with members of their own.
mod connections;

// What is true, and what must hold.
mod endings;
mod oracle;
mod truth;

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

/// Runs a seed; with its schedule, if so told.
type Run = fn(u64, bool) -> Result<Reached, String>;

fn run_all(run: Run, seeds: impl Iterator<Item = u64>, failed: &AtomicBool) -> Reached {
    let mut reached = Reached::default();
    for seed in seeds.take_while(|_| !failed.load(Ordering::Relaxed)) {
        // A panic is a failure of its seed too.
        let run_quietly = || run(seed, false);
        match std::panic::catch_unwind(run_quietly).unwrap_or_else(|_| Err("it panics".to_owned())) {
            Ok(met) => reached.add(&met),
            Err(failure) if from_environment("HEREABOUTS_SIMULATION_GO_ON").is_some() => {
                println!("seed {seed}: {failure}");
                reached.note("failures", 1);
            }
            Err(failure) => {
                failed.store(true, Ordering::Relaxed);
                let _ = std::panic::catch_unwind(|| run(seed, true));
                panic!("seed {seed}: {failure}");
            }
        }
    }
    reached
}

/// Runs all seeds that are asked for. Returns what they have met, unless they are fewer than usual.
fn simulate(run: Run) -> Option<Reached> {
    if let Some(seed) = from_environment("HEREABOUTS_SIMULATION_SEED") {
        run(seed, true).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        return None;
    }
    let seeds = from_environment("HEREABOUTS_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = from_environment("HEREABOUTS_SIMULATION_FIRST").unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let failed = AtomicBool::new(false);
    let reached = std::thread::scope(|scope| {
        let share = |thread| {
            let (seeds, failed) = (first + thread..first + seeds, &failed);
            scope.spawn(move || run_all(run, seeds.step_by(threads as usize), failed))
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares.into_iter().fold(Reached::default(), |mut sum, share| {
            sum.add(&share.join().expect("a seed that fails has printed why"));
            sum
        })
    });
    println!("{seeds} seeds: {reached:#?}");
    (seeds >= SEEDS).then_some(reached)
}

fn run_map(seed: u64, told: bool) -> Result<Reached, String> {
    World::new(seed, told).run()
}

fn run_presence(seed: u64, told: bool) -> Result<Reached, String> {
    presence_world::World::new(seed, told).run()
}

#[test]
fn instances_become_alike_whatever_happens_between_them() {
    if let Some(reached) = simulate(run_map) {
        reached.assert_hard_states();
    }
}

#[test]
fn what_instances_show_is_true_whatever_happens_to_them() {
    if let Some(reached) = simulate(run_presence) {
        reached.assert_met(&[
            ("gaps", 1_000),
            ("pulls through third parties", 1_000),
            ("snapshots", 1_000),
            ("members put and removed within a batch", 1_000),
            ("of those, pulled in its middle", 10),
            ("adoptions", 1_000),
            ("members held by two", 1_000),
            ("entries dropped after two rounds", 1_000),
            ("hidden", 1_000),
            ("shown again", 300),
            ("lost", 1_000),
            ("restarts", 300),
            ("renewals", 10),
            ("pauses", 300),
            ("leases lapsed", 100),
            ("ends", 300),
            ("sessions ended by name", 100),
            ("drains acknowledged", 300),
            ("resumed", 300),
            ("not resumed", 300),
        ]);
    }
}

#[test]
fn a_seed_run_twice_is_the_same_run() {
    for run in [run_map, run_presence] {
        for seed in 0..5 {
            assert_eq!(run(seed, false), run(seed, false));
        }
    }
}
