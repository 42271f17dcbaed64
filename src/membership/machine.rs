//! Membership: datagrams and time in; datagrams, and who came and who went, out.
//!
//! Owns what is glue: knocking at addresses, answering for later lives, leaving, and the mapping of foca's notices to events.
//! Must not know sockets, links or presence.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use foca::OwnedNotification;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::addresses::Addresses;
use super::driver::Driver;
use super::envelope::{OVERHEAD_BYTES, Refused, Sealer, Secrets};
use super::identity::Peer;
use super::letter::{FOCA_OVERHEAD_BYTES, Letter};
use super::senders::Senders;
use crate::crdt::{Incarnation, NodeId, Owner};

/// The longest datagram: it fits into one Ethernet frame, tunnels' headers included.
pub const DATAGRAM_BYTES_MAX: usize = 1400;

/// A leave is told so often, so that no lost datagram makes a crash of it.
const FAREWELLS: u32 = 3;
const FAREWELL_INTERVAL_MS: u64 = 100;

/// How membership works. A crash is seen after up to two probe periods, as a rule, and the suspicion: about 7 s.
pub struct Settings {
    /// Clusters of different names do not see each other.
    pub cluster_name: Vec<u8>,
    /// With the first one is sealed what goes to instances that were not heard yet or use it too; all are accepted. None: the
    /// instance listens to its own machine only.
    pub secrets: Vec<Vec<u8>>,
    /// So often another member is asked whether it lives.
    pub probe_period_ms: u64,
    /// Then others are asked to ask it. At most half of the period.
    pub probe_timeout_ms: u64,
    /// So long a member that did not answer has time to contradict before it is called down.
    pub suspicion_ms: u64,
    /// So often it is looked whether somebody is at the addresses of seeds and of members that are down.
    pub retry_ms: u64,
    /// So long a member that is down is remembered, so that no old news brings it back.
    pub remember_down_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cluster_name: Vec::new(),
            secrets: Vec::new(),
            probe_period_ms: 1_000,
            probe_timeout_ms: 400,
            suspicion_ms: 4_000,
            retry_ms: 1_000,
            remember_down_ms: 3_600_000,
        }
    }
}

/// What has become known. Between two `Up` of a node there is a `Down` or a `Left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// This instance is a member.
    Up(Peer),
    /// This one has failed or cannot be reached, or begins another life.
    Down(Peer),
    /// This one has said that it goes, and will not come back in this life. May follow `Down`.
    Left(Peer),
    /// There is or was a life of this instance's own node later than its present one: it is to begin a still later one, see
    /// [`Membership::set_incarnation`]. Twice in a minute means that two processes use the same node id.
    Conflict(Incarnation),
    /// The seed of this number has turned out to be an instance that is up, as an `Up` before has said, or this one itself.
    SeedMet(u64),
    /// The instance that this seed was has left, as the `Left` before has said: another one is expected there.
    SeedLeft(u64),
    /// Others had called this instance down, and it has come back, so often by now. No new life begins.
    Renewed(u64),
}

enum Stage {
    Member,
    Leaving { again_at_ms: u64, times: u32 },
    Left,
}

/// The members of a cluster, as one of them sees them.
///
/// Calling order: any of `handle_*` or of the commands ([`set_seed`](Self::set_seed), [`set_incarnation`](Self::set_incarnation),
/// [`leave`](Self::leave)), then [`poll_datagram`](Self::poll_datagram) and [`poll_event`](Self::poll_event) until they have no more, then
/// wait for a datagram or until [`next_timeout`](Self::next_timeout). Milliseconds are of a clock that never goes back.
pub struct Membership {
    driver: Driver,
    secrets: Secrets,
    is_open: bool,
    sealer: Sealer,
    senders: Senders,
    addresses: Addresses,
    retry_ms: u64,
    knock_at_ms: u64,
    stage: Stage,
    /// Who was said to be up.
    present: BTreeMap<NodeId, Peer>,
    /// Whether anybody has taken this instance as a member, in its present life and since it last came back.
    is_known: bool,
    /// The latest life of this node that was heard of.
    heard: Incarnation,
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<Event>,
}

