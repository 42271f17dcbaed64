//! What the operating system and the allocator tell about this process.
//!
//! Owns where that is read. Must not know who asks.

use std::time::Duration;

use mimalloc::MiMalloc;

use crate::broker::{ProcessorTime, SystemAndUser};

/// Bytes of memory that this process has resident.
pub(super) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Processor time that this process has used.
pub(super) fn processor_time() -> ProcessorTime {
    let process = times("/proc/self/stat");
    let main_thread = times(&format!("/proc/self/task/{}/stat", std::process::id()));
    ProcessorTime { process: process[0], children: process[1], main_thread: main_thread[0] }
}

/// Of what a file of the kernel is about, and of the children it has waited for.
fn times(file: &str) -> [SystemAndUser; 2] {
    // Fields 14 to 17 of stat(5), behind the program's name in parentheses, in hundredths of a second.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let time = |index: usize| {
        let ticks = ticks.get(index).copied().unwrap_or(0);
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    };
    [SystemAndUser { user: time(0), system: time(1) }, SystemAndUser { user: time(2), system: time(3) }]
}

/// The operating system, its version and the processor, as in `uname -srm`.
pub(super) fn system_name() -> String {
    let name = rustix::system::uname();
    let texts = [name.sysname(), name.release(), name.machine()];
    texts.map(|text| text.to_string_lossy().into_owned()).join(" ")
}

/// Bytes of memory that the machine has.
pub(super) fn system_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// The allocator's name and version.
pub fn allocator_name() -> String {
    // Two digits each behind the major number.
    let version = MiMalloc.version();
    format!("mimalloc-{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// The allocator's statistics, as it writes them.
pub(super) fn allocator_report() -> String {
    match MiMalloc::stats_json() {
        Ok(report) => report.to_string_lossy().into_owned(),
        Err(problem) => problem.to_owned(),
    }
}
