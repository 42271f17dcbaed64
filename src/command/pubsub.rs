//! SUBSCRIBE and its kin, PUBLISH and its kin, PUBSUB.
//!
//! Owns their syntax and replies. What they mean is in `broker`.

use std::collections::BTreeSet;

use super::spec::{Action, Flags, Row};
use super::{Context, Error, Flow, Progress, Resume, flush};
use crate::broker::subscriptions::{ListPlace, Published};
use crate::glob;
use crate::pubsub::Kind;
use crate::pubsub::fanout::{Message, shared_if_large};
use crate::resp::push::{ChannelKind, Payload};
use crate::resp::request::{OwnedRequest, Request};

/// Names that one turn subscribes to or unsubscribes from.
const NAMES_PER_TURN: usize = 256;
/// Channels that one step of PUBSUB CHANNELS looks at, under one shard's lock.
const CHANNELS_PER_STEP: usize = 1024;

const SUBSCRIBING: Flags = Flags::PUBSUB
    .and(Flags::NOSCRIPT)
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::SUBSCRIBED_MODE)
    .and(Flags::CONFIRMS);
const PUBLISHING: Flags =
    Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::DELIVERS);
const ASKING: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "subscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to channels.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Channel)),
    },
    Row {
        name: "psubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to channels that match one or more patterns.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Pattern)),
    },
    Row {
        name: "ssubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to shard channels.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Shard)),
    },
    Row {
        name: "unsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages posted to channels.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Channel)),
    },
    Row {
        name: "punsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages published to channels that match one or more patterns.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Pattern)),
    },
    Row {
        name: "sunsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages posted to shard channels.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Shard)),
    },
    Row {
        name: "publish",
        arity: 3,
        flags: PUBLISHING,
        summary: "Posts a message to a channel.",
        action: Action::Run(|context, request| publish(context, request, ChannelKind::Global)),
    },
    Row {
        name: "spublish",
        arity: 3,
        flags: PUBLISHING,
        summary: "Posts a message to a shard channel.",
        action: Action::Run(|context, request| publish(context, request, ChannelKind::Shard)),
    },
    Row {
        name: "mpublish",
        arity: -3,
        flags: PUBLISHING,
        summary: "Posts one message to several channels.",
        action: Action::Run(mpublish),
    },
    Row {
        name: "pubsub",
        arity: -2,
        flags: Flags::NONE,
        summary: "A container for commands that tell about subscriptions.",
        action: Action::Subcommands(PUBSUB),
    },
];

const PUBSUB: &[Row] = &[
    Row {
        name: "pubsub|channels",
        arity: -2,
        flags: ASKING,
        summary: "Returns the channels that have subscribers.",
        action: Action::Run(|context, request| channels(context, request, ChannelKind::Global)),
    },
    Row {
        name: "pubsub|numsub",
        arity: -2,
        flags: ASKING,
        summary: "Returns the number of subscribers of channels.",
        action: Action::Run(|context, request| numsub(context, request, ChannelKind::Global)),
    },
    Row {
        name: "pubsub|numpat",
        arity: 2,
        flags: ASKING,
        summary: "Returns the number of distinct patterns that are subscribed to.",
        action: Action::Run(|context, _| {
            let patterns = context.broker.subscriptions.patterns();
            context.reply().integer(patterns as i64);
            Ok(Flow::Done)
        }),
    },
    Row {
        name: "pubsub|shardchannels",
        arity: -2,
        flags: ASKING,
        summary: "Returns the shard channels that have subscribers.",
        action: Action::Run(|context, request| channels(context, request, ChannelKind::Shard)),
    },
    Row {
        name: "pubsub|shardnumsub",
        arity: -2,
        flags: ASKING,
        summary: "Returns the number of subscribers of shard channels.",
        action: Action::Run(|context, request| numsub(context, request, ChannelKind::Shard)),
    },
    Row {
        name: "pubsub|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::server::help(context, "PUBSUB", HELP);
            Ok(Flow::Done)
        }),
    },
];

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

fn confirmation(kind: Kind, subscribes: bool) -> &'static [u8] {
    match (kind, subscribes) {
        (Kind::Channel, true) => b"subscribe",
        (Kind::Pattern, true) => b"psubscribe",
        (Kind::Shard, true) => b"ssubscribe",
        (Kind::Channel, false) => b"unsubscribe",
        (Kind::Pattern, false) => b"punsubscribe",
        (Kind::Shard, false) => b"sunsubscribe",
    }
}

