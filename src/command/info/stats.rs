//! INFO stats, commandstats, errorstats and latencystats.
//!
//! Owns their fields.

use super::Source::{Counter, Fixed, Number, Text};
use super::{Fields, View, field, fields};
use crate::broker::stats::Counter as Of;
use crate::command::table;
use crate::resp::push::ChannelKind;

const STATS: &Fields = &[
    ("total_connections_received", Counter(Of::ConnectionsReceived)),
    ("total_commands_processed", Counter(Of::CommandsProcessed)),
    ("instantaneous_ops_per_sec", Number(|view| view.reading.commands_per_second)),
    ("total_net_input_bytes", Counter(Of::InputBytes)),
    ("total_net_output_bytes", Counter(Of::OutputBytes)),
    ("total_net_repl_input_bytes", Fixed("0")),
    ("total_net_repl_output_bytes", Fixed("0")),
    ("instantaneous_input_kbps", Text(|view| kilobytes(view.reading.input_bytes_per_second))),
    ("instantaneous_output_kbps", Text(|view| kilobytes(view.reading.output_bytes_per_second))),
    ("instantaneous_input_repl_kbps", Fixed("0.00")),
    ("instantaneous_output_repl_kbps", Fixed("0.00")),
    ("rejected_connections", Counter(Of::ConnectionsRejected)),
    ("sync_full", Fixed("0")),
    ("sync_partial_ok", Fixed("0")),
    ("sync_partial_err", Fixed("0")),
    ("expired_keys", Fixed("0")),
    ("expired_stale_perc", Fixed("0.00")),
    ("expired_time_cap_reached_count", Fixed("0")),
    ("expire_cycle_cpu_milliseconds", Fixed("0")),
    ("evicted_keys", Fixed("0")),
    ("evicted_clients", Counter(Of::ClientsEvicted)),
    ("total_eviction_exceeded_time", Fixed("0")),
    ("current_eviction_exceeded_time", Fixed("0")),
    ("keyspace_hits", Fixed("0")),
    ("keyspace_misses", Fixed("0")),
    ("pubsub_channels", Number(|view| view.broker.subscriptions.channels(ChannelKind::Global) as u64)),
    ("pubsub_patterns", Number(|view| view.broker.subscriptions.patterns() as u64)),
    ("pubsubshard_channels", Number(|view| view.broker.subscriptions.channels(ChannelKind::Shard) as u64)),
    ("latest_fork_usec", Fixed("0")),
    ("total_forks", Fixed("0")),
    ("migrate_cached_sockets", Fixed("0")),
    ("slave_expires_tracked_keys", Fixed("0")),
    ("active_defrag_hits", Fixed("0")),
    ("active_defrag_misses", Fixed("0")),
    ("active_defrag_key_hits", Fixed("0")),
    ("active_defrag_key_misses", Fixed("0")),
    ("total_active_defrag_time", Fixed("0")),
    ("current_active_defrag_time", Fixed("0")),
    ("tracking_total_keys", Fixed("0")),
    ("tracking_total_items", Fixed("0")),
    ("tracking_total_prefixes", Fixed("0")),
    ("unexpected_error_replies", Fixed("0")),
    ("total_error_replies", Counter(Of::ErrorReplies)),
    ("dump_payload_sanitizations", Fixed("0")),
    ("total_reads_processed", Counter(Of::Reads)),
    ("total_writes_processed", Counter(Of::Writes)),
    ("io_threaded_reads_processed", Fixed("0")),
    ("io_threaded_writes_processed", Fixed("0")),
    ("client_query_buffer_limit_disconnections", Counter(Of::QueryLimitDisconnections)),
    ("client_output_buffer_limit_disconnections", Counter(Of::OutputLimitDisconnections)),
    ("reply_buffer_shrinks", Fixed("0")),
    ("reply_buffer_expands", Fixed("0")),
    ("eventloop_cycles", Counter(Of::Turns)),
    ("eventloop_duration_sum", Number(|view| view.broker.stats.total(Of::TurnNanoseconds) / 1000)),
    ("eventloop_duration_cmd_sum", Number(|view| view.broker.stats.total(Of::CommandNanoseconds) / 1000)),
    ("instantaneous_eventloop_cycles_per_sec", Number(|view| view.reading.turns_per_second)),
    ("instantaneous_eventloop_duration_usec", Number(|view| view.reading.turn_microseconds)),
    ("acl_access_denied_auth", Counter(Of::AuthenticationsDenied)),
    ("acl_access_denied_cmd", Fixed("0")),
    ("acl_access_denied_key", Fixed("0")),
    ("acl_access_denied_channel", Fixed("0")),
    // Ours.
    ("accept_errors", Counter(Of::AcceptErrors)),
    ("tls_handshake_errors", Counter(Of::TlsHandshakeErrors)),
    ("client_write_timeout_disconnections", Counter(Of::WriteTimeoutDisconnections)),
    ("client_idle_disconnections", Counter(Of::IdleDisconnections)),
    ("client_panics", Counter(Of::Panics)),
    ("pubsub_messages_published", Counter(Of::MessagesPublished)),
    ("pubsub_messages_delivered", Counter(Of::MessagesDelivered)),
    ("longest_turn_usec", Number(|view| view.broker.stats.longest_turn_us())),
];

fn kilobytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1024.0)
}

pub(super) fn stats(text: &mut String, view: &View<'_>) {
    fields(text, STATS, view);
}

/// Every row of the command table with its number.
fn rows() -> impl Iterator<Item = (u16, &'static str)> {
    (0..).zip(table::rows().iter().map(|row| row.name))
}

pub(super) fn commands(text: &mut String, view: &View<'_>) {
    for (number, name) in rows() {
        let counts = view.broker.stats.commands.counts(number);
        if counts.calls + counts.rejected == 0 {
            continue;
        }
        let microseconds = counts.nanoseconds as f64 / 1000.0;
        field(
            text,
            &format!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                counts.calls,
                counts.nanoseconds / 1000,
                microseconds / counts.calls.max(1) as f64,
                counts.rejected,
                counts.failed,
            ),
        );
    }
}

pub(super) fn errors(text: &mut String, view: &View<'_>) {
    for (word, count) in view.broker.stats.errors.all() {
        // It may be a client's, and must not look like another field. (Redis `getSafeInfoString`.)
        let word: String = String::from_utf8_lossy(&word)
            .chars()
            .map(|character| if "#:\r\n\0".contains(character) { '_' } else { character })
            .collect();
        field(text, &format!("errorstat_{word}"), format_args!("count={count}"));
    }
}

pub(super) fn latencies(text: &mut String, view: &View<'_>) {
    if !view.config.latency_tracking {
        return;
    }
    for (number, name) in rows() {
        let Some(distribution) = view.broker.stats.commands.distribution(number) else { continue };
        let percentiles = view.config.latency_tracking_info_percentiles.iter().map(|percentile| {
            let microseconds = distribution.percentile_ns(*percentile) as f64 / 1000.0;
            format!("p{}={microseconds:.3}", f64::from(*percentile) / 1e6)
        });
        let shown: Vec<String> = percentiles.collect();
        field(text, &format!("latency_percentiles_usec_{name}"), shown.join(","));
    }
}
