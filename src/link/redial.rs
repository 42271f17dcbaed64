//! When a peer that was lost is dialled again.
//!
//! Owns the back-off: at once the first time, then later and later, never at the same moment as others do. Must not know
//! connections.

use std::time::Duration;

/// Wait after the first failure, on average; doubled after each further one.
const FIRST: Duration = Duration::from_millis(100);
/// Times that it is doubled: 3.2 s at the longest, on average. A peer that comes back is not waited for much longer than
/// membership takes to notice it.
const DOUBLINGS_MAX: u32 = 5;
/// A set that has held for so long has not failed.
const HELD: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub(super) struct Redial {
    failures: u32,
    complete_since: Option<Duration>,
}

impl Redial {
    /// All connections of the set are there.
    pub(super) fn note_complete(&mut self, now: Duration) {
        self.complete_since = Some(now);
    }

    /// The set is lost, or was never complete. Returns when to dial again: after half to three halves of the wait.
    pub(super) fn note_failure(&mut self, now: Duration, entropy: u64) -> Duration {
        let held = self.complete_since.take().is_some_and(|since| now.saturating_sub(since) >= HELD);
        self.failures = if held { 0 } else { self.failures };
        let wait = FIRST * (1 << self.failures.min(DOUBLINGS_MAX));
        self.failures = self.failures.saturating_add(1);
        let jitter_us = entropy % (wait.as_micros() as u64 + 1);
        now + wait / 2 + Duration::from_micros(jitter_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    #[test]
    fn waits_grow_up_to_a_bound_and_differ() {
        let mut redial = Redial::default();
        let shortest: Vec<_> = (0..8).map(|_| redial.note_failure(ZERO, 0).as_millis()).collect();
        assert_eq!(shortest, [50, 100, 200, 400, 800, 1600, 1600, 1600]);
        let waits = [0, 1_000_000, 3_200_000].map(|entropy| redial.note_failure(ZERO, entropy).as_millis());
        assert_eq!(waits, [1600, 2600, 4800]);
    }

    #[test]
    fn a_set_that_has_held_begins_anew_and_one_that_has_not_does_not() {
        let mut redial = Redial::default();
        let failed = (0..6).map(|_| redial.note_failure(ZERO, 0)).last();
        redial.note_complete(ZERO);
        let (early, late) = (HELD - Duration::from_millis(1), HELD);
        assert_eq!(Some(redial.clone().note_failure(early, 0) - early), failed);
        assert_eq!(redial.note_failure(late, 0) - late, FIRST / 2);
    }
}
