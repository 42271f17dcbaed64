//! The connection of one client: bytes in, requests executed, output written.
//!
//! Owns the socket and the bytes that are not a whole request yet. All that it knows
//! of the protocol and the commands is to call [`Decoder`] and [`Interpreter`]. One task per connection: it is the only
//! one that writes to its socket; others leave output in its outbox and wake it. Start with the implementation of
//! [`Future`]: it loops over "what happens next" and "do it".
//!
//! A connection that has nothing to do holds no buffer: reading goes through one buffer per thread, and what was
//! written is given back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Shared;
use super::output::{Output, Source};
use crate::broker::clients::{Client, Mark};
use crate::broker::session::Session;
use crate::broker::stats::Counter;
use crate::command::{Interpreter, Progress, Workspace, flush};
use crate::outbox::{Batch, CloseReason, Taken};
use crate::resp::reply::Reply;
use crate::resp::request::{Decoder, ProtocolError};
use crate::sync::atomic::Ordering;
use crate::time::Now;

/// Bytes read at once. The buffer is the thread's, not the connection's, so it costs little to have it large; a busy
/// publisher then needs few calls.
const READ_BYTES: usize = 64 * 1024;
/// Work of one turn: commands executed and receivers reached. About a third of a millisecond; then others have theirs.
const TURN_BUDGET: usize = 4096;
/// Clients woken in one turn. With more, tokio's queue of tasks grows so long that another client's request waits for
/// milliseconds behind them: during a fan-out to 100,000 connections the 99.9th percentile of PING was 3 to 4 ms with 32
/// and 7 ms with 64. With fewer, a fan-out pays for more turns.
pub(super) const WAKES_PER_TURN: usize = 32;
/// While a client goes on publishing, so many pushes wake one receiver: under load messages gather, and each wake, which
/// costs a hundred times what a push does, is for several of them. When it has nothing more to publish the others are
/// woken at once.
const PUSHES_PER_WAKE: usize = 3;
/// Replies of one turn are moved to the outbox, and its limit is checked, when there are so many bytes of them.
const REPLY_BYTES_PER_FLUSH: usize = 64 * 1024;
/// What is kept elsewhere for the client is fetched in pieces of about so many bytes.
const FETCHED_BYTES: usize = 64 * 1024;
/// A client that was too slow has so long to read the rest of the frame that has begun.
const FAREWELL: Duration = Duration::from_secs(2);

thread_local! {
    /// What a turn works with. Borrowed only inside a turn and a read, neither of which waits.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ_BYTES].into_boxed_slice(),
        workspace: Workspace::default(),
    });
}

struct Scratch {
    input: Box<[u8]>,
    workspace: Workspace,
}

/// What a connection waits for.
enum Event {
    /// So many bytes are in the thread's buffer; they stay there until the event is applied, which follows at once.
    Received(usize),
    /// The next turn, or the end of a fan-out that was waited for.
    Continue,
    /// Everything is written and the connection has nothing more to say.
    Finished,
    /// Somebody wants the connection to end.
    Closed(CloseReason),
    /// The peer is gone.
    Lost,
}

