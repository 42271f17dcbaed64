//! What the watchers of one topic are told: a state, and from there on every change.
//!
//! Owns the changes that have not been told, the diffs and the state that are being encoded or taken, and where each watcher
//! stands. Nothing is handed to a watcher: it is told that there is something, and takes it when it has room ([`Events::take`]).
//! Must not know locks, connections or other topics. Start with [`Events::note`], then [`Events::step`].
//!
//! What holds:
//! - A diff is the difference between what watchers were told and what was so at one moment, so that no member joins twice or
//!   leaves without having joined. The diffs of a topic have numbers without a gap (`seq`).
//! - A state is what was so at the end of a diff, and is begun only when nothing is left to tell. Whoever takes a state takes the
//!   diffs behind it.
//! - A watcher that is owed more diffs than allowed, over all its topics, gives up those of this topic and takes a state instead.
//!   So it makes the broker keep at most so many bytes of diffs, or a single larger one, and beside them one state that it has
//!   begun to take, with diffs of that size at most behind it. All of that is shared with the other watchers.
//! - What nobody is to take any more is freed at once; a complete state is kept for those who come within a second.

mod pending;
mod ring;
mod state;
mod turn;
mod watches;

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use self::pending::{Batch, Pending};
use self::ring::Ring;
use self::state::{Building, State};
pub use self::turn::{Place, Settings, Taker, Tally, Turn, Watcher};
use self::watches::{Position, Watch, Watches, hash_of};
use super::group::Group;
use super::{Entry, Name, Reason};
use crate::map::HashKeys;
use crate::slots::Slots;

/// A message that gets longer is cut into several.
pub const PIECE_BYTES: usize = 64 * 1024;
/// How long a state is kept that nobody asks for.
const STATE_KEPT_MS: u64 = 1_000;
/// Up to so many bytes of a state cost less than to explain why it is followed by diffs at once.
const SMALL_STATE_BYTES: u64 = 64 * 1024;
/// So many slots of watches are looked at before the budget is.
const WATCHES_AT_ONCE: usize = 64;
/// So many bytes written cost as much as to look at a member.
const BYTES_PER_UNIT: usize = 256;

/// What the watchers of a topic are told.
pub struct Events {
    keys: HashKeys,
    pending: Pending,
    /// From this time on they may be told.
    open_at: u64,
    batch: Option<Batch>,
    ring: Ring,
    building: Option<Building>,
    state: Option<Arc<State>>,
    /// When the state is dropped, unless it is used before.
    state_until: u64,
    state_used: bool,
    watches: Watches,
    /// Watches that wait for a state.
    waiting: usize,
    /// One of them has to have a new one.
    is_wanted: bool,
    pass: Pass,
    /// When the shard means to come back to it.
    pub(super) scheduled: Option<u64>,
}

/// A walk along all watches, to tell them that there is something.
#[derive(Default)]
struct Pass {
    is_under_way: bool,
    /// When it ends, another one begins.
    again: bool,
    cursor: u32,
}

impl Pass {
    fn want(&mut self) {
        (self.again, self.is_under_way) = (self.is_under_way, true);
    }
}

impl Events {
    /// Of a topic of which nobody was told anything yet. `seq`: above all that were used before.
    pub fn new(keys: HashKeys, seq: u64) -> Self {
        Events {
            keys,
            pending: Pending::default(),
            open_at: 0,
            batch: None,
            ring: Ring::new(seq + 1),
            building: None,
            state: None,
            state_until: 0,
            state_used: false,
            watches: Watches::default(),
            waiting: 0,
            is_wanted: false,
            pass: Pass::default(),
            scheduled: None,
        }
    }

    /// The number of the last diff.
    pub fn seq(&self) -> u64 {
        self.ring.next() - 1
    }

    /// Whether all that has changed is told.
    pub fn is_told(&self) -> bool {
        self.pending.is_empty() && self.batch.is_none()
    }

    /// Whether nobody watches.
    pub fn is_unwatched(&self) -> bool {
        self.watches.is_empty()
    }

