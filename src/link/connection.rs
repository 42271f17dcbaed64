//! One connection: bytes in, frames out, and whether anybody is still there.
//!
//! Owns the bytes that are not a whole frame yet, the handshake, pings, and the decision that a connection is dead. Frames
//! that are about the connection itself it answers; the others it hands on. Must not know the set. Start with
//! [`Connection::receive`].
//!
//! Time is counted in ticks of [`TICK`] that the caller makes: a process that was stopped for a minute finds one tick
//! gone by, not sixty, and does not accuse its peers.

use std::time::Duration;

use super::fragment::Fragments;
use super::frame::{self, BODY_BYTES_MAX, Fault, Frame};
use super::handshake::{Agreed, HELLO_BYTES_MAX, Handshake, Hello, LinkKind, Me, Nonce, Refusal, Secrets};
use crate::crdt::NodeId;
use crate::time::Now;

/// How often [`Connection::handle_tick`] is to be called.
pub const TICK: Duration = Duration::from_secs(1);
/// Ticks that a handshake may take.
const HANDSHAKE_TICKS: u32 = 5;
/// Ticks without a byte from the peer, which is pinged in each; and ticks in which it takes nothing of what is to be written.
const PATIENCE_TICKS: u32 = 10;
/// Largest body on control, whatever `cluster-message-max` says: what the replicated maps exchange.
const CONTROL_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Answers to pings wait until so many bytes are written; a peer that sends more pings than it reads answers gets fewer.
const OWN_BYTES_MAX: usize = 4096;

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The handshake failed.
    Refused(Refusal),
    /// The peer sent what is no frame.
    Fault(Fault),
    /// The handshake took too long.
    HandshakeTimeout,
    /// Nothing has come from the peer for ten seconds.
    Silent,
    /// The peer has taken nothing of what was to be written for ten seconds.
    Stalled,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(refusal) => write!(formatter, "{refusal}"),
            Failure::Fault(fault) => write!(formatter, "{fault}"),
            Failure::HandshakeTimeout => formatter.write_str("the handshake took too long"),
            Failure::Silent => formatter.write_str("nothing came from the peer for 10 s"),
            Failure::Stalled => formatter.write_str("the peer took no output for 10 s"),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Fault(fault)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

/// One end of a connection.
pub struct Connection {
    stage: Stage,
    /// Bytes that are not a whole frame yet.
    pending: Vec<u8>,
    fragments: Fragments,
    /// Largest body that is put together from fragments.
    body_max: usize,
    /// The connection's own frames.
    out: Vec<u8>,
    ticks: u32,
    silent_ticks: u32,
    stalled_ticks: u32,
    unwritten: usize,
    round_trip: Option<Duration>,
}

enum Stage {
    Handshake(Box<Handshake>),
    Open(Box<Agreed>),
}

impl Connection {
    /// Dials the node `wanted`.
    ///
    /// # Errors
    /// There is no secret, and the peer is not on loopback.
    pub fn dial(
        hello: Hello,
        wanted: NodeId,
        secrets: Secrets,
        is_loopback: bool,
        nonce: Nonce,
    ) -> Result<Self, Failure> {
        let (body_max, mut out) = (body_max(&hello.me), Vec::new());
        let handshake = Handshake::dial(hello, wanted, secrets, is_loopback, nonce, &mut out)?;
        Ok(Connection { out, ..Connection::new(handshake, body_max) })
    }

    /// Somebody has connected.
    ///
    /// # Errors
    /// There is no secret, and the peer is not on loopback.
    pub fn accept(me: Me, secrets: Secrets, is_loopback: bool, nonce: Nonce) -> Result<Self, Failure> {
        let body_max = body_max(&me);
        Ok(Connection::new(Handshake::accept(me, secrets, is_loopback, nonce)?, body_max))
    }