/// A client's connection.
pub(super) struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    interpreter: Interpreter,
    decoder: Decoder,
    /// What the client sent is no request: it is told so when all before has been answered.
    failed: Option<ProtocolError>,
    /// Bytes that have been read and not executed, from `start` on.
    pending: Vec<u8>,
    start: usize,
    output: Output,
    /// Ends a farewell at the latest, or the sleep of a command.
    timer: Option<Pin<Box<Sleep>>>,
    /// Clients that this connection's messages have yet to wake.
    ready: VecDeque<Waker>,
    /// Requests that have been read wait for another turn.
    more: bool,
    /// The turn is over: let other tasks run before the next event.
    turn_over: bool,
    /// The client has too many unread replies for another request.
    paused: bool,
    /// The connection ends when the frame that has begun is written.
    farewell: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The connection of a client that the broker knows.
    pub(super) fn new(shared: Arc<Shared>, stream: S, client: Arc<Client>) -> Self {
        shared.broker.clients.insert(client.clone());
        let session = Session::new(client, &shared.broker);
        Connection {
            shared,
            stream,
            interpreter: Interpreter::new(session),
            decoder: Decoder::default(),
            failed: None,
            pending: Vec::new(),
            start: 0,
            output: Output::default(),
            timer: None,
            ready: VecDeque::new(),
            more: false,
            turn_over: false,
            paused: false,
            farewell: false,
        }
    }

    /// What happens next. Output first, so that a client that reads is never behind one that writes.
    fn poll_event(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        if self.farewell {
            let finished = self.output.poll_finish(&mut self.stream, task).is_ready();
            let over = finished || self.poll_timer(task).is_ready();
            return if over { Poll::Ready(Event::Finished) } else { Poll::Pending };
        }
        let idle = match self.poll_output(task) {
            Poll::Ready(Ok(Taken::Closed(reason))) => return Poll::Ready(Event::Closed(reason)),
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(_)) => return Poll::Ready(Event::Lost),
            Poll::Pending => false,
        };
        if self.turn_over {
            self.turn_over = false;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.poll_requests(task, idle) {
            // Nothing to do for the client itself, but it still owes wakes to others.
            Poll::Pending if !self.ready.is_empty() => Poll::Ready(Event::Continue),
            next => next,
        }
    }

    /// Ready when the timer, if there is one, has run out.
    fn poll_timer(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(task));
            self.timer = None;
        }
        Poll::Ready(())
    }

    fn poll_output(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Taken>> {
        let Connection { shared, stream, interpreter, output, .. } = self;
        let client = &interpreter.session.client;
        let stats = &shared.broker.stats;
        let count = |bytes| {
            stats.add(client.id, Counter::Writes, 1);
            stats.add(client.id, Counter::OutputBytes, bytes as u64);
        };
        let fetch = |batch: &mut Batch| {
            let mut frames = 0;
            let more = interpreter.session.fetch(&shared.broker, FETCHED_BYTES, &mut |frame| {
                batch.append(frame, interpreter.session.protocol);
                frames += 1;
            });
            stats.add(client.id, Counter::MessagesDelivered, frames);
            more
        };
        let source = Source { outbox: &client.outbox, clock: &shared.clock, turns: &shared.turns };
        let flushed = output.poll_flush(stream, source, task, fetch, count);
        if output.waits() {
            shared.flush.notify_one();
        }
        flushed
    }

    /// What the client wants. `idle`: it has all its output.
    fn poll_requests(&mut self, task: &mut Context<'_>, idle: bool) -> Poll<Event> {
        if self.interpreter.suspended() == Some(Progress::Sleep) && self.poll_timer(task).is_pending() {
            return self.poll_postponed(task);
        }
        let session = &self.interpreter.session;
        // A command that has begun ends before anything else is looked at: what it holds back may be all that waits.
        match self.interpreter.suspended() {
            Some(Progress::Wait) if !session.outbox().is_completed() => return Poll::Pending,
            Some(_) => return Poll::Ready(Event::Continue),
            None => {}
        }
        if session.closing {
            let finished = idle && self.ready.is_empty();
            return if finished { Poll::Ready(Event::Finished) } else { Poll::Pending };
        }
        if session.client.is(Mark::Postponed) {
            return self.poll_postponed(task);
        }
        if self.paused {
            if session.outbox().waiting() > session.reply_backlog() {
                return Poll::Pending;
            }
            self.paused = false;
        }
        if self.more {
            return Poll::Ready(Event::Continue);
        }
        self.poll_input(task)
    }

    /// The client's next request waits for the end of a pause or a sleep. It is read from a little further, so that its
    /// end is noticed.
    fn poll_postponed(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        if self.pending.len() - self.start < READ_BYTES { self.poll_input(task) } else { Poll::Pending }
    }

    fn poll_input(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch.input);
            Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_read(task, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => Event::Lost,
                Ok(()) => Event::Received(buffer.filled().len()),
                Err(_) => Event::Lost,
            })
        })
    }

    /// Does what the event asks for; false when the connection has ended.
    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Received(count) => {
                self.turn(count);
                true
            }
            Event::Continue => {
                self.turn(0);
                true
            }
            Event::Lost => {
                self.log_end(format_args!("Client closed connection"));
                false
            }
            Event::Finished => {
                self.log_end(format_args!("Closed client connection"));
                false
            }
            Event::Closed(reason) => {
                self.log_end(format_args!("Closing client connection ({reason:?})"));
                let is_slow = reason == CloseReason::OutputLimit;
                if is_slow {
                    self.say_farewell();
                }
                is_slow
            }
        }
    }

    /// Only with `loglevel verbose`, and otherwise nothing is looked at.
    fn log_end(&self, how: fmt::Arguments<'_>) {
        let client = &self.interpreter.session.client;
        tracing::debug!("{how} id={} addr={} name={}", client.id, client.address, client.name());
    }

    /// The client was too slow. If it still reads it gets the rest of the frame that has begun; it is nobody's receiver
    /// any more.
    fn say_farewell(&mut self) {
        self.leave();
        self.ready.drain(..).for_each(Waker::wake);
        self.farewell = true;
        self.timer = Some(Box::pin(sleep(FAREWELL)));
        self.output.cut();
    }

    /// One turn: executes what has been read, as far as the budget goes.
    fn turn(&mut self, received: usize) {
        let shared = self.shared.clone();
        let now = shared.clock.now();
        SCRATCH.with_borrow_mut(|scratch| {
            // Taken out for the turn: if a handler panics nothing of this client is left for the next one.
            let mut taken = std::mem::take(&mut scratch.workspace);
            let (input, workspace) = (&scratch.input, &mut taken);
            self.interpreter.session.refresh(&shared.broker);
            workspace.begin_turn(TURN_BUDGET, now);
            std::mem::swap(&mut workspace.ready, &mut self.ready);
            if received > 0 {
                self.note_activity(received, now);
            }
            self.execute(&input[..received], workspace, now);
            self.finish_turn(workspace, now);
            std::mem::swap(&mut workspace.ready, &mut self.ready);
            scratch.workspace = taken;
        });
        shared.broker.note_turn(self.interpreter.session.id(), now, shared.clock.since(now));
        self.turn_over = self.more || !self.ready.is_empty();
    }

    fn note_activity(&self, received: usize, now: Now) {
        let client = &self.interpreter.session.client;
        client.active_ms.store(now.monotonic_ms(), Ordering::Relaxed);
        self.shared.broker.stats.add(client.id, Counter::Reads, 1);
        self.shared.broker.stats.add(client.id, Counter::InputBytes, received as u64);
    }

    /// Executes requests from what was left over and `input`; keeps what is not executed.
    fn execute(&mut self, input: &[u8], workspace: &mut Workspace, now: Now) {
        self.more = false;
        self.interpreter.resume(&self.shared.broker, workspace, now);
        if self.pending.is_empty() {
            let used = self.execute_from(input, workspace, now);
            self.pending.extend_from_slice(&input[used..]);
        } else {
            self.pending.extend_from_slice(input);
            let pending = std::mem::take(&mut self.pending);
            self.start += self.execute_from(&pending[self.start..], workspace, now);
            self.pending = pending;
            self.compact();
        }
        self.check_query();
    }

    /// Executes requests from `input`; returns how many bytes are done with.
    fn execute_from(&mut self, input: &[u8], workspace: &mut Workspace, now: Now) -> usize {
        let mut used = 0;
        loop {
            let session = &self.interpreter.session;
            if session.closing || self.failed.is_some() || self.interpreter.suspended().is_some() {
                return used;
            }
            if self.paused || workspace.budget == 0 || session.client.is(Mark::Postponed) {
                self.more = true;
                return used;
            }
            let mut consumed = 0;
            let request = match self.decoder.decode(&input[used..], session.request_limits(), &mut consumed) {
                Ok(Some(request)) => request,
                Ok(None) => return used + consumed,
                Err(error) => {
                    self.failed = Some(error);
                    return used;
                }
            };
            if !self.interpreter.execute(&self.shared.broker, workspace, now, request) {
                self.more = self.interpreter.suspended().is_none();
                return used;
            }
            used += consumed;
            if workspace.reply.len() >= REPLY_BYTES_PER_FLUSH {
                let session = &self.interpreter.session;
                let waiting = flush(session, workspace, now);
                self.paused = waiting > session.reply_backlog();
            }
        }
    }

    /// Gives back what has been executed of the pending bytes, when that is all or there is an unfinished request:
    /// each byte is moved at most once.
    fn compact(&mut self) {
        if self.start == self.pending.len() {
            self.pending = Vec::new();
            self.start = 0;
        } else if !self.more && self.start > 0 && self.interpreter.suspended().is_none() {
            self.pending.drain(..self.start);
            self.start = 0;
        }
    }

    /// Closes a client whose unfinished request is larger than it may be.
    fn check_query(&mut self) {
        let session = &mut self.interpreter.session;
        let unfinished = self.pending.len() - self.start;
        session.client.query_bytes.store(u32::try_from(unfinished).unwrap_or(u32::MAX), Ordering::Relaxed);
        if unfinished > session.query_limit() && !self.more && !session.closing {
            self.shared.broker.close_for_query(session);
        }
    }

    /// Hands on what the turn has caused.
    fn finish_turn(&mut self, workspace: &mut Workspace, now: Now) {
        let broker = &self.shared.broker;
        self.interpreter.finish_burst(broker, workspace, now);
        if self.interpreter.suspended().is_none()
            && let Some(error) = self.failed.take()
        {
            let text = error.reply();
            workspace.counts.add_error(&text);
            Reply::new(&mut workspace.reply, self.interpreter.session.protocol).error(&text);
            self.interpreter.session.closing = true;
        }
        let session = &self.interpreter.session;
        let waiting = flush(session, workspace, now);
        if waiting > session.reply_backlog() {
            self.paused = true;
        }
        broker.stats.add_turn(session.id(), &mut workspace.counts);
        if !workspace.overflowed.is_empty() {
            broker.report_overflows(&mut workspace.overflowed);
        }
        match self.interpreter.suspended() {
            Some(Progress::Sleep) => {
                let left = workspace.wake_at.saturating_sub(now.monotonic);
                self.timer = Some(Box::pin(sleep(left)));
            }
            Some(_) => self.shared.flush.notify_one(),
            None => {}
        }
        if session.closing && broker.stop_requested().is_some() {
            self.shared.stop.notify_one();
        }
        if session.client.is(Mark::Postponed) {
            self.shared.postponed.notify_one();
        }
        if session.closing {
            session.client.mark(Mark::Closing, true);
        }
        self.shared.note_work();
        let pushes = std::mem::take(&mut workspace.pushes);
        let most =
            if pushes == 0 { WAKES_PER_TURN } else { (pushes / PUSHES_PER_WAKE).clamp(1, WAKES_PER_TURN) };
        let wakes = workspace.ready.len().min(most);
        workspace.ready.drain(..wakes).for_each(Waker::wake);
        if workspace.ready.is_empty() && workspace.ready.capacity() > WAKES_PER_TURN {
            workspace.ready = VecDeque::new();
        }
    }
}

