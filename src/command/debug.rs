//! DEBUG, for tests of this server, of client libraries, and those that were written for Redis.
//!
//! Owns its syntax and who may use it. Redis, too, has no rows for the subcommands.

use std::time::Duration;

use super::spec::{Action, Flags, Group, Handler, Row};
use super::{Context, Error, Flow, Progress, Resume, help};
use crate::broker::session::Session;
use crate::resp::Protocol;
use crate::resp::request::{Request, parse_integer};

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED),
    summary: "A container for debugging commands.",
    action: Action::Run(debug),
    since: "1.0.0",
    syntax: "subcommand [arg [arg ...]]",
    ..Row::of(Group::Server)
}];

/// Name, number of arguments, and what it does.
const SUBCOMMANDS: &[(&str, usize, Handler)] = &[
    ("DICT-RESIZING", 3, |context, _| context.ok()),
    ("ERROR", 3, |_, request| Err(Error::Chosen(request.argument(2).to_vec()))),
    ("HELP", 2, |context, _| {
        help::help(context, "DEBUG", HELP);
        Ok(Flow::Done)
    }),
    ("LOG", 3, log),
    ("PANIC", 2, |context, _| panic!("DEBUG PANIC was called by client {}", context.session.id())),
    ("PAUSE-CRON", 3, |context, _| context.ok()),
    ("PROTOCOL", 3, protocol),
    ("REPLYBUFFER", 4, replybuffer),
    ("SET-ACTIVE-EXPIRE", 3, |context, _| context.ok()),
    ("SET-DISABLE-DENY-SCRIPTS", 3, |context, _| context.ok()),
    ("SLEEP", 3, sleep),
];

const HELP: &[&str] = &[
    "DICT-RESIZING <0|1>",
    "    Does nothing: there are no keys.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "PANIC",
    "    Panic in this connection, which ends it and no other.",
    "PAUSE-CRON <0|1>",
    "    Does nothing: what is done periodically here does not disturb tests.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>",
    "REPLYBUFFER RESIZING <0|1>",
    "    Does nothing: a client without output has no reply buffer.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Does nothing: there are no keys that expire.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Does nothing: there are no scripts to which commands are denied.",
    "SLEEP <seconds>",
    "    Let this connection do nothing for so long. Others go on. Decimals allowed.",
];

/// Whether this client may use DEBUG. (`enable-debug-command`.)
pub(super) fn is_allowed(session: &Session) -> bool {
    session.config().enable_debug_command.includes(session.client.address.is_local())
}

fn debug(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let is_meant = |name: &str, arguments: usize| {
        request.argument(1).eq_ignore_ascii_case(name.as_bytes()) && request.len() == arguments
    };
    match SUBCOMMANDS.iter().find(|(name, arguments, _)| is_meant(name, *arguments)) {
        Some((_, _, handler)) => handler(context, request),
        None => Err(Error::subcommand_arity(request, "DEBUG")),
    }
}

fn log(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(request.argument(2)));
    context.ok()
}

fn replybuffer(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let (name, value) = (request.argument(2), request.argument(3));
    let is_word = |word: &[u8]| value.eq_ignore_ascii_case(word);
    if name.eq_ignore_ascii_case(b"PEAK-RESET-TIME") {
        if !is_word(b"NEVER") && !is_word(b"RESET") {
            parse_integer(value).ok_or(Error::NotInteger)?;
        }
    } else if !name.eq_ignore_ascii_case(b"RESIZING") {
        return Err(Error::subcommand_arity(request, "DEBUG"));
    }
    context.ok()
}

/// A value of each type, the same as Redis's.
fn protocol(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let resp3 = context.session.protocol == Protocol::Resp3;
    let mut reply = context.reply();
    match request.argument(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double("3.141"),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !resp3 => return Err(Error::Resp3Only),
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => return Err(Error::ProtocolTypeName),
    }
    Ok(Flow::Done)
}

/// Redis blocks as a whole. Here only the client sleeps that asks for it.
fn sleep(_: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    // What is no number is none, as in Redis; so is what would have to last longer than time does.
    let seconds = std::str::from_utf8(request.argument(2)).ok().and_then(|text| text.parse().ok());
    let duration = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default();
    Ok(Flow::Later(Box::new(SleepRest { duration, until: None })))
}

/// A SLEEP under way.
struct SleepRest {
    duration: Duration,
    until: Option<Duration>,
}

impl Resume for SleepRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let now = context.now.monotonic;
        let until = *self.until.get_or_insert(now.saturating_add(self.duration));
        if now < until {
            context.workspace.wake_at = until;
            return Ok(Progress::Sleep);
        }
        context.reply().simple("OK");
        Ok(Progress::Done)
    }
}
