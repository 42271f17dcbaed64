//! MONITOR: what it shows, to whom, and what a client may do that is shown it.

use crate::support::{
    Client, Protocol, Server, Value, both_protocols, differs_from_oracle, eventually, while_publishing,
};

/// Two of them, of which neither is shown how the other began.
fn two_monitors(server: &Server, protocol: Protocol) -> [Client; 2] {
    let mut monitors = [server.speaking(protocol), server.speaking(protocol)];
    monitors.iter_mut().for_each(|monitor| monitor.call("MONITOR", "+OK\r\n"));
    monitors
}

/// Begins to monitor and reads the reply.
fn monitor(server: &Server, protocol: Protocol) -> Client {
    let mut monitor = server.speaking(protocol);
    monitor.call("MONITOR", "+OK\r\n");
    monitor
}

/// The next line without its time, which is checked to be one.
#[track_caller]
fn next(monitor: &mut Client) -> String {
    let line = String::from_utf8(monitor.read_line()).unwrap();
    let line = line
        .strip_prefix('+')
        .and_then(|line| line.strip_suffix("\r\n"))
        .unwrap_or_else(|| panic!("{line:?}"));
    let (time, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
    let (seconds, micros) = time.split_once('.').unwrap_or_else(|| panic!("{line:?}"));
    assert!(
        seconds.parse::<u64>().is_ok_and(|seconds| seconds > 1_700_000_000) && micros.len() == 6,
        "{line}"
    );
    rest.to_owned()
}

#[track_caller]
fn expect(monitor: &mut Client, database: u32, address: &str, command: &str) {
    assert_eq!(next(monitor), format!("[{database} {address}] {command}"));
}

#[test]
fn every_command_is_shown_with_its_client() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let address = client.address();
        let mut monitors = two_monitors(server, protocol);
        client.call("PING", "+PONG\r\n");
        client.call("select 3", "+OK\r\n");
        client.call("PUBLISH a b", ":0\r\n");
        client.call("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
        client.command("SUBSCRIBE x");
        client.expect_confirmation("subscribe", "x", 1);
        for monitor in &mut monitors {
            expect(monitor, 0, &address, r#""PING""#);
            // The database is the one behind it.
            expect(monitor, 3, &address, r#""select" "3""#);
            expect(monitor, 3, &address, r#""PUBLISH" "a" "b""#);
            expect(monitor, 3, &address, r#""PING" "a" "b""#);
            expect(monitor, 3, &address, r#""SUBSCRIBE" "x""#);
        }
    });
}

#[test]
fn any_bytes_are_one_line() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let address = client.address();
        let mut monitor = monitor(server, protocol);
        client.command_of(&[b"ECHO", b"\0\x07\x08\t\n\r\"\\ 'a~\x7f\x80\xff"]);
        client.value();
        client.command_of(&[b"ECHO", b""]);
        client.value();
        expect(&mut monitor, 0, &address, r#""ECHO" "\x00\a\b\t\n\r\"\\ 'a~\x7f\x80\xff""#);
        expect(&mut monitor, 0, &address, r#""ECHO" """#);
    });
}

#[test]
fn refused_and_administrative_commands_and_passwords_are_not_shown() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let address = client.address();
        let mut monitor = monitor(server, protocol);
        for line in [
            "NOSUCH x",
            "ECHO",
            "CLIENT LIST",
            "CLIENT KILL 1.2.3.4:5",
            "CLIENT NO-EVICT OFF",
            "CLIENT NOSUCH",
        ] {
            client.ask(line);
        }
        for line in ["CLIENT UNPAUSE", "AUTH x", "AUTH someone x", "HELLO 2 SETNAME auth AUTH u p SETNAME n"]
        {
            client.ask(line);
        }
        client.ask("CLIENT SETNAME me");
        expect(&mut monitor, 0, &address, r#""AUTH" "(redacted)""#);
        expect(&mut monitor, 0, &address, r#""AUTH" "(redacted)" "(redacted)""#);
        expect(
            &mut monitor,
            0,
            &address,
            r#""HELLO" "2" "SETNAME" "auth" "AUTH" "(redacted)" "(redacted)" "SETNAME" "n""#,
        );
        expect(&mut monitor, 0, &address, r#""CLIENT" "SETNAME" "me""#);
    });
}

#[test]
fn a_transaction_is_shown_as_it_runs() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let address = client.address();
        let mut monitor = monitor(server, protocol);
        client.send(
            "MULTI\r\nPING\r\nPUBLISH a b\r\nCLIENT LIST\r\nECHO x\r\nEXEC\r\nMULTI\r\nPING\r\nDISCARD\r\n",
        );
        for _ in 0..9 {
            client.value();
        }
        for command in [
            r#""MULTI""#,
            r#""PING""#,
            r#""PUBLISH" "a" "b""#,
            r#""ECHO" "x""#,
            r#""EXEC""#,
            r#""MULTI""#,
            r#""DISCARD""#,
        ] {
            expect(&mut monitor, 0, &address, command);
        }
    });
}

