//! The arguments that commands about presence have in common.
//!
//! Owns what is a topic, a key, a session, an id, a ref and a meta, and the words behind them, which come in any order and
//! once each.

use crate::broker::presence::{Target, Whose};
use crate::command::{Context, Error, PresenceError};
use crate::config::Config;
use crate::glob;
use crate::presence::{Invalid, Meta, Stamp};
use crate::resp::request::{Request, parse_integer};

/// A word that announces an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Session,
    Id,
    Ref,
    Topic,
    Match,
    Count,
    Ttl,
    Grace,
    Nx,
    Merge,
    Json,
}

impl Word {
    const COUNT: usize = Word::Json as usize + 1;

    fn name(self) -> &'static [u8] {
        match self {
            Word::Session => b"SESSION",
            Word::Id => b"ID",
            Word::Ref => b"REF",
            Word::Topic => b"TOPIC",
            Word::Match => b"MATCH",
            Word::Count => b"COUNT",
            Word::Ttl => b"TTL",
            Word::Grace => b"GRACE",
            Word::Nx => b"NX",
            Word::Merge => b"MERGE",
            Word::Json => b"JSON",
        }
    }

    fn has_value(self) -> bool {
        !matches!(self, Word::Nx | Word::Merge | Word::Json)
    }
}

/// The words that were given, with the values behind them.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>([Option<&'a [u8]>; Word::COUNT]);

impl<'a> Words<'a> {
    /// Those from an argument on.
    pub(super) fn read(request: Request<'a>, first: usize, known: &[Word]) -> Result<Self, Error> {
        let mut words = Words([None; Word::COUNT]);
        let mut arguments = request.arguments_from(first);
        while let Some(argument) = arguments.next() {
            let is_it = |word: &&Word| argument.eq_ignore_ascii_case(word.name());
            let word = *known.iter().find(is_it).ok_or(Error::Syntax)?;
            let value = if word.has_value() { arguments.next().ok_or(Error::Syntax)? } else { b"" };
            if words.0[word as usize].replace(value).is_some() {
                return Err(Error::Syntax);
            }
        }
        Ok(words)
    }

    /// The value of a word, if it was given.
    pub(super) fn get(&self, word: Word) -> Option<&'a [u8]> {
        self.0[word as usize]
    }

    /// Whether a word was given.
    pub(super) fn has(&self, word: Word) -> bool {
        self.get(word).is_some()
    }

    /// What the members of the command live as long as: the session that is named, or this connection.
    pub(super) fn whose(&self, context: &Context<'_>) -> Result<Whose<'a>, Error> {
        match self.get(Word::Session) {
            Some(session) => Name::Session.read(context, session).map(Whose::Session),
            None => Ok(Whose::Connection(context.session.id())),
        }
    }

    /// The member that the command is about.
    pub(super) fn target(&self, context: &Context<'_>, request: Request<'a>) -> Result<Target<'a>, Error> {
        Ok(Target {
            topic: Name::Topic.read(context, request.argument(1))?,
            key: Name::Key.read(context, request.argument(2))?,
            whose: self.whose(context)?,
            id: self.get(Word::Id).map_or(Ok(""), |id| Name::Id.read(context, id))?,
        })
    }

    /// The version that a write is to come behind.
    pub(super) fn reference(&self) -> Result<Option<Stamp>, Error> {
        let Some(text) = self.get(Word::Ref) else { return Ok(None) };
        let stamp = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        stamp.map(Some).ok_or(Error::Presence(PresenceError::InvalidRef))
    }

    /// A time in milliseconds.
    pub(super) fn milliseconds(&self, word: Word, least: u64, most: u64) -> Result<Option<u64>, Error> {
        let Some(text) = self.get(word) else { return Ok(None) };
        let number = parse_integer(text).ok_or(Error::NotInteger)?;
        let what = if word == Word::Ttl { "TTL" } else { "GRACE" };
        match u64::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Error::Presence(PresenceError::Milliseconds { what, least, most })),
        }
    }

    /// How many a SCAN looks at. (As in Redis.)
    pub(super) fn count(&self) -> Result<usize, Error> {
        const COUNT: usize = 10;
        let Some(text) = self.get(Word::Count) else { return Ok(COUNT) };
        let count = parse_integer(text).ok_or(Error::NotInteger)?;
        usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Error::Syntax)
    }

    /// Which names a SCAN shows.
    pub(super) fn pattern(&self, context: &Context<'_>) -> Result<Pattern, Error> {
        let longest = context.session.config().max_pattern_length;
        match self.get(Word::Match) {
            Some(pattern) if pattern.len() > longest => Err(Error::PatternTooLong(longest)),
            // All that others match, this matches.
            Some(b"*") | None => Ok(Pattern(None)),
            Some(pattern) => Ok(Pattern(Some(pattern.into()))),
        }
    }
}

