//! The words that [`Links`](super::Links) speaks with those around it, and the places of a set.
//!
//! Owns no behaviour. Must not know queues.

use super::frame::Loss;
use super::handshake::{ClientAddress, Hello, LinkKind};
use super::losses::Counts;

/// A connection of a set, never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A connection that is to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// How it is called from now on.
    pub id: ConnectionId,
    /// What it begins with.
    pub hello: Hello,
}

/// What has happened to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Control is there: the peer can be talked to.
    Up,
    /// Control is gone.
    Down,
    /// This connection is none any more: it is to be closed, and nothing that came over it may be delivered.
    Close(ConnectionId),
    /// This connection has something to write.
    Wake(ConnectionId),
    /// Until so much of its interest has been applied, the peer is to get everything.
    Interest(u64),
    /// Messages from the peer that never got here.
    Lost(Loss, u64),
}

/// Why a connection has no place in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its epoch is over.
    Stale,
    /// The set has this connection already, or another number of them.
    Misfit,
    /// The peer's process is another one than that of the set's other connections.
    OtherLife,
}

/// How it is with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is connected; it is dialled again soon, or it has to dial.
    Down,
    /// Some connections are there.
    Connecting,
    /// All connections are there.
    Up,
}

/// For HEREABOUTS.PEERS and INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it is.
    pub standing: Standing,
    /// Number of the set; the next one's is higher.
    pub epoch: u64,
    /// Where clients reach the peer, as it has said last.
    pub clients: Option<ClientAddress>,
    /// Connections that are there.
    pub connections: usize,
    /// Bytes that wait.
    pub queued_bytes: usize,
    /// Messages that wait.
    pub queued_messages: u64,
    /// Messages that did not get to the peer and were never handed to a connection, by [`Loss`].
    pub dropped: Counts,
    /// Messages that did not get here from the peer, by [`Loss`].
    pub lost: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Empty,
    /// Being dialled.
    Dialled(ConnectionId),
    Open(ConnectionId),
}

impl Place {
    pub(super) fn id(self) -> Option<ConnectionId> {
        match self {
            Place::Empty => None,
            Place::Dialled(id) | Place::Open(id) => Some(id),
        }
    }
}

/// Where a connection stands in a set: control, then data.
pub(super) fn place_of(link: LinkKind) -> usize {
    match link {
        LinkKind::Control => 0,
        LinkKind::Data(index) => index as usize + 1,
    }
}
