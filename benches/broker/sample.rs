//! What one run measures. Must not know how it is measured or judged.

use crate::histogram::Histogram;

/// A measured quantity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Messages per second.
    Rate,
    /// Nanoseconds of the server's CPU time for each of them.
    Cpu,
    /// Nanoseconds that half of all, 99 % and 99.9 % stay within.
    P50,
    P99,
    P999,
    /// Bytes of the server's process.
    Resident,
    /// Bytes for each further connection, subscription or member.
    BytesEach,
    /// Messages that something came to.
    Messages,
    /// CPU time, to that of something else.
    Ratio,
}

impl Metric {
    pub(crate) const ALL: [Metric; 9] = [
        Metric::Rate,
        Metric::Cpu,
        Metric::P50,
        Metric::P99,
        Metric::P999,
        Metric::Resident,
        Metric::BytesEach,
        Metric::Messages,
        Metric::Ratio,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Metric::Rate => "rate",
            Metric::Cpu => "CPU each",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Resident => "resident",
            Metric::BytesEach => "bytes each",
            Metric::Messages => "messages",
            Metric::Ratio => "CPU ratio",
        }
    }
}

/// The quantities that a run has measured.
#[derive(Clone, Default)]
pub(crate) struct Sample([Option<f64>; Metric::ALL.len()]);

impl Sample {
    pub(crate) fn set(&mut self, metric: Metric, value: Option<f64>) {
        self.0[metric as usize] = value;
    }

    pub(crate) fn set_latency(&mut self, latency: &Histogram) {
        self.set(Metric::P50, latency.quantile(0.5));
        self.set(Metric::P99, latency.quantile(0.99));
        self.set(Metric::P999, latency.quantile(0.999));
    }

    pub(crate) fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric as usize]
    }
}
