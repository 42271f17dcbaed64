//! COMMAND: what commands there are.
//!
//! Owns the syntax of its subcommands and the form in which a row is told. COMMAND, COUNT, LIST and DOCS are about what is
//! served; INFO and GETKEYS know every name of Redis, since clients ask them what a command's arguments mean.

use super::categories::Categories;
use super::docs::write_docs;
use super::keys::{Begin, Find, KeySpec, Keys, find_keys, has_keys, legacy_range};
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, Resume, redis, resume_now, table};
use crate::glob;
use crate::resp::Protocol;
use crate::resp::reply::Reply;
use crate::resp::request::{OwnedRequest, Request};

/// Bytes of a description that cost one unit of a turn's budget: writing them takes as long as reaching a receiver.
const BYTES_PER_UNIT: usize = 32;
/// Bytes of a description of commands, which may be asked for again and again in one request: above, the client is closed
/// as one that goes over its output limit. All of Redis's commands take 100 KiB.
const TOLD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Keys that one step of COMMAND GETKEYS returns.
const KEYS_PER_STEP: usize = 1024;

const ASKING: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL);
const IN_ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const CONNECTION: Categories = Categories::of("connection");

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "command",
    arity: -1,
    flags: ASKING,
    summary: "Returns detailed information about all commands that are served.",
    action: Action::RunOrSubcommands(|context, request| tell(context, What::Info, request), COMMAND),
    since: "2.8.13",
    tips: IN_ANY_ORDER,
    explicit_categories: CONNECTION,
    ..Row::of(Group::Server)
}];

const COMMAND: &[Row] = &[
    Row {
        name: "command|count",
        arity: 2,
        flags: ASKING,
        summary: "Returns the number of commands that are served.",
        action: Action::Run(|context, _| {
            let count = served().filter(|row| !row.is_subcommand()).count();
            context.reply().integer(count as i64);
            Ok(Flow::Done)
        }),
        since: "2.8.13",
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|list",
        arity: -2,
        flags: ASKING,
        summary: "Returns the names of the commands that are served.",
        action: Action::Run(list),
        since: "7.0.0",
        syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern:pattern>]",
        tips: IN_ANY_ORDER,
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|info",
        arity: -2,
        flags: ASKING,
        summary: "Returns what is known about commands, Redis's included that are not served.",
        action: Action::Run(|context, request| tell(context, What::Info, request)),
        since: "2.8.13",
        syntax: "[command-name [command-name ...]]",
        tips: IN_ANY_ORDER,
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|docs",
        arity: -2,
        flags: ASKING,
        summary: "Returns documentation about the commands that are served.",
        action: Action::Run(|context, request| tell(context, What::Docs, request)),
        since: "7.0.0",
        syntax: "[command-name [command-name ...]]",
        tips: IN_ANY_ORDER,
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|getkeys",
        arity: -3,
        flags: ASKING,
        summary: "Extracts the names of keys from a whole command.",
        action: Action::Run(|context, request| get_keys(context, request, false)),
        since: "2.8.13",
        syntax: "command [arg [arg ...]]",
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|getkeysandflags",
        arity: -3,
        flags: ASKING,
        summary: "Extracts the names of keys from a whole command, and what is done with them.",
        action: Action::Run(|context, request| get_keys(context, request, true)),
        since: "7.0.0",
        syntax: "command [arg [arg ...]]",
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
    Row {
        name: "command|help",
        arity: 2,
        flags: ASKING,
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::help::help(context, "COMMAND", HELP);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        explicit_categories: CONNECTION,
        ..Row::of(Group::Server)
    },
];

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all commands that are served.",
    "COUNT",
    "    Return the total number of commands that are served.",
    "LIST",
    "    Return a list of all commands that are served.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands, all of Redis's included.",
    "    If no command names are given, details for all commands that",
    "    are served are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands that are served are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full command.",
];

/// What does something. The subcommands that are refused, too, stay out of their container.
fn served() -> impl Iterator<Item = &'static Row> {
    table::rows().iter().copied().filter(|row| row.is_served())
}

fn list(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let is_filter = request.len() == 5 && request.argument(2).eq_ignore_ascii_case(b"FILTERBY");
    if request.len() != 2 && !is_filter {
        return Err(Error::Syntax);
    }
    let names: Vec<&str> = match is_filter {
        false => served().map(|row| row.name).collect(),
        true => filtered(context, request.argument(3), request.argument(4))?,
    };
    let mut reply = context.reply();
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(Flow::Done)
}

