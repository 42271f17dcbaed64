//! Which patterns match which channels, asked of both servers: through the matcher (PUBSUB CHANNELS) and through the index
//! in front of it (PUBLISH).

use super::{Pair, Random};
use crate::support::{Client, Value};

const PARTS: &[&[u8]] = &[
    b"a", b"a", b"b", b"b", b"c", b"*", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"[ab]", b"[^a]",
    b"[a-c]", b"\xff",
];

/// Patterns that crash Redis 7.0 or read beyond their end there are not drawn: none of these parts makes one.
fn draw(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    let mut drawn: Vec<_> = (0..count).map(|_| random.some_of(PARTS, 6)).collect();
    drawn.sort();
    drawn.dedup();
    drawn
}

fn subscribe(client: &mut Client, command: &str, names: &[Vec<u8>]) {
    for name in names {
        client.command_of(&[command.as_bytes(), name]);
        client.value();
    }
}

#[test]
fn patterns_against_the_list_of_channels() {
    let Some(pair) = Pair::start("globs") else { return };
    let mut random = Random::new();
    let channels = draw(&mut random, 300);
    // Not to be closed before the end.
    let subscribers = pair.clients().map(|mut client| {
        subscribe(&mut client, "SUBSCRIBE", &channels);
        client
    });
    let mut clients = pair.clients();
    for pattern in draw(&mut random, 1500) {
        let [ours, theirs] = clients.each_mut().map(|client| {
            client.command_of(&[b"PUBSUB", b"CHANNELS", &pattern]);
            let mut found = client.value().elements().to_vec();
            found.sort_by_key(|channel| format!("{channel:?}"));
            found
        });
        assert!(
            ours == theirs,
            "PUBSUB CHANNELS \"{}\"\nredis {:?}\n ours {:?}",
            pattern.escape_ascii(),
            shown(&theirs),
            shown(&ours)
        );
    }
    drop(subscribers);
}

#[test]
fn channels_against_subscribed_patterns() {
    let Some(pair) = Pair::start("publish") else { return };
    let mut random = Random::new();
    let patterns = draw(&mut random, 500);
    let mut subscribers = pair.clients();
    for client in &mut subscribers {
        subscribe(client, "PSUBSCRIBE", &patterns);
    }
    let mut publishers = pair.clients();
    for channel in draw(&mut random, 500) {
        let [ours, theirs] = [0, 1].map(|server| {
            publishers[server].command_of(&[b"PUBLISH", &channel, b"x"]);
            let count = publishers[server].value().integer();
            let frames = (0..count).map(|_| subscribers[server].value());
            let mut matched: Vec<_> = frames.map(|frame| frame.elements()[1].clone()).collect();
            matched.sort_by_key(|pattern| format!("{pattern:?}"));
            matched
        });
        assert!(
            ours == theirs,
            "PUBLISH \"{}\"\nredis {:?}\n ours {:?}",
            channel.escape_ascii(),
            shown(&theirs),
            shown(&ours)
        );
    }
}

fn shown(values: &[Value]) -> Vec<String> {
    let bytes = values.iter().map(|value| match value {
        Value::Bulk(bytes) => bytes.escape_ascii().to_string(),
        other => format!("{other:?}"),
    });
    bytes.collect()
}
