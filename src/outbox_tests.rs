//! Tests of the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::resp::push::share;

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const UNLIMITED: OutputLimit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_duration: Duration::ZERO };

fn at(seconds: u64) -> Now {
    Now { monotonic: Duration::from_secs(seconds), unix: Duration::ZERO }
}

fn frame(head: &[u8]) -> Frame<'_> {
    Frame { head, head_resp3: None, shared: None }
}

fn push(outbox: &Outbox, head: &[u8]) -> Pushed {
    outbox.push(frame(head), &UNLIMITED, at(0))
}

/// Takes everything, as the owner does.
fn taken(outbox: &Outbox) -> String {
    let mut all = Vec::new();
    loop {
        let mut batch = Batch::default();
        if outbox.take(&mut batch, Waker::noop()) != Taken::Output {
            return String::from_utf8(all).unwrap();
        }
        batch.parts.iter().for_each(|part| all.extend_from_slice(part));
        all.extend_from_slice(&batch.tail);
    }
}

#[test]
fn what_is_pushed_is_taken_in_order() {
    let outbox = Outbox::new(1);
    let shared = share(b"payload");
    push(&outbox, b"*1");
    let _ = outbox.push(Frame { head: b"*2", head_resp3: None, shared: Some(&shared) }, &UNLIMITED, at(0));
    push(&outbox, b"*3");
    let _ = outbox.push(Frame { head: b"*4", head_resp3: None, shared: Some(&shared) }, &UNLIMITED, at(0));
    assert_eq!(outbox.waiting(), 8 + 2 * shared.len());
    assert_eq!(taken(&outbox), "*1*2payload\r\n*3*4payload\r\n");
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn resp3_gets_pushes() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    outbox.set_protocol(Protocol::Resp3);
    push(&outbox, b"*2");
    assert_eq!(taken(&outbox), "*1>2");
}

#[test]
fn the_owner_is_woken_once_until_it_has_looked() {
    let outbox = Outbox::new(1);
    let counting = Arc::new(Counting::default());
    let waker = Waker::from(counting.clone());
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, &waker), Taken::Nothing);
    let Pushed::Wake(waker_out) = push(&outbox, b"*1") else { panic!("the owner sleeps") };
    waker_out.wake();
    assert!(matches!(push(&outbox, b"*2"), Pushed::Queued));
    assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    assert_eq!(outbox.take(&mut batch, &waker), Taken::Output);
    assert!(matches!(push(&outbox, b"*3"), Pushed::Queued), "the owner is awake");
}

#[test]
fn an_owner_that_waits_for_its_socket_is_woken_by_a_close_only() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Output);
    assert_eq!(outbox.blocked(2, Waker::noop(), at(0)), None);
    assert!(matches!(push(&outbox, b"*2"), Pushed::Queued));
    assert!(outbox.close(CloseReason::Killed).is_some());
    assert_eq!(outbox.blocked(2, Waker::noop(), at(0)), Some(CloseReason::Killed));
}

#[test]
fn held_messages_come_behind_the_replies() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    outbox.hold();
    push(&outbox, b"*2");
    let _ =
        outbox.push(Frame { head: b"*3", head_resp3: None, shared: Some(&share(b"x")) }, &UNLIMITED, at(0));
    push(&outbox, b"*4");
    assert_eq!(outbox.push_replies(b":1\r\n", &UNLIMITED, at(0)), Ok(2 + 2 + 2 + 3 + 2 + 4));
    assert_eq!(outbox.waiting(), 2 + 2 + 2 + 3 + 2 + 4);
    outbox.release();
    push(&outbox, b"*5");
    assert_eq!(taken(&outbox), "*1:1\r\n*2*3x\r\n*4*5");
}

#[test]
fn at_the_hard_limit_the_queue_is_dropped_and_one_caller_is_told() {
    let outbox = Outbox::new(1);
    let limit = OutputLimit { hard_bytes: 10, ..UNLIMITED };
    assert!(matches!(outbox.push(frame(b"*23456789"), &limit, at(0)), Pushed::Queued));
    assert!(matches!(outbox.push(frame(b"*"), &limit, at(0)), Pushed::Overflow(None)));
    assert!(matches!(outbox.push(frame(b"*"), &limit, at(0)), Pushed::Closed));
    assert_eq!(outbox.waiting(), 0);
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Closed(CloseReason::OutputLimit));
}

#[test]
fn replies_have_a_limit_too() {
    let outbox = Outbox::new(1);
    let limit = OutputLimit { hard_bytes: 10, ..UNLIMITED };
    assert_eq!(outbox.push_replies(b"123456789", &limit, at(0)), Ok(9));
    assert_eq!(outbox.push_replies(b"1", &limit, at(0)), Err(Refused::Overflow));
    assert_eq!(outbox.push_replies(b"1", &limit, at(0)), Err(Refused::Closed));
}

