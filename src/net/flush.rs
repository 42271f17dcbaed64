//! The task that goes on with what did not fit into one connection's turn.
//!
//! Owns nothing but its place in line: large fan-outs and what gone clients have left behind are the broker's; who has more to
//! fetch waits in [`super::turns`]. Each of
//! its turns is bounded, and after each it lets others run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::task::yield_now;

use super::Shared;
use super::client::WAKES_PER_TURN;
use crate::broker::stats::Counter;
use crate::command::FANOUT_BUDGET;
use crate::pubsub::fanout::Delivery;
use crate::resp::push::FrameBuffer;
use crate::time::Now;

/// Runs for as long as the server.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut ready = VecDeque::new();
    let mut overflowed = Vec::new();
    loop {
        shared.flush.notified().await;
        loop {
            let begin = shared.clock.now();
            let more_fanouts = fan_out(&shared, begin, &mut ready, &mut overflowed);
            let more_cleanup = shared.broker.clean_up(begin);
            shared.note_work();
            shared.broker.note_turn(0, begin, shared.clock.since(begin));
            while !ready.is_empty() {
                let wakes = ready.len().min(WAKES_PER_TURN);
                ready.drain(..wakes).for_each(Waker::wake);
                yield_now().await;
            }
            shared.turns.wake(WAKES_PER_TURN);
            if !more_fanouts && !more_cleanup && shared.turns.is_empty() {
                break;
            }
            yield_now().await;
        }
        ready = VecDeque::new();
    }
}

fn fan_out(shared: &Shared, now: Now, ready: &mut VecDeque<Waker>, overflowed: &mut Vec<u64>) -> bool {
    if !shared.broker.subscriptions.has_fanouts() {
        return false;
    }
    let mut frame = FrameBuffer::default();
    let mut delivery = Delivery {
        limit: shared.broker.config().client_output_buffer_limit.pubsub,
        now,
        ready,
        overflowed,
        frame: &mut frame,
        budget: FANOUT_BUDGET,
        delivered: 0,
        lost: 0,
        forward: 0,
    };
    let more = shared.broker.subscriptions.continue_fanout(&mut delivery, |message, publisher, peers| {
        shared.broker.forward(message, publisher, peers, &mut Vec::new());
    });
    shared.broker.stats.add(0, Counter::MessagesDelivered, delivery.delivered);
    shared.broker.stats.add(0, Counter::PresenceDiffsLost, delivery.lost);
    shared.broker.report_overflows(overflowed);
    more
}
