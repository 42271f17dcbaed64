//! INFO memory, and the numbers that MEMORY STATS shows as well.
//!
//! Owns what is told of memory. The allocator does not count what it has handed out, so that everything is about the
//! memory that the process has resident: what Redis does, too, with an allocator that does not tell.

use super::Source::{Fixed, Number, Text};
use super::{Fields, View, fields};
use crate::broker::Broker;

/// The memory at a moment, in bytes.
pub(in crate::command) struct Memory {
    /// Resident now.
    pub(in crate::command) resident: u64,
    /// The most that was seen.
    pub(in crate::command) peak: u64,
    /// When the server started.
    pub(in crate::command) startup: u64,
    /// What clients take: records, buffers, subscriptions. The same by which clients are evicted.
    pub(in crate::command) clients: u64,
}

impl Memory {
    pub(in crate::command) fn of(broker: &Broker) -> Self {
        let (resident, peak) = broker.memory();
        let clients = broker.gauges.read().clients.bytes;
        Memory { resident, peak, startup: broker.startup_bytes, clients }
    }

    /// What is not payload. (Redis `used_memory_overhead`.)
    pub(in crate::command) fn overhead(&self) -> u64 {
        (self.startup + self.clients).min(self.resident)
    }

    /// The rest: what has not been given back, and what subscriptions take beyond the estimate.
    pub(in crate::command) fn dataset(&self) -> u64 {
        self.resident - self.overhead()
    }

    /// The rest as a share of what was taken since the start, in percent.
    pub(in crate::command) fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.resident.saturating_sub(self.startup))
    }

    /// What is resident as a share of the peak, in percent.
    pub(in crate::command) fn peak_percent(&self) -> f64 {
        percent(self.resident, self.peak)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

const FIELDS: &Fields = &[
    ("used_memory", Number(|view| view.memory.resident)),
    ("used_memory_human", Text(|view| human(view.memory.resident))),
    ("used_memory_rss", Number(|view| view.memory.resident)),
    ("used_memory_rss_human", Text(|view| human(view.memory.resident))),
    ("used_memory_peak", Number(|view| view.memory.peak)),
    ("used_memory_peak_human", Text(|view| human(view.memory.peak))),
    ("used_memory_peak_perc", Text(|view| format!("{:.2}%", view.memory.peak_percent()))),
    ("used_memory_overhead", Number(|view| view.memory.overhead())),
    ("used_memory_startup", Number(|view| view.memory.startup)),
    ("used_memory_dataset", Number(|view| view.memory.dataset())),
    ("used_memory_dataset_perc", Text(|view| format!("{:.2}%", view.memory.dataset_percent()))),
    ("allocator_allocated", Number(|view| view.memory.resident)),
    ("allocator_active", Number(|view| view.memory.resident)),
    ("allocator_resident", Number(|view| view.memory.resident)),
    ("total_system_memory", Number(|view| view.broker.identity.system_bytes)),
    ("total_system_memory_human", Text(|view| human(view.broker.identity.system_bytes))),
    ("used_memory_lua", Fixed("0")),
    ("used_memory_vm_eval", Fixed("0")),
    ("used_memory_lua_human", Fixed("0B")),
    ("used_memory_scripts_eval", Fixed("0")),
    ("number_of_cached_scripts", Fixed("0")),
    ("number_of_functions", Fixed("0")),
    ("number_of_libraries", Fixed("0")),
    ("used_memory_vm_functions", Fixed("0")),
    ("used_memory_vm_total", Fixed("0")),
    ("used_memory_vm_total_human", Fixed("0B")),
    ("used_memory_functions", Fixed("0")),
    ("used_memory_scripts", Fixed("0")),
    ("used_memory_scripts_human", Fixed("0B")),
    // Whatever the option says: nothing keeps to it.
    ("maxmemory", Fixed("0")),
    ("maxmemory_human", Fixed("0B")),
    ("maxmemory_policy", Fixed("noeviction")),
    ("allocator_frag_ratio", Fixed("1.00")),
    ("allocator_frag_bytes", Fixed("0")),
    ("allocator_rss_ratio", Fixed("1.00")),
    ("allocator_rss_bytes", Fixed("0")),
    ("rss_overhead_ratio", Fixed("1.00")),
    ("rss_overhead_bytes", Fixed("0")),
    ("mem_fragmentation_ratio", Fixed("1.00")),
    ("mem_fragmentation_bytes", Fixed("0")),
    ("mem_not_counted_for_evict", Fixed("0")),
    ("mem_replication_backlog", Fixed("0")),
    ("mem_total_replication_buffers", Fixed("0")),
    ("mem_clients_slaves", Fixed("0")),
    ("mem_clients_normal", Number(|view| view.memory.clients)),
    ("mem_cluster_links", Fixed("0")),
    ("mem_aof_buffer", Fixed("0")),
    ("mem_allocator", Text(|view| view.broker.identity.allocator.clone())),
    ("active_defrag_running", Fixed("0")),
    ("lazyfree_pending_objects", Fixed("0")),
    ("lazyfreed_objects", Fixed("0")),
];

pub(super) fn section(text: &mut String, view: &View<'_>) {
    fields(text, FIELDS, view);
}

/// A number of bytes for people. (Redis `bytesToHuman`.)
pub(in crate::command) fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut number = bytes as f64;
    let mut unit = ' ';
    for next in "KMGTPE".chars() {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = next;
    }
    format!("{number:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_for_people() {
        let shown =
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (965_936, "943.30K"), (25_276_063_744, "23.54G")];
        for (bytes, text) in shown {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human(u64::MAX), "16.00E");
    }
}
