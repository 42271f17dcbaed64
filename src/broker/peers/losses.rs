//! What was lost is told to clients of this instance, on a channel of its own, so that an application knows when to look anew at
//! what it has missed.
//!
//! Owns how often: of each peer and reason once in a second, with all that came in between. A peer is named by its node id, and
//! so is this instance, for clients of its own that were too slow. Must not know how much was lost in all.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use super::FANOUT_BUDGET;
use crate::broker::Broker;
use crate::broker::stats::Counter;
use crate::crdt::NodeId;
use crate::pubsub::fanout::Delivery;
use crate::resp::push::FrameBuffer;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::time::Now;

/// How often a loss of the same kind is told at most, in milliseconds.
const INTERVAL_MS: u64 = 1000;

/// Why clients of this instance lost what was queued for them: they were too slow. Their number is told.
pub(in crate::broker) const OUTPUT_LIMIT: &str = "output-limit";

/// What was lost and is not told yet.
#[derive(Default)]
pub(super) struct Untold {
    losses: Mutex<BTreeMap<(NodeId, &'static str), Tally>>,
    has_work: AtomicBool,
}

#[derive(Default)]
struct Tally {
    count: u64,
    /// When it may be told, in milliseconds of the monotonic clock.
    at_ms: u64,
}

impl Untold {
    pub(super) fn note(&self, node: NodeId, reason: &'static str, count: u64) {
        self.losses.lock().entry((node, reason)).or_default().count += count;
        self.has_work.store(true, Ordering::Release);
    }

    pub(super) fn take_work(&self) -> bool {
        self.has_work.load(Ordering::Relaxed) && self.has_work.swap(false, Ordering::AcqRel)
    }

    /// What may be told now, and when there is more.
    fn take(&self, now_ms: u64) -> (Vec<String>, Option<u64>) {
        let mut losses = self.losses.lock();
        let mut events = Vec::new();
        losses.retain(|(node, reason), tally| {
            let is_due = tally.at_ms <= now_ms;
            let lost = tally.count > 0;
            if is_due && lost {
                let count = std::mem::take(&mut tally.count);
                tally.at_ms = now_ms + INTERVAL_MS;
                events.push(format!(r#"{{"peer":"{node}","reason":"{reason}","count":{count}}}"#));
            }
            lost || !is_due
        });
        (events, losses.values().map(|tally| tally.at_ms).min())
    }
}

impl Broker {
    /// Tells what was lost, as far as it is due. `ready` gets who must be woken. Returns when there is more, in milliseconds of the
    /// monotonic clock.
    pub fn tell_losses(&self, now: Now, ready: &mut VecDeque<Waker>) -> Option<u64> {
        let (events, next_ms) = self.peers.untold.take(now.monotonic_ms());
        let (mut overflowed, mut frame) = (Vec::new(), FrameBuffer::default());
        let mut delivery = Delivery {
            limit: self.config().client_output_buffer_limit.pubsub,
            now,
            ready,
            overflowed: &mut overflowed,
            frame: &mut frame,
            budget: FANOUT_BUDGET,
            delivered: 0,
            lost: 0,
            forward: 0,
        };
        for event in events {
            self.subscriptions.publish_loss(event.as_bytes(), &mut delivery);
        }
        self.stats.add(0, Counter::MessagesDelivered, delivery.delivered);
        self.report_overflows(&mut overflowed);
        next_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_at_once_and_then_once_a_second() {
        let untold = Untold::default();
        untold.note(NodeId(2), "limit", 3);
        untold.note(NodeId(2), "reconnect", 1);
        assert!(untold.take_work());
        assert!(!untold.take_work());
        let (events, next) = untold.take(5);
        assert_eq!(
            events,
            [
                r#"{"peer":"0000000000000002","reason":"limit","count":3}"#,
                r#"{"peer":"0000000000000002","reason":"reconnect","count":1}"#,
            ]
        );
        assert_eq!(next, Some(1005));
        untold.note(NodeId(2), "limit", 4);
        untold.note(NodeId(2), "limit", 5);
        assert_eq!(untold.take(1004), (Vec::new(), Some(1005)));
        let (events, next) = untold.take(1005);
        assert_eq!(events, [r#"{"peer":"0000000000000002","reason":"limit","count":9}"#]);
        assert_eq!(next, Some(2005));
        assert_eq!(untold.take(2005), (Vec::new(), None));
    }
}
