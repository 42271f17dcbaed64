//! Which channels a pattern receives: through the server, not through the matcher, so that an index in front of it cannot
//! change the answer.

use crate::support::{Server, Value, both_protocols};

/// Pattern, channels that it matches, channels that it does not.
type Case = (&'static [u8], &'static [&'static [u8]], &'static [&'static [u8]]);

const CASES: &[Case] = &[
    (b"news", &[b"news"], &[b"new", b"newss", b"NEWS", b""]),
    (b"*", &[b"a", b"any thing", b"\xff"], &[b""]),
    (b"", &[b""], &[b"a"]),
    (b"news.*", &[b"news.", b"news.uk", b"news.uk.art"], &[b"news", b"xnews.uk"]),
    (b"*.uk", &[b".uk", b"news.uk"], &[b"news.uk.", b"uk"]),
    (b"n*s*k", &[b"nsk", b"news.uk", b"nsssk"], &[b"nks", b"news.u"]),
    (b"a**b", &[b"ab", b"axyb"], &[b"a", b"ba"]),
    (b"n?ws", &[b"news", b"n*ws", b"n\0ws"], &[b"nws", b"neews"]),
    (b"??", &[b"ab"], &[b"a", b"abc", b""]),
    (b"h[ae]llo", &[b"hello", b"hallo"], &[b"hillo", b"hllo", b"h[ae]llo"]),
    (b"[a-c]1", &[b"a1", b"b1", b"c1"], &[b"d1", b"-1"]),
    (b"[c-a]1", &[b"a1", b"b1", b"c1"], &[b"d1", b"-1"]),
    (b"[^a]b", &[b"bb", b"^b"], &[b"ab", b"b"]),
    (b"[^a-c]b", &[b"db"], &[b"ab", b"bb", b"cb"]),
    (b"[a", &[b"a"], &[b"b", b"[a"]),
    (b"[]", &[], &[b"a", b"]", b"", b"[]"]),
    (b"[^]", &[b"a", b"]"], &[b"", b"ab"]),
    (b"[\\]]", &[b"]"], &[b"\\"]),
    (b"\\*", &[b"*"], &[b"a", b"\\*"]),
    (b"a\\?b", &[b"a?b"], &[b"axb"]),
    (b"a\\", &[b"a\\"], &[b"a", b"ab"]),
    (b"\\a", &[b"a"], &[b"\\a"]),
    (b"\xff*\xfe", &[b"\xff\xfe", b"\xffab\xfe"], &[b"\xff"]),
    (b"a\r\n*", &[b"a\r\n", b"a\r\nb"], &[b"a"]),
];

#[test]
fn patterns_match_what_they_match_in_redis() {
    both_protocols(|server, protocol| {
        for (pattern, matching, others) in CASES {
            let mut client = server.speaking(protocol);
            client.command_of(&[b"PSUBSCRIBE", pattern]);
            client.value();
            for channel in *matching {
                assert_eq!(
                    publish(server, channel),
                    1,
                    "{} matches {}",
                    pattern.escape_ascii(),
                    channel.escape_ascii()
                );
                let frame = client.value();
                let [_, from, on, _] = frame.elements() else { panic!("four elements: {frame:?}") };
                assert_eq!((from, on), (&Value::Bulk(pattern.to_vec()), &Value::Bulk(channel.to_vec())));
            }
            for channel in *others {
                assert_eq!(
                    publish(server, channel),
                    0,
                    "{} does not match {}",
                    pattern.escape_ascii(),
                    channel.escape_ascii()
                );
            }
            client.expect_nothing_more();
            client.command("PUNSUBSCRIBE");
            client.value();
        }
    });
}

#[test]
fn all_patterns_at_once_match_as_they_do_alone() {
    both_protocols(|server, protocol| {
        let mut clients = Vec::new();
        for (pattern, _, _) in CASES {
            let mut client = server.speaking(protocol);
            client.command_of(&[b"PSUBSCRIBE", pattern]);
            client.value();
            clients.push(client);
        }
        let mut channels: Vec<&[u8]> =
            CASES.iter().flat_map(|case| case.1.iter().chain(case.2)).copied().collect();
        channels.sort();
        channels.dedup();
        for channel in channels {
            let known = CASES.iter().filter(|case| case.1.contains(&channel)).count() as i64;
            let excluded = CASES.iter().filter(|case| case.2.contains(&channel)).count() as i64;
            let receivers = publish(server, channel);
            let all = CASES.len() as i64;
            assert!(
                (known..=all - excluded).contains(&receivers),
                "{} reached {receivers}, at least {known} patterns match and {excluded} do not",
                channel.escape_ascii()
            );
        }
        for ((pattern, matching, others), client) in CASES.iter().zip(&mut clients) {
            // Only the channels of the table whose answer for this pattern is known: the end of the row is marked by a
            // channel of the test's own.
            client.command("PING end");
            let mut got = Vec::new();
            loop {
                let frame = client.value();
                match &frame {
                    Value::Bulk(text) if text == b"end" => break,
                    _ if frame.elements()[0].text() == "pong" => break,
                    _ => got.push(frame.elements()[2].clone()),
                }
            }
            for channel in *matching {
                let copies = got.iter().filter(|value| **value == Value::Bulk(channel.to_vec())).count();
                assert_eq!(copies, 1, "{} on {}", pattern.escape_ascii(), channel.escape_ascii());
            }
            for channel in *others {
                let stray = got.contains(&Value::Bulk(channel.to_vec()));
                assert!(!stray, "{} on {}", pattern.escape_ascii(), channel.escape_ascii());
            }
        }
    });
}

fn publish(server: &Server, channel: &[u8]) -> i64 {
    let mut publisher = server.client();
    publisher.command_of(&[b"PUBLISH", channel, b"payload"]);
    publisher.value().integer()
}
