//! Which owners there are: accepted, up, hidden, superseded, forgotten.
//!
//! Owns what links and membership tell, and the incarnations of this node itself.

use super::log::{Key, Log, Value};
use super::message::{Down, Message};
use super::owner::{Incarnation, NodeId, Owner};
use super::record::{Record, Standing};
use super::replica::{Event, Peer, Replica};

/// More than three renewals, each within so many milliseconds after the one before, mean that two processes use one node
/// id. (One or two more are met when peers know different former lives of a node whose clock went back.)
const CONFLICT_MS: u64 = 60_000;
const RENEWALS_MAX: u32 = 3;

impl<K: Key, V: Value> Replica<K, V> {
    /// There is a link to this peer.
    pub fn link_up(&mut self, now_ms: u64, peer: NodeId) {
        self.link_down(peer);
        self.peers.insert(peer, Peer::default());
        // It is told at once what is here, and will ask for it.
        self.digest_at = self.digest_at.min(now_ms);
    }

    /// The link to this peer is gone, with all that was under way on it.
    pub fn link_down(&mut self, peer: NodeId) {
        let transfers = self.peers.remove(&peer).map(|peer| peer.transfers).unwrap_or_default();
        for transfer in transfers {
            if let Some(record) = self.records.get_mut(&transfer.owner) {
                transfer.close(&mut record.log);
            }
        }
        self.messages.retain(|(to, _)| *to != peer);
        self.incoming.discard_from(peer);
        for record in self.records.values_mut() {
            record.pull = record.pull.filter(|pull| pull.from != peer);
        }
    }

    /// Membership calls a node up.
    pub fn node_up(&mut self, now_ms: u64, node: NodeId, incarnation: Incarnation) {
        if node == self.me.node {
            return;
        }
        let owner = Owner { node, incarnation };
        self.hear_of(now_ms, owner);
        if self.nodes.get(&node).is_some_and(|known| known.up != Some(incarnation)) {
            // Of a node whose clock went back this is the life before, and the higher one.
            self.take_down(now_ms, node, false);
        }
        let known = self.nodes.entry(node).or_default();
        (known.up, known.down_since) = (Some(incarnation), None);
        if known.highest > Some(incarnation) {
            return;
        }
        self.forgotten.remove(&owner);
        if let Some(record) = self.records.get_mut(&owner)
            && matches!(record.standing, Standing::Down { for_good: false, .. })
        {
            self.set_standing(owner, Standing::CatchingUp { since_ms: now_ms, target: None });
        }
    }

    /// Membership calls a node down: its entries are kept, in case it comes back.
    pub fn node_down(&mut self, now_ms: u64, node: NodeId) {
        self.take_down(now_ms, node, false);
    }

    /// A node has said that it leaves. Of that life of it nothing else need have been heard.
    pub fn node_left(&mut self, now_ms: u64, node: NodeId, incarnation: Incarnation) {
        let known = self.nodes.get(&node);
        if known.is_none_or(|known| known.up != Some(incarnation) && known.highest < Some(incarnation)) {
            self.node_up(now_ms, node, incarnation);
        }
        if self.nodes.get(&node).is_some_and(|known| known.up == Some(incarnation)) {
            self.take_down(now_ms, node, true);
        }
    }

