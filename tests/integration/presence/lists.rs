//! LIST, GET and SCAN.

use std::collections::BTreeSet;

use super::{OURS, bulk, call, listed, meta, text};
use crate::support::{Client, Protocol, Value, both_protocols, differs_from_oracle, encode};

#[test]
fn nobody() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let nothing = listed(protocol, &[]);
        client.call("PRESENCE.LIST lobby", &nothing);
        client.call("PRESENCE.LIST lobby JSON", "$2\r\n{}\r\n");
        client.call("PRESENCE.GET lobby ann", "*0\r\n");
        client.call("PRESENCE.SCAN lobby 0", format!("*2\r\n$1\r\n0\r\n{nothing}"));
        client.call("PRESENCE.SCAN lobby 77", format!("*2\r\n$1\r\n0\r\n{nothing}"));
    });
}

#[test]
fn as_the_object_that_watchers_get() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let first = text(
            &mut client,
            &["PRESENCE.TRACK", "lobby", "a\"\\\n\u{1}é", r#"{"n":12345678901234567890.10}"#],
        );
        let second = text(&mut client, &["PRESENCE.TRACK", "lobby", "b", "ID", "1"]);
        let third = text(&mut client, &["PRESENCE.TRACK", "lobby", "b", "ID", "2"]);
        // Numbers stay as they were sent.
        let first = meta(&first, r#""n":12345678901234567890.10"#);
        let [second, third] = [second, third].map(|reference| meta(&reference, ""));
        let object =
            format!(r#"{{"a\"\\\n\u0001é":{{"metas":[{first}]}},"b":{{"metas":[{second},{third}]}}}}"#);
        call(&mut client, &["PRESENCE.LIST", "lobby", "json"], &bulk(&object));
    });
}

/// The keys of a reply of LIST.
fn keys(value: &Value) -> Vec<String> {
    value.elements().chunks(2).map(|pair| pair[0].text()).collect()
}

/// All keys that a scan meets.
fn scan(client: &mut Client, options: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ask(&format!("PRESENCE.SCAN lobby {cursor}{options}"));
        let [next, some] = reply.elements() else { panic!("{reply:?}") };
        found.extend(keys(some));
        cursor = next.text();
        if cursor == "0" {
            return found;
        }
        assert!(cursor.parse::<u64>().is_ok(), "{cursor}");
    }
}

#[test]
fn scans_meet_everybody_who_stays() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for number in 0..1000 {
            text(&mut client, &["PRESENCE.TRACK", "lobby", &format!("user-{number}"), "SESSION", "s"]);
        }
        let all: BTreeSet<String> = (0..1000).map(|number| format!("user-{number}")).collect();
        for options in ["", " COUNT 1", " COUNT 333", " count 100000", " MATCH * COUNT 7", " MATCH user*"] {
            let found = scan(&mut client, options);
            assert_eq!(found.len(), 1000, "{options}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all, "{options}");
        }
        let mut found = scan(&mut client, " MATCH user-9?");
        found.sort();
        assert_eq!(found, (90..100).map(|number| format!("user-{number}")).collect::<Vec<_>>());
        // Half of them leave and others come while it scans.
        let reply = client.ask("PRESENCE.SCAN lobby 0 COUNT 400");
        let mut found: BTreeSet<String> = keys(&reply.elements()[1]).into_iter().collect();
        let mut cursor = reply.elements()[0].text();
        for number in (0..1000).step_by(2) {
            client.call(&format!("PRESENCE.UNTRACK lobby user-{number} SESSION s"), ":1\r\n");
            text(&mut client, &["PRESENCE.TRACK", "lobby", &format!("late-{number}"), "SESSION", "s"]);
        }
        while cursor != "0" {
            let reply = client.ask(&format!("PRESENCE.SCAN lobby {cursor} COUNT 100"));
            found.extend(keys(&reply.elements()[1]));
            cursor = reply.elements()[0].text();
        }
        let missed: Vec<_> = (0..1000)
            .skip(1)
            .step_by(2)
            .map(|number| format!("user-{number}"))
            .filter(|key| !found.contains(key))
            .collect();
        assert!(missed.is_empty(), "{missed:?}");
    });
}

#[test]
fn a_list_of_several_steps_is_whole() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let tracks: Vec<u8> = (0..9000)
            .flat_map(|number| encode(["PRESENCE.TRACK", "lobby", &number.to_string(), r#"{"some":"meta"}"#]))
            .collect();
        client.send(tracks);
        let references: Vec<String> = (0..9000).map(|_| client.value().text()).collect();
        let reply = client.ask("PRESENCE.LIST lobby");
        assert_eq!(matches!(reply, Value::Map(_)), protocol == Protocol::Resp3);
        let pairs = reply.elements();
        assert_eq!(pairs.len(), 18_000);
        for pair in pairs.chunks(2) {
            let number: usize = pair[0].text().parse().unwrap();
            let metas: Vec<String> = pair[1].elements().iter().map(Value::text).collect();
            assert_eq!(metas, [meta(&references[number], r#""some":"meta""#)]);
        }
        client.call("MULTI", "+OK\r\n");
        client.call("PRESENCE.LIST lobby", "+QUEUED\r\n");
        assert_eq!(client.ask("EXEC").elements()[0], reply);
    });
}
