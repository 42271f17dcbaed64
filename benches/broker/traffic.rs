//! Publish and subscribe loads as values: who subscribes to what, who publishes how fast, and so which bytes every
//! connection must send and receive.
//!
//! Must not know of sockets: the generator and the blaster play the two sides of what is written here.

use crate::tape::Tape;
use crate::wire::{Exchange, Wire};

/// When publishers publish.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as answers and deliveries come back.
    Closed {
        /// Requests in flight per publisher.
        unanswered: u64,
        /// Messages in flight to the average subscriber, if that is to hold the publishers back as well. Answers alone
        /// do not bound what a server has queued for its subscribers.
        undelivered: Option<u64>,
    },
    /// By the clock: this many in a second, each with a write of its own, whether the server keeps up or not.
    PerSecond(u64),
}

/// A load. Channel `c` belongs to publisher `c % publishers`, which publishes to its channels in turns: each channel
/// has one publisher, so its messages have one order.
#[derive(Clone)]
pub(crate) struct Traffic {
    pub(crate) channels: usize,
    /// Subscribers of each channel, each with a connection of its own.
    pub(crate) subscribers: usize,
    /// Patterns of a bystander, none of which matches.
    pub(crate) patterns: usize,
    pub(crate) publishers: usize,
    pub(crate) pace: Pace,
    /// Another client pings meanwhile, and its latency counts instead of the messages'.
    pub(crate) pinged: bool,
}

/// Messages whose sequence numbers differ. Small enough for all tapes of a load to stay in the cache.
const PERIOD: usize = 1024;

impl Traffic {
    /// The channel of each subscriber, in the order in which they connect.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = usize> {
        (0..self.channels).flat_map(|channel| (0..self.subscribers).map(move |_| channel))
    }

    pub(crate) fn subscribe(&self, wire: &dyn Wire, channel: usize) -> Exchange {
        wire.subscribe(&channel_name(channel), 1)
    }

    /// The bystander's requests.
    pub(crate) fn subscribe_patterns(&self, wire: &dyn Wire) -> Option<Vec<Exchange>> {
        (0..self.patterns).map(|nth| wire.subscribe_pattern(&format!("idle-{nth:05}:*"), nth + 1)).collect()
    }

    /// What a subscriber of the channel receives.
    pub(crate) fn messages(&self, wire: &dyn Wire, channel: usize) -> Tape {
        Tape::new((0..self.period()).map(|sequence| wire.message(&channel_name(channel), &payload(sequence))))
    }

    /// What a publisher sends.
    pub(crate) fn requests(&self, wire: &dyn Wire, publisher: usize) -> Tape {
        Tape::new(self.publishes(wire, publisher).map(|publish| publish.request))
    }

    /// What it receives in return.
    pub(crate) fn answers(&self, wire: &dyn Wire, publisher: usize) -> Tape {
        Tape::new(self.publishes(wire, publisher).map(|publish| publish.answer))
    }

    fn publishes<'a>(&'a self, wire: &'a dyn Wire, publisher: usize) -> impl Iterator<Item = Exchange> + 'a {
        let channels = move || (publisher..self.channels).step_by(self.publishers);
        (0..self.period()).flat_map(move |sequence| channels().map(move |channel| (channel, sequence))).map(
            |(channel, sequence)| wire.publish(&channel_name(channel), &payload(sequence), self.subscribers),
        )
    }

    /// Publisher of a channel and place of the channel's `nth` message (from 0) among its requests.
    pub(crate) fn request_of(&self, channel: usize, nth: u64) -> (usize, usize) {
        let turn = channel / self.publishers;
        (channel % self.publishers, nth as usize * self.channels_of_each() + turn)
    }

    /// Channel of a publisher's `nth` request.
    pub(crate) fn channel_of(&self, publisher: usize, nth: u64) -> usize {
        publisher + (nth as usize % self.channels_of_each()) * self.publishers
    }

    /// So many messages that timing each would cost the generator too much.
    pub(crate) fn is_saturated(&self) -> bool {
        matches!(self.pace, Pace::Closed { unanswered: 64.., .. })
    }

    fn channels_of_each(&self) -> usize {
        self.channels / self.publishers
    }

    fn period(&self) -> usize {
        (PERIOD / self.channels).max(8)
    }
}

/// Names of 13 bytes.
pub(crate) fn channel_name(channel: usize) -> String {
    format!("chan:{channel:08}")
}

fn payload(sequence: usize) -> String {
    format!("{sequence:016}")
}
