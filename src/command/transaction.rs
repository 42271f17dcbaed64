//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Owns the queue of a transaction. EXEC runs the commands in order and replies with all results as a whole; between
//! them other connections' commands may run, since there is no data that could be seen half changed.

use std::time::Duration;

use super::keys::key;
use super::spec::{Action, Flags, Group, Row};
use super::table::Found;
use super::{Context, Error, Flow, Progress, Resume, authorize, fail, monitor, resume_now, run};
use crate::broker::session::Session;
use crate::resp::request::{OwnedRequest, Request};
use crate::sync::atomic::Ordering;

/// Bytes that an EXEC's reply, which cannot be sent in parts, may have: above, the client is closed as one that goes
/// over its output limit.
const EXEC_REPLY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What a queued command takes beside its arguments' bytes.
const QUEUED_OVERHEAD_BYTES: usize = size_of::<Queued>();
/// What a queued argument takes beside its bytes.
const ARGUMENT_OVERHEAD_BYTES: usize = 8;

const CONTROLLING: Flags =
    Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::NOT_QUEUED);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "multi",
        arity: 1,
        flags: CONTROLLING.and(Flags::ALLOW_BUSY),
        summary: "Starts a transaction.",
        action: Action::Run(multi),
        since: "1.2.0",
        ..Row::of(Group::Transactions)
    },
    Row {
        name: "exec",
        arity: 1,
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::SKIP_SLOWLOG)
            .and(Flags::NOT_QUEUED)
            .and(Flags::DELIVERS),
        summary: "Executes all commands in a transaction.",
        action: Action::Run(exec),
        since: "1.2.0",
        complexity: "That of the commands.",
        ..Row::of(Group::Transactions)
    },
    Row {
        name: "discard",
        arity: 1,
        flags: CONTROLLING.and(Flags::ALLOW_BUSY),
        summary: "Discards a transaction.",
        action: Action::Run(|context, _| {
            if context.transaction.is_none() {
                return Err(Error::DiscardWithoutMulti);
            }
            take(context);
            context.ok()
        }),
        since: "2.0.0",
        ..Row::of(Group::Transactions)
    },
    Row {
        name: "watch",
        arity: -2,
        flags: CONTROLLING.and(Flags::ALLOW_BUSY),
        summary: "Does nothing: there are no keys that could change.",
        action: Action::Run(|context, _| match context.transaction {
            Some(_) => Err(Error::WatchInsideMulti),
            None => context.ok(),
        }),
        since: "2.2.0",
        syntax: "key:key [key:key ...]",
        keys: &[key(1, "RO").through(-1, 1)],
        ..Row::of(Group::Transactions)
    },
    Row {
        name: "unwatch",
        arity: 1,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY),
        summary: "Does nothing: there are no keys that could change.",
        action: Action::Run(|context, _| context.ok()),
        since: "2.2.0",
        ..Row::of(Group::Transactions)
    },
];

/// What MULTI has queued.
#[derive(Default)]
pub(super) struct Transaction {
    queue: Vec<Queued>,
    /// Commands accepted, those included that are not kept because the transaction is spoiled.
    commands: usize,
    bytes: usize,
    /// A command was refused: EXEC will refuse them all.
    spoiled: bool,
}

struct Queued {
    found: Found,
    request: OwnedRequest,
}

impl Transaction {
    /// Adds a command to the queue.
    pub(super) fn queue(
        &mut self,
        session: &Session,
        found: Found,
        request: Request<'_>,
    ) -> Result<(), Error> {
        let config = session.config();
        let bytes =
            QUEUED_OVERHEAD_BYTES + request.argument_bytes() + request.len() * ARGUMENT_OVERHEAD_BYTES;
        if self.commands >= config.max_multi_commands {
            return Err(Error::TransactionTooLong(config.max_multi_commands));
        }
        if self.bytes + bytes > config.client_query_buffer_limit {
            return Err(Error::QueryLimit);
        }
        self.commands += 1;
        // What cannot succeed any more is checked, but not kept.
        if !self.spoiled {
            self.bytes += bytes;
            self.queue.push(Queued { found, request: request.to_owned() });
        }
        self.show(session);
        Ok(())
    }

