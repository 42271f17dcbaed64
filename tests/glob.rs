//! The product's pattern matcher against a naive one, and both against a live redis-server.
//!
//! Owns the comparison; the facts themselves stand beside `src/glob.rs`. Start reading at the tests' names.

// The helpers of a test may panic as the test itself may.
#![allow(clippy::unwrap_used)]

#[path = "support/glob_reference.rs"]
mod glob_reference;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use hereabouts::glob;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Few distinct bytes, so that patterns and texts meet often: every special byte, some letters around them in
/// the alphabet, and the ends of the signed and unsigned ranges.
fn telling_byte() -> impl Strategy<Value = u8> {
    proptest::sample::select(b"**??[[]]^^--\\\\aabbcZ\x00\x7f\x80\xff".as_slice())
}

fn telling_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(telling_byte(), 0..=most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn agrees_with_the_reference(pattern in telling_bytes(9), text in telling_bytes(6)) {
        prop_assert_eq!(glob::matches(&pattern, &text), glob_reference::matches(&pattern, &text));
    }

    #[test]
    fn what_matches_has_the_literal_ends(pattern in telling_bytes(6), text in telling_bytes(4)) {
        if glob::matches(&pattern, &text) {
            prop_assert!(text.starts_with(&glob::literal_prefix(&pattern)));
            prop_assert!(text.ends_with(&glob::literal_suffix(&pattern)));
        }
    }

    #[test]
    fn an_escaped_text_matches_itself_only(text in telling_bytes(6), other in telling_bytes(6)) {
        let pattern: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
        prop_assert!(glob::matches(&pattern, &text));
        prop_assert_eq!(glob::matches(&pattern, &other), text == other);
        prop_assert_eq!(&*glob::literal_prefix(&pattern), &text[..]);
        prop_assert_eq!(&*glob::literal_suffix(&pattern), &text[..]);
    }
}

/// Asks the redis-server at `REDIS_ADDRESS` (127.0.0.1:6379 by default) which of a set of subscribed channels
/// a pattern matches, for many patterns.
#[test]
#[ignore = "needs a redis-server: REDIS_ADDRESS=host:port cargo test --test glob -- --ignored"]
fn agrees_with_a_live_redis() {
    let address = std::env::var("REDIS_ADDRESS").unwrap_or_else(|_| "127.0.0.1:6379".to_owned());
    let mut random = proptest::test_runner::TestRunner::deterministic();
    let mut generate = |most| telling_bytes(most).new_tree(&mut random).unwrap().current();

    let mut texts: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    texts.push(Vec::new());
    texts.extend((0..500).map(|_| generate(5)));
    texts.sort();
    texts.dedup();
    let mut subscriber = Client::connect(&address);
    for text in &texts {
        subscriber.send(&[b"SUBSCRIBE", text]);
        assert_eq!(subscriber.line(), "*3");
        assert_eq!(subscriber.bulk(), b"subscribe");
        assert_eq!(&subscriber.bulk(), text);
        subscriber.line();
    }

    let mut asker = Client::connect(&address);
    for _ in 0..20_000 {
        let pattern = generate(9);
        asker.send(&[b"PUBSUB", b"CHANNELS", &pattern]);
        let mut theirs = asker.bulks();
        theirs.sort();
        let ours: Vec<Vec<u8>> = texts.iter().filter(|text| glob::matches(&pattern, text)).cloned().collect();
        assert_eq!(ours, theirs, "pattern {}", pattern.escape_ascii());
    }
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Self {
        Client { stream: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    fn send(&mut self, arguments: &[&[u8]]) {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            request.extend_from_slice(argument);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    fn bulk(&mut self) -> Vec<u8> {
        let length: usize = self.line()[1..].parse().unwrap();
        let mut bulk = vec![0; length + 2];
        self.stream.read_exact(&mut bulk).unwrap();
        bulk.truncate(length);
        bulk
    }

    fn bulks(&mut self) -> Vec<Vec<u8>> {
        let count = self.line()[1..].parse().unwrap();
        (0..count).map(|_| self.bulk()).collect()
    }
}
