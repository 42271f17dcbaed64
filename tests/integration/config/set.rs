//! What CONFIG SET refuses, in Redis's words, and that all is as before then.

use crate::support::{Client, Server, Value, both_protocols, both_protocols_with};

use super::{all, set, value};

fn failed(option: &str, reason: &str) -> String {
    format!("-ERR CONFIG SET failed (possibly related to argument '{option}') - {reason}\r\n")
}

#[test]
fn what_is_wrong_is_told() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let before = all(&mut client);
        client.call("CONFIG SET timeout 1 maxclients", "-ERR syntax error\r\n");
        for option in ["foo", "Foo*", ""] {
            client.command_of(&[b"CONFIG", b"SET", b"timeout", b"9", option.as_bytes(), b"1"]);
            client.expect(format!(
                "-ERR Unknown option or number of arguments for CONFIG SET - '{option}'\r\n"
            ));
        }
        let not_integer = "argument couldn't be parsed into an integer";
        for (line, option, reason) in [
            ("databases 3", "databases", "can't set immutable config"),
            ("DataBases x", "DataBases", "can't set immutable config"),
            ("dir /tmp", "dir", "can't set protected config"),
            ("timeout 1 TIMEOUT 2", "TIMEOUT", "duplicate parameter"),
            ("timeout x TIMEOUT 2", "TIMEOUT", "duplicate parameter"),
            ("timeout x databases 3", "databases", "can't set immutable config"),
            ("protected-mode maybe", "protected-mode", "argument must be 'yes' or 'no'"),
            ("Slave-Read-Only x", "slave-read-only", "argument must be 'yes' or 'no'"),
            ("MAXCLIENTS x", "maxclients", not_integer),
            ("maxclients 1gb", "maxclients", not_integer),
            ("port x", "port", not_integer),
            ("port 70000", "port", "argument must be between 0 and 65535 inclusive"),
            ("maxclients 0", "maxclients", "argument must be between 1 and 4294967295 inclusive"),
            ("timeout -1", "timeout", "argument must be between 0 and 2147483647 inclusive"),
            ("maxmemory 5x", "maxmemory", "argument must be a memory value"),
            (
                "proto-max-bulk-len 1",
                "proto-max-bulk-len",
                "argument must be between 1048576 and 9223372036854775807 inclusive",
            ),
            ("save 1", "save", "Invalid save parameters"),
            (
                "client-output-buffer-limit foo",
                "client-output-buffer-limit",
                "Wrong number of arguments in buffer limit configuration.",
            ),
            (
                "appendfsync sometimes",
                "appendfsync",
                "argument(s) must be one of the following: everysec, always, no",
            ),
        ] {
            client.call(&format!("CONFIG SET {line}"), failed(option, reason));
        }
        assert_eq!(all(&mut client), before);
    });
}

#[test]
fn all_or_nothing() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let before = all(&mut client);
        for (line, option) in [
            ("timeout 5 maxclients 77 loglevel warning tcp-keepalive x", "tcp-keepalive"),
            ("tcp-keepalive x timeout 5", "tcp-keepalive"),
            ("maxclients 77 bind 203.0.113.7", "bind"),
        ] {
            client.command(&format!("CONFIG SET {line}"));
            let Value::Error(error) = client.value() else { panic!("{line} is an error") };
            assert!(error.contains(&format!("argument '{option}')")), "{error}");
            assert_eq!(all(&mut client), before, "{line}");
        }
        client.call("CONFIG SET timeout 5 maxclients 77 replica-read-only no slave-priority 3", "+OK\r\n");
        assert_eq!(value(&mut client, "timeout"), "5");
        assert_eq!(value(&mut client, "maxclients"), "77");
        assert_eq!(value(&mut client, "slave-read-only"), "no");
        assert_eq!(value(&mut client, "replica-priority"), "3");
    });
}

