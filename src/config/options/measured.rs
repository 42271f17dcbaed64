//! Options about what the server measures of itself: the slow log, the latency monitor, the times of commands.
//!
//! Owns their rows.

use super::{Accessors, Row};
use crate::config::format::{Format, Integer, Percentiles, YesNo};

pub(super) static SERVED: &[Row] = &[
    Row::served(
        "slowlog-log-slower-than",
        "microseconds",
        "10000",
        field!(slowlog_log_slower_than, Integer { least: -1, most: i64::MAX }),
        "Commands that take longer are kept for SLOWLOG GET, but for time they spend waiting; 0 for all, -1 for none. Ten \
         milliseconds are what somebody would notice.",
    ),
    Row::served(
        "slowlog-max-len",
        "number",
        "128",
        field!(slowlog_max_len, Integer { least: 0, most: i64::MAX as usize }),
        "Entries of the slow log; the oldest goes. Each takes up to 5 kilobytes.",
    ),
    Row::served(
        "latency-monitor-threshold",
        "milliseconds",
        "0",
        field!(latency_monitor_threshold, Integer { least: 0, most: i64::MAX as u64 }),
        "Commands, and turns of a connection, that take so long are kept for LATENCY LATEST and HISTORY; 0 for none, as in \
         Redis.",
    ),
    Row::served(
        "latency-tracking",
        "yes|no",
        "yes",
        field!(latency_tracking, YesNo),
        "How long commands take is kept as a distribution of each, for INFO latencystats and LATENCY HISTOGRAM. It takes \
         up to 30 kilobytes for each command that is used.",
    ),
    Row::served(
        "latency-tracking-info-percentiles",
        "percentile...",
        "50 99 99.9",
        field!(latency_tracking_info_percentiles, Percentiles),
        "Percentiles that INFO latencystats shows.",
    )
    .several(),
];
