//! The task that does what presence does by itself: what is due, and what is left of something large.
//!
//! Owns the wait. What is done is the broker's. Each turn is bounded, and after each it lets others
//! run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::Shared;
use super::client::WAKES_PER_TURN;
use super::cluster::ROOM_MS;
use crate::broker::peers::Sent;

/// Milliseconds that a turn may come late because much is to be done. When it is later, this process has stood still: it was
/// stopped, or its machine was, and who was to come back meanwhile could not.
const LATE_MS_MAX: u64 = 1000;

/// Runs for as long as the server.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut ready = VecDeque::new();
    loop {
        let begin = shared.clock.now();
        let mut turn = shared.broker.presence_turn(begin, &mut ready);
        match shared.broker.send_presence() {
            Sent::All => {}
            Sent::More => turn.more = true,
            Sent::Full => turn.next_ms = turn.next_ms.min(begin.monotonic_ms() + ROOM_MS),
        }
        shared.broker.note_turn(0, begin, shared.clock.since(begin));
        if shared.broker.subscriptions.has_fanouts() {
            shared.flush.notify_one();
        }
        while !ready.is_empty() {
            let wakes = ready.len().min(WAKES_PER_TURN);
            ready.drain(..wakes).for_each(Waker::wake);
            yield_now().await;
        }
        if turn.more {
            yield_now().await;
            continue;
        }
        ready = VecDeque::new();
        let left = turn.next_ms.saturating_sub(shared.clock.now().monotonic_ms());
        let _ = timeout(Duration::from_millis(left), shared.presence.notified()).await;
        let late_ms = shared.clock.now().monotonic_ms().saturating_sub(turn.next_ms);
        if late_ms > LATE_MS_MAX {
            shared.broker.presence.handle_lag(late_ms);
        }
    }
}