#[test]
fn changes_of_several_clients_come_one_after_the_other() {
    let server = Server::start();
    let mut connections = [(); 4].map(|()| server.client());
    for connection in &mut connections {
        // Accepted before a listener closes: with it, whoever is not is turned away.
        connection.call("PING", "+PONG\r\n");
    }
    std::thread::scope(|scope| {
        for (client, mut connection) in connections.into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..100 {
                    let number = client * 1000 + number;
                    let addresses = if number % 2 == 0 { "127.0.0.1" } else { "127.0.0.1 127.0.0.2" };
                    connection.command_of(&[
                        b"CONFIG",
                        b"SET",
                        b"timeout",
                        format!("{}", 1000 + number).as_bytes(),
                        b"bind",
                        addresses.as_bytes(),
                        b"tcp-keepalive",
                        format!("{}", 1000 + number).as_bytes(),
                    ]);
                    connection.expect("+OK\r\n");
                    let both = connection.ask("CONFIG GET timeout tcp-keepalive");
                    assert_eq!(both.field("timeout"), both.field("tcp-keepalive"));
                }
            });
        }
    });
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn more_clients_than_the_system_allows() {
    let server = Server::start();
    let mut client = server.client();
    let limit = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limit.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let Ok(hard) = line.split_whitespace().nth(4).unwrap().parse::<u64>() else {
        println!("SKIPPED: this machine allows any number of descriptors");
        return;
    };
    // Some are kept for what is no client.
    let possible = hard - 32;
    client.call(
        &format!("CONFIG SET timeout 5 maxclients {}", possible + 1),
        failed(
            "maxclients",
            &format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ),
        ),
    );
    assert_eq!(value(&mut client, "maxclients"), "10000");
    assert_eq!(value(&mut client, "timeout"), "0");
    set(&mut client, "maxclients", &possible.to_string());
}

#[test]
fn protected_options() {
    for permission in ["yes", "local"] {
        both_protocols_with(&["--enable-protected-configs", permission], |server, protocol| {
            let mut client = server.speaking(protocol);
            set(&mut client, "dbfilename", "x.rdb");
            assert_eq!(value(&mut client, "dbfilename"), "x.rdb");
            client.call(
                "CONFIG SET dbfilename a/b",
                failed("dbfilename", "dbfilename can't be a path, just a filename"),
            );
        });
    }
}

#[test]
fn what_has_no_meaning_can_be_set_and_is_shown() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (name, given, shown) in [
            ("save", "60 1", "60 1"),
            ("save", "", ""),
            ("maxmemory", "100mb", "104857600"),
            ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
            ("maxmemory-clients", "5%", "5%"),
            ("notify-keyspace-events", "KEA", "AKE"),
            ("replica-announce-ip", "a b", "a b"),
            ("lua-time-limit", "7", "7"),
        ] {
            set(&mut client, name, given);
            assert_eq!(value(&mut client, name), shown, "{name}");
        }
        assert_eq!(value(&mut client, "busy-reply-threshold"), "7");
    });
}

/// What Redis's own test suite does after each test.
#[test]
fn all_that_is_shown_can_be_set_back() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        set_all_back(&mut client);
        set(&mut client, "client-output-buffer-limit", "normal 100mb 2 3 pubsub 0 0 0");
        set(&mut client, "save", "1 2 3 4");
        set(&mut client, "bind", "127.0.0.1");
        set(&mut client, "notify-keyspace-events", "KEA");
        set_all_back(&mut client);
    });
}

fn set_all_back(client: &mut Client) {
    let before = all(client);
    for (name, value) in &before {
        client.command_of(&[b"CONFIG", b"SET", name.as_bytes(), value]);
        match client.value() {
            Value::Simple(ok) => assert_eq!(ok, "OK"),
            Value::Error(error) => {
                let reasons = ["can't set immutable config", "can't set protected config"];
                assert!(reasons.iter().any(|reason| error.ends_with(reason)), "{name}: {error}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(&all(client), &before);
}

#[test]
fn not_before_authentication() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    client.call("CONFIG SET requirepass x", "-NOAUTH Authentication required.\r\n");
    client.call("CONFIG GET requirepass", "-NOAUTH Authentication required.\r\n");
    client.call("AUTH secret", "+OK\r\n");
}