#[test]
fn what_the_socket_has_not_taken_counts() {
    let outbox = Outbox::new(1);
    let limit = OutputLimit { hard_bytes: 10, ..UNLIMITED };
    let mut batch = Batch::default();
    push(&outbox, b"*2345678");
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Output);
    assert_eq!(outbox.blocked(8, Waker::noop(), at(0)), None);
    assert!(matches!(outbox.push(frame(b"*"), &limit, at(0)), Pushed::Queued));
    assert!(matches!(outbox.push(frame(b"*"), &limit, at(0)), Pushed::Overflow(_)));
}

#[test]
fn the_soft_limit_counts_time_without_a_break() {
    let limit = OutputLimit { hard_bytes: 0, soft_bytes: 4, soft_duration: Duration::from_secs(60) };
    let outbox = Outbox::new(1);
    let _ = outbox.push(frame(b"*234"), &limit, at(0));
    assert!(outbox.check_limit(&limit, at(60)).is_none(), "not longer than allowed");
    taken(&outbox);
    assert!(outbox.check_limit(&limit, at(61)).is_none(), "below in between");
    let _ = outbox.push(frame(b"*234"), &limit, at(100));
    assert!(outbox.check_limit(&limit, at(160)).is_none());
    assert!(outbox.check_limit(&limit, at(161)).is_some());
    assert!(outbox.check_limit(&limit, at(162)).is_none(), "told once");
}

#[test]
fn a_stall_is_output_of_which_nothing_is_taken() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*2345678");
    assert_eq!(outbox.stalled_for(at(5)), None);
    let mut batch = Batch::default();
    let _ = outbox.take(&mut batch, Waker::noop());
    let _ = outbox.blocked(8, Waker::noop(), at(10));
    assert_eq!(outbox.stalled_for(at(15)), Some(Duration::from_secs(5)));
    let _ = outbox.blocked(8, Waker::noop(), at(16));
    assert_eq!(outbox.stalled_for(at(17)), Some(Duration::from_secs(7)), "nothing was taken");
    let _ = outbox.blocked(4, Waker::noop(), at(18));
    assert_eq!(outbox.stalled_for(at(19)), Some(Duration::from_secs(1)), "four bytes were");
}

#[test]
fn a_stopping_server_lets_output_out_first() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    let _ = outbox.close(CloseReason::Shutdown);
    assert!(matches!(push(&outbox, b"*2"), Pushed::Closed));
    assert_eq!(taken(&outbox), "*1");
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Closed(CloseReason::Shutdown));
}

#[test]
fn the_end_of_a_fan_out_wakes_the_publisher() {
    let outbox = Outbox::new(1);
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing);
    assert!(!outbox.is_completed());
    assert!(outbox.complete(7).is_some());
    assert!(outbox.is_completed());
    assert_eq!(outbox.take_completion(), Some(7));
    assert_eq!(outbox.take_completion(), None);
}

#[test]
fn who_sleeps_is_nudged_once_and_told_that_there_is_more() {
    let outbox = Outbox::new(1);
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing);
    assert!(outbox.nudge().is_some());
    assert!(outbox.nudge().is_none(), "the owner is awake");
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    assert!(batch.is_empty());
    outbox.fetched(0, false);
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing, "told once");
}

#[test]
fn what_is_fetched_stands_behind_what_is_queued_and_is_fetched_until_there_is_no_more() {
    let outbox = Outbox::new(1);
    let shared = share(b"large");
    push(&outbox, b"*1");
    assert!(outbox.nudge().is_none());
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    batch.append(frame(b"*2"), Protocol::Resp3);
    batch.append(Frame { head: b"*3", head_resp3: None, shared: Some(&shared) }, Protocol::Resp2);
    batch.append(frame(b"*4"), Protocol::Resp2);
    assert_eq!(batch.len(), 8 + shared.len());
    outbox.fetched(6 + shared.len(), true);
    assert_eq!(outbox.waiting(), 8 + shared.len());
    let written: Vec<u8> = batch.parts.drain(..).flatten().chain(std::mem::take(&mut batch.tail)).collect();
    assert_eq!(written, b"*1>2*3large\r\n*4");
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    outbox.fetched(0, false);
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing);
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn nothing_is_fetched_while_the_owner_holds() {
    let outbox = Outbox::new(1);
    let mut batch = Batch::default();
    outbox.hold();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing);
    assert!(outbox.nudge().is_none(), "it could do nothing yet");
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Nothing);
    assert_eq!(outbox.push_replies(b":1\r\n", &UNLIMITED, at(0)), Ok(4));
    outbox.release();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    assert_eq!(batch.tail, b":1\r\n");
}