    fn take_down(&mut self, now_ms: u64, node: NodeId, for_good: bool) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        let Some(incarnation) = known.up.take() else { return };
        let since_ms = now_ms as i64;
        known.down_since = (!for_good).then_some(since_ms);
        let owner = Owner { node, incarnation };
        if self.records.get(&owner).is_some_and(|record| record.down_since().is_none()) {
            self.set_standing(owner, Standing::Down { since_ms, for_good });
        }
    }

    pub(super) fn set_standing(&mut self, owner: Owner, standing: Standing) {
        if let Some(record) = self.records.get_mut(&owner) {
            record.standing = standing;
            self.events.push_back(Event::Standing(owner, standing));
        }
    }

    /// A higher incarnation of a node makes its lower ones owners that are down for good.
    fn hear_of(&mut self, now_ms: u64, owner: Owner) {
        let node = self.nodes.entry(owner.node).or_default();
        if node.highest >= Some(owner.incarnation) {
            return;
        }
        (node.highest, node.said, node.down_since) = (Some(owner.incarnation), None, None);
        let earlier = Owner { node: owner.node, incarnation: Incarnation(0) };
        let former: Vec<Owner> = self.records.range(earlier..owner).map(|(former, _)| *former).collect();
        for former in former {
            let since_ms = self.records[&former].down_since().unwrap_or(now_ms as i64);
            self.set_standing(former, Standing::Down { since_ms, for_good: true });
        }
    }

    /// Whether a record of this owner is kept here; begins one if so. `down`: a peer says for how long it has
    /// been down. Without these conditions replicas would hand each other the dead for ever.
    pub(super) fn accept(&mut self, now_ms: u64, owner: Owner, down: Option<Down>) -> bool {
        if owner.node == self.me.node && owner.incarnation >= self.me.incarnation {
            return false;
        }
        if let Some(record) = self.records.get(&owner) {
            if let (Standing::Down { since_ms, for_good: false }, Some(Down { for_good: true, .. })) =
                (record.standing, down)
            {
                self.set_standing(owner, Standing::Down { since_ms, for_good: true });
                let node = self.nodes.entry(owner.node).or_default();
                node.down_since = node.down_since.filter(|_| node.highest > Some(owner.incarnation));
            }
            return true;
        }
        if self.forgetting.iter().any(|(forgetting, _)| *forgetting == owner) {
            return false;
        }
        let up = self.nodes.get(&owner.node).is_some_and(|node| node.up == Some(owner.incarnation));
        let vouched = down.is_some_and(|down| down.for_ms < self.settings.forget_after_ms);
        if !up && (!vouched || self.forgotten.contains_key(&owner)) {
            return false;
        }
        self.hear_of(now_ms, owner);
        let for_ms = down.map_or(0, |down| i64::try_from(down.for_ms).unwrap_or(i64::MAX));
        let since_ms = (now_ms as i64).saturating_sub(for_ms);
        let node = self.nodes.entry(owner.node).or_default();
        let superseded = node.highest > Some(owner.incarnation);
        let standing = if up && !superseded {
            Standing::CatchingUp { since_ms: now_ms, target: None }
        } else {
            let for_good = superseded || down.is_some_and(|down| down.for_good);
            if node.up.is_none() && !for_good {
                node.down_since = Some(since_ms);
            }
            Standing::Down { since_ms, for_good }
        };
        let log = Log::new(self.keys, self.settings.removal_bytes_max);
        self.records.insert(owner, Record::new(log, standing));
        self.events.push_back(Event::Standing(owner, standing));
        true
    }

    /// A peer takes an owner for alive: if that is a former life of the peer's own node, it is told.
    pub(super) fn answer_former(&mut self, from: NodeId, owner: Owner) {
        let highest = self.nodes.get(&from).and_then(|node| node.highest);
        if let Some(highest) = highest.filter(|highest| owner.node == from && owner.incarnation < *highest) {
            self.send(from, &Message::Stale(highest));
        }
    }

    /// Somebody knows a later life of this node, whose clock has gone back: what it holds is its own under a later
    /// one still.
    pub(super) fn renew_above(&mut self, now_ms: u64, known: Incarnation, random: u64) {
        if known <= self.me.incarnation {
            return;
        }
        let soon = self.renewed_at.is_some_and(|at| now_ms < at + CONFLICT_MS);
        self.renewals = if soon { self.renewals + 1 } else { 1 };
        self.renewed_at = Some(now_ms);
        // Two that share an id renew theirs as fast as frames go to and fro: it is said ever more rarely.
        if self.renewals > RENEWALS_MAX && self.renewals.is_power_of_two() {
            self.events.push_back(Event::Conflict(self.me.node));
        }
        let before = self.me;
        let after = Owner { node: before.node, incarnation: Incarnation::draw(0, Some(known), random) };
        self.drop_transfers(before);
        // The same history under another name: nobody holds anything of it, and its versions may begin anywhere.
        if let Some(record) = self.records.remove(&before) {
            self.records.insert(after, record);
        }
        self.me = after;
        let node = self.nodes.entry(after.node).or_default();
        (node.up, node.highest) = (Some(after.incarnation), Some(after.incarnation));
        self.sent = 0;
        self.flush_at = Some(now_ms);
        self.digest_at = now_ms;
        self.events.push_back(Event::Renewed(before, after));
    }

    /// Nothing more of a record is sent.
    fn drop_transfers(&mut self, owner: Owner) {
        let Some(record) = self.records.get_mut(&owner) else { return };
        for peer in self.peers.values_mut() {
            let (dropped, kept): (Vec<_>, Vec<_>) =
                std::mem::take(&mut peer.transfers).into_iter().partition(|transfer| transfer.owner == owner);
            peer.transfers = kept.into();
            dropped.into_iter().for_each(|transfer| transfer.close(&mut record.log));
        }
    }

    pub(super) fn next_forget(&self) -> Option<u64> {
        let settings = &self.settings;
        let records = self.records.values();
        records
            .filter_map(|record| record.forget_at(settings.forget_after_ms, settings.forget_former_after_ms))
            .chain(self.forgotten.values().map(|at| at + settings.forget_after_ms))
            .min()
    }

    pub(super) fn forget(&mut self, now_ms: u64) {
        let settings = self.settings;
        let due: Vec<Owner> = self
            .records
            .iter()
            .filter(|(_, record)| {
                let at = record.forget_at(settings.forget_after_ms, settings.forget_former_after_ms);
                at.is_some_and(|at| at <= now_ms)
            })
            .map(|(owner, _)| *owner)
            .collect();
        for owner in due {
            self.drop_transfers(owner);
            self.incoming.discard_of(owner);
            self.forgotten.insert(owner, now_ms);
            let Some(record) = self.records.remove(&owner) else { continue };
            if let Some(merge) = record.merging {
                self.incoming.discard(merge.changes);
            }
            self.forgetting.push_back((owner, record.log.into_entries()));
        }
        self.forgotten.retain(|_, at| now_ms < *at + settings.forget_after_ms);
        self.forget_nodes(now_ms);
    }

    /// Tells on what is forgotten, at most `left` entries, which is lowered. Returns whether there is more.
    pub(super) fn forget_on(&mut self, left: &mut usize) -> bool {
        while let Some((owner, entries)) = self.forgetting.front_mut() {
            if *left == 0 {
                return true;
            }
            *left -= 1;
            if let Some((key, value)) = entries.next() {
                self.events.push_back(Event::Forgetting(*owner, key, value));
            } else {
                self.events.push_back(Event::Forgotten(*owner));
                self.forgetting.pop_front();
            }
        }
        false
    }

    /// Nodes get another name with each start: none is kept longer than what it wrote.
    fn forget_nodes(&mut self, now_ms: u64) {
        let (records, forgotten, me) = (&self.records, &self.forgotten, self.me.node);
        let forget_after_ms = self.settings.forget_after_ms;
        self.nodes.retain(|node, known| {
            let lives = Owner { node: *node, incarnation: Incarnation(0) }..=Owner {
                node: *node,
                incarnation: Incarnation(u64::MAX),
            };
            *node == me
                || known.up.is_some()
                || known.down_since.is_some_and(|at| now_ms < forget_after_ms.saturating_add_signed(at))
                || records.range(lives.clone()).next().is_some()
                || forgotten.range(lives).next().is_some()
        });
    }

    /// This instance has stood still for so long: what it was waiting for has had no chance to happen.
    pub fn handle_lag(&mut self, lag_ms: u64) {
        for record in self.records.values_mut() {
            match &mut record.standing {
                Standing::Down { since_ms, .. } => *since_ms = since_ms.saturating_add_unsigned(lag_ms),
                Standing::CatchingUp { since_ms, .. } => *since_ms += lag_ms,
                Standing::Shown => {}
            }
            if let Some(pull) = &mut record.pull {
                pull.deadline_ms += lag_ms;
            }
        }
        self.forgotten.values_mut().for_each(|at| *at += lag_ms);
        for at in self.nodes.values_mut().filter_map(|node| node.down_since.as_mut()) {
            *at = at.saturating_add_unsigned(lag_ms);
        }
        self.seeds.values_mut().for_each(|until| *until += lag_ms);
        self.incoming.handle_lag(lag_ms);
    }
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