impl Membership {
    /// An instance that knows nobody yet.
    pub fn new(me: Peer, settings: &Settings, entropy: u64, now_ms: u64) -> Self {
        let secrets = Secrets::new(&settings.cluster_name, &settings.secrets);
        let mut random = SmallRng::seed_from_u64(entropy);
        let packet_bytes = DATAGRAM_BYTES_MAX - OVERHEAD_BYTES - FOCA_OVERHEAD_BYTES;
        Membership {
            sealer: secrets.sealer(me.owner, random.next_u64() >> 1),
            driver: Driver::new(me, settings, packet_bytes, random.next_u64()),
            secrets,
            is_open: settings.secrets.is_empty(),
            senders: Senders::default(),
            addresses: Addresses::default(),
            retry_ms: settings.retry_ms.max(1),
            knock_at_ms: now_ms,
            stage: Stage::Member,
            present: BTreeMap::new(),
            is_known: false,
            heard: me.owner.incarnation,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Who this instance is.
    pub fn me(&self) -> &Peer {
        self.driver.me()
    }

    /// Who is up, this instance not counted, by node id.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.present.values()
    }

    /// How often foca has said that it is used wrongly: never.
    pub fn faults(&self) -> u64 {
        self.driver.faults()
    }

    /// Whether it has left and told it often enough.
    pub fn has_left(&self) -> bool {
        matches!(self.stage, Stage::Left)
    }

    /// Takes a datagram.
    ///
    /// # Errors
    /// It was of no use. That is to be counted and no more: anybody can send anything.
    pub fn handle_datagram(&mut self, now_ms: u64, from: SocketAddr, datagram: &[u8]) -> Result<(), Refused> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        if self.is_open && !from.ip().to_canonical().is_loopback() {
            return Err(Refused::Stranger);
        }
        if !matches!(self.stage, Stage::Member) {
            return Err(Refused::Left);
        }
        let opened = self.secrets.open(datagram)?;
        let (sender, secret) = (opened.sender, opened.secret);
        let letter = Letter::decode(&opened.content).map_err(|_| Refused::Malformed)?;
        if sender == self.me().owner {
            self.addresses.note_answer(from, sender.node);
            self.meet_seeds();
            return Err(Refused::OwnEcho);
        }
        if letter.recipient().is_some_and(|recipient| recipient != self.me().owner) {
            return Err(Refused::NotForMe);
        }
        self.refuse_former_lives(from, sender, secret)?;
        if letter == Letter::Knock {
            // It may be an old one, sent again by somebody: nothing follows from it.
            self.send(from, Some(secret), &Letter::Here(sender, *self.me()));
            return Ok(());
        }
        if !self.senders.take(now_ms, sender, opened.counter, secret) {
            return Err(Refused::Replayed);
        }
        if let Letter::Here(..) = letter {
            self.addresses.note_answer(from, sender.node);
        }
        let result = self.handle_letter(now_ms, sender, letter);
        self.settle(now_ms);
        self.meet_seeds();
        result
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        match self.stage {
            Stage::Member => {
                self.driver.handle_timeout(now_ms);
                if self.knock_at_ms <= now_ms {
                    self.knock_at_ms = now_ms + self.retry_ms;
                    self.knock();
                }
                self.settle(now_ms);
            }
            Stage::Leaving { again_at_ms, times } if again_at_ms <= now_ms => {
                self.driver.repeat(now_ms);
                self.settle(now_ms);
                self.stage = match times {
                    0 | 1 => Stage::Left,
                    _ => Stage::Leaving { again_at_ms: now_ms + FAREWELL_INTERVAL_MS, times: times - 1 },
                };
            }
            Stage::Leaving { .. } | Stage::Left => {}
        }
    }

    /// When something is due. `None` when it has left.
    pub fn next_timeout(&self) -> Option<u64> {
        match self.stage {
            Stage::Member => {
                Some(self.driver.next_timeout().map_or(self.knock_at_ms, |due| due.min(self.knock_at_ms)))
            }
            Stage::Leaving { again_at_ms, .. } => Some(again_at_ms),
            Stage::Left => None,
        }
    }

    /// This instance stood still so long: it must not hold against others that it heard nothing. To be called first; then come
    /// the datagrams that arrived meanwhile, and only then what is due.
    pub fn handle_lag(&mut self, lag_ms: u64) {
        self.driver.shift(lag_ms);
        self.knock_at_ms += lag_ms;
    }

