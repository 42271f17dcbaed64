//! What presence stores about a member or a session, and which of several entries about one member counts.
//!
//! Owns the entries, their order, and their bytes between instances. An entry never changes: it is shared by the log and the
//! topic. Must not know who stores it.

use std::hint::black_box;
use std::sync::Arc;

use super::meta::Meta;
use super::stamp::Stamp;
use crate::crdt::Value;
use crate::crdt::wire::{Input, Malformed, Wire, put_bytes, put_number};

/// Bytes of a meta that a peer may send: above what any option allows.
const META_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a member stands according to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is present.
    Live,
    /// Its session was given up at that time.
    Lost(Stamp),
    /// It was untracked.
    Gone,
}

/// Which of several entries about one member counts: the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(Stamp, u8);

/// One version of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// When it was written.
    pub stamp: Stamp,
    /// What the application says about it.
    pub meta: Meta,
    /// What most do not have.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rare {
    reference: Option<Stamp>,
    previous: Option<Stamp>,
    state: State,
}

impl Version {
    /// One that is present, with the ref that it is known by and that of the version that it replaced.
    pub fn live(stamp: Stamp, meta: Meta, reference: Stamp, previous: Option<Stamp>) -> Self {
        Version::new(stamp, meta, reference, previous, State::Live)
    }

    /// One that was untracked.
    pub fn gone(stamp: Stamp) -> Self {
        Version::new(stamp, Meta::default(), stamp, None, State::Gone)
    }

    /// The same in another state.
    pub fn with_state(&self, state: State) -> Self {
        Version::new(self.stamp, self.meta.clone(), self.reference(), self.previous(), state)
    }

    fn new(stamp: Stamp, meta: Meta, reference: Stamp, previous: Option<Stamp>, state: State) -> Self {
        let reference = Some(reference).filter(|reference| *reference != stamp);
        let plain = reference.is_none() && previous.is_none() && state == State::Live;
        let rare = (!plain).then(|| Box::new(Rare { reference, previous, state }));
        Version { stamp, meta, rare }
    }

    /// What users know it by: the stamp under which its meta was first written.
    pub fn reference(&self) -> Stamp {
        self.rare.as_ref().and_then(|rare| rare.reference).unwrap_or(self.stamp)
    }

    /// The ref of the version that it replaced.
    pub fn previous(&self) -> Option<Stamp> {
        self.rare.as_ref().and_then(|rare| rare.previous)
    }

    /// How the member stands.
    pub fn state(&self) -> State {
        self.rare.as_ref().map_or(State::Live, |rare| rare.state)
    }

    /// Its place among all entries about the member.
    pub fn rank(&self) -> Rank {
        let rank = match self.state() {
            State::Lost(_) => 0,
            State::Live => 1,
            State::Gone => 2,
        };
        Rank(self.stamp, rank)
    }
}

/// A session that is attached or leased at the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Since when.
    pub stamp: Stamp,
    /// Of a lease, its time to live in milliseconds: so long it counts when the owner is down. 0 for none.
    pub ttl_ms: u64,
    /// For so many milliseconds the members stay when it has ended, if that was asked for.
    pub grace_ms: Option<u64>,
    /// Versions up to this one were given up when it began: whoever did not know the session takes that over.
    pub given_up: Option<Stamp>,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// About a member.
    Version(Version),
    /// About a session. Apart: there are few, and they would make every version larger.
    Attachment(Box<Attachment>),
    /// That a session was ended, at that time.
    End(Stamp),
}

/// A shared entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(Arc<Content>);

impl Entry {
    /// What it says.
    pub fn content(&self) -> &Content {
        &self.0
    }

    /// The version, if it is about a member.
    pub fn version(&self) -> Option<&Version> {
        match &*self.0 {
            Content::Version(version) => Some(version),
            Content::Attachment(_) | Content::End(_) => None,
        }
    }

    /// When it was written.
    pub fn stamp(&self) -> Stamp {
        match &*self.0 {
            Content::Version(version) => version.stamp,
            Content::Attachment(attachment) => attachment.stamp,
            Content::End(stamp) => *stamp,
        }
    }
}

impl From<Content> for Entry {
    fn from(content: Content) -> Self {
        Entry(Arc::new(content))
    }
}

impl From<Version> for Entry {
    fn from(version: Version) -> Self {
        Content::Version(version).into()
    }
}

const LIVE: u8 = 0;
const LOST: u8 = 1;
const GONE: u8 = 2;
const ATTACHMENT: u8 = 3;
const END: u8 = 4;
/// Added to the kind of a version: what else follows.
const HAS_REFERENCE: u8 = 1 << 4;
const HAS_PREVIOUS: u8 = 1 << 5;
/// Added to the kind of an attachment.
const HAS_GIVEN_UP: u8 = 1 << 4;

