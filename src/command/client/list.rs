//! CLIENT LIST, CLIENT INFO and CLIENT KILL: which clients, and how one is shown.
//!
//! Owns the filters, the walk over all clients, and the line of a client.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use crate::broker::clients::{Address, Client, Mark};
use crate::command::{Context, Error, Flow, Progress, Resume, resume_now, table};
use crate::outbox::CloseReason;
use crate::pubsub::Kind;
use crate::resp::request::{OwnedRequest, Request, parse_integer};
use crate::sync::atomic::Ordering;
use crate::time::Now;

/// Ids that one step of CLIENT LIST reads.
const IDS_PER_STEP: usize = 1024;
/// Clients that one step of CLIENT LIST or KILL looks at.
const CLIENTS_PER_STEP: usize = 128;

pub(super) fn info(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mut line = Vec::new();
    write_line(&mut line, &context.session.client, request.argument_bytes(), context.now);
    context.reply().verbatim(&line);
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
        let shown = |wanted: &Option<Vec<u8>>, address: &Address| {
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

pub(super) fn list(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mut filter = Filter::default();
    let mut ids = None;
    if request.len() == 4 && request.argument(2).eq_ignore_ascii_case(b"TYPE") {
        filter.kind = Some(ClientType::parse(request.argument(3))?);
    } else if request.len() > 3 && request.argument(2).eq_ignore_ascii_case(b"ID") {
        filter.ids = Some(BTreeSet::new());
        ids = Some(UnreadIds { request: request.to_owned(), next: 3 });
    } else if request.len() != 2 {
        return Err(Error::Syntax);
    }
    let (own, own_arguments) = (context.session.id(), request.argument_bytes());
    let visit = Visit::List { lines: Vec::new(), own, own_arguments };
    resume_now(context, Walk { ids, filter, after: 0, visit })
}

pub(super) fn kill(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let own = context.session.id();
    if request.len() == 3 {
        let filter = Filter { address: Some(request.argument(2).to_vec()), ..Filter::default() };
        return resume_now(context, Walk { ids: None, filter, after: 0, visit: Visit::KillOne { own } });
    }
    let filter = parse_kill(request, own)?;
    resume_now(context, Walk { ids: None, filter, after: 0, visit: Visit::Kill { own, killed: 0 } })
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

/// Ids that CLIENT LIST is asked for and that are not in its filter yet.
struct UnreadIds {
    request: OwnedRequest,
    next: usize,
}

impl UnreadIds {
    /// Adds some of them to the filter's; true when these were the last.
    fn read_some(&mut self, context: &mut Context<'_>, filter: &mut Filter) -> Result<bool, Error> {
        let request = self.request.as_request();
        let end = request.len().min(self.next + IDS_PER_STEP);
        context.workspace.spend(end - self.next);
        while self.next < end {
            let id = parse_integer(request.argument(self.next)).ok_or(Error::InvalidListedId)?;
            // No client has a number below 1, but it may be asked for.
            filter.ids.get_or_insert_default().insert(u64::try_from(id).unwrap_or(0));
            self.next += 1;
        }
        Ok(end == request.len())
    }
}

/// A walk over all clients, a few in each step.
struct Walk {
    ids: Option<UnreadIds>,
    filter: Filter,
    after: u64,
    visit: Visit,
}

enum Visit {
    List {
        lines: Vec<u8>,
        own: u64,
        /// Bytes of the command's own arguments.
        own_arguments: usize,
    },
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
        while let Some(ids) = &mut self.ids {
            if ids.read_some(context, &mut self.filter)? {
                self.ids = None;
            } else if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
        }
        loop {
            let page = context.broker.clients.after(self.after, CLIENTS_PER_STEP);
            let Some(last) = page.last() else { break };
            self.after = last.id;
            context.workspace.spend(page.len());
            let now = context.now;
            for client in page.iter().filter(|client| self.filter.matches(client, now)) {
                match &mut self.visit {
                    Visit::List { lines, own, own_arguments } => {
                        let arguments = if client.id == *own { *own_arguments } else { 0 };
                        write_line(lines, client, arguments, now);
                    }
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
            Visit::List { lines, .. } => context.reply().verbatim(lines),
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

/// A client in the form of CLIENT LIST, for the log.
pub fn describe(client: &Client, now: Now) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, client, 0, now);
    line
}

/// A client in the form of CLIENT LIST and CLIENT INFO, in Redis's order. (`catClientInfoString`.)
///
/// What is 0 does not exist here: an idle connection has no buffers with room left, no fixed reply buffer (`rbs`, `rbp`,
/// `obl`), and no watched keys. `arguments`: bytes of those of the command that it executes.
fn write_line(line: &mut Vec<u8>, client: &Client, arguments: usize, now: Now) {
    let names = client.names();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let age = now.monotonic_ms().saturating_sub(client.connected_ms) / 1000;
    let idle = now.monotonic_ms().saturating_sub(client.active_ms.load(Ordering::Relaxed)) / 1000;
    let command = table::row(client.last_command.load(Ordering::Relaxed)).map_or("NULL", |row| row.name);
    let output = client.outbox.usage();
    // Writing to a vector does not fail.
    let _ = writeln!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={age} idle={idle} flags={} db={} sub={} psub={} ssub={} multi={} \
         watch=0 qbuf={} qbuf-free=0 argv-mem={arguments} multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={} tot-mem={} \
         events={} cmd={command} user=default redir={} resp={} lib-name={} lib-ver={}",
        client.id,
        client.address,
        client.local_address,
        client.descriptor,
        shown(&names.name),
        flags(client),
        client.database.load(Ordering::Relaxed),
        client.subscriptions(Kind::Channel),
        client.subscriptions(Kind::Pattern),
        client.subscriptions(Kind::Shard),
        client.queued.load(Ordering::Relaxed),
        client.query_bytes.load(Ordering::Relaxed),
        client.queued_bytes.load(Ordering::Relaxed),
        output.pieces,
        output.bytes,
        client.memory() + arguments,
        if output.is_blocked { "rw" } else { "r" },
        client.redirect().map_or(-1, |id| id as i64),
        client.protocol.load(Ordering::Relaxed),
        shown(&names.library),
        shown(&names.library_version),
    );
}

/// The letters that tell in which state a client is, in Redis's order. Those of replicas and of watched keys are never
/// there; nor is `R`, since a redirection that is never used is not noticed to be broken.
fn flags(client: &Client) -> String {
    let is_ending = client.outbox.closed().is_some_and(|reason| reason != CloseReason::Shutdown);
    let flags: String = [
        (client.is(Mark::Monitor), 'O'),
        (client.is_subscribed(), 'P'),
        (client.queued.load(Ordering::Relaxed) >= 0, 'x'),
        (client.is(Mark::Postponed), 'b'),
        (client.is(Mark::Tracking), 't'),
        (client.is(Mark::Broadcast), 'B'),
        (client.is(Mark::Closing), 'c'),
        (is_ending, 'A'),
        (matches!(client.address, Address::Unix(_)), 'U'),
        (client.is(Mark::NoEvict), 'e'),
        (client.is(Mark::NoTouch), 'T'),
    ]
    .into_iter()
    .filter_map(|(holds, flag)| holds.then_some(flag))
    .collect();
    if flags.is_empty() { "N".to_owned() } else { flags }
}
