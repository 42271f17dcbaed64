//! Who gets through a handshake, and what a handshake may take from others.

use std::io::{Read, Write};
use std::net::TcpStream;

use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion};

use super::{Authority, Tls, TlsServer, stream};
use crate::support::{Client, Directory, differs_from_oracle, eventually, outer_address};

/// A server that asks clients for certificates.
fn asking(how: &str, name: &str) -> TlsServer {
    let directory = Directory::new(name);
    let authority = Authority::new("authority");
    authority.write_server_certificate(&directory);
    let trusted = directory.file("ca.crt");
    TlsServer::with(directory, authority, &["--tls-auth-clients", how, "--tls-ca-cert-file", &trusted])
}

#[test]
fn clients_certificates() {
    for (how, without, with_another) in [("yes", false, false), ("optional", true, false), ("no", true, true)]
    {
        let server = asking(how, "tls-mutual");
        let another = Authority::new("another");
        let [good, wrong, old] = [
            server.authority.issue("client"),
            another.issue("client"),
            server.authority.issue_until("client", 2020),
        ];
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let connect = |issued| server.connect(server.authority.client_with(issued, versions)).is_ok();
            assert_eq!(connect(None), without, "{how}, none, {versions:?}");
            assert!(connect(Some(&good)), "{how}, a good one, {versions:?}");
            assert_eq!(connect(Some(&wrong)), with_another, "{how}, by another authority, {versions:?}");
            assert_eq!(connect(Some(&old)), with_another, "{how}, an old one, {versions:?}");
        }
    }
}

#[test]
fn authorities_in_a_directory() {
    if differs_from_oracle("it wants names that are hashes") {
        return;
    }
    let directory = Directory::new("tls-ca-dir");
    let authority = Authority::new("authority");
    authority.write_server_certificate(&directory);
    // The directory also holds the server's certificate and key, which are none.
    let path = directory.file("");
    let flags = ["--tls-auth-clients", "yes", "--tls-ca-cert-dir", &path];
    let server = TlsServer::with(directory, authority, &flags);
    let good = server.authority.issue("client");
    let connect = |issued| server.connect(server.authority.client_with(issued, &[&TLS13])).is_ok();
    assert!(connect(Some(&good)));
    assert!(!connect(None));
}

#[test]
fn a_client_that_does_not_trust_the_server() {
    let server = TlsServer::start("tls-distrust", &["--loglevel", "verbose"]);
    assert!(server.connect(Authority::new("another").client()).is_err());
    if !differs_from_oracle("it logs at notice, and counts nothing") {
        server.server.wait_for_log(|line| {
            line.contains(" - Error accepting a client connection: ") && line.contains("(addr=127.0.0.1:")
        });
        assert_eq!(server.handshake_errors(), 1);
    }
}

#[test]
fn versions() {
    for (protocols, old, new) in [
        ("", true, true),
        ("TLSv1.2", true, false),
        ("TLSv1.3", false, true),
        ("TLSv1.2 TLSv1.3", true, true),
    ] {
        let server = TlsServer::start("tls-versions", &["--tls-protocols", protocols]);
        for (version, is_there) in [(&TLS12, old), (&TLS13, new)] {
            let result = server.connect(server.authority.client_with(None, &[version]));
            assert_eq!(result.is_ok(), is_there, "{protocols}, {version:?}");
        }
    }
}

/// The cipher that is agreed upon in a version.
fn agreed(server: &TlsServer, old: bool) -> CipherSuite {
    let version = if old { &TLS12 } else { &TLS13 };
    let config = server.authority.client_with(None, &[version]);
    let mut stream = stream(server.silent(), config);
    stream.write_all(b"PING\r\n").unwrap();
    stream.read_exact(&mut [0; 7]).unwrap();
    let expected = if old { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 };
    assert_eq!(stream.conn.protocol_version(), Some(expected));
    stream.conn.negotiated_cipher_suite().unwrap().suite()
}

