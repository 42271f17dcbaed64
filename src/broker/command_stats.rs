//! How often each command was called, how long that took, and how it ended.
//!
//! Owns the numbers of each row of the command table and the distribution of its times. Must not know the table: a row
//! is a number. A turn gathers what its calls came to in a few tallies, and adds them once.

use std::sync::OnceLock;
use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering};

/// Ranges into which each doubling of a time is divided: a range is 3 % wide, and all of them take 7 kilobytes.
const RANGES_PER_DOUBLING: u64 = 32;
/// Times from here on, two seconds, are in the last range. (Redis's distributions end at one second.)
const LONGEST_NS: u64 = (1 << 31) - 1;
/// Number of ranges.
pub const RANGES: usize = range_of_ns(LONGEST_NS) + 1;
/// A time of which the distribution is not to know.
const UNTRACKED: u16 = u16::MAX;

/// Copies of a row's numbers, so that threads rarely write to one cache line. Made when somebody needs one.
const COPIES: usize = 4;

/// Tallies of a turn after which they are added: a look through them stays short.
const TALLIES_MAX: usize = 32;

const fn range_of_ns(nanoseconds: u64) -> usize {
    if nanoseconds < RANGES_PER_DOUBLING {
        return nanoseconds as usize;
    }
    let doublings = nanoseconds.ilog2() - RANGES_PER_DOUBLING.ilog2();
    let within = (nanoseconds >> doublings) % RANGES_PER_DOUBLING;
    ((doublings as u64 + 1) * RANGES_PER_DOUBLING + within) as usize
}

/// The shortest time of a range, in nanoseconds.
pub fn range_start_ns(range: usize) -> u64 {
    let (block, within) = (range as u64 / RANGES_PER_DOUBLING, range as u64 % RANGES_PER_DOUBLING);
    if block == 0 { within } else { (RANGES_PER_DOUBLING + within) << (block - 1) }
}

/// Calls of one command in one turn that took about the same time.
#[derive(Debug)]
struct Tally {
    row: u16,
    range: u16,
    counts: Counts,
}

/// What calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that it ran. (Redis `calls`.)
    pub calls: u64,
    /// Times that it ran and replied with an error. (Redis `failed_calls`.)
    pub failed: u64,
    /// Times that it did not get to run. (Redis `rejected_calls`.)
    pub rejected: u64,
    /// The time that it ran, waiting left out.
    pub nanoseconds: u64,
}

/// What the commands of a turn came to.
#[derive(Debug, Default)]
pub struct Tallies(Vec<Tally>);

impl Tallies {
    /// So many calls of a row took so long each.
    pub fn called(&mut self, row: u16, calls: u64, each: Duration, failed: bool, tracked: bool) {
        let nanoseconds = each.as_nanos() as u64;
        let range = if tracked { range_of_ns(nanoseconds.min(LONGEST_NS)) as u16 } else { UNTRACKED };
        let counts = self.counts(row, range);
        counts.calls += calls;
        counts.nanoseconds += nanoseconds * calls;
        counts.failed += if failed { calls } else { 0 };
    }

    /// A call of a row was refused.
    pub fn rejected(&mut self, row: u16) {
        self.counts(row, UNTRACKED).rejected += 1;
    }

    /// Whether it is time to add them.
    pub fn is_full(&self) -> bool {
        self.0.len() >= TALLIES_MAX
    }

    fn counts(&mut self, row: u16, range: u16) -> &mut Counts {
        let known = self.0.iter().position(|tally| tally.row == row && tally.range == range);
        let index = known.unwrap_or_else(|| {
            self.0.push(Tally { row, range, counts: Counts::default() });
            self.0.len() - 1
        });
        &mut self.0[index].counts
    }
}

struct Copy {
    calls: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    nanoseconds: AtomicU64,
    ranges: [AtomicU64; RANGES],
}

