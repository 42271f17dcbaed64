//! One owner as this instance sees it: its log, and whether what it holds may be shown.
//!
//! Owns the standing of an owner and the merge and the pull that are under way for it. Must not know other owners.

use super::log::{Key, Log, Value};
use super::merge::Merge;
use super::message::Down;
use super::owner::NodeId;

/// Whether an owner's entries count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is up, and what is known of it is recent enough.
    Shown,
    /// It is up, or up again; its entries are shown when they are those of `target`, the first version that it was heard to
    /// have since. `None`: it was not.
    CatchingUp {
        /// Since then, in milliseconds of the monotonic clock.
        since_ms: u64,
        /// The version to reach.
        target: Option<u64>,
    },
    /// It is down.
    Down {
        /// Since then, in milliseconds of the monotonic clock: below zero if that was before this process started.
        since_ms: i64,
        /// It will not come back: its node left, or lives on as a later incarnation.
        for_good: bool,
    },
}

/// A request for an owner's changes that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull {
    pub(super) from: NodeId,
    pub(super) deadline_ms: u64,
}

/// What is known of one owner.
pub(super) struct Record<K, V> {
    pub(super) log: Log<K, V>,
    pub(super) standing: Standing,
    pub(super) pull: Option<Pull>,
    /// The entries differ from the owner's although the version is the same: the owner's own snapshot replaces them.
    pub(super) repair: bool,
    pub(super) merging: Option<Merge<K, V>>,
}

impl<K: Key, V: Value> Record<K, V> {
    pub(super) fn new(log: Log<K, V>, standing: Standing) -> Self {
        Record { log, standing, pull: None, repair: false, merging: None }
    }

    pub(super) fn down_since(&self) -> Option<i64> {
        match self.standing {
            Standing::Down { since_ms, .. } => Some(since_ms),
            Standing::Shown | Standing::CatchingUp { .. } => None,
        }
    }

    /// As a digest says it.
    pub(super) fn down(&self, now_ms: u64) -> Option<Down> {
        match self.standing {
            Standing::Down { since_ms, for_good } => {
                Some(Down { for_ms: (now_ms as i64).saturating_sub(since_ms).max(0) as u64, for_good })
            }
            Standing::Shown | Standing::CatchingUp { .. } => None,
        }
    }

    /// Shows an owner that has caught up, unless a merge is under way. Returns whether that is news.
    pub(super) fn catch_up(&mut self) -> bool {
        let Standing::CatchingUp { target: Some(target), .. } = self.standing else { return false };
        let caught_up = self.merging.is_none() && self.log.version() >= target;
        if caught_up {
            self.standing = Standing::Shown;
        }
        caught_up
    }

    /// When it is to be forgotten, if it stays as it is.
    pub(super) fn forget_at(&self, forget_after_ms: u64, for_good_ms: u64) -> Option<u64> {
        let Standing::Down { since_ms, for_good } = self.standing else { return None };
        let kept_ms = if for_good { for_good_ms.min(forget_after_ms) } else { forget_after_ms };
        Some(kept_ms.saturating_add_signed(since_ms))
    }
}
