//! Who is in the cluster: the glue around foca, which does SWIM (Das, Gupta and Motivala, *SWIM: Scalable
//! Weakly-consistent Infection-style Process Group Membership Protocol*, 2002).
//!
//! Nothing of SWIM is written here. Ours are the identity of an instance ([`Peer`]), how it travels (`codec`), the sealed
//! envelope around every datagram ([`envelope`], `senders`), and [`Membership`], which finds others at known addresses,
//! drives foca and says who came and who went. No sockets, clock or random source; what an instance does when another comes or
//! goes is the broker's affair. Read [`identity`], [`envelope`], and then [`machine`].

pub mod envelope;
pub mod identity;
pub mod machine;

mod addresses;
mod codec;
mod driver;
mod letter;
mod senders;

pub use envelope::Refused;
pub use identity::Peer;
pub use machine::{Event, Membership, Settings};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod world_tests;
