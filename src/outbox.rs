//! What is on its way to one connected thing: a bounded queue of bytes with one reader.
//!
//! Owns the order of a connection's output, its limits, and the decision that a slow consumer is closed. Anyone may
//! push; only the connection's own task takes. Must not know sockets, runtimes or commands; it is told the time, and
//! hands out the waker that its owner left. Start with [`Outbox::push`].
//!
//! Rules that everything else leans on:
//! - a frame or reply is appended whole or not at all;
//! - small frames are copied to the end of one buffer, large payloads are queued by reference;
//! - a waker is handed out once, and again only after the owner has come back and found nothing to take;
//! - while the owner *holds* ([`Outbox::hold`]), what others push waits behind the replies of the command that is
//!   being executed;
//! - the owner can put up a *barrier* ([`Outbox::raise`]): all that is appended from then on, by whomever, waits until somebody
//!   [lowers](Outbox::lower) it, and has its part in the limits;
//! - what is kept elsewhere for the owner to *fetch* is not in the queue and has no part in its limits: whoever keeps it
//!   [nudges](Outbox::nudge), and the owner fetches a bounded piece whenever its socket has taken the one before.

mod aside;
mod queue;

use std::task::Waker;
use std::time::Duration;

pub use queue::Batch;

use crate::config::OutputLimit;
use crate::resp::Protocol;
use crate::resp::push::Frame;
use crate::sync::Mutex;
use crate::time::Now;
use aside::Aside;
use queue::Queue;

/// Why a connection must end. The first reason given stays, but for [`CloseReason::Shutdown`], which any other replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// CLIENT KILL.
    Killed,
    /// More output waiting than `client-output-buffer-limit` allows.
    OutputLimit,
    /// Output waiting and none taken for `client-write-timeout`.
    WriteTimeout,
    /// No request for `timeout`.
    Idle,
    /// All clients together take more memory than `maxmemory-clients` allows, and this one most of it.
    Evicted,
    /// The server stops: what is queued is still written.
    Shutdown,
}

/// What became of a push.
#[derive(Debug)]
pub enum Pushed {
    /// Queued; the owner is awake or will look by itself.
    Queued,
    /// Queued, and whoever pushed must see to it that this waker is called.
    Wake(Waker),
    /// Over the limit: the queue is dropped and the connection will close. Told to one caller only.
    Overflow(Option<Waker>),
    /// Not queued: the connection is closing.
    Closed,
}

/// Why replies were not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Over the limit with them: the queue is dropped and the connection will close. Told once.
    Overflow,
    /// The connection is closing.
    Closed,
}

/// What the owner finds when it looks at its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// There is something to write.
    Output,
    /// Something is kept elsewhere: it is to be fetched now, behind what there may be to write. See [`Outbox::fetched`].
    More,
    /// Nothing to do; the waker is kept.
    Nothing,
    /// Nothing to do until a barrier is lowered; the waker is kept.
    Behind,
    /// The connection must end, and everything that was still to be written is taken.
    Closed(CloseReason),
}

/// What an outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Buffers queued.
    pub pieces: usize,
    /// Bytes queued and not yet taken by the socket.
    pub bytes: usize,
    /// The socket takes no more for now.
    pub is_blocked: bool,
}

/// A bounded outgoing queue. See the module's documentation.
pub struct Outbox {
    id: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// What is not in the queue yet.
    aside: Option<Box<Aside>>,
    waker: Option<Waker>,
    /// Bytes that the owner has taken and the socket has not.
    unwritten: usize,
    /// How many of them, at most, are in no limit.
    unwritten_free: u32,
    /// The same of those that are queued.
    queued_free: u32,
    /// Size of the last batch, the guess for the next one.
    last_batch: u32,
    protocol: Protocol,
    /// The owner waits for the socket, not for more output.
    blocked: bool,
    /// There is something to fetch.
    more: bool,
    closed: Option<CloseReason>,
    /// Since when the queue is above the soft limit, without a break.
    soft_since: Option<Duration>,
    /// Since when the socket has taken nothing although output waits.
    stalled_since: Option<Duration>,
    /// Receivers reached by a fan-out that the owner waits for.
    delivered: Option<u32>,
}

