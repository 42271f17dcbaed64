//! Commands about keys: what handshakes, health checks, fixtures and tools send is answered as by a Redis without keys.
//! Everything else, above all what writes, must be refused so that it is noticed.

use crate::support::{Client, both_protocols, differs_from_oracle};

#[track_caller]
fn calls(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, reply) in cases {
        client.call(line, format!("{reply}\r\n"));
    }
}

#[track_caller]
fn wrong_arity(client: &mut Client, lines: &[&str]) {
    for line in lines {
        let name = line.split(' ').next().unwrap().to_lowercase();
        client.call(line, format!("-ERR wrong number of arguments for '{name}' command\r\n"));
    }
}

#[test]
fn fixtures_flush() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for name in ["FLUSHALL", "FLUSHDB"] {
            for mode in ["", " SYNC", " ASYNC", " async"] {
                client.call(&format!("{name}{mode}"), "+OK\r\n");
            }
            for mode in ["NOW", "SYNC SYNC"] {
                client.call(&format!("{name} {mode}"), "-ERR syntax error\r\n");
            }
        }
    });
}

#[test]
fn flushing_leaves_subscriptions_alone() {
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.call("FLUSHALL", "+OK\r\n");
        client.call("PUBLISH a x", ":1\r\n");
        listener.expect_message("a", "x");
    });
}

#[test]
fn there_are_no_keys() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let null = protocol.null();
        calls(
            &mut client,
            &[
                ("DBSIZE", ":0"),
                ("KEYS *", "*0"),
                ("EXISTS a", ":0"),
                ("EXISTS a b a", ":0"),
                ("DEL a", ":0"),
                ("DEL a b", ":0"),
                ("UNLINK a b", ":0"),
                ("TYPE a", "+none"),
            ],
        );
        for line in ["GET __Booksleeve_TieBreak", "OBJECT ENCODING a", "object freq a"] {
            client.call(line, null);
        }
        for line in ["OBJECT IDLETIME a", "OBJECT REFCOUNT a"] {
            client.call(line, null);
        }
        wrong_arity(
            &mut client,
            &[
                "DBSIZE x", "KEYS", "KEYS a b", "EXISTS", "DEL", "UNLINK", "GET", "GET a b", "TYPE",
                "TYPE a b",
            ],
        );
    });
}

#[test]
fn scan_is_at_its_end() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in [
            "SCAN 0",
            "SCAN 5",
            "SCAN -1",
            "SCAN 18446744073709551615",
            "SCAN 0 MATCH a*",
            "SCAN 0 match a* COUNT 10 TYPE string",
        ] {
            client.call(line, "*2\r\n$1\r\n0\r\n*0\r\n");
        }
        calls(
            &mut client,
            &[
                ("SCAN x", "-ERR invalid cursor"),
                ("SCAN 0x", "-ERR invalid cursor"),
                ("SCAN 18446744073709551616", "-ERR invalid cursor"),
                ("SCAN x NOSUCH", "-ERR invalid cursor"),
                ("SCAN 0 MATCH", "-ERR syntax error"),
                ("SCAN 0 NOSUCH a", "-ERR syntax error"),
                ("SCAN 0 COUNT 0", "-ERR syntax error"),
                ("SCAN 0 COUNT 10 COUNT", "-ERR syntax error"),
                ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
            ],
        );
        wrong_arity(&mut client, &["SCAN"]);
    });
}

#[test]
fn xrange_finds_no_messages() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        // The first is what Centrifugo asks before it starts.
        for bounds in [
            "0-0 0-0",
            "- +",
            "+ -",
            "5 6-7",
            "(1 2",
            "- (0",
            "- + COUNT 0",
            "- + COUNT -1",
            "- + count 1 COUNT 2",
        ] {
            client.call(&format!("XRANGE a {bounds}"), "*0\r\n");
        }
        for bounds in ["x +", "- x", "5- +", "-5 +", "1-x +", "1-2-3 +", "( +", "(- +", "* +", "1-* +"] {
            client.call(
                &format!("XRANGE a {bounds}"),
                "-ERR Invalid stream ID specified as stream command argument\r\n",
            );
        }
        let most = u64::MAX;
        calls(
            &mut client,
            &[
                (&format!("XRANGE a ({most}-{most} +"), "-ERR invalid start ID for the interval"),
                ("XRANGE a - (0-0", "-ERR invalid end ID for the interval"),
                ("XRANGE a - + COUNT", "-ERR syntax error"),
                ("XRANGE a - + COUNT 1 2", "-ERR syntax error"),
                ("XRANGE a - + NOSUCH 1", "-ERR syntax error"),
                ("XRANGE a - + COUNT x", "-ERR value is not an integer or out of range"),
            ],
        );
        wrong_arity(&mut client, &["XRANGE a -"]);
    });
}

#[test]
fn object_is_a_container() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        calls(
            &mut client,
            &[
                ("OBJECT", "-ERR wrong number of arguments for 'object' command"),
                ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
                ("OBJECT FREQ a b", "-ERR wrong number of arguments for 'object|freq' command"),
                ("OBJECT NOSUCH a", "-ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP."),
                ("OBJECT HELP x", "-ERR wrong number of arguments for 'object|help' command"),
            ],
        );
        client.command("OBJECT HELP");
        client.expect(
            "*15\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+ENCODING <key>\r\n",
        );
        client.expect("+    Return the kind of internal representation used in order to store the value\r\n");
        client.expect("+    associated with a <key>.\r\n+FREQ <key>\r\n");
    });
}

#[test]
fn they_can_be_queued() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        for line in ["FLUSHDB", "GET a", "DEL a", "SCAN x"] {
            client.call(line, "+QUEUED\r\n");
        }
        client.call("EXEC", format!("*4\r\n+OK\r\n{}:0\r\n-ERR invalid cursor\r\n", protocol.null()));
    });
}

#[test]
fn what_would_store_something_or_mislead_is_unknown() {
    if differs_from_oracle("Redis has keys") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in [
            "SET a 1",
            "INCR a",
            "HSET a b c",
            "XADD a * b c",
            "LPUSH a b",
            "EXPIRE a 1",
            "TTL a",
            "MGET a",
            "HGETALL a",
            "STRLEN a",
            "RENAME a b",
            "SWAPDB 0 1",
            "MOVE a 1",
            "COPY a b",
            "RANDOMKEY",
            "TOUCH a",
        ] {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let arguments: String = words.map(|word| format!("'{word}' ")).collect();
            client.call(
                line,
                format!("-ERR unknown command '{name}', with args beginning with: {arguments}\r\n"),
            );
        }
    });
}
