//! Links: how two instances of a cluster exchange what their clients publish, who is present, and who wants what.
//!
//! Between two instances stand one control connection and some data connections, a *set*. What one client publishes goes
//! over one data connection, so that it stays in order whatever the channels are; control never waits behind data. A set
//! lives and dies as a whole: when one of its connections is lost all are closed, and the next *epoch* begins.
//!
//! Plain data: no sockets, clock, chance or locks. From the wire upwards: [`frame`] (the layout), [`fragment`] (how large
//! frames are cut), [`handshake`] (who is there, and whether he knows the secret), [`Connection`] (one connection: bytes in, frames out),
//! [`queue`] (what waits for one data connection), and [`Links`] (the set: epochs, what goes where, what is lost). Must
//! not know subscriptions, presence or membership: frames carry bytes for them.

pub mod connection;
pub mod fragment;
pub mod frame;
pub mod handshake;
#[allow(clippy::module_inception)]
mod link;
mod losses;
pub mod queue;
mod redial;
mod set;

pub use connection::{Connection, Failure};
pub use frame::{Farewell, Frame, Loss, Start};
pub use handshake::{ClientAddress, Hello, LinkKind, Me, Secrets};
pub use link::{Links, Settings};
pub use losses::Counts;
pub use queue::Outgoing;
pub use set::{ConnectionId, Dial, Event, Refused, Report, Standing};

#[cfg(test)]
#[path = "world_tests.rs"]
mod world_tests;
