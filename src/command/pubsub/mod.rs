//! PUBSUB: what is subscribed to, and what is published.
//!
//! Owns the syntax and replies of its subcommands.

mod stats;
mod subscribers;

use crate::broker::subscriptions::ListPlace;
use crate::command::each::for_each_argument;
use crate::command::help::help;
use crate::command::spec::{Action, Flags, Group, Row};
use crate::command::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::glob;
use crate::resp::push::ChannelKind;
use crate::resp::reply::Reply;
use crate::resp::request::Request;

/// Channels that one step looks at.
const CHANNELS_PER_STEP: usize = 1024;
/// Comparisons of a pattern's byte with a channel's for which one shard is locked: a fraction of a millisecond.
const COMPARISONS_PER_STEP: usize = 256 * 1024;

const ASKING: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);

/// Who may know this may know of all clients, as CLIENT LIST tells it.
const OBSERVING: Flags = ASKING.and(Flags::ADMIN);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "pubsub",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands that tell about subscriptions.",
    action: Action::Subcommands(PUBSUB),
    since: "2.8.0",
    ..Row::of(Group::Pubsub)
}];

const PUBSUB: &[Row] = &[
    Row {
        name: "pubsub|channels",
        arity: -2,
        flags: ASKING,
        summary: "Returns the channels that have subscribers.",
        action: Action::Run(|context, request| channels(context, request, ChannelKind::Global)),
        since: "2.8.0",
        syntax: "[pattern:pattern]",
        complexity: "O(N) where N is the number of channels.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|numsub",
        arity: -2,
        flags: ASKING,
        summary: "Returns the number of subscribers of channels.",
        action: Action::Run(|context, request| numsub(context, request, ChannelKind::Global)),
        since: "2.8.0",
        syntax: "[channel [channel ...]]",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|numpat",
        arity: 2,
        flags: ASKING,
        summary: "Returns the number of distinct patterns that are subscribed to.",
        action: Action::Run(|context, _| resume_now(context, PatternsRest { counted: 0, first: 0 })),
        since: "2.8.0",
        complexity: "O(1) on a single instance, O(N) on one of several, where N is the number of patterns.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|shardchannels",
        arity: -2,
        flags: ASKING,
        summary: "Returns the shard channels that have subscribers.",
        action: Action::Run(|context, request| channels(context, request, ChannelKind::Shard)),
        since: "7.0.0",
        syntax: "[pattern:pattern]",
        complexity: "O(N) where N is the number of shard channels.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|shardnumsub",
        arity: -2,
        flags: ASKING,
        summary: "Returns the number of subscribers of shard channels.",
        action: Action::Run(|context, request| numsub(context, request, ChannelKind::Shard)),
        since: "7.0.0",
        syntax: "[shardchannel [shardchannel ...]]",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|subscribers",
        arity: 3,
        flags: OBSERVING,
        summary: "Returns the clients that are subscribed to a channel itself: ours.",
        action: Action::Run(|context, request| {
            subscribers::subscribers(context, request, ChannelKind::Global)
        }),
        since: "0.1.0",
        syntax: "channel",
        complexity: "O(N) where N is the number of subscribers.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|shardsubscribers",
        arity: 3,
        flags: OBSERVING,
        summary: "Returns the clients that are subscribed to a shard channel: ours.",
        action: Action::Run(|context, request| {
            subscribers::subscribers(context, request, ChannelKind::Shard)
        }),
        since: "0.1.0",
        syntax: "shardchannel",
        complexity: "O(N) where N is the number of subscribers.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|stats",
        arity: -2,
        flags: ASKING,
        summary: "Returns the channels that are published to most: ours.",
        action: Action::Run(stats::stats),
        since: "0.1.0",
        syntax: "[COUNT count:integer]",
        complexity: "O(N log N) where N is the number of channels counted.",
        ..Row::of(Group::Pubsub)
    },
    Row {
        name: "pubsub|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            help(context, "PUBSUB", HELP);
            Ok(Flow::Done)
        }),
        since: "6.2.0",
        ..Row::of(Group::Pubsub)
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
    "SHARDSUBSCRIBERS <shardchannel>",
    "    Return the clients that are subscribed to a shard level channel.",
    "STATS [COUNT <count>]",
    "    Return the channels that are published to most since CONFIG RESETSTAT (default: 10). A channel with more",
    "    than 1/16 of the messages is surely among those that are counted (pubsub-stats-channels), and in practice",
    "    one with more than 1/4096. What is counted is exact; 'uncounted' messages may have come before, at most.",
    "SUBSCRIBERS <channel>",
    "    Return the clients that are subscribed to a channel, excluding pattern subscriptions.",
];

