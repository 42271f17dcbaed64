//! From a request to its reply.
//!
//! Owns dispatch, and the rule that a reply is appended to the client's output whole. The checks that every command passes
//! are in `admit.rs`. Must not know sockets or wait. Start with [`Interpreter::execute`].

mod admit;
mod calls;
mod catalog;
mod categories;
mod client;
mod cluster;
mod config;
mod connection;
mod debug;
mod docs;
mod each;
mod error;
mod help;
mod info;
mod keys;
mod keyspace;
mod latency;
mod memory;
mod monitor;
mod names;
mod peers;
mod presence;
mod publish;
mod pubsub;
mod redact;
mod redis;
mod scripting;
mod server;
mod shutdown;
mod slowlog;
mod spec;
mod subscribe;
mod syntax;
pub mod table;
mod transaction;

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

pub use client::describe;
pub use error::{Error, PresenceError};
pub use spec::{Action, Flags, Handler, Row};

use crate::broker::Broker;
use crate::broker::clients::Mark;
use crate::broker::session::{ReplyMode, Session};
use crate::broker::stats::TurnCounts;
use crate::outbox::{CloseReason, Refused};
use crate::pubsub::fanout::Delivery;
use crate::resp::push::FrameBuffer;
use crate::resp::reply::Reply;
use crate::resp::request::Request;
use crate::sync::atomic::Ordering;
use crate::time::Now;
use admit::{Admitted, admit, authorize};
use calls::Call;
use publish::{Burst, deliver_burst};
use transaction::Transaction;

/// Receivers that one publish reaches in its own turn. A larger fan-out goes on in turns of the flush task. About
/// 50 microseconds of pushes, during which the channel's shard is locked.
pub const FANOUT_BUDGET: usize = 1024;

/// What it costs of a turn's budget to look at every shard, or at the statistics of every command.
const SURVEY_COST: usize = 1024;
/// What it costs to ask the operating system something, or to change what it knows.
const SYSTEM_COST: usize = 256;

/// Capacity for replies that is kept from turn to turn.
const REPLY_BYTES_KEPT: usize = 256 * 1024;

/// What a turn works with and leaves behind. Kept from turn to turn, so that nothing is allocated on the way.
#[derive(Default)]
pub struct Workspace {
    /// Replies that are not in the outbox yet.
    pub reply: Vec<u8>,
    /// Clients that must be woken, first come first served.
    pub ready: VecDeque<Waker>,
    /// Clients that were closed because they do not keep up.
    pub overflowed: Vec<u64>,
    /// Work that may still be done in this turn: a command costs one, and so does each receiver it reaches.
    pub budget: usize,
    /// Receivers reached in this turn.
    pub pushes: usize,
    /// What the turn came to.
    pub counts: TurnCounts,
    /// When the command goes on that [sleeps](Progress::Sleep), counted from the start of the process.
    pub wake_at: Duration,
    burst: Burst,
    frame: FrameBuffer,
    /// Where what goes to other instances is encoded.
    encoded: Vec<u8>,
    /// When the latest command ended, if nothing but decoding was done since.
    ended: Option<Duration>,
    /// Which command the burst is of, and when it began.
    gathered: Option<(u16, Option<Duration>)>,
}

impl Drop for Workspace {
    /// A handler has panicked: whatever becomes of its client, others are owed their wakes.
    fn drop(&mut self) {
        self.ready.drain(..).for_each(Waker::wake);
    }
}

impl Workspace {
    /// Notes that so much of the turn's budget is used.
    pub fn spend(&mut self, amount: usize) {
        self.budget = self.budget.saturating_sub(amount);
    }
}

/// What a handler is given.
pub struct Context<'a> {
    /// What clients share.
    pub broker: &'a Broker,
    /// The client.
    pub session: &'a mut Session,
    /// What MULTI has queued.
    transaction: &'a mut Option<Box<Transaction>>,
    /// What the turn works with.
    pub workspace: &'a mut Workspace,
    /// The time of the turn.
    pub now: Now,
    /// Inside EXEC: replies stay together until all have run.
    executing: bool,
}

impl Context<'_> {
    /// A writer to the end of the replies.
    pub fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.workspace.reply, self.session.protocol)
    }

    /// Replies `+OK`.
    pub fn ok(&mut self) -> Result<Flow, Error> {
        self.reply().simple("OK");
        Ok(Flow::Done)
    }

    /// Closes the client as one that goes over its output limit: its reply is longer than this command's may be.
    fn close_for_reply(&mut self) {
        self.workspace.overflowed.push(self.session.id());
        self.workspace.ready.extend(self.session.outbox().close(CloseReason::OutputLimit));
    }

    /// What a delivery needs.
    fn delivery(&mut self) -> Delivery<'_> {
        Delivery {
            limit: self.session.config().client_output_buffer_limit.pubsub,
            now: self.now,
            ready: &mut self.workspace.ready,
            overflowed: &mut self.workspace.overflowed,
            frame: &mut self.workspace.frame,
            budget: FANOUT_BUDGET,
            delivered: 0,
            lost: 0,
            forward: 0,
        }
    }
}

