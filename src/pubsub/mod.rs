//! Who hears what: the channels and patterns that connections here are subscribed to.
//!
//! Owns the subscription tables as plain data. Must not know locks, connections or the protocol. Start
//! reading at [`patterns`].

pub mod patterns;
