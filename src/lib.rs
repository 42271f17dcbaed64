//! Hereabouts: a Redis-protocol-compatible pub/sub broker that knows who is present.
//!
//! # Code map
//!
//! A module uses only what stands below it in this list (`tests/tidy.rs` holds it to that):
//!
//! - [`net`]: sockets, tasks, timers, signals. The only code that is asynchronous or reads a clock.
//! - [`command`]: one table of commands, and a small synchronous handler for each.
//! - [`broker`]: what clients share, behind locks; the only place where one state machine's output becomes
//!   another's input.
//! - [`pubsub`]: who is subscribed to what, as plain data.
//! - [`presence`]: who is present in which topic, as plain data.
//! - [`membership`]: who is in the cluster, by gossip in sealed datagrams, as plain data.
//! - [`link`]: the connections between two instances and what travels there, as plain data.
//! - [`crdt`]: the map that instances share, each owner's part of it a prefix of that owner's log.
//! - Values: [`resp`] (the protocol), [`glob`] (patterns), [`outbox`] (a client's bounded output), [`config`],
//!   [`map`] (keyed hashing), [`slots`] (tables whose entries keep their places), [`time`], [`sync`] (locks that the model checker
//!   can replace).
//!
//! To follow one PUBLISH from socket to socket, read: `net/client.rs` (bytes arrive), `resp/request.rs` (a request),
//! `command/mod.rs` (dispatch), `command/publish.rs` (the handler), `broker/subscriptions.rs` (the table's locks),
//! `pubsub/fanout.rs` (the receivers), `outbox.rs` (the queue), and `net/client.rs` again with `net/output.rs` (the
//! receiver's own task writes). What does not fit into the publisher's turn goes on in `net/flush.rs`.
//!
//! To follow one PRESENCE.TRACK: `command/presence/writes.rs` (the handler), `broker/presence/writes.rs` (the locks),
//! `presence/machine.rs` (the member's new version goes into this instance's log, `crdt/log.rs`), `presence/settle.rs` (which
//! version is shown), `broker/presence/mod.rs` (the change goes into its topic), `presence/topics.rs` and `presence/events/`
//! (what watchers are to be told), `net/presence.rs` with `broker/presence/turn.rs` (it is encoded, and watchers are nudged),
//! and `net/output.rs` (each takes it when its socket has room).
//!
//! # Invariants
//!
//! - A reply or a frame is appended to an outbox whole, or the connection is closing.
//! - All subscribers of a channel see one order; a confirmation of SUBSCRIBE precedes the channel's messages, a
//!   confirmation of UNSUBSCRIBE is the last word about it; inside EXEC, messages come behind the whole of its reply.
//! - No lock is held across `.await`, for longer than one budget, or while a waker is called.
//! - Nothing recurses on input. Memory is taken for what has arrived, never for what was announced.
//! - Work that can be large stops after a budget and goes on in the next turn.

// What unit tests share with the tests outside names this crate as those do.
#[cfg(test)]
extern crate self as hereabouts;

pub mod net;

pub mod command;

pub mod broker;

pub mod pubsub;

pub mod presence;

pub mod membership;

pub mod link;

pub mod crdt;

pub mod config;
pub mod glob;
pub mod map;
pub mod outbox;
pub mod resp;
pub mod slots;
pub mod sync;
pub mod time;
