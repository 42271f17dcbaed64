//! COUNT, TOPICS, WHERE, NODES and HELP.

use super::{OURS, text};
use crate::support::{Protocol, Value, both_protocols, both_protocols_with, differs_from_oracle};

#[test]
fn keys_and_members_are_counted() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "a", "ann"]);
        text(&mut client, &["PRESENCE.TRACK", "a", "ann", "ID", "1"]);
        text(&mut client, &["PRESENCE.TRACK", "b", "bob"]);
        client.call("PRESENCE.COUNT a", "*1\r\n*2\r\n:1\r\n:2\r\n");
        client.call(
            "PRESENCE.COUNT b x a b",
            "*4\r\n*2\r\n:1\r\n:1\r\n*2\r\n:0\r\n:0\r\n*2\r\n:1\r\n:2\r\n*2\r\n:1\r\n:1\r\n",
        );
        // More than one turn has to do.
        client.command(&format!("PRESENCE.COUNT{}", " b".repeat(20_000)));
        client.expect("*20000\r\n");
        client.expect("*2\r\n:1\r\n:1\r\n".repeat(20_000));
    });
}

#[test]
fn topics_that_have_members() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.TOPICS 0", "*2\r\n$1\r\n0\r\n*0\r\n");
        for number in 0..500 {
            text(&mut client, &["PRESENCE.TRACK", &format!("room-{number}"), "ann"]);
        }
        client.call("PRESENCE.UNTRACK room-0 ann", ":1\r\n");
        for (options, expected) in [
            ("", 499),
            (" COUNT 1", 499),
            (" COUNT 1000", 499),
            (" MATCH room-4?", 10),
            (" match *9 count 100", 50),
        ] {
            let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
            loop {
                let reply = client.ask(&format!("PRESENCE.TOPICS {cursor}{options}"));
                found.extend(reply.elements()[1].elements().iter().map(Value::text));
                cursor = reply.elements()[0].text();
                if cursor == "0" {
                    break;
                }
            }
            found.sort();
            found.dedup();
            assert_eq!(found.len(), expected, "{options}");
            assert!(!found.contains(&"room-0".to_owned()));
        }
    });
}

#[test]
fn where_a_key_is() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.WHERE ann", "*0\r\n");
        for number in 0..1000 {
            text(&mut client, &["PRESENCE.TRACK", &format!("room-{number}"), "ann"]);
        }
        text(&mut client, &["PRESENCE.TRACK", "room-1", "ann", "ID", "1"]);
        text(&mut client, &["PRESENCE.TRACK", "room-1", "bob"]);
        let mut all: Vec<String> = (0..1000).map(|number| format!("room-{number}")).collect();
        all.sort();
        assert_eq!(client.ask("PRESENCE.WHERE ann").sorted_texts(), all);
        client.call("PRESENCE.WHERE bob", "*1\r\n$6\r\nroom-1\r\n");
        client.call("PRESENCE.UNTRACKALL", ":1002\r\n");
        client.call("PRESENCE.WHERE ann", "*0\r\n");
    });
    both_protocols_with(&["--presence-key-index", "no"], |server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann"]);
        let error = "-ERR presence has no index of keys (presence-key-index no)\r\n";
        client.call("PRESENCE.WHERE ann", error);
    });
}

#[test]
fn instances_are_told_of() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann"]);
        text(&mut client, &["PRESENCE.TRACK", "lobby", "bob", "SESSION", "s"]);
        let reply = client.ask("PRESENCE.NODES");
        let [node] = reply.elements() else { panic!("{reply:?}") };
        assert_eq!(matches!(node, Value::Map(_)), protocol == Protocol::Resp3);
        assert_eq!(node.field("name").text().len(), 16);
        assert_eq!(node.field("address").text(), format!("127.0.0.1:{}", server.port));
        assert_eq!(node.field("state").text(), "up");
        assert_eq!(node.field("incarnation").text().len(), 16);
        assert!(node.field("version").integer() >= 2);
        assert_eq!(node.field("lag").integer(), 0);
        assert_eq!(node.field("members").integer(), 2);
        assert_eq!(node.field("skew").integer(), 0);
        client.call("PRESENCE.UNTRACKALL SESSION s", ":1\r\n");
        let reply = client.ask("PRESENCE.NODES");
        assert_eq!(reply.elements()[0].field("members").integer(), 1);
    });
}

#[test]
fn help_names_every_command() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let lines: Vec<String> = client.ask("PRESENCE.HELP").elements().iter().map(Value::text).collect();
        assert_eq!(lines[0], "PRESENCE.<subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        assert_eq!(lines[lines.len() - 2..], ["HELP", "    Prints this help."]);
        let commands = client.ask("COMMAND LIST FILTERBY ACLCAT presence").sorted_texts();
        let told: Vec<String> = lines[1..]
            .iter()
            .filter(|line| !line.starts_with(' '))
            .map(|line| format!("presence.{}", line.split(' ').next().unwrap().to_ascii_lowercase()))
            .collect();
        assert_eq!(told.iter().filter(|name| commands.contains(name)).count(), commands.len());
        assert_eq!(told.len(), 14);
    });
}
