//! What is measured now and then instead of being counted: rates, the largest buffers of late, memory.
//!
//! Owns the samples. The tick takes them, so that whoever asks (INFO) reads a few numbers, however many clients there
//! are. Must not know clocks.

use std::time::Duration;

use super::stats::{Counter, Stats};
use crate::sync::Mutex;

/// Samples that a rate is the mean of. (Redis.)
const SAMPLES: usize = 16;
/// Seconds for which the largest buffers are remembered. (Redis.)
const SECONDS: usize = 8;

/// Counters whose growth per second is shown.
const RATED: [Counter; RATES] =
    [Counter::CommandsProcessed, Counter::InputBytes, Counter::OutputBytes, Counter::Turns];
const RATES: usize = 4;

/// How things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Commands in a second. (INFO `instantaneous_ops_per_sec`.)
    pub commands_per_second: u64,
    /// Bytes read in a second.
    pub input_bytes_per_second: u64,
    /// Bytes written in a second.
    pub output_bytes_per_second: u64,
    /// Turns in a second. (INFO `instantaneous_eventloop_cycles_per_sec`.)
    pub turns_per_second: u64,
    /// Length of a turn. (INFO `instantaneous_eventloop_duration_usec`.)
    pub turn_microseconds: u64,
    /// The clients when they were last looked at.
    pub clients: Round,
}

/// What a look at every client has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Bytes of the largest unfinished request. In [`Reading`]: of the last seconds.
    pub largest_input: u64,
    /// Bytes of the largest output that waits. In [`Reading`]: of the last seconds.
    pub largest_output: u64,
    /// Bytes that all of them take together.
    pub bytes: u64,
    /// How many have switched CLIENT TRACKING on.
    pub tracking: u64,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Gauges {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sampled: Duration,
    last: [u64; RATES],
    last_turn_ns: u64,
    samples: [[u64; RATES + 1]; SAMPLES],
    next_sample: usize,
    /// The largest buffers of each of the latest seconds.
    seconds: [(u64, Round); SECONDS],
    last_round: (u64, Round),
}

impl Gauges {
    /// Takes a sample of the counters at this moment.
    pub(super) fn sample(&self, stats: &Stats, now: Duration) {
        let values = RATED.map(|counter| stats.total(counter));
        let turn_ns = stats.total(Counter::TurnNanoseconds);
        let mut state = self.state.lock();
        let milliseconds = now.saturating_sub(state.sampled).as_millis().max(1) as u64;
        // A counter that was reset begins anew.
        let grown = |value: u64, last: u64| value.saturating_sub(last);
        let mut sample = [0; RATES + 1];
        for ((rate, value), last) in sample.iter_mut().zip(values).zip(state.last) {
            *rate = grown(value, last) * 1000 / milliseconds;
        }
        let turns = grown(values[RATES - 1], state.last[RATES - 1]).max(1);
        sample[RATES] = grown(turn_ns, state.last_turn_ns) / turns / 1000;
        let next = state.next_sample;
        state.samples[next] = sample;
        state.next_sample = (next + 1) % SAMPLES;
        (state.sampled, state.last, state.last_turn_ns) = (now, values, turn_ns);
    }

    /// Notes what a look at every client has found.
    pub(super) fn note_round(&self, round: Round, now: Duration) {
        let mut state = self.state.lock();
        let second = now.as_secs();
        state.last_round = (second, round);
        let (noted, largest) = &mut state.seconds[second as usize % SECONDS];
        if *noted != second {
            (*noted, *largest) = (second, Round::default());
        }
        largest.largest_input = largest.largest_input.max(round.largest_input);
        largest.largest_output = largest.largest_output.max(round.largest_output);
    }

    /// How things stand.
    pub fn read(&self) -> Reading {
        let state = self.state.lock();
        let mean =
            |index: usize| state.samples.iter().map(|sample| sample[index]).sum::<u64>() / SAMPLES as u64;
        let (last_second, last_round) = state.last_round;
        let largest = |of: fn(&Round) -> u64| {
            let recent = state.seconds.iter().filter(|(second, _)| second + SECONDS as u64 > last_second);
            recent.map(|(_, round)| of(round)).max().unwrap_or(0)
        };
        Reading {
            commands_per_second: mean(0),
            input_bytes_per_second: mean(1),
            output_bytes_per_second: mean(2),
            turns_per_second: mean(3),
            turn_microseconds: mean(RATES),
            clients: Round {
                largest_input: largest(|round| round.largest_input),
                largest_output: largest(|round| round.largest_output),
                bytes: last_round.bytes,
                tracking: last_round.tracking,
            },
        }
    }

    /// Forgets the rates. (CONFIG RESETSTAT.)
    pub(super) fn reset_rates(&self) {
        let mut state = self.state.lock();
        (state.samples, state.last, state.last_turn_ns) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_means() {
        let (stats, gauges) = (Stats::default(), Gauges::default());
        for tick in 1..=16 {
            stats.add(1, Counter::CommandsProcessed, 10);
            stats.add(1, Counter::OutputBytes, 100);
            stats.note_turn(1, Duration::from_micros(30));
            stats.note_turn(2, Duration::from_micros(50));
            gauges.sample(&stats, Duration::from_millis(100 * tick));
        }
        let reading = gauges.read();
        assert_eq!(reading.commands_per_second, 100);
        assert_eq!(reading.output_bytes_per_second, 1000);
        assert_eq!((reading.turns_per_second, reading.turn_microseconds), (20, 40));
        gauges.sample(&stats, Duration::from_millis(1700));
        assert_eq!(gauges.read().commands_per_second, 100 * 15 / 16);
        stats.reset();
        gauges.sample(&stats, Duration::from_millis(1800));
        gauges.reset_rates();
        assert_eq!(gauges.read(), Reading::default());
    }

    #[test]
    fn the_largest_of_late_are_forgotten_in_the_end() {
        let gauges = Gauges::default();
        let round =
            |largest_input| Round { largest_input, largest_output: 1, bytes: largest_input, tracking: 0 };
        let note =
            |milliseconds, largest| gauges.note_round(round(largest), Duration::from_millis(milliseconds));
        note(5000, 100);
        note(5900, 7);
        assert_eq!(
            gauges.read().clients,
            Round { largest_input: 100, largest_output: 1, bytes: 7, tracking: 0 }
        );
        note(12_900, 3);
        assert_eq!(gauges.read().clients.largest_input, 100);
        note(13_000, 3);
        assert_eq!(gauges.read().clients.largest_input, 3);
        note(99_000, 2);
        assert_eq!(gauges.read().clients.largest_input, 2);
    }
}
