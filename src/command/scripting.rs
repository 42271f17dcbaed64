//! EVAL and its relatives, for one script: the one with which Laravel broadcasts.
//!
//! Owns that script's texts and digests. There is no interpreter, and a script that is not known is answered like a
//! command that is not known. The known one is built in: it can be called by its digest without having been loaded, and
//! flushing does not remove it.

use super::each::for_each_argument;
use super::keys::numkeys;
use super::keyspace::is_flush_mode;
use super::publish::{Spread, publish_to_each};
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, help, monitor};
use crate::resp::request::{Request, parse_integer};

/// The script as it is sent by whom: the first argument is published to each of the others as a channel.
const SCRIPTS: &[Script] = &[
    // Laravel 6.11 (January 2020) and later.
    Script {
        text: "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend",
        digest: "6f799f6e3f4ab9f8b891f6405d5fc1348a6a0595",
    },
    // Laravel, from a checkout with line ends of Windows.
    Script {
        text: "for i = 2, #ARGV do\r\n  redis.call('publish', ARGV[i], ARGV[1])\r\nend",
        digest: "42ddae4004bcb33cdf6bc941e217da0f95090cac",
    },
    // Hypervel, which is made after Laravel and indents it.
    Script {
        text: "    for i = 2, #ARGV do\n      redis.call('publish', ARGV[i], ARGV[1])\n    end",
        digest: "c282db1ef9c4d114be646b16f5b8988de35e1563",
    },
];

/// Length of a digest.
const DIGEST_BYTES: usize = 40;
/// Digests that one step of SCRIPT EXISTS looks at.
const DIGESTS_PER_STEP: usize = 4096;

/// A script that is known.
struct Script {
    text: &'static str,
    /// SHA-1 of the text, in hexadecimal.
    digest: &'static str,
}

impl Script {
    fn with_text(text: &[u8]) -> Option<&'static Script> {
        SCRIPTS.iter().find(|script| script.text.as_bytes() == text)
    }

    fn with_digest(digest: &[u8]) -> Option<&'static Script> {
        SCRIPTS.iter().find(|script| digest.eq_ignore_ascii_case(script.digest.as_bytes()))
    }
}

const EVALUATING: Flags = Flags::NOSCRIPT
    .and(Flags::STALE)
    .and(Flags::SKIP_MONITOR)
    .and(Flags::MAY_REPLICATE)
    .and(Flags::NO_MANDATORY_KEYS)
    .and(Flags::DELIVERS);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "eval",
        arity: -3,
        flags: EVALUATING,
        summary: "Executes a script, if it is the one with which Laravel broadcasts.",
        action: Action::Run(eval),
        since: "2.6.0",
        syntax: "script numkeys:integer [key:key [key:key ...]] [arg [arg ...]]",
        keys: &[numkeys(2, "RW access update")],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "evalsha",
        arity: -3,
        flags: EVALUATING,
        summary: "Executes a script by its SHA-1 digest, if it is the one with which Laravel broadcasts.",
        action: Action::Run(evalsha),
        since: "2.6.0",
        syntax: "sha1 numkeys:integer [key:key [key:key ...]] [arg [arg ...]]",
        keys: &[numkeys(2, "RW access update")],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "script",
        arity: -2,
        summary: "A container for commands about scripts.",
        action: Action::Subcommands(SCRIPT),
        since: "2.6.0",
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "function",
        arity: -2,
        summary: "A container for commands about functions.",
        action: Action::Subcommands(FUNCTION),
        since: "7.0.0",
        ..Row::of(Group::Scripting)
    },
];

const SCRIPT: &[Row] = &[
    Row {
        name: "script|load",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        summary: "Returns the SHA-1 digest of a script, if it is the one that EVAL knows.",
        action: Action::Run(|context, request| {
            let script =
                Script::with_text(request.argument(2)).ok_or_else(|| Error::unknown_command(request))?;
            context.reply().bulk(script.digest.as_bytes());
            Ok(Flow::Done)
        }),
        since: "2.6.0",
        syntax: "script",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "script|exists",
        arity: -3,
        flags: Flags::NOSCRIPT,
        summary: "Returns which SHA-1 digests EVALSHA knows.",
        action: Action::Run(exists),
        since: "2.6.0",
        syntax: "sha1 [sha1 ...]",
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "script|flush",
        arity: -2,
        flags: Flags::NOSCRIPT,
        summary: "Does nothing: the one script is built in.",
        action: Action::Run(|context, request| {
            if request.len() > 3 || !request.arguments_from(2).all(is_flush_mode) {
                return Err(Error::ScriptFlushOption);
            }
            context.ok()
        }),
        since: "2.6.0",
        syntax: "[ASYNC | SYNC]",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "script|kill",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        summary: "Is refused: no script runs for so long that it would have to be ended.",
        action: Action::Run(|_, _| Err(Error::NoScriptRunning)),
        since: "2.6.0",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "script|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            help::help(context, "SCRIPT", SCRIPT_HELP);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Scripting)
    },
];

