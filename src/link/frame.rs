//! Frames: what travels between two instances, and how it is laid out.
//!
//! ```text
//!   0        1                    4                      4 + length
//!   +--------+--------------------+----------------------+
//!   | kind   | length, 24 bits    | body                 |     length <= 65536; whoever does not know a kind
//!   +--------+--------------------+----------------------+     above 127 skips it
//!
//!   kind                body                                                        where
//!    1 hello            see handshake.rs; at most 4096 bytes                        first
//!    2 proof            one or two HMACs of 32 bytes                                second
//!    3 ping             opaque                                                      control, data
//!    4 pong             what the ping had                                           control, data
//!    5 bye              reason: 1 byte                                              control, data
//!    6 start            life, life of the peer, messages handed over, version of    first on control
//!                       interest: numbers
//!    7 dropped          reason: 1 byte, how many                                    control
//!   16 interest         bytes for the replicated map of interest                    control
//!   17 interest applied version                                                     control
//!   18 presence         bytes for the replicated map of presence                    control
//!   32 message          flags: 1 byte (1: sharded), channel (string), payload       data
//!   33 messages         flags, then (channel, payload) as strings, to the end       data
//!   48 fragment         lane: 1 byte, then, if its bit 7 is set, kind and length    control, data
//!                       of the whole; then bytes
//! ```
//!
//! `length` is big-endian; numbers in bodies are LEB128; a string is its length and its bytes.
//!
//! **Fragments.** A body above 64 KiB travels as fragments. Those of one body stand in one of eight *lanes* in order;
//! between them there may be other frames and fragments of other lanes. A body is taken up when its last byte has come, so
//! that nobody sees half of it. What comes in between is the sender's business, see `queue.rs`.
//!
//! **Origin.** A frame comes from the instance that the hello named. One that a gateway forwards for another one will be of
//! another kind.
//!
//! Owns the layout, and the limits of what a peer may send. Memory is taken for what has arrived. Must not know who
//! sends when.

use super::fragment::Cut;
use crate::crdt::wire::{Input, Malformed, put_bytes, put_number};
use crate::resp::push::ChannelKind;

/// Bytes before each body.
pub const HEADER_BYTES: usize = 4;
/// Longest body of one frame. Larger ones are cut, so that no frame takes longer than half a millisecond on a link of
/// 1 Gbit/s.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Skipped by whoever does not know it.
pub const SKIPPABLE: u8 = 0x80;
/// Longest opaque part of a ping.
const PING_BYTES_MAX: usize = 64;

/// First byte of a frame.
pub mod kind {
    #![allow(missing_docs)] // They are drawn above.
    pub const HELLO: u8 = 1;
    pub const PROOF: u8 = 2;
    pub const PING: u8 = 3;
    pub const PONG: u8 = 4;
    pub const BYE: u8 = 5;
    pub const START: u8 = 6;
    pub const DROPPED: u8 = 7;
    pub const INTEREST: u8 = 16;
    pub const INTEREST_APPLIED: u8 = 17;
    pub const PRESENCE: u8 = 18;
    pub const MESSAGE: u8 = 32;
    pub const MESSAGES: u8 = 33;
    pub const FRAGMENT: u8 = 48;
}

/// What a peer sent is no frame, and why. The connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A body is not what its kind says.
    Malformed(&'static str),
    /// A frame of a kind that is unknown and must not be skipped.
    Unknown(u8),
    /// A frame of this kind has no place here, or not now.
    Unexpected(u8),
    /// A frame of this kind announces more bytes than it may have.
    TooLong {
        /// Its kind.
        kind: u8,
        /// What it announces.
        length: u64,
    },
}

impl From<Malformed> for Fault {
    fn from(Malformed(why): Malformed) -> Self {
        Fault::Malformed(why)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Malformed(why) => write!(formatter, "malformed: {why}"),
            Fault::Unknown(kind) => write!(formatter, "a frame of the unknown kind {kind}"),
            Fault::Unexpected(kind) => write!(formatter, "a frame of kind {kind} where it has no place"),
            Fault::TooLong { kind, length } => {
                write!(formatter, "a frame of kind {kind} with {length} bytes")
            }
        }
    }
}

/// Why messages did not get to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The peer was slow: more waited for it than `cluster-link-limit`.
    Limit,
    /// Larger than `cluster-message-max`, its own or the peer's.
    TooLarge,
    /// Handed to a connection that was lost before they had been read.
    Reconnect,
    /// They still waited when the peer was given up.
    GivenUp,
}

impl Loss {
    /// Each of them.
    pub const ALL: [Loss; 4] = [Loss::Limit, Loss::TooLarge, Loss::Reconnect, Loss::GivenUp];