    /// The name of a seed stands for these addresses now. That it stands for none is taken as a failure to look it up.
    pub fn set_seed(&mut self, now_ms: u64, number: u64, addresses: Vec<SocketAddr>) {
        self.addresses.set_seed(number, addresses);
        self.meet_seeds();
        self.knock_at_ms = self.knock_at_ms.min(now_ms);
    }

    /// This instance begins another life, later than its present one.
    pub fn set_incarnation(&mut self, now_ms: u64, incarnation: Incarnation) {
        let before = *self.me();
        if incarnation <= before.owner.incarnation || !matches!(self.stage, Stage::Member) {
            return;
        }
        let owner = Owner { incarnation, ..before.owner };
        self.sealer = self.secrets.sealer(owner, self.sealer.counter());
        self.heard = self.heard.max(incarnation);
        self.is_known = false;
        self.driver.become_another(now_ms, Peer { owner, rejoin: 0, ..before });
        self.settle(now_ms);
    }

    /// Tells everybody that this instance goes. [`has_left`](Self::has_left) says when that is done; nothing is taken any more.
    pub fn leave(&mut self, now_ms: u64) {
        if matches!(self.stage, Stage::Member) {
            self.driver.leave(now_ms);
            self.stage = Stage::Leaving { again_at_ms: now_ms + FAREWELL_INTERVAL_MS, times: FAREWELLS - 1 };
            self.settle(now_ms);
        }
    }

