//! The options of a cluster: their values, and their rows of the option table.
//!
//! Owns names, syntax and defaults. Must not know sockets, nor which instances there are.

use std::time::Duration;

use super::cluster_format::{Address, AnnouncedPort, ClusterName, HostPorts, NodeNumber};
use super::format::{Bytes, Format, Integer, Memory, Milliseconds, Named, Port};
use super::row::{Accessors, Row};

/// `subscribe-ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeAck {
    /// A subscription is confirmed when all instances have heard of it.
    Cluster,
    /// At once.
    Local,
}

/// Everything that is said of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Where other instances are, as `host:port`.
    pub peers: Vec<String>,
    /// What proves that somebody belongs to the cluster; empty for none.
    pub secret: Vec<u8>,
    /// The other secret while it is being changed.
    pub secret_previous: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// Port of links (TCP) and of gossip (UDP): `Some(0)` for a free one, `None` for what [`Cluster::port`] says.
    pub bus_port: Option<u16>,
    /// Address at which others reach this instance; empty to find it out.
    pub announce_ip: String,
    /// Port at which they do; `None` for the one that it has.
    pub announce_bus_port: Option<u16>,
    /// This instance's id; none for a random one.
    pub node_id: Option<u64>,
    /// Bytes that wait for one peer.
    pub link_limit: usize,
    /// Bytes of a message that is forwarded.
    pub message_max: usize,
    /// Connections for messages to each peer.
    pub data_links: u64,
    /// When a subscription is confirmed.
    pub subscribe_ack: SubscribeAck,
    /// How long a starting instance waits for others before it accepts clients.
    pub join_timeout: Duration,
}

/// By how much the port of the cluster is above that of clients. (Redis.)
const PORT_OFFSET: u16 = 10_000;

impl Cluster {
    /// Whether this instance is to have others.
    pub fn is_enabled(&self) -> bool {
        self.bus_port.is_some() || !self.peers.is_empty()
    }

    /// The port of links and gossip, 0 for a free one, of an instance that has clients at `port`.
    ///
    /// # Errors
    /// There is none so high.
    pub fn port(&self, port: Option<u16>) -> Result<u16, String> {
        match (self.bus_port, port) {
            (Some(port), _) => Ok(port),
            (None, None | Some(0)) => Ok(0),
            (None, Some(port)) => port.checked_add(PORT_OFFSET).ok_or_else(|| {
                format!("cluster-port 0: {port} + {PORT_OFFSET} is no port; give it one of its own")
            }),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            peers: Vec::new(),
            secret: Vec::new(),
            secret_previous: Vec::new(),
            name: Vec::new(),
            bus_port: None,
            announce_ip: String::new(),
            announce_bus_port: None,
            node_id: None,
            link_limit: 64 * MIB,
            message_max: 32 * MIB,
            data_links: 2,
            subscribe_ack: SubscribeAck::Cluster,
            join_timeout: Duration::from_secs(2),
        }
    }
}

const MIB: usize = 1024 * 1024;
const SUBSCRIBE_ACKS: Named<SubscribeAck> =
    Named(&[("cluster", SubscribeAck::Cluster), ("local", SubscribeAck::Local)]);

/// The accessors of a field in a format.
macro_rules! field {
    ($field:ident, $format:expr) => {
        Accessors {
            get: |config| $format.write(&config.cluster.$field),
            set: |config, values| $format.read(&mut config.cluster.$field, values),
        }
    };
}