    fn new(handshake: Handshake, body_max: usize) -> Self {
        Connection {
            stage: Stage::Handshake(Box::new(handshake)),
            pending: Vec::new(),
            fragments: Fragments::default(),
            body_max,
            out: Vec::new(),
            ticks: 0,
            silent_ticks: 0,
            stalled_ticks: 0,
            unwritten: 0,
            round_trip: None,
        }
    }

    /// What was agreed, when the handshake is done.
    pub fn agreed(&self) -> Option<&Agreed> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Open(agreed) => Some(agreed),
        }
    }

    /// How long the last ping took there and back.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Takes bytes and hands on the frames in them, in order, until `deliver` returns false: the rest is kept, for a call without
    /// bytes.
    ///
    /// Returns true when the handshake has just been done: the caller then takes the connection into its set, and calls
    /// again without bytes for what has come behind it.
    ///
    /// # Errors
    /// The connection is to be closed, when what there is to write has been written. Frames before the one at fault have been
    /// handed on.
    pub fn receive(
        &mut self,
        now: Now,
        bytes: &[u8],
        deliver: &mut dyn FnMut(Frame<'_>) -> bool,
    ) -> Result<bool, Failure> {
        if !bytes.is_empty() {
            self.silent_ticks = 0;
        }
        if self.pending.is_empty() {
            let (used, result) = self.read(now, bytes, deliver);
            self.pending.extend_from_slice(&bytes[used..]);
            return result;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let (used, result) = self.read(now, &pending, deliver);
        pending.drain(..used);
        // A connection that has nothing to do holds no buffer.
        self.pending = if pending.is_empty() { Vec::new() } else { pending };
        result
    }

    /// Returns how many bytes are done with.
    fn read(
        &mut self,
        now: Now,
        bytes: &[u8],
        deliver: &mut dyn FnMut(Frame<'_>) -> bool,
    ) -> (usize, Result<bool, Failure>) {
        let mut used = 0;
        loop {
            match self.read_frame(now, &bytes[used..], deliver) {
                Ok(Read::Incomplete) => return (used, Ok(false)),
                Ok(Read::Frame(length)) => used += length,
                Ok(Read::Last(length)) => return (used + length, Ok(false)),
                Ok(Read::Established(length)) => return (used + length, Ok(true)),
                Err(failure) => return (bytes.len(), Err(failure)),
            }
        }
    }

    fn read_frame(
        &mut self,
        now: Now,
        bytes: &[u8],
        deliver: &mut dyn FnMut(Frame<'_>) -> bool,
    ) -> Result<Read, Failure> {
        let Stage::Handshake(handshake) = &mut self.stage else {
            let Some((kind, body, length)) = frame::split(bytes, BODY_BYTES_MAX)? else {
                return Ok(Read::Incomplete);
            };
            let goes_on = self.handle_frame(now, kind, body, deliver)?;
            return Ok(if goes_on { Read::Frame(length) } else { Read::Last(length) });
        };
        if let Some(&kind) = bytes.first() {
            handshake.expect(kind)?;
        }
        let Some((kind, body, length)) = frame::split(bytes, HELLO_BYTES_MAX)? else {
            return Ok(Read::Incomplete);
        };
        match handshake.handle_frame(kind, body, &mut self.out)? {
            None => Ok(Read::Frame(length)),
            Some(agreed) => {
                self.stage = Stage::Open(Box::new(agreed));
                Ok(Read::Established(length))
            }
        }
    }

    fn handle_frame(
        &mut self,
        now: Now,
        kind: u8,
        body: &[u8],
        deliver: &mut dyn FnMut(Frame<'_>) -> bool,
    ) -> Result<bool, Failure> {
        if kind != frame::kind::FRAGMENT {
            return self.handle_body(now, kind, body, deliver);
        }
        match self.fragments.add(body, self.body_max)? {
            Some((kind, body)) => self.handle_body(now, kind, &body, deliver),
            None => Ok(true),
        }
    }

    fn handle_body(
        &mut self,
        now: Now,
        kind: u8,
        body: &[u8],
        deliver: &mut dyn FnMut(Frame<'_>) -> bool,
    ) -> Result<bool, Failure> {
        let Some(frame) = Frame::decode(kind, body)? else { return Ok(true) };
        match (frame, self.link()) {
            (Frame::Ping(payload), _) => {
                if self.out.len() < OWN_BYTES_MAX {
                    Frame::Pong(payload).append(&mut self.out);
                }
            }
            (Frame::Pong(payload), _) => self.handle_pong(now, payload),
            (Frame::Message { .. } | Frame::Messages(_), Some(LinkKind::Data(_))) | (Frame::Bye(_), _) => {
                return Ok(deliver(frame));
            }
            (
                Frame::Start(_)
                | Frame::Dropped { .. }
                | Frame::Interest(_)
                | Frame::InterestApplied(_)
                | Frame::Presence(_),
                Some(LinkKind::Control),
            ) => return Ok(deliver(frame)),
            _ => return Err(Fault::Unexpected(kind).into()),
        }
        Ok(true)
    }

    fn link(&self) -> Option<LinkKind> {
        self.agreed().map(|agreed| agreed.peer.link)
    }

    fn handle_pong(&mut self, now: Now, payload: &[u8]) {
        let sent = payload.try_into().map(u64::from_be_bytes).map(Duration::from_micros);
        // What is later than now, or nothing of the kind, was not sent by us.
        if let Ok(round_trip) = sent.map(|sent| now.monotonic.checked_sub(sent)) {
            self.round_trip = round_trip.or(self.round_trip);
        }
    }

    /// To be called every [`TICK`].
    ///
    /// # Errors
    /// The connection is dead.
    pub fn handle_tick(&mut self, now: Now) -> Result<(), Failure> {
        self.ticks = self.ticks.saturating_add(1);
        self.silent_ticks += 1;
        self.stalled_ticks = if self.unwritten > 0 { self.stalled_ticks + 1 } else { 0 };
        if self.stalled_ticks > PATIENCE_TICKS {
            return Err(Failure::Stalled);
        }
        match &self.stage {
            Stage::Handshake(_) if self.ticks > HANDSHAKE_TICKS => Err(Failure::HandshakeTimeout),
            Stage::Handshake(_) => Ok(()),
            Stage::Open(_) if self.silent_ticks > PATIENCE_TICKS => Err(Failure::Silent),
            Stage::Open(_) => {
                if self.out.len() < OWN_BYTES_MAX {
                    let micros = now.monotonic.as_micros() as u64;
                    Frame::Ping(&micros.to_be_bytes()).append(&mut self.out);
                }
                Ok(())
            }
        }
    }

    /// Whether there are frames of the connection's own to write.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Appends the connection's own frames to a batch.
    pub fn take_output(&mut self, batch: &mut Vec<u8>) {
        batch.append(&mut self.out);
    }

    /// So many bytes of a batch are still to be written: told when there is a new one, and whenever there are fewer.
    pub fn note_unwritten(&mut self, bytes: usize) {
        self.unwritten = bytes;
        self.stalled_ticks = 0;
    }

    /// Says why the connection ends.
    pub fn say(&mut self, farewell: super::Farewell) {
        if self.agreed().is_some() {
            Frame::Bye(farewell).append(&mut self.out);
        }
    }

    /// Bytes that are kept of what the peer has sent.
    pub fn bytes(&self) -> usize {
        self.pending.capacity() + self.fragments.bytes()
    }
}

/// The largest body on either kind of connection.
fn body_max(me: &Me) -> usize {
    usize::try_from(me.message_max).unwrap_or(usize::MAX).max(CONTROL_BODY_BYTES_MAX)
}

enum Read {
    Incomplete,
    /// So many bytes.
    Frame(usize),
    /// So many bytes, and no more now.
    Last(usize),
    /// So many bytes, and the handshake is done.
    Established(usize),
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
