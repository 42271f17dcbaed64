//! Where the server listens, and what it says when it cannot.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;

use crate::support::{Client, Directory, Server, differs_from_oracle, free_port, oracle, outer_address};

/// The server, or the oracle, with exactly these flags.
fn command(flags: &[&str]) -> Command {
    let mut command = match oracle() {
        None => Command::new(env!("CARGO_BIN_EXE_hereabouts")),
        Some(path) => {
            let mut command = Command::new(path);
            command.args(["--save", ""]);
            command
        }
    };
    command.args(flags);
    command
}

/// Whether this machine has IPv6 at all.
fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        println!("SKIPPED: this machine has no ::1");
    }
    has
}

#[test]
fn the_unix_socket_serves_what_tcp_serves() {
    let directory = Directory::new("unix");
    let path = directory.file("s");
    let server = Server::start_with(&["--unixsocket", &path, "--unixsocketperm", "700"]);
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    let mut client = Client::connect_unix(&path);
    client.call("PING", "+PONG\r\n");
    let info = client.ask("CLIENT INFO").text();
    assert!(info.contains(&format!(" addr={path}:0 ")), "{info}");
    assert!(info.contains(&format!(" laddr={path}:0 ")), "{info}");
    assert!(info.contains(" flags=U "), "{info}");
    client.subscribe("SUBSCRIBE", "a", 1);
    server.client().call("PUBLISH a hello", ":1\r\n");
    client.expect_message("a", "hello");
}

#[test]
fn port_0_leaves_the_unix_socket_alone() {
    let directory = Directory::new("port0");
    let path = directory.file("s");
    let _server = Server::run(command(&["--port", "0", "--unixsocket", &path]));
    Client::connect_unix(&path).call("PING", "+PONG\r\n");
}

#[test]
fn a_socket_that_an_earlier_process_left_is_replaced() {
    let directory = Directory::new("stale");
    let path = directory.file("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let _server = Server::run(command(&["--port", "0", "--unixsocket", &path]));
    Client::connect_unix(&path).call("PING", "+PONG\r\n");
}

#[test]
fn several_addresses() {
    if !has_ipv6() {
        return;
    }
    let server = Server::start_with(&["--bind", "127.0.0.1", "::1"]);
    let mut over_ipv4 = Client::connect(("127.0.0.1", server.port));
    let mut over_ipv6 = Client::connect(("::1", server.port));
    over_ipv4.subscribe("SUBSCRIBE", "a", 1);
    let info = over_ipv6.ask("CLIENT INFO").text();
    assert!(info.contains(" addr=[::1]:"), "{info}");
    assert!(info.contains(&format!(" laddr=[::1]:{} ", server.port)), "{info}");
    over_ipv6.call("PUBLISH a hello", ":1\r\n");
    over_ipv4.expect_message("a", "hello");
    // Nothing else: another address of this machine is refused.
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), server.port)).is_err());
}

#[test]
fn an_address_with_a_minus_may_be_missing() {
    let server = Server::start_with(&["--bind", "127.0.0.1", "-203.0.113.7"]);
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn all_addresses_by_default() {
    let server = Server::start();
    Client::connect(("127.0.0.1", server.port)).call("PING", "+PONG\r\n");
    if has_ipv6() {
        Client::connect(("::1", server.port)).call("PING", "+PONG\r\n");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let port = free_port().to_string();
    let mut server = Server::spawn(&mut command(&["--port", &port, "--bind", "203.0.113.7"]));
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(1));
    server.wait_for_log(|line| line.contains("203.0.113.7"));
    if !differs_from_oracle("it does not name the option") {
        server.wait_for_log(|line| line.contains("bind") && line.contains("203.0.113.7"));
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut server = Server::spawn(&mut command(&["--port", &port, "--bind", "127.0.0.1"]));
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(1));
    server.wait_for_log(|line| line.contains(&port) && line.contains("port"));
}

#[test]
fn options_that_make_no_sense_are_named() {
    if differs_from_oracle("it has texts of its own") {
        return;
    }
    let cases: [(&[&str], &str, &str); 5] = [
        (&["--maxclients", "many"], "maxclients", "many"),
        (&["--port", "70000"], "port", "70000"),
        (&["--client-output-buffer-limit", "pubsub 1 2"], "client-output-buffer-limit", ""),
        (&["--protected-mode", "perhaps"], "protected-mode", "perhaps"),
        (&["--no-such-option", "x"], "no-such-option", ""),
    ];
    for (flags, option, value) in cases {
        let mut server = Server::spawn(&mut command(flags));
        let status = server.wait_for_exit();
        assert_eq!(status.code(), Some(1), "{flags:?}");
        server.wait_for_log(|line| line.contains(option) && line.contains(value));
    }
}

#[test]
fn protected_mode_refuses_strangers_while_there_is_no_password() {
    let Some(outer) = outer_address() else {
        println!("SKIPPED: this machine has no address but the loopback one");
        return;
    };
    let server = Server::start();
    let mut stranger = Client::connect((outer, server.port));
    stranger.expect("-DENIED Redis is running in protected mode because protected mode is enabled");
    let rest = stranger.read_to_end();
    assert!(rest.ends_with(b"\r\n") && rest.iter().filter(|byte| **byte == b'\n').count() == 1, "one line");
    server.client().call("PING", "+PONG\r\n");
    for flags in [&["--protected-mode", "no"][..], &["--requirepass", "secret"]] {
        let server = Server::start_with(flags);
        let mut stranger = Client::connect((outer, server.port));
        stranger.call("RESET", "+RESET\r\n");
    }
}