fn subscribe(context: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Result<Flow, Error> {
    if context.executing && kind == Kind::Shard {
        return Err(Error::DenyBlocking("ssubscribe"));
    }
    check_subscriptions(context, request, kind)?;
    let rest = subscribe_some(context, request, 1, kind);
    Ok(match rest {
        None => Flow::Done,
        Some(next) => Flow::Later(Box::new(SubscribeRest { request: request.to_owned(), next, kind })),
    })
}

/// Refuses the whole command before any of it is done.
fn check_subscriptions(context: &Context<'_>, request: Request<'_>, kind: Kind) -> Result<(), Error> {
    let config = context.session.config();
    let names = request.len() - 1;
    if request.arguments_from(1).any(|name| name.len() > config.max_channel_length) {
        return Err(Error::ChannelTooLong(config.max_channel_length));
    }
    let all = context.session.all_subscriptions();
    let patterns = context.session.subscriptions(Kind::Pattern);
    let limits = |new: usize| {
        if all + new > config.max_subscriptions_per_client {
            return Err(Error::TooManySubscriptions(config.max_subscriptions_per_client));
        }
        if kind == Kind::Pattern && patterns + new > config.max_patterns_per_client {
            return Err(Error::TooManyPatterns(config.max_patterns_per_client));
        }
        Ok(())
    };
    // Only near a limit it matters which of the names are new.
    limits(names).or_else(|_| {
        let distinct: BTreeSet<&[u8]> = request.arguments_from(1).collect();
        let session = &context.session;
        limits(distinct.iter().filter(|name| !session.is_subscribed_to(context.broker, kind, name)).count())
    })
}

/// Subscribes to names from `first` on, as many as one turn may; where to go on, if there are more.
fn subscribe_some(
    context: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    kind: Kind,
) -> Option<usize> {
    let end = request.len().min(first + NAMES_PER_TURN);
    let outbox = context.session.outbox().clone();
    for index in first..end {
        let name = request.argument(index);
        let (executing, now) = (context.executing, context.now);
        let limit = context.session.config().client_output_buffer_limit.pubsub;
        let protocol = context.session.protocol;
        let reply = &mut context.workspace.reply;
        context.session.subscribe(context.broker, kind, name, |count| {
            let mut writer = crate::resp::reply::Reply::new(reply, protocol);
            writer.push(3);
            writer.bulk(confirmation(kind, true));
            writer.bulk(name);
            writer.integer(count as i64);
            // In the outbox before the first message can be. EXEC holds messages back until it is done.
            if !executing {
                outbox.push_replies(reply, &limit, now);
                reply.clear();
            }
        });
    }
    context.workspace.spend(end - first);
    (end < request.len()).then_some(end)
}

struct SubscribeRest {
    request: OwnedRequest,
    next: usize,
    kind: Kind,
}

impl Resume for SubscribeRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        match subscribe_some(context, self.request.as_request(), self.next, self.kind) {
            None => Ok(Progress::Done),
            Some(next) => {
                self.next = next;
                Ok(Progress::Yield)
            }
        }
    }
}

fn unsubscribe(context: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Result<Flow, Error> {
    let mut rest = UnsubscribeRest { request: None, next: 1, kind };
    if request.len() > 1 {
        rest.next = match unsubscribe_some(context, request, 1, kind) {
            None => return Ok(Flow::Done),
            Some(next) => next,
        };
        rest.request = Some(request.to_owned());
        return Ok(Flow::Later(Box::new(rest)));
    }
    if context.session.subscriptions(kind) == 0 {
        let count = context.session.confirmed_count(kind);
        write_unsubscribed(context, kind, None, count);
        return Ok(Flow::Done);
    }
    Ok(match rest.resume(context)? {
        Progress::Done => Flow::Done,
        Progress::Yield | Progress::Wait => Flow::Later(Box::new(rest)),
    })
}

fn unsubscribe_some(
    context: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    kind: Kind,
) -> Option<usize> {
    let end = request.len().min(first + NAMES_PER_TURN);
    for index in first..end {
        let name = request.argument(index);
        context.session.unsubscribe(context.broker, kind, name);
        let count = context.session.confirmed_count(kind);
        write_unsubscribed(context, kind, Some(name), count);
    }
    context.workspace.spend(end - first);
    (end < request.len()).then_some(end)
}

fn write_unsubscribed(context: &mut Context<'_>, kind: Kind, name: Option<&[u8]>, count: usize) {
    let mut reply = context.reply();
    reply.push(3);
    reply.bulk(confirmation(kind, false));
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
    if !context.executing {
        flush(context.session, &mut context.workspace.reply, context.now);
    }
}

struct UnsubscribeRest {
    /// The names; without, all there are.
    request: Option<OwnedRequest>,
    next: usize,
    kind: Kind,
}

impl Resume for UnsubscribeRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        if let Some(request) = &self.request {
            return Ok(match unsubscribe_some(context, request.as_request(), self.next, self.kind) {
                None => Progress::Done,
                Some(next) => {
                    self.next = next;
                    Progress::Yield
                }
            });
        }
        let protocol = context.session.protocol;
        let reply = &mut context.workspace.reply;
        context.session.unsubscribe_some(context.broker, self.kind, NAMES_PER_TURN, |name, count| {
            let mut writer = crate::resp::reply::Reply::new(reply, protocol);
            writer.push(3);
            writer.bulk(confirmation(self.kind, false));
            writer.bulk(name);
            writer.integer(count as i64);
        });
        if !context.executing {
            flush(context.session, &mut context.workspace.reply, context.now);
        }
        context.workspace.spend(NAMES_PER_TURN);
        Ok(if context.session.subscriptions(self.kind) == 0 { Progress::Done } else { Progress::Yield })
    }
}