/// What a command came to.
pub enum Flow {
    /// The reply is complete.
    Done,
    /// There is more to do.
    Later(Box<dyn Resume>),
}

/// The rest of a command that did not end in its first turn.
pub trait Resume: Send {
    /// Goes on.
    ///
    /// # Errors
    /// The command ends with this error as its reply.
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error>;
}

/// Begins work that may take several turns.
fn resume_now(context: &mut Context<'_>, mut work: impl Resume + 'static) -> Result<Flow, Error> {
    Ok(match work.resume(context)? {
        Progress::Done => Flow::Done,
        Progress::Yield | Progress::Wait | Progress::Sleep => Flow::Later(Box::new(work)),
    })
}

/// How a resumed command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The reply is complete.
    Done,
    /// The turn's budget is used up; go on in the next turn.
    Yield,
    /// A fan-out must end first; go on when the outbox says so.
    Wait,
    /// Go on at [`Workspace::wake_at`].
    Sleep,
}

/// Executes a client's requests, one after the other.
pub struct Interpreter {
    /// The client.
    pub session: Session,
    transaction: Option<Box<Transaction>>,
    suspended: Option<Box<Suspended>>,
}

/// A command that has more to do.
struct Suspended {
    work: Box<dyn Resume>,
    call: Call,
    /// What it has replied so far: it goes out when it is whole.
    partial: Vec<u8>,
    confirms: bool,
    holds: bool,
    progress: Progress,
}

impl Interpreter {
    /// For a client that has just connected.
    pub fn new(session: Session) -> Self {
        Interpreter { session, transaction: None, suspended: None }
    }

    /// How the command stands that has more to do, if there is one. Until it is done no other may be executed.
    pub fn suspended(&self) -> Option<Progress> {
        self.suspended.as_ref().map(|suspended| suspended.progress)
    }

    fn context<'a>(&'a mut self, broker: &'a Broker, workspace: &'a mut Workspace, now: Now) -> Context<'a> {
        let Interpreter { session, transaction, .. } = self;
        Context { broker, session, transaction, workspace, now, executing: false }
    }

    /// Executes a request as far as the turn's budget goes. False: it is to be executed later, when what was published
    /// before it is delivered, which takes another turn, or when a pause is over.
    pub fn execute(
        &mut self,
        broker: &Broker,
        workspace: &mut Workspace,
        now: Now,
        request: Request<'_>,
    ) -> bool {
        debug_assert!(self.suspended.is_none(), "one command at a time");
        if !workspace.burst.is_empty() && !workspace.burst.continues_with(request) {
            self.finish_burst(broker, workspace, now);
            if self.suspended.is_some() {
                return false;
            }
        }
        workspace.spend(1);
        let start = workspace.reply.len();
        let mut context = self.context(broker, workspace, now);
        let found = match admit(&mut context, request) {
            Admitted::Now(found) => found,
            Admitted::Never => {
                self.finish(workspace, now, start, false, false);
                return true;
            }
            Admitted::Later => return false,
        };
        let row = found.row;
        context.session.client.last_command.store(found.number, Ordering::Relaxed);
        let holds = row.flags.has(Flags::DELIVERS)
            && (context.session.is_subscribed() || context.transaction.is_some());
        let confirms = row.flags.has(Flags::CONFIRMS);
        if holds {
            context.session.outbox().hold();
        }
        let began = context.begin();
        match run(&mut context, row, request) {
            Ok(Flow::Done) => {
                context.ended(found, began, request, false);
                self.finish(workspace, now, start, confirms, holds);
            }
            Ok(Flow::Later(work)) => {
                let call = context.interrupted(found, began, request);
                self.suspend(workspace, (work, call), start, confirms, holds);
            }
            Err(error) => {
                context.ended(found, began, request, true);
                fail(&mut context, &error);
                self.finish(workspace, now, start, confirms, holds);
            }
        }
        let mut context = self.context(broker, workspace, now);
        client::forget_caching(&context, row);
        // Behind the reply, as in Redis: a monitor sees its own commands too.
        monitor::show(&mut context, row, request);
        true
    }

    /// Delivers what has been published and is not delivered yet: before anything else of this client, and at the
    /// end of its turn.
    pub fn finish_burst(&mut self, broker: &Broker, workspace: &mut Workspace, now: Now) {
        if workspace.burst.is_empty() {
            return;
        }
        let start = workspace.reply.len();
        let mut context = self.context(broker, workspace, now);
        match deliver_burst(&mut context) {
            Ok(Flow::Done) => context.burst_ended(),
            Ok(Flow::Later(work)) => {
                let call = context.burst_interrupted();
                self.suspend(workspace, (work, call), start, false, false);
            }
            Err(error) => fail(&mut context, &error),
        }
        workspace.burst.clear();
    }

    /// Goes on with the command that has more to do.
    pub fn resume(&mut self, broker: &Broker, workspace: &mut Workspace, now: Now) {
        let Some(mut suspended) = self.suspended.take() else { return };
        let start = workspace.reply.len();
        if start == 0 {
            workspace.reply = std::mem::take(&mut suspended.partial);
        } else {
            workspace.reply.append(&mut suspended.partial);
        }
        let mut context = self.context(broker, workspace, now);
        let began = context.begin();
        let outcome = suspended.work.resume(&mut context);
        suspended.call.spent += context.since(began);
        match outcome {
            Ok(Progress::Done) => context.call_ended(&mut suspended.call, false),
            Ok(progress) => {
                suspended.partial = take_from(&mut workspace.reply, start);
                suspended.progress = progress;
                self.suspended = Some(suspended);
                return;
            }
            Err(error) => {
                context.call_ended(&mut suspended.call, true);
                fail(&mut context, &error);
            }
        }
        self.finish(workspace, now, start, suspended.confirms, suspended.holds);
    }

    fn suspend(
        &mut self,
        workspace: &mut Workspace,
        (work, call): (Box<dyn Resume>, Call),
        start: usize,
        confirms: bool,
        holds: bool,
    ) {
        let partial = take_from(&mut workspace.reply, start);
        let suspended = Suspended { work, call, partial, confirms, holds, progress: Progress::Yield };
        self.suspended = Some(Box::new(suspended));
    }

    fn finish(&mut self, workspace: &mut Workspace, now: Now, start: usize, confirms: bool, holds: bool) {
        drop_unwanted(&mut self.session, workspace, start, confirms);
        if holds || self.session.is_subscribed() || self.session.client.is(Mark::Monitor) {
            // Others deliver to this client at any time: each reply takes its place before the next message.
            flush(&self.session, workspace, now);
        }
        if holds {
            self.session.outbox().release();
        }
    }
}

