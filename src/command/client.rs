//! CLIENT: who is connected, and what the connection calls itself.
//!
//! Owns the syntax of its subcommands and the line that shows a client.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connection::is_plain;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, Resume, resume_now, table};
use crate::broker::clients::Client;
use crate::broker::session::ReplyMode;
use crate::outbox::CloseReason;
use crate::pubsub::Kind;
use crate::resp::request::{Request, parse_integer};
use crate::sync::atomic::Ordering;
use crate::time::Now;

/// Clients that one step of CLIENT LIST or KILL looks at.
const CLIENTS_PER_STEP: usize = 128;

const ORDINARY: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL);
const OPERATING: Flags = ORDINARY.and(Flags::ADMIN);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "client",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for client connection commands.",
    action: Action::Subcommands(CLIENT),
    since: "2.4.0",
    ..Row::of(Group::Connection)
}];

const CLIENT: &[Row] = &[
    Row {
        name: "client|id",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the unique client ID of the connection.",
        action: Action::Run(|context, _| {
            let id = context.session.id();
            context.reply().integer(id as i64);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|getname",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the name of the connection.",
        action: Action::Run(|context, _| {
            let name = context.session.client.names().name;
            if name.is_empty() {
                context.reply().null()
            } else {
                context.reply().bulk(&name)
            }
            Ok(Flow::Done)
        }),
        since: "2.6.9",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|setname",
        arity: 3,
        flags: ORDINARY,
        summary: "Sets the connection name.",
        action: Action::Run(set_name),
        since: "2.6.9",
        syntax: "connection-name",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|setinfo",
        arity: 4,
        flags: ORDINARY,
        summary: "Sets information specific to the client library.",
        action: Action::Run(set_info),
        since: "7.2.0",
        syntax: "<LIB-NAME libname | LIB-VER libver>",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|info",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns information about the connection.",
        action: Action::Run(|context, _| {
            let mut line = Vec::new();
            write_line(&mut line, &context.session.client, context.now);
            context.reply().verbatim(&line);
            Ok(Flow::Done)
        }),
        since: "6.2.0",
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|list",
        arity: -2,
        flags: OPERATING,
        summary: "Lists open connections.",
        action: Action::Run(list),
        since: "2.4.0",
        syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id:integer [client-id:integer ...]]",
        complexity: "O(N) where N is the number of clients.",
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|kill",
        arity: -3,
        flags: OPERATING,
        summary: "Terminates open connections.",
        action: Action::Run(kill),
        since: "2.4.0",
        syntax: "<ip:port | [ID client-id:integer] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES | NO>] [MAXAGE seconds:integer]>",
        complexity: "O(N) where N is the number of clients.",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|reply",
        arity: 3,
        flags: ORDINARY,
        summary: "Instructs the server whether to reply to commands.",
        action: Action::Run(reply),
        since: "3.2.0",
        syntax: "<ON | OFF | SKIP>",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::help::help(context, "CLIENT", HELP);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Connection)
    },
];

const HELP: &[&str] = &[
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ID <client-id>",
    "      Kill the connection with the specified id.",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * MAXAGE <seconds>",
    "      Kill connections older than the specified age.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <client-id> [<client-id> ...]",
    "      Return clients of specified IDs only.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Set the name or the version of the client library.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
];

fn set_name(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let name = request.argument(2);
    if !is_plain(name) {
        return Err(Error::NameCharacters);
    }
    context.session.client.update_names(|names| names.name = name.to_vec());
    context.ok()
}

fn set_info(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let (attribute, value) = (request.argument(2), request.argument(3));
    let is_name = attribute.eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !attribute.eq_ignore_ascii_case(b"LIB-VER") {
        return Err(Error::InfoAttribute(attribute.to_vec()));
    }
    if !is_plain(value) {
        return Err(Error::InfoCharacters(attribute.to_vec()));
    }
    context.session.client.update_names(|names| {
        *(if is_name { &mut names.library } else { &mut names.library_version }) = value.to_vec();
    });
    context.ok()
}

