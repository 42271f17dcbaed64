//! redis-cli and redis-py over TLS.

use std::process::Command;

use super::environment::{python, scripts};
use crate::support::installed;
use crate::tls::TlsServer;

#[test]
fn redis_cli_over_tls() {
    if !installed("redis-cli") {
        return;
    }
    let server = TlsServer::start("tls-cli", &[]);
    for protocol in ["-2", "-3"] {
        let output = Command::new("redis-cli")
            .args(["-p", &server.port.to_string(), protocol, "--tls"])
            .args(["--cacert", &server.directory.file("ca.crt"), "ECHO", "hello"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
    }
}

#[test]
fn redis_cli_with_a_certificate() {
    if !installed("redis-cli") {
        return;
    }
    let mut server = TlsServer::start("tls-cli-cert", &[]);
    let (trusted, port) = (server.directory.file("ca.crt"), server.port.to_string());
    server.authority.issue("client").write(&server.directory, "client");
    let client = [server.directory.file("client.crt"), server.directory.file("client.key")];
    let mut admin = server.server.client();
    admin.call(&format!("CONFIG SET tls-ca-cert-file {trusted} tls-auth-clients yes"), "+OK\r\n");
    let ping = |certificate: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port, "--tls", "--cacert", &trusted]).args(certificate).arg("PING");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(ping(&["--cert", &client[0], "--key", &client[1]]), "PONG\n");
    assert_ne!(ping(&[]), "PONG\n");
    admin.command("SHUTDOWN NOSAVE");
    server.server.wait_for_exit();
}

#[test]
fn redis_py_over_tls() {
    let Some(python) = python() else { return };
    for protocol in ["2", "3"] {
        let server = TlsServer::start("tls-py", &[]);
        let mut command = Command::new(&python);
        command.arg(scripts().join("python/redis_py_tls.py"));
        command.args([&server.port.to_string(), protocol, &server.directory.file("ca.crt")]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
