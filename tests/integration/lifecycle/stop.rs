//! Stopping: what was promised is delivered, what is new is refused, and the process ends with 0.

use std::net::TcpStream;

use rustix::process::Signal;

use crate::support::{Client, Protocol, Server, both_protocols, differs_from_oracle, eventually, oracle};

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

/// A server with a client that has output waiting, and will not read it.
fn with_a_stuck_client(flags: &[&str]) -> (Server, Client) {
    let server = Server::start_with(flags);
    let mut stuck = Client::connect_slow(server.address(), "stuck");
    stuck.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    let payload = "x".repeat(1_000_000);
    for _ in 0..20 {
        publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    }
    (server, stuck)
}

#[test]
fn a_second_signal_ends_at_once() {
    if differs_from_oracle("it does not wait for clients") {
        return;
    }
    for signals in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::INT], [Signal::TERM, Signal::INT]] {
        // An hour: only the second signal can be what ends it.
        let (mut server, _stuck) = with_a_stuck_client(&["--shutdown-timeout", "3600"]);
        server.signal(signals[0]);
        server.wait_for_log(|line| line.contains("scheduling shutdown..."));
        server.wait_for_log(|line| line.contains("User requested shutdown..."));
        server.signal(signals[1]);
        assert_eq!(server.wait_for_exit().code(), Some(1));
        server.wait_for_log(|line| line.ends_with("You insist... exiting now."));
    }
}

#[test]
fn shutdown_ends_the_process_with_0_and_has_no_reply() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for command in ["SHUTDOWN", "shutdown nosave", "SHUTDOWN NOSAVE NOW FORCE", "SHUTDOWN now NOW nosave"]
        {
            let mut server = Server::start();
            let mut other = server.speaking(protocol);
            let mut client = server.speaking(protocol);
            client.call("PING", "+PONG\r\n");
            client.send(format!("{command}\r\nPING\r\n"));
            client.expect_closed();
            other.expect_closed();
            assert_eq!(server.wait_for_exit().code(), Some(0));
            server.wait_for_log(|line| line.contains("User requested shutdown..."));
        }
    }
}

#[test]
fn shutdown_is_refused_with_the_texts_of_redis() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
        client.call("SHUTDOWN abort ABORT", "-ERR No shutdown in progress.\r\n");
        for arguments in [
            "foo",
            "SAVE NOSAVE",
            "SAVE SAVE NOSAVE",
            "ABORT NOW",
            "NOSAVE ABORT",
            "FORCE ABORT",
            "NOW x",
            "a b c d e",
        ] {
            client.call(&format!("SHUTDOWN {arguments}"), "-ERR syntax error\r\n");
        }
        client.call("MULTI", "+OK\r\n");
        client.call("SHUTDOWN", "-ERR Command not allowed inside a transaction\r\n");
        client.call("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
        if protocol == Protocol::Resp2 {
            client.subscribe("SUBSCRIBE", "a", 1);
            client.call(
                "SHUTDOWN",
                "-ERR Can't execute 'shutdown': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context\r\n",
            );
        }
        server.client().call("PING", "+PONG\r\n");
    });
}

#[test]
fn shutdown_needs_the_password() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    server.client().call("SHUTDOWN", "-NOAUTH Authentication required.\r\n");
    server.client().call("AUTH secret", "+OK\r\n");
}

#[test]
fn shutdown_waits_for_clients_unless_it_is_now() {
    if differs_from_oracle("it closes at once") {
        return;
    }
    let (mut server, mut slow) = with_a_stuck_client(&["--shutdown-timeout", "3600"]);
    server.client().command("SHUTDOWN");
    server.wait_for_log(|line| line.contains("User requested shutdown..."));
    for _ in 0..20 {
        slow.expect_message("a", &"x".repeat(1_000_000));
    }
    slow.expect_closed();
    assert_eq!(server.wait_for_exit().code(), Some(0));

    let (mut server, _stuck) = with_a_stuck_client(&["--shutdown-timeout", "3600"]);
    server.client().command("SHUTDOWN NOW");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log(|line| line.contains("clients did not take their output in time"));
}
