//! PUBSUB STATS: the channels that are published to most.
//!
//! Owns its syntax and reply. What is counted, and how exact that is, is told in [`crate::pubsub::busiest`].

use std::cmp::Reverse;

use crate::command::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::pubsub::busiest::Busy;
use crate::resp::push::ChannelKind;
use crate::resp::request::{Request, parse_integer};

/// Channels shown if nothing else is asked for.
const COUNT: usize = 10;

pub(super) fn stats(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let count = match request.len() {
        2 => COUNT,
        4 if request.argument(2).eq_ignore_ascii_case(b"COUNT") => {
            let count = parse_integer(request.argument(3)).ok_or(Error::NotInteger)?;
            usize::try_from(count).map_err(|_| Error::CountNegative)?
        }
        _ => return Err(Error::Syntax),
    };
    let stage = Stage::Look { kind: ChannelKind::Global, shard: 0 };
    resume_now(context, StatsRest { count, found: Vec::new(), stage })
}

/// The command, under way.
struct StatsRest {
    count: usize,
    found: Vec<(ChannelKind, Busy)>,
    stage: Stage,
}

enum Stage {
    /// Through all shards, of one kind of channels and then of the other.
    Look { kind: ChannelKind, shard: usize },
    /// The channels from `next` on are to be shown.
    Show { next: usize },
}

impl Resume for StatsRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            match self.stage {
                Stage::Look { kind, shard } => match context.broker.subscriptions.busiest(kind, shard) {
                    Some(channels) => {
                        context.workspace.spend(1 + channels.len());
                        self.found.extend(channels.into_iter().map(|channel| (kind, channel)));
                        self.stage = Stage::Look { kind, shard: shard + 1 };
                    }
                    None if kind == ChannelKind::Global => {
                        self.stage = Stage::Look { kind: ChannelKind::Shard, shard: 0 };
                    }
                    None => {
                        self.choose();
                        context.reply().array(self.found.len());
                        self.stage = Stage::Show { next: 0 };
                    }
                },
                Stage::Show { next } => {
                    let Some((kind, channel)) = self.found.get(next) else { return Ok(Progress::Done) };
                    show(context, *kind, channel);
                    self.stage = Stage::Show { next: next + 1 };
                }
            }
        }
    }
}

impl StatsRest {
    fn choose(&mut self) {
        let rank = |(_, channel): &(ChannelKind, Busy)| (Reverse(channel.messages), channel.name.clone());
        self.found.sort_by_cached_key(rank);
        self.found.truncate(self.count);
    }
}

fn show(context: &mut Context<'_>, kind: ChannelKind, channel: &Busy) {
    let subscribers = context.broker.subscriptions.subscribers(kind, &channel.name);
    context.workspace.spend(1);
    let mut reply = context.reply();
    reply.map(6);
    reply.bulk(b"channel");
    reply.bulk(&channel.name);
    reply.bulk(b"kind");
    reply.bulk(match kind {
        ChannelKind::Global => b"channel",
        ChannelKind::Shard => b"shardchannel",
    });
    for (key, value) in [
        ("messages", channel.messages),
        ("bytes", channel.bytes),
        ("subscribers", subscribers as u64),
        ("uncounted", channel.uncounted),
    ] {
        reply.bulk(key.as_bytes());
        reply.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }
}
