//! What instances send each other to become alike: updates, digests, pulls, and when.
//!
//! Owns the rules of the exchange. Whose records are accepted, shown and forgotten is in `nodes`.

use std::collections::BTreeSet;

use super::incoming::Whole;
use super::log::{Key, Value};
use super::message::{DigestKind, Held, Message, Update};
use super::outgoing::{Part, Transfer};
use super::owner::{NodeId, Owner};
use super::record::{Pull, Standing};
use super::replica::{Event, Replica};

impl<K: Key, V: Value> Replica<K, V> {
    /// Sends what has become due, gives up what has taken too long, forgets what is old.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        if self.flush_at.is_some_and(|at| at <= now_ms) {
            self.flush_at = None;
            self.flush();
        }
        for record in self.records.values_mut() {
            if record.pull.is_some_and(|pull| pull.deadline_ms <= now_ms) {
                record.pull = None;
                self.counts.pull_timeouts += 1;
            }
        }
        self.incoming.discard_late(now_ms);
        if self.digest_at <= now_ms {
            self.digest_at = now_ms + self.settings.digest_interval_ms;
            self.send_digests(now_ms);
        }
        self.forget(now_ms);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> u64 {
        let pulls = self.records.values().filter_map(|record| record.pull).map(|pull| pull.deadline_ms);
        pulls
            .chain(self.flush_at)
            .chain(self.next_forget())
            .chain(self.incoming.next_deadline())
            .fold(self.digest_at, u64::min)
    }

    /// Sends own changes since the last time: each peer gets one frame if they fit, else parts at its own pace.
    fn flush(&mut self) {
        let (me, sent, part_bytes) = (self.me, self.sent, self.settings.part_bytes);
        let version = self.own().version();
        if version == sent {
            return;
        }
        self.sent = version;
        if self.peers.is_empty() {
            return;
        }
        self.transfers += 1;
        let number = self.transfers;
        let log = self.own();
        let mut transfer = Transfer::open(me, number, log, Some(sent));
        let frame = match transfer.next(log, part_bytes) {
            Part::Last(frame) => Some(frame),
            Part::More(_) | Part::Broken => {
                transfer.close(log);
                None
            }
        };
        let peers: Vec<NodeId> = self.peers.keys().copied().collect();
        for peer in peers {
            // Who is being sent parts of this log gets these changes at their end.
            if self.is_sending(peer, me) {
                continue;
            }
            match &frame {
                Some(frame) => self.messages.push_back((peer, frame.clone())),
                None => self.begin_transfer(peer, me, Some(sent)),
            }
        }
    }

    fn is_sending(&self, peer: NodeId, owner: Owner) -> bool {
        let peer = self.peers.get(&peer);
        peer.is_some_and(|peer| peer.transfers.iter().any(|transfer| transfer.owner == owner))
    }

    fn begin_transfer(&mut self, to: NodeId, owner: Owner, version: Option<u64>) {
        let (Some(peer), Some(record)) = (self.peers.get_mut(&to), self.records.get_mut(&owner)) else {
            return;
        };
        self.transfers += 1;
        peer.transfers.push_back(Transfer::open(owner, self.transfers, &mut record.log, version));
    }

    /// The own record to everybody; all records to one of them, each in turn: drawn by lot, the last of n peers would
    /// wait for n times the logarithm of n intervals, and so would every round.
    fn send_digests(&mut self, now_ms: u64) {
        let own = Message::Digest(DigestKind::Own, vec![self.held(self.me, now_ms)]);
        let peers: Vec<NodeId> = self.peers.keys().copied().collect();
        for peer in &peers {
            self.send(*peer, &own);
        }
        let next = peers.iter().find(|peer| **peer > self.told_all).or(peers.first());
        if let Some(next) = next.copied() {
            let full = Message::Digest(DigestKind::Full, self.digest(now_ms));
            self.send(next, &full);
            self.told_all = next;
        }
    }

    fn held(&self, owner: Owner, now_ms: u64) -> Held {
        let record = &self.records[&owner];
        Held {
            owner,
            version: record.log.version(),
            hash: record.merging.is_none().then(|| record.log.hash()),
            down: record.down(now_ms),
            shown: record.standing == Standing::Shown,
        }
    }

    fn digest(&self, now_ms: u64) -> Vec<Held> {
        self.records.keys().map(|owner| self.held(*owner, now_ms)).collect()
    }

    /// Compares what a peer holds with what is here: pulls what it has more of, tells it what it lacks.
    pub(super) fn take_digest(
        &mut self,
        now_ms: u64,
        from: NodeId,
        kind: DigestKind,
        held: &[Held],
        random: u64,
    ) {
        let named: BTreeSet<Owner> = held.iter().map(|held| held.owner).collect();
        let mut behind = false;
        for theirs in held {
            behind |= self.compare(now_ms, from, theirs, random);
        }
        self.note_digest(from, kind, held);
        if kind == DigestKind::Full {
            behind |= self.records.keys().any(|owner| !named.contains(owner));
            if behind {
                let answer = Message::Digest(DigestKind::Answer, self.digest(now_ms));
                self.send(from, &answer);
            }
        }
    }

    /// Returns whether the peer has less than this instance.
    fn compare(&mut self, now_ms: u64, from: NodeId, theirs: &Held, random: u64) -> bool {
        let owner = theirs.owner;
        if owner.node == self.me.node && owner.incarnation > self.me.incarnation {
            self.renew_above(now_ms, owner.incarnation, random);
            return false;
        }
        if owner == self.me {
            return theirs.version < self.own().version();
        }
        if theirs.down.is_none() {
            self.answer_former(from, owner);
        }
        if !self.accept(now_ms, owner, theirs.down) {
            return false;
        }
        // Others may know less of an owner. Who shows it is believed if there is no link to it, and none has come up for some time.
        let is_linked = self.peers.contains_key(&owner.node);
        let patience_ms = self.settings.catch_up_patience_ms;
        let Some(record) = self.records.get_mut(&owner) else { return false };
        if let Standing::CatchingUp { since_ms, target: None } = record.standing
            && (from == owner.node || theirs.shown && !is_linked && now_ms >= since_ms + patience_ms)
        {
            record.standing = Standing::CatchingUp { since_ms, target: Some(theirs.version) };
            if record.catch_up() {
                self.events.push_back(Event::Standing(owner, Standing::Shown));
            }
        }
        let version = record.log.version();
        if record.merging.is_some() || theirs.version < version {
            return theirs.version < version;
        }
        if theirs.version > version {
            self.pull(now_ms, from, owner);
        } else if theirs.hash.is_some_and(|hash| hash != record.log.hash()) {
            self.counts.divergences += 1;
            self.events.push_back(Event::Diverged { owner, version, peer: from });
            record.repair = true;
            record.pull = None;
            self.pull(now_ms, owner.node, owner);
        }
        false
    }

    /// Asks a peer for what comes after what is here, unless another one has been asked.
    pub(super) fn pull(&mut self, now_ms: u64, from: NodeId, owner: Owner) {
        let deadline_ms = now_ms + self.settings.pull_timeout_ms;
        if !self.peers.contains_key(&from) {
            return;
        }
        let Some(record) = self.records.get_mut(&owner) else { return };
        if record.pull.is_some() || record.merging.is_some() {
            return;
        }
        record.pull = Some(Pull { from, deadline_ms });
        let (version, repair) = (record.log.version(), record.repair && from == owner.node);
        self.counts.third_party_pulls += u64::from(from != owner.node);
        self.send(from, &Message::Pull { owner, version, repair });
    }

    /// Sends a peer what it asked for, whoever's it is, if there is more of it here.
    pub(super) fn answer_pull(&mut self, from: NodeId, owner: Owner, version: u64, repair: bool) {
        let Some(record) = self.records.get(&owner) else { return };
        let more = record.log.version() > version || repair && owner == self.me;
        if !more || record.merging.is_some() || self.is_sending(from, owner) {
            return;
        }
        self.begin_transfer(from, owner, (!repair).then_some(version));
    }

    /// Takes a part of an update, and begins to merge the update when it is whole.
    pub(super) fn take_update(&mut self, now_ms: u64, from: NodeId, part: Update<K, V>) {
        let owner = part.owner;
        if !self.accept(now_ms, owner, None) {
            self.answer_former(from, owner);
            return;
        }
        let Some(record) = self.records.get_mut(&owner) else { return };
        if record.merging.is_some() {
            self.counts.late_updates += 1;
            return;
        }
        if part.base.is_some_and(|base| base > record.log.version()) {
            self.counts.gaps += 1;
            self.pull(now_ms, from, owner);
            return;
        }
        // What does not follow on what is here is no answer, however often it comes: that is waited for no longer.
        let deadline_ms = now_ms + self.settings.pull_timeout_ms;
        if let Some(pull) = record.pull.as_mut().filter(|pull| pull.from == from) {
            pull.deadline_ms = deadline_ms;
        }
        let long = part.index > 0;
        let Some(Whole { base, to, changes }) = self.incoming.take(from, part, deadline_ms) else { return };
        let version = record.log.version();
        let snapshot = base.is_none();
        let repairs = snapshot && record.repair && from == owner.node && to >= version;
        if to <= version && !repairs {
            if record.pull.is_some_and(|pull| pull.from == from) {
                record.pull = None;
            }
            self.incoming.discard(changes);
            return;
        }
        record.pull = None;
        record.repair &= !repairs;
        record.merging = Some(record.log.begin_merge(changes, to, snapshot));
        self.counts.snapshots += u64::from(snapshot);
        self.counts.long_updates += u64::from(long);
    }
}