fn reply(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mode = request.argument(2);
    if mode.eq_ignore_ascii_case(b"ON") {
        context.session.reply_mode = ReplyMode::On;
        return context.ok();
    }
    if mode.eq_ignore_ascii_case(b"OFF") {
        context.session.reply_mode = ReplyMode::Off;
    } else if mode.eq_ignore_ascii_case(b"SKIP") {
        // SKIP while OFF changes nothing, as in Redis.
        if context.session.reply_mode != ReplyMode::Off {
            context.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Error::Syntax);
    }
    Ok(Flow::Done)
}

/// The types by which LIST and KILL choose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Pubsub,
    /// Master and replica: types that no client here is of.
    Nobody,
}

impl ClientType {
    fn parse(name: &[u8]) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(ClientType::Normal),
            b"pubsub" => Ok(ClientType::Pubsub),
            b"master" | b"replica" | b"slave" => Ok(ClientType::Nobody),
            _ => Err(Error::UnknownClientType(name.to_vec())),
        }
    }
}

/// Which clients LIST or KILL is about. All conditions must hold.
#[derive(Default)]
struct Filter {
    ids: Option<BTreeSet<u64>>,
    kind: Option<ClientType>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    older_than_ms: Option<u64>,
    nobody: bool,
    except: Option<u64>,
}

impl Filter {
    fn matches(&self, client: &Client, now: Now) -> bool {
        let kind = if client.is_subscribed() { ClientType::Pubsub } else { ClientType::Normal };
        let shown = |wanted: &Option<Vec<u8>>, address: &crate::broker::clients::Address| {
            wanted.as_ref().is_none_or(|wanted| *wanted == address.to_string().into_bytes())
        };
        !self.nobody
            && self.except != Some(client.id)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self
                .older_than_ms
                .is_none_or(|age| now.monotonic_ms().saturating_sub(client.connected_ms) >= age)
            && shown(&self.address, &client.address)
            && shown(&self.local_address, &client.local_address)
    }
}

fn list(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mut filter = Filter::default();
    if request.len() == 4 && request.argument(2).eq_ignore_ascii_case(b"TYPE") {
        filter.kind = Some(ClientType::parse(request.argument(3))?);
    } else if request.len() > 3 && request.argument(2).eq_ignore_ascii_case(b"ID") {
        let id = |id: &[u8]| parse_integer(id).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
        let ids: Option<BTreeSet<u64>> = request.arguments_from(3).map(id).collect();
        filter.ids = Some(ids.ok_or(Error::InvalidListedId)?);
    } else if request.len() != 2 {
        return Err(Error::Syntax);
    }
    resume_now(context, Walk { filter, after: 0, visit: Visit::List(Vec::new()) })
}

fn kill(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let own = context.session.id();
    if request.len() == 3 {
        let filter = Filter { address: Some(request.argument(2).to_vec()), ..Filter::default() };
        return resume_now(context, Walk { filter, after: 0, visit: Visit::KillOne { own } });
    }
    let filter = parse_kill(request, own)?;
    resume_now(context, Walk { filter, after: 0, visit: Visit::Kill { own, killed: 0 } })
}

fn parse_kill(request: Request<'_>, own: u64) -> Result<Filter, Error> {
    let mut filter = Filter { except: Some(own), ..Filter::default() };
    let mut index = 2;
    while index < request.len() {
        if index + 1 == request.len() {
            return Err(Error::Syntax);
        }
        let value = request.argument(index + 1);
        match request.argument(index).to_ascii_uppercase().as_slice() {
            b"ID" => {
                let id = parse_integer(value).filter(|id| *id > 0).ok_or(Error::InvalidClientId)?;
                filter.ids = Some(BTreeSet::from([id as u64]));
            }
            b"TYPE" => filter.kind = Some(ClientType::parse(value)?),
            b"ADDR" => filter.address = Some(value.to_vec()),
            b"LADDR" => filter.local_address = Some(value.to_vec()),
            b"USER" if value == b"default" => {}
            b"USER" => return Err(Error::NoSuchUser(value.to_vec())),
            b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => filter.except = Some(own),
            b"SKIPME" if value.eq_ignore_ascii_case(b"no") => filter.except = None,
            b"MAXAGE" => {
                let seconds = parse_integer(value).ok_or(Error::MaxAgeNotInteger)?;
                let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or(Error::MaxAgeNotPositive)?;
                filter.older_than_ms = Some(seconds.saturating_mul(1000));
            }
            _ => return Err(Error::Syntax),
        }
        index += 2;
    }
    Ok(filter)
}

