//! What every integration test needs: a server process, a client that speaks raw bytes, a reader for replies, and the
//! choice of RESP2 or RESP3. It knows nothing of what is tested. Start with `Server::start` and `Client::call`.

mod client;
mod machine;
mod running;
mod server;
mod value;

pub(crate) use client::{Client, DEADLINE, Socket, encode, message};
pub(crate) use machine::{Directory, installed, outer_address, raise_descriptor_limit, unavailable};
pub(crate) use running::Running;
pub(crate) use server::{Server, free_port, oracle, port_in};
pub(crate) use value::Value;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The protocol a client has chosen with HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

impl Protocol {
    /// The bytes of "nothing": a null bulk string in RESP2, a null in RESP3.
    pub(crate) fn null(self) -> &'static str {
        match self {
            Protocol::Resp2 => "$-1\r\n",
            Protocol::Resp3 => "_\r\n",
        }
    }

    /// The first byte of what a server sends unasked.
    pub(crate) fn push(self) -> char {
        match self {
            Protocol::Resp2 => '*',
            Protocol::Resp3 => '>',
        }
    }
}

/// Runs the body with a server and a protocol, once for each protocol.
#[track_caller]
pub(crate) fn both_protocols(body: impl Fn(&Server, Protocol)) {
    both_protocols_with(&[], body);
}

/// The same with flags for the server.
#[track_caller]
pub(crate) fn both_protocols_with(flags: &[&str], body: impl Fn(&Server, Protocol)) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        // Captured by the test harness and shown when the body fails.
        println!("with {protocol:?}");
        body(&Server::start_with(flags), protocol);
    }
}

/// True, and says so, when the tests run against Redis itself and this one is about something that we do differently on
/// purpose. The reason given is the list of these differences.
pub(crate) fn differs_from_oracle(reason: &str) -> bool {
    let skip = oracle().is_some();
    if skip {
        println!("not asked of the oracle: {reason}");
    }
    skip
}

/// Runs the body while publishers send these lines over and over.
pub(crate) fn while_publishing(server: &Server, publishers: usize, lines: &str, body: impl FnOnce()) {
    struct StopInTheEnd<'a>(&'a AtomicBool);
    impl Drop for StopInTheEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when the body fails: the scope waits for the publishers.
        let _stop = StopInTheEnd(&stopped);
        for _ in 0..publishers {
            scope.spawn(|| {
                let mut publisher = server.client();
                while !stopped.load(Ordering::Relaxed) {
                    publisher.send(lines);
                    for _ in lines.lines() {
                        publisher.value();
                    }
                }
            });
        }
        body();
    });
}

/// Waits for something that no event tells about. `what` is what the failure says.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "did not happen within {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
