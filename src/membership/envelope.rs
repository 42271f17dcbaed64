//! The sealed envelope of every datagram.
//!
//! Owns keys and layout. Must not know what is inside, nor who was heard before (`senders.rs` does).
//!
//! ```text
//!  0        1                9                      17                25
//!  | version | sender's node | sender's incarnation | counter          | sealed content ... 16 bytes of tag |
//!    u8        u64             u64                    u64, big-endian
//! ```
//!
//! ChaCha20-Poly1305 (RFC 8439), with all in front of the content authenticated too. Each life of each instance has a key of
//! its own, derived with HKDF-SHA256 (RFC 5869) from the secret, the cluster's name and the owner, and the counter is the nonce: it
//! begins at a random number, so that nonces differ even between two processes that wrongly share an id and an incarnation.
//!
//! Without a secret the key comes from the name alone, which keeps clusters apart and nobody out; such an instance
//! listens to its own machine only.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};

use super::identity::{owner, put_owner};
use crate::crdt::Owner;
use crate::crdt::wire::Input;

/// The layout above.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 25;
const TAG_BYTES: usize = 16;

/// What the envelope adds to its content.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// Why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than any that an instance sends.
    TooLong,
    /// It comes from another machine, and there is no secret.
    Stranger,
    /// It is in no envelope of this version.
    NoEnvelope,
    /// It was not sealed with a secret of this cluster, or not for a cluster of this name, or was changed on its way.
    Unsealed,
    /// What is inside is no message.
    Malformed,
    /// This instance sent it itself.
    OwnEcho,
    /// It is from this instance's former life, or from another process with the same node id.
    SameNode,
    /// It is for somebody else, perhaps a former life of this instance.
    NotForMe,
    /// It was taken before, or is too old to tell.
    Replayed,
    /// A later life of the sender is known.
    Outdated,
    /// This instance has left.
    Left,
}

impl Refused {
    /// All reasons, in their order.
    pub const ALL: [Refused; 11] = [
        Refused::TooLong,
        Refused::Stranger,
        Refused::NoEnvelope,
        Refused::Unsealed,
        Refused::Malformed,
        Refused::OwnEcho,
        Refused::SameNode,
        Refused::NotForMe,
        Refused::Replayed,
        Refused::Outdated,
        Refused::Left,
    ];
}

/// The secrets of a cluster of some name: one, or two while it is being changed.
pub struct Secrets {
    roots: Vec<Prk>,
}

/// What was inside an envelope.
pub struct Opened {
    /// Who sealed it.
    pub sender: Owner,
    /// Which of its envelopes it is.
    pub counter: u64,
    /// With which of the secrets.
    pub secret: usize,
    /// What was sealed.
    pub content: Vec<u8>,
}

impl Secrets {
    /// `secrets` may be empty: see above.
    pub fn new(cluster_name: &[u8], secrets: &[Vec<u8>]) -> Self {
        let salt = Salt::new(HKDF_SHA256, &[b"hereabouts gossip ", cluster_name].concat());
        let none = [Vec::new()];
        let secrets = if secrets.is_empty() { &none } else { secrets };
        Secrets { roots: secrets.iter().map(|secret| salt.extract(secret)).collect() }
    }

    /// How many keys there are to seal with: at least one.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there are none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    fn key(root: &Prk, owner: Owner) -> Result<LessSafeKey, ring::error::Unspecified> {
        let mut info = Vec::new();
        put_owner(&mut info, owner);
        let key = UnboundKey::from(root.expand(&[&info], &CHACHA20_POLY1305)?);
        Ok(LessSafeKey::new(key))
    }

    /// Opens a datagram.
    ///
    /// # Errors
    /// It is none of this cluster.
    pub fn open(&self, datagram: &[u8]) -> Result<Opened, Refused> {
        let (header, sealed) = datagram.split_at_checked(HEADER_BYTES).ok_or(Refused::NoEnvelope)?;
        let mut input = Input::new(header);
        if input.byte() != Ok(VERSION) {
            return Err(Refused::NoEnvelope);
        }
        let sender = owner(&mut input).map_err(|_| Refused::NoEnvelope)?;
        let counter = u64::from_be_bytes(input.array().map_err(|_| Refused::NoEnvelope)?);
        for (secret, root) in self.roots.iter().enumerate() {
            let Ok(key) = Self::key(root, sender) else { continue };
            let mut content = sealed.to_vec();
            let Ok(plain) = key.open_in_place(nonce(counter), Aad::from(header), &mut content) else {
                continue;
            };
            let length = plain.len();
            content.truncate(length);
            return Ok(Opened { sender, counter, secret, content });
        }
        Err(Refused::Unsealed)
    }

    /// What seals for `owner`; its first envelope has this number.
    pub fn sealer(&self, owner: Owner, counter: u64) -> Sealer {
        // Of both steps only a key longer than 8 kB could fail.
        let keys = self.roots.iter().filter_map(|root| Self::key(root, owner).ok()).collect();
        Sealer { owner, counter, keys }
    }
}

