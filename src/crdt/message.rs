//! What instances tell each other about their records, and its bytes.
//!
//! Owns the layout of a frame and its limits. Must not know when what is sent.
//!
//! ```text
//! frame   := version:1 kind:1 body                  numbers as in wire.rs
//! update  := owner transfer:number base:number index:number change* end
//!                                                            base: 0 for a snapshot, else 1 + the version it follows on
//! change  := 1 step:number key value | 0 step:number key     step: above the version of the change before, or the base
//! end     := 2 | 3 to:number                                 more parts follow | that was the last one
//! digest  := kind:1 count:number (owner version:number hash down)*
//! hash    := 0 | 1 hash:8                                    0: do not compare
//! down    := 0 | 1 milliseconds:number | 2 milliseconds:number      0: up, 2: for good
//! pull    := owner version:number repair:1
//! stale   := incarnation:number
//! owner   := node:number incarnation:number
//! ```

use super::owner::{Incarnation, NodeId, Owner};
use super::wire::{Input, Malformed, Wire, put_fixed, put_number};

/// The version of this layout. A frame of another one is refused: the hello of a link settles which is spoken.
const LAYOUT: u8 = 1;

/// Owners that one digest may name: the instances of a cluster, and their former lives of the last minutes.
const DIGEST_OWNERS_MAX: usize = 4096;

/// One key's last state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<K, V> {
    /// Which key.
    pub key: K,
    /// The owner's version at which it came about.
    pub version: u64,
    /// `None`: removed.
    pub value: Option<V>,
}

/// Changes of one owner, or one part of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<K, V> {
    /// Whose.
    pub owner: Owner,
    /// The sender's number of it: parts of one update have the same.
    pub transfer: u64,
    /// The version that they follow on; `None` for all that is live, a snapshot.
    pub base: Option<u64>,
    /// Number of this part, from 0.
    pub index: u64,
    /// In the order of their versions.
    pub changes: Vec<Change<K, V>>,
    /// Of the last part: the version at which the receiver then is.
    pub to: Option<u64>,
}

/// What the sender of a digest holds of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose record.
    pub owner: Owner,
    /// Up to which version.
    pub version: u64,
    /// Hash of its entries; `None` while it is being merged.
    pub hash: Option<u64>,
    /// `None`: the sender calls the owner up.
    pub down: Option<Down>,
    /// The sender shows an owner that is up: it has what the owner was heard to have, and not only what is left of it.
    pub shown: bool,
}

/// What the sender of a digest says of an owner that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// For so many milliseconds.
    pub for_ms: u64,
    /// It will not come back.
    pub for_good: bool,
}

/// Why a digest was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// The sender's own record only, with every ping.
    Own,
    /// Everything, to one peer a second. Whoever knows more answers in kind.
    Full,
    /// The answer.
    Answer,
}

/// What instances tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<K, V> {
    /// Changes.
    Update(Update<K, V>),
    /// Who holds what: together, the vector clock.
    Digest(DigestKind, Vec<Held>),
    /// "Send me what comes after this version of this owner." With `repair`: all of it, since what I have is wrong.
    Pull {
        /// Whose.
        owner: Owner,
        /// What the sender has.
        version: u64,
        /// What it has is not to be trusted.
        repair: bool,
    },
    /// "You have lived before: take an incarnation above this one."
    Stale(Incarnation),
}

const UPDATE: u8 = 1;
const DIGEST: u8 = 2;
const PULL: u8 = 3;
const STALE: u8 = 4;

const REMOVED: u8 = 0;
const PUT: u8 = 1;
const MORE: u8 = 2;
const LAST: u8 = 3;

/// Writes one part of an update, change by change.
pub struct PartWriter {
    frame: Vec<u8>,
    bytes_max: usize,
    version: u64,
}

impl PartWriter {
    /// Begins part `index` of changes after `base`. One change more than fits makes it longer than `bytes_max`, not wrong.
    pub fn new(owner: Owner, transfer: u64, base: Option<u64>, index: u64, bytes_max: usize) -> Self {
        let mut frame = vec![LAYOUT, UPDATE];
        put_owner(&mut frame, owner);
        put_number(&mut frame, transfer);
        put_number(&mut frame, base.map_or(0, |base| base.saturating_add(1)));
        put_number(&mut frame, index);
        PartWriter { frame, bytes_max, version: 0 }
    }

    /// Adds a change. Returns whether there is room for another one.
    pub fn push<K: Wire, V: Wire>(&mut self, key: &K, version: u64, value: Option<&V>) -> bool {
        self.frame.push(if value.is_some() { PUT } else { REMOVED });
        put_number(&mut self.frame, version.saturating_sub(self.version));
        self.version = version;
        key.encode(&mut self.frame);
        if let Some(value) = value {
            value.encode(&mut self.frame);
        }
        self.frame.len() < self.bytes_max
    }

    /// The frame. `to`: this was the last part.
    pub fn finish(mut self, to: Option<u64>) -> Vec<u8> {
        match to {
            None => self.frame.push(MORE),
            Some(to) => {
                self.frame.push(LAST);
                put_number(&mut self.frame, to);
            }
        }
        self.frame
    }
}