fn more(there: bool, flag: u8) -> u8 {
    if there { flag } else { 0 }
}

impl Wire for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        match &*self.0 {
            Content::Version(version) => encode_version(version, out),
            Content::Attachment(attachment) => {
                out.push(ATTACHMENT | more(attachment.given_up.is_some(), HAS_GIVEN_UP));
                attachment.stamp.encode(out);
                put_number(out, attachment.ttl_ms);
                put_number(out, attachment.grace_ms.map_or(0, |grace_ms| grace_ms.saturating_add(1)));
                attachment.given_up.iter().for_each(|stamp| stamp.encode(out));
            }
            Content::End(stamp) => {
                out.push(END);
                stamp.encode(out);
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let kind = input.byte()?;
        let stamp = Stamp::decode(input)?;
        let content = match kind {
            kind if kind & !HAS_GIVEN_UP == ATTACHMENT => {
                let (ttl_ms, grace_ms) = (input.number()?, input.number()?.checked_sub(1));
                let given_up = (kind & HAS_GIVEN_UP != 0).then(|| Stamp::decode(input)).transpose()?;
                Content::Attachment(Box::new(Attachment { stamp, ttl_ms, grace_ms, given_up }))
            }
            END => Content::End(stamp),
            kind => Content::Version(decode_version(kind, stamp, input)?),
        };
        Ok(content.into())
    }
}

fn encode_version(version: &Version, out: &mut Vec<u8>) {
    let rare = version.rare.as_deref();
    let kind = match version.state() {
        State::Live => LIVE,
        State::Lost(_) => LOST,
        State::Gone => GONE,
    };
    let (reference, previous) = (rare.and_then(|rare| rare.reference), version.previous());
    out.push(kind | more(reference.is_some(), HAS_REFERENCE) | more(previous.is_some(), HAS_PREVIOUS));
    version.stamp.encode(out);
    reference.into_iter().chain(previous).for_each(|stamp| stamp.encode(out));
    if let State::Lost(at) = version.state() {
        at.encode(out);
    }
    if version.state() != State::Gone {
        put_bytes(out, version.meta.as_str().as_bytes());
    }
}

fn decode_version(kind: u8, stamp: Stamp, input: &mut Input<'_>) -> Result<Version, Malformed> {
    let mut optional = |flag| (kind & flag != 0).then(|| Stamp::decode(input)).transpose();
    let (reference, previous) = (optional(HAS_REFERENCE)?, optional(HAS_PREVIOUS)?);
    let state = match kind & !(HAS_REFERENCE | HAS_PREVIOUS) {
        LIVE => State::Live,
        LOST => State::Lost(Stamp::decode(input)?),
        GONE => State::Gone,
        _ => return Err(Malformed("an unknown kind of entry")),
    };
    let meta = match state {
        State::Gone => Meta::default(),
        State::Live | State::Lost(_) => {
            Meta::received(input.bytes(META_BYTES_MAX)?).ok_or(Malformed("a meta is no JSON object"))?
        }
    };
    Ok(Version::new(stamp, meta, reference.unwrap_or(stamp), previous, state))
}

impl Value for Entry {
    fn touch(&self) {
        if let Some(version) = self.version() {
            black_box(version.meta.as_str().as_bytes().first().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::NodeId;

    #[test]
    fn most_entries_take_64_bytes() {
        const COUNTS_OF_REFERENCES: usize = 16;
        assert_eq!(size_of::<Content>() + COUNTS_OF_REFERENCES, 64);
    }

    #[test]
    fn entries_come_back() {
        let stamp = |time| Stamp { time, node: NodeId(3) };
        let meta = || Meta::parse(br#"{"a":1}"#, 100).unwrap();
        let live = Version::live(stamp(9), meta(), stamp(9), None);
        let updated = Version::live(stamp(9), meta(), stamp(8), Some(stamp(7)));
        let lost = updated.with_state(State::Lost(stamp(20)));
        let ranks =
            [lost.rank(), live.rank(), Version::gone(stamp(9)).rank(), Version::gone(stamp(10)).rank()];
        assert!(ranks.is_sorted());
        let attachment =
            |grace_ms, given_up| Box::new(Attachment { stamp: stamp(1), ttl_ms: 30_000, grace_ms, given_up });
        let entries: [Entry; 7] = [
            live.into(),
            updated.into(),
            lost.into(),
            Version::gone(stamp(9)).into(),
            Content::Attachment(attachment(None, None)).into(),
            Content::Attachment(attachment(Some(0), Some(stamp(1)))).into(),
            Content::End(stamp(4)).into(),
        ];
        for entry in entries {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            assert_eq!(Entry::decode(&mut input), Ok(entry));
            assert!(input.is_empty());
        }
    }
}
