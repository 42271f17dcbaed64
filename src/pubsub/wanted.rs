//! What can be subscribed to, as instances tell it each other: channels, shard channels and patterns.
//!
//! Owns the name and its bytes. A name is one word, and shared: the table and the logs that know it hold one copy of it. Must
//! not know who wants it.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};
use triomphe::ThinArc;

use super::Kind;
use super::reserved;
use crate::crdt::wire::{Input, Malformed, Wire, put_bytes};
use crate::crdt::{Key, Value};
use crate::map::HashKeys;
use crate::resp::push::ChannelKind;

/// A channel's name above this travels as a hash: as many bytes as any application needs.
const NAME_BYTES_MAX: usize = 1024;
/// Bytes of a pattern that travels, above what anybody should allow: of a hash nobody could tell what it matches.
const PATTERN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the hash of a long name.
const DIGEST_BYTES: usize = 16;

/// Bytes of a name that is short, and of what stands in front of it.
const SHORT_BYTES: usize = 64;

const CHANNEL: u8 = 0;
const SHARD: u8 = 1;
const PATTERN: u8 = 2;
const LONG_CHANNEL: u8 = 3;
const LONG_SHARD: u8 = 4;

/// Something that can be subscribed to. What it is stands in front of its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted(ThinArc<(), u8>);

impl Wanted {
    fn tagged(tag: u8, name: &[u8]) -> Self {
        // Most names are put together without an allocation beside their own.
        let mut short = [tag; SHORT_BYTES];
        match short[1..].get_mut(..name.len()) {
            Some(place) => {
                place.copy_from_slice(name);
                Wanted(ThinArc::from_header_and_slice((), &short[..=name.len()]))
            }
            None => Wanted(ThinArc::from_header_and_slice((), &[&[tag], name].concat())),
        }
    }

    /// Of this name.
    pub fn new(kind: Kind, name: &[u8]) -> Self {
        let tag = match kind {
            Kind::Channel => CHANNEL,
            Kind::Shard => SHARD,
            Kind::Pattern => PATTERN,
        };
        Wanted::tagged(tag, name)
    }

    /// A channel of this name.
    pub fn channel(kind: ChannelKind, name: &[u8]) -> Self {
        match kind {
            ChannelKind::Global => Wanted::tagged(CHANNEL, name),
            ChannelKind::Shard => Wanted::tagged(SHARD, name),
        }
    }

    /// What other instances are told of it: a long channel by its hash, and nothing at all of those on which the broker
    /// itself speaks, which it does on each instance.
    pub fn travelling(&self) -> Option<Self> {
        let name = self.name();
        if reserved::is_local(name) {
            return None;
        }
        match self.0.slice[0] {
            PATTERN => (name.len() <= PATTERN_BYTES_MAX).then(|| self.clone()),
            CHANNEL if name.len() > NAME_BYTES_MAX => Some(Wanted::tagged(LONG_CHANNEL, &digest(name))),
            SHARD if name.len() > NAME_BYTES_MAX => Some(Wanted::tagged(LONG_SHARD, &digest(name))),
            _ => Some(self.clone()),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.0.slice[0] {
            SHARD | LONG_SHARD => Kind::Shard,
            PATTERN => Kind::Pattern,
            _ => Kind::Channel,
        }
    }

    /// Whether the name is the hash of a long one.
    pub fn is_digest(&self) -> bool {
        matches!(self.0.slice[0], LONG_CHANNEL | LONG_SHARD)
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.0.slice[1..]
    }
}

/// The hash by which instances know a channel with a long name; nothing if it is not long. Two such names with one hash get
/// messages that nobody wants across, and are counted together.
pub fn long_name(name: &[u8]) -> Option<[u8; DIGEST_BYTES]> {
    (name.len() > NAME_BYTES_MAX).then(|| digest(name))
}

/// The same on every instance.
fn digest(name: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = SipHasher24::new();
    hasher.write(name);
    hasher.finish128().as_u128().to_le_bytes()
}

impl fmt::Debug for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} \"{}\"", self.kind(), self.name().escape_ascii())
    }
}

