//! Arguments that are refused, with the words of each error; nothing changes then.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{OURS, text};
use crate::support::{Client, both_protocols, differs_from_oracle, encode};

/// Sends a command whose words may be any bytes and expects an error.
#[track_caller]
fn refused(client: &mut Client, arguments: &[&[u8]], error: &str) {
    client.send(encode(arguments));
    client.expect(format!("-{error}\r\n"));
}

#[test]
fn names() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let (long_topic, long_name) = (b"x".repeat(513), b"x".repeat(257));
        for (kind, most, long) in [
            ("topic", 512, &long_topic),
            ("key", 256, &long_name),
            ("session", 256, &long_name),
            ("id", 256, &long_name),
        ] {
            let bad: &[(&[u8], String)] = &[
                (long, format!("ERR presence {kind} is longer than {most} bytes")),
                (b"\xff", format!("ERR presence {kind} is not valid UTF-8")),
                (b"", format!("ERR presence {kind} is empty")),
            ];
            for (name, error) in bad.iter().filter(|(name, _)| kind != "id" || !name.is_empty()) {
                let commands: &[&[&[u8]]] = match kind {
                    "topic" => &[
                        &[b"PRESENCE.TRACK", name, b"k"],
                        &[b"PRESENCE.UPDATE", name, b"k", b"{}"],
                        &[b"PRESENCE.UNTRACK", name, b"k"],
                        &[b"PRESENCE.UNTRACKALL", b"TOPIC", name],
                        &[b"PRESENCE.LIST", name],
                        &[b"PRESENCE.GET", name, b"k"],
                        &[b"PRESENCE.COUNT", name],
                        &[b"PRESENCE.COUNT", b"t", name],
                        &[b"PRESENCE.SCAN", name, b"0"],
                    ],
                    "key" => &[
                        &[b"PRESENCE.TRACK", b"t", name],
                        &[b"PRESENCE.UPDATE", b"t", name, b"{}"],
                        &[b"PRESENCE.UNTRACK", b"t", name],
                        &[b"PRESENCE.GET", b"t", name],
                        &[b"PRESENCE.WHERE", name],
                    ],
                    "session" => &[
                        &[b"PRESENCE.TRACK", b"t", b"k", b"SESSION", name],
                        &[b"PRESENCE.UPDATE", b"t", b"k", b"{}", b"SESSION", name],
                        &[b"PRESENCE.UNTRACK", b"t", b"k", b"SESSION", name],
                        &[b"PRESENCE.UNTRACKALL", b"SESSION", name],
                        &[b"PRESENCE.TOUCH", name],
                        &[b"PRESENCE.END", name],
                    ],
                    _ => &[
                        &[b"PRESENCE.TRACK", b"t", b"k", b"ID", name],
                        &[b"PRESENCE.UPDATE", b"t", b"k", b"{}", b"ID", name],
                        &[b"PRESENCE.UNTRACK", b"t", b"k", b"ID", name],
                    ],
                };
                commands.iter().for_each(|command| refused(&mut client, command, error));
            }
        }
        client.call("PRESENCE.TOPICS 0", "*2\r\n$1\r\n0\r\n*0\r\n");
        // What is just short enough is taken.
        let (topic, name) = ("x".repeat(512), "é".repeat(128));
        text(&mut client, &["PRESENCE.TRACK", &topic, &name, "SESSION", &name, "ID", &name]);
    });
}