/// Seals envelopes, each with a number of its own.
pub struct Sealer {
    owner: Owner,
    counter: u64,
    keys: Vec<LessSafeKey>,
}

impl Sealer {
    /// The number of the next envelope.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// A datagram with this content, sealed with one of the secrets; `None` if there is no such secret.
    pub fn seal(&mut self, secret: usize, content: &[u8]) -> Option<Vec<u8>> {
        let mut datagram = Vec::with_capacity(content.len() + OVERHEAD_BYTES);
        datagram.push(VERSION);
        put_owner(&mut datagram, self.owner);
        datagram.extend_from_slice(&self.counter.to_be_bytes());
        let mut sealed = content.to_vec();
        let key = self.keys.get(secret)?;
        key.seal_in_place_append_tag(nonce(self.counter), Aad::from(&datagram), &mut sealed).ok()?;
        // It begins below 2^63: at a million a second it is there after 290,000 years.
        self.counter += 1;
        datagram.append(&mut sealed);
        Some(datagram)
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::{Incarnation, NodeId};

    const ME: Owner = Owner { node: NodeId(1), incarnation: Incarnation(2) };

    fn secrets(name: &[u8], secrets: &[&[u8]]) -> Secrets {
        let secrets: Vec<_> = secrets.iter().map(|secret| secret.to_vec()).collect();
        Secrets::new(name, &secrets)
    }

    #[test]
    fn only_who_knows_secret_and_name_can_open() {
        let ours = secrets(b"a", &[b"new", b"old"]);
        let datagram = ours.sealer(ME, 5).seal(1, b"hello").unwrap();
        let opened = ours.open(&datagram).ok().unwrap();
        assert_eq!((opened.sender, opened.counter, opened.secret), (ME, 5, 1));
        assert_eq!(opened.content, b"hello");
        assert_eq!(secrets(b"a", &[b"old"]).open(&datagram).ok().unwrap().secret, 0);
        for others in [secrets(b"a", &[b"new"]), secrets(b"b", &[b"old"]), secrets(b"a", &[])] {
            assert_eq!(others.open(&datagram).err(), Some(Refused::Unsealed));
        }
    }

    #[test]
    fn no_byte_can_be_changed_or_left_out() {
        let ours = secrets(b"a", &[b"s"]);
        let datagram = ours.sealer(ME, 5).seal(0, b"hello").unwrap();
        assert_eq!(datagram.len(), 5 + OVERHEAD_BYTES);
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 1;
            assert!(ours.open(&changed).is_err(), "byte {at}");
            assert!(ours.open(&datagram[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn reasons_stand_in_their_order() {
        assert!(Refused::ALL.iter().enumerate().all(|(place, refused)| *refused as usize == place));
    }

    #[test]
    fn no_two_envelopes_share_a_number() {
        let ours = secrets(b"a", &[b"s", b"t"]);
        let mut sealer = ours.sealer(ME, 5);
        let datagrams = [sealer.seal(0, b"x"), sealer.seal(1, b"x"), sealer.seal(0, b"x")];
        let counters = datagrams.map(|datagram| ours.open(&datagram.unwrap()).ok().unwrap().counter);
        assert_eq!(counters, [5, 6, 7]);
        assert_eq!(sealer.counter(), 8);
        assert!(sealer.seal(2, b"x").is_none());
    }
}
