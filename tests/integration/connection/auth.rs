//! AUTH and requirepass: who may do what before, and every answer to a wrong password.

use crate::support::{Protocol, Server, both_protocols};

const SECRET: &[&str] = &["--requirepass", "secret"];
const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

#[test]
fn before_authentication_almost_nothing_is_allowed() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    for line in [
        "PING",
        "ECHO x",
        "SUBSCRIBE a",
        "PSUBSCRIBE a",
        "SSUBSCRIBE a",
        "UNSUBSCRIBE",
        "PUBLISH a b",
        "SPUBLISH a b",
        "PUBSUB CHANNELS",
        "CLIENT ID",
        "CLIENT LIST",
        "SELECT 0",
        "INFO",
        "MULTI",
        "EXEC",
    ] {
        client.send(format!("{line}\r\n"));
        let expected = match line {
            "EXEC" => "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n",
            _ => NOAUTH,
        };
        client.expect(expected);
    }
}

#[test]
fn what_is_wrong_with_the_request_itself_comes_before_that() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    client.call("nosuch a", "-ERR unknown command 'nosuch', with args beginning with: 'a' \r\n");
    client.call("PUBLISH", "-ERR wrong number of arguments for 'publish' command\r\n");
    client.call("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
}

#[test]
fn reset_and_quit_are_allowed_before() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    client.call("RESET", "+RESET\r\n");
    client.call("PING", NOAUTH);
    client.call("QUIT", "+OK\r\n");
    client.expect_closed();
}

#[test]
fn the_right_password_opens_everything() {
    let server = Server::start_with(SECRET);
    for line in ["AUTH secret", "AUTH default secret", "auth secret"] {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let mut client = server.client();
            client.call("PING", NOAUTH);
            client.call(line, "+OK\r\n");
            let mut client = client.speak(protocol);
            client.call("PING", "+PONG\r\n");
            client.subscribe("SUBSCRIBE", "a", 1);
        }
    }
}

#[test]
fn a_wrong_password_opens_nothing_and_closes_nothing() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    for line in [
        "AUTH wrong",
        "AUTH Secret",
        "AUTH secre",
        "AUTH secrets",
        "AUTH default wrong",
        "AUTH nobody secret",
    ] {
        client.call(line, WRONGPASS);
        client.call("PING", NOAUTH);
    }
    client.command_of(&[b"AUTH", b""]);
    client.expect(WRONGPASS);
    client.command_of(&[b"AUTH", b"secret\0"]);
    client.expect(WRONGPASS);
    client.call("AUTH secret", "+OK\r\n");
    // One who is authenticated stays so.
    client.call("AUTH wrong", WRONGPASS);
    client.call("PING", "+PONG\r\n");
}

#[test]
fn every_auth_in_a_pipeline_is_answered() {
    let server = Server::start_with(SECRET);
    let mut client = server.client();
    client.send("PING\r\nAUTH wrong\r\nAUTH wrong\r\nPING\r\nAUTH secret\r\nPING\r\nAUTH wrong\r\nPING\r\n");
    client.expect(NOAUTH);
    client.expect(WRONGPASS);
    client.expect(WRONGPASS);
    client.expect(NOAUTH);
    client.expect("+OK\r\n+PONG\r\n");
    client.expect(WRONGPASS);
    client.expect("+PONG\r\n");
}

#[test]
fn without_a_password_auth_is_a_misunderstanding() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call(
            "AUTH secret",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?\r\n",
        );
        client.call("AUTH default anything", "+OK\r\n");
        client.call("AUTH nobody secret", WRONGPASS);
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn arity() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("AUTH", "-ERR wrong number of arguments for 'auth' command\r\n");
        client.call("AUTH a b c", "-ERR syntax error\r\n");
    });
}

#[test]
fn a_password_may_hold_any_bytes() {
    let server = Server::start_with(&["--requirepass", "pass word\u{e9}"]);
    let mut client = server.client();
    client.command_of(&[b"AUTH", "pass word\u{e9}".as_bytes()]);
    client.expect("+OK\r\n");
}