/// A count of bytes in four bytes, where more need not be told apart.
fn clamped(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl State {
    fn queued(&self) -> usize {
        self.queue.bytes + self.aside.as_ref().map_or(0, |aside| aside.bytes)
    }

    fn waiting(&self) -> usize {
        self.queued() + self.unwritten
    }

    fn append(&mut self, frame: Frame<'_>) {
        match &mut self.aside {
            Some(aside) => aside.append(frame, self.protocol),
            None => self.queue.append(frame, self.protocol, self.last_batch as usize),
        }
    }

    fn append_replies(&mut self, replies: &[u8]) {
        let expected = self.last_batch as usize;
        match &mut self.aside {
            Some(aside) => aside.append_replies(&mut self.queue, replies, expected),
            None => self.queue.append_bytes(replies, expected),
        }
    }

    fn has_barrier(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.has_barrier())
    }

    /// Lets out a part of what is aside. Returns what `release` does.
    fn let_out(&mut self, release: impl FnOnce(&mut Aside, &mut Queue) -> bool) -> bool {
        let Some(aside) = &mut self.aside else { return false };
        let released = release(aside, &mut self.queue);
        if aside.is_empty() {
            self.aside = None;
        }
        released
    }

    fn discard(&mut self) {
        self.queue = Queue::default();
        self.queued_free = 0;
        self.let_out(|aside, _| {
            aside.discard();
            true
        });
    }

    /// Redis `checkClientOutputBufferLimits`: at the hard limit, or at the soft one for longer than allowed.
    fn exceeds(&mut self, limit: &OutputLimit, now: Now) -> bool {
        let free = self.queued_free as usize + self.unwritten.min(self.unwritten_free as usize);
        let waiting = self.waiting().saturating_sub(free) as u64;
        if limit.hard_bytes != 0 && waiting >= limit.hard_bytes {
            return true;
        }
        if limit.soft_bytes == 0 || waiting < limit.soft_bytes {
            self.soft_since = None;
            return false;
        }
        let since = *self.soft_since.get_or_insert(now.monotonic);
        now.monotonic.saturating_sub(since) > limit.soft_duration
    }

    fn close(&mut self, reason: CloseReason) -> Option<Waker> {
        if self.closed.is_none() || self.closed == Some(CloseReason::Shutdown) {
            self.closed = Some(reason);
        }
        self.waker.take()
    }

    fn overflow(&mut self) -> Option<Waker> {
        self.discard();
        self.close(CloseReason::OutputLimit)
    }

    fn pushed(&mut self) -> Pushed {
        self.wake_for_output().map_or(Pushed::Queued, Pushed::Wake)
    }

    /// The waker, unless the owner waits for the socket, or the end of a barrier, and has no use for more output.
    fn wake_for_output(&mut self) -> Option<Waker> {
        if self.blocked || self.has_barrier() { None } else { self.waker.take() }
    }
}

impl Outbox {
    /// An empty outbox of the client with this id.
    pub fn new(id: u64) -> Self {
        Outbox { id, state: Mutex::default() }
    }

