//! The commands about keys that handshakes, health checks, test fixtures and tools send, answered as by a Redis that
//! has no keys.
//!
//! Owns the choice: each of these is asked by something that does not store anything. What writes a value is unknown
//! here, and so is every other read, since an application that needs them must notice at once.

use super::categories::Categories;
use super::keys::{KeySpec, key};
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, help};
use crate::resp::request::{Request, parse_integer};

const READING: Flags = Flags::READONLY.and(Flags::FAST);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "flushall",
        arity: -1,
        flags: Flags::WRITE,
        summary: "Does nothing: there are no keys to remove.",
        action: Action::Run(flush),
        since: "1.0.0",
        syntax: "[ASYNC | SYNC]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        explicit_categories: Categories::of("dangerous keyspace"),
        ..Row::of(Group::Server)
    },
    Row {
        name: "flushdb",
        arity: -1,
        flags: Flags::WRITE,
        summary: "Does nothing: there are no keys to remove.",
        action: Action::Run(flush),
        since: "1.0.0",
        syntax: "[ASYNC | SYNC]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        explicit_categories: Categories::of("dangerous keyspace"),
        ..Row::of(Group::Server)
    },
    Row {
        name: "dbsize",
        arity: 1,
        flags: READING,
        summary: "Returns the number of keys: none.",
        action: Action::Run(none),
        since: "1.0.0",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        explicit_categories: Categories::of("keyspace"),
        ..Row::of(Group::Server)
    },
    Row {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY,
        summary: "Returns the keys that match a pattern: none.",
        action: Action::Run(|context, _| {
            context.reply().array(0);
            Ok(Flow::Done)
        }),
        since: "1.0.0",
        syntax: "pattern:pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        explicit_categories: Categories::of("dangerous keyspace"),
        ..Row::of(Group::Generic)
    },
    Row {
        name: "scan",
        arity: -2,
        flags: Flags::READONLY,
        summary: "Returns some of the keys: none, and that these were the last.",
        action: Action::Run(scan),
        since: "2.8.0",
        syntax: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]",
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        ..Row::of(Group::Generic)
    },
    Row {
        name: "exists",
        arity: -2,
        flags: READING,
        summary: "Returns how many of the keys exist: none.",
        action: Action::Run(none),
        since: "1.0.0",
        syntax: "key:key [key:key ...]",
        keys: &[key(1, "RO").through(-1, 1)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        ..Row::of(Group::Generic)
    },
    Row {
        name: "del",
        arity: -2,
        flags: Flags::WRITE,
        summary: "Returns how many keys were removed: none, since there are none.",
        action: Action::Run(none),
        since: "1.0.0",
        syntax: "key:key [key:key ...]",
        keys: &[key(1, "RM delete").through(-1, 1)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        ..Row::of(Group::Generic)
    },
    Row {
        name: "unlink",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        summary: "Returns how many keys were removed: none, since there are none.",
        action: Action::Run(none),
        since: "4.0.0",
        syntax: "key:key [key:key ...]",
        keys: &[key(1, "RM delete").through(-1, 1)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        ..Row::of(Group::Generic)
    },
    Row {
        name: "get",
        arity: 2,
        flags: READING,
        summary: "Returns the value of a key: null.",
        action: Action::Run(null),
        since: "1.0.0",
        syntax: "key:key",
        keys: &[key(1, "RO access")],
        ..Row::of(Group::String)
    },
    Row {
        name: "type",
        arity: 2,
        flags: READING,
        summary: "Returns the type of a key's value: none.",
        action: Action::Run(|context, _| {
            context.reply().simple("none");
            Ok(Flow::Done)
        }),
        since: "1.0.0",
        syntax: "key:key",
        keys: &[key(1, "RO")],
        ..Row::of(Group::Generic)
    },
    Row {
        name: "object",
        arity: -2,
        summary: "A container for commands that look into values.",
        action: Action::Subcommands(OBJECT),
        since: "2.2.3",
        ..Row::of(Group::Generic)
    },
    Row {
        name: "xrange",
        arity: -4,
        flags: Flags::READONLY,
        summary: "Returns the messages of a stream, for which Centrifugo asks when it starts: none.",
        action: Action::Run(xrange),
        since: "5.0.0",
        syntax: "key:key start end [COUNT count:integer]",
        keys: &[key(1, "RO access")],
        ..Row::of(Group::Stream)
    },
];

const OBJECT: &[Row] = &[
    inspection("object|encoding", "Returns how a value is represented: null.", "2.2.3"),
    inspection("object|freq", "Returns how often a value is used: null.", "4.0.0"),
    inspection("object|idletime", "Returns since when a value is not used: null.", "2.2.3"),
    inspection("object|refcount", "Returns how many references a value has: null.", "2.2.3"),
    Row {
        name: "object|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            help::help(context, "OBJECT", OBJECT_HELP);
            Ok(Flow::Done)
        }),
        since: "6.2.0",
        ..Row::of(Group::Generic)
    },
];

