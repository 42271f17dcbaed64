//! The roster: what is known of each instance of the cluster, this one included.
//!
//! Owns the words in which CLUSTER, HEREABOUTS.PEERS and INFO are told of it. Must not know how it is shown.

use std::net::SocketAddr;
use std::time::Duration;

use super::Broker;
use crate::crdt::Owner;
use crate::link::{Counts, Loss, Report, Standing};

/// What membership says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// It has said that it goes.
    Left,
}

impl State {
    /// As operators see it.
    pub fn name(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Left => "left",
        }
    }
}

/// Another instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which one, in which of its lives.
    pub owner: Owner,
    /// What membership says of it.
    pub state: State,
    /// Where its datagrams are sent.
    pub gossip: SocketAddr,
    /// Where it takes links.
    pub link: SocketAddr,
    /// How the links to it are.
    pub report: Report,
    /// Since when there is a control link, as a time since 1970.
    pub linked_since: Option<Duration>,
    /// How long a ping over its links takes.
    pub round_trip: Option<Duration>,
    /// Changes of what is wanted here that are not in its table; nothing without a control link.
    pub interest_lag: Option<u64>,
    /// Changes of its members that it is known to have made and that are not known here.
    pub presence_lag: u64,
}

impl Peer {
    /// Whether it has all its links.
    pub fn is_linked(&self) -> bool {
        self.report.standing == Standing::Up
    }
}

/// Messages that were lost between two instances, or more, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// On the way from here.
    pub dropped: Counts,
    /// On the way to here.
    pub lost: Counts,
}

impl Losses {
    /// With those of a peer.
    pub(super) fn with(mut self, report: &Report) -> Self {
        for loss in Loss::ALL {
            self.dropped[loss as usize] += report.dropped[loss as usize];
            self.lost[loss as usize] += report.lost[loss as usize];
        }
        self
    }
}

/// What is known of the cluster at a moment.
#[derive(Clone, Debug)]
pub struct Roster {
    /// This instance.
    pub me: Owner,
    /// The others, by their ids.
    pub peers: Vec<Peer>,
    /// What was lost between this instance and all others, ever.
    pub losses: Losses,
    /// Times that two instances had different entries at one version: a fault of ours, which was repaired.
    pub divergences: u64,
    /// Subscriptions that were confirmed although a peer had not heard of them.
    pub unheard: u64,
}

impl Roster {
    /// The others that are up.
    pub fn up(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.state == State::Up)
    }
}

impl Broker {
    /// What is known of the cluster now. It looks at each instance, of which there are few.
    pub fn roster(&self) -> Roster {
        let (mut peers, former) = self.peers.seen();
        let nodes = if peers.is_empty() { Vec::new() } else { self.presence.nodes() };
        for peer in &mut peers {
            let node = peer.owner.node;
            peer.interest_lag = self.interest.lag(node);
            peer.presence_lag =
                nodes.iter().find(|report| report.node == node).map_or(0, |report| report.lag);
        }
        Roster {
            me: self.presence.owner(),
            losses: peers.iter().fold(former, |losses, peer| losses.with(&peer.report)),
            peers,
            divergences: self.interest.divergences() + self.presence.divergences(),
            unheard: self.interest.counts().unheard,
        }
    }
}