/// A pattern, or none.
pub(super) struct Pattern(Option<Box<[u8]>>);

impl Pattern {
    /// Whether it lets a name through. What that costs is taken from the budget.
    pub(super) fn matches(&self, name: &str, budget: &mut usize) -> bool {
        match &self.0 {
            Some(pattern) => glob::matches_within(pattern, name.as_bytes(), budget),
            None => true,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pattern| pattern.len())
    }
}

/// A kind of name.
#[derive(Clone, Copy)]
pub(super) enum Name {
    Topic,
    Key,
    Session,
    Id,
}

impl Name {
    fn what(self) -> &'static str {
        match self {
            Name::Topic => "topic",
            Name::Key => "key",
            Name::Session => "session",
            Name::Id => "id",
        }
    }

    fn bytes_max(self, config: &Config) -> usize {
        match self {
            Name::Topic => config.presence_topic_max_bytes,
            Name::Key => config.presence_key_max_bytes,
            Name::Session => config.presence_session_max_bytes,
            Name::Id => config.presence_id_max_bytes,
        }
    }

    /// The name that an argument is.
    pub(super) fn read<'a>(self, context: &Context<'_>, argument: &'a [u8]) -> Result<&'a str, Error> {
        let (what, most) = (self.what(), self.bytes_max(context.session.config()));
        let refused = |error| Err(Error::Presence(error));
        if argument.len() > most {
            return refused(PresenceError::TooLong { what, most });
        }
        match std::str::from_utf8(argument) {
            Ok("") if !matches!(self, Name::Id) => refused(PresenceError::Empty(what)),
            Ok(name) => Ok(name),
            Err(_) => refused(PresenceError::NotUtf8(what)),
        }
    }
}

/// Whether an argument is meant as a meta: it begins like JSON, white space aside, and not like a word.
pub(super) fn is_meta(argument: &[u8]) -> bool {
    let first = argument.iter().find(|byte| !b" \t\r\n".contains(byte));
    // What is JSON but no object is told so; what follows a meta are words.
    matches!(first, Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9'))
}

/// The meta that an argument is.
pub(super) fn meta(context: &Context<'_>, argument: &[u8]) -> Result<Meta, Error> {
    Meta::parse(argument, context.session.config().presence_meta_max_bytes).map_err(invalid)
}

/// Why something is no meta.
pub(super) fn invalid(invalid: Invalid) -> Error {
    Error::Presence(match invalid {
        Invalid::TooLong(most) => PresenceError::TooLong { what: "meta", most },
        Invalid::NotUtf8 => PresenceError::NotUtf8("meta"),
        Invalid::NotAnObject => PresenceError::NotAnObject,
        Invalid::TooDeep(most) => PresenceError::TooDeep(most),
        Invalid::Reserved(name) => PresenceError::ReservedMember(name),
    })
}

/// A cursor of a SCAN.
pub(super) fn cursor(argument: &[u8]) -> Result<u64, Error> {
    parse_integer(argument).and_then(|cursor| u64::try_from(cursor).ok()).ok_or(Error::InvalidCursor)
}
