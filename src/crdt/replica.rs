//! All records of this instance, and the rules by which they become alike on all instances.
//!
//! Owns the records, the peers that there are links to, and what membership has said. Must not know what entries mean,
//! sockets, or how membership finds out. Start with [`Replica`].

use std::collections::{BTreeMap, VecDeque};

use super::incoming::Incoming;
use super::log::{Entries, Key, Log, Value};
use super::merge::Changed;
use super::message::Message;
use super::outgoing::{Part, Transfer};
use super::owner::{Incarnation, NodeId, Owner};
use super::record::{Record, Standing};
use super::rounds::Said;
use super::wire::Malformed;
use crate::map::HashKeys;

/// How long things take, in milliseconds, and how much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Own changes are sent after this long: many of them in one frame.
    pub replication_interval_ms: u64,
    /// Between two digests.
    pub digest_interval_ms: u64,
    /// A peer that has sent nothing of what it was asked for in this time is not waited for.
    pub pull_timeout_ms: u64,
    /// Who comes up has so long to say itself what it has; after that others are believed, if there is no link to it.
    pub catch_up_patience_ms: u64,
    /// A record of an owner that is down is kept for so long, in case it comes back.
    pub forget_after_ms: u64,
    /// A record of an owner that cannot come back is kept for so long: others may still hold less of it.
    pub forget_former_after_ms: u64,
    /// Bytes of removed keys that are remembered for each owner. Who has missed more takes a snapshot.
    pub removal_bytes_max: usize,
    /// Bytes of one part of an update: nothing else waits on a link for longer than such a part takes.
    pub part_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            replication_interval_ms: 50,
            digest_interval_ms: 1_000,
            pull_timeout_ms: 1_000,
            catch_up_patience_ms: 2_000,
            forget_after_ms: 20 * 60 * 1_000,
            forget_former_after_ms: 25_000,
            removal_bytes_max: 1024 * 1024,
            part_bytes: 64 * 1024,
        }
    }
}

/// What happened to the records, in order.
#[derive(Debug)]
pub enum Event<K, V> {
    /// An entry of another owner.
    Changed(Owner, Changed<K, V>),
    /// Whether an owner's entries count has changed.
    Standing(Owner, Standing),
    /// An entry of an owner that is being forgotten: it is gone.
    Forgetting(Owner, K, V),
    /// An owner is forgotten: it had no more entries.
    Forgotten(Owner),
    /// This instance had to take another incarnation; its entries, and their versions, are the same.
    Renewed(Owner, Owner),
    /// It had to do so again and again: another process uses the same node id.
    Conflict(NodeId),
    /// Two instances hold different entries at one version: a fault of ours. It is repaired from the owner.
    Diverged {
        /// Whose entries.
        owner: Owner,
        /// At which version.
        version: u64,
        /// Who else.
        peer: NodeId,
    },
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Updates that did not follow on what was there.
    pub gaps: u64,
    /// Pulls sent to others than the owner.
    pub third_party_pulls: u64,
    /// Pulls that were not answered in time.
    pub pull_timeouts: u64,
    /// Snapshots merged.
    pub snapshots: u64,
    /// Updates of several parts merged.
    pub long_updates: u64,
    /// Transfers that had to begin anew.
    pub restarted_transfers: u64,
    /// Digests with another hash at the same version.
    pub divergences: u64,
    /// Updates that came while another one was merged.
    pub late_updates: u64,
}

/// A peer that there is a link to.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) transfers: VecDeque<Transfer>,
}

/// What membership says of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// It is up, as this.
    pub(super) up: Option<Incarnation>,
    /// The highest that was heard of.
    pub(super) highest: Option<Incarnation>,
    /// It is down since then, in milliseconds of the monotonic clock, and may come back.
    pub(super) down_since: Option<i64>,
    /// Its last full digest in that life.
    pub(super) said: Option<Said>,
}

