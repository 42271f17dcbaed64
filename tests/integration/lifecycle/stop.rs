//! Stopping: what was promised is delivered, what is new is refused, and the process ends with 0.

use std::net::TcpStream;

use rustix::process::Signal;

use crate::support::{Client, Protocol, Server, differs_from_oracle, eventually, oracle};

#[test]
fn a_signal_ends_the_process_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let mut client = server.client();
        client.call("PING", "+PONG\r\n");
        server.signal(signal);
        client.expect_closed();
        assert_eq!(server.wait_for_exit().code(), Some(0));
        assert!(TcpStream::connect(server.address()).is_err());
    }
}

#[test]
fn without_clients_too() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        server.signal(signal);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn what_was_published_is_delivered_before_the_end() {
    if differs_from_oracle("it closes at once") {
        return;
    }
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        // As long as the test waits for anything.
        let mut server = Server::start_with(&["--shutdown-timeout", "60"]);
        let mut slow = Client::connect_slow(server.address(), "reads-later").speak(protocol);
        slow.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.client();
        let payload = "x".repeat(100_000);
        // More than the kernel takes, less than the limit for a subscriber.
        for number in 0..200 {
            publisher.call(&format!("PUBLISH a {number}-{payload}"), ":1\r\n");
        }
        server.signal(Signal::TERM);
        // The server has heard the signal when it refuses new connections.
        eventually("no more is accepted", || TcpStream::connect(server.address()).is_err());
        for number in 0..200 {
            slow.expect_message("a", &format!("{number}-{payload}"));
        }
        slow.expect_closed();
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn who_does_not_read_cannot_delay_the_end_for_ever() {
    let flags: &[&str] = if oracle().is_some() { &[] } else { &["--shutdown-timeout", "1"] };
    let mut server = Server::start_with(flags);
    let mut stuck = Client::connect_slow(server.address(), "stuck");
    stuck.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    let payload = "x".repeat(1_000_000);
    for _ in 0..20 {
        publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn the_unix_socket_goes_with_the_process() {
    let path = std::env::temp_dir().join(format!("hereabouts-{}-stop", std::process::id()));
    let mut server = Server::start_with(&["--unixsocket", path.to_str().unwrap()]);
    Client::connect_unix(&path).call("PING", "+PONG\r\n");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!path.exists());
}