impl<K: Wire, V: Wire> Message<K, V> {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Message::Update(update) => {
                let mut part =
                    PartWriter::new(update.owner, update.transfer, update.base, update.index, usize::MAX);
                for change in &update.changes {
                    part.push(&change.key, change.version, change.value.as_ref());
                }
                part.finish(update.to)
            }
            Message::Digest(kind, held) => encode_digest(*kind, held),
            Message::Pull { owner, version, repair } => {
                let mut frame = vec![LAYOUT, PULL];
                put_owner(&mut frame, *owner);
                put_number(&mut frame, *version);
                frame.push(u8::from(*repair));
                frame
            }
            Message::Stale(known) => {
                let mut frame = vec![LAYOUT, STALE];
                put_number(&mut frame, known.0);
                frame
            }
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// It is none. Memory is taken only for what has arrived.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(frame);
        if input.byte()? != LAYOUT {
            return Err(Malformed("a frame of another version"));
        }
        let message = match input.byte()? {
            UPDATE => Message::Update(decode_update(&mut input)?),
            DIGEST => decode_digest(&mut input)?,
            PULL => Message::Pull {
                owner: owner(&mut input)?,
                version: input.number()?,
                repair: flag(&mut input)?,
            },
            STALE => Message::Stale(Incarnation(input.number()?)),
            _ => return Err(Malformed("an unknown kind of message")),
        };
        if input.is_empty() { Ok(message) } else { Err(Malformed("a frame goes on after its end")) }
    }
}

fn decode_update<K: Wire, V: Wire>(input: &mut Input<'_>) -> Result<Update<K, V>, Malformed> {
    let owner = owner(input)?;
    let transfer = input.number()?;
    let base = input.number()?.checked_sub(1);
    let index = input.number()?;
    let mut changes = Vec::new();
    let mut version = 0_u64;
    loop {
        let tag = input.byte()?;
        let to = match tag {
            MORE => None,
            LAST => Some(input.number()?),
            REMOVED | PUT => {
                let step = input.number()?;
                let next = version.checked_add(step).ok_or(Malformed("a version has more than 64 bits"))?;
                if next == version {
                    return Err(Malformed("changes are not in the order of their versions"));
                }
                version = next;
                let key = K::decode(input)?;
                let value = if tag == PUT { Some(V::decode(input)?) } else { None };
                changes.push(Change { key, version, value });
                continue;
            }
            _ => return Err(Malformed("an unknown kind of change")),
        };
        if to.is_some_and(|to| to < version) {
            return Err(Malformed("an update ends before its last change"));
        }
        return Ok(Update { owner, transfer, base, index, changes, to });
    }
}

fn encode_digest(kind: DigestKind, held: &[Held]) -> Vec<u8> {
    let kind = match kind {
        DigestKind::Own => 0,
        DigestKind::Full => 1,
        DigestKind::Answer => 2,
    };
    let mut frame = vec![LAYOUT, DIGEST, kind];
    put_number(&mut frame, held.len() as u64);
    for Held { owner, version, hash, down, shown } in held {
        put_owner(&mut frame, *owner);
        put_number(&mut frame, *version);
        frame.push(u8::from(hash.is_some()));
        if let Some(hash) = hash {
            put_fixed(&mut frame, *hash);
        }
        match down {
            None => frame.push(if *shown { 0 } else { 3 }),
            Some(down) => {
                frame.push(1 + u8::from(down.for_good));
                put_number(&mut frame, down.for_ms);
            }
        }
    }
    frame
}

fn decode_digest<K, V>(input: &mut Input<'_>) -> Result<Message<K, V>, Malformed> {
    let kind = match input.byte()? {
        0 => DigestKind::Own,
        1 => DigestKind::Full,
        2 => DigestKind::Answer,
        _ => return Err(Malformed("an unknown kind of digest")),
    };
    let count = input.number()?;
    if count > DIGEST_OWNERS_MAX as u64 {
        return Err(Malformed("a digest names too many owners"));
    }
    let mut held = Vec::new();
    for _ in 0..count {
        let (owner, version) = (owner(input)?, input.number()?);
        let hash = if flag(input)? { Some(input.fixed()?) } else { None };
        let standing = input.byte()?;
        let down = match standing {
            0 | 3 => None,
            1 | 2 => Some(Down { for_ms: input.number()?, for_good: standing == 2 }),
            _ => return Err(Malformed("an unknown kind of standing")),
        };
        held.push(Held { owner, version, hash, down, shown: standing == 0 });
    }
    Ok(Message::Digest(kind, held))
}

fn put_owner(frame: &mut Vec<u8>, owner: Owner) {
    put_number(frame, owner.node.0);
    put_number(frame, owner.incarnation.0);
}

fn owner(input: &mut Input<'_>) -> Result<Owner, Malformed> {
    Ok(Owner { node: NodeId(input.number()?), incarnation: Incarnation(input.number()?) })
}

fn flag(input: &mut Input<'_>) -> Result<bool, Malformed> {
    match input.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("a flag is neither 0 nor 1")),
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