/// Serves the client until its connection ends. A future of its own rather than an `async` function: that would keep
/// the connection twice, and idle connections are what there is most of.
impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        loop {
            let event = ready!(self.poll_event(task));
            if !self.apply(event) {
                return Poll::Ready(());
            }
        }
    }
}

/// An idle connection is little more than this.
const _: () = assert!(size_of::<Connection<tokio::net::TcpStream>>() <= 416);

impl<S> Drop for Connection<S> {
    /// Every way in which a connection ends leads through here, a panic included.
    fn drop(&mut self) {
        let broker = &self.shared.broker;
        let session = &mut self.interpreter.session;
        let id = session.id();
        if std::thread::panicking() {
            broker.stats.add(id, Counter::Panics, 1);
            tracing::error!(
                "A handler panicked: closing client id={id} addr={} and no other. This is a bug in Hereabouts; please \
                 report the lines above",
                session.client.address,
            );
        }
        // Few subscriptions are given up at once: who is told that nobody received his message, or that the client is gone,
        // finds it nowhere. Many are given up in turns, and whoever publishes to them meanwhile finds the outbox closed.
        self.leave();
        let _ = self.interpreter.session.outbox().close(CloseReason::Killed);
        self.shared.broker.forget(&self.interpreter.session.client);
        self.ready.drain(..).for_each(Waker::wake);
        self.shared.gone.notify_one();
    }
}

impl<S> Connection<S> {
    /// Gives up all subscriptions, many of them in turns of the flush task, and the members that live as long as this.
    fn leave(&mut self) {
        if self.shared.broker.leave(self.shared.clock.now(), &mut self.interpreter.session) {
            self.shared.flush.notify_one();
        }
        self.shared.note_work();
    }
}
