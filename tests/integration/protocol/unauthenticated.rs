//! Before authentication little is believed: ten arguments of 16 KiB at most.

use crate::support::{Protocol, Server};

const SECRET: &[&str] = &["--requirepass", "secret"];

#[test]
fn more_than_ten_arguments_are_refused() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    client.send("*10\r\n");
    for argument in ["PING", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        client.send(format!("${}\r\n{argument}\r\n", argument.len()));
    }
    client.expect("-NOAUTH Authentication required.\r\n");
    client.send("*11\r\n");
    client.expect("-ERR Protocol error: unauthenticated multibulk length\r\n");
    client.expect_closed();
}

#[test]
fn arguments_above_16_kib_are_refused() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    let password = "x".repeat(16_384);
    client.command(&format!("AUTH {password}"));
    client.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    client.send("*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    client.expect("-ERR Protocol error: unauthenticated bulk length\r\n");
    client.expect_closed();
}

#[test]
fn after_authentication_both_are_allowed() {
    let server = Server::start_with(SECRET);
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut client = server.client();
        client.call("AUTH secret", "+OK\r\n");
        let mut client = client.speak(protocol);
        let channels: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        client.command(&format!("SUBSCRIBE {}", channels.join(" ")));
        for (index, channel) in channels.iter().enumerate() {
            client.expect_confirmation("subscribe", channel, index + 1);
        }
        let large = "x".repeat(100_000);
        let mut publisher = server.client();
        publisher.call("AUTH secret", "+OK\r\n");
        publisher.call(&format!("PUBLISH 1 {large}"), ":1\r\n");
        client.expect_message("1", &large);
    }
}

#[test]
fn the_limits_hold_again_after_reset() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    client.call("AUTH secret", "+OK\r\n");
    client.call("RESET", "+RESET\r\n");
    client.send("*11\r\n");
    client.expect("-ERR Protocol error: unauthenticated multibulk length\r\n");
    client.expect_closed();
}

#[test]
fn authenticating_lifts_the_limits_for_the_rest_of_the_same_piece() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    let channels: Vec<_> = (0..12).map(|number| format!("c{number}")).collect();
    let mut request = "AUTH secret\r\n*13\r\n$9\r\nSUBSCRIBE\r\n".to_owned();
    for channel in &channels {
        request.push_str(&format!("${}\r\n{channel}\r\n", channel.len()));
    }
    client.send(request);
    client.expect("+OK\r\n");
    for (index, channel) in channels.iter().enumerate() {
        client.expect_confirmation("subscribe", channel, index + 1);
    }
}

#[test]
fn without_a_password_there_are_no_such_limits() {
    let server = Server::start();
    let mut client = server.client();
    let large = "x".repeat(100_000);
    client.call(&format!("ECHO {large}"), format!("$100000\r\n{large}\r\n"));
}