    /// Bytes of diffs and states that are kept, of states that are being taken only the last one.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> u64 {
        self.ring.bytes() + self.state.as_ref().map_or(0, |state| state.bytes)
    }

    /// The group in this slot is about to change, or one is about to appear in it.
    pub fn before(&mut self, slot: u32, group: Option<&Group>) {
        if let Some(building) = &mut self.building {
            building.before(slot, group);
        }
    }

    /// A member has joined, changed or left.
    pub fn note(&mut self, name: &Name, before: Option<&Entry>, after: Option<&Entry>, reason: Reason) {
        self.pending.note(self.keys, name, before, after, reason);
    }

    /// When [`Events::step`] has something to do; 0 for at once.
    pub fn due(&self) -> Option<u64> {
        let building = self.building.is_some() || (self.is_wanted && self.pending.is_told());
        if self.batch.is_some() || building || self.pass.is_under_way {
            return Some(0);
        }
        let pending = (!self.pending.is_empty()).then_some(self.open_at);
        let state = self.state.as_ref().map(|_| self.state_until);
        pending.into_iter().chain(state).min()
    }

    /// One more watches: it takes a state first. Returns the watch's slot, and whom to wake.
    pub fn watch(
        &mut self,
        watcher: Arc<dyn Watcher>,
        settings: Settings,
        (shard, topic): (u16, u32),
    ) -> (u32, Option<Waker>) {
        let position = Position::Waiting { seq: self.seq_wanted(settings), again: false };
        let watch = Watch { watcher, position, at: 0, owed_to: 0, is_ready: false };
        self.waiting += 1;
        let slot = self.watches.insert(self.keys, Some(watch));
        (slot, self.nudge(Place { shard, topic, watch: slot }))
    }

    /// Tells a watch that there is something, if there is; if it waits for a state, sees to it that there will be one.
    fn nudge(&mut self, place: Place) -> Option<Waker> {
        let (kept, coming) = (self.kept(), self.coming());
        let next = self.ring.next();
        let watch = self.watches.get_mut(place.watch)?.as_mut()?;
        match watch.position {
            Position::Waiting { seq, .. } if !watch.is_ready && kept.is_none_or(|kept| kept < seq) => {
                self.is_wanted |= coming.is_none_or(|coming| coming < seq);
                None
            }
            Position::Following if watch.at == next => None,
            _ => watch.announce(place),
        }
    }

    /// A watcher does not watch any more: it takes nothing more. Returns the slot that its watch had.
    pub fn unwatch(&mut self, watcher: u64) -> Option<u32> {
        let slot = self.find(watcher)?;
        let watch = self.watches.remove(self.keys, slot).flatten()?;
        match watch.position {
            Position::Waiting { .. } => self.waiting -= 1,
            Position::Reading(..) | Position::Following => {
                watch.watcher.settle(watch.owed_to - self.ring.offset(watch.at));
                self.ring.leave(watch.at);
            }
        }
        if self.waiting == 0 {
            (self.building, self.is_wanted) = (None, false);
        }
        if self.watches.is_empty() {
            (self.state, self.pass) = (None, Pass::default());
        }
        self.trim();
        Some(slot)
    }

    /// The slot of a watcher's watch.
    pub fn find(&self, watcher: u64) -> Option<u32> {
        let is_its =
            |watch: &Option<Watch>| watch.as_ref().is_some_and(|watch| watch.watcher.id() == watcher);
        self.watches.find(|| hash_of(watcher, self.keys), is_its)
    }

    /// Does a part of what is due.
    pub fn step(&mut self, topic: &Arc<str>, groups: &Slots<Group>, place: (u16, u32), turn: &mut Turn<'_>) {
        self.close_window(turn);
        self.begin_state(turn.settings);
        // Each kind of work gets its part of the budget, so that none waits for another for ever.
        let all = turn.budget;
        self.portion(turn, all / 3, |events, turn| events.tell(topic, turn));
        let left = turn.budget;
        self.portion(turn, left / 2, |events, turn| events.build(topic, groups, turn));
        self.pass(place, turn);
        self.drop_unused_state(turn.now_ms);
    }

    fn portion(&mut self, turn: &mut Turn<'_>, portion: usize, work: impl FnOnce(&mut Self, &mut Turn<'_>)) {
        let portion = portion.max(1).min(turn.budget);
        let rest = turn.budget - portion;
        turn.budget = portion;
        work(self, turn);
        turn.budget += rest;
    }

    /// Begins to tell what has changed, if it is time.
    fn close_window(&mut self, turn: &mut Turn<'_>) {
        if self.batch.is_some() || self.pending.is_empty() || turn.now_ms < self.open_at {
            return;
        }
        let is_told = self.pending.is_told();
        let (batch, coalesced) = Batch::new(self.keys, mem::take(&mut self.pending));
        turn.tally.coalesced += coalesced;
        if !is_told {
            self.batch = Some(batch);
            self.open_at = turn.now_ms + turn.settings.interval_ms;
        }
    }

    /// Begins a state, if one is wanted and this is a moment that has or will have a `seq`.
    fn begin_state(&mut self, settings: Settings) {
        if self.is_wanted && self.building.is_none() && self.pending.is_told() {
            self.is_wanted = false;
            let seq = if self.batch.is_some() { None } else { Some(self.seq()) };
            self.building = Some(Building::new(seq, settings));
        }
    }

    /// Encodes diffs.
    fn tell(&mut self, topic: &Arc<str>, turn: &mut Turn<'_>) {
        while let Some(batch) = &mut self.batch {
            let seq = self.ring.next();
            let (message, is_all) = batch.next_message(topic, seq, turn.settings, &mut turn.budget);
            let is_message = message.is_some();
            if let Some(message) = message {
                if turn.is_listened {
                    turn.diffs.push((Arc::clone(topic), message.clone()));
                }
                turn.tally.diffs += 1;
                self.ring.push(message);
                self.pass.want();
                self.drop_outdated_state(turn.settings);
                self.trim();
            }
            if is_all {
                self.batch = None;
                let seq = self.seq();
                self.building.iter_mut().for_each(|building| _ = building.seq.get_or_insert(seq));
            } else if !is_message || turn.budget == 0 {
                return;
            }
        }
    }

    /// Tells watches that there is something.
    fn pass(&mut self, (shard, topic): (u16, u32), turn: &mut Turn<'_>) {
        let mut slots = Vec::new();
        while self.pass.is_under_way && turn.budget > 0 {
            let most = turn.budget.min(WATCHES_AT_ONCE);
            let next = self.watches.visit(self.pass.cursor, most, |slot, _| slots.push(slot));
            turn.budget -= slots.len().max(1);
            for slot in slots.drain(..) {
                let place = Place { shard, topic, watch: slot };
                let gives_up = self.charge(slot, turn.settings);
                let Some(Some(watch)) = self.watches.get_mut(slot) else { continue };
                // Who has to take a state is asked to come, and has one made when it does.
                let wake = if gives_up { watch.announce(place) } else { self.nudge(place) };
                turn.wakes.extend(wake);
            }
            match next {
                Some(next) => self.pass.cursor = next,
                None => self.pass = Pass { is_under_way: self.pass.again, again: false, cursor: 0 },
            }
        }
    }

    /// Notes what a watcher is owed since diffs were made. Returns whether that is too much: it is to take a state instead.
    fn charge(&mut self, slot: u32, settings: Settings) -> bool {
        let seq = self.seq_wanted(settings);
        let Some(Some(watch)) = self.watches.get_mut(slot) else { return false };
        let added = self.ring.end().saturating_sub(watch.owed_to);
        let allowance = match &watch.position {
            Position::Waiting { .. } => return false,
            Position::Reading(state, _) => state.bytes,
            Position::Following => 0,
        };
        if added == 0 {
            return false;
        }
        let sum = watch.watcher.owe(added);
        watch.owed_to = self.ring.end();
        let owed = watch.owed_to - self.ring.offset(watch.at);
        // Who was owed nothing before had no time to take it.
        if sum <= settings.backlog_bytes || sum == added || owed <= allowance {
            return false;
        }
        watch.watcher.settle(owed);
        self.ring.leave(watch.at);
        watch.position = Position::Waiting { seq: seq.max(watch.at - 1), again: true };
        self.waiting += 1;
        self.trim();
        true
    }

    /// Encodes a state.
    fn build(&mut self, topic: &str, groups: &Slots<Group>, turn: &mut Turn<'_>) {
        let Some(building) = &mut self.building else { return };
        let Some(state) = building.step(topic, groups, &mut turn.budget) else { return };
        turn.tally.states += 1;
        self.building = None;
        self.state = Some(Arc::new(state));
        (self.state_used, self.state_until) = (false, turn.now_ms + STATE_KEPT_MS);
        self.drop_outdated_state(turn.settings);
        self.pass.want();
        self.trim();
    }

    /// Gives a watcher what it has room for. Returns whether there is more.
    pub fn take(&mut self, topic: &str, slot: u32, watcher: u64, taker: &mut Taker<'_>) -> bool {
        let coming = self.coming();
        let Some(Some(watch)) = self.watches.get_mut(slot) else { return false };
        // A slot that has changed hands.
        if watch.watcher.id() != watcher {
            return false;
        }
        if let Position::Waiting { seq, again } = watch.position {
            let Some(state) = self.state.as_ref().filter(|state| state.seq >= seq) else {
                watch.is_ready = false;
                self.is_wanted |= coming.is_none_or(|coming| coming < seq);
                return false;
            };
            watch.at = state.seq + 1;
            watch.owed_to = self.ring.offset(watch.at);
            watch.position = Position::Reading(Arc::clone(state), 0);
            self.ring.enter(watch.at);
            self.waiting -= 1;
            self.state_used = true;
            taker.tally.states_taken += 1;
            taker.tally.states_resent += u64::from(again);
        }
        let more = watch.take(topic, &mut self.ring, taker);
        self.trim();
        more
    }

    /// The `seq` from which on a state will do for somebody who comes now.
    fn seq_wanted(&self, settings: Settings) -> u64 {
        let current = self.state.as_ref().filter(|state| self.is_current(state, settings));
        current.map(|state| state.seq).or(self.coming()).unwrap_or(self.seq())
    }

    /// Whether those who come now take this state: it is of the last diff, or large, and what was told since is little.
    fn is_current(&self, state: &State, settings: Settings) -> bool {
        let since = self.ring.end() - self.ring.offset(state.seq + 1);
        let most = state.bytes.min(settings.backlog_bytes) / 2;
        since == 0 || (state.bytes > SMALL_STATE_BYTES && since <= most)
    }

    /// The `seq` of the state that there is.
    fn kept(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.seq)
    }

    /// The `seq`, at least, of the state that is being encoded.
    fn coming(&self) -> Option<u64> {
        self.building.as_ref().map(|building| building.seq.unwrap_or(self.seq()))
    }

    /// Drops a state that is of no use to those who come now, unless somebody waits who has not had the time to take it.
    fn drop_outdated_state(&mut self, settings: Settings) {
        let Some(state) = self.state.as_ref().filter(|state| !self.is_current(state, settings)) else {
            return;
        };
        let since = self.ring.end() - self.ring.offset(state.seq + 1);
        if self.waiting == 0 || since > SMALL_STATE_BYTES.max(state.bytes) {
            self.drop_state();
        }
    }

    fn drop_unused_state(&mut self, now_ms: u64) {
        if self.state.is_some() && now_ms >= self.state_until {
            self.state_until = now_ms + STATE_KEPT_MS;
            if !mem::take(&mut self.state_used) {
                self.drop_state();
            }
        }
    }

    fn drop_state(&mut self) {
        self.state = None;
        self.trim();
        if self.waiting > 0 {
            // Who was told of it and has not come asks for another one; who was not told yet is looked after.
            self.pass.want();
        }
    }

    /// Frees the diffs that nobody will take: those who wait take the ones behind the state that they get.
    fn trim(&mut self) {
        let coming = self.building.as_ref().and_then(|building| building.seq);
        let seq = self.kept().into_iter().chain(coming).min();
        self.ring.trim(seq.map_or(u64::MAX, |seq| seq + 1));
    }
}

/// What it costs to write so many bytes about a member.
fn cost(bytes: usize) -> usize {
    1 + bytes / BYTES_PER_UNIT
}

/// A message as it is delivered: with the line end that stands behind it.
fn finish(mut message: Vec<u8>) -> Bytes {
    message.extend_from_slice(b"\r\n");
    Bytes::from(message)
}

#[cfg(test)]
mod tests;
