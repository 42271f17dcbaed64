//! Delivers one message to everybody who is subscribed, in as many turns as it takes.
//!
//! Owns the order of a delivery (the channel's own receivers first, then those of each matching pattern) and the
//! cursor that lets it stop after any receiver. Must not know locks: the caller holds what is passed in.
//! Start with [`advance`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::pattern_table::PatternTable;
use super::patterns::MatchCursor;
use super::receivers::Receivers;
use super::remote::{Interested, Peers};
use crate::config::OutputLimit;
use crate::outbox::{Outbox, Pushed};
use crate::resp::push::{ChannelKind, Frame, FrameBuffer, Payload, Payloads, SHARED_PAYLOAD_BYTES, share};
use crate::time::Now;

/// A message as it is published, or several that follow each other to one channel.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Which kind of channel.
    pub kind: ChannelKind,
    /// The channel's name.
    pub channel: &'a [u8],
    /// What is sent.
    pub payload: Payload<'a>,
}

/// Bytes whose copy costs as much as the push of a short frame does when the receiver's outbox is in no cache.
const BYTES_PER_UNIT: usize = 8 * 1024;

/// Who is meant by a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All who are subscribed.
    All,
    /// Subscribers of the channel itself, and of patterns that begin like this.
    Reserved {
        /// What the channel begins with too.
        prefix: &'static [u8],
    },
    /// Subscribers of patterns that begin like this. It is in no limit of theirs, and who has more than `backlog` bytes
    /// waiting loses it.
    Patterns {
        /// What the channel begins with too.
        prefix: &'static [u8],
        /// Bytes.
        backlog: usize,
    },
}

impl Audience {
    fn prefix(self) -> &'static [u8] {
        match self {
            Audience::All => b"",
            Audience::Reserved { prefix } | Audience::Patterns { prefix, .. } => prefix,
        }
    }
}

/// How far a delivery has come.
pub struct Cursor {
    audience: Audience,
    stage: Stage,
    /// Receivers reached.
    delivered: u64,
    peers: Forwarding,
}

impl Cursor {
    /// The beginning of a delivery. Without `patterns` those that are subscribed to before it begins do not count either.
    pub fn new(patterns: bool) -> Self {
        Cursor::among(patterns, Peers::default(), Interested::default())
    }

    /// The same, where patterns of `peers` count too, and `interested` are those that get it anyway.
    pub fn among(patterns: bool, peers: Peers, interested: Interested) -> Self {
        let peers = Forwarding { linked: peers.linked, unlinked: peers.unlinked, interested };
        Cursor { audience: Audience::All, stage: Stage::Start { patterns }, delivered: 0, peers }
    }

    /// The beginning of a delivery to some of those who are subscribed.
    pub fn to(audience: Audience) -> Self {
        Cursor { audience, ..Cursor::new(true) }
    }

    /// Who is meant.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// Receivers reached, and subscribers of the peers that it is forwarded to.
    pub fn receivers(&self) -> u64 {
        self.delivered + self.peers.interested.subscribers
    }
}

/// The other instances that a message is for.
struct Forwarding {
    /// Those that count; none if it came from one of them.
    linked: u64,
    /// Those whose link is lost.
    unlinked: u64,
    /// Those that it is forwarded to.
    interested: Interested,
}

impl Forwarding {
    /// Patterns have been found to match: it is forwarded to those who want them, if it has not been yet.
    fn add(&mut self, found: &VecDeque<u32>, patterns: &PatternTable, delivery: &mut Delivery<'_>) {
        let forwarded = self.interested.peers;
        for &id in found {
            self.interested.add(patterns.interested(id, self.linked));
            self.interested.peers |= patterns.interested(id, self.unlinked).peers;
        }
        delivery.forward |= self.interested.peers & !forwarded;
    }
}

enum Stage {
    /// `patterns`: those that exist when the delivery begins count.
    Start {
        patterns: bool,
    },
    /// Among the channel's own receivers, from `next` up to `end`.
    Channel {
        next: u32,
        end: u32,
        /// The latest pattern subscription when the delivery began; nothing if there was no pattern.
        since: Option<u64>,
    },
    /// Among the patterns, which are looked for in pieces too.
    Patterns(Box<PatternStage>),
    Done,
}

struct PatternStage {
    /// Pattern subscriptions later than this do not count.
    since: u64,
    search: MatchCursor,
    searched: bool,
    found: VecDeque<u32>,
    /// Among the receivers of the first pattern in `found`.
    next: u32,
}