#[test]
fn ciphers() {
    let flags = [
        "--tls-ciphers",
        "DEFAULT:!MEDIUM:!ECDHE-ECDSA-AES256-GCM-SHA384:!ECDHE-ECDSA-AES128-GCM-SHA256",
        "--tls-ciphersuites",
        "TLS_CHACHA20_POLY1305_SHA256",
    ];
    let server = TlsServer::start("tls-ciphers", &flags);
    assert_eq!(agreed(&server, true), CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    assert_eq!(agreed(&server, false), CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    let order = ["--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"];
    let server =
        TlsServer::start("tls-order", &[&order[..], &["--tls-prefer-server-ciphers", "yes"]].concat());
    assert_eq!(agreed(&server, false), CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
}

#[test]
fn sessions_are_resumed_unless_that_is_off() {
    use tokio_rustls::rustls::HandshakeKind::{Full, Resumed};
    for (caching, timeout, expected) in [("yes", "300", Resumed), ("no", "300", Full), ("yes", "0", Full)] {
        if expected == Full && differs_from_oracle("it goes on to give tickets out in TLS 1.2") {
            continue;
        }
        let flags = ["--tls-session-caching", caching, "--tls-session-cache-timeout", timeout];
        let server = TlsServer::start("tls-resume", &flags);
        for version in [&TLS12, &TLS13] {
            let config = server.authority.client_with(None, &[version]);
            let mut kinds = Vec::new();
            for _ in 0..2 {
                let mut stream = stream(server.silent(), config.clone());
                stream.write_all(b"PING\r\n").unwrap();
                stream.read_exact(&mut [0; 7]).unwrap();
                kinds.push(stream.conn.handshake_kind().unwrap());
            }
            assert_eq!(kinds, [Full, expected], "{caching}, {timeout}, {version:?}");
        }
    }
}

#[test]
fn plain_bytes_end_the_connection_and_no_other() {
    let server = TlsServer::start("tls-plain", &[]);
    let mut other = server.client();
    let mut plain = server.silent();
    plain.write_all(b"PING\r\n").unwrap();
    let mut rest = Vec::new();
    // An alert perhaps, or a reset.
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"+PONG"), "{rest:?}");
    other.call("PING", "+PONG\r\n");
    if !differs_from_oracle("it counts nothing") {
        assert_eq!(server.server.info("tls_handshake_errors"), "1");
        assert!(!server.server.log().iter().any(|line| line.contains("Error accepting")), "not at notice");
    }
}

/// The first bytes of a handshake, and no more.
fn half(server: &TlsServer) -> TcpStream {
    let mut socket = server.silent();
    let config = server.authority.client();
    let mut connection =
        tokio_rustls::rustls::ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    socket.write_all(&hello[..hello.len() / 2]).unwrap();
    socket
}

#[test]
fn a_handshake_takes_as_long_as_it_may() {
    if differs_from_oracle("its handshakes may take for ever") {
        return;
    }
    let server = TlsServer::start("tls-half", &["--tls-handshake-timeout", "50ms", "--loglevel", "verbose"]);
    for mut socket in [half(&server), server.silent()] {
        assert_eq!(socket.read(&mut [0; 100]).unwrap(), 0);
    }
    server.server.wait_for_log(|line| line.contains("not done within tls-handshake-timeout 50"));
    eventually("both are counted", || server.handshake_errors() == 2);
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn silent_strangers_stop_nobody() {
    let server = TlsServer::start("tls-silent", &[]);
    let silent: Vec<TcpStream> =
        (0..200).map(|index| if index % 2 == 0 { server.silent() } else { half(&server) }).collect();
    let mut subscriber = server.client();
    subscriber.subscribe("SUBSCRIBE", "a", 1);
    server.client().call("PUBLISH a x", ":1\r\n");
    subscriber.expect_message("a", "x");
    assert_eq!(silent.len(), 200);
}

#[test]
fn the_oldest_handshake_gives_way() {
    if differs_from_oracle("its handshakes are not bounded") {
        return;
    }
    let flags = ["--max-tls-handshakes", "3", "--tls-handshake-timeout", "0", "--loglevel", "verbose"];
    let server = TlsServer::start("tls-many", &flags);
    let mut silent: Vec<TcpStream> = (0..3).map(|_| server.silent()).collect();
    server.client().call("PING", "+PONG\r\n");
    assert_eq!(silent[0].read(&mut [0; 1]).unwrap(), 0, "the oldest is closed");
    assert_eq!(server.handshake_errors(), 1);
    server.server.wait_for_log(|line| line.contains("as there are max-tls-handshakes"));
}

/// As in Redis: whoever comes is refused before the handshake, without a word, and who is in it counts.
#[test]
fn maxclients() {
    let server = TlsServer::start("tls-full", &["--maxclients", "2"]);
    let mut first = server.client();
    let _silent = half(&server);
    // Nothing tells that the silent one has arrived, but that the next one is refused.
    eventually("there is no room", || {
        let mut late = server.silent();
        late.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        matches!(late.read(&mut [0; 100]), Ok(0))
    });
    let mut plain = Client::connect(("127.0.0.1", server.server.port));
    plain.expect("-ERR max number of clients reached\r\n");
    plain.expect_closed();
    first.call("PING", "+PONG\r\n");
}

/// As in Redis the handshake comes first, and then the reason.
#[test]
fn protected_mode() {
    let Some(outer) = outer_address() else {
        println!("SKIPPED: this machine has no address but the loopback one");
        return;
    };
    let server = TlsServer::start("tls-protected", &["--bind", "*"]);
    let socket = TcpStream::connect((outer, server.port)).unwrap();
    let mut stranger = Client::over(Tls(stream(socket, server.authority.client())));
    stranger.expect("-DENIED Redis is running in protected mode because protected mode is enabled");
    assert!(stranger.read_to_end().ends_with(b"\r\n"));
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let mut server = TlsServer::start("tls-stop-half", &[]);
    let mut client = server.client();
    let _half = half(&server);
    client.command("SHUTDOWN NOSAVE");
    assert_eq!(server.server.wait_for_exit().code(), Some(0));
}
