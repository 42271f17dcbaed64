//! What is lost between two instances, counted on both sides.
//!
//! Each side counts the messages that it has handed to connections, and those that it has read. When an epoch begins each
//! tells the other how many it had handed over before; what has not been read of them will never be. So every message is
//! either read, or counted: as dropped by its sender, who tells the receiver, or as lost by the receiver.
//!
//! Counts are about two *lives*: that of one side's [`Links`](super::Links) and that of the other's. When one of them begins
//! anew so do the counts, as what was sent to the former one is not missed by this one. Nothing is handed over before the
//! peer's life is known, so that it is always clear about whom a count is.
//!
//! Owns the counters. Must not know queues or connections.

use super::frame::{Loss, Start};

/// One number for each reason.
pub type Counts = [u64; Loss::ALL.len()];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    life: u64,
    /// 0 if it is not known.
    peer_life: u64,
    /// Messages handed to connections in former epochs, and in this one.
    handed_before: u64,
    handed: u64,
    /// Messages read in former epochs or known as lost, and read in this one.
    read_before: u64,
    read: u64,
    /// What we did not get to the peer, ever; how much of it to former lives; and what this one has been told in this epoch.
    pub(super) dropped: Counts,
    dropped_before: Counts,
    told: Counts,
    /// What we did not get from the peer, ever; and what it has told of in this life.
    pub(super) lost: Counts,
    heard: Counts,
}

impl Ledger {
    /// `life` is a number that no other ledger about this peer has had.
    pub(super) fn new(life: u64) -> Self {
        // 0 stands for nobody.
        Ledger { life: life.max(1), ..Ledger::default() }
    }

    pub(super) fn note_handed(&mut self, messages: u64) {
        self.handed += messages;
    }

    /// In this epoch, or just before it began.
    pub(super) fn note_read(&mut self, is_current: bool, messages: u64) {
        *(if is_current { &mut self.read } else { &mut self.read_before }) += messages;
    }

    pub(super) fn note_dropped(&mut self, loss: Loss, messages: u64) {
        self.dropped[loss as usize] += messages;
    }

    /// All connections are closed.
    pub(super) fn end_epoch(&mut self) {
        self.handed_before += std::mem::take(&mut self.handed);
        self.read_before += std::mem::take(&mut self.read);
        self.told = Counts::default();
    }

    /// What we say first.
    pub(super) fn start(&self) -> Start {
        Start { life: self.life, peer_life: self.peer_life, handed: self.handed_before }
    }

    /// What the peer says first. Returns how many messages of former epochs were lost.
    pub(super) fn handle_start(&mut self, start: &Start) -> u64 {
        if start.life != self.peer_life {
            // What was dropped before any life of it was known is this one's loss.
            if self.peer_life != 0 {
                self.dropped_before = self.dropped;
            }
            self.peer_life = start.life;
            self.handed_before = 0;
            self.heard = Counts::default();
        }
        if start.peer_life != self.life {
            // What it has handed over was for somebody else.
            self.read_before = 0;
            return 0;
        }
        let lost = start.handed.saturating_sub(self.read_before);
        self.read_before += lost;
        self.lost[Loss::Reconnect as usize] += lost;
        lost
    }

    /// The peer has dropped so many messages in all. Returns how many of them are new.
    pub(super) fn handle_dropped(&mut self, loss: Loss, total: u64) -> u64 {
        let heard = &mut self.heard[loss as usize];
        let new = total.saturating_sub(*heard);
        *heard += new;
        self.lost[loss as usize] += new;
        new
    }

    /// Totals that the peer has not been told in this epoch.
    pub(super) fn take_untold(&mut self) -> impl Iterator<Item = (Loss, u64)> {
        Loss::ALL.into_iter().filter_map(|loss| {
            let at = loss as usize;
            let total = self.dropped[at] - self.dropped_before[at];
            let is_new = total > std::mem::replace(&mut self.told[at], total);
            is_new.then_some((loss, total))
        })
    }
}