/// The names that a filter of COMMAND LIST lets through.
fn filtered(context: &mut Context<'_>, filter: &[u8], value: &[u8]) -> Result<Vec<&'static str>, Error> {
    let names = |is_wanted: &mut dyn FnMut(&Row) -> bool| {
        served().filter(|row| is_wanted(row)).map(|row| row.name).collect()
    };
    Ok(match filter.to_ascii_uppercase().as_slice() {
        b"MODULE" => Vec::new(),
        b"ACLCAT" => match Categories::parse(value) {
            Some(category) => names(&mut |row| row.categories().has(category)),
            None => Vec::new(),
        },
        b"PATTERN" => {
            let longest = context.session.config().max_pattern_length;
            if value.len() > longest {
                return Err(Error::PatternTooLong(longest));
            }
            let pattern = value.to_ascii_lowercase();
            let budget = &mut context.workspace.budget;
            names(&mut |row| glob::matches_within(&pattern, row.name.as_bytes(), budget))
        }
        _ => return Err(Error::Syntax),
    })
}

/// What is told of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Info,
    Docs,
}

/// COMMAND, INFO or DOCS, under way.
struct Told {
    what: What,
    /// The request, if it names commands: otherwise they are all that are served.
    asked: Option<OwnedRequest>,
    next: usize,
    count: usize,
    /// What has been told so far, encoded.
    encoded: Vec<u8>,
}

fn tell(context: &mut Context<'_>, what: What, request: Request<'_>) -> Result<Flow, Error> {
    let asked = (request.len() > 2).then(|| request.to_owned());
    let next = if asked.is_some() { 2 } else { 0 };
    resume_now(context, Told { what, asked, next, count: 0, encoded: Vec::new() })
}

impl Told {
    /// The next command; inside, none: nobody knows that name.
    fn next(&mut self) -> Option<Option<&'static Row>> {
        let Some(asked) = &self.asked else {
            let rest = table::rows().get(self.next..)?;
            let skipped = rest.iter().position(|row| row.is_served() && !row.is_subcommand())?;
            self.next += skipped + 1;
            return Some(Some(rest[skipped]));
        };
        let request = asked.as_request();
        self.next += 1;
        (self.next <= request.len()).then(|| table::find_known(request.argument(self.next - 1)))
    }

    /// Whether there was something to tell.
    fn write(&mut self, row: Option<&'static Row>, protocol: Protocol) -> bool {
        let mut reply = Reply::new(&mut self.encoded, protocol);
        match (self.what, row) {
            (What::Info, Some(row)) => write_info(&mut reply, row, self.asked.is_some()),
            (What::Info, None) => reply.null(),
            (What::Docs, Some(row)) if row.is_served() => write_docs(&mut reply, row),
            (What::Docs, _) => return false,
        }
        true
    }
}

impl Resume for Told {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        while let Some(row) = self.next() {
            let before = self.encoded.len();
            self.count += usize::from(self.write(row, context.session.protocol));
            context.workspace.spend(1 + (self.encoded.len() - before) / BYTES_PER_UNIT);
            if self.encoded.len() > TOLD_BYTES_MAX {
                context.close_for_reply();
                return Ok(Progress::Done);
            }
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
        }
        let mut reply = context.reply();
        match self.what {
            What::Info => reply.array(self.count),
            What::Docs => reply.map(self.count),
        }
        reply.raw(&self.encoded);
        Ok(Progress::Done)
    }
}

/// A command as COMMAND and COMMAND INFO tell it, in ten elements. (Redis `addReplyCommandInfo`.) A container's
/// subcommands that are not served are told if `everything` is.
fn write_info(reply: &mut Reply<'_>, row: &'static Row, everything: bool) {
    let (range, movable) = legacy_range(row.keys);
    reply.array(10);
    reply.bulk(row.name.as_bytes());
    reply.integer(i64::from(row.arity));
    write_names(reply, flag_names(row, movable));
    range.iter().for_each(|&position| reply.integer(i64::from(position)));
    let categories = row.categories().names();
    reply.set(categories.clone().count());
    categories.for_each(|name| reply.simple(&format!("@{name}")));
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|spec| write_key_spec(reply, spec));
    let subcommands = row.subcommands().iter().chain(redis::subcommands(row.name));
    let subcommands = subcommands.filter(|row| everything || row.is_served());
    match subcommands.clone().count() {
        // An empty set and not an empty array, as Redis has it.
        0 => reply.set(0),
        count => reply.array(count),
    }
    subcommands.for_each(|subcommand| write_info(reply, subcommand, everything));
}

