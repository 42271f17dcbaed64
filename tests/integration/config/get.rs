//! CONFIG GET and the subcommands that take no option.

use std::collections::BTreeSet;

use crate::support::{Protocol, Server, Value, both_protocols, differs_from_oracle};

#[test]
fn one_option() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let (one, none) = match protocol {
            Protocol::Resp2 => ("*2\r\n", "*0\r\n"),
            Protocol::Resp3 => ("%1\r\n", "%0\r\n"),
        };
        client.call("CONFIG GET maxclients", format!("{one}$10\r\nmaxclients\r\n$5\r\n10000\r\n"));
        client.call("config get MAXC*", format!("{one}$10\r\nmaxclients\r\n$5\r\n10000\r\n"));
        for pattern in ["nosuch", "nosuch*", "[", "\\maxclients", "maxclients\\*"] {
            client.call(&format!("CONFIG GET {pattern}"), none);
        }
    });
}

#[test]
fn a_name_is_repeated_as_it_was_sent() {
    let server = Server::start();
    let mut client = server.client();
    client.call("CONFIG GET MaxClients", "*2\r\n$10\r\nMaxClients\r\n$5\r\n10000\r\n");
    client.call("CONFIG GET slave-read-only", "*2\r\n$15\r\nslave-read-only\r\n$3\r\nyes\r\n");
    let both = client.ask("CONFIG GET *-READ-only");
    assert_eq!(both.elements().len(), 4, "{both:?}");
    assert_eq!(both.field("slave-read-only"), both.field("replica-read-only"));
}

#[test]
fn every_option_once() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let reply = client.ask("CONFIG GET max* timeout maxclients TIMEOUT t?meout nosuch *");
        let names: Vec<String> = reply.elements().chunks(2).map(|pair| pair[0].text()).collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.len() > 150, "{names:?}");
        let all = client.ask("CONFIG GET *");
        assert_eq!(all.elements().len(), reply.elements().len());
    });
}

#[test]
fn values_are_in_their_canonical_form() {
    let limits = "normal 1048576 0 7";
    let server = Server::start_with(&[
        "--client-output-buffer-limit",
        "normal",
        "1mb",
        "0",
        "7",
        "--maxmemory",
        "1gb",
        "--notify-keyspace-events",
        "KEg$lshzxet",
        "--loglevel",
        "NOTICE",
        "--requirepass",
        "",
    ]);
    let mut client = server.client();
    let reply = client.ask("CONFIG GET *");
    let shown = |name: &str| reply.field(name).text();
    assert_eq!(
        shown("client-output-buffer-limit"),
        format!("{limits} slave 268435456 67108864 60 pubsub 33554432 8388608 60")
    );
    assert_eq!(shown("maxmemory"), "1073741824");
    assert_eq!(shown("notify-keyspace-events"), "g$lshzxetKE");
    assert_eq!(shown("loglevel"), "notice");
    assert_eq!(shown("requirepass"), "");
    assert_eq!(shown("bind"), "* -::*");
    assert_eq!(shown("databases"), "16");
    // The port that is served, also when any was asked for.
    assert_eq!(shown("port"), server.port.to_string());
}

#[test]
fn many_patterns_do_not_keep_others_waiting() {
    let server = Server::start();
    let mut client = server.client();
    let mut other = server.client();
    let mut request = vec!["CONFIG", "GET"];
    request.extend(std::iter::repeat_n("nosuch*", 20_000));
    client.command(&request.join(" "));
    other.call("PING", "+PONG\r\n");
    client.expect("*0\r\n");
    if !differs_from_oracle("max-pattern-length is ours") {
        client.call(
            &format!("CONFIG GET {}", "*a".repeat(10_000)),
            "-ERR pattern is longer than 1024 bytes (max-pattern-length)\r\n",
        );
    }
}

#[test]
fn wrong_calls() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (line, name) in [
            ("CONFIG", "config"),
            ("CONFIG GET", "config|get"),
            ("CONFIG SET", "config|set"),
            ("CONFIG SET timeout", "config|set"),
            ("CONFIG RESETSTAT x", "config|resetstat"),
            ("CONFIG REWRITE x", "config|rewrite"),
            ("CONFIG HELP x", "config|help"),
        ] {
            client.call(line, format!("-ERR wrong number of arguments for '{name}' command\r\n"));
        }
        client.call("CONFIG foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n");
        client.call("CONFIG REWRITE", "-ERR The server is running without a config file\r\n");
    });
}

#[test]
fn help() {
    both_protocols(|server, protocol| {
        server.speaking(protocol).call(
            "CONFIG HELP",
            "*11\r\n+CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+GET <pattern>\r\n+    Return \
             parameters matching the glob-like <pattern> and their values.\r\n+SET <directive> <value>\r\n+    Set the \
             configuration <directive> to <value>.\r\n+RESETSTAT\r\n+    Reset statistics reported by the INFO \
             command.\r\n+REWRITE\r\n+    Rewrite the configuration file.\r\n+HELP\r\n+    Prints this help.\r\n",
        );
    });
}

#[test]
fn statistics_begin_again() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for _ in 0..20 {
            client.ask("NOSUCH");
            client.call("PUBLISH a x", ":0\r\n");
        }
        // What came before it in the same pipeline is forgotten as well.
        client.send("PING\r\nPING\r\nCONFIG RESETSTAT\r\n");
        client.expect("+PONG\r\n+PONG\r\n+OK\r\n");
        let told = client.ask("INFO stats").text();
        let field = |name: &str| -> u64 {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("{name} in {told}")).parse().unwrap()
        };
        assert_eq!(field("total_commands_processed"), 1);
        assert_eq!(field("total_error_replies"), 0);
        assert_eq!(field("total_connections_received"), 0);
        if !differs_from_oracle("it does not count them") {
            assert_eq!(field("pubsub_messages_published"), 0);
        }
    });
}

#[test]
fn inside_a_transaction() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        for line in ["CONFIG SET timeout 7", "CONFIG GET timeout", "CONFIG SET timeout x"] {
            client.call(line, "+QUEUED\r\n");
        }
        let reply = client.ask("EXEC");
        assert_eq!(reply.elements()[0], Value::Simple("OK".into()));
        assert_eq!(reply.elements()[1].field("timeout").text(), "7");
        assert!(matches!(reply.elements()[2], Value::Error(_)));
    });
}