/// Where deliveries leave what they cause, and what they need for it.
pub struct Delivery<'a> {
    /// Output limit of subscribers.
    pub limit: OutputLimit,
    /// The time of the publish.
    pub now: Now,
    /// Who must be woken, first come first served.
    pub ready: &'a mut VecDeque<Waker>,
    /// Ids of the clients that were closed because they do not keep up.
    pub overflowed: &'a mut Vec<u64>,
    /// Where frames are encoded.
    pub frame: &'a mut FrameBuffer,
    /// Receivers and patterns that may still be looked at in this turn.
    pub budget: usize,
    /// Messages that were queued, one for each receiver.
    pub delivered: u64,
    /// Messages that a receiver was told nothing of, having too much waiting.
    pub lost: u64,
    /// The peers to which what is published is to be forwarded now, as bits.
    pub forward: u64,
}

impl Delivery<'_> {
    fn push(&mut self, receiver: &Outbox, audience: Audience, frame: Frame<'_>) -> u64 {
        let pushed = match audience {
            Audience::All | Audience::Reserved { .. } => receiver.push(frame, &self.limit, self.now),
            Audience::Patterns { backlog, .. } => {
                let Some(pushed) = receiver.push_if_room(frame, backlog) else {
                    self.lost += 1;
                    return 0;
                };
                pushed
            }
        };
        match pushed {
            Pushed::Queued => 1,
            Pushed::Wake(waker) => {
                self.ready.push_back(waker);
                1
            }
            Pushed::Overflow(waker) => {
                self.overflowed.push(receiver.id());
                self.ready.extend(waker);
                0
            }
            Pushed::Closed => 0,
        }
    }

    /// Delivers to the slots from `next` up to `end`; returns where to go on and how many were reached.
    fn push_all(
        &mut self,
        receivers: &Receivers,
        (next, end): (u32, u32),
        audience: Audience,
        frame: Frame<'_>,
    ) -> (u32, u64) {
        // A long frame costs its copy beside the push.
        let cost = 1 + frame.head.len() / BYTES_PER_UNIT;
        let least = u32::from(self.budget > 0);
        let most = u32::try_from(self.budget / cost).unwrap_or(u32::MAX).max(least);
        let stop = end.min(next.saturating_add(most));
        self.budget = self.budget.saturating_sub((stop - next) as usize * cost);
        let mut delivered = 0;
        for (_, receiver) in receivers.range(next, stop) {
            delivered += self.push(receiver, audience, frame);
        }
        (stop, delivered)
    }
}

/// Delivers until everybody has the message (true) or the budget is used up (false; call again with the same
/// cursor). `receivers` are those of the message's channel, `patterns` nothing if none can apply.
pub fn advance(
    message: Message<'_>,
    cursor: &mut Cursor,
    receivers: Option<&Receivers>,
    patterns: Option<&PatternTable>,
    delivery: &mut Delivery<'_>,
) -> bool {
    let messages = message.payload.messages() as u64;
    let audience = cursor.audience;
    // Those who are subscribed to the channel itself are told otherwise.
    let receivers = receivers.filter(|_| !matches!(audience, Audience::Patterns { .. }));
    loop {
        match &mut cursor.stage {
            Stage::Start { patterns: count } => {
                cursor.stage = Stage::Channel {
                    next: 0,
                    end: receivers.map_or(0, Receivers::end),
                    since: patterns.filter(|_| *count).map(PatternTable::latest),
                };
            }
            Stage::Channel { next, end, since } => {
                if let Some(receivers) = receivers
                    && next < end
                {
                    let mut buffer = std::mem::take(delivery.frame);
                    let frame = message.payload.message(message.kind, message.channel, &mut buffer);
                    let (stop, delivered) = delivery.push_all(receivers, (*next, *end), audience, frame);
                    *delivery.frame = buffer;
                    *next = stop;
                    cursor.delivered += delivered;
                    delivery.delivered += delivered * messages;
                    if *next < *end {
                        return false;
                    }
                }
                cursor.stage = match *since {
                    Some(since) => Stage::Patterns(Box::new(PatternStage::new(audience, since))),
                    None => Stage::Done,
                };
            }
            Stage::Patterns(stage) => {
                // All patterns may have gone since this delivery began.
                if let Some(patterns) = patterns {
                    let (finished, delivered) =
                        stage.advance(message, audience, patterns, &mut cursor.peers, delivery);
                    cursor.delivered += delivered;
                    delivery.delivered += delivered * messages;
                    if !finished {
                        return false;
                    }
                }
                cursor.stage = Stage::Done;
            }
            Stage::Done => return true,
        }
    }
}