/// The names of its flags, and among them, in Redis's order, that its keys are not where the old form says.
fn flag_names(row: &Row, movable: bool) -> impl Iterator<Item = &'static str> + Clone {
    let is_last = |name: &&str| *name == "allow_busy";
    let names = row.flags.names();
    let last = names.clone().filter(is_last);
    names.filter(move |name| !is_last(name)).chain(movable.then_some("movablekeys")).chain(last)
}

fn write_names(reply: &mut Reply<'_>, names: impl Iterator<Item = &'static str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.simple(name));
}

fn write_key_spec(reply: &mut Reply<'_>, spec: &KeySpec) {
    reply.map(3);
    reply.bulk(b"flags");
    write_names(reply, spec.flags.names());
    let (kind, keyword, numbers): (&str, _, &[(&str, i32)]) = match spec.begin {
        Begin::Index(index) => ("index", None, &[("index", index)]),
        Begin::Keyword(word, from) => ("keyword", Some(word), &[("startfrom", from)]),
        Begin::Unknown => ("unknown", None, &[]),
    };
    write_search(reply, "begin_search", kind, keyword, numbers);
    let (kind, numbers): (&str, &[(&str, i32)]) = match spec.find {
        Find::Range { last, step, limit } => {
            ("range", &[("lastkey", last), ("keystep", step), ("limit", limit)])
        }
        Find::Number => ("keynum", &[("keynumidx", 0), ("firstkey", 1), ("keystep", 1)]),
        Find::Unknown => ("unknown", &[]),
    };
    write_search(reply, "find_keys", kind, None, numbers);
}

fn write_search(
    reply: &mut Reply<'_>,
    name: &str,
    kind: &str,
    keyword: Option<&str>,
    numbers: &[(&str, i32)],
) {
    reply.bulk(name.as_bytes());
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len() + usize::from(keyword.is_some()));
    if let Some(keyword) = keyword {
        reply.bulk(b"keyword");
        reply.bulk(keyword.as_bytes());
    }
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(i64::from(*number));
    }
}

fn get_keys(context: &mut Context<'_>, request: Request<'_>, with_flags: bool) -> Result<Flow, Error> {
    let (row, length) = (find_nested(request)?, request.len() - 2);
    if !has_keys(row) {
        return Err(Error::NoKeyArguments);
    }
    if !row.accepts(length) {
        return Err(Error::ArgumentsNumber);
    }
    let mut keys = find_keys(row, request, 2);
    if keys.is_empty() && !row.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(Error::ArgumentsInvalid);
    }
    context.reply().array(keys.iter().map(Keys::count).sum());
    Ok(match write_some_keys(context, request, &mut keys, with_flags) {
        Progress::Done => Flow::Done,
        _ => Flow::Later(Box::new(KeysRest { request: request.to_owned(), keys, with_flags })),
    })
}

/// The command that stands in GETKEYS.
fn find_nested(request: Request<'_>) -> Result<&'static Row, Error> {
    let name = request.argument(2);
    if name.contains(&b'|') {
        return Err(Error::NoSuchCommand);
    }
    let row = table::find_known(name).ok_or(Error::NoSuchCommand)?;
    let is_container = !row.subcommands().is_empty() || redis::subcommands(row.name).next().is_some();
    if !is_container || request.len() == 3 {
        return Ok(row);
    }
    table::find_known_subcommand(row, request.argument(3)).ok_or(Error::NoSuchCommand)
}

/// Replies with keys as far as one step goes, and takes them from the list.
fn write_some_keys(
    context: &mut Context<'_>,
    request: Request<'_>,
    keys: &mut Vec<Keys>,
    with_flags: bool,
) -> Progress {
    let mut left = KEYS_PER_STEP;
    let mut reply = context.reply();
    while let Some(span) = keys.first_mut() {
        while span.next <= span.last && left > 0 {
            if with_flags {
                reply.array(2);
            }
            reply.bulk(request.argument(span.next));
            if with_flags {
                write_names(&mut reply, span.flags.names());
            }
            span.next += span.step;
            left -= 1;
        }
        if span.next <= span.last {
            break;
        }
        keys.remove(0);
    }
    context.workspace.spend(KEYS_PER_STEP - left);
    if keys.is_empty() { Progress::Done } else { Progress::Yield }
}

/// COMMAND GETKEYS, under way.
struct KeysRest {
    request: OwnedRequest,
    keys: Vec<Keys>,
    with_flags: bool,
}

impl Resume for KeysRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        Ok(write_some_keys(context, self.request.as_request(), &mut self.keys, self.with_flags))
    }
}