    /// The next datagram to send, and where.
    pub fn poll_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.datagrams.pop_front()
    }

    /// What has become known.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_letter(&mut self, now_ms: u64, sender: Owner, letter: Letter<'_>) -> Result<(), Refused> {
        match letter {
            Letter::Knock => {}
            Letter::Here(_, peer) if peer.owner != sender => return Err(Refused::Malformed),
            Letter::Here(_, peer) => {
                if !self.is_known || !self.driver.active().any(|active| *active == peer) {
                    self.driver.announce(now_ms, peer);
                }
            }
            Letter::Outdated(_, incarnation) => self.note_own(incarnation),
            Letter::Foca(_, data) => {
                let result = self.driver.handle_data(now_ms, data);
                if let Some(own) = self.driver.known(self.me().owner.node) {
                    self.note_own(own.owner.incarnation);
                }
                return result.map_err(|_| Refused::Malformed);
            }
        }
        Ok(())
    }

    /// Who is not the latest of its node is told so, and not listened to.
    fn refuse_former_lives(&mut self, from: SocketAddr, sender: Owner, secret: usize) -> Result<(), Refused> {
        let is_same_node = sender.node == self.me().owner.node;
        if is_same_node {
            self.note_own(sender.incarnation);
        }
        let latest = if is_same_node { Some(self.me().owner.incarnation) } else { self.latest(sender.node) };
        if let Some(latest) = latest.filter(|latest| sender.incarnation < *latest) {
            self.send(from, Some(secret), &Letter::Outdated(sender, latest));
            return Err(if is_same_node { Refused::SameNode } else { Refused::Outdated });
        }
        if is_same_node { Err(Refused::SameNode) } else { Ok(()) }
    }

    /// The latest life of another node that is known.
    fn latest(&self, node: NodeId) -> Option<Incarnation> {
        self.driver.known(node).map(|peer| peer.owner.incarnation).max(self.senders.incarnation(node))
    }

    fn note_own(&mut self, incarnation: Incarnation) {
        if incarnation > self.heard {
            self.heard = incarnation;
            self.events.push_back(Event::Conflict(incarnation));
        }
    }

    fn knock(&mut self) {
        let me = self.driver.me().gossip;
        let present: Vec<_> = self.present.values().map(|peer| peer.gossip).collect();
        let mut addresses = self.addresses.next(|address| address == me || present.contains(&address));
        if !self.is_known {
            // Others may not have heard that it came back, or take another for it: nobody would ever talk to it.
            addresses.extend(present);
        }
        for address in addresses {
            self.send(address, None, &Letter::Knock);
        }
    }

    /// With this secret; or with each, to one that was not heard yet.
    fn send(&mut self, to: SocketAddr, secret: Option<usize>, letter: &Letter<'_>) {
        let content = letter.encode();
        let secrets = secret.map_or(0..self.secrets.len(), |secret| secret..secret + 1);
        for secret in secrets {
            self.datagrams.extend(self.sealer.seal(secret, &content).map(|datagram| (to, datagram)));
        }
    }

    /// Takes from foca what it wants sent and what it has to tell, until it has no more of either.
    fn settle(&mut self, now_ms: u64) {
        loop {
            while let Some((peer, data)) = self.driver.poll_data() {
                let secret = self.senders.secret(peer.owner);
                self.send(peer.gossip, secret, &Letter::Foca(peer.owner, &data));
            }
            let mut has_changed = false;
            while let Some(notice) = self.driver.poll_notice() {
                has_changed = true;
                self.handle_notice(notice);
            }
            if !has_changed || !matches!(self.stage, Stage::Member) {
                return;
            }
            let gone = self.compare();
            if !gone.is_empty() {
                self.driver.call_down(now_ms, gone);
            }
        }
    }

    fn handle_notice(&mut self, notice: OwnedNotification<Peer>) {
        match notice {
            OwnedNotification::Rejoin(me) => {
                self.is_known = false;
                self.events.push_back(Event::Renewed(me.rejoin));
            }
            OwnedNotification::Active => self.is_known = true,
            OwnedNotification::Idle | OwnedNotification::Defunct => self.is_known = false,
            // It was taken for crashed, and has only gone.
            OwnedNotification::Rename(before, after)
                if after.leaving && !before.leaving && !self.present.contains_key(&after.owner.node) =>
            {
                self.depart(after);
            }
            OwnedNotification::Rename(..)
            | OwnedNotification::MemberUp(_)
            | OwnedNotification::MemberDown(_) => {}
        }
    }

    /// Compares who was said to be up with whom foca calls up, and says what differs. Returns who must be gone, since another has
    /// come to its address.
    fn compare(&mut self) -> Vec<Peer> {
        let active: BTreeMap<NodeId, Peer> =
            self.driver.active().map(|peer| (peer.owner.node, *peer)).collect();
        for before in self.present.values().copied().collect::<Vec<_>>() {
            let node = before.owner.node;
            match self.driver.known(node).copied() {
                Some(now) if now.leaving && now.owner == before.owner => self.depart(now),
                Some(now) if active.contains_key(&node) && now.is_same_life(&before) => {
                    self.present.insert(node, now);
                }
                _ => {
                    self.present.remove(&node);
                    self.addresses.lose(node, before.gossip);
                    self.events.push_back(Event::Down(before));
                }
            }
        }
        let mut gone = Vec::new();
        for peer in active.into_values().filter(|peer| !peer.leaving) {
            if self.present.contains_key(&peer.owner.node) {
                continue;
            }
            let is_former = |other: &&Peer| {
                other.gossip == peer.gossip && other.owner.incarnation < peer.owner.incarnation
            };
            gone.extend(self.present.values().filter(is_former));
            self.present.insert(peer.owner.node, peer);
            self.addresses.find(peer.owner.node, peer.gossip);
            self.events.push_back(Event::Up(peer));
        }
        gone
    }

    fn depart(&mut self, peer: Peer) {
        let (node, address) = (peer.owner.node, peer.gossip);
        self.present.remove(&node);
        self.addresses.find(node, address);
        self.events.push_back(Event::Left(peer));
        let seeds = self.addresses.part(node, address);
        self.events.extend(seeds.into_iter().map(Event::SeedLeft));
        self.meet_seeds();
    }

    /// Tells which seeds have turned out to be somebody.
    fn meet_seeds(&mut self) {
        let (me, present) = (*self.driver.me(), &self.present);
        let is_here = |address: SocketAddr, node: Option<NodeId>| {
            let is_it = |peer: &Peer| peer.gossip == address || node == Some(peer.owner.node);
            is_it(&me) || present.values().any(is_it)
        };
        let met = self.addresses.meet(is_here);
        self.events.extend(met.into_iter().map(Event::SeedMet));
    }
}

#[cfg(test)]
impl Membership {
    pub(super) fn is_busy(&self) -> bool {
        !self.datagrams.is_empty() || !self.events.is_empty()
    }

    /// Senders whose envelopes are remembered, and members, those that are down among them.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.senders.len(), self.driver.len())
    }
}
