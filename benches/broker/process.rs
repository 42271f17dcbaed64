//! What the operating system knows about a server's process. Must not know what the process is.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// CPU time of all threads of a process, to the nanosecond.
pub(crate) fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        total += thread_cpu_time(&thread?.path())?;
    }
    Ok(total)
}

/// CPU time of one thread, given its directory in `/proc`.
pub(crate) fn thread_cpu_time(directory: &Path) -> io::Result<Duration> {
    let text = fs::read_to_string(directory.join("schedstat"))?;
    let nanoseconds = text.split_whitespace().next().and_then(|field| field.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat is not a number"))
}

/// Resident bytes. Counted page by page: the figure in `statm` is rounded by the kernel's per-CPU counters.
pub(crate) fn resident(process: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::Error::other("smaps_rollup has no Rss"))
}