/// A walk over all clients, a few in each step.
struct Walk {
    filter: Filter,
    after: u64,
    visit: Visit,
}

enum Visit {
    List(Vec<u8>),
    /// The old form, by address: the first one found.
    KillOne {
        own: u64,
    },
    Kill {
        own: u64,
        killed: i64,
    },
}

impl Resume for Walk {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        loop {
            let page = context.broker.clients.after(self.after, CLIENTS_PER_STEP);
            let Some(last) = page.last() else { break };
            self.after = last.id;
            context.workspace.spend(page.len());
            let now = context.now;
            for client in page.iter().filter(|client| self.filter.matches(client, now)) {
                match &mut self.visit {
                    Visit::List(lines) => write_line(lines, client, now),
                    Visit::KillOne { own } => {
                        end(context, client, *own);
                        context.reply().simple("OK");
                        return Ok(Progress::Done);
                    }
                    Visit::Kill { own, killed } => {
                        *killed += 1;
                        end(context, client, *own);
                    }
                }
            }
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
        }
        match &self.visit {
            Visit::List(lines) => context.reply().verbatim(lines),
            Visit::KillOne { .. } => return Err(Error::NoSuchClient),
            Visit::Kill { killed, .. } => context.reply().integer(*killed),
        }
        Ok(Progress::Done)
    }
}

/// Ends a client's connection; its own after the reply.
fn end(context: &mut Context<'_>, client: &Arc<Client>, own: u64) {
    if client.id == own {
        context.session.closing = true;
    } else {
        context.workspace.ready.extend(client.outbox.close(CloseReason::Killed));
    }
}

/// A client in the form of CLIENT LIST and CLIENT INFO, in Redis's order. (`catClientInfoString`.)
fn write_line(line: &mut Vec<u8>, client: &Client, now: Now) {
    use std::io::Write;
    let names = client.names();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let age = now.monotonic_ms().saturating_sub(client.connected_ms) / 1000;
    let idle = now.monotonic_ms().saturating_sub(client.active_ms.load(Ordering::Relaxed)) / 1000;
    let queued = client.queued.load(Ordering::Relaxed);
    let mut flags = String::new();
    for (holds, flag) in [
        (client.is_subscribed(), 'P'),
        (queued >= 0, 'x'),
        (matches!(client.address, crate::broker::clients::Address::Unix(_)), 'U'),
    ] {
        if holds {
            flags.push(flag);
        }
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let command = table::row(client.last_command.load(Ordering::Relaxed)).map_or("NULL", |row| row.name);
    let query = client.query_bytes.load(Ordering::Relaxed);
    let output = client.outbox.waiting();
    // Writing to a vector does not fail.
    let _ = writeln!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={age} idle={idle} flags={flags} db={} sub={} psub={} ssub={} \
         multi={queued} watch=0 qbuf={query} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll={} \
         omem={output} tot-mem={} events=r cmd={command} user=default redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.address,
        client.local_address,
        client.descriptor,
        shown(&names.name),
        client.database.load(Ordering::Relaxed),
        client.subscriptions(Kind::Channel),
        client.subscriptions(Kind::Pattern),
        client.subscriptions(Kind::Shard),
        u8::from(output > 0),
        query as usize + output,
        client.protocol.load(Ordering::Relaxed),
        shown(&names.library),
        shown(&names.library_version),
    );
}