    /// As operators and applications see it.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Limit => "limit",
            Loss::TooLarge => "too-large",
            Loss::Reconnect => "reconnect",
            Loss::GivenUp => "given-up",
        }
    }
}

/// Why a peer ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It stops.
    Stops,
    /// It has had a set of a higher epoch from us already.
    Stale,
    /// Something that a newer version knows.
    Other,
}

/// What travels when the handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// To be answered at once.
    Ping(&'a [u8]),
    /// The answer.
    Pong(&'a [u8]),
    /// Nothing more comes on this connection.
    Bye(Farewell),
    /// What the sender says first on control.
    Start(Start),
    /// Messages that the sender did not send.
    Dropped {
        /// Why.
        loss: Loss,
        /// How many, as long as both have known each other.
        total: u64,
    },
    /// For the replicated map of interest.
    Interest(&'a [u8]),
    /// The receiver's interest is in the sender's table up to this version.
    InterestApplied(u64),
    /// For the replicated map of presence.
    Presence(&'a [u8]),
    /// What a client has published.
    Message {
        /// Where.
        kind: ChannelKind,
        /// The channel's name.
        channel: &'a [u8],
        /// What.
        payload: &'a [u8],
    },
    /// What a client has published with one command.
    Messages(Messages<'a>),
}

/// What both sides say first on control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Whose counts these are: another number for each life of the sender's side.
    pub life: u64,
    /// The life of the receiver's side that the sender has last heard of, 0 if none: its counts are about this one.
    pub peer_life: u64,
    /// Messages that it has handed to connections of former epochs. Whatever has not been read of them is lost.
    pub handed: u64,
    /// Until so much of its interest has been applied, the sender is to get everything.
    pub interest: u64,
}

/// Several messages, read through once and found well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    /// Where they are published.
    pub kind: ChannelKind,
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Goes on with what [`rest`](Self::rest) was.
    pub fn resumed(kind: ChannelKind, rest: &'a [u8]) -> Self {
        Messages { kind, rest }
    }

    /// Those that have not been taken yet; empty if there is none.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    /// Channel and payload.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut input = Input::new(self.rest);
        let pair = (input.bytes(usize::MAX).ok()?, input.bytes(usize::MAX).ok()?);
        self.rest = input.rest();
        Some(pair)
    }
}

impl<'a> Frame<'a> {
    /// Reads a body. Nothing for a kind that is to be skipped.
    ///
    /// # Errors
    /// It is not what its kind says, or of a kind that must be known.
    pub fn decode(kind: u8, body: &'a [u8]) -> Result<Option<Self>, Fault> {
        let mut input = Input::new(body);
        let frame = match kind {
            kind::PING => Frame::Ping(opaque(body)?),
            kind::PONG => Frame::Pong(opaque(body)?),
            kind::BYE => return Ok(Some(Frame::Bye(farewell(input.byte()?)))),
            kind::START => {
                // Later versions may have more to say.
                return Ok(Some(Frame::Start(Start {
                    life: input.number()?,
                    peer_life: input.number()?,
                    handed: input.number()?,
                    interest: input.number()?,
                })));
            }
            kind::DROPPED => {
                let Some(&loss) = Loss::ALL.get(usize::from(input.byte()?)) else { return Ok(None) };
                let frame = Frame::Dropped { loss, total: input.number()? };
                return finished(&input, frame);
            }
            kind::INTEREST => Frame::Interest(body),
            kind::INTEREST_APPLIED => {
                let frame = Frame::InterestApplied(input.number()?);
                return finished(&input, frame);
            }
            kind::PRESENCE => Frame::Presence(body),
            kind::MESSAGE => {
                let kind = channel_kind(&mut input)?;
                let channel = input.bytes(usize::MAX)?;
                Frame::Message { kind, channel, payload: input.rest() }
            }
            kind::MESSAGES => {
                let kind = channel_kind(&mut input)?;
                let messages = Messages { kind, rest: input.rest() };
                while !input.is_empty() {
                    input.bytes(usize::MAX)?;
                    input.bytes(usize::MAX)?;
                }
                Frame::Messages(messages)
            }
            kind::HELLO | kind::PROOF | kind::FRAGMENT => return Err(Fault::Unexpected(kind)),
            kind if kind & SKIPPABLE != 0 => return Ok(None),
            kind => return Err(Fault::Unknown(kind)),
        };
        Ok(Some(frame))
    }

    /// First byte.
    pub fn kind(&self) -> u8 {
        match self {
            Frame::Ping(_) => kind::PING,
            Frame::Pong(_) => kind::PONG,
            Frame::Bye(_) => kind::BYE,
            Frame::Start(_) => kind::START,
            Frame::Dropped { .. } => kind::DROPPED,
            Frame::Interest(_) => kind::INTEREST,
            Frame::InterestApplied(_) => kind::INTEREST_APPLIED,
            Frame::Presence(_) => kind::PRESENCE,
            Frame::Message { .. } => kind::MESSAGE,
            Frame::Messages(_) => kind::MESSAGES,
        }
    }

    /// Messages of clients that it carries.
    pub fn messages(&self) -> u64 {
        match self {
            Frame::Message { .. } => 1,
            Frame::Messages(messages) => messages.count() as u64,
            _ => 0,
        }
    }

    /// Appends the body.
    pub fn append_body(&self, out: &mut Vec<u8>) {
        match *self {
            Frame::Ping(bytes) | Frame::Pong(bytes) | Frame::Interest(bytes) | Frame::Presence(bytes) => {
                out.extend_from_slice(bytes);
            }
            Frame::Bye(farewell) => out.push(farewell as u8),
            Frame::Start(Start { life, peer_life, handed, interest }) => {
                [life, peer_life, handed, interest].iter().for_each(|number| put_number(out, *number));
            }
            Frame::Dropped { loss, total } => {
                out.push(loss as u8);
                put_number(out, total);
            }
            Frame::InterestApplied(version) => put_number(out, version),
            Frame::Message { kind, channel, payload } => {
                out.push(u8::from(kind == ChannelKind::Shard));
                put_bytes(out, channel);
                out.extend_from_slice(payload);
            }
            Frame::Messages(messages) => {
                out.push(u8::from(messages.kind == ChannelKind::Shard));
                out.extend_from_slice(messages.rest);
            }
        }
    }

    /// Appends the frame, in fragments if it is large. For control, where nothing may come in between.
    pub fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        append_header(out, self.kind(), 0);
        self.append_body(out);
        if !finish(out, start) {
            let body = out.split_off(start + HEADER_BYTES);
            out.truncate(start);
            let mut cut = Cut::new(self.kind(), body.into());
            while cut.append_next(0, out) {}
        }
    }
}

