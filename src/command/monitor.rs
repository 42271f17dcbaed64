//! MONITOR: a client that is shown what all clients do.
//!
//! Owns the line that shows a command, and which commands are shown. Who the monitors are is in `broker`.

use std::io::Write;

use bytes::Bytes;

use super::redact::redact;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, flush};
use crate::broker::clients::{Address, Mark};
use crate::broker::session::{ReplyMode, Session};
use crate::outbox::Pushed;
use crate::resp::inline::write_quoted;
use crate::resp::push::{Frame, SHARED_PAYLOAD_BYTES};
use crate::resp::request::Request;
use crate::sync::atomic::Ordering;

/// Bytes of a line, but for the last argument's end: to write a larger one would take a turn for itself.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    summary: "Listens for all requests received by the server in real-time.",
    action: Action::Run(monitor),
    since: "1.0.0",
    ..Row::of(Group::Server)
}];

fn monitor(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    if context.executing {
        return Err(Error::MonitorDenyBlocking);
    }
    // Redis does not answer a second time.
    if context.session.client.is(Mark::Monitor) {
        return Ok(Flow::Done);
    }
    if context.session.reply_mode == ReplyMode::On {
        context.ok()?;
        // The first command that is shown must come behind it.
        flush(context.session, context.workspace, context.now);
    }
    context.broker.monitors.add(&context.session.client);
    Ok(Flow::Done)
}

/// A monitor may neither write, publish nor read: to Redis it is a kind of replica.
pub(super) fn check(session: &Session, row: &Row) -> Result<(), Error> {
    let is_refused =
        session.client.is(Mark::Monitor) && row.flags.has_any(Flags::READONLY.and(super::client::WRITING));
    if is_refused { Err(Error::ReplicaKeyspace) } else { Ok(()) }
}

/// Shows a command that was executed to all monitors. Without any it costs one load.
pub(super) fn show(context: &mut Context<'_>, row: &Row, request: Request<'_>) {
    if context.broker.monitors.is_any() && !row.flags.has_any(Flags::ADMIN.and(Flags::SKIP_MONITOR)) {
        let mut arguments: Vec<&[u8]> = request.arguments_from(0).collect();
        redact(row, &mut arguments);
        show_to_all(context, &shown_address(context.session), &arguments);
    }
}

/// Shows a command that calls others, before it does. It has the flag that it is not shown behind them.
pub(super) fn show_script(context: &mut Context<'_>, request: Request<'_>) {
    if context.broker.monitors.is_any() {
        let arguments: Vec<&[u8]> = request.arguments_from(0).collect();
        show_to_all(context, &shown_address(context.session), &arguments);
    }
}

/// Shows a command that a script has called.
pub(super) fn show_called(context: &mut Context<'_>, arguments: [&[u8]; 3]) {
    if context.broker.monitors.is_any() {
        show_to_all(context, "lua", &arguments);
    }
}

fn shown_address(session: &Session) -> String {
    match &session.client.address {
        Address::Unix(path) => format!("unix:{}", path.display()),
        other => other.to_string(),
    }
}

#[cold]
fn show_to_all(context: &mut Context<'_>, address: &str, arguments: &[&[u8]]) {
    let mut line = Vec::new();
    let database = context.session.client.database.load(Ordering::Relaxed);
    let (seconds, micros) = (context.now.unix.as_secs(), context.now.unix.subsec_micros());
    // Writing to a vector does not fail.
    let _ = write!(line, "+{seconds}.{micros:06} [{database} {address}]");
    write_arguments(&mut line, arguments);
    line.extend_from_slice(b"\r\n");
    // One copy for all, or one for each: as with messages.
    let shared = (line.len() >= SHARED_PAYLOAD_BYTES).then(|| Bytes::from(std::mem::take(&mut line)));
    let frame = Frame { head: &line, head_resp3: Some(&line), shared: shared.as_ref() };
    let monitors = context.broker.monitors.all();
    // Nothing follows the last reply of a client that has quit.
    let quit = context.session.closing.then(|| context.session.id());
    let workspace = &mut *context.workspace;
    for monitor in monitors.iter().filter(|monitor| Some(monitor.id) != quit) {
        match monitor.outbox.push(frame, &monitor.output_limit(context.session.config()), context.now) {
            Pushed::Queued | Pushed::Closed => {}
            Pushed::Wake(waker) => workspace.ready.push_back(waker),
            Pushed::Overflow(waker) => {
                workspace.overflowed.push(monitor.id);
                workspace.ready.extend(waker);
            }
        }
    }
    workspace.spend(monitors.len());
}

/// The rest of a line as Redis writes it (`replicationFeedMonitors`), cut where it gets too long.
fn write_arguments(line: &mut Vec<u8>, arguments: &[&[u8]]) {
    for (index, argument) in arguments.iter().enumerate() {
        if line.len() >= LINE_BYTES_MAX {
            let _ = write!(line, " \"... ({} more arguments)\"", arguments.len() - index);
            return;
        }
        line.push(b' ');
        let most = LINE_BYTES_MAX - line.len().min(LINE_BYTES_MAX);
        write_quoted(line, &argument[..argument.len().min(most)]);
        if argument.len() > most {
            line.pop();
            let _ = write!(line, "... ({} more bytes)\"", argument.len() - most);
        }
    }
}