const OBJECT_HELP: &[&str] = &[
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

const INSPECTED: &[KeySpec] = &[key(2, "RO")];

const fn inspection(name: &'static str, summary: &'static str, since: &'static str) -> Row {
    Row {
        name,
        arity: 3,
        flags: Flags::READONLY,
        summary,
        action: Action::Run(null),
        since,
        syntax: "key:key",
        keys: INSPECTED,
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Generic)
    }
}

fn none(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    context.reply().integer(0);
    Ok(Flow::Done)
}

fn null(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    context.reply().null();
    Ok(Flow::Done)
}

fn flush(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    match request.len() {
        1 => context.ok(),
        2 if is_flush_mode(request.argument(1)) => context.ok(),
        _ => Err(Error::Syntax),
    }
}

/// Whether this says how something is flushed, SYNC or ASYNC.
pub(super) fn is_flush_mode(argument: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(b"SYNC") || argument.eq_ignore_ascii_case(b"ASYNC")
}

fn scan(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    // Redis reads a negative cursor as a large one, and none as the first.
    let cursor = request.argument(1);
    if !cursor.is_empty() {
        parse_unsigned(cursor.strip_prefix(b"-").unwrap_or(cursor)).ok_or(Error::InvalidCursor)?;
    }
    let mut options = request.arguments_from(2);
    while let Some(option) = options.next() {
        let value = options.next().ok_or(Error::Syntax)?;
        if option.eq_ignore_ascii_case(b"COUNT") {
            let count = parse_integer(value).ok_or(Error::NotInteger)?;
            if count < 1 {
                return Err(Error::Syntax);
            }
        } else if !option.eq_ignore_ascii_case(b"MATCH") && !option.eq_ignore_ascii_case(b"TYPE") {
            return Err(Error::Syntax);
        }
    }
    let mut reply = context.reply();
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
    Ok(Flow::Done)
}

fn xrange(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if stream_bound(request.argument(2), 0)? == Some((u64::MAX, u64::MAX)) {
        return Err(Error::InvalidStreamStart);
    }
    if stream_bound(request.argument(3), u64::MAX)? == Some((0, 0)) {
        return Err(Error::InvalidStreamEnd);
    }
    let mut options = request.arguments_from(4);
    while let Some(option) = options.next() {
        let count = options.next().filter(|_| option.eq_ignore_ascii_case(b"COUNT")).ok_or(Error::Syntax)?;
        parse_integer(count).ok_or(Error::NotInteger)?;
    }
    context.reply().array(0);
    Ok(Flow::Done)
}

/// The id that an end of an interval excludes, if it excludes one; without a second number it has `second`.
fn stream_bound(bound: &[u8], second: u64) -> Result<Option<(u64, u64)>, Error> {
    let (excludes, id) = match bound {
        b"-" | b"+" => return Ok(None),
        [b'(', id @ ..] => (true, id),
        id => (false, id),
    };
    // Blanks before a number are no part of it, as in Redis.
    let number = |text: &[u8]| parse_unsigned(text.trim_ascii_start());
    let mut numbers = id.splitn(2, |byte| *byte == b'-').map(number);
    match (numbers.next().flatten(), numbers.next().unwrap_or(Some(second))) {
        (Some(first), Some(second)) => Ok(excludes.then_some((first, second))),
        _ => Err(Error::InvalidStreamId),
    }
}

fn parse_unsigned(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
