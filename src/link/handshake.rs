//! The handshake: who is there, and whether he knows the secret.
//!
//! ```text
//!   dialler                              acceptor
//!      hello  ------------------------->             names itself, the set's epoch, which connection of it this is
//!             <-------------------------  hello      names itself; also where it goes on to refuse the other
//!      proof  ------------------------->             HMAC-SHA256(secret, "dialler"  both hellos), of each secret it has
//!             <-------------------------  proof      HMAC-SHA256(secret, "acceptor" both hellos), of the one they share
//!
//!   hello:  "hereabouts", versions: lowest, highest; features: number, bits; node: 8 bytes; incarnation: 8 bytes;
//!           epoch: number; connection: number (0 control, i + 1 data i); data connections: number;
//!           largest message: number; cluster: string; clients' address: 0, 4 or 16 bytes as a string, port: number,
//!           TLS port: number (each 0 for none); nonce: 32 bytes; then what later versions have to say
//! ```
//!
//! Each hello has a fresh nonce, so a proof is good once; the words say who proves, so that none can be sent back to its
//! author. The dialler proves first: whoever dials us learns nothing that he could try passwords against. During a change of
//! the secret an instance accepts two, and as the dialler proves both, it does not matter in which order instances learn them.
//!
//! Owns what is checked before anything else of a peer is parsed. Nonces are arguments. Must not know epochs' meaning.

use std::net::IpAddr;

use ring::hmac;

use super::frame::{Fault, kind};
use crate::crdt::wire::{Input, put_bytes, put_fixed, put_number};
use crate::crdt::{Incarnation, NodeId, Owner};

/// The protocols that this version speaks, lowest and highest.
pub const VERSIONS: (u64, u64) = (1, 1);
/// Longest body of a frame before the peer has proved the secret.
pub const HELLO_BYTES_MAX: usize = 4096;
/// Longest name of a cluster.
pub const CLUSTER_BYTES_MAX: usize = 256;
/// Data connections of a set at most.
pub const DATA_LINKS_MAX: u64 = 16;

const MAGIC: &[u8] = b"hereabouts";
const PROOF_BYTES: usize = 32;

/// What a nonce is made of.
pub type Nonce = [u8; 32];

/// Which connection of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// All but messages.
    Control,
    /// Messages of the publishers that are bound to it.
    Data(u64),
}

/// Where clients reach an instance. Others tell it to theirs, who ask for all instances of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress {
    /// What the operator announces; without that, where others reach the instance.
    pub ip: Option<IpAddr>,
    /// TCP port, 0 for none.
    pub port: u16,
    /// Port with TLS, 0 for none.
    pub tls_port: u16,
}

impl ClientAddress {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.ip.map(|ip| ip.to_canonical()) {
            None => put_bytes(out, &[]),
            Some(IpAddr::V4(ip)) => put_bytes(out, &ip.octets()),
            Some(IpAddr::V6(ip)) => put_bytes(out, &ip.octets()),
        }
        [self.port, self.tls_port].iter().for_each(|port| put_number(out, u64::from(*port)));
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Fault> {
        let ip = input.bytes(16)?;
        let ip = if let Ok(octets) = <[u8; 4]>::try_from(ip) {
            Some(IpAddr::from(octets))
        } else if let Ok(octets) = <[u8; 16]>::try_from(ip) {
            Some(IpAddr::from(octets).to_canonical())
        } else if ip.is_empty() {
            None
        } else {
            return Err(Fault::Malformed("an address of neither IPv4 nor IPv6"));
        };
        let mut port =
            || u16::try_from(input.number()?).map_err(|_| Fault::Malformed("there is no such port"));
        Ok(ClientAddress { ip, port: port()?, tls_port: port()? })
    }
}

/// What an instance says of itself in each hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Which instance, in which life.
    pub owner: Owner,
    /// Name of the cluster; instances of others are refused.
    pub cluster: Vec<u8>,
    /// Optional abilities, one bit each; both must have it.
    pub features: u64,
    /// Largest body of messages that it takes, in bytes.
    pub message_max: u64,
    /// Where its clients are.
    pub clients: ClientAddress,
}

/// What is said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Protocols that the sender speaks, lowest and highest.
    pub versions: (u64, u64),
    /// The sender.
    pub me: Me,
    /// The set's number in this life of the dialler.
    pub epoch: u64,
    /// Which connection of the set this is.
    pub link: LinkKind,
    /// How many data connections the set has.
    pub data_links: u64,
}

