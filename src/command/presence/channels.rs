//! The channels on which presence speaks, as names that a client subscribes to.
//!
//! Owns which of them there can be. Must not know what is said there.

use std::collections::BTreeSet;

use super::arguments::Name;
use super::writes::refused;
use crate::command::{Context, Error};
use crate::pubsub::reserved::Reserved;

/// Refuses the channels of something that no topic or session is called, and those of more sessions than there may be.
pub(in crate::command) fn check_channels<'a>(
    context: &Context<'_>,
    channels: impl Iterator<Item = &'a [u8]>,
) -> Result<(), Error> {
    let mut sessions = BTreeSet::new();
    for channel in channels {
        match Reserved::of(channel) {
            Some(Reserved::Topic(topic)) => _ = Name::Topic.read(context, topic)?,
            Some(Reserved::Session(session)) => _ = sessions.insert(Name::Session.read(context, session)?),
            None => {}
        }
    }
    if sessions.is_empty() {
        return Ok(());
    }
    context.broker.presence.check_room_for_sessions(&sessions).map_err(refused)
}
