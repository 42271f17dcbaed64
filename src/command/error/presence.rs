//! The texts of PRESENCE's errors.
//!
//! Owns them to the letter. They say what is wrong and the limit.

/// Why a command about presence is refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the texts say it
pub enum PresenceError {
    Empty(&'static str),
    TooLong {
        what: &'static str,
        most: usize,
    },
    NotUtf8(&'static str),
    NotAnObject,
    TooDeep(usize),
    ReservedMember(&'static str),
    InvalidRef,
    FutureRef,
    Milliseconds {
        what: &'static str,
        least: u64,
        most: u64,
    },
    AlreadyTracked,
    NotTracked,
    TooManyInTopic(usize),
    TooManyOfKey(usize),
    TooManyInSession(usize),
    TooManyMembers(usize),
    TooManySessions(usize),
    TooManyKeysToList(usize),
    /// And what may be asked instead.
    ListTooLong {
        most: usize,
        instead: &'static str,
    },
    NoKeyIndex,
}

impl PresenceError {
    pub(super) fn text(self) -> String {
        match self {
            PresenceError::Empty(what) => format!("ERR presence {what} is empty"),
            PresenceError::TooLong { what, most } => {
                format!("ERR presence {what} is longer than {most} bytes")
            }
            PresenceError::NotUtf8(what) => format!("ERR presence {what} is not valid UTF-8"),
            PresenceError::NotAnObject => "ERR presence meta is not a JSON object".to_owned(),
            PresenceError::TooDeep(most) => {
                format!("ERR presence meta has more than {most} levels")
            }
            PresenceError::ReservedMember(name) => {
                format!("ERR presence meta must not have a member '{name}'")
            }
            PresenceError::InvalidRef => "ERR presence ref is not valid".to_owned(),
            PresenceError::FutureRef => "ERR presence ref is from the future".to_owned(),
            PresenceError::Milliseconds { what, least, most } => {
                format!("ERR presence {what} must be between {least} and {most} milliseconds")
            }
            PresenceError::AlreadyTracked => "ALREADYTRACKED presence member is already tracked".to_owned(),
            PresenceError::NotTracked => "NOTTRACKED presence member is not tracked".to_owned(),
            PresenceError::TooManyInTopic(most) => {
                format!("ERR presence topic has {most} members (presence-topic-members-max)")
            }
            PresenceError::TooManyOfKey(most) => {
                format!("ERR presence key has {most} members in the topic (presence-key-members-max)")
            }
            PresenceError::TooManyInSession(most) => {
                format!("ERR presence session has {most} members (presence-session-members-max)")
            }
            PresenceError::TooManyMembers(most) => {
                format!("ERR presence has {most} members (presence-members-max)")
            }
            PresenceError::TooManySessions(most) => {
                format!("ERR presence has {most} sessions (presence-sessions-max)")
            }
            PresenceError::TooManyKeysToList(most) => format!(
                "TOOLARGE presence topic has more than {most} keys (presence-list-max): use PRESENCE.SCAN"
            ),
            PresenceError::ListTooLong { most, instead } => format!(
                "TOOLARGE presence list is longer than {most} bytes (presence-list-max-bytes){instead}"
            ),
            PresenceError::NoKeyIndex => {
                "ERR presence has no index of keys (presence-key-index no)".to_owned()
            }
        }
    }
}
