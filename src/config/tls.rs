//! The options of TLS: their values, and their rows of the option table.
//!
//! Owns names, syntax and defaults, which are Redis's. Must not know certificates, nor which protocols and ciphers
//! there are: what the texts mean is found out where TLS is set up.

use std::path::PathBuf;
use std::time::Duration;

use super::format::{Format, Integer, Milliseconds, Named, Path, Port, Seconds, Text, YesNo};
use super::row::{Accessors, Row};

/// `tls-auth-clients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients are not asked for one.
    No,
    /// Without a valid one nobody is served.
    Yes,
    /// A client may show one, and then it must be valid.
    Optional,
}

/// Everything that is said of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Port; `None` when off, `Some(0)` for a free one.
    pub port: Option<u16>,
    /// The server's certificate and what it is signed by, PEM.
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub key_file: Option<PathBuf>,
    /// Passphrase of the key; empty for none.
    pub key_file_pass: String,
    /// Authorities of clients' certificates, PEM.
    pub ca_cert_file: Option<PathBuf>,
    /// Directory with files of those.
    pub ca_cert_dir: Option<PathBuf>,
    /// Whether clients show certificates.
    pub auth_clients: ClientCertificates,
    /// Versions, with blanks between them; empty for all there are.
    pub protocols: String,
    /// TLS 1.2's ciphers as OpenSSL lists them; empty for all there are.
    pub ciphers: String,
    /// TLS 1.3's; empty for all there are.
    pub ciphersuites: String,
    /// Of two ciphers that both sides have the server chooses.
    pub prefer_server_ciphers: bool,
    /// Clients that come back may resume their session.
    pub session_caching: bool,
    /// Sessions that are remembered; 0 for the default.
    pub session_cache_size: usize,
    /// How long a session is remembered.
    pub session_cache_timeout: Duration,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// Handshakes at once.
    pub max_handshakes: usize,
    /// Grows whenever one of the above is set, even to what it was: files are then read again.
    pub revision: Revision,
}

/// How often something was set. That makes no difference between two configurations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revision(u64);

impl Revision {
    /// Whether something was set in between.
    pub fn is(self, other: Revision) -> bool {
        self.0 == other.0
    }
}

impl PartialEq for Revision {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Revision {}

impl Tls {
    /// The files shall be read again.
    pub fn read_again(&mut self) {
        self.revision.0 += 1;
    }
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            port: None,
            cert_file: None,
            key_file: None,
            key_file_pass: String::new(),
            ca_cert_file: None,
            ca_cert_dir: None,
            auth_clients: ClientCertificates::Yes,
            protocols: String::new(),
            ciphers: String::new(),
            ciphersuites: String::new(),
            prefer_server_ciphers: false,
            session_caching: true,
            session_cache_size: 20_480,
            session_cache_timeout: Duration::from_secs(300),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 1000,
            revision: Revision::default(),
        }
    }
}

const CLIENT_CERTIFICATES: Named<ClientCertificates> = Named(&[
    ("no", ClientCertificates::No),
    ("yes", ClientCertificates::Yes),
    ("optional", ClientCertificates::Optional),
]);
const SESSIONS: Integer<usize> = Integer { least: 0, most: i32::MAX as usize };

/// The accessors of a field in a format.
macro_rules! field {
    ($field:ident, $format:expr) => {
        Accessors {
            get: |config| $format.write(&config.tls.$field),
            set: |config, values| {
                config.tls.read_again();
                $format.read(&mut config.tls.$field, values)
            },
        }
    };
}

/// Rows of the option table.
pub(super) static SERVED: &[Row] = &[
    Row::served(
        "tls-port",
        "number|auto",
        "0",
        field!(port, Port),
        "Port for TLS, at the addresses of bind; 0 for none, auto for a free one, which is logged. With port 0 there \
         is nothing but TLS.",
    ),
    Row::served(
        "tls-cert-file",
        "path",
        "",
        field!(cert_file, Path),
        "The server's certificate and those it is signed by, in PEM. Read again on SIGHUP, and whenever one of these \
         options is set, to the same as well.",
    ),
    Row::served("tls-key-file", "path", "", field!(key_file, Path), "The certificate's private key, in PEM."),
    Row::served(
        "tls-key-file-pass",
        "passphrase",
        "",
        field!(key_file_pass, Text),
        "Passphrase of tls-key-file, which is then a PKCS#8 key (BEGIN ENCRYPTED PRIVATE KEY).",
    ),
    Row::served(
        "tls-ca-cert-file",
        "path",
        "",
        field!(ca_cert_file, Path),
        "Authorities whose clients are trusted, in PEM.",
    ),
    Row::served(
        "tls-ca-cert-dir",
        "path",
        "",
        field!(ca_cert_dir, Path),
        "Directory of files with more of them.",
    ),
    Row::served(
        "tls-auth-clients",
        "no|yes|optional",
        "yes",
        field!(auth_clients, CLIENT_CERTIFICATES),
        "Whether a client must show a certificate by a trusted authority, or may. Redis's default, which needs \
         tls-ca-cert-file or tls-ca-cert-dir.",
    ),
    Row::served(
        "tls-protocols",
        "version...",
        "",
        field!(protocols, Text),
        "Versions that clients may speak, in one pair of quotes: TLSv1.2 and TLSv1.3, which are also the default; \
         older ones are not safe and not there.",
    ),
    Row::served(
        "tls-ciphers",
        "names",
        "",
        field!(ciphers, Text),
        "Ciphers of TLS 1.2 by OpenSSL's names, the best first, with colons in between; DEFAULT for all, ! before \
         what shall not be used. All by default; each has forward secrecy.",
    ),
    Row::served(
        "tls-ciphersuites",
        "names",
        "",
        field!(ciphersuites, Text),
        "The same for TLS 1.3. All by default.",
    ),
    Row::served(
        "tls-prefer-server-ciphers",
        "yes|no",
        "no",
        field!(prefer_server_ciphers, YesNo),
        "Of the ciphers that both sides have the server's first one is taken, not the client's.",
    ),
    Row::served(
        "tls-session-caching",
        "yes|no",
        "yes",
        field!(session_caching, YesNo),
        "Clients that come back go on with their session, which saves both sides most of the handshake.",
    ),
    Row::served(
        "tls-session-cache-size",
        "number",
        "20480",
        field!(session_cache_size, SESSIONS),
        "Sessions that are remembered, 1000000 at most; 0 for the default. Each takes half a kilobyte and more.",
    ),
    Row::served(
        "tls-session-cache-timeout",
        "seconds",
        "300",
        field!(session_cache_timeout, Seconds),
        "How long a session is remembered.",
    ),
    Row::served(
        "tls-handshake-timeout",
        "milliseconds",
        "10000",
        field!(handshake_timeout, Milliseconds),
        "How long a client may take for the handshake; 0 for ever. Long enough for a slow line, and strangers who say \
         nothing are gone soon.",
    ),
    Row::served(
        "max-tls-handshakes",
        "number",
        "1000",
        field!(max_handshakes, Integer { least: 1, most: u32::MAX as usize }),
        "Handshakes at once; more connections wait until they are accepted, for a second at most: then the oldest \
         handshake is given up. They count for maxclients, and strangers should not fill it.",
    ),
];
