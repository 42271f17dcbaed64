//! PUBLISH, SPUBLISH, MPUBLISH.
//!
//! Owns their syntax and replies, and bursts: publishes that follow each other to one channel are delivered together.
//! How a message reaches its receivers is in `broker` and `pubsub`.

use bytes::Bytes;

use super::keys::key;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, FANOUT_BUDGET, Flow, Progress, Resume, monitor, resume_now};
use crate::broker::session::ReplyMode;
use crate::broker::subscriptions::Published;
use crate::pubsub::fanout::{Message, shared_if_large};
use crate::pubsub::reserved::Reserved;
use crate::resp::push::{ChannelKind, Payload, Payloads, SHARED_PAYLOAD_BYTES};
use crate::resp::request::{OwnedRequest, Request};

/// Bytes of the frames that are delivered together. Enough that locking a receiver's outbox is a small part of the work,
/// and little enough that a thousand receivers take a fraction of a millisecond.
const BURST_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a frame beside channel and payload.
const FRAME_OVERHEAD_BYTES: usize = 40;

/// Messages that cost a receiver's outbox as much as the push itself, in the turn's budget.
const MESSAGES_PER_UNIT: usize = 16;

const PUBLISHING: Flags = Flags::PUBSUB
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::FAST)
    .and(Flags::MAY_REPLICATE)
    .and(Flags::DELIVERS);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "publish",
        arity: 3,
        flags: PUBLISHING,
        summary: "Posts a message to a channel.",
        action: Action::Run(|context, request| publish(context, request, ChannelKind::Global)),
        since: "2.0.0",
        syntax: "channel message",
        complexity: "O(N) where N is the number of receivers; a pattern that does not match costs next to nothing.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "spublish",
        arity: 3,
        flags: PUBLISHING,
        summary: "Posts a message to a shard channel.",
        action: Action::Run(|context, request| publish(context, request, ChannelKind::Shard)),
        since: "7.0.0",
        syntax: "shardchannel message",
        complexity: "O(N) where N is the number of receivers.",
        keys: &[key(1, "not_key")],
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "mpublish",
        arity: -3,
        flags: PUBLISHING,
        summary: "Posts one message to several channels.",
        action: Action::Run(|context, request| {
            publish_to_each(context, request, Spread { payload: 1, next: 2, counted: true })
        }),
        since: "0.1.0",
        syntax: "message channel [channel ...]",
        complexity: "O(N) where N is the number of channels and of receivers.",
        ..Row::of(Group::Pubsub)
    },
];

/// Messages that one client publishes to one channel without anything in between, waiting to be delivered together. It
/// ends with the client's next other command, or with the turn; then all of them are answered.
#[derive(Clone, Default)]
pub(super) struct Burst {
    kind: ChannelKind,
    /// The first command's name as it was sent.
    name: Vec<u8>,
    channel: Vec<u8>,
    payloads: Payloads,
    bytes: usize,
}

impl Burst {
    /// Whether there is nothing to deliver.
    pub(super) fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// Whether a request is one more of the same and there is room for it.
    pub(super) fn continues_with(&self, request: Request<'_>) -> bool {
        let name: &[u8] = match self.kind {
            ChannelKind::Global => b"publish",
            ChannelKind::Shard => b"spublish",
        };
        request.len() == 3
            && request.argument(1) == self.channel
            && request.argument(0).eq_ignore_ascii_case(name)
            && self.has_room(&self.channel, request.argument(2))
    }

    /// Whether one more message may wait in it. One that is shared by its receivers is not copied into a burst.
    fn has_room(&self, channel: &[u8], payload: &[u8]) -> bool {
        payload.len() < SHARED_PAYLOAD_BYTES && self.bytes + frame_bytes(channel, payload) <= BURST_BYTES_MAX
    }

    fn push(&mut self, kind: ChannelKind, request: Request<'_>) {
        let (channel, payload) = (request.argument(1), request.argument(2));
        if self.is_empty() {
            self.kind = kind;
            self.name.clear();
            self.name.extend_from_slice(request.argument(0));
            self.channel.clear();
            self.channel.extend_from_slice(channel);
        }
        self.payloads.push(payload);
        self.bytes += frame_bytes(channel, payload);
    }

