//! The channels on which presence speaks, as names that a client subscribes to.
//!
//! Owns which of them there can be. Must not know what is said there.

use super::arguments::Name;
use crate::command::{Context, Error};
use crate::pubsub::reserved::Reserved;

/// Refuses the channel of something that no topic or session is called.
pub(in crate::command) fn check_channel(context: &Context<'_>, channel: &[u8]) -> Result<(), Error> {
    match Reserved::of(channel) {
        Some(Reserved::Topic(topic)) => Name::Topic.read(context, topic).map(drop),
        Some(Reserved::Session(session)) => Name::Session.read(context, session).map(drop),
        None => Ok(()),
    }
}
