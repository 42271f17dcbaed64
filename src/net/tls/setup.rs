//! From the options of TLS to what rustls needs: certificates, keys, versions, ciphers, sessions.
//!
//! Owns what the options' texts mean, and the error texts, which begin as Redis's do. Must not know connections.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pkcs8::der::SecretDocument;
use pkcs8::{EncryptedPrivateKeyInfoRef, der::pem::PemLabel};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, ServerSessionMemoryCache, StoresServerSessions, WebPkiClientVerifier,
};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::config::{ClientCertificates, Tls};

/// What a handshake needs to know.
pub(in super::super) type Settings = Arc<ServerConfig>;

/// Why there are no settings.
#[derive(Debug)]
pub(in super::super) struct Invalid {
    /// The option that is at fault.
    pub(in super::super) option: &'static str,
    /// Its value and what is wrong.
    reason: String,
}

impl Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

fn invalid(option: &'static str, reason: impl Into<String>) -> Invalid {
    Invalid { option, reason: reason.into() }
}

/// Reads all files and puts everything together.
///
/// # Errors
/// An option is missing or wrong.
pub(in super::super) fn settings(tls: &Tls) -> Result<Settings, Invalid> {
    let certificate = tls.cert_file.as_deref();
    let certificate = certificate.ok_or_else(|| invalid("tls-cert-file", "No tls-cert-file configured!"))?;
    let key = tls.key_file.as_deref();
    let key = key.ok_or_else(|| invalid("tls-key-file", "No tls-key-file configured!"))?;
    let provider = Arc::new(provider(tls)?);
    let verifier = verifier(tls, &provider)?;
    let chain = certificates(certificate).map_err(|error| {
        invalid("tls-cert-file", format!("Failed to load certificate: tls-cert-file {error}"))
    })?;
    let load_key = |error: &dyn Display| {
        invalid(
            "tls-key-file",
            format!("Failed to load private key: tls-key-file {}: {error}", key.display()),
        )
    };
    let private_key = private_key(key, &tls.key_file_pass).map_err(|error| load_key(&error))?;
    let mut settings = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&tls.protocols)?)
        .map_err(|error| {
            invalid(
                "tls-protocols",
                format!("Failed to configure ciphers: tls-protocols {}: {error}", tls.protocols),
            )
        })?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private_key)
        .map_err(|error| load_key(&format_args!("with tls-cert-file {}: {error}", certificate.display())))?;
    settings.ignore_client_order = tls.prefer_server_ciphers;
    if tls.session_caching {
        settings.session_storage = Sessions::new(tls.session_cache_size, tls.session_cache_timeout);
    } else {
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
    }
    Ok(Arc::new(settings))
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |error: &dyn Display| format!("{}: {error}", path.display());
    let text = fs::read(path).map_err(|error| told(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(told(&"no certificate in PEM is in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(told(&error)),
    }
}

/// The first private key in a file.
fn private_key(path: &Path, passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text);
    let begin = format!("-----BEGIN {}-----", EncryptedPrivateKeyInfoRef::PEM_LABEL);
    if let Some(start) = text.find(&begin) {
        if passphrase.is_empty() {
            return Err("it is encrypted and needs tls-key-file-pass".into());
        }
        return decrypted(&text[start..], passphrase)
            .map_err(|error| format!("it cannot be decrypted with tls-key-file-pass: {error}"));
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        let command = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW";
        return Err(format!("it is encrypted in a way that is out of use; this writes it anew: {command}"));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string())
}

fn decrypted(pem: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    let end = format!("-----END {}-----", EncryptedPrivateKeyInfoRef::PEM_LABEL);
    let end = pem.find(&end).map_or(pem.len(), |start| start + end.len());
    let (_, document) = SecretDocument::from_pem(&pem[..end]).map_err(|error| error.to_string())?;
    let key = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| error.to_string())?
        .decrypt(passphrase)
        .map_err(|error| error.to_string())?;
    Ok(PrivateKeyDer::Pkcs8(key.as_bytes().to_vec().into()))
}

