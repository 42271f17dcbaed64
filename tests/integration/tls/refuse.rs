//! What makes no sense is named at start: option, value and rule.

use std::process::Command;

use super::Authority;
use crate::support::{Directory, Server, differs_from_oracle};

#[track_caller]
fn refuses(flags: &[&str], parts: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    command.args(["--port", "0", "--tls-port", "auto"]).args(flags);
    let mut server = Server::spawn(&mut command);
    assert_eq!(server.wait_for_exit().code(), Some(1), "{flags:?}");
    server.wait_for_log(|line| parts.iter().all(|part| line.contains(part)));
    server.wait_for_log(|line| line.ends_with("# Failed to configure TLS. Check logs for more info."));
}

#[test]
fn options_that_make_no_sense_are_named() {
    if differs_from_oracle("it does not name them") {
        return;
    }
    let directory = Directory::new("tls-refuse");
    let authority = Authority::new("authority");
    authority.write_server_certificate(&directory);
    authority.issue("other").write(&directory, "other");
    let file = |name: &str| directory.file(name);
    let [certificate, key, other, nothing] =
        [file("server.crt"), file("server.key"), file("other.key"), file("no")];
    let good = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let with = |flags: &[&'static str]| -> Vec<String> {
        good.iter().chain(flags).map(ToString::to_string).collect()
    };
    refuses(&[], &["# No tls-cert-file configured!"]);
    refuses(&good[..2], &["# No tls-key-file configured!"]);
    let text = "# Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or \
                tls-auth-clients are enabled!";
    refuses(&good[..4], &[text]);
    refuses(
        &["--tls-cert-file", &nothing, "--tls-key-file", &key, "--tls-auth-clients", "no"],
        &["# Failed to load certificate: tls-cert-file", &nothing, "No such file"],
    );
    refuses(
        &["--tls-cert-file", &certificate, "--tls-key-file", &other, "--tls-auth-clients", "no"],
        &["# Failed to load private key: tls-key-file", &other, &certificate],
    );
    refuses(
        &["--tls-cert-file", &certificate, "--tls-key-file", &certificate, "--tls-auth-clients", "no"],
        &["# Failed to load private key: tls-key-file", &certificate],
    );
    refuses(
        &["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &key],
        &[
            "# Failed to configure CA certificate(s) file/directory: tls-ca-cert-file",
            "no certificate in PEM",
        ],
    );
    refuses(
        &["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-dir", &nothing],
        &["# Failed to configure CA certificate(s) file/directory: tls-ca-cert-dir", "No such file"],
    );
    for (flags, parts) in [
        (&["--tls-protocols", "TLSv1.1 TLSv1.2"], ["tls-protocols", "'TLSv1.1'", "'TLSv1.2' and 'TLSv1.3'"]),
        (&["--tls-ciphers", "AES128-SHA"], ["tls-ciphers", "'AES128-SHA'", "ECDHE-RSA-AES256-GCM-SHA384"]),
        (&["--tls-ciphersuites", "TLS_AES"], ["tls-ciphersuites", "'TLS_AES'", "TLS_AES_128_GCM_SHA256"]),
    ] {
        let flags = with(flags);
        refuses(&flags.iter().map(String::as_str).collect::<Vec<_>>(), &parts);
    }
}
