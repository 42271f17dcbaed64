//! What is inside an envelope.
//!
//! Owns the four kinds and their bytes. Must not know how they are sealed, nor what follows from them.

use super::identity::{Peer, owner, put_owner};
use crate::crdt::wire::{Input, Malformed, Wire};
use crate::crdt::{Incarnation, Owner};

/// What one instance tells another.
///
/// All but a knock are for one life of one instance, so that what was recorded in its former lives is of no use to
/// anybody. Who knows only an address knocks there, and hears who it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Letter<'a> {
    /// Who is there?
    Knock,
    /// It is me.
    Here(Owner, Peer),
    /// There has been a later life of your node.
    Outdated(Owner, Incarnation),
    /// foca's own.
    Foca(Owner, &'a [u8]),
}

/// What a letter of foca's has in front.
pub(super) const FOCA_OVERHEAD_BYTES: usize = 1 + 16;

impl<'a> Letter<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Letter::Knock => out.push(0),
            Letter::Here(to, peer) => {
                out.push(1);
                put_owner(&mut out, *to);
                peer.encode(&mut out);
            }
            Letter::Outdated(to, incarnation) => {
                out.push(2);
                put_owner(&mut out, *to);
                out.extend_from_slice(&incarnation.0.to_be_bytes());
            }
            Letter::Foca(to, bytes) => {
                out.push(3);
                put_owner(&mut out, *to);
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    pub(super) fn decode(content: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(content);
        let letter = match input.byte()? {
            0 => Letter::Knock,
            1 => Letter::Here(owner(&mut input)?, Peer::decode(&mut input)?),
            2 => Letter::Outdated(owner(&mut input)?, Incarnation(u64::from_be_bytes(input.array()?))),
            3 => return Ok(Letter::Foca(owner(&mut input)?, input.rest())),
            _ => return Err(Malformed("a letter of no kind")),
        };
        if !input.is_empty() {
            return Err(Malformed("a letter goes on behind its end"));
        }
        Ok(letter)
    }

    /// For whom it is; a knock is for whoever is there.
    pub(super) fn recipient(&self) -> Option<Owner> {
        match self {
            Letter::Knock => None,
            Letter::Here(to, _) | Letter::Outdated(to, _) | Letter::Foca(to, _) => Some(*to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::NodeId;

    #[test]
    fn letters_come_back_from_their_bytes() {
        let to = Owner { node: NodeId(3), incarnation: Incarnation(4) };
        let peer = Peer::new(to, "127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap(), (1, 1));
        let letters = [
            Letter::Knock,
            Letter::Here(to, peer),
            Letter::Outdated(to, Incarnation(9)),
            Letter::Foca(to, b"xyz"),
        ];
        for letter in letters {
            let bytes = letter.encode();
            assert_eq!(Letter::decode(&bytes), Ok(letter));
        }
        assert_eq!(Letter::Foca(to, b"").encode().len(), FOCA_OVERHEAD_BYTES);
        assert!(
            Letter::decode(b"").is_err()
                && Letter::decode(b"\x09").is_err()
                && Letter::decode(b"\0\0").is_err()
        );
    }
}
