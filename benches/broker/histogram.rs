//! Counts of times, kept to three per cent. Must not know what is timed.

/// Each power of two is divided into that many buckets.
const STEPS: u64 = 32;
/// Up to about an hour in nanoseconds.
const BUCKETS: usize = 38 * STEPS as usize;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// The time that the given part of all stays within; nothing if there are too few to say so.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        if (self.total as f64) * (1.0 - part) < 1.0 {
            return None;
        }
        let rank = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map(|bucket| highest(bucket) as f64)
    }
}

/// Below `STEPS` every value has a bucket of its own; above, the leading bits choose it.
fn bucket(value: u64) -> usize {
    let shift = value.max(1).ilog2().saturating_sub(STEPS.ilog2());
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    ((bucket - shift * STEPS + 1) << shift) - 1
}