fn publish(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    match deliver(context, kind, request.argument(1), request.argument(2)) {
        Published::Delivered(receivers) => {
            context.reply().integer(receivers as i64);
            Ok(Flow::Done)
        }
        Published::Unfinished => Ok(Flow::Later(Box::new(PublishRest))),
    }
}

fn deliver(context: &mut Context<'_>, kind: ChannelKind, channel: &[u8], payload: &[u8]) -> Published {
    let shared = shared_if_large(payload);
    let payload = shared.as_ref().map_or(Payload::Small(payload), Payload::Shared);
    let publisher = context.session.outbox().clone();
    let broker = context.broker;
    let mut delivery = context.delivery();
    let published =
        broker.subscriptions.publish(Message { kind, channel, payload }, &publisher, &mut delivery);
    let spent = FANOUT_SPENT - delivery.budget;
    context.workspace.spend(spent);
    context.workspace.counts.published += 1;
    if let Published::Delivered(receivers) = published {
        context.workspace.counts.delivered += receivers;
    }
    published
}

/// What a delivery starts with.
const FANOUT_SPENT: usize = super::FANOUT_BUDGET;

/// A publish whose fan-out goes on elsewhere.
struct PublishRest;

impl Resume for PublishRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let Some(receivers) = context.session.outbox().take_completion() else { return Ok(Progress::Wait) };
        context.workspace.counts.delivered += receivers;
        context.reply().integer(receivers as i64);
        Ok(Progress::Done)
    }
}

fn mpublish(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.reply().array(request.len() - 2);
    let mut next = 2;
    Ok(match mpublish_some(context, request, &mut next) {
        Progress::Done => Flow::Done,
        Progress::Yield => {
            Flow::Later(Box::new(MpublishRest { request: request.to_owned(), next, waits: false }))
        }
        Progress::Wait => {
            Flow::Later(Box::new(MpublishRest { request: request.to_owned(), next, waits: true }))
        }
    })
}

/// Publishes to the channels from `next` on. `Wait`: the one before `next` is not finished.
fn mpublish_some(context: &mut Context<'_>, request: Request<'_>, next: &mut usize) -> Progress {
    while *next < request.len() {
        if context.workspace.budget == 0 {
            return Progress::Yield;
        }
        context.workspace.spend(1);
        let published = deliver(context, ChannelKind::Global, request.argument(*next), request.argument(1));
        *next += 1;
        match published {
            Published::Delivered(receivers) => context.reply().integer(receivers as i64),
            Published::Unfinished => return Progress::Wait,
        }
    }
    Progress::Done
}

struct MpublishRest {
    request: OwnedRequest,
    next: usize,
    waits: bool,
}

impl Resume for MpublishRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        if self.waits && PublishRest.resume(context)? == Progress::Wait {
            return Ok(Progress::Wait);
        }
        let progress = mpublish_some(context, self.request.as_request(), &mut self.next);
        self.waits = progress == Progress::Wait;
        Ok(progress)
    }
}

fn numsub(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    context.reply().array((request.len() - 2) * 2);
    for channel in request.arguments_from(2) {
        let subscribers = context.broker.subscriptions.subscribers(kind, channel);
        let mut reply = context.reply();
        reply.bulk(channel);
        reply.integer(subscribers as i64);
    }
    context.workspace.spend(request.len());
    Ok(Flow::Done)
}

fn channels(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    if request.len() > 3 {
        return Err(Error::ChannelsArity(request.argument(1).to_vec()));
    }
    let pattern = (request.len() == 3).then(|| request.argument(2).to_vec());
    let mut rest =
        ChannelsRest { kind, pattern, place: Some(ListPlace::default()), count: 0, names: Vec::new() };
    Ok(match rest.resume(context)? {
        Progress::Done => Flow::Done,
        Progress::Yield | Progress::Wait => Flow::Later(Box::new(rest)),
    })
}

/// PUBSUB CHANNELS, under way.
struct ChannelsRest {
    kind: ChannelKind,
    pattern: Option<Vec<u8>>,
    place: Option<ListPlace>,
    count: usize,
    /// The names found so far, encoded.
    names: Vec<u8>,
}

impl Resume for ChannelsRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        while let Some(place) = self.place {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let mut seen = 0;
            let mut names = crate::resp::reply::Reply::new(&mut self.names, context.session.protocol);
            let visit = |name: &[u8]| {
                seen += 1;
                if self.pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name)) {
                    self.count += 1;
                    names.bulk(name);
                }
            };
            self.place =
                context.broker.subscriptions.for_each_channel(self.kind, place, CHANNELS_PER_STEP, visit);
            context.workspace.spend(1 + seen);
        }
        let mut reply = context.reply();
        reply.array(self.count);
        reply.raw(&self.names);
        Ok(Progress::Done)
    }
}
