//! SUBSCRIBE, UNSUBSCRIBE and their kin for patterns and shard channels.
//!
//! Owns their syntax, limits and confirmations. What a subscription is, is in `broker`.

use std::collections::BTreeSet;

use super::each::for_each_argument;
use super::keys::key;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, Resume, Workspace, flush, presence, resume_now};
use crate::outbox::{Pushed, Refused};
use crate::pubsub::Kind;
use crate::resp::reply::Reply;
use crate::resp::request::Request;

/// Names that one turn subscribes to or unsubscribes from.
pub(super) const NAMES_PER_TURN: usize = 256;

const SUBSCRIBING: Flags = Flags::PUBSUB
    .and(Flags::NOSCRIPT)
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::SUBSCRIBED_MODE)
    .and(Flags::CONFIRMS);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "subscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to channels.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Channel)),
        since: "2.0.0",
        syntax: "channel [channel ...]",
        complexity: "O(N) where N is the number of channels.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "psubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to channels that match one or more patterns.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Pattern)),
        since: "2.0.0",
        syntax: "pattern:pattern [pattern:pattern ...]",
        complexity: "O(N) where N is the number of patterns.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "ssubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        summary: "Listens for messages published to shard channels.",
        action: Action::Run(|context, request| subscribe(context, request, Kind::Shard)),
        since: "7.0.0",
        syntax: "shardchannel [shardchannel ...]",
        complexity: "O(N) where N is the number of shard channels.",
        keys: &[key(1, "not_key").through(-1, 1)],
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "unsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages posted to channels.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Channel)),
        since: "2.0.0",
        syntax: "[channel [channel ...]]",
        complexity: "O(N) where N is the number of channels.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "punsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages published to channels that match one or more patterns.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Pattern)),
        since: "2.0.0",
        syntax: "[pattern:pattern [pattern:pattern ...]]",
        complexity: "O(N) where N is the number of patterns.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "sunsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        summary: "Stops listening to messages posted to shard channels.",
        action: Action::Run(|context, request| unsubscribe(context, request, Kind::Shard)),
        since: "7.0.0",
        syntax: "[shardchannel [shardchannel ...]]",
        complexity: "O(N) where N is the number of shard channels.",
        keys: &[key(1, "not_key").through(-1, 1)],
        ..Row::of(Group::Pubsub)
    },
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
    for_each_argument(context, request, 1, NAMES_PER_TURN, move |context, name| {
        subscribe_one(context, name, kind);
        Progress::Done
    })
}

/// Refuses the whole command before any of it is done.
fn check_subscriptions(context: &Context<'_>, request: Request<'_>, kind: Kind) -> Result<(), Error> {
    let config = context.session.config();
    let names = request.len() - 1;
    let longest = request.arguments_from(1).map(<[u8]>::len).max().unwrap_or(0);
    if kind == Kind::Pattern && longest > config.max_pattern_length {
        return Err(Error::PatternTooLong(config.max_pattern_length));
    }
    if kind != Kind::Pattern && longest > config.max_channel_length {
        return Err(Error::ChannelTooLong(config.max_channel_length));
    }
    if kind == Kind::Channel {
        presence::check_channels(context, request.arguments_from(1))?;
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

fn subscribe_one(context: &mut Context<'_>, name: &[u8], kind: Kind) {
    let outbox = context.session.outbox().clone();
    let (executing, now) = (context.executing, context.now);
    let waits = context.session.waits_for_peers(context.broker, name);
    if waits {
        // Replies to what came before need not wait, unless EXEC keeps all together.
        if !executing {
            flush(context.session, context.workspace, now);
        }
        outbox.raise();
        context.workspace.awaited.get_or_insert(0);
    }
    let limit = context.session.config().client_output_buffer_limit.pubsub;
    let protocol = context.session.protocol;
    let Workspace { reply, overflowed, .. } = &mut *context.workspace;
    let subscribed = context.session.subscribe(context.broker, now, kind, name, |count| {
        let mut writer = Reply::new(reply, protocol);
        writer.push(3);
        writer.bulk(confirmation(kind, true));
        writer.bulk(name);
        writer.integer(count as i64);
        // In the outbox before the first message can be. EXEC holds messages back until it is done.
        if !executing {
            if outbox.push_replies(reply, &limit, now) == Err(Refused::Overflow) {
                overflowed.push(outbox.id());
            }
            reply.clear();
        }
    });
    if waits {
        context.workspace.awaited = context.workspace.awaited.max(subscribed);
    }
    if subscribed.is_some()
        && kind == Kind::Channel
        && let Some(Pushed::Overflow(_)) = context.session.listen(context.broker, context.now, name)
    {
        context.workspace.overflowed.push(context.session.id());
    }
}

fn unsubscribe(context: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Result<Flow, Error> {
    if request.len() > 1 {
        return for_each_argument(context, request, 1, NAMES_PER_TURN, move |context, name| {
            context.session.unsubscribe(context.broker, context.now, kind, name);
            if kind == Kind::Channel && presence::finish_unsubscribe(context, name) != Progress::Done {
                return Progress::Yield;
            }
            let count = context.session.confirmed_count(kind);
            write_unsubscribed(context, kind, Some(name), count);
            Progress::Done
        });
    }
    if context.session.subscriptions(kind) == 0 {
        let count = context.session.confirmed_count(kind);
        write_unsubscribed(context, kind, None, count);
        return Ok(Flow::Done);
    }
    resume_now(context, UnsubscribeAll { kind })
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
        flush(context.session, context.workspace, context.now);
    }
}

/// UNSUBSCRIBE without names, under way.
struct UnsubscribeAll {
    kind: Kind,
}

impl Resume for UnsubscribeAll {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let protocol = context.session.protocol;
        let reply = &mut context.workspace.reply;
        context.session.unsubscribe_some(
            context.broker,
            context.now,
            self.kind,
            NAMES_PER_TURN,
            |name, count| {
                let mut writer = Reply::new(reply, protocol);
                writer.push(3);
                writer.bulk(confirmation(self.kind, false));
                writer.bulk(name);
                writer.integer(count as i64);
            },
        );
        if !context.executing {
            flush(context.session, context.workspace, context.now);
        }
        context.workspace.spend(NAMES_PER_TURN);
        Ok(if context.session.subscriptions(self.kind) == 0 { Progress::Done } else { Progress::Yield })
    }
}
