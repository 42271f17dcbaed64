//! PING, ECHO, SELECT, QUIT, RESET.

use crate::support::{Protocol, Server, both_protocols};

#[test]
fn ping() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PING", "+PONG\r\n");
        client.call("ping", "+PONG\r\n");
        client.call("PING hello", "$5\r\nhello\r\n");
        client.command_of(&[b"PING", b""]);
        client.expect("$0\r\n\r\n");
        client.call("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    });
}

#[test]
fn echo_returns_the_bytes() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("ECHO hello", "$5\r\nhello\r\n");
        let all: Vec<u8> = (0..=255).collect();
        client.command_of(&[b"ECHO", &all]);
        client.expect("$256\r\n");
        client.expect(&all);
        client.expect("\r\n");
        client.command_of(&[b"ECHO", b""]);
        client.expect("$0\r\n\r\n");
        for line in ["ECHO", "ECHO a b"] {
            client.call(line, "-ERR wrong number of arguments for 'echo' command\r\n");
        }
    });
}

#[test]
fn select() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for database in 0..16 {
            client.call(&format!("SELECT {database}"), "+OK\r\n");
        }
        for database in ["16", "-1", "1000"] {
            client.call(&format!("SELECT {database}"), "-ERR DB index is out of range\r\n");
        }
        for database in ["x", "1.5", "99999999999999999999", "+1", ""] {
            client.call(&format!("SELECT {database}"), "-ERR value is not an integer or out of range\r\n");
        }
        for database in ["99999999999", "2147483648", "-2147483649"] {
            client.call(
                &format!("SELECT {database}"),
                "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n",
            );
        }
        client.call("SELECT", "-ERR wrong number of arguments for 'select' command\r\n");
        client.call("SELECT 1 2", "-ERR wrong number of arguments for 'select' command\r\n");
    });
}

#[test]
fn the_selected_database_shows_in_client_info_and_goes_with_reset() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("SELECT 9", "+OK\r\n");
        client.call("SELECT 16", "-ERR DB index is out of range\r\n");
        let info = client.ask("CLIENT INFO").text();
        assert!(info.contains(" db=9 "), "{info}");
        client.call("RESET", "+RESET\r\n");
        let info = client.ask("CLIENT INFO").text();
        assert!(info.contains(" db=0 "), "{info}");
    });
}

#[test]
fn quit_answers_and_closes() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("QUIT", "+OK\r\n");
        client.expect_closed();
    });
}

#[test]
fn reset_takes_everything_back() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT SETNAME me", "+OK\r\n");
        client.call("SELECT 3", "+OK\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("PING", "+QUEUED\r\n");
        client.call("RESET", "+RESET\r\n");
        client.protocol = Protocol::Resp2;
        client.call("CLIENT GETNAME", "$-1\r\n");
        client.call("EXEC", "-ERR EXEC without MULTI\r\n");
        let info = client.ask("CLIENT INFO").text();
        assert!(info.contains(" resp=2"), "{info}");
        client.call("RESET x", "-ERR wrong number of arguments for 'reset' command\r\n");
    });
}

#[test]
fn reset_keeps_the_connection_and_its_id() {
    let server = Server::start();
    let mut client = server.client();
    let id = client.ask("CLIENT ID");
    client.call("RESET", "+RESET\r\n");
    assert_eq!(client.ask("CLIENT ID"), id);
}

#[test]
fn reset_turns_replies_on_again() {
    let server = Server::start();
    let mut client = server.client();
    client.send("CLIENT REPLY OFF\r\nPING\r\nRESET\r\nPING\r\n");
    client.expect("+RESET\r\n+PONG\r\n");
}

#[test]
fn reset_asks_for_the_password_again() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    client.call("AUTH secret", "+OK\r\n");
    client.call("PING", "+PONG\r\n");
    client.call("RESET", "+RESET\r\n");
    client.call("PING", "-NOAUTH Authentication required.\r\n");
}
