//! What each call of a command comes to: its counts and its time, the slow log, the latency monitor.
//!
//! Owns when a call begins and ends. What a command does while it waits does not count, only the turns in which it
//! works; a burst of publishes is timed as a whole, and each of them has its share. The clock is read once for most
//! commands: one begins where the one before it ended. The numbers are the broker's.

use std::time::Duration;

use super::redact::redact;
use super::table::{self, Found};
use super::{Context, Flags, Row, Workspace};
use crate::broker::slow_log::{Entry, clip, clip_name};
use crate::resp::request::Request;
use crate::time::Now;

/// A call that goes on in another turn.
pub(super) struct Call {
    number: u16,
    /// Several, if they are the publishes of a burst.
    calls: usize,
    /// How long they have worked so far.
    pub(super) spent: Duration,
    /// What the slow log shows of each; nothing if it is off.
    shown: Vec<Vec<Vec<u8>>>,
}

impl Workspace {
    /// A turn with this budget begins now.
    pub fn begin_turn(&mut self, budget: usize, now: Now) {
        self.budget = budget;
        self.ended = Some(now.monotonic);
    }
}

impl Context<'_> {
    /// When the call that is now begun began. Nothing if it joins a burst, which is timed as a whole.
    pub(super) fn begin(&mut self) -> Option<Duration> {
        if !self.workspace.burst.is_empty() {
            return None;
        }
        Some(self.workspace.ended.take().unwrap_or_else(|| (self.broker.identity.monotonic)()))
    }

    /// How long it is ago that a call, or its turn, began.
    pub(super) fn since(&mut self, began: Option<Duration>) -> Duration {
        let Some(began) = began else { return Duration::ZERO };
        let ended = (self.broker.identity.monotonic)();
        self.workspace.ended = Some(ended);
        ended.saturating_sub(began)
    }

    /// A handler has returned, and there is no more to do.
    pub(super) fn ended(
        &mut self,
        found: Found,
        began: Option<Duration>,
        request: Request<'_>,
        failed: bool,
    ) {
        if !self.workspace.burst.is_empty() && !failed {
            // It was a publish, which is done when its burst is.
            self.workspace.gathered = self.workspace.gathered.or(Some((found.number, began)));
            return;
        }
        let spent = self.since(began);
        self.account(found, spent, request, failed);
    }

    /// A handler has returned, and there is more to do.
    pub(super) fn interrupted(
        &mut self,
        found: Found,
        began: Option<Duration>,
        request: Request<'_>,
    ) -> Call {
        let spent = self.since(began);
        let is_logged = self.slower_than(found.row).is_some();
        let shown = is_logged.then(|| show(found.row, request.arguments_from(0).collect()));
        Call { number: found.number, calls: 1, spent, shown: shown.into_iter().collect() }
    }

    /// What was interrupted has ended.
    pub(super) fn call_ended(&mut self, call: &mut Call, failed: bool) {
        let Some(row) = table::row(call.number) else { return };
        if let Some(each) = self.count(row, call.number, call.calls, call.spent, failed) {
            call.shown.drain(..).for_each(|arguments| self.log(arguments, each));
        }
    }

    /// The burst is delivered.
    pub(super) fn burst_ended(&mut self) {
        let Some((row, number, spent)) = self.burst_spent() else { return };
        let calls = self.workspace.burst.len();
        if let Some(each) = self.count(row, number, calls, spent, false) {
            let burst = std::mem::take(&mut self.workspace.burst);
            burst.requests().for_each(|request| self.log(show(row, request.to_vec()), each));
            self.workspace.burst = burst;
        }
    }

    /// The burst goes on in another turn.
    pub(super) fn burst_interrupted(&mut self) -> Call {
        let calls = self.workspace.burst.len();
        let Some((row, number, spent)) = self.burst_spent() else {
            return Call { number: u16::MAX, calls, spent: Duration::ZERO, shown: Vec::new() };
        };
        let mut shown = Vec::new();
        if self.slower_than(row).is_some() {
            shown = self.workspace.burst.requests().map(|request| show(row, request.to_vec())).collect();
        }
        Call { number, calls, spent, shown }
    }

    fn burst_spent(&mut self) -> Option<(&'static Row, u16, Duration)> {
        let (number, began) = self.workspace.gathered.take()?;
        let spent = self.since(began);
        Some((table::row(number)?, number, spent))
    }

    /// Counts a call that has ended, and logs it if it was slow.
    pub(super) fn account(&mut self, found: Found, spent: Duration, request: Request<'_>, failed: bool) {
        if let Some(each) = self.count(found.row, found.number, 1, spent, failed) {
            self.log(show(found.row, request.arguments_from(0).collect()), each);
        }
    }

    /// A script has published to one channel. Its own call has the time as well.
    pub(super) fn published_by_script(&mut self, began: Option<Duration>) {
        let spent = self.since(began);
        let Some(publish) = table::find(b"publish") else { return };
        let executing = std::mem::replace(&mut self.executing, true);
        self.count(publish.row, publish.number, 1, spent, false);
        self.executing = executing;
    }

    /// Counts calls that took so long together. Returns how long each took if that is to be logged.
    fn count(
        &mut self,
        row: &Row,
        number: u16,
        calls: usize,
        spent: Duration,
        failed: bool,
    ) -> Option<Duration> {
        // Whole divisions of durations would cost more than all the rest.
        let each = if calls == 1 { spent } else { spent / u32::try_from(calls).unwrap_or(u32::MAX).max(1) };
        let tracked = self.session.config().latency_tracking;
        let counts = &mut self.workspace.counts;
        counts.commands += calls as u64;
        counts.by_command.called(number, calls as u64, each, failed, tracked);
        if !self.executing {
            counts.command_ns += spent.as_nanos() as u64;
        }
        if counts.by_command.is_full() {
            self.broker.stats.commands.add(self.session.id(), &mut counts.by_command);
        }
        let threshold = self.session.config().latency_monitor_threshold;
        if threshold > 0 {
            let event = if row.flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.broker.note_latency(event, self.now, each, threshold);
        }
        let slow = self.slower_than(row).is_some_and(|limit| each >= Duration::from_micros(limit));
        slow.then_some(each)
    }

    /// From how many microseconds on a command is logged.
    fn slower_than(&self, row: &Row) -> Option<u64> {
        let limit = u64::try_from(self.session.config().slowlog_log_slower_than).ok();
        limit.filter(|_| !row.flags.has(Flags::SKIP_SLOWLOG))
    }

    fn log(&self, arguments: Vec<Vec<u8>>, took: Duration) {
        let client = &self.session.client;
        let entry = Entry {
            id: 0,
            unix_seconds: self.now.unix_seconds(),
            microseconds: took.as_micros() as u64,
            arguments,
            address: client.address.to_string(),
            name: clip_name(client.names().name),
        };
        self.broker.slow_log.push(entry, self.session.config().slowlog_max_len);
    }

    /// Adds what the turn came to so far to the statistics, for who is about to look at them or to reset them.
    pub(super) fn settle(&mut self) {
        self.broker.stats.add_turn(self.session.id(), &mut self.workspace.counts);
    }

    /// The same when there are so many kinds of errors that it is time.
    pub(super) fn settle_if_full(&mut self) {
        if self.workspace.counts.by_error.is_full() {
            self.settle();
        }
    }
}

fn show(row: &Row, mut arguments: Vec<&[u8]>) -> Vec<Vec<u8>> {
    redact(row, &mut arguments);
    clip(arguments.into_iter())
}
