//! ROLE, TIME, LOLWUT, and what Redis's replication and persistence are asked: WAIT, REPLICAOF, SAVE and their like.
//!
//! Owns their answers, those of a master without replicas that has nothing to save.

use super::categories::Categories;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow};
use crate::config::REDIS_VERSION;
use crate::resp::request::{Request, parse_integer};

const ASKING: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);
const SAVING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "role",
        arity: 1,
        flags: ASKING.and(Flags::NOSCRIPT).and(Flags::SENTINEL),
        summary: "Returns the replication role: a master without replicas.",
        action: Action::Run(role),
        since: "2.8.12",
        explicit_categories: Categories::of("admin dangerous"),
        ..Row::of(Group::Server)
    },
    Row {
        name: "time",
        arity: 1,
        flags: ASKING,
        summary: "Returns the server's time.",
        action: Action::Run(time),
        since: "2.6.0",
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "lolwut",
        arity: -1,
        flags: Flags::READONLY.and(Flags::FAST),
        summary: "Shows a picture and the version.",
        action: Action::Run(lolwut),
        since: "5.0.0",
        syntax: "[VERSION version:integer]",
        ..Row::of(Group::Server)
    },
    Row {
        name: "wait",
        arity: 3,
        flags: Flags::BLOCKING,
        summary: "Returns how many replicas have what was written: none, and without waiting since there will be none.",
        action: Action::Run(wait),
        since: "3.0.0",
        syntax: "numreplicas:integer timeout:integer",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        explicit_categories: Categories::of("connection"),
        ..Row::of(Group::Generic)
    },
    Row {
        name: "waitaof",
        arity: 4,
        flags: Flags::BLOCKING,
        summary: "Returns how many append-only files have what was written: none, since there are none.",
        action: Action::Run(waitaof),
        since: "7.2.0",
        syntax: "numlocal:integer numreplicas:integer timeout:integer",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        explicit_categories: Categories::of("connection"),
        ..Row::of(Group::Generic)
    },
    replicaof("replicaof", "5.0.0"),
    replicaof("slaveof", "1.0.0"),
    Row {
        name: "lastsave",
        arity: 1,
        flags: ASKING,
        summary: "Returns the time until which everything is saved: now, since nothing needs to be.",
        action: Action::Run(|context, _| {
            let seconds = context.now.unix_seconds();
            context.reply().integer(seconds as i64);
            Ok(Flow::Done)
        }),
        since: "1.0.0",
        tips: &["nondeterministic_output"],
        explicit_categories: Categories::of("admin dangerous"),
        ..Row::of(Group::Server)
    },
    Row {
        name: "save",
        arity: 1,
        flags: SAVING.and(Flags::NO_MULTI),
        summary: "Does nothing: nothing is stored.",
        action: Action::Run(|context, _| context.ok()),
        since: "1.0.0",
        ..Row::of(Group::Server)
    },
    Row {
        name: "bgsave",
        arity: -1,
        flags: SAVING,
        summary: "Does nothing, although it says what Redis says: nothing is stored.",
        action: Action::Run(bgsave),
        since: "1.0.0",
        syntax: "[SCHEDULE]",
        ..Row::of(Group::Server)
    },
    Row {
        name: "bgrewriteaof",
        arity: 1,
        flags: SAVING,
        summary: "Does nothing, although it says what Redis says: nothing is stored.",
        action: Action::Run(|context, _| {
            context.reply().simple("Background append only file rewriting started");
            Ok(Flow::Done)
        }),
        since: "1.0.0",
        ..Row::of(Group::Server)
    },
];

const fn replicaof(name: &'static str, since: &'static str) -> Row {
    Row {
        name,
        arity: 3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "NO ONE does nothing, since this is no replica; everything else is refused.",
        action: Action::Run(|context, request| {
            let no_one = request.argument(1).eq_ignore_ascii_case(b"NO")
                && request.argument(2).eq_ignore_ascii_case(b"ONE");
            if no_one { context.ok() } else { Err(Error::NoReplicas) }
        }),
        since,
        syntax: "<host port:integer | NO ONE>",
        ..Row::of(Group::Server)
    }
}

fn role(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let mut reply = context.reply();
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
    Ok(Flow::Done)
}

fn time(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let unix = context.now.unix;
    let mut reply = context.reply();
    reply.array(2);
    reply.bulk(unix.as_secs().to_string().as_bytes());
    reply.bulk(unix.subsec_micros().to_string().as_bytes());
    Ok(Flow::Done)
}

fn lolwut(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    // The pictures of other versions are not here, whichever is asked for.
    if request.len() > 2 && request.argument(1).eq_ignore_ascii_case(b"VERSION") {
        parse_integer(request.argument(2)).ok_or(Error::NotInteger)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "   .  o  O  ( you )  O  o  .\n\nHereabouts ver. {version}, speaking Redis ver. {REDIS_VERSION}\n"
    );
    context.reply().verbatim(text.as_bytes());
    Ok(Flow::Done)
}

fn wait(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    parse_integer(request.argument(1)).ok_or(Error::NotInteger)?;
    check_timeout(request.argument(2))?;
    context.reply().integer(0);
    Ok(Flow::Done)
}

fn waitaof(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let local = parse_integer(request.argument(1)).ok_or(Error::NotInteger)?;
    if !(0..=1).contains(&local) {
        return Err(Error::OutOfRange { least: 0, most: 1 });
    }
    parse_integer(request.argument(2)).filter(|replicas| *replicas >= 0).ok_or(Error::NotPositive)?;
    check_timeout(request.argument(3))?;
    if local == 1 {
        return Err(Error::NoAppendOnlyFile);
    }
    let mut reply = context.reply();
    reply.array(2);
    reply.integer(0);
    reply.integer(0);
    Ok(Flow::Done)
}

fn check_timeout(argument: &[u8]) -> Result<(), Error> {
    let milliseconds = parse_integer(argument).ok_or(Error::TimeoutNotInteger)?;
    if milliseconds < 0 { Err(Error::TimeoutNegative) } else { Ok(()) }
}

fn bgsave(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if request.len() > 2 || request.arguments_from(1).any(|mode| !mode.eq_ignore_ascii_case(b"SCHEDULE")) {
        return Err(Error::Syntax);
    }
    context.reply().simple("Background saving started");
    Ok(Flow::Done)
}