impl Hello {
    fn encode(&self, nonce: &Nonce) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let (lowest, highest) = self.versions;
        [lowest, highest, self.me.features].iter().for_each(|number| put_number(&mut out, *number));
        put_fixed(&mut out, self.me.owner.node.0);
        put_fixed(&mut out, self.me.owner.incarnation.0);
        let link = match self.link {
            LinkKind::Control => 0,
            LinkKind::Data(index) => index + 1,
        };
        let numbers = [self.epoch, link, self.data_links, self.me.message_max];
        numbers.iter().for_each(|number| put_number(&mut out, *number));
        put_bytes(&mut out, &self.me.cluster);
        self.me.clients.encode(&mut out);
        out.extend_from_slice(nonce);
        out
    }

    fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let rest = body.strip_prefix(MAGIC).ok_or(Refusal::NoPeer)?;
        let mut input = Input::new(rest);
        let versions = (input.number()?, input.number()?);
        let features = input.number()?;
        let node = NodeId(input.fixed()?);
        let incarnation = Incarnation(input.fixed()?);
        let (epoch, link, data_links) = (input.number()?, input.number()?, input.number()?);
        let message_max = input.number()?;
        let cluster = input.bytes(CLUSTER_BYTES_MAX)?.to_vec();
        let clients = ClientAddress::decode(&mut input)?;
        // The nonce is of no interest but as a part of what is proved.
        for _ in 0..size_of::<Nonce>() / 8 {
            input.fixed()?;
        }
        if data_links == 0 || data_links > DATA_LINKS_MAX || link > data_links {
            return Err(Fault::Malformed("a set has no such connection").into());
        }
        let link = link.checked_sub(1).map_or(LinkKind::Control, LinkKind::Data);
        let me = Me { owner: Owner { node, incarnation }, cluster, features, message_max, clients };
        Ok(Hello { versions, me, epoch, link, data_links })
    }
}

/// The secrets that prove membership of the cluster.
#[derive(Clone, Default)]
pub struct Secrets {
    keys: Vec<Vec<u8>>,
}

impl Secrets {
    /// `cluster-secret`, and while it is being changed the other one. Without any, only peers on loopback are accepted.
    pub fn new(secret: Option<Vec<u8>>, other: Option<Vec<u8>>) -> Self {
        Secrets { keys: secret.into_iter().chain(other).filter(|key| !key.is_empty()).collect() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys to prove with. Without a secret the handshake is the same, with a key that everybody knows.
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let none: Option<&[u8]> = self.keys.is_empty().then_some(&[]);
        self.keys.iter().map(Vec::as_slice).chain(none)
    }
}

/// Why a connection is refused before it carries anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not even a frame.
    Fault(Fault),
    /// Whoever is there is no instance of ours.
    NoPeer,
    /// Without a secret we talk to loopback only.
    NoSecret,
    /// It knows none of our secrets.
    WrongSecret,
    /// Its cluster has this name.
    OtherCluster(Vec<u8>),
    /// It speaks these protocols, none of them ours.
    NoCommonVersion(u64, u64),
    /// It is ourselves.
    Myself,
    /// Another node was to be there.
    OtherNode(NodeId),
    /// It dials us, but of two nodes the one with the lower id dials.
    WrongDirection,
}

impl<T: Into<Fault>> From<T> for Refusal {
    fn from(fault: T) -> Self {
        Refusal::Fault(fault.into())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Fault(fault) => write!(formatter, "{fault}"),
            Refusal::NoPeer => formatter.write_str("whoever is there is no instance of a cluster"),
            Refusal::NoSecret => {
                formatter.write_str("without cluster-secret only peers on loopback are accepted")
            }
            Refusal::WrongSecret => formatter.write_str("cluster-secret is not the same"),
            Refusal::OtherCluster(name) => {
                write!(formatter, "it belongs to the cluster \"{}\"", name.escape_ascii())
            }
            Refusal::NoCommonVersion(lowest, highest) => {
                let (our_lowest, our_highest) = VERSIONS;
                write!(
                    formatter,
                    "it speaks protocols {lowest} to {highest}, we {our_lowest} to {our_highest}"
                )
            }
            Refusal::Myself => formatter.write_str("it is this instance itself"),
            Refusal::OtherNode(node) => write!(formatter, "another node is there: {node}"),
            Refusal::WrongDirection => formatter.write_str("the node with the lower id dials"),
        }
    }
}

/// What both know when the handshake is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The peer's hello.
    pub peer: Hello,
    /// The protocol that both speak.
    pub version: u64,
    /// Features that both have.
    pub features: u64,
}

/// A handshake under way.
pub struct Handshake {
    me: Me,
    secrets: Secrets,
    nonce: Nonce,
    role: Role,
    step: Step,
}

enum Role {
    Dialler { wanted: NodeId, mine: Vec<u8> },
    Acceptor,
}

enum Step {
    Hello,
    Proof { agreed: Agreed, proved: Vec<u8> },
    Done,
}

impl Handshake {
    /// Dials `wanted` with this hello, which is appended.
    ///
    /// # Errors
    /// There is no secret, and the peer is not on loopback.
    pub fn dial(
        hello: Hello,
        wanted: NodeId,
        secrets: Secrets,
        is_loopback: bool,
        nonce: Nonce,
        out: &mut Vec<u8>,
    ) -> Result<Self, Refusal> {
        let mine = hello.encode(&nonce);
        append(out, kind::HELLO, &mine);
        let role = Role::Dialler { wanted, mine };
        Handshake::begin(hello.me, role, secrets, is_loopback, nonce)
    }

