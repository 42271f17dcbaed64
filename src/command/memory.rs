//! MEMORY: what the process takes, as far as that is known.
//!
//! Owns its syntax and replies. There are no keys whose memory could be told.

use super::info::memory::{Memory, human};
use super::keys::key;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, SYSTEM_COST};
use crate::resp::request::{Request, parse_integer};

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "memory",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for memory diagnostics commands.",
    action: Action::Subcommands(MEMORY),
    since: "4.0.0",
    ..Row::of(Group::Server)
}];

const MEMORY: &[Row] = &[
    Row {
        name: "memory|usage",
        arity: -3,
        flags: Flags::READONLY,
        summary: "Replies that there is no such key.",
        action: Action::Run(usage),
        since: "4.0.0",
        syntax: "key [SAMPLES count]",
        keys: &[key(2, "RO")],
        ..Row::of(Group::Server)
    },
    Row {
        name: "memory|doctor",
        arity: 2,
        flags: Flags::NONE,
        summary: "Outputs a memory problems report.",
        action: Action::Run(|context, _| {
            context.workspace.spend(SYSTEM_COST);
            let report = diagnose(&Memory::of(context.broker), context.broker.clients.len());
            context.reply().verbatim(report.as_bytes());
            Ok(Flow::Done)
        }),
        since: "4.0.0",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "memory|stats",
        arity: 2,
        flags: Flags::NONE,
        summary: "Returns details about memory usage.",
        action: Action::Run(stats),
        since: "4.0.0",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "memory|purge",
        arity: 2,
        flags: Flags::NONE,
        summary: "Does nothing: the allocator gives memory back by itself.",
        action: Action::Run(|context, _| context.ok()),
        since: "4.0.0",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "memory|malloc-stats",
        arity: 2,
        flags: Flags::NONE,
        summary: "Returns the allocator's statistics, as JSON.",
        action: Action::Run(|context, _| {
            context.workspace.spend(ALLOCATOR_COST);
            let report = (context.broker.identity.allocator_report)();
            context.reply().verbatim(report.as_bytes());
            Ok(Flow::Done)
        }),
        since: "4.0.0",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "memory|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::help::help(context, "MEMORY", HELP);
            Ok(Flow::Done)
        }),
        since: "4.0.0",
        ..Row::of(Group::Server)
    },
];

/// What the allocator's report costs of a turn's budget.
const ALLOCATOR_COST: usize = 1024;

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
];

fn usage(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mut index = 3;
    while index < request.len() {
        if !request.argument(index).eq_ignore_ascii_case(b"SAMPLES") || index + 1 == request.len() {
            return Err(Error::Syntax);
        }
        let samples = parse_integer(request.argument(index + 1)).ok_or(Error::NotInteger)?;
        if samples < 0 {
            return Err(Error::Syntax);
        }
        index += 2;
    }
    context.reply().null();
    Ok(Flow::Done)
}

/// A value of MEMORY STATS.
enum Value {
    Bytes(u64),
    Number(f64),
}

fn stats(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    use Value::{Bytes, Number};
    context.workspace.spend(SYSTEM_COST);
    let memory = Memory::of(context.broker);
    let values = [
        ("peak.allocated", Bytes(memory.peak)),
        ("total.allocated", Bytes(memory.resident)),
        ("startup.allocated", Bytes(memory.startup)),
        ("replication.backlog", Bytes(0)),
        ("clients.slaves", Bytes(0)),
        ("clients.normal", Bytes(memory.clients)),
        ("cluster.links", Bytes(0)),
        ("aof.buffer", Bytes(0)),
        ("lua.caches", Bytes(0)),
        ("functions.caches", Bytes(0)),
        ("overhead.total", Bytes(memory.overhead())),
        ("keys.count", Bytes(0)),
        ("keys.bytes-per-key", Bytes(0)),
        ("dataset.bytes", Bytes(memory.dataset())),
        ("dataset.percentage", Number(memory.dataset_percent())),
        ("peak.percentage", Number(memory.peak_percent())),
        ("allocator.allocated", Bytes(memory.resident)),
        ("allocator.active", Bytes(memory.resident)),
        ("allocator.resident", Bytes(memory.resident)),
        ("allocator-fragmentation.ratio", Number(1.0)),
        ("allocator-fragmentation.bytes", Bytes(0)),
        ("allocator-rss.ratio", Number(1.0)),
        ("allocator-rss.bytes", Bytes(0)),
        ("rss-overhead.ratio", Number(1.0)),
        ("rss-overhead.bytes", Bytes(0)),
        ("fragmentation", Number(1.0)),
        ("fragmentation.bytes", Bytes(0)),
    ];
    let mut reply = context.reply();
    reply.map(values.len());
    for (name, value) in values {
        reply.bulk(name.as_bytes());
        match value {
            Bytes(bytes) => reply.integer(bytes as i64),
            Number(number) => reply.double(&number.to_string()),
        }
    }
    Ok(Flow::Done)
}

/// A peak so many times what is used now is worth a word.
const PEAK_RATIO: u64 = 2;
/// Bytes that a client takes on average from which on it is worth a word.
const CLIENT_BYTES: u64 = 200 * 1024;

fn diagnose(memory: &Memory, clients: usize) -> String {
    let mut findings = String::new();
    if memory.peak >= memory.resident * PEAK_RATIO {
        findings += &format!(
            " * The peak was {}: what was freed since then may be needed again at the next one.\n",
            human(memory.peak)
        );
    }
    let each = memory.clients / clients.max(1) as u64;
    if each >= CLIENT_BYTES {
        findings += &format!(
            " * Clients have {} of unread output or unfinished requests each, on average. CLIENT LIST shows which \
             (omem, qbuf); client-output-buffer-limit bounds it.\n",
            human(each)
        );
    }
    if findings.is_empty() {
        return format!("{} are in use, and nothing is conspicuous about it.\n", human(memory.resident));
    }
    format!("{} are in use, and this is conspicuous:\n{findings}", human(memory.resident))
}