    /// Tells others how much it is.
    fn show(&self, session: &Session) {
        let bytes = u32::try_from(self.bytes).unwrap_or(u32::MAX);
        session.client.queued.store(self.commands as i32, Ordering::Relaxed);
        session.client.queued_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether a queued command has any of these flags.
    pub(super) fn has_any(&self, flags: Flags) -> bool {
        self.queue.iter().any(|queued| queued.found.row.flags.has_any(flags))
    }

    /// A command was refused.
    pub(super) fn spoil(&mut self, session: &Session) {
        self.spoiled = true;
        self.queue = Vec::new();
        self.bytes = 0;
        session.client.queued_bytes.store(0, Ordering::Relaxed);
    }
}

fn multi(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    if context.transaction.is_some() {
        return Err(Error::NestedMulti);
    }
    *context.transaction = Some(Box::default());
    context.session.client.queued.store(0, Ordering::Relaxed);
    context.ok()
}

/// Ends the transaction, if there is one.
pub(super) fn take(context: &mut Context<'_>) -> Option<Box<Transaction>> {
    show_none(context.session);
    context.transaction.take()
}

fn show_none(session: &Session) {
    session.client.queued.store(-1, Ordering::Relaxed);
    session.client.queued_bytes.store(0, Ordering::Relaxed);
}

fn exec(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let Some(transaction) = take(context) else { return Err(Error::ExecWithoutMulti) };
    if transaction.spoiled {
        return Err(Error::ExecAborted);
    }
    // Shown of the client until it is done.
    transaction.show(context.session);
    context.reply().array(transaction.queue.len());
    resume_now(context, ExecRest { queue: transaction.queue, next: 0, inner: None })
}

/// An EXEC under way.
struct ExecRest {
    queue: Vec<Queued>,
    next: usize,
    /// The command before `next` has more to do; how long it has worked so far.
    inner: Option<(Box<dyn Resume>, Duration)>,
}

impl Resume for ExecRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let executing = std::mem::replace(&mut context.executing, true);
        let progress = self.run_some(context);
        context.executing = executing;
        if progress == Progress::Done {
            show_none(context.session);
        }
        Ok(progress)
    }
}

impl ExecRest {
    fn run_some(&mut self, context: &mut Context<'_>) -> Progress {
        if let Some((mut inner, spent)) = self.inner.take() {
            let began = context.begin();
            let outcome = inner.resume(context);
            let spent = spent + context.since(began);
            if let Ok(progress @ (Progress::Yield | Progress::Wait | Progress::Sleep)) = outcome {
                self.inner = Some((inner, spent));
                return progress;
            }
            let queued = &self.queue[self.next - 1];
            context.account(queued.found, spent, queued.request.as_request(), outcome.is_err());
            if let Err(error) = outcome {
                fail(context, &error);
            }
        }
        while self.next < self.queue.len() {
            if context.workspace.budget == 0 {
                return Progress::Yield;
            }
            if context.workspace.reply.len() > EXEC_REPLY_BYTES_MAX {
                context.close_for_reply();
                return Progress::Done;
            }
            context.workspace.spend(1);
            let queued = &self.queue[self.next];
            self.next += 1;
            let request = queued.request.as_request();
            // Rights may have changed since the command was queued.
            if let Err(error) = authorize(context.session, queued.found.row, request) {
                context.workspace.counts.by_command.rejected(queued.found.number);
                fail(context, &error);
                continue;
            }
            let began = context.begin();
            let result = run(context, queued.found.row, request);
            monitor::show(context, queued.found.row, request);
            match result {
                Ok(Flow::Done) => context.ended(queued.found, began, request, false),
                Ok(Flow::Later(work)) => {
                    self.inner = Some((work, context.since(began)));
                    return Progress::Yield;
                }
                Err(error) => {
                    context.ended(queued.found, began, request, true);
                    fail(context, &error);
                }
            }
        }
        Progress::Done
    }
}
