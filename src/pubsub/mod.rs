//! Who is subscribed to what.
//!
//! Owns the subscription tables as plain data: channels with their receivers, patterns with their index, and what other
//! instances want. Must not know locks, sessions or commands: `broker` puts each part behind its lock. Start with [`channels`]
//! and, for several instances, [`interest`].

pub mod busiest;
pub mod channels;
pub mod fanout;
pub mod interest;
pub mod pattern_table;
pub mod patterns;
pub mod receivers;
pub mod remote;
pub mod reserved;
pub mod wanted;

mod places;
mod slab;
mod subscribed;

pub use subscribed::{Kind, Subscribed};
