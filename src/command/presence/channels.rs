//! The channels on which presence speaks, as names that a client subscribes to.
//!
//! Owns which of them there can be, and what the confirmation of UNSUBSCRIBE waits for. Must not know what is said there.

use std::collections::BTreeSet;

use super::arguments::Name;
use super::writes::{finish_end, refused};
use crate::command::{Context, Error, Progress};
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
            Some(Reserved::Instance) | None => {}
        }
    }
    if sessions.is_empty() {
        return Ok(());
    }
    context.broker.presence.check_room_for_sessions(&sessions).map_err(refused)
}

/// Goes on with what must be done before it is confirmed that a client has unsubscribed from this channel: that may have ended
/// a session, and who asks next finds none of its members.
pub(in crate::command) fn finish_unsubscribe(context: &mut Context<'_>, channel: &[u8]) -> Progress {
    match Reserved::of(channel) {
        Some(Reserved::Session(session)) => {
            std::str::from_utf8(session).map_or(Progress::Done, |session| finish_end(context, session))
        }
        _ => Progress::Done,
    }
}
