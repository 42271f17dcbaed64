//! The cluster as a client sees it: which instances, where, and which slots each has.
//!
//! Owns how it follows from the roster. Each instance finds the same slots, as all of them know the same instances; where the
//! asker finds this one, he has shown himself. Must not know replies.

use std::net::{IpAddr, Ipv4Addr};

use super::slots::range_of;
use crate::broker::clients::Address;
use crate::broker::roster::{Peer, Roster, State};
use crate::config::Config;
use crate::crdt::NodeId;

/// An instance as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Forty hexadecimal digits.
    pub(super) id: String,
    /// Where its clients find it.
    pub(super) ip: IpAddr,
    /// TCP port, 0 for none.
    pub(super) port: u16,
    /// Port with TLS, 0 for none.
    pub(super) tls_port: u16,
    /// Port of its links, 0 if that is not known.
    pub(super) bus_port: u16,
    pub(super) is_me: bool,
    pub(super) is_up: bool,
    /// This instance is connected to it.
    pub(super) is_linked: bool,
    /// First and last, if it has some.
    pub(super) slots: Option<(u16, u16)>,
    /// No two have the same one. (Redis: its configuration epoch.)
    pub(super) epoch: usize,
}

/// All instances that have not left, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) nodes: Vec<Node>,
    /// The asker has connected with TLS.
    pub(super) with_tls: bool,
}

/// Forty hexadecimal digits, as clients expect them, that begin with the sixteen of the id.
pub(super) fn long_id(node: NodeId) -> String {
    format!("{node}{:024}", 0)
}

impl Map {
    /// For somebody who has connected to this address.
    pub(super) fn new(roster: &Roster, config: &Config, address: &Address) -> Self {
        let reached = match address {
            Address::Tcp(address) => Some((address.ip().to_canonical(), address.port())),
            Address::Unix(_) | Address::Internal => None,
        };
        let with_tls = match reached {
            Some((_, port)) => config.tls.port.is_some_and(|tls| tls == port),
            None => config.port.is_none(),
        };
        let me = Node {
            // Who came by a Unix socket is on this machine. What is announced holds for clients, too, as in Redis.
            ip: match (config.cluster.announce_ip.parse(), reached) {
                (Ok(announced), _) => announced,
                (Err(_), Some((ip, _))) => ip,
                (Err(_), None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            },
            port: own_port(config.face.announce_port, reached.filter(|_| !with_tls), config.port),
            tls_port: own_port(config.face.announce_tls_port, reached.filter(|_| with_tls), config.tls.port),
            bus_port: own_bus_port(config),
            id: long_id(roster.me.node),
            is_me: true,
            is_up: true,
            is_linked: true,
            slots: None,
            epoch: 0,
        };
        let mut nodes: Vec<Node> = roster.peers.iter().filter_map(node).chain([me]).collect();
        nodes.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        let up = nodes.iter().filter(|node| node.is_up).count();
        for (at, node) in nodes.iter_mut().filter(|node| node.is_up).enumerate() {
            node.slots = Some(range_of(at, up));
        }
        nodes.iter_mut().enumerate().for_each(|(at, node)| node.epoch = at + 1);
        Map { nodes, with_tls }
    }

    /// Those that are up.
    pub(super) fn up(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_up)
    }

    /// The port of a node for somebody like the asker.
    pub(super) fn port(&self, node: &Node) -> u16 {
        let (first, second) =
            if self.with_tls { (node.tls_port, node.port) } else { (node.port, node.tls_port) };
        if first == 0 { second } else { first }
    }
}

/// What is announced, where the asker has come in, or what is configured.
fn own_port(announced: u16, reached: Option<(IpAddr, u16)>, configured: Option<u16>) -> u16 {
    match (announced, reached) {
        (0, Some((_, port))) => port,
        (0, None) => configured.unwrap_or(0),
        (announced, _) => announced,
    }
}

/// The port of links, 0 for none or for one that is not known here.
fn own_bus_port(config: &Config) -> u16 {
    let own = if config.cluster.is_enabled() {
        config.cluster.port(config.port.or(config.tls.port)).unwrap_or(0)
    } else {
        0
    };
    config.cluster.announce_bus_port.unwrap_or(own)
}

/// Another instance, once it has said where its clients are.
fn node(peer: &Peer) -> Option<Node> {
    let clients = peer.report.clients.filter(|_| peer.state != State::Left)?;
    Some(Node {
        id: long_id(peer.owner.node),
        ip: clients.ip.unwrap_or(peer.link.ip()),
        port: clients.port,
        tls_port: clients.tls_port,
        bus_port: peer.link.port(),
        is_me: false,
        is_up: peer.state == State::Up,
        is_linked: peer.is_linked(),
        slots: None,
        epoch: 0,
    })
}

#[cfg(test)]
#[path = "map_tests.rs"]
pub(in crate::command) mod tests;