const SCRIPT_HELP: &[&str] = &[
    "EXISTS <sha1> [<sha1> ...]",
    "    Return which scripts are known, 1 or 0 for each.",
    "FLUSH [ASYNC|SYNC]",
    "    Does nothing: the one script that is known is built in.",
    "KILL",
    "    Is refused: no script runs for long.",
    "LOAD <script>",
    "    Return the digest of the script with which Laravel broadcasts; no other is known.",
];

const FUNCTION: &[Row] = &[
    Row {
        name: "function|flush",
        arity: -2,
        flags: Flags::WRITE.and(Flags::NOSCRIPT),
        summary: "Does nothing: there are no functions.",
        action: Action::Run(|context, request| match request.len() {
            2 => context.ok(),
            3 if is_flush_mode(request.argument(2)) => context.ok(),
            3 => Err(Error::FunctionFlushOption),
            _ => Err(Error::subcommand_arity(request, "FUNCTION")),
        }),
        since: "7.0.0",
        syntax: "[ASYNC | SYNC]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "function|list",
        arity: -2,
        flags: Flags::NOSCRIPT,
        summary: "Returns the libraries of functions: none.",
        action: Action::Run(list_functions),
        since: "7.0.0",
        syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        tips: &["nondeterministic_output_order"],
        ..Row::of(Group::Scripting)
    },
    Row {
        name: "function|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            help::help(context, "FUNCTION", FUNCTION_HELP);
            Ok(Flow::Done)
        }),
        since: "7.0.0",
        ..Row::of(Group::Scripting)
    },
];

const FUNCTION_HELP: &[&str] = &[
    "FLUSH [ASYNC|SYNC]",
    "    Does nothing: there are no functions.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Return the libraries. There are none.",
];

fn eval(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let keys = count_keys(request)?;
    Script::with_text(request.argument(1)).ok_or_else(|| Error::unknown_command(request))?;
    monitor::show_script(context, request);
    broadcast(context, request, keys)
}

fn evalsha(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    monitor::show_script(context, request);
    if request.argument(1).len() != DIGEST_BYTES {
        return Err(Error::NoScript);
    }
    let keys = count_keys(request)?;
    Script::with_digest(request.argument(1)).ok_or(Error::NoScript)?;
    broadcast(context, request, keys)
}

/// How many of the arguments are keys; the known script has no use for them.
fn count_keys(request: Request<'_>) -> Result<usize, Error> {
    let keys = parse_integer(request.argument(2)).ok_or(Error::NotInteger)?;
    let keys = usize::try_from(keys).map_err(|_| Error::NegativeKeys)?;
    if keys > request.len() - 3 { Err(Error::TooManyKeys) } else { Ok(keys) }
}

/// Does what the known script does.
fn broadcast(context: &mut Context<'_>, request: Request<'_>, keys: usize) -> Result<Flow, Error> {
    let payload = 3 + keys;
    if payload == request.len() {
        context.reply().null();
        return Ok(Flow::Done);
    }
    publish_to_each(context, request, Spread { payload, next: payload + 1, counted: false })
}

fn exists(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.reply().array(request.len() - 2);
    for_each_argument(context, request, 2, DIGESTS_PER_STEP, |context, digest| {
        context.reply().integer(i64::from(Script::with_digest(digest).is_some()));
        Progress::Done
    })
}

fn list_functions(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let (mut with_code, mut with_name) = (false, false);
    let mut options = request.arguments_from(2);
    while let Some(option) = options.next() {
        if !with_code && option.eq_ignore_ascii_case(b"WITHCODE") {
            with_code = true;
        } else if !with_name && option.eq_ignore_ascii_case(b"LIBRARYNAME") {
            options.next().ok_or(Error::NoLibraryName)?;
            with_name = true;
        } else {
            return Err(Error::UnknownArgument(option.to_vec()));
        }
    }
    context.reply().array(0);
    Ok(Flow::Done)
}
