//! The moment at which something happens, as a value.
//!
//! The core takes it as an argument; only `net` reads a clock. So a simulation decides what time it is.

use std::time::Duration;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the process started; never goes back. For time-outs and ages.
    pub monotonic: Duration,
    /// Since the Unix epoch; may jump. For what is shown to people.
    pub unix: Duration,
}

impl Now {
    /// Milliseconds since the process started.
    pub fn monotonic_ms(self) -> u64 {
        self.monotonic.as_millis() as u64
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> u64 {
        self.unix.as_millis() as u64
    }

    /// Seconds since the Unix epoch.
    pub fn unix_seconds(self) -> u64 {
        self.unix.as_secs()
    }
}
