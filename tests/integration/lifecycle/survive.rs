//! Faults that must stay where they are: a panic in one connection, no descriptors left for new ones.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{Protocol, Server, both_protocols_with, differs_from_oracle, eventually};

const PANICS: &str = "DEBUG PANIC ends the process there";

#[test]
fn a_panic_ends_its_own_connection_only() {
    if differs_from_oracle(PANICS) {
        return;
    }
    both_protocols_with(&["--enable-debug-command", "yes"], |server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut other = server.client();
        other.call("PING", "+PONG\r\n");
        for count in 1..=3 {
            let mut victim = server.speaking(protocol);
            victim.command("DEBUG PANIC");
            victim.expect_closed();
            eventually("it is counted", || server.info("client_panics") == count.to_string());
        }
        other.call("PUBLISH a hello", ":1\r\n");
        listener.expect_message("a", "hello");
        // The one that asks is the third.
        eventually("they are not listed any more", || server.info("connected_clients") == "3");
    });
}

#[test]
fn what_a_panicking_client_had_subscribed_to_is_free() {
    if differs_from_oracle(PANICS) {
        return;
    }
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    // Only RESP3 lets a subscriber do this.
    let mut victim = server.speaking(Protocol::Resp3);
    victim.subscribe("SUBSCRIBE", "a", 1);
    victim.subscribe("PSUBSCRIBE", "a*", 2);
    victim.subscribe("SSUBSCRIBE", "a", 1);
    victim.command("DEBUG PANIC");
    victim.expect_closed();
    let mut publisher = server.client();
    eventually("nobody is subscribed any more", || {
        publisher.ask("PUBLISH a x").integer() + publisher.ask("SPUBLISH a x").integer() == 0
    });
    publisher.call("PUBSUB NUMPAT", ":0\r\n");
}

#[test]
fn a_panic_leaves_nothing_to_the_next_client_of_its_thread() {
    if differs_from_oracle(PANICS) {
        return;
    }
    let server = Server::start_with(&["--enable-debug-command", "yes", "--worker-threads", "1"]);
    let mut listener = server.client();
    listener.subscribe("SUBSCRIBE", "a", 1);
    for _ in 0..3 {
        // The message has left the publisher's hands and its receiver is not woken yet; the reply is not sent yet.
        let mut victim = server.client();
        victim.send("PING\r\nPUBLISH a x\r\nDEBUG PANIC\r\n");
        victim.expect_closed();
        let mut next = server.client();
        next.call("PING", "+PONG\r\n");
        next.expect_nothing_more();
        listener.expect_message("a", "x");
    }
}

#[test]
fn debug_is_not_for_everybody() {
    let server = Server::start_with(&["--enable-debug-command", "no"]);
    let mut client = server.client();
    client.call(
        "DEBUG PANIC",
        "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the \
         server.\r\n",
    );
    client.call("PING", "+PONG\r\n");
}

/// The number that the next descriptor of the process will get, which is what a limit is compared with. Not the count:
/// there may be inherited ones with high numbers.
fn next_descriptor(server: &Server) -> u64 {
    let is_open = |number: &u64| {
        // Not followed: what the link of a socket names is no file.
        std::fs::symlink_metadata(format!("/proc/{}/fd/{number}", server.pid())).is_ok()
    };
    (0..).find(|number| !is_open(number)).unwrap()
}

#[test]
fn without_descriptors_for_new_connections_the_others_are_served() {
    let server = Server::start();
    let mut first = server.client();
    first.subscribe("SUBSCRIBE", "a", 1);
    let mut second = server.client();
    second.call("PING", "+PONG\r\n");

    let allowed = next_descriptor(&server) + 10;
    let pid = Pid::from_raw(server.pid() as i32).unwrap();
    let lowered = Rlimit { current: Some(allowed), maximum: Some(allowed) };
    prlimit(Some(pid), Resource::Nofile, lowered).unwrap();

    // The kernel connects them, the server cannot accept more than about ten.
    let mut waiting: Vec<_> = (0..40).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send("PING\r\n");
    }
    for client in &mut waiting[..5] {
        client.expect("+PONG\r\n");
    }
    if !differs_from_oracle("it does not count them") {
        // Asked over a connection that is there already.
        eventually("it is counted", || {
            let told = second.ask("INFO").text();
            let count = told.lines().find_map(|line| line.strip_prefix("accept_errors:"));
            count.expect("accept_errors").trim().parse::<u64>().unwrap() > 0
        });
        // Those who are there are served, and waiting costs little: trying again and again would take a whole core.
        let (began, before) = (Instant::now(), server.processor_time());
        while began.elapsed() < Duration::from_secs(2) {
            second.call("PUBLISH a hello", ":1\r\n");
            first.expect_message("a", "hello");
            std::thread::sleep(Duration::from_millis(20));
        }
        let spent = server.processor_time() - before;
        assert!(spent < began.elapsed() / 2, "{spent:?} in {:?}", began.elapsed());
    }

    // When some leave, those who wait get their turn, and make room for the next.
    for (index, mut client) in waiting.into_iter().enumerate() {
        if index >= 5 {
            client.expect("+PONG\r\n");
        }
    }
    let lines = server.log().len();
    assert!(lines < 1000, "{lines} lines in the log");
}
