//! What presence stores entries under: members, and what is known of sessions.
//!
//! Owns the names and their bytes between instances. A name is shared: the log, the session and the topic that know a member
//! hold one copy of it. Must not know what is stored.

use std::sync::Arc;

use crate::crdt::Key;
use crate::crdt::wire::{Input, Malformed, Wire, put_bytes, put_number};
use crate::map::HashKeys;

/// Bytes of a topic, key, session or id that a peer may send: above what any option allows.
pub const NAME_BYTES_MAX: usize = 64 * 1024;

/// What a member lives as long as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionName {
    /// A connection, which nobody else can name.
    Connection {
        /// Drawn when the instance starts: two of them never give the same client the same name.
        life: u64,
        /// The client's id.
        client: u64,
    },
    /// A session that an application has named.
    Named(Arc<str>),
}

/// A member of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Where it is present.
    pub topic: Arc<str>,
    /// What it lives as long as.
    pub session: SessionName,
    /// The key, and behind it the id.
    text: Box<str>,
    key_bytes: u32,
}

impl Member {
    /// Of these parts.
    pub fn new(topic: Arc<str>, key: &str, session: SessionName, id: &str) -> Self {
        // Joined in memory of just that size. Both together are far below four gigabytes: no request is that long.
        Member { topic, session, text: [key, id].concat().into(), key_bytes: key.len() as u32 }
    }

    /// Usually the user.
    pub fn key(&self) -> &str {
        &self.text[..self.key_bytes as usize]
    }

    /// Tells apart several members of one key in one session.
    pub fn id(&self) -> &str {
        &self.text[self.key_bytes as usize..]
    }
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A member.
    Member(Member),
    /// That a named session is attached or leased at the owner.
    Session(Arc<str>),
    /// That a named session was ended.
    End(Arc<str>),
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<Subject>);

impl Name {
    /// What it names.
    pub fn subject(&self) -> &Subject {
        &self.0
    }

    /// The member, if it names one.
    pub fn member(&self) -> Option<&Member> {
        match &*self.0 {
            Subject::Member(member) => Some(member),
            Subject::Session(_) | Subject::End(_) => None,
        }
    }
}

impl From<Subject> for Name {
    fn from(subject: Subject) -> Self {
        Name(Arc::new(subject))
    }
}

impl From<Member> for Name {
    fn from(member: Member) -> Self {
        Subject::Member(member).into()
    }
}

const CONNECTION_MEMBER: u8 = 0;
const MEMBER: u8 = 1;
const SESSION: u8 = 2;
const END: u8 = 3;

fn string<'a>(input: &mut Input<'a>) -> Result<&'a str, Malformed> {
    let bytes = input.bytes(NAME_BYTES_MAX)?;
    std::str::from_utf8(bytes).map_err(|_| Malformed("a name is not UTF-8"))
}

impl Wire for Name {
    fn encode(&self, out: &mut Vec<u8>) {
        match &*self.0 {
            Subject::Member(member) => {
                match &member.session {
                    SessionName::Connection { life, client } => {
                        out.push(CONNECTION_MEMBER);
                        put_number(out, *life);
                        put_number(out, *client);
                    }
                    SessionName::Named(session) => {
                        out.push(MEMBER);
                        put_bytes(out, session.as_bytes());
                    }
                }
                put_bytes(out, member.topic.as_bytes());
                put_bytes(out, member.key().as_bytes());
                put_bytes(out, member.id().as_bytes());
            }
            Subject::Session(session) => {
                out.push(SESSION);
                put_bytes(out, session.as_bytes());
            }
            Subject::End(session) => {
                out.push(END);
                put_bytes(out, session.as_bytes());
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let session = match input.byte()? {
            CONNECTION_MEMBER => SessionName::Connection { life: input.number()?, client: input.number()? },
            MEMBER => SessionName::Named(string(input)?.into()),
            SESSION => return Ok(Subject::Session(string(input)?.into()).into()),
            END => return Ok(Subject::End(string(input)?.into()).into()),
            _ => return Err(Malformed("an unknown kind of name")),
        };
        let (topic, key, id) = (string(input)?, string(input)?, string(input)?);
        Ok(Member::new(topic.into(), key, session, id).into())
    }
}

impl Key for Name {
    fn hash(&self, keys: HashKeys) -> u64 {
        let mut hasher = keys.hasher();
        match &*self.0 {
            Subject::Member(member) => {
                match &member.session {
                    SessionName::Connection { life, client } => hasher.numbers(&[*life, *client]),
                    SessionName::Named(session) => hasher.string(session),
                }
                hasher.string(&member.topic);
                hasher.string(member.key());
                hasher.string(member.id());
            }
            Subject::Session(session) => {
                hasher.numbers(&[u64::from(SESSION)]);
                hasher.string(session);
            }
            Subject::End(session) => {
                hasher.numbers(&[u64::from(END)]);
                hasher.string(session);
            }
        }
        hasher.finish()
    }

    fn bytes(&self) -> usize {
        let session_bytes = |session: &SessionName| match session {
            SessionName::Connection { .. } => 0,
            SessionName::Named(session) => session.len(),
        };
        // The topic's name is shared with its other members.
        size_of::<Subject>()
            + match &*self.0 {
                Subject::Member(member) => member.text.len() + session_bytes(&member.session),
                Subject::Session(session) | Subject::End(session) => session.len(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Name> {
        let member = |key, session, id| Name::from(Member::new("lobby".into(), key, session, id));
        let named = || SessionName::Named("s".into());
        vec![
            member("ann", named(), ""),
            member("ann", named(), "b"),
            member("annb", named(), ""),
            member("ann", SessionName::Connection { life: 1, client: 2 }, ""),
            member("ann", SessionName::Connection { life: 2, client: 1 }, ""),
            Subject::Session("s".into()).into(),
            Subject::End("s".into()).into(),
        ]
    }

    #[test]
    fn names_come_back_and_are_told_apart() {
        let keys = HashKeys::new([1, 2]);
        let names = names();
        for name in &names {
            let mut bytes = Vec::new();
            name.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            let read = Name::decode(&mut input).unwrap();
            assert!(input.is_empty());
            assert_eq!((&read, read.hash(keys)), (name, name.hash(keys)));
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
            assert_eq!(names.iter().filter(|other| other.hash(keys) == name.hash(keys)).count(), 1);
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_refused() {
        assert!(Name::decode(&mut Input::new(&[SESSION, 1, 0xff])).is_err());
        assert!(Name::decode(&mut Input::new(&[9])).is_err());
    }
}