#[test]
fn metas() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "t", "k", r#"{"a":1}"#]);
        let before = client.ask("PRESENCE.LIST t");
        let long = [br#"{"a":""#.to_vec(), b"x".repeat(4096), br#""}"#.to_vec()].concat();
        let bad: &[(&[u8], &str)] = &[
            (&long, "ERR presence meta is longer than 4096 bytes"),
            (b"{\"a\":\"\xff\"}", "ERR presence meta is not valid UTF-8"),
            (b"{", "ERR presence meta is not a JSON object"),
            (b" {\"a\":1} x", "ERR presence meta is not a JSON object"),
            (b"{\"a\":01}", "ERR presence meta is not a JSON object"),
            (br#"{"phx_ref":"x"}"#, "ERR presence meta must not have a member 'phx_ref'"),
            (br#"{"a":1,"phx_ref_prev":1}"#, "ERR presence meta must not have a member 'phx_ref_prev'"),
        ];
        for (meta, error) in bad {
            refused(&mut client, &[b"PRESENCE.TRACK", b"t", b"k", meta], error);
            refused(&mut client, &[b"PRESENCE.TRACK", b"t", b"new", meta, b"NX"], error);
            refused(&mut client, &[b"PRESENCE.UPDATE", b"t", b"k", meta], error);
            refused(&mut client, &[b"PRESENCE.UPDATE", b"t", b"k", meta, b"MERGE"], error);
        }
        for meta in [&b"[]"[..], b"1", b"null", b"\"a\"", b"", b"x"] {
            refused(
                &mut client,
                &[b"PRESENCE.UPDATE", b"t", b"k", meta],
                "ERR presence meta is not a JSON object",
            );
        }
        for meta in [&b"[]"[..], b" [1", b"1", b"-1", b"\"a\""] {
            let track: [&[u8]; 4] = [b"PRESENCE.TRACK", b"t", b"k", meta];
            refused(&mut client, &track, "ERR presence meta is not a JSON object");
        }
        // Where it may be left out, what looks like a word is none.
        for meta in [&b"null"[..], b"", b" ", b"x"] {
            refused(&mut client, &[b"PRESENCE.TRACK", b"t", b"k", meta], "ERR syntax error");
        }
        // The patch is short enough, and the result is not.
        let half = format!(r#"{{"b":"{}"}}"#, "x".repeat(2100));
        text(&mut client, &["PRESENCE.TRACK", "t", "l", &half]);
        let other = half.replace("\"b\"", "\"c\"");
        refused(
            &mut client,
            &[b"PRESENCE.UPDATE", b"t", b"l", other.as_bytes(), b"MERGE"],
            "ERR presence meta is longer than 4096 bytes",
        );
        client.call("PRESENCE.UNTRACK t l", ":1\r\n");
        assert_eq!(client.ask("PRESENCE.LIST t"), before);
    });
}

#[test]
fn options() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for command in [
            "PRESENCE.TRACK t k x",
            "PRESENCE.TRACK t k {} {}",
            "PRESENCE.TRACK t k NX NX",
            "PRESENCE.TRACK t k SESSION",
            "PRESENCE.TRACK t k SESSION a SESSION b",
            "PRESENCE.TRACK t k NX {}",
            "PRESENCE.TRACK t k REF 1",
            "PRESENCE.TRACK t k MERGE",
            "PRESENCE.UPDATE t k {} NX",
            "PRESENCE.UPDATE t k {} REF",
            "PRESENCE.UPDATE t k {} MERGE MERGE",
            "PRESENCE.UNTRACK t k NX",
            "PRESENCE.UNTRACK t k {}",
            "PRESENCE.UNTRACKALL s",
            "PRESENCE.UNTRACKALL ID x",
            "PRESENCE.LIST t XML",
            "PRESENCE.LIST t JSON JSON",
            "PRESENCE.SCAN t 0 TYPE x",
            "PRESENCE.SCAN t 0 COUNT",
            "PRESENCE.SCAN t 0 COUNT 0",
            "PRESENCE.SCAN t 0 COUNT -1",
            "PRESENCE.TOPICS 0 MATCH",
            "PRESENCE.TOPICS 0 x",
            "PRESENCE.TOUCH s 1",
            "PRESENCE.TOUCH s TTL",
        ] {
            client.call(command, "-ERR syntax error\r\n");
        }
        for (command, arguments) in [
            ("presence.track", "t"),
            ("presence.update", "t k"),
            ("presence.untrack", "t"),
            ("presence.list", ""),
            ("presence.get", "t"),
            ("presence.get", "t k x"),
            ("presence.count", ""),
            ("presence.where", "k x"),
            ("presence.scan", "t"),
            ("presence.topics", ""),
            ("presence.touch", ""),
            ("presence.end", "s x"),
            ("presence.nodes", "x"),
            ("presence.help", "x"),
        ] {
            let error = format!("-ERR wrong number of arguments for '{command}' command\r\n");
            client.call(format!("{command} {arguments}").trim_end(), error);
        }
        for unknown in ["PRESENCE", "PRESENCE.NOSUCH", "PRESENCE.TRACK|x"] {
            let error = format!("-ERR unknown command '{unknown}', with args beginning with: 't' \r\n");
            client.call(&format!("{unknown} t"), error);
        }
        client.call("PRESENCE.TOPICS 0", "*2\r\n$1\r\n0\r\n*0\r\n");
    });
}

