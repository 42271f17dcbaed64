//! What happens by itself: time that passes, and what is left of something large.
//!
//! Owns the attachment of clients to sessions and the turns of the presence task. Each holds a lock for a budget and no
//! longer. Must not know who calls, or how it waits.

use std::collections::{BTreeSet, VecDeque};
use std::task::Waker;

use super::Presence;
use super::hooks::{notice_text, session_channel};
use super::watchers::Told;
use crate::broker::Broker;
use crate::broker::stats::Counter;
use crate::presence::{Detach, Fault, Notice, Presence as Machine, Refusal};
use crate::pubsub::fanout::Delivery;
use crate::pubsub::reserved::TOPICS;
use crate::resp::push::{FrameBuffer, Payload};
use crate::sync::atomic::Ordering;
use crate::time::Now;

/// Entries that one turn looks at: a fraction of a millisecond, during which nobody is tracked.
const ENTRIES_PER_TURN: usize = 256;
/// Receivers and patterns that a turn reaches at once; a larger fan-out goes on in turns of the flush task.
const FANOUT_BUDGET: usize = 1024;

/// Diffs that are on their way to subscribers of patterns when no more are made: what changes meanwhile waits as a change of a
/// member, of which there are so many, and not as bytes.
const DIFFS_UNFINISHED_MAX: usize = 64;
/// How soon it is looked again whether they are less, in milliseconds.
const LOOK_AGAIN_MS: u64 = 1;

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// There is more to do now.
    pub more: bool,
    /// When there is something to do at the latest, in milliseconds of the monotonic clock.
    pub next_ms: u64,
}

impl Presence {
    /// Whether clients may be attached to these sessions, which asks for room if they are new.
    ///
    /// # Errors
    /// There would be too many sessions.
    pub fn check_room_for_sessions(&self, sessions: &BTreeSet<&str>) -> Result<(), Refusal> {
        // Each takes the lock by itself: a request may name very many.
        let new = sessions.iter().filter(|session| !self.machine().knows_session(session)).count();
        self.machine().check_room_for_sessions(new)
    }

    /// A client is attached to a session from now on. Returns what it must know.
    pub(super) fn attach(&self, now: Now, session: &str, client: u64) -> Option<Notice> {
        let mut machine = self.machine();
        machine.attach(now, session, client);
        self.drain(now, &mut machine);
        // It is the last one: nobody else has been here.
        let mut own = None;
        while let Some(notice) = machine.poll_notice() {
            match notice.client {
                Some(known) if known == client => own = Some(notice),
                _ => self.notices.push(notice),
            }
        }
        own
    }

    /// A client is not attached to a session any more.
    pub(super) fn detach(&self, now: Now, session: &str, client: u64, how: Detach) {
        let mut machine = self.machine();
        machine.detach(now, session, client, how);
        self.drain(now, &mut machine);
    }

    /// A connection has ended: the members that live as long are removed in turns.
    pub(in crate::broker) fn close_connection(&self, client: u64) {
        self.machine().close_connection(client);
        self.note_work();
    }

    /// There is something for the presence task to do.
    pub(super) fn note_work(&self) {
        self.has_work.store(true, Ordering::Release);
    }

    /// Whether there is something for the presence task to do of which it has not been told.
    pub fn take_work(&self) -> bool {
        self.has_work.load(Ordering::Relaxed) && self.has_work.swap(false, Ordering::AcqRel)
    }

    /// This process has stood still for so long.
    pub fn handle_lag(&self, lag_ms: u64) {
        self.machine().handle_lag(lag_ms);
    }

    /// A turn of the machine.
    fn advance(&self, now: Now) -> Turn {
        let mut machine = self.machine();
        if machine.next_timeout() <= now.monotonic_ms() {
            machine.handle_timeout(now);
        }
        let more = machine.work(now, ENTRIES_PER_TURN);
        self.drain(now, &mut machine);
        self.keep_notices(&mut machine);
        let turn = Turn { more, next_ms: machine.next_timeout() };
        let faults: Vec<Fault> = std::iter::from_fn(|| machine.poll_fault()).collect();
        drop(machine);
        // The log may be slow, and nobody waits for it.
        faults.into_iter().for_each(report);
        turn
    }

    fn keep_notices(&self, machine: &mut Machine) {
        while let Some(notice) = machine.poll_notice() {
            self.notices.push(notice);
        }
    }
}

/// Tells the operator.
fn report(fault: Fault) {
    match fault {
        Fault::SameNodeId(node) => tracing::error!(
            "Another process uses this instance's node id {node}, so that members of both may be missing. Stop one of \
             them, and start it with a node id of its own."
        ),
        Fault::Diverged { owner, version, peer } => tracing::error!(
            "Instance {peer} and this one hold different members of instance {} at version {version}. That is a \
             fault of this program: please report it. They are fetched anew from where they were tracked.",
            owner.node
        ),
    }
}

impl Broker {
    /// One turn of what presence does by itself. `ready` gets who must be woken.
    pub fn presence_turn(&self, now: Now, ready: &mut VecDeque<Waker>) -> Turn {
        // What is done from here on is told anew.
        self.presence.take_work();
        self.presence.note_listeners(|| self.subscriptions.topic_patterns() > 0);
        let turn = self.presence.advance(now);
        let told = if self.subscriptions.diffs_unfinished() < DIFFS_UNFINISHED_MAX {
            self.presence.tell(now, ready)
        } else {
            Told { next_ms: now.monotonic_ms() + LOOK_AGAIN_MS, ..Told::default() }
        };
        self.stats.add_presence(0, told.tally);
        let (mut overflowed, mut frame) = (Vec::new(), FrameBuffer::default());
        let mut delivery = Delivery {
            limit: self.config().client_output_buffer_limit.pubsub,
            now,
            ready,
            overflowed: &mut overflowed,
            frame: &mut frame,
            budget: FANOUT_BUDGET,
            delivered: 0,
            lost: 0,
            forward: 0,
        };
        let backlog = self.config().presence_watcher_backlog;
        for (topic, diff) in &told.diffs {
            let channel = [TOPICS, topic.as_bytes()].concat();
            let payload = Payload::with_line_end(diff);
            self.subscriptions.publish_to_patterns(&channel, payload, backlog, &mut delivery);
        }
        while delivery.budget > 0
            && let Some(notice) = self.presence.notices.pop()
        {
            let (channel, text) = (session_channel(&notice.session), notice_text(&notice));
            self.subscriptions.publish_to_session(&channel, Payload::Small(text.as_bytes()), &mut delivery);
            delivery.budget = delivery.budget.saturating_sub(1);
        }
        self.stats.add(0, Counter::MessagesDelivered, delivery.delivered);
        self.stats.add(0, Counter::PresenceDiffsLost, delivery.lost);
        self.report_overflows(&mut overflowed);
        let more = turn.more || told.next_ms == 0 || !self.presence.notices.is_empty();
        Turn { more, next_ms: turn.next_ms.min(told.next_ms) }
    }
}