impl Key for Wanted {
    fn hash(&self, keys: HashKeys) -> u64 {
        keys.hash(&self.0.slice)
    }

    fn bytes(&self) -> usize {
        // Its two counts, and its place in the log.
        size_of_val(&self.0.slice) + 64
    }
}

impl Wire for Wanted {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.slice[0]);
        put_bytes(out, self.name());
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let tag = input.byte()?;
        let most = match tag {
            CHANNEL | SHARD => NAME_BYTES_MAX,
            PATTERN => PATTERN_BYTES_MAX,
            LONG_CHANNEL | LONG_SHARD => DIGEST_BYTES,
            _ => return Err(Malformed("an unknown kind of subscription")),
        };
        let name = input.bytes(most)?;
        if most == DIGEST_BYTES && name.len() < DIGEST_BYTES {
            return Err(Malformed("the hash of a long name is short"));
        }
        Ok(Wanted::tagged(tag, name))
    }
}

/// How many subscribers an instance has. None: somebody had been subscribed a moment ago, and may be about to be again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

impl Value for Count {}

impl Wire for Count {
    fn encode(&self, out: &mut Vec<u8>) {
        crate::crdt::wire::put_number(out, u64::from(self.0));
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = u32::try_from(input.number()?).map_err(|_| Malformed("too many subscribers"))?;
        Ok(Count(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come_back(wanted: &Wanted) -> Wanted {
        let mut bytes = Vec::new();
        wanted.encode(&mut bytes);
        let mut input = Input::new(&bytes);
        let decoded = Wanted::decode(&mut input).unwrap();
        assert!(input.is_empty());
        decoded
    }

    #[test]
    fn names_come_back_as_what_they_were() {
        assert_eq!(size_of::<Option<Wanted>>(), 8);
        for kind in Kind::ALL {
            for name in [&b""[..], b"news", &[0xff; 1024]] {
                let wanted = Wanted::new(kind, name);
                assert_eq!((wanted.kind(), wanted.name(), wanted.is_digest()), (kind, name, false));
                assert_eq!(come_back(&wanted.travelling().unwrap()), wanted);
            }
        }
    }

    #[test]
    fn a_long_channel_travels_as_a_hash_and_a_pattern_whole() {
        let long = [b'x'; 1025];
        for kind in [Kind::Channel, Kind::Shard] {
            let travelling = come_back(&Wanted::new(kind, &long).travelling().unwrap());
            assert!(travelling.is_digest());
            assert_eq!((travelling.kind(), travelling.name()), (kind, &long_name(&long).unwrap()[..]));
        }
        let pattern = Wanted::new(Kind::Pattern, &long);
        assert_eq!(come_back(&pattern.travelling().unwrap()), pattern);
        assert_eq!(Wanted::new(Kind::Pattern, &[b'x'; PATTERN_BYTES_MAX + 1]).travelling(), None);
        assert_eq!(long_name(&long[..1024]), None);
    }

    #[test]
    fn what_only_the_broker_says_travels_not() {
        for name in ["__presence__:lobby", "__presence_session__:a", "__hereabouts__:loss", "__presence__:*"]
        {
            for kind in Kind::ALL {
                assert_eq!(Wanted::new(kind, name.as_bytes()).travelling(), None, "{name}");
            }
        }
        assert!(Wanted::new(Kind::Pattern, b"*").travelling().is_some());
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&b"\x05\x01a"[..], b"\x00\x02a", b"\x03\x02ab", b"", b"\x00\x81\x08"] {
            assert!(Wanted::decode(&mut Input::new(bytes)).is_err(), "{bytes:?}");
        }
        assert!(Count::decode(&mut Input::new(b"\xff\xff\xff\xff\x1f")).is_err());
    }
}
