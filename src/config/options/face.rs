//! Options by which a cluster looks like a Redis Cluster to clients, and where they find its instances.
//!
//! Owns their rows and values.

use super::{Accessors, Row};
use crate::config::format::{Format, Integer, YesNo};

/// How clients are to see this instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Face {
    /// As one of a Redis Cluster.
    pub enabled: bool,
    /// Port at which clients reach it; 0 for its own.
    pub announce_port: u16,
    /// The same with TLS.
    pub announce_tls_port: u16,
}

impl Face {
    /// What clients are told that this is. (HELLO `mode`, INFO `redis_mode`.)
    pub fn mode(&self) -> &'static str {
        if self.enabled { "cluster" } else { "standalone" }
    }
}

/// The accessors of a field of [`Face`] in a format.
macro_rules! face {
    ($field:ident, $format:expr) => {
        Accessors {
            get: |config| $format.write(&config.face.$field),
            set: |config, values| $format.read(&mut config.face.$field, values),
        }
    };
}

const PORT: Integer<u16> = Integer { least: 0, most: u16::MAX };

pub(super) static SERVED: &[Row] = &[
    Row::served(
        "cluster-enabled",
        "yes|no",
        "no",
        face!(enabled, YesNo),
        "For clients that are set up for Redis Cluster: CLUSTER SLOTS, SHARDS and NODES divide the slots evenly among the \
         instances that are up. Each serves every channel all the same, and none is ever MOVED. Replies that count subscribers \
         count this instance's, as such clients add them up. With no, several instances are one broker to clients, and CLUSTER \
         is refused. It must be the same on all instances, and has nothing to do with which there are: see cluster-peer.",
    )
    .immutable(),
    Row::served(
        "cluster-announce-port",
        "number",
        "0",
        face!(announce_port, PORT),
        "Port that CLUSTER SLOTS names for this instance, where clients do not reach it at port; 0 for that one.",
    ),
    Row::served(
        "cluster-announce-tls-port",
        "number",
        "0",
        face!(announce_tls_port, PORT),
        "The same for clients that have connected with TLS; 0 for tls-port.",
    ),
];