    pub(super) fn clear(&mut self) {
        self.payloads.clear();
        self.bytes = 0;
    }

    /// Number of publishes.
    pub(super) fn len(&self) -> usize {
        self.payloads.len()
    }

    /// The publishes, each as it was sent.
    pub(super) fn requests(&self) -> impl Iterator<Item = [&[u8]; 3]> {
        (0..self.len()).map(|index| [&self.name[..], &self.channel, self.payloads.get(index)])
    }
}

fn frame_bytes(channel: &[u8], payload: &[u8]) -> usize {
    FRAME_OVERHEAD_BYTES + channel.len() + payload.len()
}

fn publish(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    let (channel, payload) = (request.argument(1), request.argument(2));
    check_name(context, channel)?;
    // Who receives his own messages, or does not want all replies, has an order of replies and messages to keep.
    let session = &context.session;
    let plain = !context.executing && !session.is_subscribed() && session.reply_mode == ReplyMode::On;
    if plain && context.workspace.burst.has_room(channel, payload) {
        context.workspace.burst.push(kind, request);
        return Ok(Flow::Done);
    }
    let published = publish_one(context, kind, channel, payload);
    Ok(answer(context, published, 1))
}

/// Delivers the burst and answers its publishes. It is left as it is, for whoever accounts for it.
pub(super) fn deliver_burst(context: &mut Context<'_>) -> Result<Flow, Error> {
    let burst = std::mem::take(&mut context.workspace.burst);
    let messages = burst.payloads.len();
    let payload =
        if messages == 1 { Payload::Small(burst.payloads.get(0)) } else { Payload::Several(&burst.payloads) };
    let published = deliver(context, burst.kind, &burst.channel, payload);
    let flow = if published == Published::Separately {
        resume_now(context, BurstRest { burst: burst.clone(), next: 0, waits: false })
    } else {
        Ok(answer(context, published, messages))
    };
    context.workspace.burst = burst;
    flow
}

/// Publishes of a burst that are delivered one at a time.
struct BurstRest {
    burst: Burst,
    next: usize,
    /// For the fan-out of the one before `next`.
    waits: bool,
}

impl Resume for BurstRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        if self.waits && (PublishRest { messages: 1 }).resume(context)? == Progress::Wait {
            return Ok(Progress::Wait);
        }
        self.waits = false;
        while self.next < self.burst.payloads.len() {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            context.workspace.spend(1);
            let payload = self.burst.payloads.get(self.next);
            self.next += 1;
            if let Published::Delivered(receivers) =
                deliver(context, self.burst.kind, &self.burst.channel, Payload::Small(payload))
            {
                context.reply().integer(receivers as i64);
            } else {
                self.waits = true;
                return Ok(Progress::Wait);
            }
        }
        Ok(Progress::Done)
    }
}

/// Replies to so many publishes that were delivered together.
fn answer(context: &mut Context<'_>, published: Published, messages: usize) -> Flow {
    match published {
        Published::Delivered(receivers) => {
            for _ in 0..messages {
                context.reply().integer(receivers as i64);
            }
            Flow::Done
        }
        Published::Unfinished => Flow::Later(Box::new(PublishRest { messages })),
        Published::Separately => unreachable!("only several messages are told to go separately"),
    }
}

/// A name that nobody can be subscribed to, or that takes a pattern too long to look through, is refused, and so is one
/// under which the broker itself speaks.
fn check_name(context: &Context<'_>, channel: &[u8]) -> Result<(), Error> {
    let most = context.session.config().max_channel_length;
    if channel.len() > most {
        return Err(Error::ChannelTooLong(most));
    }
    match Reserved::of(channel) {
        Some(_) => Err(Error::ReservedChannel(channel.to_vec())),
        None => Ok(()),
    }
}

fn publish_one(context: &mut Context<'_>, kind: ChannelKind, channel: &[u8], payload: &[u8]) -> Published {
    let shared = shared_if_large(payload);
    deliver(context, kind, channel, shared.as_ref().map_or(Payload::Small(payload), Payload::Shared))
}

