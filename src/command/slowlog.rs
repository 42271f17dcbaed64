//! SLOWLOG: the commands that took longer than `slowlog-log-slower-than`.
//!
//! Owns its syntax and replies.

use std::sync::Arc;

use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::broker::slow_log::Entry;
use crate::resp::request::{Request, parse_integer};

/// Entries that GET shows unless it is told how many. (Redis.)
const SHOWN: usize = 10;

const OPERATING: Flags = Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "slowlog",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for slow log commands.",
    action: Action::Subcommands(SLOWLOG),
    since: "2.2.12",
    ..Row::of(Group::Server)
}];

const SLOWLOG: &[Row] = &[
    Row {
        name: "slowlog|get",
        arity: -2,
        flags: OPERATING,
        summary: "Returns the slow log's entries.",
        action: Action::Run(get),
        since: "2.2.12",
        syntax: "[count]",
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "slowlog|len",
        arity: 2,
        flags: OPERATING,
        summary: "Returns the number of entries in the slow log.",
        action: Action::Run(|context, _| {
            let length = context.broker.slow_log.len();
            context.reply().integer(length as i64);
            Ok(Flow::Done)
        }),
        since: "2.2.12",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "slowlog|reset",
        arity: 2,
        flags: OPERATING,
        summary: "Clears all entries from the slow log.",
        action: Action::Run(|context, _| {
            context.broker.slow_log.reset();
            context.ok()
        }),
        since: "2.2.12",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "slowlog|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::help::help(context, "SLOWLOG", HELP);
            Ok(Flow::Done)
        }),
        since: "6.2.0",
        ..Row::of(Group::Server)
    },
];

const HELP: &[&str] = &[
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
];

fn get(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let most = match request.len() {
        2 => SHOWN,
        3 => match parse_integer(request.argument(2)) {
            Some(-1) => usize::MAX,
            Some(most @ 0..) => usize::try_from(most).unwrap_or(usize::MAX),
            _ => return Err(Error::SlowLogCount),
        },
        _ => {
            return Err(Error::subcommand_arity(request, "SLOWLOG"));
        }
    };
    let entries = context.broker.slow_log.latest(most);
    context.reply().array(entries.len());
    resume_now(context, GetRest { entries: entries.into_iter() })
}

/// Entries that are yet to be shown.
struct GetRest {
    entries: std::vec::IntoIter<Arc<Entry>>,
}

impl Resume for GetRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        while context.workspace.budget > 0 {
            let Some(entry) = self.entries.next() else { return Ok(Progress::Done) };
            context.workspace.spend(1 + entry.arguments.len());
            let mut reply = context.reply();
            reply.array(6);
            for number in [entry.id, entry.unix_seconds, entry.microseconds] {
                reply.integer(number as i64);
            }
            reply.array(entry.arguments.len());
            entry.arguments.iter().for_each(|argument| reply.bulk(argument));
            reply.bulk(entry.address.as_bytes());
            reply.bulk(&entry.name);
        }
        Ok(Progress::Yield)
    }
}
