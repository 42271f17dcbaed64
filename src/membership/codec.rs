//! How foca's messages become bytes.
//!
//! Owns their layout. What is read comes from who knows the secret, and is checked all the same. Must not know what the
//! messages mean.
//!
//! A header is the source, its SWIM incarnation (a number of foca's, which has nothing to do with ours), the destination, a
//! tag, and what belongs to the tag; a member is its identity, its SWIM incarnation and its state.

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};

use super::identity::{Peer, small};
use crate::crdt::wire::{Input, Malformed, Wire, put_number};

/// Writes and reads foca's headers and members.
#[derive(Default)]
pub(super) struct Codec {
    scratch: Vec<u8>,
}

/// There is no more room in the datagram, or what is there is no message.
#[derive(Debug)]
pub(super) struct Unfit(pub &'static str);

impl std::fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

impl From<Malformed> for Unfit {
    fn from(malformed: Malformed) -> Self {
        Unfit(malformed.0)
    }
}

impl Codec {
    fn put(&mut self, mut buffer: impl BufMut, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Unfit> {
        self.scratch.clear();
        write(&mut self.scratch);
        if buffer.remaining_mut() < self.scratch.len() {
            return Err(Unfit("the datagram is full"));
        }
        buffer.put_slice(&self.scratch);
        Ok(())
    }
}

/// Reads from the front of a buffer. foca hands over slices, so that all of it is one chunk.
fn take<T>(
    mut buffer: impl Buf,
    read: impl FnOnce(&mut Input<'_>) -> Result<T, Malformed>,
) -> Result<T, Unfit> {
    let mut input = Input::new(buffer.chunk());
    let value = read(&mut input)?;
    let length = buffer.chunk().len() - input.rest().len();
    buffer.advance(length);
    Ok(value)
}

impl foca::Codec<Peer> for Codec {
    type Error = Unfit;

    fn encode_header(&mut self, header: &Header<Peer>, buffer: impl BufMut) -> Result<(), Unfit> {
        self.put(buffer, |out| {
            header.src.encode(out);
            put_number(out, header.src_incarnation.into());
            header.dst.encode(out);
            put_message(out, &header.message);
        })
    }

    fn decode_header(&mut self, buffer: impl Buf) -> Result<Header<Peer>, Unfit> {
        take(buffer, |input| {
            Ok(Header {
                src: Peer::decode(input)?,
                src_incarnation: small(input)?,
                dst: Peer::decode(input)?,
                message: message(input)?,
            })
        })
    }

    fn encode_member(&mut self, member: &Member<Peer>, buffer: impl BufMut) -> Result<(), Unfit> {
        self.put(buffer, |out| {
            member.id().encode(out);
            put_number(out, member.incarnation().into());
            out.push(match member.state() {
                State::Alive => 0,
                State::Suspect => 1,
                State::Down => 2,
            });
        })
    }

    fn decode_member(&mut self, buffer: impl Buf) -> Result<Member<Peer>, Unfit> {
        take(buffer, |input| {
            let (peer, incarnation) = (Peer::decode(input)?, small(input)?);
            let state = match input.byte()? {
                0 => State::Alive,
                1 => State::Suspect,
                2 => State::Down,
                _ => return Err(Malformed("a member in no state")),
            };
            Ok(Member::new(peer, incarnation, state))
        })
    }
}

fn put_message(out: &mut Vec<u8>, message: &Message<Peer>) {
    let mut tagged = |tag: u8, number: Option<u8>, peer: Option<&Peer>| {
        out.push(tag);
        out.extend(number);
        if let Some(peer) = peer {
            peer.encode(out);
        }
    };
    match message {
        Message::Ping(number) => tagged(0, Some(*number), None),
        Message::Ack(number) => tagged(1, Some(*number), None),
        Message::PingReq { target, probe_number } => tagged(2, Some(*probe_number), Some(target)),
        Message::IndirectPing { origin, probe_number } => tagged(3, Some(*probe_number), Some(origin)),
        Message::IndirectAck { target, probe_number } => tagged(4, Some(*probe_number), Some(target)),
        Message::ForwardedAck { origin, probe_number } => tagged(5, Some(*probe_number), Some(origin)),
        Message::Announce => tagged(6, None, None),
        Message::Feed => tagged(7, None, None),
        Message::Gossip => tagged(8, None, None),
        Message::Broadcast => tagged(9, None, None),
        Message::TurnUndead => tagged(10, None, None),
    }
}

fn message(input: &mut Input<'_>) -> Result<Message<Peer>, Malformed> {
    Ok(match input.byte()? {
        0 => Message::Ping(input.byte()?),
        1 => Message::Ack(input.byte()?),
        2 => Message::PingReq { probe_number: input.byte()?, target: Peer::decode(input)? },
        3 => Message::IndirectPing { probe_number: input.byte()?, origin: Peer::decode(input)? },
        4 => Message::IndirectAck { probe_number: input.byte()?, target: Peer::decode(input)? },
        5 => Message::ForwardedAck { probe_number: input.byte()?, origin: Peer::decode(input)? },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return Err(Malformed("a message of no kind")),
    })
}

#[cfg(test)]
mod tests {
    use foca::Codec as _;

    use super::*;
    use crate::crdt::{Incarnation, NodeId, Owner};

    fn peer(node: u64) -> Peer {
        let owner = Owner { node: NodeId(node), incarnation: Incarnation(node << 20) };
        Peer::new(owner, "10.0.0.1:17379".parse().unwrap(), "[fe80::1]:6379".parse().unwrap(), (1, 1))
    }

    fn messages() -> Vec<Message<Peer>> {
        let (target, origin, probe_number) = (peer(3), peer(4), 250);
        vec![
            Message::Ping(1),
            Message::Ack(255),
            Message::PingReq { target, probe_number },
            Message::IndirectPing { origin, probe_number },
            Message::IndirectAck { target, probe_number },
            Message::ForwardedAck { origin, probe_number },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ]
    }

    #[test]
    fn headers_and_members_come_back_from_their_bytes() {
        for message in messages() {
            let header = Header { src: peer(1), src_incarnation: 300, dst: peer(2), message };
            let member = Member::new(peer(5), 7, State::Suspect);
            let mut out = Vec::new();
            Codec::default().encode_header(&header, &mut out).unwrap();
            let header_length = out.len();
            Codec::default().encode_member(&member, &mut out).unwrap();
            let mut input = out.as_slice();
            assert_eq!(Codec::default().decode_header(&mut input).unwrap(), header);
            assert_eq!(Codec::default().decode_member(&mut input).unwrap(), member);
            assert!(input.is_empty());
            for length in 0..header_length {
                assert!(Codec::default().decode_header(&out[..length]).is_err());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let mut out = Vec::new();
        let member = Member::alive(peer(1));
        assert!(Codec::default().encode_member(&member, (&mut out).limit(20)).is_err());
        assert!(out.is_empty());
    }
}
