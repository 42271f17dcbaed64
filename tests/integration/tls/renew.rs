//! A certificate is renewed while the server runs.

use std::io::{Read, Write};

use rustix::process::Signal;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{TlsServer, stream};
use crate::support::{Client, differs_from_oracle};

/// The certificate that a new connection gets.
fn shown(server: &TlsServer) -> CertificateDer<'static> {
    let mut stream = stream(server.silent(), server.authority.client());
    stream.write_all(b"PING\r\n").unwrap();
    stream.read_exact(&mut [0; 7]).unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn set(client: &mut Client, pairs: &[(&str, &str)]) -> String {
    let mut arguments: Vec<&[u8]> = vec![b"CONFIG", b"SET"];
    for (name, value) in pairs {
        arguments.extend([name.as_bytes(), value.as_bytes()]);
    }
    client.command_of(&arguments);
    String::from_utf8(client.read_line()).unwrap().trim_end().to_owned()
}

#[test]
fn sighup_reads_the_files_again() {
    if differs_from_oracle("it ends by SIGHUP") {
        return;
    }
    let server = TlsServer::start("tls-hup", &[]);
    let before = shown(&server);
    let mut old = server.client();
    let renewed = server.authority.issue("renewed");
    renewed.write(&server.directory, "server");
    assert_eq!(shown(&server), before, "nobody has said so yet");
    server.server.signal(Signal::HUP);
    server.server.wait_for_log(|line| line.contains("Received SIGHUP: new connections get the certificate"));
    assert_eq!(shown(&server), *renewed.der());
    old.call("PING", "+PONG\r\n");

    std::fs::write(server.directory.file("server.crt"), "no certificate").unwrap();
    server.server.signal(Signal::HUP);
    server.server.wait_for_log(|line| line.contains("# Received SIGHUP, but new connections go on"));
    server.server.wait_for_log(|line| {
        line.contains("Failed to load certificate: tls-cert-file ") && line.contains("no certificate in PEM")
    });
    assert_eq!(shown(&server), *renewed.der());
}

const REFUSED: &str = "- Unable to update TLS configuration. Check server logs.";

#[test]
fn config_set_takes_other_files_or_the_same_again() {
    let server = TlsServer::start("tls-set", &[]);
    let mut client = server.client();
    let before = shown(&server);

    let missing = server.directory.file("missing");
    let refusal = set(&mut client, &[("tls-cert-file", &missing)]);
    assert!(refusal.starts_with("-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file')"));
    assert!(refusal.ends_with(REFUSED), "{refusal}");
    assert_eq!(shown(&server), before);
    let value = client.ask("CONFIG GET tls-cert-file");
    assert_eq!(value.field("tls-cert-file").text(), server.directory.file("server.crt"));

    let other = server.authority.issue("other");
    other.write(&server.directory, "other");
    let (certificate, key) = (server.directory.file("other.crt"), server.directory.file("other.key"));
    // A certificate without its key is none.
    assert!(set(&mut client, &[("tls-cert-file", &certificate)]).ends_with(REFUSED));
    assert_eq!(set(&mut client, &[("tls-cert-file", &certificate), ("tls-key-file", &key)]), "+OK");
    assert_eq!(shown(&server), *other.der());

    let again = server.authority.issue("again");
    again.write(&server.directory, "other");
    assert_eq!(set(&mut client, &[("maxclients", "100")]), "+OK");
    assert_eq!(shown(&server), *other.der(), "what has nothing to do with it changes nothing");
    let same = [("tls-cert-file", certificate.as_str()), ("tls-key-file", &key)];
    assert_eq!(set(&mut client, &same), "+OK");
    assert_eq!(shown(&server), *again.der());
}

#[test]
fn config_set_turns_tls_on_and_off_and_moves_it() {
    if differs_from_oracle("it takes no auto") {
        return;
    }
    let mut server = TlsServer::start("tls-port", &[]);
    let mut client = server.server.client();
    let first = server.port;
    let port = |client: &mut Client| client.ask("CONFIG GET tls-port").field("tls-port").text();
    assert_eq!(set(&mut client, &[("tls-port", "auto")]), "+OK");
    server.port = port(&mut client).parse().unwrap();
    assert_ne!(server.port, first);
    server.client().call("PING", "+PONG\r\n");
    let plain = server.server.port.to_string();
    let refusal = set(&mut client, &[("tls-port", &plain)]);
    assert!(refusal.contains("'tls-port') - Unable to listen on this port. Check server logs."), "{refusal}");
    server.client().call("PING", "+PONG\r\n");
    assert_eq!(set(&mut client, &[("tls-port", "0")]), "+OK");
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err());
    // Nothing is looked at while there is no TLS, and all of it when there is.
    assert_eq!(set(&mut client, &[("tls-protocols", "TLSv1.1")]), "+OK");
    let refusal = set(&mut client, &[("tls-port", "auto")]);
    assert!(refusal.contains("'tls-port') - Unable to update"), "{refusal}");
    assert_eq!(port(&mut client), "0");
    assert_eq!(set(&mut client, &[("tls-port", "auto"), ("tls-protocols", "TLSv1.3")]), "+OK");
    server.port = port(&mut client).parse().unwrap();
    server.client().call("PING", "+PONG\r\n");
    client.call("PING", "+PONG\r\n");
}

#[test]
fn bind_moves_both() {
    if differs_from_oracle("its first address is another") {
        return;
    }
    let server = TlsServer::start("tls-bind", &["--bind", "127.0.0.1"]);
    let mut client = server.client();
    assert_eq!(set(&mut client, &[("bind", "127.0.0.2")]), "+OK");
    for port in [server.port, server.server.port] {
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(std::net::TcpStream::connect(("127.0.0.2", port)).is_ok());
    }
    client.call("PING", "+PONG\r\n");
}