#[test]
fn numbers_cursors_and_refs() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for cursor in ["x", "-1", "+1", "1.5", "99999999999999999999"] {
            client.call(&format!("PRESENCE.SCAN t {cursor}"), "-ERR invalid cursor\r\n");
            client.call(&format!("PRESENCE.TOPICS {cursor}"), "-ERR invalid cursor\r\n");
        }
        let not_integer = "-ERR value is not an integer or out of range\r\n";
        client.call("PRESENCE.SCAN t 0 COUNT x", not_integer);
        client.call("PRESENCE.TOPICS 0 COUNT 1.5", not_integer);
        client.call("PRESENCE.TOUCH s TTL x", not_integer);
        client.call("PRESENCE.TOUCH s TTL 1 GRACE x", not_integer);
        let ttl = "-ERR presence TTL must be between 1 and 86400000 milliseconds\r\n";
        let grace = "-ERR presence GRACE must be between 0 and 86400000 milliseconds\r\n";
        for number in ["0", "-1", "86400001", "9223372036854775807"] {
            client.call(&format!("PRESENCE.TOUCH s TTL {number}"), ttl);
        }
        for number in ["-1", "86400001"] {
            client.call(&format!("PRESENCE.TOUCH s GRACE {number}"), grace);
        }
        let long = "a".repeat(1025);
        let too_long = "-ERR pattern is longer than 1024 bytes (max-pattern-length)\r\n";
        client.call(&format!("PRESENCE.SCAN t 0 MATCH {long}"), too_long);
        client.call(&format!("PRESENCE.TOPICS 0 MATCH {long}"), too_long);
        text(&mut client, &["PRESENCE.TRACK", "t", "k"]);
        for reference in ["x", "1", "0000000000000000000000000000000g", "000000000000000000000000000000000"] {
            let error = "-ERR presence ref is not valid\r\n";
            client.call(&format!("PRESENCE.UPDATE t k {{}} REF {reference}"), error);
            client.call(&format!("PRESENCE.UNTRACK t k REF {reference}"), error);
        }
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let reference = |ahead_ms: u64| format!("{:016x}{:016x}", (unix_ms + ahead_ms) << 16, 7);
        client.call(&format!("PRESENCE.UNTRACK t nobody REF {}", reference(30_000)), ":0\r\n");
        let error = "-ERR presence ref is from the future\r\n";
        client.call(&format!("PRESENCE.UPDATE t k {{}} REF {}", reference(3_600_000)), error);
        let far = "f".repeat(32);
        client.call(&format!("PRESENCE.UNTRACK t k REF {far}"), error);
        client.call("PRESENCE.COUNT t", "*1\r\n*2\r\n:1\r\n:1\r\n");
    });
}

#[test]
fn in_subscribed_mode_of_resp2_as_every_command() {
    if differs_from_oracle(OURS) {
        return;
    }
    let server = crate::support::Server::start();
    let mut client = server.client();
    client.subscribe("SUBSCRIBE", "a", 1);
    client.call(
        "PRESENCE.TRACK t k",
        "-ERR Can't execute 'presence.track': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
         this context\r\n",
    );
}