/// Who checks clients' certificates, if anybody.
fn verifier(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Invalid> {
    if tls.auth_clients == ClientCertificates::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    if tls.ca_cert_file.is_none() && tls.ca_cert_dir.is_none() {
        let reason = "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication \
                      or tls-auth-clients are enabled!";
        return Err(invalid("tls-ca-cert-file", reason));
    }
    let authorities = Arc::new(authorities(tls)?);
    let builder = WebPkiClientVerifier::builder_with_provider(authorities, provider.clone());
    let builder = match tls.auth_clients {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map_err(|error| cannot_trust("tls-ca-cert-file", error.to_string()))
}

fn cannot_trust(option: &'static str, reason: String) -> Invalid {
    invalid(option, format!("Failed to configure CA certificate(s) file/directory: {option} {reason}"))
}

fn authorities(tls: &Tls) -> Result<RootCertStore, Invalid> {
    let mut authorities = RootCertStore::empty();
    if let Some(path) = &tls.ca_cert_file {
        let refuse = |reason| cannot_trust("tls-ca-cert-file", reason);
        for certificate in certificates(path).map_err(refuse)? {
            authorities.add(certificate).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        }
    }
    if let Some(directory) = &tls.ca_cert_dir {
        let before = authorities.len();
        let refuse = |reason: &dyn Display| {
            cannot_trust("tls-ca-cert-dir", format!("{}: {reason}", directory.display()))
        };
        let files = files(directory).map_err(|error| refuse(&error))?;
        // Systems have other files there as well, and the same certificate under several names.
        let mut found: Vec<_> = files.iter().filter_map(|path| certificates(path).ok()).flatten().collect();
        found.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
        found.dedup();
        authorities.add_parsable_certificates(found);
        if authorities.len() == before {
            return Err(refuse(&"no file in it has a certificate in PEM"));
        }
    }
    Ok(authorities)
}

fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths: Result<Vec<_>, _> = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect();
    paths.map(|paths| paths.into_iter().filter(|path| path.is_file()).collect())
}

fn versions(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, Invalid> {
    let mut versions = Vec::new();
    for word in text.split_ascii_whitespace() {
        versions.push(match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &TLS12,
            "tlsv1.3" => &TLS13,
            _ => {
                let reason = format!(
                    "Invalid tls-protocols specified: there is no '{word}'. Use a combination of 'TLSv1.2' and 'TLSv1.3'."
                );
                return Err(invalid("tls-protocols", reason));
            }
        });
    }
    Ok(if versions.is_empty() { vec![&TLS13, &TLS12] } else { versions })
}

/// A cipher as OpenSSL calls it.
type Named = (&'static str, CipherSuite);

/// Those of TLS 1.2, in the order in which they are preferred.
const CIPHERS: &[Named] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Those of TLS 1.3.
const CIPHERSUITES: &[Named] = &[
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Words for all of them.
const EVERYTHING: &[&str] = &["DEFAULT", "ALL", "HIGH"];
/// Kinds of ciphers that are often excluded, and of which there is none.
const ABSENT: &[&str] = &[
    "MEDIUM", "LOW", "EXP", "EXPORT", "aNULL", "eNULL", "NULL", "ADH", "AECDH", "DH", "EDH", "DHE", "kDHE",
    "kRSA", "kEDH", "PSK", "SRP", "DSS", "MD5", "SHA1", "SHA", "RC4", "RC2", "DES", "3DES", "IDEA", "SEED",
    "CAMELLIA", "ARIA", "AESCCM", "AESCCM8", "SSLv2", "SSLv3", "TLSv1", "TLSv1.0",
];

fn provider(tls: &Tls) -> Result<CryptoProvider, Invalid> {
    let ciphers = chosen(&tls.ciphers, CIPHERS).map_err(|rule| {
        invalid("tls-ciphers", format!("Failed to configure ciphers: tls-ciphers {}: {rule}", tls.ciphers))
    })?;
    let suites = chosen(&tls.ciphersuites, CIPHERSUITES).map_err(|rule| {
        invalid(
            "tls-ciphersuites",
            format!("Failed to configure ciphersuites: tls-ciphersuites {}: {rule}", tls.ciphersuites),
        )
    })?;
    let mut provider = ring::default_provider();
    let all = std::mem::take(&mut provider.cipher_suites);
    let in_order = suites.iter().chain(&ciphers);
    provider.cipher_suites =
        in_order.filter_map(|wanted| all.iter().find(|suite| suite.suite() == *wanted).copied()).collect();
    Ok(provider)
}

/// The ciphers that a list names, in its order.
fn chosen(list: &str, known: &[Named]) -> Result<Vec<CipherSuite>, String> {
    let find = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite);
    let list = if list.is_empty() { EVERYTHING[0] } else { list };
    let mut chosen = Vec::new();
    let mut excluded = Vec::new();
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        let without = word.strip_prefix('!');
        let name = without.unwrap_or(word);
        match find(name) {
            Some(suite) if without.is_some() => excluded.push(suite),
            Some(suite) => chosen.push(suite),
            None if without.is_some() && ABSENT.contains(&name) => {}
            None if without.is_none() && EVERYTHING.contains(&name) => {
                chosen.extend(known.iter().map(|(_, suite)| *suite));
            }
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(format!("there is no '{word}'; there are {}", names.join(", ")));
            }
        }
    }
    chosen.retain(|suite| !excluded.contains(suite));
    if chosen.is_empty() { Err("nothing is left".into()) } else { Ok(chosen) }
}

/// Sessions that are remembered at most: room for all of them is taken at once.
const SESSIONS_MAX: usize = 1_000_000;

/// Sessions that can be resumed, each for a limited time.
#[derive(Debug)]
struct Sessions {
    stored: Arc<ServerSessionMemoryCache>,
    lifetime: Duration,
    start: Instant,
}

impl Sessions {
    fn new(most: usize, lifetime: Duration) -> Arc<Self> {
        let most = if most == 0 { Tls::default().session_cache_size } else { most.min(SESSIONS_MAX) };
        Arc::new(Sessions { stored: ServerSessionMemoryCache::new(most), lifetime, start: Instant::now() })
    }

    /// The session that stands before the second in which it was stored, if that is not too long ago.
    fn if_fresh(&self, mut stored: Vec<u8>) -> Option<Vec<u8>> {
        let since = u64::from_be_bytes(stored.split_off(stored.len().checked_sub(8)?).try_into().ok()?);
        let age = self.start.elapsed().as_secs().saturating_sub(since);
        (age < self.lifetime.as_secs()).then_some(stored)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, mut session: Vec<u8>) -> bool {
        session.extend(self.start.elapsed().as_secs().to_be_bytes());
        self.stored.put(key, session)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.stored.get(key).and_then(|stored| self.if_fresh(stored))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.stored.take(key).and_then(|stored| self.if_fresh(stored))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
