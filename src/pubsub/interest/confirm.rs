//! Who waits until peers have heard of a subscription.
//!
//! Owns the order of those who wait, and for how long. Which peers are waited for is in `peers.rs`.

use std::collections::{BTreeMap, VecDeque};

use super::Interest;
use crate::crdt::{Log, NodeId};
use crate::pubsub::wanted::{Count, Wanted};

/// Clients that wait.
#[derive(Default)]
pub(super) struct Waiting {
    /// By the version that they wait for, in the order in which they came.
    clients: BTreeMap<(u64, u64), u64>,
    /// Until when, in order; some of these wait no more.
    ends: VecDeque<(u64, (u64, u64))>,
    come: u64,
}

impl Waiting {
    fn push(&mut self, version: u64, client: u64, end_ms: u64) {
        self.come += 1;
        self.clients.insert((version, self.come), client);
        self.ends.push_back((end_ms, (version, self.come)));
    }

    /// One of those who wait for this version or an earlier one.
    fn pop(&mut self, confirmed: u64) -> Option<(u64, u64)> {
        let first = self.clients.first_entry().filter(|first| first.key().0 <= confirmed)?;
        let ((version, _), client) = first.remove_entry();
        while self.ends.front().is_some_and(|(_, place)| !self.clients.contains_key(place)) {
            self.ends.pop_front();
        }
        Some((version, client))
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.ends.front().map(|(at, _)| *at)
    }

    /// The versions that somebody has waited for too long.
    pub(super) fn overdue(&mut self, now_ms: u64) -> Vec<u64> {
        let over = self.ends.partition_point(|(at, _)| *at <= now_ms);
        let ends = self.ends.drain(..over);
        ends.filter(|(_, place)| self.clients.contains_key(place)).map(|(_, (version, _))| version).collect()
    }

    pub(super) fn handle_lag(&mut self, lag_ms: u64) {
        self.ends.iter_mut().for_each(|(at, _)| *at += lag_ms);
    }
}

impl Interest {
    pub(super) fn own_log(&self) -> &Log<Wanted, Count> {
        match self.replica.log(self.replica.me()) {
            Some(log) => log,
            None => unreachable!("the own record is there from the start and is replaced, never removed"),
        }
    }

    /// The version at which what is wanted here was last told; nothing if it is not. With it a subscription is known.
    pub fn version_of(&self, what: &Wanted) -> Option<u64> {
        self.own_log().version_of(what)
    }

    /// A peer has what is wanted here in its table up to this version.
    pub fn acknowledged(&mut self, peer: NodeId, version: u64) {
        self.known.acknowledged(peer, version);
    }

    /// Whether all peers that are waited for know what is wanted here up to this version: those that are linked, but for one that
    /// was once waited for too long and has not caught up since.
    pub fn is_confirmed(&self, version: u64) -> bool {
        version <= self.known.confirmed()
    }

    /// A client is to be told that it is subscribed. Returns whether it must wait: [`poll_confirmed`](Self::poll_confirmed)
    /// names it when all peers that are waited for have heard of it, or after a while.
    pub fn wait_for_peers(&mut self, now_ms: u64, version: u64, client: u64) -> bool {
        let waits = !self.is_confirmed(version);
        if waits {
            self.waiting.push(version, client, now_ms + self.settings.confirm_ms);
        } else {
            self.counts.unheard += u64::from(version > self.known.heard());
        }
        waits
    }

    /// A client that waits no more.
    pub fn poll_confirmed(&mut self) -> Option<u64> {
        let (version, client) = self.waiting.pop(self.known.confirmed())?;
        self.counts.unheard += u64::from(version > self.known.heard());
        Some(client)
    }
}