/// Writes the length of the frame that begins at `start` and ends here; false if it is too large for one frame.
pub(super) fn finish(out: &mut [u8], start: usize) -> bool {
    let length = out.len() - start - HEADER_BYTES;
    if length <= BODY_BYTES_MAX {
        out[start + 1..start + HEADER_BYTES].copy_from_slice(&length_bytes(length));
    }
    length <= BODY_BYTES_MAX
}

fn length_bytes(length: usize) -> [u8; 3] {
    debug_assert!(length <= BODY_BYTES_MAX, "a body is cut before");
    let [_, high, middle, low] = (length as u32).to_be_bytes();
    [high, middle, low]
}

/// Appends a frame's header.
pub(super) fn append_header(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(&length_bytes(length));
}

/// Builds the body of [`Frame::Messages`].
pub fn append_messages<'a>(
    out: &mut Vec<u8>,
    kind: ChannelKind,
    messages: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    out.push(u8::from(kind == ChannelKind::Shard));
    for (channel, payload) in messages {
        put_bytes(out, channel);
        put_bytes(out, payload);
    }
}

fn opaque(body: &[u8]) -> Result<&[u8], Fault> {
    let too_long = Fault::Malformed("a ping carries more than it may");
    if body.len() <= PING_BYTES_MAX { Ok(body) } else { Err(too_long) }
}

fn farewell(code: u8) -> Farewell {
    match code {
        0 => Farewell::Stops,
        1 => Farewell::Stale,
        _ => Farewell::Other,
    }
}

fn channel_kind(input: &mut Input<'_>) -> Result<ChannelKind, Fault> {
    match input.byte()? {
        0 => Ok(ChannelKind::Global),
        1 => Ok(ChannelKind::Shard),
        _ => Err(Fault::Malformed("a message has flags that are unknown")),
    }
}

fn finished<'a>(input: &Input<'_>, frame: Frame<'a>) -> Result<Option<Frame<'a>>, Fault> {
    if input.is_empty() {
        Ok(Some(frame))
    } else {
        Err(Fault::Malformed("a frame has more than its kind says"))
    }
}

/// The first frame of some bytes: its kind, its body, and how many bytes both have with the header.
pub type First<'a> = (u8, &'a [u8], usize);

/// Splits the first frame off. Nothing if it is not whole yet.
///
/// # Errors
/// It announces a body of more than `most` bytes.
pub fn split(input: &[u8], most: usize) -> Result<Option<First<'_>>, Fault> {
    let Some((&[kind, high, middle, low], rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > most {
        return Err(Fault::TooLong { kind, length: length as u64 });
    }
    Ok(rest.get(..length).map(|body| (kind, body, HEADER_BYTES + length)))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
