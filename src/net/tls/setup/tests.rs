//! What lists of ciphers and versions mean, and keys with a passphrase. The rest is seen from outside, by clients.

use super::*;

fn names(list: &str, known: &'static [Named]) -> Result<Vec<&'static str>, String> {
    let name = |suite| known.iter().find(|(_, other)| *other == suite).map(|(name, _)| *name);
    chosen(list, known).map(|suites| suites.into_iter().filter_map(name).collect())
}

#[test]
fn every_known_cipher_is_there() {
    let provider = provider(&Tls::default()).unwrap();
    assert_eq!(provider.cipher_suites.len(), CIPHERS.len() + CIPHERSUITES.len());
    assert_eq!(provider.cipher_suites.len(), ring::default_provider().cipher_suites.len());
}

#[test]
fn lists_of_ciphers() {
    let all: Vec<_> = CIPHERS.iter().map(|(name, _)| *name).collect();
    for list in ["", "DEFAULT", "DEFAULT:!MEDIUM", "HIGH:!aNULL:!MD5", ":ALL,"] {
        assert_eq!(names(list, CIPHERS).unwrap(), all, "{list}");
    }
    let [first, second] = ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    assert_eq!(names(&format!("{first}:{second}"), CIPHERS).unwrap(), [first, second]);
    assert_eq!(names(&format!("!{first}:DEFAULT"), CIPHERS).unwrap(), all[..5]);
    assert_eq!(names(&format!("{first}:!{first}"), CIPHERS).unwrap_err(), "nothing is left");
    for wrong in ["AES128-SHA", "!AES128", "default", "!DEFAULT", "-MEDIUM", "TLS_AES_128_GCM_SHA256"] {
        let rule = names(wrong, CIPHERS).unwrap_err();
        assert_eq!(rule, format!("there is no '{wrong}'; there are {}", all.join(", ")));
    }
}

#[test]
fn lists_of_versions() {
    let known =
        |text: &str| versions(text).unwrap().iter().map(|version| version.version).collect::<Vec<_>>();
    assert_eq!(known(""), [TLS13.version, TLS12.version]);
    assert_eq!(known(" TLSv1.2 "), [TLS12.version]);
    assert_eq!(known("tlsv1.3 TLSV1.2"), [TLS13.version, TLS12.version]);
    let text =
        "Invalid tls-protocols specified: there is no 'TLSv1'. Use a combination of 'TLSv1.2' and 'TLSv1.3'.";
    assert_eq!(versions("TLSv1.2 TLSv1").unwrap_err().to_string(), text);
}

#[test]
fn keys_with_a_passphrase() {
    let path = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/tls/setup").join(name);
    let key = private_key(&path("encrypted.key"), "secret").unwrap();
    assert!(ring::sign::any_supported_type(&key).is_ok());
    let rule = |name, passphrase| private_key(&path(name), passphrase).unwrap_err();
    assert_eq!(rule("encrypted.key", ""), "it is encrypted and needs tls-key-file-pass");
    assert!(rule("encrypted.key", "wrong").starts_with("it cannot be decrypted with tls-key-file-pass: "));
    assert!(rule("out_of_use.key", "secret").contains("openssl pkcs8 -topk8"));
    assert!(rule("tests.rs", "").contains("no items found"), "{}", rule("tests.rs", ""));
}

#[test]
fn sessions_are_forgotten_in_time() {
    let sessions = Sessions::new(2, Duration::from_secs(300));
    assert!(sessions.put(b"a".to_vec(), b"session".to_vec()));
    assert_eq!(sessions.get(b"a").unwrap(), b"session");
    assert_eq!(sessions.take(b"a").unwrap(), b"session");
    assert_eq!(sessions.take(b"a"), None);
    let sessions = Sessions::new(0, Duration::ZERO);
    assert!(sessions.put(b"a".to_vec(), b"session".to_vec()));
    assert_eq!(sessions.get(b"a"), None);
}
