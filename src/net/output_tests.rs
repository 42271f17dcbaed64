//! Tests of the output: what is fetched, when, and behind what.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::*;
use crate::config::OutputLimit;
use crate::resp::Protocol;
use crate::resp::push::{Frame, share};
use crate::time::Now;

/// A socket that takes so many bytes and then no more.
#[derive(Default)]
struct Socket {
    written: Vec<u8>,
    room: usize,
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Poll::Pending;
        }
        self.room -= count;
        self.written.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An owner with pieces to fetch, each a frame.
struct Owner {
    outbox: Outbox,
    output: Output,
    turns: Turns,
    socket: Socket,
    clock: Clock,
    pieces: Vec<String>,
    wakes: Arc<Counting>,
}

impl Owner {
    fn new(room: usize, pieces: usize) -> Self {
        Owner {
            outbox: Outbox::new(1),
            output: Output::default(),
            turns: Turns::default(),
            socket: Socket { room, ..Socket::default() },
            clock: Clock::start(),
            pieces: (0..pieces).rev().map(|number| format!("*piece{number}")).collect(),
            wakes: Arc::default(),
        }
    }

    fn push(&self, text: &str) {
        let unlimited = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_duration: Duration::ZERO };
        let now = Now { monotonic: Duration::ZERO, unix: Duration::ZERO };
        drop(self.outbox.push(
            Frame { head: text.as_bytes(), head_resp3: None, shared: None },
            &unlimited,
            now,
        ));
    }

    /// Nothing while it is pending.
    fn poll(&mut self) -> Option<Taken> {
        let waker = Waker::from(self.wakes.clone());
        let Owner { outbox, output, turns, socket, clock, pieces, .. } = self;
        let fetch = |batch: &mut Batch| {
            if let Some(piece) = pieces.pop() {
                batch.append(
                    Frame { head: piece.as_bytes(), head_resp3: None, shared: None },
                    Protocol::Resp2,
                );
            }
            !pieces.is_empty()
        };
        let mut context = Context::from_waker(&waker);
        let source = Source { outbox, clock, turns };
        match output.poll_flush(socket, source, &mut context, fetch, |_| ()) {
            Poll::Ready(taken) => Some(taken.unwrap()),
            Poll::Pending => None,
        }
    }

    fn written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.socket.written)).unwrap()
    }
}

#[test]
fn pieces_are_fetched_behind_the_queue_and_others_have_their_turn_in_between() {
    let mut owner = Owner::new(usize::MAX, 4);
    owner.push("*queued");
    assert!(owner.outbox.nudge().is_none());
    assert_eq!(owner.poll(), None);
    assert_eq!(owner.written(), "*queued*piece0*piece1");
    assert_eq!((owner.output.waits(), owner.wakes.0.load(Ordering::Relaxed)), (true, 0));
    owner.turns.wake(9);
    assert_eq!(owner.wakes.0.load(Ordering::Relaxed), 1);
    owner.push("*later");
    assert_eq!(owner.poll(), Some(Taken::Nothing));
    assert_eq!(owner.written(), "*later*piece2*piece3");
    assert_eq!((owner.output.waits(), owner.turns.is_empty()), (false, true));
    assert_eq!(owner.outbox.waiting(), 0);
}

#[test]
fn who_has_something_to_fetch_stands_in_line_and_writes_what_is_queued() {
    let mut owner = Owner::new(usize::MAX, 1);
    owner.turns.wait(Waker::noop());
    owner.push("*queued");
    assert!(owner.outbox.nudge().is_none());
    assert_eq!(owner.poll(), None);
    assert_eq!(owner.written(), "*queued");
    owner.turns.wake(1);
    assert_eq!(owner.wakes.0.load(Ordering::Relaxed), 0, "it is the other one's turn");
    owner.turns.wake(1);
    assert_eq!(owner.wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(owner.poll(), Some(Taken::Nothing));
    assert_eq!(owner.written(), "*piece0");
}

#[test]
fn a_full_socket_has_one_piece_waiting_and_no_more() {
    let mut owner = Owner::new(3, 100);
    assert!(owner.outbox.nudge().is_none());
    for written in ["*pi", "ece", "0*p", "iec"] {
        assert_eq!(owner.poll(), None);
        assert_eq!(owner.written(), written);
        assert!(owner.outbox.waiting() <= "*piece0".len());
        owner.socket.room = 3;
    }
    assert_eq!(owner.pieces.len(), 98);
    assert_eq!(owner.wakes.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_queue_that_is_never_empty_keeps_no_piece_back() {
    let mut owner = Owner::new(0, 3);
    owner.push("*a");
    assert!(owner.outbox.nudge().is_none());
    assert_eq!(owner.poll(), None);
    let mut written = String::new();
    for _ in 0..3 {
        owner.push("*b");
        owner.socket.room = "*a*piece0".len();
        assert_eq!(owner.poll(), None);
        written += &owner.written();
    }
    assert_eq!(written, "*a*piece0*b*piece1*b*piece2");
}

#[test]
fn a_promise_of_more_without_a_piece_is_no_busy_loop() {
    let mut owner = Owner::new(usize::MAX, 0);
    assert!(owner.outbox.nudge().is_none());
    let waker = Waker::noop();
    let Owner { outbox, output, turns, socket, clock, .. } = &mut owner;
    let mut asked = 0;
    let fetch = |_: &mut Batch| {
        asked += 1;
        true
    };
    let mut context = Context::from_waker(waker);
    let source = Source { outbox, clock, turns };
    let polled = output.poll_flush(socket, source, &mut context, fetch, |_| ());
    assert!(matches!(polled, Poll::Ready(Ok(Taken::Nothing))));
    assert_eq!(asked, 1);
}

#[test]
fn large_payloads_are_fetched_by_reference() {
    let mut batch = Batch::default();
    let shared = share(&[b'x'; 100]);
    batch.append(Frame { head: b"*1", head_resp3: None, shared: Some(&shared) }, Protocol::Resp2);
    assert_eq!(batch.parts[1].as_ptr(), shared.as_ptr());
}