    /// Waits for a dialler's hello.
    ///
    /// # Errors
    /// There is no secret, and the peer is not on loopback.
    pub fn accept(me: Me, secrets: Secrets, is_loopback: bool, nonce: Nonce) -> Result<Self, Refusal> {
        Handshake::begin(me, Role::Acceptor, secrets, is_loopback, nonce)
    }

    fn begin(me: Me, role: Role, secrets: Secrets, is_loopback: bool, nonce: Nonce) -> Result<Self, Refusal> {
        if secrets.is_empty() && !is_loopback {
            return Err(Refusal::NoSecret);
        }
        Ok(Handshake { me, secrets, nonce, role, step: Step::Hello })
    }

    /// Whether a frame of this kind comes next. Asked before its length is looked at.
    ///
    /// # Errors
    /// It does not.
    pub fn expect(&self, kind: u8) -> Result<(), Refusal> {
        match self.step {
            Step::Hello if kind == kind::HELLO => Ok(()),
            Step::Hello => Err(Refusal::NoPeer),
            Step::Proof { .. } if kind == kind::PROOF => Ok(()),
            Step::Proof { .. } | Step::Done => Err(Fault::Unexpected(kind).into()),
        }
    }

    /// Takes a frame, and appends the answer. Returns what was agreed when that was the last one.
    ///
    /// # Errors
    /// The peer is refused: what was appended is still to be written, as it tells him why.
    pub fn handle_frame(
        &mut self,
        kind: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Agreed>, Refusal> {
        self.expect(kind)?;
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Hello => {
                self.handle_hello(body, out)?;
                Ok(None)
            }
            Step::Proof { agreed, proved } => {
                self.handle_proof(&proved, body, out)?;
                Ok(Some(agreed))
            }
            Step::Done => Err(Fault::Unexpected(kind).into()),
        }
    }

    fn handle_hello(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let peer = Hello::decode(body)?;
        let proved = match &self.role {
            Role::Dialler { mine, .. } => both(mine, body),
            Role::Acceptor => {
                let mine =
                    Hello { me: self.me.clone(), versions: VERSIONS, ..peer.clone() }.encode(&self.nonce);
                append(out, kind::HELLO, &mine);
                both(body, &mine)
            }
        };
        let agreed = self.check(peer)?;
        if let Role::Dialler { .. } = self.role {
            let proofs: Vec<u8> =
                self.secrets.keys().flat_map(|key| prove(key, b"dialler", &proved)).collect();
            append(out, kind::PROOF, &proofs);
        }
        self.step = Step::Proof { agreed, proved };
        Ok(())
    }

    fn check(&self, peer: Hello) -> Result<Agreed, Refusal> {
        let node = peer.me.owner.node;
        if node == self.me.owner.node {
            return Err(Refusal::Myself);
        }
        match self.role {
            Role::Dialler { wanted, .. } if node != wanted => return Err(Refusal::OtherNode(node)),
            Role::Acceptor if node > self.me.owner.node => return Err(Refusal::WrongDirection),
            _ => {}
        }
        if peer.me.cluster != self.me.cluster {
            return Err(Refusal::OtherCluster(peer.me.cluster));
        }
        let (lowest, highest) = peer.versions;
        let version = highest.min(VERSIONS.1);
        if version < lowest.max(VERSIONS.0) {
            return Err(Refusal::NoCommonVersion(lowest, highest));
        }
        let features = peer.me.features & self.me.features;
        Ok(Agreed { peer, version, features })
    }

    fn handle_proof(&self, proved: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let who: &[u8] = match self.role {
            Role::Dialler { .. } => b"acceptor",
            Role::Acceptor => b"dialler",
        };
        let (proofs, rest) = body.as_chunks::<PROOF_BYTES>();
        if !rest.is_empty() || !(1..=2).contains(&proofs.len()) {
            return Err(Fault::Malformed("a proof has another length").into());
        }
        let shared = self.secrets.keys().find(|key| {
            // Compared in constant time.
            let is_this =
                |proof: &[u8; PROOF_BYTES]| hmac::verify(&self::key(key), &text(who, proved), proof).is_ok();
            proofs.iter().any(is_this)
        });
        let shared = shared.ok_or(Refusal::WrongSecret)?;
        if let Role::Acceptor = self.role {
            append(out, kind::PROOF, &prove(shared, b"acceptor", proved));
        }
        Ok(())
    }
}

/// Frames of the handshake are small.
fn append(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    super::frame::append_header(out, kind, body.len());
    out.extend_from_slice(body);
}

/// What is proved: the dialler's hello, then the acceptor's.
fn both(dialler: &[u8], acceptor: &[u8]) -> Vec<u8> {
    let mut both = Vec::with_capacity(dialler.len() + acceptor.len() + 4);
    put_bytes(&mut both, dialler);
    put_bytes(&mut both, acceptor);
    both
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// What is proved, and by whom.
fn text(who: &[u8], proved: &[u8]) -> Vec<u8> {
    [b"hereabouts link ", who, proved].concat()
}

fn prove(secret: &[u8], who: &[u8], proved: &[u8]) -> Vec<u8> {
    hmac::sign(&key(secret), &text(who, proved)).as_ref().to_vec()
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
