//! Who is present in which topic, as plain data: no sockets, clock, locks or random source.
//!
//! Owns members, sessions and what watchers are told. Must not know connections or commands. Start with [`name`] and [`entry`]:
//! what is stored, by whom, and which of several entries counts; then [`Presence`].

mod crowd;
pub mod entry;
pub mod events;
pub mod group;
mod json;
pub mod meta;
pub mod name;
pub mod payload;
pub mod places;
pub mod stamp;
pub mod topic;
pub mod topics;
pub mod watched;

mod dropping;
mod jobs;
mod lifecycle;
mod machine;
mod members;
mod replication;
mod sessions;
mod settle;
mod timers;

#[cfg(test)]
#[path = "world_tests.rs"]
mod world;

use std::sync::Arc;

use crate::crdt::{NodeId, Owner};

pub use entry::{Entry, State, Version};
pub use jobs::Removal;
pub use machine::{Counts, Detach, MetaChange, Presence, Settings};
pub use meta::{Invalid, Meta};
pub use name::{Connection, Member, Name, SessionName};
pub use places::Places;
pub use stamp::{Clock, Stamp};
pub use topic::{Applied, KeyChange, Topic};
pub use topics::{Count, Topics};

/// A member is shown, shown differently, or not shown any more.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of which member.
    pub name: Name,
    /// The version that is shown from now on, or nothing.
    pub after: Option<Entry>,
    /// Why it is not shown any more.
    pub reason: Reason,
}

/// Why a member is not shown any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The application said so.
    Untrack,
    /// Its connection has ended.
    Closed,
    /// Its session did not come back in time.
    Lost,
    /// The instance that knew it is down.
    NodeDown,
}

impl Reason {
    /// As watchers are told.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Untrack => "untrack",
            Reason::Closed => "closed",
            Reason::Lost => "lost",
            Reason::NodeDown => "node_down",
        }
    }
}

/// What an application must know about its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The session.
    pub session: Arc<str>,
    /// For this client; nothing: for all that are attached here.
    pub client: Option<u64>,
    /// Members of the session that are shown.
    pub members: usize,
    /// Nothing of the session was lost: otherwise its members must be tracked again.
    pub resumed: bool,
}

/// What the operator must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another process uses the same node id.
    SameNodeId(NodeId),
    /// Two instances hold different entries at one version: a fault of ours, which is repaired.
    Diverged {
        /// Whose entries.
        owner: Owner,
        /// At which version.
        version: u64,
        /// Who else.
        peer: NodeId,
    },
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is present, and was not to be.
    AlreadyTracked,
    /// It is not present.
    NotTracked,
    /// Its topic has so many members, and may not have more.
    TooManyInTopic(usize),
    /// Its key has, in the topic.
    TooManyOfKey(usize),
    /// Its session has.
    TooManyInSession(usize),
    /// This instance has.
    TooMany(usize),
    /// This instance has so many sessions.
    TooManySessions(usize),
    /// The ref is of a time that is far from having come.
    FutureRef,
    /// The new meta is none.
    Meta(Invalid),
}
