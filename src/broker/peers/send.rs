//! What interest and presence have to say to other instances goes to their links.
//!
//! Owns how much of it goes at once. Must not know what it says.

use crate::broker::Broker;
use crate::crdt::NodeId;
use crate::link::Frame;

/// Frames that one turn sends.
const FRAMES_PER_TURN: usize = 64;

/// What sending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// There is nothing more.
    All,
    /// There is more now.
    More,
    /// There may be more, when a link has room.
    Full,
}

impl Broker {
    /// Sends what interest has to say.
    pub fn send_interest(&self) -> Sent {
        for _ in 0..FRAMES_PER_TURN {
            if let Some((peer, frame)) = self.interest.poll_message() {
                self.send_to(peer, &Frame::Interest(&frame));
            } else if let Some((peer, version)) = self.interest.poll_applied() {
                self.send_to(peer, &Frame::InterestApplied(version));
            } else {
                return self.send_parts(|peer| self.interest.next_part(peer), |part| Frame::Interest(part));
            }
        }
        Sent::More
    }

    /// Sends what presence has to say.
    pub fn send_presence(&self) -> Sent {
        if self.peers.routes.is_empty() {
            return Sent::All;
        }
        for _ in 0..FRAMES_PER_TURN {
            let Some((peer, frame)) = self.presence.poll_message() else {
                return self.send_parts(|peer| self.presence.next_part(peer), |part| Frame::Presence(part));
            };
            self.send_to(peer, &Frame::Presence(&frame));
        }
        Sent::More
    }

    fn send_to(&self, peer: NodeId, frame: &Frame<'_>) {
        self.peers.routes.find(peer).inspect(|link| link.send(frame));
    }

    /// Sends the next part of what can wait to each peer that has room for it.
    fn send_parts(
        &self,
        next_part: impl Fn(NodeId) -> Option<Vec<u8>>,
        frame: impl Fn(&[u8]) -> Frame<'_>,
    ) -> Sent {
        let mut sent = Sent::All;
        for (peer, link) in self.peers.routes.all() {
            if !link.has_room() {
                sent = if sent == Sent::All { Sent::Full } else { sent };
            } else if let Some(part) = next_part(peer) {
                link.send(&frame(&part));
                sent = Sent::More;
            }
        }
        sent
    }
}