    /// The client's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Appends a frame that the client did not ask for with the request it waits for: a message.
    pub fn push(&self, frame: Frame<'_>, limit: &OutputLimit, now: Now) -> Pushed {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.closed.is_some() {
            return Pushed::Closed;
        }
        state.append(frame);
        if state.exceeds(limit, now) {
            return Pushed::Overflow(state.overflow());
        }
        state.pushed()
    }

    /// Appends a frame that the client can do without, which is in no limit. Nothing is returned, and the frame is
    /// lost, if more than `backlog` bytes wait.
    pub fn push_if_room(&self, frame: Frame<'_>, backlog: usize) -> Option<Pushed> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.closed.is_some() {
            return Some(Pushed::Closed);
        }
        if state.waiting() > backlog {
            return None;
        }
        state.queued_free = state.queued_free.saturating_add(clamped(frame.len()));
        state.append(frame);
        Some(state.pushed())
    }

    /// Appends encoded replies, before anything that is held. For the owner.
    ///
    /// Returns what then waits, in bytes.
    ///
    /// # Errors
    /// The connection is closing, and that may be because of these replies.
    pub fn push_replies(&self, replies: &[u8], limit: &OutputLimit, now: Now) -> Result<usize, Refused> {
        let mut state = self.state.lock();
        if state.closed.is_some_and(|reason| reason != CloseReason::Shutdown) {
            return Err(Refused::Closed);
        }
        state.append_replies(replies);
        if state.exceeds(limit, now) {
            // The owner is here, so that nobody needs to wake it.
            state.overflow();
            return Err(Refused::Overflow);
        }
        Ok(state.waiting())
    }

    /// From here on what others push waits until [`Outbox::release`], so that the replies of the command that is
    /// being executed stand together and before the messages it causes.
    pub fn hold(&self) {
        let mut state = self.state.lock();
        state.aside.get_or_insert_default().hold();
    }

    /// Lets out what was pushed since [`Outbox::hold`].
    pub fn release(&self) {
        let mut state = self.state.lock();
        state.let_out(|aside, queue| {
            aside.release(queue);
            true
        });
    }

    /// For the owner: all that is appended from here on waits behind a barrier. What is there already goes out. If the latest
    /// barrier is not [sealed](Outbox::seal) there is no other.
    pub fn raise(&self) {
        let mut state = self.state.lock();
        if state.closed.is_none() {
            state.aside.get_or_insert_default().raise();
        }
    }

    /// For the owner: the barrier is for what stands behind it by now. What others still append there goes out with it.
    pub fn seal(&self) {
        let mut state = self.state.lock();
        state.aside.iter_mut().for_each(|aside| aside.seal());
    }

    /// Lets out what stands behind the first barrier, if there is one. Whoever calls must call the waker.
    #[must_use]
    pub fn lower(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        let lowered = state.let_out(Aside::lower);
        if lowered && !state.blocked { state.waker.take() } else { None }
    }

    /// Notes that something is kept elsewhere for the owner to fetch. Whoever calls must see to it that the waker is
    /// called.
    #[must_use]
    pub fn nudge(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        state.more = true;
        // Who holds looks again when it has let go, and who waits behind a barrier when that is lowered.
        if state.aside.is_some() { None } else { state.wake_for_output() }
    }

    /// For the owner: it was told [`Taken::More`], and so many bytes that it has fetched stand at the end of the batch.
    /// `more`: there is another piece to fetch when they are written.
    pub fn fetched(&self, bytes: usize, more: bool) {
        let mut state = self.state.lock();
        state.unwritten += bytes;
        state.unwritten_free = state.unwritten_free.saturating_add(clamped(bytes));
        state.more |= more;
    }

    /// For the owner: moves what is queued into `batch`, which must be empty, and forgets what it took before as
    /// written. If there is nothing the waker is kept for the next push.
    ///
    /// Nothing is to be fetched while the owner holds or behind a barrier, as it would come before the replies.
    pub fn take(&self, batch: &mut Batch, waker: &Waker) -> Taken {
        debug_assert!(batch.is_empty(), "the batch before must be written first");
        let mut state = self.state.lock();
        let state = &mut *state;
        state.unwritten = state.queue.bytes;
        // What is held stays queued, and so do as many of these as there is no room for.
        state.unwritten_free = state.queued_free.min(clamped(state.queue.bytes));
        state.queued_free -= state.unwritten_free;
        state.blocked = false;
        state.stalled_since = None;
        let fetches = state.more && state.aside.is_none() && state.closed.is_none();
        if state.queue.bytes > 0 {
            state.last_batch = clamped(state.queue.bytes);
            state.queue.move_into(batch);
        }
        if fetches {
            state.more = false;
            return Taken::More;
        }
        if !batch.is_empty() {
            return Taken::Output;
        }
        // Buffers that have been written are given back before the connection goes idle.
        batch.tail = Vec::new();
        state.queue.shrink();
        if let Some(reason) = state.closed {
            return Taken::Closed(reason);
        }
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        if state.has_barrier() { Taken::Behind } else { Taken::Nothing }
    }

    /// For the owner: the socket takes no more for now, and `unwritten` bytes of the batch are left. Only a close
    /// wakes it until it comes back. Returns a reason to end, if there is one.
    pub fn blocked(&self, unwritten: usize, waker: &Waker, now: Now) -> Option<CloseReason> {
        let mut state = self.state.lock();
        if unwritten != state.unwritten || state.stalled_since.is_none() {
            state.stalled_since = Some(now.monotonic);
        }
        state.unwritten = unwritten;
        state.blocked = true;
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        state.closed.filter(|reason| *reason != CloseReason::Shutdown)
    }

    /// Ends the connection. Whoever calls must call the waker.
    #[must_use]
    pub fn close(&self, reason: CloseReason) -> Option<Waker> {
        let mut state = self.state.lock();
        if reason == CloseReason::Shutdown {
            while state.let_out(Aside::lower) {}
        } else {
            state.discard();
        }
        state.close(reason)
    }

    /// Whether the connection is closing, and why.
    pub fn closed(&self) -> Option<CloseReason> {
        self.state.lock().closed
    }

    /// For the owner: appends the reply that announces another protocol, and from there on encodes frames for it.
    pub fn switch_protocol(&self, reply: &[u8], protocol: Protocol) {
        let mut state = self.state.lock();
        if state.closed.is_none() {
            state.append_replies(reply);
        }
        state.protocol = protocol;
    }

    /// From here on frames are encoded for this protocol.
    pub fn set_protocol(&self, protocol: Protocol) {
        self.state.lock().protocol = protocol;
    }

    /// Bytes queued and not yet taken by the socket. What the operating system buffers does not count.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting()
    }

    /// What is queued, and how it is with the owner.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let aside = state.aside.as_ref().map_or(0, |aside| aside.pieces());
        Usage { pieces: state.queue.pieces() + aside, bytes: state.waiting(), is_blocked: state.blocked }
    }

    /// The owner's waker, for whoever has something else for it to do than to take output.
    #[must_use]
    pub fn take_waker(&self) -> Option<Waker> {
        self.state.lock().waker.take()
    }

    /// What a periodic check must act on: true if the client has been above its soft limit for too long. The
    /// queue is then dropped, and the connection ends when it is woken.
    pub fn check_limit(&self, limit: &OutputLimit, now: Now) -> Option<Option<Waker>> {
        let mut state = self.state.lock();
        if state.closed.is_none() && state.exceeds(limit, now) { Some(state.overflow()) } else { None }
    }

    /// For how long output has waited without a byte being taken.
    pub fn stalled_for(&self, now: Now) -> Option<Duration> {
        self.state.lock().stalled_since.map(|since| now.monotonic.saturating_sub(since))
    }

    /// Tells the owner that the fan-out it waits for has reached `receivers`.
    #[must_use]
    pub fn complete(&self, receivers: u64) -> Option<Waker> {
        let mut state = self.state.lock();
        state.delivered = Some(u32::try_from(receivers).unwrap_or(u32::MAX));
        state.waker.take()
    }

    /// For the owner: whether the fan-out it waits for has ended.
    pub fn is_completed(&self) -> bool {
        self.state.lock().delivered.is_some()
    }

    /// For the owner: the result of the fan-out it waits for.
    pub fn take_completion(&self) -> Option<u64> {
        self.state.lock().delivered.take().map(u64::from)
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
