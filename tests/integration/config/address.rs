//! The server moves: CONFIG SET port and bind.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

use crate::support::{Client, Server, both_protocols, differs_from_oracle, free_port, outer_address};

use super::{set, value};

const PORT_REFUSED: &str = "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. \
                            Check server logs.\r\n";
const BIND_REFUSED: &str = "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified \
                            addresses.\r\n";

fn is_open(address: impl Into<IpAddr>, port: u16) -> bool {
    TcpStream::connect((address.into(), port)).is_ok()
}

/// Moves the server to a port that is free, and says which. Another process may be faster: then the next one is tried.
#[track_caller]
fn move_to_free_port(operator: &mut Client) -> u16 {
    let port = (0..100).map(|_| free_port()).find(|port| {
        operator.command(&format!("CONFIG SET port {port}"));
        operator.read_line() == b"+OK\r\n"
    });
    port.expect("one of a hundred free ports")
}

#[test]
fn the_port_moves_and_clients_stay() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("SUBSCRIBE", "a", 1);
        let mut operator = server.speaking(protocol);
        let port = move_to_free_port(&mut operator);
        assert!(!is_open(Ipv4Addr::LOCALHOST, server.port), "the old port is closed when the reply comes");
        let mut newcomer = Client::connect(("127.0.0.1", port));
        newcomer.call("PUBLISH a hello", ":1\r\n");
        client.expect_message("a", "hello");
        assert_eq!(value(&mut operator, "port"), port.to_string());
        assert!(newcomer.ask("INFO server").text().contains(&format!("tcp_port:{port}\r\n")));
    });
}

#[test]
fn a_free_port_is_found() {
    if differs_from_oracle("auto is ours") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    set(&mut client, "port", "auto");
    let port: u16 = value(&mut client, "port").parse().unwrap();
    assert!(port != 0 && port != server.port);
    Client::connect(("127.0.0.1", port)).call("PING", "+PONG\r\n");
    assert!(!is_open(Ipv4Addr::LOCALHOST, server.port));
}

#[test]
fn port_0_closes_the_door_until_it_is_opened_again() {
    let server = Server::start();
    let mut client = server.client();
    set(&mut client, "port", "0");
    assert!(!is_open(Ipv4Addr::LOCALHOST, server.port));
    client.call("PING", "+PONG\r\n");
    let port = move_to_free_port(&mut client);
    Client::connect(("127.0.0.1", port)).call("PING", "+PONG\r\n");
}

#[test]
fn a_port_that_is_taken_leaves_all_as_it_was() {
    both_protocols(|server, protocol| {
        let taken = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut client = server.speaking(protocol);
        client.call(&format!("CONFIG SET timeout 5 port {port} maxclients 50"), PORT_REFUSED);
        assert_eq!(value(&mut client, "port"), server.port.to_string());
        assert_eq!(value(&mut client, "timeout"), "0");
        assert_eq!(value(&mut client, "maxclients"), "10000");
        server.client().call("PING", "+PONG\r\n");
        server.wait_for_log(|line| line.contains(&port.to_string()));
    });
}

#[test]
fn addresses_come_and_go() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let other = Ipv4Addr::new(127, 0, 0, 2);
        assert!(is_open(other, server.port), "all addresses by default");
        set(&mut client, "bind", "127.0.0.1 -203.0.113.7");
        assert_eq!(value(&mut client, "bind"), "127.0.0.1 -203.0.113.7");
        assert!(!is_open(other, server.port));
        server.client().call("PING", "+PONG\r\n");
        set(&mut client, "bind", "127.0.0.2");
        assert!(is_open(other, server.port) && !is_open(Ipv4Addr::LOCALHOST, server.port));
        set(&mut client, "bind", "*");
        assert!(is_open(other, server.port) && is_open(Ipv4Addr::LOCALHOST, server.port));
        set(&mut client, "bind", "");
        assert!(!is_open(other, server.port) && !is_open(Ipv4Addr::LOCALHOST, server.port));
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn an_address_that_cannot_be_had_leaves_all_as_it_was() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for addresses in ["203.0.113.7", "127.0.0.1 203.0.113.7"] {
            client.command_of(&[b"CONFIG", b"SET", b"bind", addresses.as_bytes()]);
            client.expect(BIND_REFUSED);
            assert_eq!(value(&mut client, "bind"), "* -::*");
            server.client().call("PING", "+PONG\r\n");
            assert!(is_open(Ipv4Addr::new(127, 0, 0, 2), server.port));
        }
    });
}

/// The text with which strangers are refused says how to let them in.
#[test]
fn strangers_are_let_in_as_they_are_told() {
    let Some(outer) = outer_address() else {
        println!("SKIPPED: this machine has no address but the loopback one");
        return;
    };
    let server = Server::start();
    let mut stranger = Client::connect((outer, server.port));
    let told = String::from_utf8(stranger.read_to_end()).unwrap();
    assert!(told.contains("'CONFIG SET protected-mode no'"), "{told}");
    server.client().call("CONFIG SET protected-mode no", "+OK\r\n");
    Client::connect((outer, server.port)).call("PING", "+PONG\r\n");
    server.client().call("CONFIG SET protected-mode yes", "+OK\r\n");
    Client::connect((outer, server.port)).expect("-DENIED ");
    server.client().call("CONFIG SET requirepass secret", "+OK\r\n");
    Client::connect((outer, server.port)).call("PING", "-NOAUTH Authentication required.\r\n");
}