impl PatternStage {
    fn new(audience: Audience, since: u64) -> Self {
        let (search, found) = (MatchCursor::of_prefixes(audience.prefix().len()), VecDeque::new());
        PatternStage { since, search, searched: false, found, next: 0 }
    }

    /// Whether all patterns are done, and how many receivers were reached. Apart: most messages meet no pattern.
    #[inline(never)]
    fn advance(
        &mut self,
        message: Message<'_>,
        audience: Audience,
        patterns: &PatternTable,
        peers: &mut Forwarding,
        delivery: &mut Delivery<'_>,
    ) -> (bool, u64) {
        let mut total = 0;
        loop {
            while let Some(&id) = self.found.front() {
                // The pattern may have gone, and its id to another one, while the table was not locked.
                if let Some((pattern, receivers, end)) = patterns.subscribed_until(id, self.since) {
                    let mut buffer = std::mem::take(delivery.frame);
                    let frame = message.payload.pattern_message(pattern, message.channel, &mut buffer);
                    let (stop, delivered) = delivery.push_all(receivers, (self.next, end), audience, frame);
                    *delivery.frame = buffer;
                    total += delivered;
                    self.next = stop;
                    if stop < end {
                        return (false, total);
                    }
                }
                self.found.pop_front();
                self.next = 0;
            }
            if self.searched {
                return (true, total);
            }
            if delivery.budget == 0 {
                return (false, total);
            }
            self.searched =
                patterns.search(message.channel, &mut self.search, &mut delivery.budget, &mut self.found);
            if peers.linked | peers.unlinked != 0 {
                // At once: an id may be another pattern's when its turn comes.
                peers.add(&self.found, patterns, delivery);
            }
            if audience != Audience::All {
                self.found.retain(|&id| patterns.pattern(id).starts_with(audience.prefix()));
            }
        }
    }
}

/// A delivery that did not end in the turn in which it began.
pub struct Fanout {
    kind: ChannelKind,
    channel: Box<[u8]>,
    payload: OwnedPayload,
    cursor: Cursor,
    publisher: Arc<Outbox>,
}

enum OwnedPayload {
    Small(Box<[u8]>),
    Shared(Bytes),
    Several(Payloads),
}

impl OwnedPayload {
    fn as_payload(&self) -> Payload<'_> {
        match self {
            OwnedPayload::Small(payload) => Payload::Small(payload),
            OwnedPayload::Shared(payload) => Payload::Shared(payload),
            OwnedPayload::Several(payloads) => Payload::Several(payloads),
        }
    }
}

impl Fanout {
    /// Takes a delivery over from the publisher, who is told when it has ended.
    pub fn new(message: Message<'_>, cursor: Cursor, publisher: Arc<Outbox>) -> Self {
        let payload = match message.payload {
            Payload::Small(payload) => OwnedPayload::Small(payload.into()),
            Payload::Shared(payload) => OwnedPayload::Shared(payload.clone()),
            Payload::Several(payloads) => OwnedPayload::Several(payloads.clone()),
        };
        Fanout { kind: message.kind, channel: message.channel.into(), payload, cursor, publisher }
    }

    /// Who is meant.
    pub fn audience(&self) -> Audience {
        self.cursor.audience()
    }

    /// Which kind of channel.
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The channel's name.
    pub fn channel(&self) -> &[u8] {
        &self.channel
    }

    /// Bytes that it keeps.
    pub fn bytes(&self) -> usize {
        self.channel.len() + self.payload.as_payload().bytes()
    }

    /// Goes on with the delivery; see [`advance`].
    pub fn advance(
        &mut self,
        receivers: Option<&Receivers>,
        patterns: Option<&PatternTable>,
        delivery: &mut Delivery<'_>,
    ) -> bool {
        let payload = self.payload.as_payload();
        let message = Message { kind: self.kind, channel: &self.channel, payload };
        advance(message, &mut self.cursor, receivers, patterns, delivery)
    }

    /// What is delivered.
    pub fn message(&self) -> Message<'_> {
        Message { kind: self.kind, channel: &self.channel, payload: self.payload.as_payload() }
    }

    /// The id of who published it.
    pub fn publisher(&self) -> u64 {
        self.publisher.id()
    }

    /// Tells the publisher how many received the message.
    pub fn finish(self) -> Option<Waker> {
        self.publisher.complete(self.cursor.receivers())
    }
}

/// The payload in the form in which it is delivered: large ones in a buffer that all receivers share.
pub fn shared_if_large(payload: &[u8]) -> Option<Bytes> {
    (payload.len() >= SHARED_PAYLOAD_BYTES).then(|| share(payload))
}
