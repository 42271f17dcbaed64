//! Behind the handshake everything is as without.

use std::process::Command;

use rustix::process::Signal;

use super::TlsServer;
use crate::support::{Client, Protocol, Server, differs_from_oracle, encode, eventually};

/// Runs the body in RESP2 and RESP3.
#[track_caller]
fn both_protocols(name: &str, flags: &[&str], body: impl Fn(&TlsServer, Protocol)) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        println!("with {protocol:?}");
        body(&TlsServer::start(name, flags), protocol);
    }
}

#[test]
fn messages_pass_between_encrypted_and_plain_clients() {
    both_protocols("tls-pass", &[], |server, protocol| {
        let mut encrypted = server.speaking(protocol);
        let mut plain = server.server.speaking(protocol);
        encrypted.subscribe("SUBSCRIBE", "a", 1);
        plain.subscribe("SUBSCRIBE", "a", 1);
        server.client().call("PUBLISH a one", ":2\r\n");
        server.server.client().call("PUBLISH a two", ":2\r\n");
        for client in [&mut encrypted, &mut plain] {
            client.expect_message("a", "one");
            client.expect_message("a", "two");
            client.expect_nothing_more();
        }
        let list = server.client().ask("CLIENT INFO").text();
        assert!(list.contains(&format!(" laddr=127.0.0.1:{} ", server.port)), "{list}");
    });
}

#[test]
fn a_large_message() {
    both_protocols("tls-large", &[], |server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let payload = "0123456789abcdef".repeat(512 * 1024);
        let mut publisher = server.client();
        publisher.send(encode(["PUBLISH", "a", &payload]));
        publisher.expect(":1\r\n");
        subscriber.expect_message("a", &payload);
        publisher.send(encode(["ECHO", &payload]));
        publisher.expect(format!("${}\r\n{payload}\r\n", payload.len()));
        subscriber.expect_nothing_more();
    });
}

#[test]
fn a_pipeline() {
    both_protocols("tls-pipeline", &[], |server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.client();
        publisher.send(encode(["PUBLISH", "a", "x"]).repeat(10_000));
        publisher.expect(":1\r\n".repeat(10_000));
        for _ in 0..10_000 {
            subscriber.expect_message("a", "x");
        }
        subscriber.expect_nothing_more();
    });
}

#[test]
fn a_fan_out_to_many() {
    let server = TlsServer::start("tls-fan-out", &[]);
    let mut subscribers: Vec<Client> = (0..100).map(|_| server.client()).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("SUBSCRIBE", "a", 1);
    }
    let mut publisher = server.client();
    let payload = "x".repeat(1000);
    publisher.send(encode(["PUBLISH", "a", &payload]).repeat(1000));
    publisher.expect(":100\r\n".repeat(1000));
    for subscriber in &mut subscribers {
        for _ in 0..1000 {
            subscriber.expect_message("a", &payload);
        }
        subscriber.expect_nothing_more();
    }
}

/// What the kernel does not take is kept, some of it encrypted already, and comes when the client reads.
#[test]
fn a_client_that_reads_late_gets_everything() {
    both_protocols("tls-late", &[], |server, protocol| {
        let mut late = server.speaking(protocol);
        late.subscribe("SUBSCRIBE", "a", 1);
        let payload = "y".repeat(100_000);
        let mut publisher = server.client();
        publisher.send(encode(["PUBLISH", "a", &payload]).repeat(200));
        publisher.expect(":1\r\n".repeat(200));
        for _ in 0..200 {
            late.expect_message("a", &payload);
        }
        late.expect_nothing_more();
    });
}

/// A subscriber whose kernel takes little.
fn slow_subscriber(server: &TlsServer) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], server.port)).into()).unwrap();
    let mut client = TlsServer::over(socket.into(), server.authority.client()).unwrap();
    client.subscribe("SUBSCRIBE", "a", 1);
    client
}

/// Bytes that have been encrypted, and for which the kernel had no room, come as soon as it has: nothing else need be
/// written for that.
#[test]
fn encrypted_bytes_do_not_stay_behind() {
    if differs_from_oracle("it has no command that tells when there is no room") {
        return;
    }
    let server = TlsServer::start("tls-behind", &[]);
    let mut publisher = server.server.client();
    let payload = "x".repeat(1000);
    let mut publish = || {
        publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    };
    // How much the kernel takes, and what is kept encrypted above that: up to 64 KiB.
    let first = slow_subscriber(&server);
    let mut observer = server.server.client();
    let mut messages = 0;
    let mut waiting = || {
        let list = observer.ask("CLIENT LIST TYPE pubsub").text();
        let bytes = list.split(" omem=").nth(1).and_then(|rest| rest.split(' ').next());
        bytes.expect("omem").parse::<usize>().expect("a number")
    };
    // Ten messages: one may be on its way at any time.
    while waiting() < 10_000 {
        publish();
        messages += 1;
    }
    first.end_of_input();
    drop(first);
    eventually("the first one is gone", || observer.ask("CLIENT LIST TYPE pubsub").text().is_empty());
    let mut second = slow_subscriber(&server);
    for _ in 0..messages - 40 {
        publish();
    }
    for _ in 0..messages - 40 {
        second.expect_message("a", &payload);
    }
}

