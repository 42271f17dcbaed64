//! The map that instances share: who wrote what, kept alike everywhere without a leader.
//!
//! Each instance writes a log of its own ([`Log`]) and holds, for every other instance it knows of, a *prefix* of that
//! one's log: all changes up to some version, none after. The replicated state is the product of these prefixes, and
//! merging takes the longer one, owner by owner: it commutes, associates and is idempotent, since each log has exactly
//! one writer. It is a delta-state map (Almeida, Shoker and Baquero, *Delta State Replicated Data Types*, 2018) whose dots
//! are `(owner, version)`; removals live in the log only as long as somebody may ask for them.
//!
//! Generic over key and value: presence and the interest in channels are two users of it. It has no sockets, clock or
//! random source, and no opinion on what its entries mean. Read [`owner`], [`log`], [`message`], and then [`Replica`],
//! which holds all records and says in its documentation in which order it wants to be called.

pub mod log;
pub mod message;
pub mod owner;
pub mod replica;
pub mod wire;

#[cfg(test)]
#[path = "../../tests/support/entries.rs"]
mod entries;
mod exchange;
mod incoming;
mod index;
mod merge;
mod nodes;
mod outgoing;
mod read;
mod record;
mod rounds;
mod slots;

pub use log::{Key, Log, Value};
pub use merge::Changed;
pub use owner::{Incarnation, NodeId, Owner};
pub use record::Standing;
pub use replica::{Counts, Event, Replica, Settings};
pub use rounds::Round;