/// What stands in a buffer from `start` on, without a copy if that is all.
fn take_from(buffer: &mut Vec<u8>, start: usize) -> Vec<u8> {
    if start == 0 { std::mem::take(buffer) } else { buffer.split_off(start) }
}

/// Moves the replies so far into the outbox. Returns the bytes that then wait there.
pub fn flush(session: &Session, workspace: &mut Workspace, now: Now) -> usize {
    if workspace.reply.is_empty() {
        return session.outbox().waiting();
    }
    // Copying many replies is not the next command's doing.
    workspace.ended = None;
    let pushed = session.outbox().push_replies(&workspace.reply, &session.output_limit(), now);
    workspace.reply.clear();
    workspace.reply.shrink_to(REPLY_BYTES_KEPT);
    if pushed == Err(Refused::Overflow) {
        workspace.overflowed.push(session.id());
    }
    pushed.unwrap_or(0)
}

/// Drops replies that the client does not want. (CLIENT REPLY.)
fn drop_unwanted(session: &mut Session, workspace: &mut Workspace, start: usize, confirms: bool) {
    match session.reply_mode {
        ReplyMode::On => return,
        ReplyMode::Off => {}
        ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skip,
        ReplyMode::Skip => session.reply_mode = ReplyMode::On,
    }
    if !confirms {
        workspace.reply.truncate(start);
    }
}

fn run(context: &mut Context<'_>, row: &Row, request: Request<'_>) -> Result<Flow, Error> {
    match row.action {
        Action::Run(handler) | Action::RunOrSubcommands(handler, _) => handler(context, request),
        Action::RunInCluster(handler) if context.session.config().face.enabled => handler(context, request),
        Action::RunInCluster(_) => Err(Error::ClusterDisabled),
        Action::Refuse(error) => Err(error(context.session.config())),
        Action::Subcommands(_) | Action::Unserved => Err(Error::WrongArity(row.name)),
    }
}

/// Replies with an error of a command that ran.
fn fail(context: &mut Context<'_>, error: &Error) {
    let text = error.text();
    context.workspace.counts.add_error(&text);
    context.settle_if_full();
    context.reply().error(&text);
}

/// Replies with the error of a command that did not get to run: a transaction cannot succeed without it. Every rejected
/// call comes through here.
fn refuse(context: &mut Context<'_>, error: &Error) {
    match error {
        Error::CrossProtocol => {
            context.session.closing = true;
            return;
        }
        Error::QueryLimit => return context.broker.close_for_query(context.session),
        _ => {}
    }
    if let Some(transaction) = context.transaction.as_deref_mut() {
        transaction.spoil(context.session);
    }
    fail(context, error);
}
