//! INFO.
//!
//! Owns its sections and fields, whose names are Redis's since monitoring reads them.

use std::fmt::Write;

use super::categories::Categories;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow};
use crate::broker::Broker;
use crate::broker::clients::Mark;
use crate::broker::stats::Counter;
use crate::config::REDIS_VERSION;
use crate::resp::push::ChannelKind;
use crate::resp::request::Request;
use crate::time::Now;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
    summary: "Returns information and statistics about the server.",
    action: Action::Run(info),
    since: "1.0.0",
    syntax: "[section [section ...]]",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    explicit_categories: Categories::of("dangerous"),
    ..Row::of(Group::Server)
}];

/// What INFO costs of a turn's budget: it looks at every client and every shard.
const INFO_COST: usize = 1024;

/// A section of INFO.
struct Section {
    name: &'static str,
    write: fn(&mut String, &Broker, Now),
}

const SECTIONS: &[Section] = &[
    Section { name: "Server", write: server_section },
    Section { name: "Clients", write: clients_section },
    Section { name: "Memory", write: memory_section },
    Section { name: "Persistence", write: |text, _, _| field(text, "loading", 0) },
    Section { name: "Stats", write: stats_section },
    Section { name: "Replication", write: replication_section },
    Section { name: "CPU", write: cpu_section },
    Section { name: "Modules", write: |_, _, _| () },
    Section { name: "Cluster", write: |text, _, _| field(text, "cluster_enabled", 0) },
    Section { name: "Keyspace", write: |_, _, _| () },
];

fn info(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.workspace.spend(INFO_COST);
    let wanted = |name: &str| {
        request.len() == 1
            || request.arguments_from(1).any(|argument| {
                argument.eq_ignore_ascii_case(name.as_bytes())
                    || [&b"all"[..], b"everything", b"default"]
                        .iter()
                        .any(|all| argument.eq_ignore_ascii_case(all))
            })
    };
    let mut text = String::new();
    for section in SECTIONS.iter().filter(|section| wanted(section.name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(section.name);
        text.push_str("\r\n");
        (section.write)(&mut text, context.broker, context.now);
    }
    context.reply().verbatim(text.as_bytes());
    Ok(Flow::Done)
}

fn field(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{name}:{value}\r\n");
}

fn server_section(text: &mut String, broker: &Broker, now: Now) {
    let uptime = now.monotonic.saturating_sub(broker.started.monotonic).as_secs();
    let config = broker.config();
    field(text, "redis_version", REDIS_VERSION);
    field(text, "hereabouts_version", env!("CARGO_PKG_VERSION"));
    field(text, "redis_mode", "standalone");
    field(text, "os", std::env::consts::OS);
    field(text, "arch_bits", usize::BITS);
    field(text, "process_id", broker.identity.process_id);
    field(text, "run_id", &broker.identity.run_id);
    field(text, "tcp_port", config.port.unwrap_or(0));
    field(text, "server_time_usec", now.unix.as_micros());
    field(text, "uptime_in_seconds", uptime);
    field(text, "uptime_in_days", uptime / 86_400);
    field(text, "executable", &broker.identity.executable);
    field(text, "config_file", &broker.identity.config_file);
}

fn clients_section(text: &mut String, broker: &Broker, _: Now) {
    let (mut subscribed, mut tracking) = (0, 0);
    let mut after = 0;
    loop {
        let page = broker.clients.after(after, 1024);
        let Some(last) = page.last() else { break };
        after = last.id;
        subscribed += page.iter().filter(|client| client.is_subscribed()).count();
        tracking += page.iter().filter(|client| client.is(Mark::Tracking)).count();
    }
    field(text, "connected_clients", broker.clients.len());
    field(text, "maxclients", broker.config().maxclients);
    field(text, "blocked_clients", broker.pause.waiting());
    field(text, "tracking_clients", tracking);
    field(text, "pubsub_clients", subscribed);
}

fn memory_section(text: &mut String, broker: &Broker, _: Now) {
    let resident = (broker.identity.resident_bytes)();
    field(text, "used_memory", resident);
    field(text, "used_memory_rss", resident);
    field(text, "maxmemory", 0);
}

fn stats_section(text: &mut String, broker: &Broker, _: Now) {
    let counters = [
        ("total_connections_received", Counter::ConnectionsReceived),
        ("total_commands_processed", Counter::CommandsProcessed),
        ("total_net_input_bytes", Counter::InputBytes),
        ("total_net_output_bytes", Counter::OutputBytes),
        ("rejected_connections", Counter::ConnectionsRejected),
        ("accept_errors", Counter::AcceptErrors),
        ("total_error_replies", Counter::ErrorReplies),
        ("client_query_buffer_limit_disconnections", Counter::QueryLimitDisconnections),
        ("client_output_buffer_limit_disconnections", Counter::OutputLimitDisconnections),
        ("client_write_timeout_disconnections", Counter::WriteTimeoutDisconnections),
        ("client_idle_disconnections", Counter::IdleDisconnections),
        ("evicted_clients", Counter::ClientsEvicted),
        ("client_panics", Counter::Panics),
        ("pubsub_messages_published", Counter::MessagesPublished),
        ("pubsub_messages_delivered", Counter::MessagesDelivered),
    ];
    for (name, counter) in counters {
        field(text, name, broker.stats.total(counter));
    }
    field(text, "longest_turn_usec", broker.stats.longest_turn_us());
    field(text, "pubsub_channels", broker.subscriptions.channels(ChannelKind::Global));
    field(text, "pubsub_patterns", broker.subscriptions.patterns());
    field(text, "pubsubshard_channels", broker.subscriptions.channels(ChannelKind::Shard));
}

fn cpu_section(text: &mut String, broker: &Broker, _: Now) {
    let (system, user) = (broker.identity.processor_time)();
    field(text, "used_cpu_sys", format_args!("{:.6}", system.as_secs_f64()));
    field(text, "used_cpu_user", format_args!("{:.6}", user.as_secs_f64()));
}

fn replication_section(text: &mut String, broker: &Broker, _: Now) {
    field(text, "role", "master");
    field(text, "connected_slaves", 0);
    field(text, "master_replid", &broker.identity.run_id);
    field(text, "master_repl_offset", 0);
}
