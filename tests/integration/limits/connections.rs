//! How many clients there may be at once, and for how long they may be idle.

use crate::support::{Server, both_protocols_with, differs_from_oracle, eventually};

#[test]
fn who_comes_when_all_places_are_taken_is_told_so() {
    let server = Server::start_with(&["--maxclients", "3"]);
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        client.call("PING", "+PONG\r\n");
    }
    for _ in 0..3 {
        let mut refused = server.client();
        refused.expect("-ERR max number of clients reached\r\n");
        refused.expect_closed();
    }
    for client in &mut clients {
        client.call("PING", "+PONG\r\n");
    }
    let told = clients[0].ask("INFO").text();
    assert!(told.contains("\r\nrejected_connections:3\r\n"), "{told}");
    assert!(told.contains("\r\nconnected_clients:3\r\n"), "{told}");
    assert!(told.contains("\r\nmaxclients:3\r\n"), "{told}");
}

#[test]
fn a_place_that_becomes_free_is_given_away() {
    let server = Server::start_with(&["--maxclients", "1"]);
    for _ in 0..5 {
        eventually("the place is free", || {
            let mut client = server.client();
            client.try_send("PING\r\n");
            client.read_line() == b"+PONG\r\n"
        });
    }
}

#[test]
fn idle_clients_are_closed_but_not_subscribers() {
    both_protocols_with(&["--timeout", "1"], |server, protocol| {
        let mut subscribers = Vec::new();
        for kind in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
            let mut subscriber = server.speaking(protocol);
            subscriber.subscribe(kind, "a", 1);
            subscribers.push(subscriber);
        }
        // Two generations: when the second is closed, the subscribers have been idle for longer than a timeout.
        for _ in 0..2 {
            let mut idle = server.speaking(protocol);
            idle.call("PING", "+PONG\r\n");
            idle.expect_closed();
        }
        let mut publisher = server.client();
        publisher.call("PUBLISH a x", ":2\r\n");
        publisher.call("SPUBLISH a x", ":1\r\n");
        subscribers[0].expect_message("a", "x");
        subscribers[1].expect_pmessage("a", "a", "x");
        subscribers[2].expect_smessage("a", "x");
        if !differs_from_oracle("it does not count them") {
            assert_eq!(server.info("client_idle_disconnections"), "2");
        }
    });
}

#[test]
fn who_unsubscribes_can_be_idle_again() {
    let server = Server::start_with(&["--timeout", "1"]);
    let mut client = server.client();
    client.subscribe("SUBSCRIBE", "a", 1);
    client.command("UNSUBSCRIBE");
    client.expect_confirmation("unsubscribe", "a", 0);
    client.expect_closed();
}

#[test]
fn half_a_request_does_not_keep_a_connection() {
    let server = Server::start_with(&["--timeout", "1"]);
    let mut client = server.client();
    client.send("*2\r\n$4\r\nECHO\r\n$10\r\nabc");
    client.expect_closed();
}
