//! COMMAND and COMMAND INFO.

use std::collections::BTreeSet;

use crate::support::{Protocol, Value, both_protocols, differs_from_oracle, encode};

/// A reply written in RESP3, as the protocol has it.
fn in_protocol(protocol: Protocol, resp3: &str) -> String {
    match protocol {
        Protocol::Resp3 => resp3.to_owned(),
        Protocol::Resp2 => {
            let line = |line: &str| match line.split_at_checked(1) {
                Some(("~", count)) => format!("*{count}"),
                Some(("%", pairs)) => format!("*{}", pairs.parse::<usize>().unwrap() * 2),
                Some(("_", _)) => "$-1".to_owned(),
                _ => line.to_owned(),
            };
            resp3.split("\r\n").map(line).collect::<Vec<_>>().join("\r\n")
        }
    }
}

#[test]
fn ten_elements_and_the_keys_of_a_command() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.command("COMMAND INFO spublish");
        let expected = "*1\r\n*10\r\n$8\r\nspublish\r\n:3\r\n~4\r\n+pubsub\r\n+loading\r\n+stale\r\n+fast\r\n\
                        :1\r\n:1\r\n:1\r\n~2\r\n+@pubsub\r\n+@fast\r\n~0\r\n\
                        ~1\r\n%3\r\n$5\r\nflags\r\n~1\r\n+not_key\r\n\
                        $12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n\
                        $9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n\
                        $7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n";
        client.expect(in_protocol(protocol, expected));
    });
}

#[test]
fn ours_are_told_in_the_same_form() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("MPUBLISH is ours") {
            return;
        }
        let mut client = server.speaking(protocol);
        client.command("COMMAND INFO MPublish");
        let expected = "*1\r\n*10\r\n$8\r\nmpublish\r\n:-3\r\n~4\r\n+pubsub\r\n+loading\r\n+stale\r\n+fast\r\n\
                        :0\r\n:0\r\n:0\r\n~2\r\n+@pubsub\r\n+@fast\r\n~0\r\n~0\r\n~0\r\n";
        client.expect(in_protocol(protocol, expected));
    });
}

#[test]
fn each_name_has_its_answer_in_order() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let names: &[&[u8]] = &[
            b"nosuch",
            b"ZADD",
            b"",
            b"client|id",
            b"Config|Get",
            b"client|nosuch",
            b"client|id|x",
            b"|",
            b"zadd\0",
            &[b'x'; 5000],
        ];
        client.send(encode([&[&b"COMMAND"[..], b"INFO"], names].concat()));
        let reply = client.value();
        let told: Vec<Option<String>> = reply
            .elements()
            .iter()
            .map(|entry| (*entry != Value::Null).then(|| entry.elements()[0].text()))
            .collect();
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        let expected =
            [None, Some("zadd"), None, Some("client|id"), Some("config|get"), None, None, None, None, None];
        assert_eq!(told, expected);
    });
}

#[test]
fn a_container_has_its_subcommands() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (container, subcommands) in [
            ("pubsub", "channels help numpat numsub shardchannels shardnumsub"),
            ("xgroup", "create createconsumer delconsumer destroy help setid"),
            ("object", "encoding freq help idletime refcount"),
        ] {
            let reply = client.ask(&format!("COMMAND INFO {container}"));
            let entries = reply.elements()[0].elements()[9].elements();
            let mut names: Vec<String> = entries.iter().map(|entry| entry.elements()[0].text()).collect();
            names.sort();
            // Ours.
            let added = ["pubsub|shardsubscribers", "pubsub|stats", "pubsub|subscribers"];
            names.retain(|name| !added.contains(&name.as_str()));
            let expected: Vec<String> =
                subcommands.split(' ').map(|name| format!("{container}|{name}")).collect();
            assert_eq!(names, expected);
            assert!(entries.iter().all(|entry| entry.elements().len() == 10));
        }
    });
}

/// The names in a reply of COMMAND, those of subcommands included.
fn names(entries: &[Value]) -> BTreeSet<String> {
    let own = entries.iter().map(|entry| entry.elements()[0].text());
    let nested = entries.iter().flat_map(|entry| names(entry.elements()[9].elements()));
    own.chain(nested).collect()
}

#[test]
fn without_names_it_is_about_what_is_served() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let all = client.ask("COMMAND");
        assert_eq!(client.ask("COMMAND INFO"), all);
        assert_eq!(all.elements().len() as i64, client.ask("COMMAND COUNT").integer());
        let listed: BTreeSet<String> = client.ask("COMMAND LIST").sorted_texts().into_iter().collect();
        assert_eq!(names(all.elements()), listed);
        assert!(listed.contains("publish") && listed.contains("pubsub|numsub"));
        if !differs_from_oracle("Redis serves it") {
            assert!(!listed.contains("zadd") && !listed.contains("xgroup"));
        }
    });
}

#[test]
fn many_names_take_many_turns_and_give_one_reply() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let names = " pubsub get nosuch".repeat(400);
        let expected = client.ask("COMMAND INFO pubsub get nosuch");
        client.send(format!("COMMAND INFO{names}\r\nPING\r\n"));
        let reply = client.value();
        assert!(reply.elements().chunks(3).all(|entries| entries == expected.elements()));
        assert_eq!(reply.elements().len(), 1200);
        client.expect("+PONG\r\n");
    });
}

#[test]
fn it_can_be_queued() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let alone = [client.ask("COMMAND INFO get"), client.ask("COMMAND COUNT")];
        client.send("MULTI\r\nCOMMAND INFO get\r\nCOMMAND COUNT\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n");
        assert_eq!(client.value(), Value::Array(alone.to_vec()));
    });
}

#[test]
fn other_subcommands_are_unknown() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("COMMAND nosuch", "-ERR unknown subcommand 'nosuch'. Try COMMAND HELP.\r\n");
        client.call("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command\r\n");
    });
}

#[test]
fn what_is_asked_for_too_often_ends_the_connection() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("a limit of ours") {
            return;
        }
        let mut client = server.speaking(protocol);
        client.send(encode(["COMMAND", "INFO"].into_iter().chain(std::iter::repeat_n("xgroup", 20_000))));
        client.expect_closed();
        assert_eq!(server.info("client_output_buffer_limit_disconnections"), "1");
    });
}
