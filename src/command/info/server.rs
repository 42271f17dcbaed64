//! INFO server, clients and cpu.
//!
//! Owns their fields.

use std::time::Duration;

use super::Source::{Fixed, Number, Text};
use super::{Fields, View, field, fields};
use crate::config::{self, REDIS_VERSION};

/// Bits of Redis's clock by which it knows the least recently used keys.
const LRU_CLOCK_MASK: u64 = (1 << 24) - 1;

const SERVER: &Fields = &[
    ("redis_version", Fixed(REDIS_VERSION)),
    // Ours, which also tells that this is not Redis.
    ("hereabouts_version", Fixed(env!("CARGO_PKG_VERSION"))),
    ("redis_git_sha1", Fixed("00000000")),
    ("redis_git_dirty", Fixed("0")),
    ("redis_build_id", Text(|_| config::build_id())),
    ("redis_mode", Text(|view| view.config.face.mode().to_owned())),
    ("os", Text(|view| view.broker.identity.system.clone())),
    ("arch_bits", Number(|_| u64::from(usize::BITS))),
    ("monotonic_clock", Fixed("POSIX clock_gettime")),
    ("multiplexing_api", Fixed("epoll")),
    ("atomicvar_api", Fixed("c11-builtin")),
    // What Redis says that was not built by GCC.
    ("gcc_version", Fixed("0.0.0")),
    ("process_id", Number(|view| view.broker.identity.process_id.into())),
    ("process_supervised", Fixed("no")),
    ("run_id", Text(|view| view.broker.identity.run_id.clone())),
    ("tcp_port", Number(|view| view.config.port.unwrap_or(0).into())),
    ("server_time_usec", Number(|view| view.now.unix.as_micros() as u64)),
    ("uptime_in_seconds", Number(uptime)),
    ("uptime_in_days", Number(|view| uptime(view) / 86_400)),
    ("hz", Fixed("10")),
    ("configured_hz", Fixed("10")),
    ("lru_clock", Number(|view| view.now.unix_seconds() & LRU_CLOCK_MASK)),
    ("executable", Text(|view| view.broker.identity.executable.clone())),
    ("config_file", Text(|view| view.broker.identity.config_file.clone())),
    ("io_threads_active", Fixed("0")),
];

fn uptime(view: &View<'_>) -> u64 {
    view.now.monotonic.saturating_sub(view.broker.started.monotonic).as_secs()
}

pub(super) fn server(text: &mut String, view: &View<'_>) {
    fields(text, SERVER, view);
    let addresses: String = view.config.bind.iter().map(|address| format!(",bind={address}")).collect();
    if let Some(port) = view.config.port {
        field(text, "listener0", format_args!("name=tcp{addresses},port={port}"));
    }
    if let Some(path) = &view.config.unixsocket {
        field(text, "listener1", format_args!("name=unix,bind={}", path.display()));
    }
    if let Some(port) = view.config.tls.port {
        field(text, "listener2", format_args!("name=tls{addresses},port={port}"));
    }
}

const CLIENTS: &Fields = &[
    ("connected_clients", Number(|view| view.broker.clients.len() as u64)),
    ("cluster_connections", Fixed("0")),
    ("maxclients", Number(|view| view.config.maxclients as u64)),
    ("client_recent_max_input_buffer", Number(|view| view.reading.clients.largest_input)),
    ("client_recent_max_output_buffer", Number(|view| view.reading.clients.largest_output)),
    ("blocked_clients", Number(|view| view.broker.pause.waiting() as u64)),
    ("tracking_clients", Number(|view| view.reading.clients.tracking)),
    ("pubsub_clients", Number(|view| view.broker.clients.subscribed() as u64)),
    ("watching_clients", Fixed("0")),
    ("clients_in_timeout_table", Fixed("0")),
    ("total_watched_keys", Fixed("0")),
    ("total_blocking_keys", Fixed("0")),
    ("total_blocking_keys_on_nokey", Fixed("0")),
];

pub(super) fn clients(text: &mut String, view: &View<'_>) {
    fields(text, CLIENTS, view);
}

const PROCESSOR: &Fields = &[
    ("used_cpu_sys", Text(|view| seconds(view.processor.process.system))),
    ("used_cpu_user", Text(|view| seconds(view.processor.process.user))),
    ("used_cpu_sys_children", Text(|view| seconds(view.processor.children.system))),
    ("used_cpu_user_children", Text(|view| seconds(view.processor.children.user))),
    ("used_cpu_sys_main_thread", Text(|view| seconds(view.processor.main_thread.system))),
    ("used_cpu_user_main_thread", Text(|view| seconds(view.processor.main_thread.user))),
];

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

pub(super) fn processor(text: &mut String, view: &View<'_>) {
    fields(text, PROCESSOR, view);
}
