//! What presence stores entries under: members, and what is known of sessions.
//!
//! Owns the names and their bytes between instances. A name is shared: the log, the session and the topic that know a member
//! hold one copy of it. Must not know what is stored.

use std::hint::black_box;
use std::sync::Arc;

use crate::crdt::Key;
use crate::crdt::wire::{Input, Malformed, Wire, put_bytes, put_fixed, put_number};
use crate::map::HashKeys;

/// Bytes of a topic, key, session or id that a peer may send: above what any option allows.
pub const NAME_BYTES_MAX: usize = 64 * 1024;

/// What a member lives as long as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionName {
    /// A connection, which nobody else can name.
    Connection(Arc<Connection>),
    /// A session that an application has named.
    Named(Arc<str>),
}

/// A connection, as all instances know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Drawn when the instance starts: two of them never give the same client the same name.
    pub life: u64,
    /// The client's id.
    pub client: u64,
}

impl From<Connection> for SessionName {
    fn from(connection: Connection) -> Self {
        SessionName::Connection(Arc::new(connection))
    }
}

/// A member of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Where it is present.
    pub topic: Arc<str>,
    /// What it lives as long as.
    pub session: SessionName,
    text: Text,
}

/// A key, and its id if it has one, which most have not: a name takes 64 bytes with what is shared of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Text {
    Key(Box<str>),
    KeyAndId(Box<(Box<str>, Box<str>)>),
}

impl Member {
    /// Of these parts.
    pub fn new(topic: Arc<str>, key: &str, session: SessionName, id: &str) -> Self {
        let text = match id {
            "" => Text::Key(key.into()),
            id => Text::KeyAndId(Box::new((key.into(), id.into()))),
        };
        Member { topic, session, text }
    }

    /// The hash of the name of an entry about it.
    pub(super) fn hash(&self, keys: HashKeys) -> u64 {
        let mut hasher = keys.hasher();
        match &self.session {
            SessionName::Connection(connection) => hasher.numbers(&[connection.life, connection.client]),
            SessionName::Named(session) => hasher.string(session),
        }
        hasher.string(&self.topic);
        hasher.string(self.key());
        hasher.string(self.id());
        hasher.finish()
    }

    /// Usually the user.
    pub fn key(&self) -> &str {
        match &self.text {
            Text::Key(key) => key,
            Text::KeyAndId(both) => &both.0,
        }
    }

    /// Tells apart several members of one key in one session.
    pub fn id(&self) -> &str {
        match &self.text {
            Text::Key(_) => "",
            Text::KeyAndId(both) => &both.1,
        }
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A member.
    Member(&'a Member),
    /// That a named session is attached or leased at the owner.
    Session(&'a Arc<str>),
    /// That a named session was ended.
    End(&'a Arc<str>),
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<Stored>);

/// Nearly all are members'.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stored {
    Member(Member),
    Fact(Box<Fact>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Session(Arc<str>),
    End(Arc<str>),
}

impl Name {
    /// That this named session is attached or leased.
    pub fn of_session(session: Arc<str>) -> Self {
        Name(Arc::new(Stored::Fact(Box::new(Fact::Session(session)))))
    }

    /// That this named session was ended.
    pub fn of_end(session: Arc<str>) -> Self {
        Name(Arc::new(Stored::Fact(Box::new(Fact::End(session)))))
    }

    /// What it names.
    pub fn subject(&self) -> Subject<'_> {
        match &*self.0 {
            Stored::Member(member) => Subject::Member(member),
            Stored::Fact(fact) => match &**fact {
                Fact::Session(session) => Subject::Session(session),
                Fact::End(session) => Subject::End(session),
            },
        }
    }

    /// The member, if it names one.
    pub fn member(&self) -> Option<&Member> {
        match &*self.0 {
            Stored::Member(member) => Some(member),
            Stored::Fact(_) => None,
        }
    }
}

impl From<Member> for Name {
    fn from(member: Member) -> Self {
        Name(Arc::new(Stored::Member(member)))
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

fn first(text: &str) -> u8 {
    text.as_bytes().first().copied().unwrap_or_default()
}

impl Wire for Name {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.subject() {
            Subject::Member(member) => {
                match &member.session {
                    SessionName::Connection(connection) => {
                        out.push(CONNECTION_MEMBER);
                        put_fixed(out, connection.life);
                        put_number(out, connection.client);
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
            CONNECTION_MEMBER => Connection { life: input.fixed()?, client: input.number()? }.into(),
            MEMBER => SessionName::Named(string(input)?.into()),
            SESSION => return Ok(Name::of_session(string(input)?.into())),
            END => return Ok(Name::of_end(string(input)?.into())),
            _ => return Err(Malformed("an unknown kind of name")),
        };
        let (topic, key, id) = (string(input)?, string(input)?, string(input)?);
        Ok(Member::new(topic.into(), key, session, id).into())
    }
}

impl Key for Name {
    fn touch(&self) {
        match self.subject() {
            Subject::Member(member) => {
                let session = match &member.session {
                    SessionName::Connection(connection) => connection.client as u8,
                    SessionName::Named(session) => first(session),
                };
                black_box((session, first(&member.topic), first(member.key())));
            }
            Subject::Session(session) | Subject::End(session) => _ = black_box(first(session)),
        }
    }

    fn hash(&self, keys: HashKeys) -> u64 {
        let mut hasher = keys.hasher();
        match self.subject() {
            Subject::Member(member) => return member.hash(keys),
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
            SessionName::Connection(_) => 0,
            SessionName::Named(session) => session.len(),
        };
        // The topic's name is shared with its other members.
        size_of::<Stored>()
            + match self.subject() {
                Subject::Member(member) => {
                    member.key().len() + member.id().len() + session_bytes(&member.session)
                }
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
            member("ann", Connection { life: 1, client: 2 }.into(), ""),
            member("ann", Connection { life: 2, client: 1 }.into(), ""),
            Name::of_session("s".into()),
            Name::of_end("s".into()),
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
    fn most_names_take_64_bytes() {
        const COUNTS_OF_REFERENCES: usize = 16;
        assert_eq!(size_of::<Stored>() + COUNTS_OF_REFERENCES, 64);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_refused() {
        assert!(Name::decode(&mut Input::new(&[SESSION, 1, 0xff])).is_err());
        assert!(Name::decode(&mut Input::new(&[9])).is_err());
    }
}