/// The replicated map: this instance's own log and its records of all others.
///
/// Calls, in any order, each with the present time in milliseconds of a monotonic clock:
/// - *what happens here*: [`put`](Self::put), [`remove`](Self::remove);
/// - *what others send*: [`handle_message`](Self::handle_message), and from links and membership
///   [`link_up`](Self::link_up), [`link_down`](Self::link_down), [`node_up`](Self::node_up),
///   [`node_down`](Self::node_down), [`node_left`](Self::node_left);
/// - *time*: [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout) or later.
///
/// After each, until they have nothing more: [`work`](Self::work) (merges, a budget at a time),
/// [`poll_event`](Self::poll_event) (what has changed), [`poll_message`](Self::poll_message) (what to send); and
/// [`next_part`](Self::next_part) whenever a peer's link has room.
pub struct Replica<K, V> {
    pub(super) settings: Settings,
    pub(super) keys: HashKeys,
    pub(super) me: Owner,
    pub(super) records: BTreeMap<Owner, Record<K, V>>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// Owners that must not come back by hearsay, and since when.
    pub(super) forgotten: BTreeMap<Owner, u64>,
    /// Entries of owners that are forgotten, still to be told.
    pub(super) forgetting: VecDeque<(Owner, Entries<K, V>)>,
    /// Full digests taken so far.
    pub(super) digests: u64,
    /// Seeds that were not met, and until when they are waited for.
    pub(super) seeds: BTreeMap<u64, u64>,
    pub(super) incoming: Incoming<K, V>,
    /// Own changes up to this version have been sent.
    pub(super) sent: u64,
    /// Updates begun so far.
    pub(super) transfers: u64,
    pub(super) flush_at: Option<u64>,
    pub(super) digest_at: u64,
    /// The peer that was sent the last full digest; the next one goes to the one after it.
    pub(super) told_all: NodeId,
    pub(super) renewed_at: Option<u64>,
    /// Renewals in a row, each soon after the one before.
    pub(super) renewals: u32,
    pub(super) events: VecDeque<Event<K, V>>,
    pub(super) messages: VecDeque<(NodeId, Vec<u8>)>,
    pub(super) counts: Counts,
}