#[test]
fn its_own_commands_are_answered_and_then_shown() {
    both_protocols(|server, protocol| {
        let mut monitor = server.speaking(protocol);
        let address = monitor.address();
        monitor.call("MONITOR", "+OK\r\n");
        monitor.send("PING\r\nECHO 1\r\nMULTI\r\nPING\r\nEXEC\r\n");
        monitor.expect("+PONG\r\n");
        expect(&mut monitor, 0, &address, r#""PING""#);
        monitor.expect("$1\r\n1\r\n");
        expect(&mut monitor, 0, &address, r#""ECHO" "1""#);
        monitor.expect("+OK\r\n");
        expect(&mut monitor, 0, &address, r#""MULTI""#);
        monitor.expect("+QUEUED\r\n*1\r\n+PONG\r\n");
        expect(&mut monitor, 0, &address, r#""PING""#);
        expect(&mut monitor, 0, &address, r#""EXEC""#);
        let info = monitor.ask("CLIENT INFO").text();
        assert!(info.contains(" flags=O ") && info.contains(" redir=-1 "), "{info}");
        expect(&mut monitor, 0, &address, r#""CLIENT" "INFO""#);
        // A second time it is not answered.
        monitor.send("MONITOR\r\n");
        for line in ["PUBLISH a b", "SPUBLISH a b"] {
            monitor.call(line, "-ERR Replica can't interact with the keyspace\r\n");
        }
        monitor.command("SUBSCRIBE a");
        monitor.expect_confirmation("subscribe", "a", 1);
        expect(&mut monitor, 0, &address, r#""SUBSCRIBE" "a""#);
        monitor.call("RESET", "+RESET\r\n");
        monitor.call("PING", "+PONG\r\n");
        let info = monitor.ask("CLIENT INFO").text();
        assert!(info.contains(" flags=N "), "{info}");
        monitor.call("PUBLISH a b", ":0\r\n");
    });
}

#[test]
fn where_it_is_not_allowed() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("MULTI\r\nMONITOR\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
        client.call("MONITOR x", "-ERR wrong number of arguments for 'monitor' command\r\n");
        client.command("SUBSCRIBE a");
        client.expect_confirmation("subscribe", "a", 1);
        if protocol == Protocol::Resp2 {
            client.call(
                "MONITOR",
                "-ERR Can't execute 'monitor': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context\r\n",
            );
        } else {
            client.call("MONITOR", "+OK\r\n");
            server.client().call("PUBLISH a b", ":1\r\n");
            // The message and the line come in the order in which they were caused, whatever that is.
            let (first, second) = (client.value(), client.value());
            assert!(
                [&first, &second].iter().any(|value| matches!(value, Value::Push(_)))
                    && [&first, &second].iter().any(|value| matches!(value, Value::Simple(_))),
                "{first:?} {second:?}"
            );
        }
    });
}

#[test]
fn publishes_that_are_delivered_together_are_shown_one_by_one() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        let address = client.address();
        let mut monitor = monitor(server, protocol);
        client.send((0..100).map(|number| format!("PUBLISH a {number}\r\n")).collect::<String>());
        for number in 0..100 {
            expect(&mut monitor, 0, &address, &format!(r#""PUBLISH" "a" "{number}""#));
            subscriber.expect_message("a", &number.to_string());
        }
    });
}

#[test]
fn long_arguments_are_cut() {
    if differs_from_oracle("Redis shows all") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut monitors = two_monitors(server, protocol);
        let payload = "x".repeat(3 * 1024 * 1024);
        client.command_of(&[b"PUBLISH", b"a", payload.as_bytes(), b"", b""]);
        client.value();
        client.command_of(&[b"PUBLISH", b"a", payload.as_bytes()]);
        client.expect(":0\r\n");
        let names = vec![&b"x"[..]; 500_000];
        client.command_of(&[&[&b"DEL"[..]], &names[..]].concat());
        client.value();
        client.command_of(&[&[&b"UNSUBSCRIBE"[..]], &names[..]].concat());
        for _ in &names {
            client.value();
        }
        for monitor in &mut monitors {
            let line = next(monitor);
            assert!((1 << 20..(1 << 20) + 100).contains(&line.len()), "{} bytes", line.len());
            let (shown, rest) = line.split_once("... (").unwrap();
            let shown = shown.bytes().filter(|byte| *byte == b'x').count();
            assert_eq!(rest, format!("{} more bytes)\"", payload.len() - shown));
            let line = next(monitor);
            let shown = line.matches(r#" "x""#).count();
            assert!(line.ends_with(&format!("\"... ({} more arguments)\"", names.len() - shown)));
        }
    });
}

#[test]
fn a_monitor_that_does_not_read_is_closed_and_counted() {
    if differs_from_oracle("Redis lets it take all memory by default") {
        return;
    }
    for flags in [&["--client-output-buffer-limit", "normal 1mb 0 0"][..], &[]] {
        let server = Server::start_with(flags);
        let mut monitor = Client::connect_slow(server.address(), "lazy");
        monitor.call("MONITOR", "+OK\r\n");
        let mut client = server.client();
        let payload = "x".repeat(500_000);
        eventually("it is closed", || {
            client.call(&format!("PUBLISH a {payload}"), ":0\r\n");
            server.info("client_output_buffer_limit_disconnections") == "1"
        });
        client.call("PING", "+PONG\r\n");
        assert!(!client.ask("CLIENT LIST").text().contains(" flags=O "));
    }
}

#[test]
fn monitors_come_and_go_while_others_publish() {
    let server = Server::start();
    while_publishing(&server, 2, "PUBLISH a x\r\nPING 1\r\nPUBLISH a y\r\n", || {
        for round in 0..60 {
            let mut monitor = monitor(&server, Protocol::Resp3);
            for _ in 0..round % 7 {
                let line = next(&mut monitor);
                // Those of the publishers, and what the monitors before it said in the end.
                let shown = ["\"PUBLISH\" \"a\" \"", "\"PING\" \"1\"", "\"RESET\"", "\"QUIT\"", "\"HELLO\""];
                assert!(shown.iter().any(|shown| line.contains(shown)), "{line}");
            }
            match round % 3 {
                0 => monitor.send("RESET\r\n"),
                1 => monitor.send("QUIT\r\n"),
                _ => {}
            }
        }
    });
    let mut client = server.client();
    eventually("none is left", || !client.ask("CLIENT LIST").text().contains("cmd=monitor"));
}

#[test]
fn a_client_of_a_unix_socket_is_shown_with_its_path() {
    let directory = crate::support::Directory::new("monitor");
    let path = directory.file("socket");
    let server = Server::start_with(&["--unixsocket", &path]);
    let mut monitor = monitor(&server, Protocol::Resp2);
    Client::connect_unix(&path).call("PING", "+PONG\r\n");
    expect(&mut monitor, 0, &format!("unix:{path}"), r#""PING""#);
}
