//! The channels on which the broker itself speaks, and nobody else may.
//!
//! Owns their names. Must not know what is said there.

/// What channels begin with that tell who is present in a topic, whose name follows.
pub const TOPICS: &[u8] = b"__presence__:";
/// What channels begin with by which a session is held, and told how it stands. Its name follows.
pub const SESSIONS: &[u8] = b"__presence_session__:";

/// What channels begin with on which an instance tells what befalls its own clients.
pub const INSTANCE: &[u8] = b"__hereabouts__:";

/// The channel of them on which it is told what clients have missed.
pub const LOSSES: &[u8] = b"__hereabouts__:loss";

/// Whether only this instance speaks on channels of this name, or on those that a pattern of this name matches.
pub fn is_local(name: &[u8]) -> bool {
    [TOPICS, SESSIONS, INSTANCE].iter().any(|prefix| name.starts_with(prefix))
}

/// A reserved channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved<'a> {
    /// That of the topic with this name.
    Topic(&'a [u8]),
    /// That of the session with this name.
    Session(&'a [u8]),
    /// One on which an instance tells what befalls its clients.
    Instance,
}

impl<'a> Reserved<'a> {
    /// What a channel of this name is; nothing if it is anybody's.
    pub fn of(channel: &'a [u8]) -> Option<Self> {
        if let Some(topic) = channel.strip_prefix(TOPICS) {
            return Some(Reserved::Topic(topic));
        }
        if channel.starts_with(INSTANCE) {
            return Some(Reserved::Instance);
        }
        channel.strip_prefix(SESSIONS).map(Reserved::Session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_make_channels_reserved() {
        assert_eq!(Reserved::of(b"__presence__:lobby"), Some(Reserved::Topic(b"lobby")));
        assert_eq!(Reserved::of(b"__presence__:"), Some(Reserved::Topic(b"")));
        assert_eq!(Reserved::of(LOSSES), Some(Reserved::Instance));
        assert_eq!(Reserved::of(b"__presence_session__:1"), Some(Reserved::Session(b"1")));
        for channel in ["", "__presence__", "__presence_", "_presence__:lobby", "x__presence__:lobby"] {
            assert_eq!(Reserved::of(channel.as_bytes()), None, "{channel}");
        }
    }
}