impl<K: Key, V: Value> Replica<K, V> {
    /// Of an instance that starts.
    pub fn new(me: Owner, settings: Settings, keys: HashKeys, now_ms: u64) -> Self {
        let own = Record::new(Log::new(keys, settings.removal_bytes_max), Standing::Shown);
        Replica {
            settings,
            keys,
            me,
            records: BTreeMap::from([(me, own)]),
            peers: BTreeMap::new(),
            nodes: BTreeMap::from([(
                me.node,
                Node { up: Some(me.incarnation), highest: Some(me.incarnation), ..Node::default() },
            )]),
            forgotten: BTreeMap::new(),
            forgetting: VecDeque::new(),
            digests: 0,
            seeds: BTreeMap::new(),
            incoming: Incoming::default(),
            sent: 0,
            transfers: 0,
            flush_at: None,
            digest_at: now_ms + settings.digest_interval_ms,
            told_all: me.node,
            renewed_at: None,
            renewals: 0,
            events: VecDeque::new(),
            messages: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Who this is.
    pub fn me(&self) -> Owner {
        self.me
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All owners that are known, with their logs and whether they count.
    pub fn records(&self) -> impl Iterator<Item = (Owner, &Log<K, V>, Standing)> {
        self.records.iter().map(|(owner, record)| (*owner, &record.log, record.standing))
    }

    /// An owner's log.
    pub fn log(&self, owner: Owner) -> Option<&Log<K, V>> {
        self.records.get(&owner).map(|record| &record.log)
    }

    /// An owner's standing.
    pub fn standing(&self, owner: Owner) -> Option<Standing> {
        self.records.get(&owner).map(|record| record.standing)
    }

    /// Whether no other instance is known, nor expected.
    pub fn is_alone(&self) -> bool {
        self.records.len() == 1 && self.nodes.len() == 1 && self.peers.is_empty() && self.seeds.is_empty()
    }

    /// Entries that wait for the rest of an update.
    pub fn staged(&self) -> usize {
        self.incoming.len()
    }

    /// This instance puts an entry. Returns what it had put there before.
    pub fn put(&mut self, now_ms: u64, key: K, value: V) -> Option<V> {
        self.flush_at.get_or_insert(now_ms + self.settings.replication_interval_ms);
        self.own().put(key, value)
    }

    /// The same, with the key's hash.
    pub fn put_hashed(&mut self, now_ms: u64, hash: u64, key: &K, value: V) -> Option<V> {
        self.flush_at.get_or_insert(now_ms + self.settings.replication_interval_ms);
        self.own().put_hashed(hash, key, value)
    }

    /// This instance removes an entry of its own. Returns what it was.
    pub fn remove(&mut self, now_ms: u64, key: &K) -> Option<V> {
        let removed = self.own().remove(key)?;
        self.flush_at.get_or_insert(now_ms + self.settings.replication_interval_ms);
        Some(removed)
    }

    /// Sends own changes now instead of at the end of the interval.
    pub fn flush_now(&mut self, now_ms: u64) {
        self.flush_at = Some(now_ms);
    }

    pub(super) fn own(&mut self) -> &mut Log<K, V> {
        match self.records.get_mut(&self.me) {
            Some(record) => &mut record.log,
            None => unreachable!("the own record is there from the start and is replaced, never removed"),
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event<K, V>> {
        self.events.pop_front()
    }

    /// The next frame to send, and to which peer.
    pub fn poll_message(&mut self) -> Option<(NodeId, Vec<u8>)> {
        self.messages.pop_front()
    }

    pub(super) fn send(&mut self, to: NodeId, message: &Message<K, V>) {
        if self.peers.contains_key(&to) {
            self.messages.push_back((to, message.encode()));
        }
    }

    /// The next part of what is under way to a peer, for when its link has room.
    pub fn next_part(&mut self, peer: NodeId) -> Option<Vec<u8>> {
        loop {
            let transfers = &mut self.peers.get_mut(&peer)?.transfers;
            let mut transfer = transfers.pop_front()?;
            let owner = transfer.owner;
            let Some(record) = self.records.get_mut(&owner) else { continue };
            match transfer.next(&mut record.log, self.settings.part_bytes) {
                Part::Last(frame) => return Some(frame),
                Part::More(frame) => {
                    // Those of other owners have their turn: a long one holds up none.
                    transfers.push_back(transfer);
                    return Some(frame);
                }
                Part::Broken => {
                    transfer.close(&mut record.log);
                    self.counts.restarted_transfers += 1;
                    if record.merging.is_none() {
                        self.transfers += 1;
                        let transfer = Transfer::open(owner, self.transfers, &mut record.log, None);
                        transfers.push_back(transfer);
                    }
                }
            }
        }
    }

    /// Does what takes long: merges and forgets, at most `budget` entries. Returns whether there is more to do.
    pub fn work(&mut self, budget: usize) -> bool {
        let mut left = budget;
        self.merge_on(&mut left) || self.forget_on(&mut left) || self.incoming.free(&mut left)
    }

    fn merge_on(&mut self, left: &mut usize) -> bool {
        for (owner, record) in &mut self.records {
            let Some(mut merge) = record.merging.take() else { continue };
            let events = &mut self.events;
            let done = record.log.merge(&mut merge, left, |changed| {
                events.push_back(Event::Changed(*owner, changed));
            });
            if !done {
                record.merging = Some(merge);
                return true;
            }
            if record.catch_up() {
                events.push_back(Event::Standing(*owner, Standing::Shown));
            }
        }
        false
    }

    /// Takes a frame from a peer. Merges that it begins are done by [`work`](Self::work).
    ///
    /// # Errors
    /// It is none: the link is to be dropped.
    pub fn handle_message(
        &mut self,
        now_ms: u64,
        from: NodeId,
        frame: &[u8],
        random: u64,
    ) -> Result<(), Malformed> {
        self.handle(now_ms, from, Message::decode(frame)?, random);
        Ok(())
    }

    /// The same, of a frame that has been read.
    pub fn handle(&mut self, now_ms: u64, from: NodeId, message: Message<K, V>, random: u64) {
        match message {
            Message::Update(update) => self.take_update(now_ms, from, update),
            Message::Digest(kind, held) => self.take_digest(now_ms, from, kind, &held, random),
            Message::Pull { owner, version, repair } => self.answer_pull(from, owner, version, repair),
            Message::Stale(known) => self.renew_above(now_ms, known, random),
        }
    }
}
