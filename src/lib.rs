//! Hereabouts: a Redis-protocol-compatible pub/sub broker that knows who is present.

pub mod config;
pub mod map;
pub mod net;
pub mod resp;
