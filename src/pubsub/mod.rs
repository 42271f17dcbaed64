//! Who is subscribed to what.
//!
//! Owns the subscription tables as plain data: channels with their receivers, patterns with their index. Must not
//! know locks, sessions or commands: `broker` puts each part behind its lock. Start with [`channels`].

pub mod busiest;
pub mod channels;
pub mod fanout;
pub mod pattern_table;
pub mod patterns;
pub mod receivers;
pub mod reserved;

mod places;
mod slab;
mod subscribed;

pub use subscribed::{Kind, Subscribed};