#[test]
fn an_owner_that_waits_for_its_socket_is_not_nudged_and_fetches_afterwards() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Output);
    assert_eq!(outbox.blocked(2, Waker::noop(), at(0)), None);
    assert!(outbox.nudge().is_none());
    batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
}

#[test]
fn what_was_fetched_is_in_no_limit_but_stalls() {
    let outbox = Outbox::new(1);
    let limit = OutputLimit { hard_bytes: 10, soft_bytes: 4, soft_duration: Duration::ZERO };
    push(&outbox, b"*2");
    assert!(outbox.nudge().is_none());
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    outbox.fetched(1000, true);
    assert_eq!(outbox.blocked(1002, Waker::noop(), at(1)), None);
    assert_eq!(outbox.waiting(), 1002, "memory that it takes");
    assert!(outbox.check_limit(&limit, at(2)).is_none());
    assert_eq!(outbox.blocked(990, Waker::noop(), at(3)), None);
    assert!(outbox.check_limit(&limit, at(3)).is_none());
    assert_eq!(outbox.stalled_for(at(4)), Some(Duration::from_secs(1)));
    assert!(matches!(outbox.push(frame(b"*23456789"), &UNLIMITED, at(4)), Pushed::Queued));
    assert!(matches!(outbox.push(frame(b"*"), &limit, at(4)), Pushed::Overflow(_)), "what is queued is");
}

#[test]
fn who_closes_fetches_nothing() {
    let outbox = Outbox::new(1);
    let mut batch = Batch::default();
    assert!(outbox.nudge().is_none());
    let _ = outbox.close(CloseReason::Shutdown);
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Closed(CloseReason::Shutdown));
}

/// Every connection has one: with its counters it fills an allocator's block of 160 bytes.
#[test]
#[cfg(not(feature = "shuttle"))]
fn an_outbox_is_small() {
    assert_eq!(size_of::<Outbox>(), 144);
}

#[test]
fn what_stands_behind_a_barrier_waits_until_it_is_lowered() {
    let outbox = Outbox::new(1);
    push(&outbox, b"*1");
    outbox.raise();
    assert_eq!(outbox.push_replies(b"+2\r\n", &UNLIMITED, at(0)), Ok(6));
    outbox.hold();
    push(&outbox, b"*4");
    assert_eq!(outbox.push_replies(b"+3\r\n", &UNLIMITED, at(0)), Ok(12));
    outbox.release();
    outbox.raise();
    outbox.seal();
    assert_eq!(taken(&outbox), "*1");
    let mut batch = Batch::default();
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Behind);
    assert!(matches!(push(&outbox, b"*5"), Pushed::Queued), "the owner can do nothing with it");
    assert!(outbox.nudge().is_none());
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Behind, "nothing is fetched past it");
    assert_eq!(outbox.usage(), Usage { pieces: 1, bytes: 12, is_blocked: false });
    assert!(outbox.lower().is_some());
    assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::More);
    assert_eq!(batch.tail, b"+2\r\n+3\r\n*4*5");
    assert!(outbox.lower().is_none());
}

#[test]
fn barriers_are_lowered_in_their_order() {
    let outbox = Outbox::new(1);
    for reply in ["+1", "+2"] {
        outbox.raise();
        outbox.push_replies(reply.as_bytes(), &UNLIMITED, at(0)).unwrap();
        outbox.seal();
    }
    push(&outbox, b"*3");
    let _ = outbox.lower();
    assert_eq!(taken(&outbox), "+1");
    assert_eq!(outbox.waiting(), 4);
    let _ = outbox.lower();
    assert_eq!(taken(&outbox), "+2*3");
    push(&outbox, b"*4");
    assert_eq!(taken(&outbox), "*4");
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn what_stands_behind_a_barrier_is_in_the_limit_and_goes_out_when_the_server_stops() {
    let limit = OutputLimit { hard_bytes: 10, ..UNLIMITED };
    let outbox = Outbox::new(1);
    outbox.raise();
    outbox.push_replies(b"+2345678", &limit, at(0)).unwrap();
    outbox.seal();
    let _ = outbox.close(CloseReason::Shutdown);
    assert_eq!(taken(&outbox), "+2345678");
    let outbox = Outbox::new(1);
    outbox.raise();
    outbox.push_replies(b"+2345678", &limit, at(0)).unwrap();
    assert!(matches!(outbox.push(frame(b"*2"), &limit, at(0)), Pushed::Overflow(None)));
    assert_eq!(outbox.waiting(), 0);
    assert_eq!(outbox.closed(), Some(CloseReason::OutputLimit));
    assert!(outbox.lower().is_none());
}
