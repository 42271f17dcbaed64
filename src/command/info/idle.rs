//! INFO persistence and replication: of a server that stores nothing and has no replicas.
//!
//! Owns their fields.

use super::Source::{Fixed, Number, Text};
use super::{Fields, View, fields};
use crate::config::options;

const PERSISTENCE: &Fields = &[
    ("loading", Fixed("0")),
    ("async_loading", Fixed("0")),
    ("current_cow_peak", Fixed("0")),
    ("current_cow_size", Fixed("0")),
    ("current_cow_size_age", Fixed("0")),
    ("current_fork_perc", Fixed("0.00")),
    ("current_save_keys_processed", Fixed("0")),
    ("current_save_keys_total", Fixed("0")),
    ("rdb_changes_since_last_save", Fixed("0")),
    ("rdb_bgsave_in_progress", Fixed("0")),
    // Redis's begins with the start, too.
    ("rdb_last_save_time", Number(|view| view.broker.started.unix_seconds())),
    ("rdb_last_bgsave_status", Fixed("ok")),
    ("rdb_last_bgsave_time_sec", Fixed("-1")),
    ("rdb_current_bgsave_time_sec", Fixed("-1")),
    ("rdb_saves", Fixed("0")),
    ("rdb_last_cow_size", Fixed("0")),
    ("rdb_last_load_keys_expired", Fixed("0")),
    ("rdb_last_load_keys_loaded", Fixed("0")),
    ("aof_enabled", Fixed("0")),
    ("aof_rewrite_in_progress", Fixed("0")),
    ("aof_rewrite_scheduled", Fixed("0")),
    ("aof_last_rewrite_time_sec", Fixed("-1")),
    ("aof_current_rewrite_time_sec", Fixed("-1")),
    ("aof_last_bgrewrite_status", Fixed("ok")),
    ("aof_rewrites", Fixed("0")),
    ("aof_rewrites_consecutive_failures", Fixed("0")),
    ("aof_last_write_status", Fixed("ok")),
    ("aof_last_cow_size", Fixed("0")),
    ("module_fork_in_progress", Fixed("0")),
    ("module_fork_last_cow_size", Fixed("0")),
];

pub(super) fn persistence(text: &mut String, view: &View<'_>) {
    fields(text, PERSISTENCE, view);
}

const REPLICATION: &Fields = &[
    ("role", Fixed("master")),
    ("connected_slaves", Fixed("0")),
    ("master_failover_state", Fixed("no-failover")),
    ("master_replid", Text(|view| view.broker.identity.run_id.clone())),
    ("master_replid2", Fixed("0000000000000000000000000000000000000000")),
    ("master_repl_offset", Fixed("0")),
    ("second_repl_offset", Fixed("-1")),
    ("repl_backlog_active", Fixed("0")),
    ("repl_backlog_size", Text(backlog_size)),
    ("repl_backlog_first_byte_offset", Fixed("0")),
    ("repl_backlog_histlen", Fixed("0")),
];

/// What the option says, as in Redis, where the backlog does not exist either before there is a replica.
fn backlog_size(view: &View<'_>) -> String {
    let size = options::find(b"repl-backlog-size").map(|option| option.get(&view.config));
    String::from_utf8_lossy(&size.unwrap_or_default()).into_owned()
}

pub(super) fn replication(text: &mut String, view: &View<'_>) {
    fields(text, REPLICATION, view);
}