#[test]
fn quit_is_answered_and_the_end_is_told() {
    both_protocols("tls-quit", &[], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("QUIT", "+OK\r\n");
        // That it is told is asserted by every read: an end without it is an error.
        client.expect_closed();
    });
}

#[test]
fn killed() {
    both_protocols("tls-kill", &[], |server, protocol| {
        let mut victim = server.speaking(protocol);
        let id = victim.ask("CLIENT ID").integer();
        victim.subscribe("SUBSCRIBE", "a", 1);
        let mut killer = server.client();
        killer.call(&format!("CLIENT KILL ID {id}"), ":1\r\n");
        if !differs_from_oracle("it just closes the socket") {
            victim.expect_closed();
        }
        eventually("nobody is subscribed", || killer.ask("PUBLISH a x").integer() == 0);
    });
}

#[test]
fn a_client_that_just_goes_is_noticed() {
    let server = TlsServer::start("tls-gone", &[]);
    let mut client = server.client();
    client.subscribe("SUBSCRIBE", "a", 1);
    client.end_of_input();
    drop(client);
    let mut other = server.client();
    eventually("nobody is subscribed", || other.ask("PUBLISH a x").integer() == 0);
}

/// Closed at its output limit, a client still gets the rest of the frame that has begun, and nothing of the next.
#[test]
fn too_slow() {
    if differs_from_oracle("it cuts frames") {
        return;
    }
    let limit = ["--client-output-buffer-limit", "pubsub 1mb 0 0"];
    both_protocols("tls-slow", &limit, |server, protocol| {
        let mut slow = server.speaking(protocol);
        slow.subscribe("SUBSCRIBE", "a", 1);
        let payload = "z".repeat(100_000);
        let mut publisher = server.client();
        eventually("it is closed", || {
            publisher.send(encode(["PUBLISH", "a", &payload]));
            publisher.value().integer() == 0
        });
        let frame = crate::support::message(protocol, &["message", "a", &payload]);
        let rest = slow.read_to_end();
        assert!(!rest.is_empty() && rest.len() % frame.len() == 0, "{} of {}", rest.len(), frame.len());
        assert!(rest.chunks(frame.len()).all(|got| got == frame.as_bytes()));
    });
}

#[test]
fn a_stop_writes_what_is_queued_and_says_so() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut server = TlsServer::start("tls-stop", &[]);
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let payload = "x".repeat(1 << 20);
        let mut publisher = server.client();
        publisher.send(encode(["PUBLISH", "a", &payload]).repeat(8));
        publisher.expect(":1\r\n".repeat(8));
        server.server.signal(Signal::TERM);
        if !differs_from_oracle("it does not wait for clients") {
            for _ in 0..8 {
                subscriber.expect_message("a", &payload);
            }
            subscriber.expect_closed();
        }
        assert_eq!(server.server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn unix_plain_and_encrypted_at_once() {
    let directory = crate::support::Directory::new("tls-all");
    let path = directory.file("s");
    let server = TlsServer::start("tls-three", &["--unixsocket", &path]);
    let mut clients = [Client::connect_unix(&path), server.server.client(), server.client()];
    for client in &mut clients {
        client.subscribe("SUBSCRIBE", "a", 1);
    }
    server.client().call("PUBLISH a x", ":3\r\n");
    for client in &mut clients {
        client.expect_message("a", "x");
    }
}

#[test]
fn nothing_but_tls() {
    let server = TlsServer::start("tls-only", &["--port", "0"]);
    let mut client = server.client();
    client.call("PING", "+PONG\r\n");
    let port = client.ask("CONFIG GET port");
    assert_eq!(port.field("port").text(), "0");
    if !differs_from_oracle("7.0 does not tell") {
        let info = client.ask("INFO server").text();
        let line = format!("\r\nlistener2:name=tls,bind=*,bind=-::*,port={}\r\n", server.port);
        assert!(info.contains(&line) && !info.contains("listener0"), "{info}");
    }
    let shown = client.ask("CONFIG GET tls-port");
    assert_eq!(shown.field("tls-port").text(), server.port.to_string());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = TlsServer::start("tls-taken", &[]);
    let taken = server.port.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    let (certificate, key) = (server.directory.file("server.crt"), server.directory.file("server.key"));
    command.args(["--port", "0", "--tls-port", &taken, "--bind", "127.0.0.1", "--tls-auth-clients", "no"]);
    command.args(["--tls-cert-file", &certificate, "--tls-key-file", &key]);
    let mut second = Server::spawn(&mut command);
    assert_eq!(second.wait_for_exit().code(), Some(1));
    second.wait_for_log(|line| line.contains(&format!("Failed listening on port {taken} (tls), aborting")));
}
