//! SLOWLOG: what is kept, how much of it, and what is never shown.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Client, Protocol, Server, Value, both_protocols_with};

const ALL: &[&str] = &["--slowlog-log-slower-than", "0"];

/// The arguments of each entry, the latest first.
fn logged(client: &mut Client) -> Vec<Vec<String>> {
    let entries = client.ask("SLOWLOG GET -1");
    let arguments = |entry: &Value| entry.elements()[3].elements().iter().map(Value::text).collect();
    entries.elements().iter().map(arguments).collect()
}

#[test]
fn an_entry_tells_who_did_what_when_and_for_how_long() {
    both_protocols_with(ALL, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT SETNAME me", "+OK\r\n");
        client.call("SLOWLOG RESET", "+OK\r\n");
        client.call("PUBLISH a x", ":0\r\n");
        let address = client.address();
        let reply = client.ask("SLOWLOG GET");
        let entries = reply.elements();
        assert_eq!(
            entries.len(),
            3,
            "SLOWLOG RESET, PUBLISH and CLIENT INFO, not yet the asking itself: {entries:?}"
        );
        let entry = entries[1].elements();
        assert_eq!(entry.len(), 6);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now - 60..=now).contains(&entry[1].integer()), "{entry:?}");
        assert!(entry[2].integer() >= 0, "{entry:?}");
        let words: Vec<String> = entry[3].elements().iter().map(Value::text).collect();
        assert_eq!(words, ["PUBLISH", "a", "x"]);
        assert_eq!((entry[4].text(), entry[5].text()), (address, "me".to_owned()));
        let id = |index: usize| entries[index].elements()[0].integer();
        assert!(id(0) == id(1) + 1 && id(1) == id(2) + 1, "ids count up");
    });
}

#[test]
fn get_and_len_show_as_many_as_there_are() {
    both_protocols_with(
        &["--slowlog-log-slower-than", "0", "--slowlog-max-len", "20"],
        |server, protocol| {
            let mut client = server.speaking(protocol);
            (0..50).for_each(|_| client.call("PING", "+PONG\r\n"));
            client.call("SLOWLOG LEN", ":20\r\n");
            for (line, count) in
                [("SLOWLOG GET", 10), ("SLOWLOG GET 0", 0), ("SLOWLOG GET 3", 3), ("slowlog get -1", 20)]
            {
                assert_eq!(client.ask(line).elements().len(), count, "{line}");
            }
            assert_eq!(client.ask("SLOWLOG GET 1000").elements().len(), 20);
        },
    );
}

#[test]
fn long_commands_are_clipped() {
    both_protocols_with(ALL, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.ask(&format!("PUBLISH a {}", "x".repeat(200)));
        client.ask(&format!("PUBSUB NUMSUB {}", ["a"; 40].join(" ")));
        let logged = logged(&mut client);
        assert_eq!(logged[0].len(), 32);
        assert_eq!(logged[0][31], "... (11 more arguments)");
        assert_eq!(logged[1][2], format!("{}... (72 more bytes)", "x".repeat(128)));
    });
}

#[test]
fn passwords_are_not_shown_and_what_did_not_run_is_not_there() {
    both_protocols_with(ALL, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("SLOWLOG RESET", "+OK\r\n");
        let number = if protocol == Protocol::Resp2 { 2 } else { 3 };
        for line in [
            "AUTH a",
            "AUTH default b",
            &format!("HELLO {number} AUTH default c SETNAME me"),
            "NOSUCH",
            "PUBLISH a",
        ] {
            client.ask(line);
        }
        let mut shown: Vec<String> = logged(&mut client).iter().map(|words| words.join(" ")).collect();
        shown.reverse();
        let hello = format!("HELLO {number} AUTH (redacted) (redacted) SETNAME me");
        assert_eq!(shown, ["SLOWLOG RESET", "AUTH (redacted)", "AUTH (redacted) (redacted)", &hello]);
    });
}

#[test]
fn of_a_transaction_what_is_in_it_is_logged() {
    both_protocols_with(ALL, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("SLOWLOG RESET", "+OK\r\n");
        for line in ["MULTI", "PUBLISH a x", "PING in", "EXEC"] {
            client.ask(line);
        }
        let shown: Vec<String> = logged(&mut client).iter().map(|words| words.join(" ")).collect();
        assert_eq!(shown, ["PING in", "PUBLISH a x", "MULTI", "SLOWLOG RESET"]);
    });
}

#[test]
fn nothing_is_logged_that_is_fast_enough() {
    for flags in [
        ["--slowlog-log-slower-than", "-1"],
        ["--slowlog-log-slower-than", "60000000"],
        ["--slowlog-max-len", "0"],
    ] {
        let server = Server::start_with(&flags);
        let mut client = server.client();
        (0..10).for_each(|_| client.call("PING", "+PONG\r\n"));
        client.call("SLOWLOG LEN", ":0\r\n");
        client.call("SLOWLOG GET", "*0\r\n");
    }
}

#[test]
fn what_is_wrong_is_told() {
    both_protocols_with(&["--slowlog-log-slower-than", "-1"], |server, protocol| {
        let mut client = server.speaking(protocol);
        let arity = |name: &str| format!("-ERR wrong number of arguments for '{name}' command\r\n");
        let cases = [
            ("SLOWLOG", arity("slowlog")),
            ("SLOWLOG LEN x", arity("slowlog|len")),
            ("SLOWLOG RESET x", arity("slowlog|reset")),
            ("SLOWLOG HELP x", arity("slowlog|help")),
            ("SLOWLOG Foo", "-ERR unknown subcommand 'Foo'. Try SLOWLOG HELP.\r\n".into()),
            ("SLOWLOG GET x", "-ERR count should be greater than or equal to -1\r\n".into()),
            ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n".into()),
            (
                "SLOWLOG GET 1 2",
                "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n"
                    .into(),
            ),
        ];
        for (line, reply) in cases {
            client.call(line, reply);
        }
        let help = client.ask("SLOWLOG HELP");
        assert_eq!(
            help.elements()[0].text(),
            "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        );
        assert_eq!(help.elements().len(), 12);
    });
}