fn numsub(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    context.reply().array((request.len() - 2) * 2);
    for_each_argument(context, request, 2, CHANNELS_PER_STEP, move |context, channel| {
        let subscribers = context.broker.subscriptions.all_subscribers(kind, channel);
        let mut reply = context.reply();
        reply.bulk(channel);
        reply.integer(subscribers as i64);
        Progress::Done
    })
}

fn channels(context: &mut Context<'_>, request: Request<'_>, kind: ChannelKind) -> Result<Flow, Error> {
    if request.len() > 3 {
        return Err(Error::subcommand_arity(request, "PUBSUB"));
    }
    let pattern = (request.len() == 3).then(|| request.argument(2).to_vec());
    let longest = context.session.config().max_pattern_length;
    if pattern.as_ref().is_some_and(|pattern| pattern.len() > longest) {
        return Err(Error::PatternTooLong(longest));
    }
    let per_step = pattern.as_ref().map_or(CHANNELS_PER_STEP, |pattern| {
        names_per_step(pattern.len(), context.session.config().max_channel_length)
    });
    let place = Some(ListPlace::default());
    resume_now(context, ChannelsRest { kind, pattern, per_step, place, count: 0, names: Vec::new() })
}

/// With how many names a pattern is compared in one step, whatever the two are like.
pub(super) fn names_per_step(pattern_bytes: usize, name_bytes_max: usize) -> usize {
    let comparisons = pattern_bytes.saturating_mul(name_bytes_max).max(1);
    (COMPARISONS_PER_STEP / comparisons).clamp(1, CHANNELS_PER_STEP)
}

/// PUBSUB NUMPAT, under way.
struct PatternsRest {
    counted: usize,
    first: usize,
}

impl Resume for PatternsRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let (counted, next) = context.broker.subscriptions.count_patterns_of_all(self.first);
            context.workspace.spend(1 + next.map_or(0, |next| next - self.first));
            self.counted += counted;
            let Some(next) = next else { break };
            self.first = next;
        }
        context.reply().integer(self.counted as i64);
        Ok(Progress::Done)
    }
}

/// PUBSUB CHANNELS, under way.
struct ChannelsRest {
    kind: ChannelKind,
    pattern: Option<Vec<u8>>,
    per_step: usize,
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
            let mut names = Reply::new(&mut self.names, context.session.protocol);
            let budget = &mut context.workspace.budget;
            *budget -= 1;
            let visit = |name: &[u8]| {
                let matched = match &self.pattern {
                    Some(pattern) => glob::matches_within(pattern, name, budget),
                    None => {
                        *budget = budget.saturating_sub(1);
                        true
                    }
                };
                if matched {
                    self.count += 1;
                    names.bulk(name);
                }
            };
            self.place =
                context.broker.subscriptions.for_each_channel(self.kind, place, self.per_step, visit);
        }
        let mut reply = context.reply();
        reply.array(self.count);
        reply.raw(&self.names);
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_not_locked_for_long_whatever_is_compared() {
        assert_eq!(names_per_step(0, 4096), CHANNELS_PER_STEP);
        assert_eq!(names_per_step(1024, 4096), 1);
        assert_eq!(names_per_step(usize::MAX, usize::MAX), 1);
        for (pattern, channel) in [(1, 1), (6, 4096), (20, 100), (100, 1000)] {
            let channels = names_per_step(pattern, channel);
            assert!(channels >= 1 && channels * pattern * channel <= COMPARISONS_PER_STEP);
        }
    }
}