impl Copy {
    fn new() -> Box<Self> {
        Box::new(Copy {
            calls: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            ranges: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    fn counters(&self) -> [&AtomicU64; 4] {
        [&self.calls, &self.failed, &self.rejected, &self.nanoseconds]
    }
}

/// The numbers of every row.
#[derive(Default)]
pub struct CommandStats {
    rows: Box<[[OnceLock<Box<Copy>>; COPIES]]>,
}

impl CommandStats {
    /// For a table with so many rows.
    pub fn new(rows: usize) -> Self {
        CommandStats { rows: (0..rows).map(|_| Default::default()).collect() }
    }

    /// Adds what a turn of the client with this id came to.
    pub fn add(&self, id: u64, tallies: &mut Tallies) {
        for tally in tallies.0.drain(..) {
            let Some(row) = self.rows.get(tally.row as usize) else { continue };
            let copy = row[id as usize % COPIES].get_or_init(Copy::new);
            let counts = tally.counts;
            let amounts = [counts.calls, counts.failed, counts.rejected, counts.nanoseconds];
            for (counter, amount) in copy.counters().into_iter().zip(amounts) {
                if amount > 0 {
                    counter.fetch_add(amount, Ordering::Relaxed);
                }
            }
            if let Some(range) = copy.ranges.get(tally.range as usize) {
                range.fetch_add(counts.calls, Ordering::Relaxed);
            }
        }
    }

    fn copies(&self, row: u16) -> impl Iterator<Item = &Copy> {
        self.rows.get(row as usize).into_iter().flatten().filter_map(|copy| copy.get()).map(|copy| &**copy)
    }

    /// What the calls of a row came to.
    pub fn counts(&self, row: u16) -> Counts {
        let sum = |read: fn(&Copy) -> &AtomicU64| {
            self.copies(row).map(|copy| read(copy).load(Ordering::Relaxed)).sum()
        };
        Counts {
            calls: sum(|copy| &copy.calls),
            failed: sum(|copy| &copy.failed),
            rejected: sum(|copy| &copy.rejected),
            nanoseconds: sum(|copy| &copy.nanoseconds),
        }
    }

    /// How the times of a row's calls are distributed; nothing if there were none.
    pub fn distribution(&self, row: u16) -> Option<Distribution> {
        let mut calls = [0; RANGES];
        for copy in self.copies(row) {
            for (sum, range) in calls.iter_mut().zip(&copy.ranges) {
                *sum += range.load(Ordering::Relaxed);
            }
        }
        let total = calls.iter().sum();
        (total > 0).then_some(Distribution { calls, total })
    }

    /// Sets all to zero.
    pub fn reset(&self) {
        for copy in self.rows.iter().flatten().filter_map(|copy| copy.get()) {
            let counters = copy.counters();
            counters.into_iter().chain(&copy.ranges).for_each(|counter| counter.store(0, Ordering::Relaxed));
        }
    }
}

/// How the times of a command's calls are distributed.
pub struct Distribution {
    calls: [u64; RANGES],
    /// Number of calls.
    pub total: u64,
}

impl Distribution {
    /// The time that so many millionths of a percent of the calls do not exceed, in nanoseconds: the end of its range.
    pub fn percentile_ns(&self, percentile: u32) -> u64 {
        let share = f64::from(percentile) / 1e8;
        let wanted = ((self.total as f64 * share).round() as u64).clamp(1, self.total);
        let mut seen = 0;
        let range = self.calls.iter().position(|calls| {
            seen += calls;
            seen >= wanted
        });
        range_start_ns(range.unwrap_or(RANGES - 1) + 1) - 1
    }

    /// Calls in the ranges that start below this time.
    pub fn calls_below(&self, nanoseconds: u64) -> u64 {
        let ranges = self.calls.iter().enumerate();
        ranges.take_while(|(range, _)| range_start_ns(*range) < nanoseconds).map(|(_, calls)| calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_without_gaps() {
        for range in 0..RANGES {
            let start = range_start_ns(range);
            assert_eq!(range_of_ns(start), range);
            if start > 0 {
                assert_eq!(range_of_ns(start - 1), range - 1);
            }
        }
        assert_eq!(range_of_ns(LONGEST_NS), RANGES - 1);
    }

    #[test]
    fn counts_and_times_add_up() {
        let stats = CommandStats::new(2);
        let mut tallies = Tallies::default();
        tallies.called(1, 3, Duration::from_micros(2), false, true);
        tallies.called(1, 1, Duration::from_millis(5), true, true);
        tallies.rejected(1);
        stats.add(1, &mut tallies);
        tallies.called(1, 1, Duration::from_secs(100), false, false);
        stats.add(2, &mut tallies);
        assert_eq!(stats.counts(0), Counts::default());
        let nanoseconds = 3 * 2_000 + 5_000_000 + 100_000_000_000;
        assert_eq!(stats.counts(1), Counts { calls: 5, failed: 1, rejected: 1, nanoseconds });
        let distribution = stats.distribution(1).unwrap();
        assert_eq!(distribution.total, 4, "one was not to be tracked");
        assert_eq!(distribution.calls_below(1 << 20), 3);
        let (half, all) = (distribution.percentile_ns(50_000_000), distribution.percentile_ns(100_000_000));
        assert!((2_000..2_070).contains(&half), "{half}");
        assert!((5_000_000..5_200_000).contains(&all), "{all}");
        stats.reset();
        assert_eq!(stats.counts(1), Counts::default());
        assert!(stats.distribution(1).is_none());
    }

    #[test]
    fn tallies_of_one_kind_are_one() {
        let mut tallies = Tallies::default();
        (0..1000).for_each(|_| tallies.called(0, 1, Duration::from_nanos(100), false, true));
        assert!(!tallies.is_full());
        (0..1000).for_each(|row| tallies.rejected(row));
        assert!(tallies.is_full());
    }
}
