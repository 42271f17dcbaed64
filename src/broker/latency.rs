//! What took too long, by kind of event: the samples of the latency monitor.
//!
//! Owns the samples and how many there are. Must not know what is too long.

use std::collections::{BTreeMap, VecDeque};

use crate::sync::Mutex;

/// Samples of an event at most. (Redis.)
const SAMPLES_MAX: usize = 160;

/// The longest time of an event within one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in seconds since the Unix epoch.
    pub unix_seconds: u64,
    /// How long it took.
    pub milliseconds: u64,
}

/// The latest samples of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// The oldest first; never empty.
    pub samples: VecDeque<Sample>,
    /// The longest time ever, even if its sample is gone.
    pub longest_ms: u64,
}

/// All events that took too long.
#[derive(Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<&'static str, Samples>>,
}

impl LatencyMonitor {
    /// An event took so long. Of those within one second the longest is kept.
    pub fn add(&self, event: &'static str, unix_seconds: u64, milliseconds: u64) {
        let mut events = self.events.lock();
        let known = events.entry(event).or_default();
        known.longest_ms = known.longest_ms.max(milliseconds);
        match known.samples.back_mut() {
            Some(last) if last.unix_seconds == unix_seconds => {
                last.milliseconds = last.milliseconds.max(milliseconds);
            }
            _ => {
                if known.samples.len() == SAMPLES_MAX {
                    known.samples.pop_front();
                }
                known.samples.push_back(Sample { unix_seconds, milliseconds });
            }
        }
    }

    /// All events, in alphabetical order.
    pub fn all(&self) -> Vec<(&'static str, Samples)> {
        self.events.lock().iter().map(|(event, samples)| (*event, samples.clone())).collect()
    }

    /// The samples of an event.
    pub fn find(&self, event: &[u8]) -> Option<Samples> {
        let events = self.events.lock();
        events.iter().find(|(name, _)| name.as_bytes() == event).map(|(_, samples)| samples.clone())
    }

    /// Forgets an event; whether there was something to forget.
    pub fn forget(&self, event: &[u8]) -> bool {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|name, _| name.as_bytes() != event);
        events.len() < before
    }

    /// Forgets all; how many there were.
    pub fn reset(&self) -> usize {
        std::mem::take(&mut *self.events.lock()).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second() {
        let monitor = LatencyMonitor::default();
        for (second, milliseconds) in [(10, 5), (10, 9), (10, 7), (11, 3)] {
            monitor.add("command", second, milliseconds);
        }
        let samples = monitor.find(b"command").unwrap();
        let times: Vec<_> =
            samples.samples.iter().map(|sample| (sample.unix_seconds, sample.milliseconds)).collect();
        assert_eq!(times, [(10, 9), (11, 3)]);
        assert_eq!(samples.longest_ms, 9);
        assert!(monitor.find(b"other").is_none());
    }

    #[test]
    fn the_oldest_sample_goes() {
        let monitor = LatencyMonitor::default();
        (0..1000).for_each(|second| monitor.add("command", second, 1000 - second));
        let samples = monitor.find(b"command").unwrap();
        assert_eq!(samples.samples.len(), SAMPLES_MAX);
        assert_eq!(samples.samples[0].unix_seconds, 840);
        assert_eq!(samples.longest_ms, 1000);
    }

    #[test]
    fn events_are_forgotten() {
        let monitor = LatencyMonitor::default();
        monitor.add("a", 1, 1);
        monitor.add("b", 1, 1);
        assert!(monitor.forget(b"a") && !monitor.forget(b"a"));
        assert_eq!((monitor.reset(), monitor.reset()), (1, 0));
    }
}