fn deliver(context: &mut Context<'_>, kind: ChannelKind, channel: &[u8], payload: Payload<'_>) -> Published {
    let publisher = context.session.outbox().clone();
    let broker = context.broker;
    let mut delivery = context.delivery();
    let message = Message { kind, channel, payload };
    let published = broker.subscriptions.publish(message, &publisher, &mut delivery);
    let (receivers, delivered, forward) =
        (FANOUT_BUDGET - delivery.budget, delivery.delivered, delivery.forward);
    if forward != 0 {
        broker.forward(message, publisher.id(), forward, &mut context.workspace.encoded);
    }
    let messages = payload.messages();
    context.workspace.pushes += receivers;
    context.workspace.spend(receivers * (1 + messages / MESSAGES_PER_UNIT));
    if published != Published::Separately {
        context.workspace.counts.published += messages as u64;
    }
    context.workspace.counts.delivered += delivered;
    published
}

/// Publishes whose fan-out goes on elsewhere.
struct PublishRest {
    messages: usize,
}

impl Resume for PublishRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let Some(receivers) = context.session.outbox().take_completion() else { return Ok(Progress::Wait) };
        for _ in 0..self.messages {
            context.reply().integer(receivers as i64);
        }
        Ok(Progress::Done)
    }
}

/// One message to several channels: where in the request they stand.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    /// The argument that is the message.
    pub(super) payload: usize,
    /// The argument that is the next channel; all from there on are channels.
    pub(super) next: usize,
    /// The receivers of each channel are told. Otherwise the reply is null.
    pub(super) counted: bool,
}

/// Publishes the message to each channel in turn. A channel that is refused refuses all.
pub(super) fn publish_to_each(
    context: &mut Context<'_>,
    request: Request<'_>,
    mut spread: Spread,
) -> Result<Flow, Error> {
    for channel in request.arguments_from(spread.next) {
        check_name(context, channel)?;
    }
    if spread.counted {
        context.reply().array(request.len() - spread.next);
    }
    let shared = shared_if_large(request.argument(spread.payload));
    let progress = spread_some(context, request, shared.as_ref(), &mut spread);
    if progress == Progress::Done {
        return Ok(Flow::Done);
    }
    let waits = progress == Progress::Wait;
    Ok(Flow::Later(Box::new(SpreadRest { request: request.to_owned(), shared, spread, waits })))
}

/// Publishes to the channels from `next` on. `Wait`: the one before `next` is not finished.
fn spread_some(
    context: &mut Context<'_>,
    request: Request<'_>,
    shared: Option<&Bytes>,
    spread: &mut Spread,
) -> Progress {
    let payload = shared.map_or(Payload::Small(request.argument(spread.payload)), Payload::Shared);
    while spread.next < request.len() {
        if context.workspace.budget == 0 {
            return Progress::Yield;
        }
        context.workspace.spend(1);
        let channel = request.argument(spread.next);
        let began = if spread.counted { None } else { context.begin() };
        if !spread.counted {
            monitor::show_called(context, [b"publish", channel, request.argument(spread.payload)]);
        }
        let published = deliver(context, ChannelKind::Global, channel, payload);
        if !spread.counted {
            context.published_by_script(began);
        }
        spread.next += 1;
        match published {
            Published::Delivered(receivers) if spread.counted => context.reply().integer(receivers as i64),
            Published::Delivered(_) => {}
            Published::Unfinished => return Progress::Wait,
            Published::Separately => unreachable!("only several messages are told to go separately"),
        }
    }
    if !spread.counted {
        context.reply().null();
    }
    Progress::Done
}

struct SpreadRest {
    request: OwnedRequest,
    /// The payload, if it is large: one copy for all channels.
    shared: Option<Bytes>,
    spread: Spread,
    waits: bool,
}

impl Resume for SpreadRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        if self.waits {
            let Some(receivers) = context.session.outbox().take_completion() else {
                return Ok(Progress::Wait);
            };
            if self.spread.counted {
                context.reply().integer(receivers as i64);
            }
        }
        let progress =
            spread_some(context, self.request.as_request(), self.shared.as_ref(), &mut self.spread);
        self.waits = progress == Progress::Wait;
        Ok(progress)
    }
}
