//! An instance as membership knows it.
//!
//! Owns the identity that foca spreads, its bytes, and which of two identities of one node is the later. Must not know foca's
//! messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::crdt::wire::{Input, Malformed, Wire, put_number};
use crate::crdt::{Incarnation, NodeId, Owner};

/// An instance in one of its lives, and where it is reached.
///
/// To foca the node id is what names a member, not the address. An instance that comes back under its id, wherever, replaces
/// its former life; one that comes back under another id at the same address is another member, and the machine calls the
/// former holder of the address down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which instance, in which of its lives.
    pub owner: Owner,
    /// How often it has come back from being called down without having been: a false alarm, or the end of a netsplit. No new
    /// life begins.
    pub rejoin: u64,
    /// It has said that it goes.
    pub leaving: bool,
    /// Where its datagrams are to be sent.
    pub gossip: SocketAddr,
    /// Where it takes links.
    pub link: SocketAddr,
    /// The lowest and the highest version of the links' protocol that it speaks.
    pub versions: (u16, u16),
}

impl Peer {
    /// An instance that has just started.
    pub fn new(owner: Owner, gossip: SocketAddr, link: SocketAddr, versions: (u16, u16)) -> Self {
        Peer { owner, rejoin: 0, leaving: false, gossip: plain(gossip), link: plain(link), versions }
    }

    /// Whether `other` is the same life of the same instance in the same places, whatever became of it meanwhile.
    pub fn is_same_life(&self, other: &Peer) -> bool {
        (self.owner, self.gossip, self.link, self.versions)
            == (other.owner, other.gossip, other.link, other.versions)
    }

    /// Later identities of one node rank above earlier ones. Addresses and versions only make the order total: foca would
    /// otherwise go to and fro between two that differ in nothing else.
    fn rank(&self) -> impl Ord + use<> {
        (self.owner.incarnation, self.leaving, self.rejoin, self.gossip, self.link, self.versions)
    }
}

/// An address as it travels: without scope and flow label, and IPv4 as such.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl foca::Identity for Peer {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        let rejoin = self.rejoin.checked_add(1)?;
        (!self.leaving).then_some(Peer { rejoin, ..*self })
    }

    fn addr(&self) -> NodeId {
        self.owner.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.rank() > adversary.rank()
    }
}

/// Writes an owner as [`owner`] reads it.
pub(super) fn put_owner(out: &mut Vec<u8>, owner: Owner) {
    out.extend_from_slice(&owner.node.0.to_be_bytes());
    out.extend_from_slice(&owner.incarnation.0.to_be_bytes());
}

/// An owner of sixteen bytes.
pub(super) fn owner(input: &mut Input<'_>) -> Result<Owner, Malformed> {
    let node = NodeId(u64::from_be_bytes(input.array()?));
    Ok(Owner { node, incarnation: Incarnation(u64::from_be_bytes(input.array()?)) })
}

impl Wire for Peer {
    fn encode(&self, out: &mut Vec<u8>) {
        put_owner(out, self.owner);
        put_number(out, self.rejoin);
        out.push(u8::from(self.leaving));
        put_address(out, self.gossip);
        put_address(out, self.link);
        put_number(out, self.versions.0.into());
        put_number(out, self.versions.1.into());
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let owner = owner(input)?;
        let rejoin = input.number()?;
        let leaving = match input.byte()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed("neither stays nor leaves")),
        };
        let (gossip, link) = (address(input)?, address(input)?);
        Ok(Peer { owner, rejoin, leaving, gossip, link, versions: (small(input)?, small(input)?) })
    }
}

fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn address(input: &mut Input<'_>) -> Result<SocketAddr, Malformed> {
    let ip = match input.byte()? {
        4 => IpAddr::V4(Ipv4Addr::from(input.array::<4>()?)),
        6 => IpAddr::V6(Ipv6Addr::from(input.array::<16>()?)),
        _ => return Err(Malformed("an address of neither IPv4 nor IPv6")),
    };
    // One address has one form, or else identities that are equal would seem to differ.
    Ok(plain(SocketAddr::new(ip, u16::from_be_bytes(input.array()?))))
}

/// A number of at most 16 bits.
pub(super) fn small(input: &mut Input<'_>) -> Result<u16, Malformed> {
    u16::try_from(input.number()?).map_err(|_| Malformed("a number has more than 16 bits"))
}

#[cfg(test)]
mod tests {
    use foca::Identity;

    use super::*;

    fn peer() -> Peer {
        let owner = Owner { node: NodeId(7), incarnation: Incarnation(9) };
        Peer::new(owner, "[::1]:17379".parse().unwrap(), "[::ffff:10.0.0.1]:17379".parse().unwrap(), (1, 2))
    }

    #[test]
    fn comes_back_from_its_bytes() {
        let mut out = Vec::new();
        peer().encode(&mut out);
        assert_eq!(Peer::decode(&mut Input::new(&out)), Ok(peer()));
        for length in 0..out.len() {
            assert!(Peer::decode(&mut Input::new(&out[..length])).is_err());
        }
    }

    #[test]
    fn a_later_life_wins_over_any_number_of_rejoins_and_a_leave_over_those() {
        let renewed = peer().renew().unwrap();
        assert!(renewed.win_addr_conflict(&peer()) && !peer().win_addr_conflict(&renewed));
        assert_eq!(renewed.owner, peer().owner);
        let leaving = Peer { leaving: true, ..peer() };
        assert!(leaving.win_addr_conflict(&renewed));
        assert_eq!(leaving.renew(), None);
        let mut restarted = peer();
        restarted.owner.incarnation.0 += 1;
        assert!(restarted.win_addr_conflict(&leaving) && restarted.win_addr_conflict(&renewed));
    }

    #[test]
    fn of_two_that_differ_in_their_address_one_wins() {
        let moved = Peer { gossip: "10.0.0.9:1".parse().unwrap(), ..peer() };
        assert_ne!(moved.win_addr_conflict(&peer()), peer().win_addr_conflict(&moved));
        assert!(!peer().win_addr_conflict(&peer()));
    }
}