pub(super) static SERVED: &[Row] = &[
    Row::served(
        "cluster-peer",
        "host:port...",
        "",
        field!(peers, HostPorts),
        "Other instances, by the port of their cluster (see cluster-port); may be given again and again, and may name this \
         instance too. One that is up is enough: it knows the others. Names are looked up every 30 seconds. Several \
         instances are one broker: a message published at any of them reaches all subscribers. On one machine: \
         hereabouts --port 6380 --cluster-peer 127.0.0.1:16380, and the same with --port 6381 and 6382. None by default: \
         the instance is alone.",
    )
    .accumulating()
    .immutable(),
    Row::served(
        "cluster-port",
        "number|auto",
        "0",
        field!(bus_port, Port),
        "Port where other instances find this one: TCP for links, UDP for gossip. 0 for port + 10000, as in Redis, if there is \
         a cluster-peer, and for none if there is not; auto for a free one, which is logged. Without cluster-secret it is \
         bound to 127.0.0.1, otherwise to the address in bind if that is one, or to all.",
    )
    .immutable(),
    Row::served(
        "cluster-secret",
        "secret",
        "",
        field!(secret, Bytes),
        "What instances prove to each other before anything else is said, and what gossip is encrypted with: 32 random bytes \
         are a good one. Links are not encrypted by it. Without one only instances on this machine are talked to.",
    )
    .immutable(),
    Row::served(
        "cluster-secret-previous",
        "secret",
        "",
        field!(secret_previous, Bytes),
        "A second secret that is taken as well, to change it without a stop: restart each instance with the new one here, \
         then each with both exchanged, then each without the old one.",
    )
    .immutable(),
    Row::served(
        "cluster-name",
        "name",
        "",
        field!(name, ClusterName),
        "Instances with other names do not see each other: a guard against a cluster-peer of the wrong cluster.",
    )
    .immutable(),
    Row::served(
        "cluster-announce-ip",
        "address",
        "",
        field!(announce_ip, Address),
        "IP address at which other instances reach this one, where it cannot know it: behind NAT. By default that \
         from which the first cluster-peer is reached.",
    )
    .immutable(),
    Row::served(
        "cluster-announce-bus-port",
        "number",
        "0",
        field!(announce_bus_port, AnnouncedPort),
        "Port at which other instances reach cluster-port, where it is another one; 0 for the same.",
    )
    .immutable(),
    Row::served(
        "node-id",
        "number",
        "",
        field!(node_id, NodeNumber),
        "Id of this instance in the cluster, up to 16 hexadecimal digits; no other may have it. Random at each start by \
         default, which serves: with one that stays, an instance that is restarted is known again.",
    )
    .immutable(),
    Row::served(
        "cluster-link-limit",
        "bytes",
        "67108864",
        field!(link_limit, Memory { least: MIB, most: i64::MAX as usize }),
        "Bytes of messages that wait for one other instance. Above it messages for that one are dropped and counted, and \
         nobody else notices: room for half a second at 1 Gbit/s.",
    )
    .immutable(),
    Row::served(
        "cluster-message-max",
        "bytes",
        "33554432",
        field!(message_max, Memory { least: MIB, most: 1024 * MIB }),
        "Bytes of a message with its channel that goes to other instances, and that is taken from them. Larger ones reach \
         subscribers of this instance only, and are counted: one must not take half of cluster-link-limit and more.",
    )
    .immutable(),
    Row::served(
        "cluster-data-links",
        "number",
        "2",
        field!(data_links, Integer { least: 1, most: 16 }),
        "Connections for messages to each other instance, beside one for everything else. What one client publishes goes over \
         one of them and stays in order; two use two cores.",
    )
    .immutable(),
    Row::served(
        "subscribe-ack",
        "cluster|local",
        "cluster",
        field!(subscribe_ack, SUBSCRIBE_ACKS),
        "When a subscription is confirmed: when all instances have heard of it, so that what is published anywhere \
         afterwards arrives, but after 100 milliseconds at the latest; or at once.",
    ),
    Row::served(
        "cluster-join-timeout",
        "milliseconds",
        "2000",
        field!(join_timeout, Milliseconds),
        "How long an instance that starts waits to hear from another one what its clients are subscribed to before it \
         accepts clients itself: longer than joining takes, and no long outage where it is the only one.",
    )
    .immutable(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_follows_that_of_clients_unless_it_is_named() {
        let none = Cluster::default();
        assert!(!none.is_enabled());
        let peers = vec!["127.0.0.1:16379".to_owned()];
        let with_peers = Cluster { peers, ..Cluster::default() };
        assert!(with_peers.is_enabled());
        assert_eq!(with_peers.port(Some(6380)), Ok(16_380));
        assert_eq!(with_peers.port(Some(0)), Ok(0));
        assert_eq!(with_peers.port(None), Ok(0));
        assert!(with_peers.port(Some(60_000)).is_err());
        let named = Cluster { bus_port: Some(7), ..Cluster::default() };
        assert!(named.is_enabled());
        assert_eq!(named.port(Some(60_000)), Ok(7));
    }
}
