//! Certificates: an authority, and what it issues.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::support::Directory;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key.
pub(crate) struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Authority { issuer: Issuer::new(parameters, key), certificate }
    }

    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_until(name, 4096)
    }

    /// A certificate that is valid until this year.
    pub(crate) fn issue_until(&self, name: &str, year: i32) -> Issued {
        let names = ["localhost", "127.0.0.1"].map(String::from);
        let mut parameters = CertificateParams::new(names).expect("names");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = date_time_ymd(1990, 1, 1);
        parameters.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Issued { certificate, key }
    }

    /// Writes a new `server.crt`, `server.key` and `ca.crt`.
    pub(crate) fn write_server_certificate(&self, directory: &Directory) {
        self.issue("server").write(directory, "server");
        std::fs::write(directory.file("ca.crt"), self.certificate.pem()).expect("write");
    }

    /// A client that trusts this authority and has no certificate.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_with(None, &[&TLS12, &TLS13])
    }

    pub(crate) fn client_with(
        &self,
        issued: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut authorities = RootCertStore::empty();
        authorities.add(self.certificate.der().clone()).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(authorities);
        match issued {
            None => config.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::try_from(issued.key.serialize_der()).expect("a key");
                let chain = vec![CertificateDer::clone(issued.certificate.der())];
                config.with_client_auth_cert(chain, key).expect("a certificate")
            }
        }
    }
}

impl Issued {
    pub(crate) fn write(&self, directory: &Directory, name: &str) {
        std::fs::write(directory.file(&format!("{name}.crt")), self.certificate.pem()).expect("write");
        std::fs::write(directory.file(&format!("{name}.key")), self.key.serialize_pem()).expect("write");
    }

    /// What a client sees of it.
    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }
}
