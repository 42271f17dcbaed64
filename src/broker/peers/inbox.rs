//! What clients of other instances have published is delivered to clients here.
//!
//! Owns the order: what comes over one connection is delivered as if one client had published it, each message when the one
//! before has been. A fan-out that takes long goes on elsewhere, and the connection is not read from meanwhile. Nobody's
//! slowness is waited for: a client that does not read is closed, or loses, by the limits of its outbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::broker::Broker;
use crate::broker::stats::Counter;
use crate::broker::subscriptions::Published;
use crate::link::frame::Messages;
use crate::outbox::{Batch, Outbox};
use crate::pubsub::fanout::{Delivery, Message, shared_if_large};
use crate::resp::push::{ChannelKind, FrameBuffer, Payload};
use crate::time::Now;

/// Receivers and patterns that one message reaches at once; a larger fan-out goes on in turns of the flush task.
const FANOUT_BUDGET: usize = 1024;
/// Messages delivered and receivers reached in one turn.
const TURN_BUDGET: usize = 4096;

/// Where the messages that come over one connection are delivered from.
pub struct Inbox {
    /// In whose name, and who is told when a fan-out that went on elsewhere has ended.
    publisher: Arc<Outbox>,
    /// There is such a fan-out.
    waits: bool,
    /// What is left of several messages that came together.
    rest: Option<(ChannelKind, Box<[u8]>, usize)>,
    /// Clients that must be woken, first come first served.
    pub ready: VecDeque<Waker>,
    overflowed: Vec<u64>,
    frame: FrameBuffer,
    budget: usize,
    /// Messages delivered since this was last set to 0.
    pub delivered: u64,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            publisher: Arc::new(Outbox::new(0)),
            waits: false,
            rest: None,
            ready: VecDeque::new(),
            overflowed: Vec::new(),
            frame: FrameBuffer::default(),
            budget: TURN_BUDGET,
            delivered: 0,
        }
    }
}

impl Inbox {
    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.budget = TURN_BUDGET;
    }

    /// Whether it takes another message in this turn.
    pub fn has_room(&self) -> bool {
        !self.waits && self.rest.is_none() && self.budget > 0
    }

    /// Whether a fan-out must end before anything else is delivered. `waker` is called when it has.
    pub fn is_blocked(&mut self, waker: &Waker) -> bool {
        if self.waits {
            // For its waker's sake: nothing is ever queued there.
            self.publisher.take(&mut Batch::default(), waker);
            self.waits = self.publisher.take_completion().is_none();
        }
        self.waits
    }
}

impl Broker {
    /// Goes on with what is left of several messages that came together.
    pub fn continue_inbox(&self, now: Now, inbox: &mut Inbox) {
        let Some((kind, bytes, done)) = inbox.rest.take() else { return };
        let mut messages = Messages::resumed(kind, &bytes[done..]);
        self.deliver_some(now, inbox, &mut messages);
        let done = bytes.len() - messages.rest().len();
        if done < bytes.len() {
            inbox.rest = Some((kind, bytes, done));
        }
    }

    pub(super) fn deliver_all(&self, now: Now, inbox: &mut Inbox, mut messages: Messages<'_>) {
        self.deliver_some(now, inbox, &mut messages);
        if !messages.rest().is_empty() {
            inbox.rest = Some((messages.kind, messages.rest().into(), 0));
        }
    }

    fn deliver_some(&self, now: Now, inbox: &mut Inbox, messages: &mut Messages<'_>) {
        while !inbox.waits
            && inbox.budget > 0
            && let Some((channel, payload)) = messages.next()
        {
            self.deliver(now, inbox, messages.kind, channel, payload);
        }
    }

    /// Delivers a message to clients of this instance.
    pub(super) fn deliver(
        &self,
        now: Now,
        inbox: &mut Inbox,
        kind: ChannelKind,
        channel: &[u8],
        payload: &[u8],
    ) {
        let shared = shared_if_large(payload);
        let payload = shared.as_ref().map_or(Payload::Small(payload), Payload::Shared);
        let mut delivery = Delivery {
            limit: self.config().client_output_buffer_limit.pubsub,
            now,
            ready: &mut inbox.ready,
            overflowed: &mut inbox.overflowed,
            frame: &mut inbox.frame,
            budget: FANOUT_BUDGET,
            delivered: 0,
            lost: 0,
            forward: 0,
        };
        let message = Message { kind, channel, payload };
        let published = self.subscriptions.publish_here(message, &inbox.publisher, &mut delivery);
        let (receivers, delivered) = (FANOUT_BUDGET - delivery.budget, delivery.delivered);
        inbox.waits = published == Published::Unfinished;
        inbox.budget = inbox.budget.saturating_sub(1 + receivers);
        inbox.delivered += 1;
        self.stats.add(0, Counter::MessagesDelivered, delivered);
        if !inbox.overflowed.is_empty() {
            self.report_overflows(&mut inbox.overflowed);
        }
    }
}
